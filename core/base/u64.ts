/**
 * 64-bit totals in two words, the low one first: rows count octets in them.
 */

/** Adds n >= 0 to a 64-bit total kept in words at, at + 1. */
export const add64 = (i32: Int32Array, at: number, n: number): void => {
  const low = i32[at]
  const sum = (low + n) | 0
  i32[at] = sum
  if (low >>> 0 > sum >>> 0) i32[at + 1]++
}

/** The 64-bit total at `at`, as a number (cold). */
export const read64 = (i32: Int32Array, at: number): number =>
  (i32[at] >>> 0) + i32[at + 1] * 0x100000000
