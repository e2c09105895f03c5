/**
 * UDP sockets: the calls of the socket layer (its Proto) over the rows, tables, input and output of this worker. A
 * socket lives on one worker; so does its port, and a port is chosen so that answers hash home to it.
 * Linux: net/ipv4/udp.c udp_prot, af_inet.c inet_bind(), datagram.c ip4_datagram_connect().
 */
import { AF_INET6, clearAddr, copyAddr, familyOf } from '../../base/family.ts'
import { Errno } from '../../base/errno.ts'
import { FL_DADDR, FL_SADDR } from '../../base/flowi.ts'
import type { Arena } from '../../shm/arena.ts'
import { counterBank } from '../../shm/counters.ts'
import type { ConsumeFn } from '../../skb/drop.ts'
import type { Skbs } from '../../skb/skbs.ts'
import { SKB_DATA, SKB_GSO_SIZE, SKB_LEN, SKB_TRANSPORT } from '../../skb/skb.ts'
import type { Proto } from '../../socket/proto.ts'
import {
  INET_NO_PORT,
  INET_UDP_CORK,
  INET_UDP_GRO,
  MSG_OOB,
  MSG_PEEK,
  SIOCINQ,
  UDP_CORK,
  UDP_GRO,
  UDP_SEGMENT,
} from '../../socket/socket-constants.ts'
import {
  SK_DADDR,
  SK_DPORT,
  SK_FAMILY,
  SK_FLAGS,
  SK_NUM,
  SK_SADDR,
  SK_STATE,
  SOCK_DGRAM,
  TCP_ESTABLISHED,
  SK_BOUND_DEV,
} from '../../socket/sock.ts'
import { SK_GSO_SIZE, SK_INET_FLAGS } from '../../socket/inet-sock.ts'
import { IPPROTO_UDP } from '../../wire/ipproto.ts'
import * as udp from '../../wire/udp.ts'
import type { AfOpsOf } from '../../inet/af-ops.ts'
import { bindAddr, isGroupType, peerError } from '../bind-addr.ts'
import { BOUND_GROUP } from '../dgram-flow.ts'
import { createDgramPeer } from '../dgram-peer.ts'
import type { OwnedFlows } from '../owned-flows.ts'
import { highPort, lowPort, type Ports } from '../ports.ts'
import { portHash, type UdpHash } from './udp-hash.ts'
import { createUdpCork } from './udp-cork.ts'
import type { UdpOutput } from './udp-output.ts'
import type { Ipcm } from '../../socket/msg/ipcm.ts'
import type { Cmsg } from '../../socket/msg/cmsg.ts'
import type { IpCmsg } from '../../socket/msg/ip-cmsg.ts'
import type { Datagram } from '../../socket/datagram.ts'
import type { AddrType } from '../../inet/addr/addr-type.ts'

type UdpSockDeps = {
  arena: Arena
  skbs: Skbs
  consume: ConsumeFn
  datagram: Datagram
  random: () => number
  ports: Ports
  table: UdpHash
  output: UdpOutput
  afOps: AfOpsOf
  owned: Pick<OwnedFlows, 'add' | 'remove'>
  /** core/stack/udp.ts: would packets from (remote, rport) to (local, port) of `flow` come to this worker? */
  hashesHome: (flow: Int32Array, port: number, rport: number) => boolean
  cmsg: Pick<Cmsg, 'putInt'>
  ipcm: Ipcm['words']
} & Pick<AddrType, 'addrType'> &
  Pick<IpCmsg, 'ipCmsgRecv'>

export const createUdpSock = (deps: UdpSockDeps) => {
  const { arena, skbs, consume, random, ports, table, output, owned, datagram } = deps
  const { addrType, hashesHome, afOps, cmsg } = deps
  const { take } = datagram
  const cork = createUdpCork(deps)
  const { i32, u8, f64 } = arena
  const count = counterBank(arena, skbs.thread)
  const { peer, notePeer } = createDgramPeer(deps)

  const holdPort = (sk: number, port: number): void => {
    ports.hold(sk, port)
    owned.add(portHash(port))
  }
  const releasePort = (sk: number): void => {
    ports.release(sk)
    owned.remove(portHash(i32[sk + SK_NUM]))
  }

  const open = (family: number): number => datagram.alloc(family, SOCK_DGRAM, IPPROTO_UDP)

  /** Takes a port that is free; towards a peer, one whose answers come to this worker. 0, or -errno. */
  const autobind = (sk: number, rport: number): number => {
    const port = ports.pick(
      lowPort(arena, sk),
      highPort(arena, sk),
      random(),
      (n) => !ports.conflicts(sk, n) && (rport === 0 || hashesHome(output.flow, n, rport))
    )
    if (port === 0) return rport === 0 ? -Errno.EADDRINUSE : -Errno.EAGAIN
    holdPort(sk, port)
    return 0
  }

  const bind = (sk: number, words: Int32Array, at: number, port: number): number => {
    if (i32[sk + SK_NUM] !== 0) return -Errno.EINVAL
    let error = bindAddr(arena, addrType, sk, words, at)
    if (error !== 0) return error
    if (port === 0) error = hasNoPort(sk) ? 0 : autobind(sk, 0)
    else if (ports.conflicts(sk, port)) error = -Errno.EADDRINUSE
    else holdPort(sk, port)
    if (error !== 0) clearAddr(i32, sk + SK_SADDR)
    else if (isGroupType(addrType(words, at, i32[sk + SK_BOUND_DEV])))
      i32[sk + SK_FLAGS] |= BOUND_GROUP
    return error
  }

  /** Its port is left to who sends first (IP_BIND_ADDRESS_NO_PORT). */
  const hasNoPort = (sk: number): boolean => (i32[sk + SK_INET_FLAGS] & INET_NO_PORT) !== 0

  const connect = (sk: number, words: Int32Array, at: number, port: number): number => {
    const error = peerError(i32, sk, words, at) || output.route(sk, words, at, port)
    if (error !== 0) return error
    if (i32[sk + SK_NUM] === 0) {
      const failed = autobind(sk, port)
      if (failed !== 0) return failed
    }
    table.unhash(sk)
    const { flow } = output
    if ((i32[sk + SK_FLAGS] & BOUND_GROUP) === 0) copyAddr(i32, sk + SK_SADDR, flow, FL_SADDR)
    copyAddr(i32, sk + SK_DADDR, flow, FL_DADDR)
    i32[sk + SK_DPORT] = port
    i32[sk + SK_STATE] = TCP_ESTABLISHED
    table.hash(sk)
    if (cork.isCorked(sk, 0)) cork.redirect(sk)
    return 0
  }

  /** What comes before the bytes of any datagram: route, port, size, errors. 0, or -errno. */
  const prepare = (
    sk: number,
    len: number,
    words: Int32Array,
    at: number,
    port: number
  ): number => {
    if (port === 0) return -Errno.EINVAL
    const error = routeFrom(sk, words, at, port)
    return error !== 0 ? error : output.sizeError(sk, len) || datagram.sendError(sk)
  }
  const routeFrom = (sk: number, words: Int32Array, at: number, port: number): number => {
    const error = peerError(i32, sk, words, at) || output.route(sk, words, at, port)
    if (error !== 0 || i32[sk + SK_NUM] !== 0) return error
    const failed = autobind(sk, port)
    // the flow was made before there was a port
    return failed !== 0 ? failed : output.route(sk, words, at, port)
  }
  const prepareConnected = (sk: number, len: number): number => {
    if (i32[sk + SK_DPORT] !== 0) return prepare(sk, len, i32, sk + SK_DADDR, i32[sk + SK_DPORT])
    // one that names no receiver has a port all the same (inet_send_prepare)
    const failed = i32[sk + SK_NUM] === 0 ? autobind(sk, 0) : 0
    return failed !== 0 ? -Errno.EAGAIN : -Errno.EDESTADDRREQ
  }
  /** udpv6_sendmsg() does not look at the flag. */
  const ignoresOob = (sk: number): boolean => i32[sk + SK_FAMILY] === AF_INET6
  const sendto = (
    sk: number,
    from: number,
    len: number,
    words: Int32Array,
    at: number,
    port: number,
    flags = 0
  ): number => {
    if ((flags & MSG_OOB) !== 0 && !ignoresOob(sk)) return -Errno.EOPNOTSUPP
    if (cork.isCorked(sk, flags))
      return cork.append(sk, from, len, flags, () => prepare(sk, len, words, at, port))
    const error = prepare(sk, len, words, at, port)
    return error !== 0 ? error : output.sendArena(sk, from, len)
  }
  const sendtoBytes = (
    sk: number,
    bytes: Uint8Array,
    from: number,
    len: number,
    words: Int32Array,
    at: number,
    port: number
  ): number => {
    const error = prepare(sk, len, words, at, port)
    return error !== 0 ? error : output.sendArray(sk, bytes, from, len)
  }
  const sendmsg = (sk: number, from: number, len: number, flags = 0): number => {
    if ((flags & MSG_OOB) !== 0 && !ignoresOob(sk)) return -Errno.EOPNOTSUPP
    if (cork.isCorked(sk, flags))
      return cork.append(sk, from, len, flags, () => prepareConnected(sk, len))
    const error = prepareConnected(sk, len)
    return error !== 0 ? error : output.sendArena(sk, from, len)
  }
  const sendBytes = (sk: number, bytes: Uint8Array, from: number, len: number): number => {
    const error = prepareConnected(sk, len)
    return error !== 0 ? error : output.sendArray(sk, bytes, from, len)
  }

  const inDatagrams = (): number => afOps(familyOf(peer, 0)).udpMib.inDatagrams
  const note = (sk: number, skb: number): void => {
    if (i32[skb + SKB_GSO_SIZE] !== 0) cmsg.putInt(IPPROTO_UDP, UDP_GRO, i32[skb + SKB_GSO_SIZE])
    notePeer(sk, skb, udp.srcPort(u8, i32[skb + SKB_TRANSPORT]))
  }
  /** Takes one datagram, cut to `len`, into the arena. Its sender lies in `peer` then. */
  const recvfrom = (sk: number, to: number, len: number, flags = 0): number => {
    const n = datagram.receive(sk, to, len, flags, udp.MIN_HEADER, note)
    if (n >= 0 && (flags & MSG_PEEK) === 0) f64[count + inDatagrams()]++
    return n
  }
  const recvBytes = (sk: number, bytes: Uint8Array, at: number, len: number): number => {
    const skb = take(sk)
    if (skb < 0) return skb
    note(sk, skb)
    const n = Math.min(len, i32[skb + SKB_LEN] - udp.MIN_HEADER)
    const from = i32[skb + SKB_DATA] + udp.MIN_HEADER
    for (let k = 0; k < n; k++) bytes[at + k] = u8[from + k]
    f64[count + inDatagrams()]++
    consume(skb)
    return n
  }

  const close = (sk: number): void => {
    cork.flush(sk)
    table.unhash(sk)
    if (i32[sk + SK_NUM] !== 0) releasePort(sk)
    datagram.free(sk)
  }

  const setOption = (sk: number, level: number, name: number, value: number): number => {
    if (level !== IPPROTO_UDP) return -Errno.ENOPROTOOPT
    if (name === UDP_SEGMENT) {
      if (value < 0 || value > 0xffff) return -Errno.EINVAL
      i32[sk + SK_GSO_SIZE] = value
      return 0
    }
    if (name === UDP_CORK) return setCork(sk, value)
    return name === UDP_GRO ? setFlag(sk, INET_UDP_GRO, value) : -Errno.ENOPROTOOPT
  }
  const setFlag = (sk: number, bit: number, on: number): number => {
    const flags = i32[sk + SK_INET_FLAGS]
    i32[sk + SK_INET_FLAGS] = on === 0 ? flags & ~bit : flags | bit
    return 0
  }
  /** What becomes of the datagram nobody is told. */
  const setCork = (sk: number, on: number): number => {
    setFlag(sk, INET_UDP_CORK, on)
    if (on === 0) cork.push(sk)
    return 0
  }
  const isSet = (sk: number, bit: number): number => ((i32[sk + SK_INET_FLAGS] & bit) === 0 ? 0 : 1)
  const getOption = (sk: number, level: number, name: number): number => {
    if (level !== IPPROTO_UDP) return -Errno.ENOPROTOOPT
    if (name === UDP_SEGMENT) return i32[sk + SK_GSO_SIZE]
    if (name === UDP_CORK) return isSet(sk, INET_UDP_CORK)
    return name === UDP_GRO ? isSet(sk, INET_UDP_GRO) : -Errno.ENOPROTOOPT
  }

  /** SIOCINQ is the length of the next datagram, without its header. */
  const ioctl = (sk: number, request: number): number => {
    const n = datagram.calls.ioctl(sk, request)
    return request === SIOCINQ && n > 0 ? n - udp.MIN_HEADER : n
  }

  const proto: Proto = {
    open,
    bind,
    connect,
    sendmsg,
    sendBytes,
    recvmsg: recvfrom,
    recvBytes,
    sendto,
    recvfrom,
    peer,
    ...datagram.calls,
    ioctl,
    setOption,
    getOption,
    close,
    abort: close,
  }
  return { proto, sendtoBytes }
}
