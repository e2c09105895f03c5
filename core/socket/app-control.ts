/**
 * What goes with data over the rings beside it (msg_flags, msg_control): octets at the end of its skb, the flags of a received
 * message in a word, then the control messages as cmsg.ts has them. Written on one thread and read on another: by
 * app-receiving.ts and app-submit.ts on the worker, by workers/app on the application's, which is not trusted.
 */
import { Errno } from '../base/errno.ts'
import type { Arena } from '../shm/arena.ts'
import { SKB_DATA, SKB_LEN } from '../skb/skb.ts'
import type { Skbs } from '../skb/skbs.ts'
import type { Cmsg } from './msg/cmsg.ts'

/** As many octets of control messages as a call that sends may have; Linux's optmem_max is no less. */
const CONTROL_MAX = 1024
/** In front of a received message's. */
export const FLAGS_BYTES = 4

/** Octets that what a call has received takes beside its data; 0: nothing. */
export const controlBytes = (cmsg: Cmsg): number =>
  cmsg.length() === 0 && cmsg.flags() === 0 ? 0 : FLAGS_BYTES + (cmsg.length() << 2)

/** Writes them to `to`. */
export const putControl = (u8: Uint8Array, to: number, cmsg: Cmsg): void => {
  const flags = cmsg.flags()
  for (let k = 0; k < FLAGS_BYTES; k++) u8[to + k] = flags >>> (8 * k)
  const bytes = cmsg.length() << 2
  for (let k = 0; k < bytes; k++) u8[to + FLAGS_BYTES + k] = cmsg.octets[k]
}

/** Takes the control messages of a call that sends off the end of its skb: so many of `words`, or -errno. */
export const createTakeControl = ({ i32, u8 }: Arena, skbs: Pick<Skbs, 'trim'>) => {
  const words = new Int32Array(CONTROL_MAX / 4)
  const octets = new Uint8Array(words.buffer)
  const take = (skb: number, bytes: number): number => {
    const data = i32[skb + SKB_LEN] - bytes
    if (bytes < 0 || (bytes & 3) !== 0 || data < 0) return -Errno.EINVAL
    if (bytes > CONTROL_MAX) return -Errno.ENOBUFS
    const from = i32[skb + SKB_DATA] + data
    for (let k = 0; k < bytes; k++) octets[k] = u8[from + k]
    skbs.trim(skb, data)
    return bytes >> 2
  }
  return { words, take }
}
