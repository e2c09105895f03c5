/**
 * Reading frames from the descriptors of TAPs and packet sockets into skbs. Nobody knows how long a frame is before it is
 * read. A thread with an io_uring reads a TAP's into large buffers, in batches while there are more; small ones are copied out
 * (fd-rx-batch.ts), others behind receive offload, if they stay alone (core/stack/steering.ts). Without one, from packet sockets,
 * and when the large ones have run out, frames come one at a time: a small buffer first and, in the same readv, a large one
 * behind it, so a super-frame costs one call and a 2 KB copy.
 */
import type { FibPrefetch } from '../../core/inet/fib/trie/fib-prefetch.ts'
import type { Arena } from '../../core/shm/arena.ts'
import { DevStat, deviceStats } from '../../core/netdev/netdev.ts'
import type { DropFn } from '../../core/skb/drop.ts'
import { Drop } from '../../core/skb/drop.ts'
import type { Skbs } from '../../core/skb/skbs.ts'
import {
  LARGE_ROOM,
  RX_HEADROOM,
  SKB_DATA,
  SKB_DEV,
  SKB_LEN,
  SMALL_ROOM,
} from '../../core/skb/skb.ts'
import * as vnet from '../../core/wire/virtio-net-hdr.ts'
import type { Ring } from '../os/io-uring.ts'
import { addressOf, block, Errno, errno, libc, putAddress } from '../os/libc.ts'
import { createAuxdata } from './auxdata.ts'
import { isFatal } from './fd.ts'
import { createRxBatch, type RxBatch } from './fd-rx-batch.ts'
import { createVnetOffload } from './vnet-offload.ts'

/** What is done with a received frame. */
export type Deliver = (skb: number) => void

export type FdRx = ReturnType<typeof createFdRx>

type FdRxDeps = { arena: Arena; skbs: Skbs; drop: DropFn; ring: Ring | null } & Partial<
  Pick<FibPrefetch, 'prefetchFrames'>
>

/** Who routes what is read looks ahead at it (prefetchFrames). */
export const createFdRx = ({ arena, skbs, drop, ring, prefetchFrames = () => {} }: FdRxDeps) => {
  const { i32, u8, f64 } = arena
  const offload = createVnetOffload(arena)
  const batch = ring === null ? null : createRxBatch(arena, skbs, ring)
  const base = addressOf(u8)
  const iov = block(32)
  const words = new Uint32Array(iov.bytes.buffer)
  const baseLow = base % 0x1_0000_0000
  const baseHigh = Math.floor(base / 0x1_0000_0000)
  const setAddress = (word: number, offset: number): void => {
    const low = baseLow + offset
    if (low < 0x1_0000_0000) {
      words[word] = low
      words[word + 1] = baseHigh
    } else {
      words[word] = low - 0x1_0000_0000
      words[word + 1] = baseHigh + 1
    }
  }
  putAddress(iov.view, 8, vnet.HEADER + SMALL_ROOM)
  putAddress(iov.view, 24, LARGE_ROOM - SMALL_ROOM)
  const auxdata = createAuxdata(arena, skbs, iov)

  // Armed buffers: what the next readv fills. One that was not used stays for the next of this poll.
  let small = 0
  let large = 0
  /** Makes both ready; without a large one small frames still come in. False without a small one. */
  const arm = (): boolean => {
    if (small === 0) {
      small = skbs.alloc(SMALL_ROOM, RX_HEADROOM)
      if (small === 0) return false
      setAddress(0, i32[small + SKB_DATA] - vnet.HEADER)
    }
    if (large === 0) {
      large = skbs.alloc(LARGE_ROOM, RX_HEADROOM)
      if (large !== 0) setAddress(4, i32[large + SKB_DATA] + SMALL_ROOM)
    }
    return true
  }
  /** Takes the skb that `len` bytes of frame were read into. */
  const take = (len: number): number => {
    if (len <= SMALL_ROOM) {
      const skb = small
      small = 0
      skbs.put(skb, len)
      return skb
    }
    const skb = large
    large = 0
    const from = i32[small + SKB_DATA]
    const to = i32[skb + SKB_DATA]
    u8.copyWithin(to - vnet.HEADER, from - vnet.HEADER, from + SMALL_ROOM)
    skbs.put(skb, len)
    return skb
  }

  /** What ended the latest poll before its budget: 0 an empty queue, ENOMEM, or what the descriptor can not recover from. */
  let pollError = 0
  const error = (): number => pollError
  /** No buffer: the device's own queue has to drop now, and the thread to rest. */
  const starve = (stats: number): void => {
    f64[stats + DevStat.rx_missed_errors]++
    pollError = Errno.ENOMEM
  }

  /** Counts a frame that was read, its virtio_net_hdr in front of it; false when it was dropped. */
  const accept = (skb: number, ifindex: number, stats: number): boolean => {
    i32[skb + SKB_DEV] = ifindex
    f64[stats + DevStat.rx_packets]++
    f64[stats + DevStat.rx_bytes] += i32[skb + SKB_LEN]
    if (offload.toSkb(skb)) return true
    f64[stats + DevStat.rx_frame_errors]++
    drop(skb, Drop.DEV_HDR)
    return false
  }

  /** Reads one frame; false when there was none. */
  const readOne = (
    fd: number,
    ifindex: number,
    stats: number,
    deliver: Deliver,
    isSocket: boolean
  ): boolean => {
    if (!arm()) {
      starve(stats)
      return false
    }
    const parts = large === 0 ? 1 : 2
    const n = isSocket ? auxdata.receive(fd, parts) : libc.readv(fd, iov.at, parts)
    if (n < vnet.HEADER) {
      if (n < 0 && isFatal(errno())) pollError = errno()
      return false
    }
    if (parts === 1 && n >= vnet.HEADER + SMALL_ROOM) {
      // as full as this it was cut off
      starve(stats)
      return false
    }
    const skb = take(n - vnet.HEADER)
    if (!accept(skb, ifindex, stats)) return true
    if (isSocket) auxdata.restoreTag(skb)
    deliver(skb)
    return true
  }

  /**
   * Reads up to `budget` frames of a device's queue, `isSocket` that of a packet socket; returns how many. error() says
   * why it were fewer.
   */
  const poll = (
    fd: number,
    ifindex: number,
    budget: number,
    deliver: Deliver,
    isSocket = false
  ): number => {
    pollError = 0
    const n =
      batch === null || isSocket
        ? pollFrames(fd, ifindex, budget, deliver, isSocket)
        : pollBatches(batch, fd, ifindex, budget, deliver)
    release()
    return n
  }
  const pollFrames = (
    fd: number,
    ifindex: number,
    budget: number,
    deliver: Deliver,
    isSocket: boolean
  ): number => {
    const stats = deviceStats(arena, skbs.thread, ifindex)
    for (let k = 0; k < budget; k++) if (!readOne(fd, ifindex, stats, deliver, isSocket)) return k
    return budget
  }
  const pollBatches = (
    batch: RxBatch,
    fd: number,
    ifindex: number,
    budget: number,
    deliver: Deliver
  ): number => {
    const stats = deviceStats(arena, skbs.thread, ifindex)
    for (let done = 0; ; ) {
      if (done === budget) return done
      const wanted = batch.arm(fd, budget - done)
      let n = 0
      if (wanted === 1) n = readAlone(batch, fd, ifindex, stats, deliver)
      else n = readBatch(batch, fd, wanted, ifindex, stats, deliver)
      done += n
      if (n < wanted) return done
    }
  }
  /** Reads one frame into a large buffer, or where there is none as without a ring; returns how many there were. */
  const readAlone = (
    batch: RxBatch,
    fd: number,
    ifindex: number,
    stats: number,
    deliver: Deliver
  ): number => {
    const skb = batch.readOne(fd)
    if (skb < 0) {
      const found = readOne(fd, ifindex, stats, deliver, false) ? 1 : 0
      batch.learn(fd, found, 1)
      return found
    }
    if (skb === 0) {
      const code = batch.failure()
      if (isFatal(code)) pollError = code
      return 0
    }
    if (accept(skb, ifindex, stats)) deliver(skb)
    return 1
  }
  /** Reads up to `wanted` frames at once; returns how many there were. */
  const readBatch = (
    batch: RxBatch,
    fd: number,
    wanted: number,
    ifindex: number,
    stats: number,
    deliver: Deliver
  ): number => {
    const n = batch.read(fd, wanted)
    const code = batch.failure()
    if (isFatal(code)) pollError = code
    prefetchFrames(batch.frames, n)
    for (let k = 0; k < n; k++) {
      const skb = batch.frames[k]
      if (accept(skb, ifindex, stats)) deliver(skb)
    }
    return n
  }

  /** Nothing stays armed between polls: what memory is missing then is held by who has a frame. */
  const release = (): void => {
    if (small !== 0) skbs.free(small)
    if (large !== 0) skbs.free(large)
    small = 0
    large = 0
  }
  return { poll, error }
}
