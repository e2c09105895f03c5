/**
 * The time of one thread, read once a batch and kept where the path can look at it for free (Linux: jiffies and
 * tcp_mstamp). The loop, or a test turning the clock by hand, is the only writer.
 */
export const TIME_MS = 0 // jiffies: milliseconds, int32, wraps
export const TIME_US = 1 // microseconds, int32, wraps after 71 minutes: for differences only

export type Time = Int32Array

export const createTime = (): Time => new Int32Array(2)

/** Sets both words from a monotonic count of microseconds. */
export const setTime = (time: Time, us: number): void => {
  time[TIME_US] = us | 0
  // us may pass 2^53/1000 only after 285 years
  time[TIME_MS] = Math.floor(us / 1000) | 0
}

/** Is one time behind another, around the wrap (time_after)? */
export const isAfter = (a: number, b: number): boolean => ((a - b) | 0) > 0
