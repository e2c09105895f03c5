/** How options of streams change words of the row: a bit, or a number within bounds. Each answers as setsockopt(2): 0, or -errno. */
import { Errno } from '../../../base/errno.ts'

export const setFlag = (
  i32: Int32Array,
  sk: number,
  word: number,
  bit: number,
  on: boolean
): number => {
  i32[sk + word] = on ? i32[sk + word] | bit : i32[sk + word] & ~bit
  return 0
}
/** Of those whose value is 0 or 1 and nothing else. */
export const setBool = (
  i32: Int32Array,
  sk: number,
  word: number,
  bit: number,
  value: number
): number => (value < 0 || value > 1 ? -Errno.EINVAL : setFlag(i32, sk, word, bit, value !== 0))
export const setRange = (
  i32: Int32Array,
  sk: number,
  word: number,
  value: number,
  low: number,
  high: number
): number => {
  if (value < low || value > high) return -Errno.EINVAL
  i32[sk + word] = value
  return 0
}
