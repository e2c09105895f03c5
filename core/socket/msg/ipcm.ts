/**
 * Control messages of a call that sends: for this packet alone another source, device, TTL, TOS or mark than the socket's. They are
 * read once, before its protocol sends (transport/dgram-flow.ts heeds them), and forgotten after. Worker only.
 * Linux: struct ipcm_cookie, ip_cmsg_send() (net/ipv4/ip_sockglue.c), ip6_datagram_send_ctl() (net/ipv6/datagram.c).
 */
import * as bytes from '../../base/bytes.ts'
import { Errno } from '../../base/errno.ts'
import { AF_INET, clearAddr, isAnyAddr, isV4Mapped, V4_MAPPED } from '../../base/family.ts'
import { RTN_LOCAL } from '../../base/flowi.ts'
import type { AddrType } from '../../inet/addr/addr-type.ts'
import { NO_HOPS } from '../../inet/inet-constants.ts'
import { isDevice, l3mdevOf } from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import { IPPROTO_UDP } from '../../wire/ipproto.ts'
import { FLOWLABEL_MASK } from '../../wire/ipv6.ts'
import { mayBeAnothers } from '../inet-sock.ts'
import { CMSG_HEADER } from './cmsg.ts'
import { SK_BOUND_DEV, SK_FAMILY, SK_PROTOCOL, SK_TYPE, SOCK_DGRAM, SOCK_STREAM } from '../sock.ts'
import {
  IP_PKTINFO,
  IP_TOS,
  IP_TTL,
  IPPROTO_IP,
  IPCM_DONTFRAG,
  IPCM_FLOWINFO,
  IPCM_HOPS,
  IPCM_MARK,
  IPCM_MARK_SET,
  IPCM_OIF,
  IPCM_SADDR,
  IPCM_SEGMENT,
  IPCM_SET,
  IPCM_TOS,
  IPCM_TSFLAGS,
  IPCM_WORDS,
  IPPROTO_IPV6,
  IPV6_DONTFRAG,
  IPV6_FLOWINFO,
  IPV6_HOPLIMIT,
  IPV6_PKTINFO,
  IPV6_TCLASS,
  SO_MARK,
  SO_TIMESTAMPING,
  SOF_TIMESTAMPING_TX_RECORD_MASK,
  SOL_SOCKET,
  UDP_SEGMENT,
} from '../socket-constants.ts'

type IpcmDeps = { arena: Arena } & Pick<AddrType, 'addrType'>
export type Ipcm = ReturnType<typeof createIpcm>

const { EINVAL, ENODEV } = Errno
const IN_PKTINFO = 12
const IN6_PKTINFO = 20

export const createIpcm = ({ arena, addrType }: IpcmDeps) => {
  const { i32 } = arena
  const words = new Int32Array(IPCM_WORDS)

  const clear = (): void => void words.fill(0)
  /** The call is to an address of IPv4, by whatever socket. */
  let isTo4 = false
  /**
   * Reads the control messages of a call to (address, at): `end` words that are laid out as socket/msg/cmsg.ts has them. 0, or
   * -errno.
   */
  const read = (
    sk: number,
    control: Int32Array,
    end: number,
    address: Int32Array,
    at: number
  ): number => {
    clear()
    isTo4 = i32[sk + SK_FAMILY] === AF_INET || isV4Mapped(address, at)
    return readAll(sk, control, end)
  }
  const readAll = (sk: number, control: Int32Array, end: number): number => {
    words[IPCM_SET] = 1
    for (let at = 0; at + CMSG_HEADER <= end; ) {
      const length = control[at + 2]
      if (length < 0 || at + CMSG_HEADER + ((length + 3) >> 2) > end) return -EINVAL
      const error = readOne(sk, control, at, length)
      if (error !== 0) return error
      at += CMSG_HEADER + ((length + 3) >> 2)
    }
    return 0
  }
  const readOne = (sk: number, control: Int32Array, at: number, length: number): number => {
    const data = at + CMSG_HEADER
    const [level, type] = [control[at], control[at + 1]]
    if (level === SOL_SOCKET) return readSocket(type, control, data, length)
    if (level === IPPROTO_UDP && isUdp(sk)) return readUdp(type, control[data], length)
    // a stream's segments are no one message's (tcp_sendmsg_locked: sock_cmsg_send alone)
    if (i32[sk + SK_TYPE] === SOCK_STREAM) return 0
    if (level === IPPROTO_IP) return isTo4 ? readIp(type, control, data, length) : 0
    if (level !== IPPROTO_IPV6 || i32[sk + SK_FAMILY] === AF_INET) return 0
    if (!isTo4) return readIpv6(sk, type, control, data, length)
    return type === IPV6_PKTINFO ? readMapped(control, data, length) : 0
  }
  /** Of a socket of IPv6 that sends by IPv4 this one is heeded (ip_cmsg_send, allow_ipv6). */
  const readMapped = (control: Int32Array, data: number, length: number): number => {
    if (length !== IN6_PKTINFO) return -EINVAL
    const octets = octetsOf(control)
    for (let w = 0; w < 4; w++) words[IPCM_SADDR + w] = bytes.i32(octets, (data + w) << 2)
    if (!isV4Mapped(words, IPCM_SADDR)) return -EINVAL
    words[IPCM_OIF] = control[data + 4]
    return 0
  }
  const readSocket = (type: number, control: Int32Array, data: number, length: number): number => {
    if (length !== 4) return -EINVAL
    if (type === SO_TIMESTAMPING) return readStamping(control[data])
    if (type !== SO_MARK) return -EINVAL
    words[IPCM_MARK_SET] = 1
    words[IPCM_MARK] = control[data]
    return 0
  }
  /** What is to be stamped of this call, in place of what the socket says (__sock_cmsg_send). */
  const readStamping = (flags: number): number => {
    if ((flags & ~SOF_TIMESTAMPING_TX_RECORD_MASK) !== 0) return -EINVAL
    words[IPCM_TSFLAGS] = flags + 1
    return 0
  }
  const isUdp = (sk: number): boolean =>
    i32[sk + SK_TYPE] === SOCK_DGRAM && i32[sk + SK_PROTOCOL] === IPPROTO_UDP
  /** udp_cmsg_send() */
  const readUdp = (type: number, value: number, length: number): number => {
    if (type !== UDP_SEGMENT || length !== 2) return -EINVAL
    words[IPCM_SEGMENT] = (value & 0xffff) + 1
    return 0
  }
  const readIp = (type: number, control: Int32Array, data: number, length: number): number => {
    const value = control[data]
    switch (type) {
      case IP_PKTINFO:
        return length === IN_PKTINFO ? readPktinfo(control, data) : -EINVAL
      case IP_TTL:
        if (length !== 4 || value < 1 || value > 255) return -EINVAL
        words[IPCM_HOPS] = value
        return 0
      case IP_TOS:
        if (length !== 4 && length !== 1) return -EINVAL
        return readTos(length === 1 ? value & 255 : value)
    }
    return -EINVAL
  }
  const readTos = (value: number): number => {
    if (value < 0 || value > 255) return -EINVAL
    words[IPCM_TOS] = value + 1
    return 0
  }
  const octetsOf = (control: Int32Array): Uint8Array =>
    new Uint8Array(control.buffer, control.byteOffset, control.byteLength)
  const readPktinfo = (control: Int32Array, data: number): number => {
    words[IPCM_OIF] = control[data]
    const source = bytes.i32(octetsOf(control), (data + 1) << 2)
    if (source === 0) return 0
    words[IPCM_SADDR + 2] = V4_MAPPED
    words[IPCM_SADDR + 3] = source
    return 0
  }

  const readIpv6 = (
    sk: number,
    type: number,
    control: Int32Array,
    data: number,
    length: number
  ): number => {
    const value = control[data]
    if (type === IPV6_PKTINFO)
      return length === IN6_PKTINFO ? readPktinfo6(sk, control, data) : -EINVAL
    if (type === IPV6_FLOWINFO) return readFlowinfo(control, data, length)
    if (length !== 4) return -EINVAL
    switch (type) {
      case IPV6_HOPLIMIT:
        if (value < -1 || value > 255) return -EINVAL
        words[IPCM_HOPS] = value === 0 ? NO_HOPS : Math.max(0, value)
        return 0
      case IPV6_TCLASS:
        return value === -1 ? 0 : readTos(value)
      case IPV6_DONTFRAG:
        if (value < 0 || value > 1) return -EINVAL
        words[IPCM_DONTFRAG] = 2 - value
        return 0
    }
    return -EINVAL
  }
  /** The label alone is heeded, whatever the traffic class that stands before it. */
  const readFlowinfo = (control: Int32Array, data: number, length: number): number => {
    if (length < 4) return -EINVAL
    words[IPCM_FLOWINFO] = (bytes.i32(octetsOf(control), data << 2) & FLOWLABEL_MASK) + 1
    return 0
  }
  /** The device has to be that of the socket, and the source one of ours. */
  const readPktinfo6 = (sk: number, control: Int32Array, data: number): number => {
    const ifindex = control[data + 4]
    const bound = i32[sk + SK_BOUND_DEV]
    if (ifindex !== 0 && bound !== 0 && ifindex !== bound && l3mdevOf(arena, ifindex) !== bound)
      return -EINVAL
    if (ifindex !== 0 && !isDevice(arena, ifindex)) return -ENODEV
    words[IPCM_OIF] = ifindex
    const octets = octetsOf(control)
    for (let w = 0; w < 4; w++) words[IPCM_SADDR + w] = bytes.i32(octets, (data + w) << 2)
    if (isAnyAddr(words, IPCM_SADDR)) {
      clearAddr(words, IPCM_SADDR)
      return 0
    }
    const isOurs = addrType(words, IPCM_SADDR, ifindex || bound) === RTN_LOCAL
    return isOurs || mayBeAnothers(arena, sk, words, IPCM_SADDR) ? 0 : -EINVAL
  }
  return { words, read, clear }
}
