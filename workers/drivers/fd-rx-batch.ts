/**
 * A batch of reads from one descriptor through io_uring, each into a large buffer of its own. How many are tried follows
 * from how many frames came last: a read of an empty queue costs half of one that finds a frame.
 */
import type { Arena } from '../../core/shm/arena.ts'
import type { Skbs } from '../../core/skb/skb.ts'
import { LARGE_ROOM, RX_HEADROOM, SKB_DATA, SMALL_ROOM } from '../../core/skb/skb.ts'
import * as vnet from '../../core/wire/virtio-net-hdr.ts'
import { RING_ENTRIES, type Ring } from '../os/io-uring.ts'
import { Errno } from '../os/libc.ts'

/** Super-frames that are read before the first is handed on: more would push one another out of the cache. */
const MOST_LARGE = 8
/** Of a pool's large buffers one in sixteen may be armed: half of what nobody may hold (skb/budget.ts). */
const SHARE_SHIFT = 4
const FD_MASK = 1023

export type RxBatch = ReturnType<typeof createRxBatch>

export const createRxBatch = (arena: Arena, skbs: Skbs, ring: Ring) => {
  const { i32, u8, layout } = arena
  const most = Math.max(1, Math.min(RING_ENTRIES, layout.config.largeBuffers >> SHARE_SHIFT))
  /** Large skbs that are read into, and how many there are: those without a frame are free again after the batch. */
  const slots = new Int32Array(RING_ENTRIES)
  let armed = 0
  /** Frames of the latest batch. */
  const frames = new Int32Array(RING_ENTRIES)
  const lengths = new Int32Array(RING_ENTRIES)
  let errno = 0
  /** By descriptor: reads to try next, and whether super-frames came. */
  const wanted = new Uint8Array(FD_MASK + 1).fill(1)
  const isLarge = new Uint8Array(FD_MASK + 1)

  /** Frames to try to read from `fd` now, at most `limit`; for each of several there is a buffer. */
  const arm = (fd: number, limit: number): number => {
    const n = Math.min(wanted[fd & FD_MASK], limit, most)
    if (n <= 1) return n
    while (armed < n) {
      const skb = skbs.alloc(LARGE_ROOM, RX_HEADROOM)
      if (skb === 0) break
      slots[armed++] = skb
    }
    return Math.max(1, Math.min(n, armed))
  }
  /** `got` of `tried` reads found a frame. */
  const learn = (fd: number, got: number, tried: number): void => {
    const cap = isLarge[fd & FD_MASK] === 0 ? most : MOST_LARGE
    wanted[fd & FD_MASK] = Math.max(1, Math.min(got === tried ? 2 * got : got + 1, cap))
  }

  /** Tries `n` reads, which arm() has allowed; how many frames came, in their order. */
  const read = (fd: number, n: number): number => {
    for (let k = 0; k < n; k++)
      ring.read(fd, i32[slots[k] + SKB_DATA] - vnet.HEADER, vnet.HEADER + LARGE_ROOM)
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
      if (result - vnet.HEADER > SMALL_ROOM) large = 1
      lengths[got] = result - vnet.HEADER
      frames[got++] = k
    }
    isLarge[fd & FD_MASK] = large
    learn(fd, got, n)
    for (let k = 0; k < got; k++) frames[k] = take(frames[k], lengths[k])
    disarm()
    return got
  }
  /** The skb of the frame in a slot: a small one is copied out if there is a buffer for it. */
  const take = (slot: number, len: number): number => {
    const large = slots[slot]
    const small = len <= SMALL_ROOM ? skbs.alloc(SMALL_ROOM, RX_HEADROOM) : 0
    if (small === 0) {
      slots[slot] = 0
      skbs.put(large, len)
      return large
    }
    const from = i32[large + SKB_DATA]
    u8.copyWithin(skbs.put(small, len) - vnet.HEADER, from - vnet.HEADER, from + len)
    return small
  }
  /** Frees the buffers that no frame has taken along. */
  const disarm = (): void => {
    for (let k = 0; k < armed; k++) if (slots[k] !== 0) skbs.free(slots[k])
    armed = 0
  }
  /** What a read of the latest batch failed with, other than an empty queue; 0 is nothing. */
  const failure = (): number => errno
  const frame = (k: number): number => frames[k]

  return { arm, learn, read, failure, frame }
}
