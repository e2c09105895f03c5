/**
 * Takes the skb that an application's record names over from the ring, if it is one: a row that lies in a ring and whose
 * words agree with its buffer. It may be of any thread's pool, since an application may send what it has received. What the application wrote is not trusted, since a
 * wrong name or length would have the worker read, write or free what is another's. Called by app-port.ts and
 * app-submit.ts, on the worker. Linux: access_ok() and io_uring's checks of registered buffers.
 */
import type { Arena } from '../shm/arena.ts'
import { LARGE_BYTES, SKB_SHIFT, SKB_WORDS, SMALL_BYTES } from '../shm/layout.ts'
import {
  OWNER_IN_RING,
  SKB_BUF,
  SKB_DATA,
  SKB_END,
  SKB_FRAGS,
  SKB_GSO_SIZE,
  SKB_HEAD,
  SKB_LEN,
  SKB_OWNER,
  SKB_TAIL,
  SKB_USERS,
} from '../skb/skb.ts'

export type TakeSkb = ReturnType<typeof createTakeSkb>

export const createTakeSkb = ({ i32, layout }: Arena, worker: number) => {
  const { smalls, larges, smallBytes, largeBytes, bufferRefs, skbRows, threads } = layout
  const rowsEnd = skbRows + ((threads * layout.config.skbs) << SKB_SHIFT)

  const isRow = (skb: number): boolean =>
    skb >= skbRows && skb < rowsEnd && ((skb - skbRows) & (SKB_WORDS - 1)) === 0
  /** Where a buffer begins, or -1 when there is no such one or others hold it too. */
  const headOf = (buf: number): number => {
    if (buf < 0 || buf >= smalls + larges || i32[bufferRefs + buf] !== 1) return -1
    return buf < smalls ? smallBytes + buf * SMALL_BYTES : largeBytes + (buf - smalls) * LARGE_BYTES
  }
  const isSound = (skb: number): boolean => {
    const buf = i32[skb + SKB_BUF]
    const head = headOf(buf)
    const data = i32[skb + SKB_DATA]
    const len = i32[skb + SKB_LEN]
    return (
      head >= 0 &&
      i32[skb + SKB_HEAD] === head &&
      i32[skb + SKB_END] === head + (buf < smalls ? SMALL_BYTES : LARGE_BYTES) &&
      data >= head &&
      len >= 0 &&
      i32[skb + SKB_TAIL] === data + len &&
      data + len <= i32[skb + SKB_END]
    )
  }

  /** True when the skb is this worker's from here on; false when nothing may be done with it. */
  return (skb: number): boolean => {
    if (!isRow(skb) || i32[skb + SKB_OWNER] !== OWNER_IN_RING || i32[skb + SKB_USERS] !== 1)
      return false
    if (i32[skb + SKB_FRAGS] !== 0 || i32[skb + SKB_GSO_SIZE] !== 0 || !isSound(skb)) return false
    i32[skb + SKB_OWNER] = worker
    return true
  }
}
