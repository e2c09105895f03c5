/**
 * Devices that are file descriptors with a virtio_net_hdr before each frame: TAPs and packet sockets. What all of their
 * driver shares: fd-rx.ts reads, on the nic thread or a worker; fd-tx.ts writes, on the thread that sends; fd-queues.ts says
 * when. Both move frames in batches through the thread's io_uring where there is one.
 * Linux: drivers/net/tun.c, net/packet/af_packet.c.
 */
import { DEV_FLAGS, DEV_GENERATION, DEV_PRIV, deviceRow, IFF_UP } from '../../core/netdev/netdev.ts'
import type { Arena } from '../../core/shm/arena.ts'
import { openRing, type Ring } from '../os/io-uring.ts'
import { Errno } from '../os/libc.ts'

/** Word of the device row: 1 when the descriptors are packet sockets, 0 when queues of a TAP. */
export const FD_IS_SOCKET = DEV_PRIV

/** A TAP that is gone; the errno that Bun's constants lack. */
const EBADFD = 77
/** A device that is gone does not come back under its descriptor. (ENETDOWN is an interface that is down for now.) */
export const isFatal = (code: number): boolean =>
  code === EBADFD ||
  code === Errno.EBADF ||
  code === Errno.EIO ||
  code === Errno.ENODEV ||
  code === Errno.ENXIO

let ring: Ring | null | undefined
/** This thread's ring over its arena; null where the kernel gives none. One for all stacks that a thread ever runs. */
export const threadRing = ({ u8 }: Arena): Ring | null => {
  if (ring === undefined) ring = openRing(u8)
  return ring
}

/** As the thread ends: what the ring has registered would outlive the process for a while, and a TAP with it. */
export const closeRing = (): void => ring?.forget()

/** What the ring has registered is let go whenever other devices are up than before: it would keep a TAP in being. */
export const createRingRefresh = (arena: Arena) => {
  const { i32, layout } = arena
  let seen = 0
  /** At the quiescent point, before a device that has gone down is closed. */
  return (): void => {
    let up = 0
    for (let ifindex = 1; ifindex < layout.config.devices; ifindex++) {
      const dev = deviceRow(arena, ifindex)
      if ((i32[dev + DEV_FLAGS] & IFF_UP) !== 0)
        up = (Math.imul(up, 31) + ifindex + Math.imul(i32[dev + DEV_GENERATION], 8191)) | 0
    }
    if (up !== seen) ring?.forget()
    seen = up
  }
}
