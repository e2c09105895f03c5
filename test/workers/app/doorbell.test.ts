// The doorbell of an application: whatever thread rings it, the application hears it, and nobody else keeps anything of it.
import { expect, test } from 'bun:test'
import { Worker } from 'node:worker_threads'
import { createBell, createRinger } from '../../../workers/app/doorbell.ts'

const THREADS = 8
const APP = 6

test('each thread of a stack rings an application', async () => {
  const bell = createBell('rings', APP, THREADS)
  const rung = new Promise<void>((resolve) => {
    let left = THREADS
    bell.listen(() => {
      if (--left === 0) resolve()
    })
  })
  for (let thread = 0; thread < THREADS; thread++) createRinger('rings', thread)(APP)
  await rung
  bell.close()
})

test('a thread that never returns to its event loop has nothing of what others ring', async () => {
  const end = new SharedArrayBuffer(4)
  const thread = new Worker(new URL('../../support/ringing-thread.ts', import.meta.url), {
    workerData: { id: 'kept', thread: 0, app: APP, end },
  })
  const exited = new Promise((resolve) => thread.on('exit', resolve))
  await new Promise((resolve) => thread.on('message', resolve))
  const ring = createRinger('kept', 1)
  const rss = (): number => process.memoryUsage.rss() / 2 ** 20
  for (let n = 0; n < 10_000; n++) ring(APP)
  const before = rss()
  for (let n = 0; n < 200_000; n++) ring(APP)
  const grown = rss() - before
  Atomics.notify(new Int32Array(end), 0)
  await exited
  expect(grown).toBeLessThan(20)
})
