/**
 * The bytes of an skb: they grow and shrink at both ends, and are read wherever in the frag list they lie. Any thread. Linux:
 * skb_push, skb_pull, skb_put, skb_trim, skb_copy_bits.
 */
import type { Arena } from '../shm/arena.ts'
import {
  SKB_BUF,
  SKB_DATA,
  SKB_END,
  SKB_FRAGS,
  SKB_HEAD,
  SKB_LEN,
  SKB_NEXT,
  SKB_TAIL,
  SKB_USERS,
} from './skb.ts'

export type SkbData = ReturnType<typeof createSkbData>

export const createSkbData = ({ i32, u8, layout }: Arena) => {
  const { bufferRefs } = layout

  /** Leaves `n` more bytes of headroom in an empty skb. */
  const reserve = (skb: number, n: number): void => {
    i32[skb + SKB_DATA] += n
    i32[skb + SKB_TAIL] += n
  }
  /** Adds `n` bytes in front; returns the new data offset. Throws when there is no headroom. */
  const push = (skb: number, n: number): number => {
    const data = i32[skb + SKB_DATA] - n
    if (data < i32[skb + SKB_HEAD]) throw new Error(`skb_under_panic: push ${n}`)
    i32[skb + SKB_DATA] = data
    i32[skb + SKB_LEN] += n
    return data
  }
  /** Takes `n` bytes off the front; returns the new data offset. The caller knows that they are there. */
  const pull = (skb: number, n: number): number => {
    i32[skb + SKB_LEN] -= n
    return (i32[skb + SKB_DATA] += n)
  }
  /** Adds `n` bytes behind; returns where they start. Throws when there is no tailroom. */
  const put = (skb: number, n: number): number => {
    const tail = i32[skb + SKB_TAIL]
    if (tail + n > i32[skb + SKB_END]) throw new Error(`skb_over_panic: put ${n}`)
    i32[skb + SKB_TAIL] = tail + n
    i32[skb + SKB_LEN] += n
    return tail
  }
  /** Cuts a linear skb to `len` bytes. */
  const trim = (skb: number, len: number): void => {
    if (i32[skb + SKB_LEN] <= len) return
    i32[skb + SKB_LEN] = len
    i32[skb + SKB_TAIL] = i32[skb + SKB_DATA] + len
  }
  const get = (skb: number): number => {
    i32[skb + SKB_USERS]++
    return skb
  }

  /** True when others hold the data too, so that it must not be written. */
  const isShared = (skb: number): boolean => i32[bufferRefs + i32[skb + SKB_BUF]] > 1

  /** Copies `len` bytes from `offset` of the packet (frag list included) to arena offset `to`. */
  const copyBits = (skb: number, offset: number, to: number, len: number): void => {
    let at = offset
    let left = len
    let dst = to
    for (let part = skb; part !== 0 && left > 0; part = nextPart(skb, part)) {
      const here = i32[part + SKB_TAIL] - i32[part + SKB_DATA]
      if (at >= here) {
        at -= here
        continue
      }
      const n = Math.min(left, here - at)
      const from = i32[part + SKB_DATA] + at
      u8.copyWithin(dst, from, from + n)
      dst += n
      left -= n
      at = 0
    }
  }
  /** The byte at `offset` of the packet, wherever in the frag list it lies; -1 behind its end. */
  const byteAt = (skb: number, offset: number): number => {
    let at = offset
    for (let part = skb; part !== 0; part = nextPart(skb, part)) {
      const here = i32[part + SKB_TAIL] - i32[part + SKB_DATA]
      if (at < here) return u8[i32[part + SKB_DATA] + at]
      at -= here
    }
    return -1
  }
  const nextPart = (skb: number, part: number): number =>
    part === skb ? i32[skb + SKB_FRAGS] : i32[part + SKB_NEXT]

  /** Appends `frag` to skb's frag list and hands it over. */
  const addFrag = (skb: number, last: number, frag: number): void => {
    i32[frag + SKB_NEXT] = 0
    if (last === 0) i32[skb + SKB_FRAGS] = frag
    else i32[last + SKB_NEXT] = frag
    i32[skb + SKB_LEN] += i32[frag + SKB_LEN]
  }

  return { reserve, push, pull, put, trim, get, isShared, copyBits, byteAt, addFrag }
}
