/**
 * Questions to other threads and their answers: a call by Ipi with a request id, answered by Ipi.REPLY. Control
 * thread only. A worker that is not running, or does not answer, is a time-out, never a hang.
 */
import { Errno } from '../base/errno.ts'
import type { Arena } from '../shm/arena.ts'
import type { IpiSystem } from '../shm/ipi.ts'
import { Ipi } from '../shm/ipi.ts'
import { THREAD_RUNNING, THREAD_WORDS } from '../shm/layout.ts'

/** Pauses after which a question counts as unanswered. */
const PATIENCE = 10_000

/** Up to eleven words. */
export type CallArgs = readonly [
  a0?: number,
  a1?: number,
  a2?: number,
  a3?: number,
  a4?: number,
  a5?: number,
  a7?: number,
  a8?: number,
  a9?: number,
  a10?: number,
  a11?: number,
]
export type Calls = ReturnType<typeof createCalls>

export const createCalls = (arena: Arena, ipi: IpiSystem, pause: () => Promise<void>) => {
  const { i32, layout } = arena
  const answers = new Map<number, number>()
  const asked = new Set<number>()
  let lastId = 0
  ipi.on(Ipi.REPLY, (_from, id, result) => {
    if (asked.has(id)) answers.set(id, result)
  })
  const isRunning = (thread: number): boolean =>
    Atomics.load(i32, layout.threadBlocks + thread * THREAD_WORDS + THREAD_RUNNING) === 1

  /** The thread's answer to `op`: 0 or more, or -errno. `args` are a0..a5, then a7..a11: a6 is the request id. */
  const call = async (thread: number, op: number, args: CallArgs): Promise<number> => {
    if (!isRunning(thread)) return -Errno.ENETDOWN
    lastId = (lastId + 1) | 0
    const id = lastId
    asked.add(id)
    // room on the way back
    ipi.run()
    try {
      const [a0, a1, a2, a3, a4, a5, ...more] = args
      if (!ipi.send(thread, op, a0, a1, a2, a3, a4, a5, id, ...more)) return -Errno.ENOBUFS
      for (let turn = 0; turn < PATIENCE; turn++) {
        ipi.run()
        const answer = answers.get(id)
        if (answer !== undefined) return answer
        if (!isRunning(thread)) return -Errno.ENETDOWN
        await pause()
      }
      return -Errno.ETIMEDOUT
    } finally {
      asked.delete(id)
      answers.delete(id)
    }
  }
  return { call }
}
