/**
 * A running maximum over a window of rounds, in constant room: the best sample, the best since that one, and the best since the
 * second; the first leaves as the window passes it (Nichols' filter). Three pairs of words, each a round and a value (uint32).
 * tcp-bbr.ts keeps bandwidth in one. Linux: lib/win_minmax.c.
 */

const put = (i32: Int32Array, at: number, t: number, v: number): void => {
  i32[at] = t
  i32[at + 1] = v
}
const move = (i32: Int32Array, to: number, from: number): void =>
  put(i32, to, i32[from], i32[from + 1])

export const resetMax = (i32: Int32Array, at: number, t: number, v: number): void => {
  for (let k = 0; k < 3; k++) put(i32, at + 2 * k, t, v)
}

/** A sample `v` of round `t`; what is older than `window` rounds is forgotten. */
export const runningMax = (
  i32: Int32Array,
  at: number,
  window: number,
  t: number,
  v: number
): void => {
  const [second, third] = [at + 2, at + 4]
  const age = (sample: number): number => (t - i32[sample]) | 0
  if (v >= i32[at + 1] >>> 0 || age(third) > window) return resetMax(i32, at, t, v)
  if (v >= i32[second + 1] >>> 0) {
    put(i32, second, t, v)
    put(i32, third, t, v)
  } else if (v >= i32[third + 1] >>> 0) put(i32, third, t, v)
  if (age(at) > window) {
    // the second may have left the window as well; the third has not
    for (let k = 0; k < 2 && age(at) > window; k++) {
      move(i32, at, second)
      move(i32, second, third)
      put(i32, third, t, v)
    }
  } else if (i32[second] === i32[at] && age(at) > window / 4) {
    put(i32, second, t, v)
    put(i32, third, t, v)
  } else if (i32[third] === i32[second] && age(at) > window / 2) put(i32, third, t, v)
}
