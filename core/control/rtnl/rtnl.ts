/**
 * The lock of changes: one at a time, in the order they were asked for, each from its first check to its publication,
 * however many turns of the event loop it takes. Reads do not take it. A driver may hold it only so long.
 * Control thread. Linux: rtnl_lock (net/core/rtnetlink.c).
 */

/** Changes that may wait: more than every client has under way at once, few enough to hold. */
const MAX_WAITING = 4096
/** How long a device may take to open, close or change. */
const PATIENCE_US = 10_000_000

export const TIMED_OUT = Symbol('timed out')

export type Rtnl = ReturnType<typeof createRtnl>

export const createRtnl = () => {
  let last: Promise<void> = Promise.resolve()
  let held = 0

  /** Runs `fn` when all changes before it are done; at once when there are none. */
  const run = async <T>(fn: () => T | Promise<T>): Promise<T> => {
    const before = held === 0 ? null : last
    const { promise, resolve } = Promise.withResolvers<void>()
    last = promise
    held++
    try {
      if (before !== null) await before
      return await fn()
    } finally {
      held--
      resolve()
    }
  }
  return { run, isFull: (): boolean => held > MAX_WAITING }
}

/** Waits for a driver; a driver that takes too long goes on alone. */
export const createPatience = (nowUs: () => number, pause: () => Promise<void>) => {
  const within = async <T>(work: T | Promise<T>): Promise<T | typeof TIMED_OUT> => {
    if (!(work instanceof Promise)) return work
    let isDone = false
    const end = (): void => {
      isDone = true
    }
    void work.then(end, end)
    const until = nowUs() + PATIENCE_US
    while (!isDone) {
      await pause()
      if (!isDone && nowUs() >= until) return TIMED_OUT
    }
    return work
  }
  return within
}
