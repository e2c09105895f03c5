/**
 * ndo_start_xmit of TAPs and packet sockets: the frame with a virtio_net_hdr in front, to this thread's queue of the
 * device. Frames of a turn are gathered and written in one call through the thread's io_uring; what a device had no room
 * for goes back to its pfifo. One alone, and all where there is no io_uring, are written by write(2).
 */
import type { XmitEnv } from '../../core/dev/kinds/link-kind.ts'
import {
  DEV_IFINDEX,
  DEV_TX_QUEUES,
  DevStat,
  deviceFds,
  deviceRow,
  deviceStats,
  NETDEV_TX_BUSY,
  NETDEV_TX_OK,
  type StartXmit,
} from '../../core/netdev/netdev.ts'
import { DEVICE_FDS } from '../../core/shm/layout.ts'
import { Drop } from '../../core/skb/drop.ts'
import { SKB_DATA, SKB_DEV, SKB_FRAGS, SKB_HEAD, SKB_TAIL } from '../../core/skb/skb.ts'
import * as vnet from '../../core/wire/virtio-net-hdr.ts'
import { RING_ENTRIES, type Ring } from '../os/io-uring.ts'
import { addressOf, Errno, errno, libc } from '../os/libc.ts'
import { isFatal, threadRing } from './fd.ts'
import { createVnetOffload } from './vnet-offload.ts'

export const createFdXmit = (env: XmitEnv): StartXmit => createFdTx(env, threadRing(env.arena))

/** With a ring, or without. */
export const createFdTx = (env: XmitEnv, ring: Ring | null): StartXmit => {
  const { arena, skbs, drop, onBatchEnd, requeue } = env
  const { i32, u8, f64 } = arena
  const { fromSkb } = createVnetOffload(arena)
  const fds = deviceFds(arena, 0)
  const base = addressOf(u8)

  /** This thread's queue of a device. */
  const queueOf = (dev: number): number =>
    i32[fds + i32[dev + DEV_IFINDEX] * DEVICE_FDS + (skbs.thread % i32[dev + DEV_TX_QUEUES])]
  const hasRoom = (skb: number): boolean =>
    (i32[skb + SKB_DATA] - i32[skb + SKB_HEAD] >= vnet.HEADER && i32[skb + SKB_FRAGS] === 0) ||
    skbs.expandHead(skb, vnet.HEADER)
  const refuse = (skb: number, dev: number, reason: Drop): void => {
    f64[deviceStats(arena, skbs.thread, i32[dev + DEV_IFINDEX]) + DevStat.tx_errors]++
    drop(skb, reason)
  }
  /** The host's side is down or gone; control sees it too (workers/devices/). */
  const noCarrier = (dev: number): void => {
    f64[deviceStats(arena, skbs.thread, i32[dev + DEV_IFINDEX]) + DevStat.tx_carrier_errors]++
  }
  /** What became of a frame: `code` is 0 or an errno. NETDEV_TX_BUSY leaves it with the caller. */
  const complete = (skb: number, dev: number, code: number): number => {
    if (code === 0) {
      skbs.free(skb)
      return NETDEV_TX_OK
    }
    if (code === Errno.EAGAIN || code === Errno.ENOBUFS) return NETDEV_TX_BUSY
    if (code === Errno.ENETDOWN || isFatal(code)) noCarrier(dev)
    refuse(skb, dev, Drop.DEV_READY)
    return NETDEV_TX_OK
  }
  /** write(2) of the frame that starts at `from`; an errno, or 0. */
  const write = (skb: number, dev: number, from: number): number =>
    libc.write(queueOf(dev), base + from, i32[skb + SKB_TAIL] - from) > 0 ? 0 : errno()
  if (ring === null)
    return (skb, dev) => {
      if (hasRoom(skb)) return complete(skb, dev, write(skb, dev, fromSkb(skb)))
      refuse(skb, dev, Drop.NOMEM)
      return NETDEV_TX_OK
    }

  // The frames of this batch, and where each starts.
  const frames = new Int32Array(RING_ENTRIES)
  const starts = new Int32Array(RING_ENTRIES)
  let count = 0
  /** Frames that came back since the batch before has ended. */
  let back = 0

  const deviceOf = (skb: number): number => deviceRow(arena, i32[skb + SKB_DEV])
  const settle = (skb: number, code: number): void => {
    if (complete(skb, deviceOf(skb), code) === NETDEV_TX_OK) return
    requeue(skb)
    back++
  }
  const flush = (): void => {
    const n = count
    count = 0
    if (n === 0) return
    if (n === 1) return settle(frames[0], write(frames[0], deviceOf(frames[0]), starts[0]))
    for (let k = 0; k < n; k++)
      ring.write(queueOf(deviceOf(frames[k])), starts[k], i32[frames[k] + SKB_TAIL] - starts[k])
    ring.submit()
    // what comes back goes to the head of its queue
    for (let k = n - 1; k >= 0; k--) settle(frames[k], ring.result(k) > 0 ? 0 : -ring.result(k))
  }
  onBatchEnd(() => {
    flush()
    const n = back
    back = 0
    return n
  })
  return (skb, dev) => {
    if (!hasRoom(skb)) {
      refuse(skb, dev, Drop.NOMEM)
      return NETDEV_TX_OK
    }
    frames[count] = skb
    starts[count++] = fromSkb(skb)
    if (count === RING_ENTRIES) flush()
    return NETDEV_TX_OK
  }
}
