// Opens a packet socket on an interface, with the framing of a TAP: one frame a read or a write, a
// 10-byte virtio_net_hdr in front (PACKET_VNET_HDR), so one driver serves both.
// Called when a device is created (control thread, or the namespace holder inside its namespace).
// A VLAN tag that the kernel stripped is not part of what read() returns: recvmsg() tells it beside
// the frame (PACKET_AUXDATA). Linux counterpart: net/packet/af_packet.c; packet(7).

import type { Carrier } from '../../core/dev/kinds/link-kind.ts'
import { block, check, libc } from './libc.ts'
import { withRtnetlink } from './rtnetlink.ts'
import { VNET_HDR_LEN } from './tap.ts'

const AF_PACKET = 17
const SOCK_RAW = 3
const SOCK_NONBLOCK_CLOEXEC = 0x80800
const ETH_P_ALL = 0x0003

const SOL_SOCKET = 1
const SO_SNDBUF = 7
const SO_RCVBUF = 8
const SO_SNDBUFFORCE = 32
const SO_RCVBUFFORCE = 33

const SOL_PACKET = 263
const PACKET_ADD_MEMBERSHIP = 1
const PACKET_AUXDATA = 8
const PACKET_VNET_HDR = 15
const PACKET_FANOUT = 18
const PACKET_IGNORE_OUTGOING = 23
const PACKET_MR_PROMISC = 1
const PACKET_FANOUT_HASH = 0

/** Room for some hundred super-frames while the reader is away. */
const BUFFER_BYTES = 16 << 20

type PacketOptions = {
  ifname: string
  /** Sockets of one interface with the same number share its frames out by flow hash. */
  fanout?: number
}

export type PacketSocket = {
  fd: number
  name: string
  ifindex: number
  mac: string
  mtu: number
  vnetHdrLen: number
}

const setInt = (fd: number, level: number, option: number, value: number): number => {
  const argument = block(4)
  argument.view.setInt32(0, value, true)
  return libc.setsockopt(fd, level, option, argument.at, 4)
}

const setBuffers = (fd: number): void => {
  // The forced ones pass the system's limit but need CAP_NET_ADMIN over the namespace.
  if (setInt(fd, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES) < 0) {
    setInt(fd, SOL_SOCKET, SO_RCVBUF, BUFFER_BYTES)
  }
  if (setInt(fd, SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_BYTES) < 0) {
    setInt(fd, SOL_SOCKET, SO_SNDBUF, BUFFER_BYTES)
  }
}

const setPromiscuous = (fd: number, ifindex: number): void => {
  const membership = block(16)
  membership.view.setInt32(0, ifindex, true)
  membership.view.setUint16(4, PACKET_MR_PROMISC, true)
  check(
    libc.setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, membership.at, 16),
    'PACKET_ADD_MEMBERSHIP'
  )
}

const bindTo = (fd: number, ifindex: number, ifname: string): void => {
  const address = block(20)
  address.view.setUint16(0, AF_PACKET, true)
  address.view.setUint16(2, ETH_P_ALL, false)
  address.view.setInt32(4, ifindex, true)
  check(libc.bind(fd, address.at, 20), `bind packet socket to ${ifname}`)
}

const SIOCGIFNAME = 0x8910
const SIOCGIFFLAGS = 0x8913
const IFREQ_SIZE = 40
const IFREQ_DATA = 16
const IFF_UP = 0x1
const IFF_RUNNING = 0x40
const SLL_IFINDEX = 4

const sockaddr = block(20)
const sockaddrLength = block(4)
const request = block(IFREQ_SIZE)

/**
 * How the interface is, asked through the socket, so in whatever namespace that is in. An interface that was deleted
 * leaves the socket bound to none; one of the same name that came after it is another.
 */
export const packetCarrier = (fd: number): Carrier => {
  sockaddrLength.view.setUint32(0, sockaddr.bytes.length, true)
  if (libc.getsockname(fd, sockaddr.at, sockaddrLength.at) < 0) return 'gone'
  request.view.setInt32(IFREQ_DATA, sockaddr.view.getInt32(SLL_IFINDEX, true), true)
  if (libc.ioctl(fd, SIOCGIFNAME, request.at) < 0) return 'gone'
  if (libc.ioctl(fd, SIOCGIFFLAGS, request.at) < 0) return 'gone'
  const wanted = IFF_UP | IFF_RUNNING
  return (request.view.getUint16(IFREQ_DATA, true) & wanted) === wanted ? 'up' : 'down'
}

/** Opens a packet socket, nonblocking and close-on-exec. Throws OsError. */
export const openPacket = ({ ifname, fanout }: PacketOptions): PacketSocket => {
  const { ifindex, mac, mtu } = withRtnetlink((rtnl) => rtnl.getLink(ifname))
  // Protocol 0 receives nothing, so no frame of another interface comes before bind().
  const fd = check(
    libc.socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK_CLOEXEC, 0),
    'socket AF_PACKET',
    'a packet socket needs CAP_NET_RAW'
  )
  try {
    check(setInt(fd, SOL_PACKET, PACKET_VNET_HDR, 1), 'PACKET_VNET_HDR')
    check(setInt(fd, SOL_PACKET, PACKET_AUXDATA, 1), 'PACKET_AUXDATA')
    check(setInt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1), 'PACKET_IGNORE_OUTGOING')
    setBuffers(fd)
    setPromiscuous(fd, ifindex)
    bindTo(fd, ifindex, ifname)
    if (fanout !== undefined) {
      const group = (PACKET_FANOUT_HASH << 16) | fanout
      check(setInt(fd, SOL_PACKET, PACKET_FANOUT, group), 'PACKET_FANOUT')
    }
    return { fd, name: ifname, ifindex, mac, mtu, vnetHdrLen: VNET_HDR_LEN }
  } catch (error) {
    libc.close(fd)
    throw error
  }
}
