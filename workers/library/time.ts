/**
 * The time of a network in one thread (network.ts): the machine's, or one that is turned by hand and leaps to whatever is
 * due next, so that a minute passes in the time that its events take. Application thread.
 */
import { seeded } from '../../core/base/random.ts'
import { monotonicUs, realtimeUs } from '../os/clock.ts'
import { random } from '../random.ts'

export type NetworkTime = {
  /** Monotonic microseconds. */
  nowUs: () => number
  /** Microseconds since 1970; left out, the monotonic ones are. */
  realtimeUs?: () => number
  /** A uniform int32. */
  random: () => number
  /** Nothing is due for `delayMs`: calls `again` when that has passed; a later call takes the place of an earlier one. */
  sleep: (delayMs: number, again: () => void) => void
  /** Somebody has work: nobody sleeps. */
  wake: () => void
}

export const realTime = (): NetworkTime => {
  let timer: Timer | undefined
  const wake = (): void => clearTimeout(timer)
  const sleep = (delayMs: number, again: () => void): void => {
    wake()
    timer = setTimeout(again, delayMs)
  }
  return { nowUs: monotonicUs, realtimeUs, random, sleep, wake }
}

const START_US = 1_000_000_000

export type VirtualTime = ReturnType<typeof virtualTime>

/**
 * Stands still until `run` or `until`, and then passes whenever the network has nothing to do at this moment. Timers of the
 * program's own (setTimeout) are not of this time.
 */
export const virtualTime = (seed = 1) => {
  let nowUs = START_US
  /** As far as it may go. */
  let limitUs = START_US
  let asleep: { dueUs: number; again: () => void } | undefined
  let reached: (() => void) | undefined

  /** Leaps once the turn of the event loop is over: what the program does in it belongs to this moment. */
  const leap = (): void => {
    if (asleep === undefined || nowUs >= limitUs) return
    const { dueUs, again } = asleep
    setImmediate(() => {
      if (asleep?.again !== again || nowUs >= limitUs) return
      asleep = undefined
      nowUs = Math.min(limitUs, Math.max(nowUs, dueUs))
      if (nowUs >= limitUs) reached?.()
      again()
    })
  }
  const sleep = (delayMs: number, again: () => void): void => {
    // timers count in whole milliseconds from where the wheel stands
    asleep = { dueUs: (Math.floor(nowUs / 1000) + delayMs) * 1000, again }
    leap()
  }
  const wake = (): void => {
    asleep = undefined
  }
  /** Lets `ms` pass. */
  const run = async (ms: number): Promise<void> => {
    const passed = Promise.withResolvers<void>()
    limitUs = nowUs + ms * 1000
    reached = passed.resolve
    leap()
    await passed.promise
    reached = undefined
  }
  /** Lets time pass until `done` is settled, which throws after `withinMs` of it. */
  const until = async <T>(done: Promise<T>, withinMs = 600_000): Promise<T> => {
    const late = run(withinMs).then(() => {
      throw new Error(`did not happen within ${withinMs} ms of virtual time`)
    })
    try {
      return await Promise.race([done, late])
    } finally {
      limitUs = nowUs
      late.catch(() => {})
      reached?.()
    }
  }
  return { nowUs: () => nowUs, random: seeded(seed), sleep, wake, run, until }
}
