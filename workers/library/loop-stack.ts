/**
 * A stack that takes its turns in an event loop. When an error gets out of it that stack is over, and after a pause another begins
 * on the same shared tables, as a worker's does (workers/net.ts): its sockets are gone, what it held is freed and counted.
 * Used by host.ts.
 */
import type { Arena } from '../../core/shm/arena.ts'
import { G_GENERATION, THREAD_ACK, THREAD_RESTARTS, THREAD_RUNNING } from '../../core/shm/layout.ts'
import type { Stack } from '../../core/stack.ts'
import { createRestartPause } from '../restart-pause.ts'

type LoopStackDeps = {
  arena: Arena
  nowUs: () => number
  make: (restarted: boolean) => Stack
  /** Hears of each error; without it an error is the loop's. */
  onError?: ((error: unknown) => void) | undefined
}

export const createLoopStack = ({ arena, nowUs, make, onError }: LoopStackDeps) => {
  const { i32, layout } = arena
  const block = layout.threadBlocks
  const nextPause = createRestartPause()
  let stack = make(false)
  let sinceUs = nowUs()
  /** When there is one again; 0: there is one. */
  let againAtUs = 0
  i32[block + THREAD_RUNNING] = 1

  const fail = (error: unknown): void => {
    if (onError === undefined) throw error
    i32[block + THREAD_RUNNING] = 0
    i32[block + THREAD_RESTARTS]++
    againAtUs = nowUs() + nextPause((nowUs() - sinceUs) / 1000) * 1000
    onError(error)
  }
  const beginAgain = (): void => {
    // from before it first looks into the shared tables, control waits for it
    i32[block + THREAD_RUNNING] = 1
    sinceUs = nowUs()
    stack = make(true)
    againAtUs = 0
  }
  /** One turn, which is also its quiescent point. Returns how much it did. */
  const turn = (): number => {
    if (nowUs() < againAtUs) return 0
    try {
      if (againAtUs !== 0) beginAgain()
      const generation = i32[G_GENERATION]
      if (generation !== i32[block + THREAD_ACK]) {
        stack.refresh()
        i32[block + THREAD_ACK] = generation
      }
      return stack.poll()
    } catch (error) {
      fail(error)
      return 0
    }
  }
  const nextDelay = (limitMs: number): number =>
    againAtUs === 0
      ? stack.nextDelay(limitMs)
      : Math.max(0, Math.min(limitMs, Math.ceil((againAtUs - nowUs()) / 1000)))

  return {
    /** The one there is now, or was last. */
    now: () => stack,
    isRunning: () => againAtUs === 0,
    turn,
    nextDelay,
  }
}
