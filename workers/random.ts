/**
 * The randomness that stacks are given: the system's, drawn a page at a time, so that a number costs no call and no
 * allocation (impairment asks for each packet). One pool a thread.
 */
const pool = new Int32Array(1024)
let left = 0

/** A uniform int32. */
export const random = (): number => {
  if (left === 0) {
    crypto.getRandomValues(pool)
    left = pool.length
  }
  left--
  return pool[left]
}
