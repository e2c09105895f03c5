/**
 * Reads from one descriptor, each into a large buffer of its own: a few one by one, more in a batch through io_uring. How many
 * are tried follows from how many frames came last: a read of an empty queue costs half of one that finds a frame.
 */
import type { Arena } from '../../core/shm/arena.ts'
import type { Skbs } from '../../core/skb/skbs.ts'
import { LARGE_ROOM, RX_HEADROOM, SMALL_ROOM } from '../../core/skb/skb.ts'
import * as vnet from '../../core/wire/virtio-net-hdr.ts'
import { RING_ENTRIES, type Ring } from '../os/io-uring.ts'
import { addressOf, Errno, errno as lastErrno, libc } from '../os/libc.ts'

/**
 * So many are read one by one, each by a read(2), which costs less than a readv of a small buffer and a large one: the first that
 * finds nothing is the last, where the rest of a batch would find nothing too (bench/tap/driver.ts). So are all
 * super-frames: what a batch saves is little beside the copy of one.
 */
const ALONE = 3
/** Of a pool's large buffers one in sixteen may be armed: half of what nobody may hold (skb/budget.ts). */
const SHARE_SHIFT = 4
/** Frames up to this length are copied to a small buffer at once; longer ones may be put together before (gro.ts). */
const COPYBREAK = 256
const FD_MASK = 1023

export type RxBatch = ReturnType<typeof createRxBatch>

export const createRxBatch = ({ u8, layout }: Arena, skbs: Skbs, ring: Ring) => {
  const base = addressOf(u8)
  const most = Math.max(1, Math.min(RING_ENTRIES, layout.config.largeBuffers >> SHARE_SHIFT))
  /** Large buffers that are read into. */
  const slots = new Int32Array(RING_ENTRIES)
  let armed = 0
  /** Frames of the latest batch. */
  /** The skbs of the frames of the latest read, in their order. */
  const frames = new Int32Array(RING_ENTRIES)
  let errno = 0
  /** By descriptor: reads to try next, and whether super-frames came. */
  const wanted = new Uint8Array(FD_MASK + 1).fill(1)
  const isLarge = new Uint8Array(FD_MASK + 1)

  /** Frames to try to read from `fd` at once, at most `limit`; for each of several there is a buffer and a row. */
  const arm = (fd: number, limit: number): number => {
    const n = Math.min(wanted[fd & FD_MASK], limit, most)
    if (n <= ALONE) return Math.min(n, 1)
    for (let rows = skbs.freeRows(); armed < n && armed < rows; armed++) {
      const buf = skbs.arm()
      if (buf < 0) break
      slots[armed] = buf
    }
    if (armed > 1) return armed
    disarm()
    return 1
  }
  /** `got` of `tried` reads found a frame. */
  const learn = (fd: number, got: number, tried: number): void => {
    const at = fd & FD_MASK
    const cap = isLarge[at] === 0 ? most : ALONE
    // where all were found there may be more; that only few were tried at the end of a turn says nothing
    const next = got < tried ? got + 1 : Math.max(wanted[at] + 1, 2 * got)
    wanted[at] = Math.min(next, cap)
  }

  /** Tries `n` reads, which arm() has allowed; how many frames came, in their order. */
  const read = (fd: number, n: number): number => {
    for (let k = 0; k < n; k++)
      ring.read(fd, frameIn(slots[k]) - vnet.HEADER, vnet.HEADER + LARGE_ROOM)
    ring.submit()
    let got = 0
    let large = 0
    errno = 0
    for (let k = 0; k < n; k++) {
      const result = ring.result(k)
      if (result < vnet.HEADER) {
        if (result < 0 && result !== -Errno.EAGAIN) errno = -result
        continue
      }
      const len = result - vnet.HEADER
      if (len > SMALL_ROOM) large = 1
      frames[got++] = take(k, len)
    }
    isLarge[fd & FD_MASK] = large
    learn(fd, got, n)
    disarm()
    return got
  }
  /** Reads one frame; its skb, 0 when there was none, and -1 when there is no buffer or row for it. */
  const readOne = (fd: number): number => {
    const buf = skbs.freeRows() === 0 ? -1 : skbs.arm()
    if (buf < 0) return -1
    slots[0] = buf
    armed = 1
    const n = libc.read(fd, base + frameIn(buf) - vnet.HEADER, vnet.HEADER + LARGE_ROOM)
    const len = n - vnet.HEADER
    errno = n < 0 ? lastErrno() : 0
    const skb = len < 0 ? 0 : take(0, len)
    if (skb !== 0) isLarge[fd & FD_MASK] = len > SMALL_ROOM ? 1 : 0
    disarm()
    learn(fd, skb === 0 ? 0 : 1, 1)
    return skb
  }
  /** Where a frame starts that is read into a buffer. */
  const frameIn = (buf: number): number => skbs.headOf(buf) + RX_HEADROOM
  /** The skb of the frame in a slot. */
  const take = (slot: number, len: number): number => {
    const buf = slots[slot]
    const small = len <= COPYBREAK ? skbs.alloc(COPYBREAK, RX_HEADROOM) : 0
    if (small === 0) {
      slots[slot] = -1
      const skb = skbs.build(buf, RX_HEADROOM)
      skbs.put(skb, len)
      return skb
    }
    const from = frameIn(buf)
    u8.copyWithin(skbs.put(small, len) - vnet.HEADER, from - vnet.HEADER, from + len)
    return small
  }
  /** Gives back the buffers that no frame has taken along. */
  const disarm = (): void => {
    for (let k = 0; k < armed; k++) if (slots[k] >= 0) skbs.unarm(slots[k])
    armed = 0
  }
  /** What the latest read failed with; 0 is nothing. */
  const failure = (): number => errno

  return { arm, learn, read, readOne, failure, frames }
}
