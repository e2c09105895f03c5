/**
 * Timers of one thread: a hierarchical wheel whose timers are four words inside the rows they serve, so that arming
 * and cancelling allocate nothing and touch only neighbours in a list (Linux: kernel/time/timer.c).
 *
 * Six levels of 64 slots; level n counts in units of 64^n jiffies (1 jiffy = 1 ms). A timer fires in the jiffy it
 * is due, never before: timers of the upper levels cascade down when their slot's turn comes. Words: next, prev,
 * expires (jiffies), callback index. A timer's name is the word index of its first word.
 *
 * Delays count from the thread's time, not from where the wheel stands: a wheel that was not turned for a while, since
 * its thread slept or was held up, lags behind (Linux: jiffies and timer_base's clk).
 */
import { TIME_MS, type Time } from './time.ts'

const NEXT = 0
const PREV = 1
const EXPIRES = 2
const FN = 3
const LEVELS = 6
const SLOTS = 64

/** Words of a timer. */
export const TIMER_WORDS = 4
/** Words that the wheel's list heads take in the same memory. */
export const WHEEL_WORDS = LEVELS * SLOTS * 2

export type TimerWheel = ReturnType<typeof createTimerWheel>
type TimerFn = (timer: number) => void

/** A wheel whose heads lie at `base` (not 0, which is no timer) of `i32`, for a thread whose time is `time`. */
export const createTimerWheel = (i32: Int32Array, base: number, time: Time) => {
  const fns: TimerFn[] = []
  let clock = time[TIME_MS]
  let armed = 0
  for (let s = 0; s < LEVELS * SLOTS; s++) {
    const head = base + s * 2
    i32[head + NEXT] = head
    i32[head + PREV] = head
  }

  /** Registers a callback; its index is what `arm` takes. At boot. */
  const register = (fn: TimerFn): number => fns.push(fn)

  const place = (timer: number): void => {
    const expires = i32[timer + EXPIRES]
    let delta = (expires - clock) | 0
    if (delta < 0) delta = 0
    let level = 0
    while (level < LEVELS - 1 && delta >= SLOTS) {
      delta >>>= 6
      level++
    }
    // beyond the top level's span: the last slot, from where it cascades again
    const unit = level * 6
    let slot = (expires >> unit) & 63
    if (((expires - clock) | 0) < 0) slot = clock & 63
    const head = base + (level * SLOTS + slot) * 2
    const last = i32[head + PREV]
    i32[timer + NEXT] = head
    i32[timer + PREV] = last
    i32[last + NEXT] = timer
    i32[head + PREV] = timer
  }

  const isArmed = (timer: number): boolean => i32[timer + NEXT] !== 0

  const unlink = (timer: number): void => {
    const next = i32[timer + NEXT]
    const prev = i32[timer + PREV]
    i32[prev + NEXT] = next
    i32[next + PREV] = prev
    i32[timer + NEXT] = 0
    i32[timer + PREV] = 0
  }

  /** Disarms; nothing happens when it is not armed. */
  const cancel = (timer: number): void => {
    if (!isArmed(timer)) return
    unlink(timer)
    armed--
  }
  /** (Re)arms the timer to call function `fn` `delayMs` from now (at least one jiffy). */
  const arm = (timer: number, delayMs: number, fn: number): void => {
    cancel(timer)
    i32[timer + EXPIRES] = (time[TIME_MS] + (delayMs < 1 ? 1 : delayMs)) | 0
    i32[timer + FN] = fn
    armed++
    place(timer)
  }
  const expiresAt = (timer: number): number => i32[timer + EXPIRES]

  const cascade = (level: number): void => {
    const slot = (clock >> (level * 6)) & 63
    const head = base + (level * SLOTS + slot) * 2
    // taken off as a whole first: a timer may go back into the very same slot
    let timer = i32[head + NEXT]
    i32[head + NEXT] = head
    i32[head + PREV] = head
    while (timer !== head) {
      const next = i32[timer + NEXT]
      place(timer)
      timer = next
    }
    if (slot === 0 && level + 1 < LEVELS) cascade(level + 1)
  }

  const fire = (): number => {
    let fired = 0
    const head = base + (clock & 63) * 2
    for (let timer = i32[head + NEXT]; timer !== head; timer = i32[head + NEXT]) {
      unlink(timer)
      armed--
      fired++
      // filled with register(), by whoever has timers
      fns[i32[timer + FN] - 1](timer)
    }
    return fired
  }

  /** Turns the wheel to the thread's time, firing what is due; returns how many fired. */
  const advance = (): number => {
    const to = time[TIME_MS]
    let fired = 0
    while (((to - clock) | 0) > 0) {
      if (armed === 0) {
        clock = to
        return fired
      }
      clock = (clock + 1) | 0
      if ((clock & 63) === 0) cascade(1)
      fired += fire()
    }
    return fired
  }

  const isEmpty = (level: number, slot: number): boolean => {
    const head = base + (level * SLOTS + slot) * 2
    return i32[head + NEXT] === head
  }
  /**
   * Milliseconds until something may be due (a bound from below, at most `limit`): a timer of the first level, or
   * the turn of a slot of the second that holds some, or of the levels above, which is not looked into.
   */
  const nextDelay = (limit: number): number => {
    if (armed === 0) return limit
    const toTurn = 64 - (clock & 63)
    for (let d = 1; d < toTurn && d < limit; d++) if (!isEmpty(0, (clock + d) & 63)) return d
    for (let d = toTurn; d < limit; d += 64) {
      const slot = ((clock + d) >> 6) & 63
      if (slot === 0 || !isEmpty(1, slot)) return d
      // first-level timers of the turn after this one
      for (let k = 0; k < 64 && d === toTurn; k++)
        if (d + k < limit && !isEmpty(0, k) && k <= (clock & 63)) return d + k
    }
    return limit
  }

  return {
    register,
    arm,
    cancel,
    isArmed,
    expiresAt,
    advance,
    nextDelay,
    /** The jiffy that the wheel stands at. */
    now: () => clock,
    count: () => armed,
  }
}
