/**
 * Questions to other threads and their answers: a call by Ipi with a request id, answered by Ipi.REPLY. Control
 * thread only. A worker that is not running, or is started again with the question in hand, is ENETDOWN; one that
 * does not answer in time is ETIMEDOUT, never a hang.
 */
import { Errno } from '../../base/errno.ts'
import type { Arena } from '../../shm/arena.ts'
import type { IpiSystem } from '../../shm/ipi.ts'
import { Ipi } from '../../shm/ipi.ts'
import { THREAD_RESTARTS, THREAD_RUNNING, THREAD_WORDS } from '../../shm/layout.ts'

/** A turn of a busy worker's loop is some milliseconds; a machine that is busy may keep it waiting for more. */
const PATIENCE_MS = 2000

type CallsDeps = {
  arena: Arena
  ipi: IpiSystem
  /** Resolves after a moment in which the other threads have run. */
  pause: () => Promise<void>
  /** Monotonic microseconds. */
  nowUs: () => number
}

/** Up to eleven words. */
type CallArgs = readonly [
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

export const createCalls = ({ arena, ipi, pause, nowUs }: CallsDeps) => {
  const { i32, layout } = arena
  const answers = new Map<number, number>()
  const asked = new Set<number>()
  let lastId = 0
  ipi.on(Ipi.REPLY, (_from, id, result) => {
    if (asked.has(id)) answers.set(id, result)
  })
  const wordOf = (thread: number, word: number): number =>
    Atomics.load(i32, layout.threadBlocks + thread * THREAD_WORDS + word)
  const isRunning = (thread: number): boolean => wordOf(thread, THREAD_RUNNING) === 1

  /** The thread's answer to `op`: 0 or more, or -errno. `args` are a0..a5, then a7..a11: a6 is the request id. */
  const call = async (thread: number, op: number, args: CallArgs): Promise<number> => {
    if (!isRunning(thread)) return -Errno.ENETDOWN
    lastId = (lastId + 1) | 0
    const id = lastId
    asked.add(id)
    // room on the way back
    ipi.run()
    try {
      const restarts = wordOf(thread, THREAD_RESTARTS)
      const [a0, a1, a2, a3, a4, a5, ...more] = args
      if (!ipi.send(thread, op, a0, a1, a2, a3, a4, a5, id, ...more)) return -Errno.ENOBUFS
      const deadline = nowUs() + PATIENCE_MS * 1000
      for (;;) {
        ipi.run()
        const answer = answers.get(id)
        if (answer !== undefined) return answer
        if (!isRunning(thread) || wordOf(thread, THREAD_RESTARTS) !== restarts)
          return -Errno.ENETDOWN
        if (nowUs() >= deadline) return -Errno.ETIMEDOUT
        await pause()
      }
    } finally {
      asked.delete(id)
      answers.delete(id)
    }
  }
  return { call }
}
