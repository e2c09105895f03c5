/**
 * Takes the skb that an application's record names over from the ring, if it is one: a row of the application's own
 * pool that lies in the ring and whose words agree with its buffer. What the application wrote is not trusted, since a
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

/** `thread` is the application's. */
export const createTakeSkb = ({ i32, layout }: Arena, worker: number, thread: number) => {
  const { smalls, smallBytes, largeBytes, bufferRefs } = layout
  const { skbs, smallBuffers, largeBuffers } = layout.config
  const rows = layout.skbRows + ((thread * skbs) << SKB_SHIFT)
  const rowsEnd = rows + (skbs << SKB_SHIFT)
  const firstSmall = thread * smallBuffers
  const firstLarge = smalls + thread * largeBuffers

  const isRow = (skb: number): boolean =>
    skb >= rows && skb < rowsEnd && ((skb - rows) & (SKB_WORDS - 1)) === 0
  /** Where the buffer of a row begins, or -1 when it is none of the application's or others hold it too. */
  const headOf = (buf: number): number => {
    if (buf >= firstSmall && buf < firstSmall + smallBuffers)
      return i32[bufferRefs + buf] === 1 ? smallBytes + buf * SMALL_BYTES : -1
    if (buf >= firstLarge && buf < firstLarge + largeBuffers)
      return i32[bufferRefs + buf] === 1 ? largeBytes + (buf - smalls) * LARGE_BYTES : -1
    return -1
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
