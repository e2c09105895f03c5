/**
 * The driver of devices that are file descriptors with a 10-byte virtio_net_hdr before each frame: TAP and packet
 * sockets. Receive runs on the nic thread (or on a worker that reads its own queue), transmit on the thread that
 * sends. Reads go straight into an skb: a small buffer first and, in the same readv, a large one behind it, so a
 * super-frame costs one call and a 2 KB copy, a small frame none. Linux: drivers/net/tun.c, net/packet/af_packet.c.
 */
import type { XmitEnv } from '../../core/dev/kinds/link-kind.ts'
import type { StartXmit } from '../../core/netdev/netdev.ts'
import type { Arena } from '../../core/shm/arena.ts'
import {
  DEV_PRIV,
  DEV_TX_QUEUES,
  DevStat,
  deviceFds,
  deviceStats,
  NETDEV_TX_BUSY,
  NETDEV_TX_OK,
  DEV_IFINDEX,
} from '../../core/netdev/netdev.ts'
import { DEVICE_FDS } from '../../core/shm/layout.ts'
import type { DropFn } from '../../core/skb/drop.ts'
import { Drop } from '../../core/skb/drop.ts'
import type { Skbs } from '../../core/skb/skb.ts'
import {
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  CHECKSUM_UNNECESSARY,
  GSO_UDP_L4,
  LARGE_ROOM,
  RX_HEADROOM,
  SKB_CSUM_OFFSET,
  SKB_CSUM_START,
  SKB_DATA,
  SKB_DEV,
  SKB_FRAGS,
  SKB_GSO_SEGS,
  SKB_GSO_SIZE,
  SKB_GSO_TYPE,
  SKB_HEAD,
  SKB_IP_SUMMED,
  SKB_LEN,
  SKB_TAIL,
  SMALL_ROOM,
} from '../../core/skb/skb.ts'
import { ETH_P_8021Q } from '../../core/wire/ethernet.ts'
import * as vnet from '../../core/wire/virtio-net-hdr.ts'
import { insert as insertTag, VLAN_HLEN, VLAN_VID_MASK } from '../../core/wire/vlan.ts'
import { addressOf, block, Errno, errno, libc, putAddress } from '../os/libc.ts'

// struct msghdr, and in its control buffer one struct tpacket_auxdata behind a cmsghdr.
const MSGHDR_SIZE = 56
const MSG_IOV = 16
const MSG_IOVLEN = 24
const MSG_CONTROL = 32
const MSG_CONTROLLEN = 40
const CONTROL_SIZE = 40
const AUX_STATUS = 16
const AUX_VLAN_TCI = 32
const AUX_VLAN_TPID = 34
const TP_STATUS_VLAN_VALID = 0x10
const TP_STATUS_VLAN_TPID_VALID = 0x40

/** A TAP that is gone; the errno that Bun's constants lack. */
const EBADFD = 77
/** A device that is gone does not come back under its descriptor. (ENETDOWN is an interface that is down for now.) */
const isFatal = (code: number): boolean =>
  code === EBADFD ||
  code === Errno.EBADF ||
  code === Errno.EIO ||
  code === Errno.ENODEV ||
  code === Errno.ENXIO

/** What is done with a received frame. */
export type Deliver = (skb: number) => void

/** Word of the device row: 1 when the descriptors are packet sockets, 0 when queues of a TAP. */
export const FD_IS_SOCKET = DEV_PRIV

export type FdDriver = ReturnType<typeof createFdDriver>

export const createFdDriver = (arena: Arena, skbs: Skbs, drop: DropFn) => {
  const { i32, u8, f64 } = arena
  const fds = deviceFds(arena, 0)
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

  // recvmsg(2) of a packet socket: the same two buffers, and what it says beside the frame.
  const message = block(MSGHDR_SIZE)
  const control = block(CONTROL_SIZE)
  putAddress(message.view, MSG_IOV, iov.at)
  putAddress(message.view, MSG_CONTROL, control.at)

  // Armed buffers: what the next readv fills. One that was not used stays for the next call.
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

  /** Reads the vnet header in front of the frame into the skb; false when it makes no sense. */
  const offloads = (skb: number): boolean => {
    const data = i32[skb + SKB_DATA]
    const hdr = data - vnet.HEADER
    const flags = vnet.flags(u8, hdr)
    if (flags === 0 && vnet.gsoType(u8, hdr) === 0) {
      i32[skb + SKB_IP_SUMMED] = CHECKSUM_NONE
      return true
    }
    if (!vnet.check(u8, hdr, i32[skb + SKB_LEN] + vnet.HEADER)) return false
    if ((flags & vnet.VIRTIO_NET_HDR_F_NEEDS_CSUM) !== 0) {
      i32[skb + SKB_IP_SUMMED] = CHECKSUM_PARTIAL
      i32[skb + SKB_CSUM_START] = data + vnet.csumStart(u8, hdr)
      i32[skb + SKB_CSUM_OFFSET] = vnet.csumOffset(u8, hdr)
    } else if ((flags & vnet.VIRTIO_NET_HDR_F_DATA_VALID) !== 0) {
      i32[skb + SKB_IP_SUMMED] = CHECKSUM_UNNECESSARY
    }
    if (vnet.gsoType(u8, hdr) !== 0) {
      i32[skb + SKB_GSO_SIZE] = vnet.gsoSize(u8, hdr)
      i32[skb + SKB_GSO_TYPE] = u8[hdr + 1]
      i32[skb + SKB_GSO_SEGS] = Math.ceil(i32[skb + SKB_LEN] / vnet.gsoSize(u8, hdr))
    }
    return true
  }

  const receive = (fd: number, parts: number): number => {
    putAddress(message.view, MSG_IOVLEN, parts)
    message.view.setUint32(MSG_CONTROLLEN, CONTROL_SIZE, true)
    control.view.setUint32(AUX_STATUS, 0, true)
    return libc.recvmsg(fd, message.at, 0)
  }
  /**
   * The kernel takes a frame's VLAN tag off and tells it beside the frame: it belongs back into it, or the frame would
   * pass for one of no VLAN. VLAN 0 is a priority only: as untagged (IEEE 802.1Q 9.6).
   */
  const restoreTag = (skb: number): void => {
    const status = control.view.getUint32(AUX_STATUS, true)
    const tci = control.view.getUint16(AUX_VLAN_TCI, true)
    if ((status & TP_STATUS_VLAN_VALID) === 0 || (tci & VLAN_VID_MASK) === 0) return
    const hasTpid = (status & TP_STATUS_VLAN_TPID_VALID) !== 0
    const tpid = hasTpid ? control.view.getUint16(AUX_VLAN_TPID, true) : ETH_P_8021Q
    const at = i32[skb + SKB_DATA]
    skbs.push(skb, VLAN_HLEN)
    insertTag(u8, at, tpid, tci)
  }

  /** What ended the latest poll before its budget: 0 an empty queue, ENOMEM, or what the descriptor can not recover from. */
  let pollError = 0
  const error = (): number => pollError

  /** No buffer: the device's own queue has to drop now, and the thread to rest. */
  const starve = (stats: number): void => {
    f64[stats + DevStat.rx_missed_errors]++
    pollError = Errno.ENOMEM
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
    const stats = deviceStats(arena, skbs.thread, ifindex)
    pollError = 0
    for (let k = 0; k < budget; k++) {
      if (!arm()) {
        starve(stats)
        return k
      }
      const parts = large === 0 ? 1 : 2
      const n = isSocket ? receive(fd, parts) : libc.readv(fd, iov.at, parts)
      if (n < vnet.HEADER) {
        if (n < 0 && isFatal(errno())) pollError = errno()
        return k
      }
      if (parts === 1 && n >= vnet.HEADER + SMALL_ROOM) {
        // as full as this it was cut off
        starve(stats)
        return k
      }
      const skb = take(n - vnet.HEADER)
      i32[skb + SKB_DEV] = ifindex
      f64[stats + DevStat.rx_packets]++
      f64[stats + DevStat.rx_bytes] += i32[skb + SKB_LEN]
      if (offloads(skb)) {
        if (isSocket) restoreTag(skb)
        deliver(skb)
      } else {
        f64[stats + DevStat.rx_frame_errors]++
        drop(skb, Drop.DEV_HDR)
      }
    }
    return budget
  }

  const fillHeader = (skb: number, hdr: number): void => {
    const data = hdr + vnet.HEADER
    vnet.clear(u8, hdr)
    const summed = i32[skb + SKB_IP_SUMMED]
    if (summed === CHECKSUM_PARTIAL) {
      vnet.setFlags(u8, hdr, vnet.VIRTIO_NET_HDR_F_NEEDS_CSUM)
      vnet.setCsum(u8, hdr, i32[skb + SKB_CSUM_START] - data, i32[skb + SKB_CSUM_OFFSET])
    }
    const size = i32[skb + SKB_GSO_SIZE]
    if (size === 0) return
    // a super-frame's checksum is always partial, so its sum starts at the transport header
    const transport = i32[skb + SKB_CSUM_START]
    const type = i32[skb + SKB_GSO_TYPE]
    const isTcp = type !== GSO_UDP_L4
    const transportLen = isTcp ? (u8[transport + 12] >> 4) << 2 : 8
    vnet.setGso(u8, hdr, type, size, transport - data + transportLen)
  }

  /** ndo_start_xmit: writes the frame to this thread's queue of the device. */
  const startXmit = (skb: number, dev: number): number => {
    const headroom = i32[skb + SKB_DATA] - i32[skb + SKB_HEAD]
    if (headroom < vnet.HEADER || i32[skb + SKB_FRAGS] !== 0) {
      if (!skbs.expandHead(skb, vnet.HEADER)) return refuse(skb, dev, Drop.NOMEM)
    }
    const queue =
      i32[fds + i32[dev + DEV_IFINDEX] * DEVICE_FDS + (skbs.thread % i32[dev + DEV_TX_QUEUES])]
    const data = i32[skb + SKB_DATA]
    const hdr = data - vnet.HEADER
    fillHeader(skb, hdr)
    const n = libc.write(queue, base + hdr, i32[skb + SKB_TAIL] - hdr)
    if (n > 0) {
      skbs.free(skb)
      return NETDEV_TX_OK
    }
    const code = errno()
    if (code === Errno.EAGAIN || code === Errno.ENOBUFS) return NETDEV_TX_BUSY
    if (code === Errno.ENETDOWN || isFatal(code)) noCarrier(dev)
    return refuse(skb, dev, Drop.DEV_READY)
  }
  /** The host's side is down or gone; control sees it too (workers/devices/). */
  const noCarrier = (dev: number): void => {
    const stats = deviceStats(arena, skbs.thread, i32[dev + DEV_IFINDEX])
    f64[stats + DevStat.tx_carrier_errors]++
  }
  const refuse = (skb: number, dev: number, reason: Drop): number => {
    f64[deviceStats(arena, skbs.thread, i32[dev + DEV_IFINDEX]) + DevStat.tx_errors]++
    drop(skb, reason)
    return NETDEV_TX_OK
  }

  /** Gives the armed buffers back. */
  const release = (): void => {
    if (small !== 0) skbs.free(small)
    if (large !== 0) skbs.free(large)
    small = 0
    large = 0
  }
  return { poll, error, startXmit, release }
}

/** ndo_start_xmit of such devices, for one thread. */
export const createFdXmit = ({ arena, skbs, drop }: XmitEnv): StartXmit =>
  createFdDriver(arena, skbs, drop).startXmit
