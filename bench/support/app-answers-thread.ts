// app-answers.ts in a thread of its own, which never sleeps, and tells what it has done. Entry of a Worker.
import { workerData } from 'node:worker_threads'
import { attachArena } from '../../core/shm/arena.ts'
import type { ArenaConfig } from '../../core/shm/layout.ts'
import { type AppAnswersOptions, createAppAnswers } from './app-answers.ts'
import { TOLD } from './app-answers-told.ts'

type AppAnswersData = {
  config: ArenaConfig
  buffer: SharedArrayBuffer
  options: AppAnswersOptions
  told: SharedArrayBuffer
}
const { config, buffer, options, told } = workerData as AppAnswersData
const words = new Int32Array(told)
const doubles = new Float64Array(told)
const { listen, answer, opened } = createAppAnswers(attachArena(config, buffer), options)
listen()
for (;;) {
  const start = performance.now()
  const answered = answer()
  if (answered > 0) doubles[TOLD.ms]! += performance.now() - start
  Atomics.store(words, TOLD.opened, opened())
  Atomics.add(words, TOLD.answered, answered)
}
