/**
 * The socket calls of one worker: Linux's split of socket (type, family, options common to all) over sock (the
 * protocol's row and Proto). Used by the services in the worker and by the app port; both make the same calls,
 * so kernel_sendmsg and sendmsg are one function here. Worker only.
 * Linux: net/socket.c, net/ipv4/af_inet.c (inet_create, inetsw), net/core/sock.c.
 */
import { AF_INET, AF_INET6, AF_PACKET, isAnyAddr, isV4Mapped, needsZone } from '../base/family.ts'
import { Errno } from '../base/errno.ts'
import type { IpOptionsSock } from '../ipv4/options/ip-options-sock.ts'
import type { Arena } from '../shm/arena.ts'
import { Sysctl } from '../shm/sysctl.ts'
import type { Cmsg } from './msg/cmsg.ts'
import { createEvents } from './events.ts'
import { labelOf, SK_FLOW_LABEL, portOf } from './inet-sock.ts'
import type { InetSockopt } from './sockopt/inet-sockopt.ts'
import type { Ipcm } from './msg/ipcm.ts'
import type { McSockopt } from './sockopt/mc-sockopt.ts'
import type { Proto } from './proto.ts'
import type { RecvError } from './msg/recv-error.ts'
import type { SkFilter } from './sk-filter.ts'
import {
  IPCM_DONTROUTE,
  IPCM_LABEL,
  MSG_DONTROUTE,
  MSG_ERRQUEUE,
  PEER_WORDS,
  SHUT_RD,
  SHUT_RDWR,
  SHUT_WR,
  V6ONLY,
} from './socket-constants.ts'
import {
  RCV_SHUTDOWN,
  SEND_SHUTDOWN,
  SK_BOUND_DEV,
  SK_DADDR,
  SK_DPORT,
  SK_ERR,
  SK_EVENT_ERROR,
  SK_FAMILY,
  SK_GENERATION,
  SK_PROTOCOL,
  SK_REUSE,
  SK_RXHASH,
  SK_SADDR,
  SK_SHUTDOWN,
  SK_STATE,
  SK_TYPE,
  SOCK_STREAM,
  TCP_CLOSE,
  TCP_LISTEN,
  TCP_SYN_SENT,
} from './sock.ts'
import type { RxPmtu } from './msg/rx-pmtu.ts'
import { createSockopt } from './sockopt/sockopt.ts'
import type { Steer } from '../steering/steer.ts'
import { l3mdevOf } from '../netdev/netdev.ts'
import { IPPROTO_UDP } from '../wire/ipproto.ts'

export type SocketsDeps = {
  arena: Arena
  /** The worker's first sock row (sockSlab(...).first). */
  firstSock: number
  recordFlow?: Steer['recordFlow']
  mc: McSockopt
  inet: InetSockopt
  cmsg: Cmsg
  ipcm: Ipcm
  recvError: RecvError
  rxPmtu: Pick<RxPmtu, 'hasRxpmtu' | 'recvRxpmtu' | 'peer'>
  filter: SkFilter
  ipOptions: IpOptionsSock
}
export type Sockets = ReturnType<typeof createSockets>

const {
  ECONNABORTED,
  EAFNOSUPPORT,
  EAGAIN,
  EINPROGRESS,
  EINVAL,
  ENFILE,
  ENOTCONN,
  EOPNOTSUPP,
  EPROTONOSUPPORT,
  ESOCKTNOSUPPORT,
  ESRCH,
} = Errno

/** Where registerProto has a number: the protocol that socket() names. */
export const ANY_PROTOCOL = -1
const INET_FAMILIES = [AF_INET, AF_INET6]
const SOCK_MAX = 10
type ProtoSwitch = { type: number; protocol: number; proto: Proto; families: readonly number[] }
const isAny = ({ protocol }: ProtoSwitch): boolean => protocol === ANY_PROTOCOL

const isPort = (port: number): boolean => port >= 0 && port <= 65535

export const createSockets = (deps: SocketsDeps) => {
  const { arena, firstSock, recordFlow = () => {}, mc, inet, filter, ipOptions, cmsg } = deps
  const { ipcm, recvError, rxPmtu } = deps
  const { i32, layout } = arena
  const bindV6Only = layout.sysctl + Sysctl.bindv6only
  const events = createEvents(arena, firstSock)
  /** By SK_TYPE and SK_PROTOCOL: what they say is what is called (sk_prot). */
  const protos = new Array<Proto>(SOCK_MAX << 8)
  const inetsw: ProtoSwitch[] = []
  const noPeer = new Int32Array(PEER_WORDS)
  // filled by core/stack/tcp.ts: createTcpProto (tcp/sock/tcp-proto.ts)
  // filled by core/stack/udp.ts: UDP's calls (udp/udp-sock.ts)
  // filled by core/stack/raw.ts: those of raw and ping sockets (raw/raw-sock.ts, ping/ping-sock.ts)
  const protoOf = (sk: number): Proto => protos[(i32[sk + SK_TYPE] << 8) | i32[sk + SK_PROTOCOL]]

  /**
   * Makes a protocol available to socket(); at boot. The first of a type is its default; one that is ANY_PROTOCOL speaks
   * for all that the type has no other for, and has to be named.
   */
  const registerProto = (
    type: number,
    protocol: number,
    proto: Proto,
    families: readonly number[] = INET_FAMILIES
  ): void => {
    const isAny = protocol === ANY_PROTOCOL
    for (let p = isAny ? 1 : protocol; p <= (isAny ? 255 : protocol); p++)
      protos[(type << 8) | p] ??= proto
    inetsw.push({ type, protocol, proto, families })
  }

  /** Makes the sockets of a family that are no protocol's of IP: their row's protocol is 0 (sock_register). At boot. */
  const registerFamily = (family: number, type: number, proto: Proto): void => {
    protos[type << 8] = proto
    inetsw.push({ type, protocol: ANY_PROTOCOL, proto, families: [family] })
  }

  /** A new socket, or -errno (__sock_create). */
  const socket = (family: number, type: number, protocol: number): number => {
    if (!inetsw.some(({ families }) => families.includes(family))) return -EAFNOSUPPORT
    if (type < 0 || type > SOCK_MAX) return -EINVAL
    return family === AF_PACKET ? packetCreate(type, protocol) : inetCreate(family, type, protocol)
  }
  const packetCreate = (type: number, protocol: number): number => {
    const entry = inetsw.find((each) => each.type === type && each.families.includes(AF_PACKET))
    if (entry === undefined) return -ESOCKTNOSUPPORT
    return entry.proto.open(AF_PACKET, protocol & 0xffff) || -ENFILE
  }
  const inetCreate = (family: number, type: number, protocol: number): number => {
    if (protocol < 0 || protocol > 255) return -EINVAL
    let supported = false
    for (const entry of inetsw) {
      if (entry.type !== type || !entry.families.includes(family)) continue
      supported = true
      const isNamed = protocol !== 0 && (protocol === entry.protocol || isAny(entry))
      if (isNamed || (protocol === 0 && !isAny(entry)))
        return opened(entry.proto.open(family, isAny(entry) ? protocol : entry.protocol), family)
    }
    return supported ? -EPROTONOSUPPORT : -ESOCKTNOSUPPORT
  }
  const opened = (sk: number, family: number): number => {
    if (sk <= 0) return sk || -ENFILE
    if (family === AF_INET6 && i32[bindV6Only] !== 0) i32[sk + SK_REUSE] |= V6ONLY
    return sk
  }

  /** A packet socket: its address is a link's, with the device in it. */
  const isOfLink = (sk: number): boolean => i32[sk + SK_FAMILY] === AF_PACKET
  /**
   * An address of a link is bound or connected to by a socket of that link: the device that `zone` names (sin6_scope_id)
   * becomes the socket's. 0, or -errno.
   */
  const enterZone = (sk: number, words: Int32Array, at: number, zone: number): number => {
    if (isOfLink(sk) || !needsZone(words, at)) return 0
    const bound = i32[sk + SK_BOUND_DEV]
    const isOther = zone !== bound && l3mdevOf(arena, zone) !== bound
    if (zone !== 0 && bound !== 0 && isOther) return -EINVAL
    if (zone !== 0) i32[sk + SK_BOUND_DEV] = zone
    return (zone | bound) === 0 ? -EINVAL : 0
  }
  const bind = (sk: number, words: Int32Array, at: number, port: number, zone = 0): number => {
    if (!isPort(port)) return -EINVAL
    const bound = i32[sk + SK_BOUND_DEV]
    const error = enterZone(sk, words, at, zone) || protoOf(sk).bind(sk, words, at, port, zone)
    if (error !== 0) i32[sk + SK_BOUND_DEV] = bound
    else if (isOfIpv6(sk) && !isAnyAddr(words, at) && !isV4Mapped(words, at))
      i32[sk + SK_REUSE] |= V6ONLY
    return error
  }
  /** What has an address of IPv6 speaks IPv6 alone (__inet6_bind; raw and ping sockets have a bind of their own). */
  const isOfIpv6 = (sk: number): boolean =>
    i32[sk + SK_FAMILY] === AF_INET6 &&
    (i32[sk + SK_TYPE] === SOCK_STREAM || i32[sk + SK_PROTOCOL] === IPPROTO_UDP)
  /** `flowinfo` is sin6_flowinfo, the label of all that is sent to the peer. */
  const connect = (
    sk: number,
    words: Int32Array,
    at: number,
    port: number,
    zone = 0,
    flowinfo = 0
  ): number => {
    if (!isPort(port)) return -EINVAL
    const [bound, label] = [i32[sk + SK_BOUND_DEV], i32[sk + SK_FLOW_LABEL]]
    enterLabel(sk, flowinfo)
    const error = enterZone(sk, words, at, zone) || protoOf(sk).connect(sk, words, at, port)
    ipcm.words[IPCM_LABEL] = 0
    if (error === 0 || error === -EINPROGRESS) return error
    i32[sk + SK_BOUND_DEV] = bound
    i32[sk + SK_FLOW_LABEL] = label
    return error
  }
  /** A stream has one connection. */
  const enterLabel = (sk: number, flowinfo: number): void => {
    if (i32[sk + SK_TYPE] === SOCK_STREAM && i32[sk + SK_STATE] !== TCP_CLOSE) return
    i32[sk + SK_FLOW_LABEL] = labelOf(i32, sk, flowinfo)
    ipcm.words[IPCM_LABEL] = i32[sk + SK_FLOW_LABEL]
  }

  const listen = (sk: number, backlog: number): number => {
    const proto = protoOf(sk)
    return proto.listen === undefined ? -EOPNOTSUPP : proto.listen(sk, backlog)
  }
  /** The next child of a listener, or -EAGAIN. */
  const accept = (sk: number): number => {
    const proto = protoOf(sk)
    if (proto.accept === undefined) return -EOPNOTSUPP
    if (i32[sk + SK_STATE] !== TCP_LISTEN) return -EINVAL
    const child = proto.accept(sk)
    return child > 0 ? child : -EAGAIN
  }

  /**
   * The call that sends next, to (address, at), by itself to the peer, has control messages: `length` words laid out as
   * `control` has them, which `endControl` takes back. 0, or -errno.
   */
  const beginControl = (
    sk: number,
    messages: Int32Array,
    length: number,
    address = i32,
    at = sk + SK_DADDR
  ): number => ipcm.read(sk, messages, length, address, at)
  const sendmsg = (sk: number, from: number, len: number, flags: number): number => {
    const proto = protoOf(sk)
    if (proto.sendmsg === undefined) return -EOPNOTSUPP
    ipcm.words[IPCM_DONTROUTE] = flags & MSG_DONTROUTE
    ipcm.words[IPCM_LABEL] = i32[sk + SK_FLOW_LABEL]
    const result = proto.sendmsg(sk, from, len, flags)
    ipcm.words[IPCM_DONTROUTE] = 0
    ipcm.words[IPCM_LABEL] = 0
    return result
  }
  const sendBytes = (sk: number, bytes: Uint8Array, from: number, len: number): number => {
    const proto = protoOf(sk)
    if (proto.sendBytes === undefined) return -EOPNOTSUPP
    ipcm.words[IPCM_LABEL] = i32[sk + SK_FLOW_LABEL]
    const result = proto.sendBytes(sk, bytes, from, len)
    ipcm.words[IPCM_LABEL] = 0
    return result
  }
  const recvmsg = (sk: number, to: number, len: number, flags = 0): number => {
    const proto = protoOf(sk)
    recordFlow(i32[sk + SK_RXHASH])
    if (beginReceive(flags)) return recvError.recvError(sk, to, len)
    if (isAboutWay(sk)) return 0
    return proto.recvmsg === undefined ? -EOPNOTSUPP : proto.recvmsg(sk, to, len, flags)
  }
  /** At most `len` bytes of a stream that need no copy; 0: recvmsg is to be asked; -EAGAIN (proto.ts). */
  const readSkb = (sk: number, len: number): number => {
    const proto = protoOf(sk)
    recordFlow(i32[sk + SK_RXHASH])
    return proto.readSkb === undefined ? 0 : proto.readSkb(sk, len)
  }
  const sendto = (
    sk: number,
    from: number,
    len: number,
    words: Int32Array,
    at: number,
    port: number,
    zone = 0,
    flags = 0,
    flowinfo = 0
  ): number => {
    const proto = protoOf(sk)
    if (proto.sendto === undefined) return -EOPNOTSUPP
    if (!isPort(port)) return -EINVAL
    const isZoned = zone !== 0 && !isOfLink(sk) && needsZone(words, at)
    const bound = i32[sk + SK_BOUND_DEV]
    // for this datagram alone
    if (isZoned) i32[sk + SK_BOUND_DEV] = zone
    ipcm.words[IPCM_DONTROUTE] = flags & MSG_DONTROUTE
    ipcm.words[IPCM_LABEL] = labelOf(i32, sk, flowinfo)
    const result = proto.sendto(sk, from, len, words, at, port, flags, isZoned ? 0 : zone)
    ipcm.words[IPCM_DONTROUTE] = 0
    ipcm.words[IPCM_LABEL] = 0
    if (isZoned) i32[sk + SK_BOUND_DEV] = bound
    return result
  }
  /** Where those of the last call that received lie who are not its protocol's. */
  let from: Int32Array | undefined
  /** True where the call takes from the error queue (inet_recv_error). */
  const beginReceive = (flags: number): boolean => {
    cmsg.begin()
    const isError = (flags & MSG_ERRQUEUE) !== 0
    from = isError ? recvError.peer : undefined
    return isError
  }
  /** A message that tells how much a way takes goes before what has come: true, and it has no octets. */
  const isAboutWay = (sk: number): boolean => {
    if (!rxPmtu.hasRxpmtu(sk)) return false
    rxPmtu.recvRxpmtu(sk)
    from = rxPmtu.peer
    return true
  }
  /** One datagram; `peerOf(sk)` then tells its sender, `control` what comes beside it. */
  const recvfrom = (sk: number, to: number, len: number, flags = 0): number => {
    const proto = protoOf(sk)
    if (beginReceive(flags)) return recvError.recvError(sk, to, len)
    if (isAboutWay(sk)) return 0
    return proto.recvfrom === undefined ? -EOPNOTSUPP : proto.recvfrom(sk, to, len, flags)
  }
  /** Where the protocol leaves the sender of the last datagram received: PEER_* words; of an error, and of what was too long, whom the packet was to. */
  const peerOf = (sk: number): Int32Array => from ?? protoOf(sk).peer ?? noPeer

  const shutdown = (sk: number, how: number): number => {
    if (how !== SHUT_RD && how !== SHUT_WR && how !== SHUT_RDWR) return -EINVAL
    const proto = protoOf(sk)
    if (proto.shutdown !== undefined) return proto.shutdown(sk, how)
    i32[sk + SK_SHUTDOWN] |=
      (how === SHUT_WR ? 0 : RCV_SHUTDOWN) | (how === SHUT_RD ? 0 : SEND_SHUTDOWN)
    return 0
  }
  /** What the socket is ready for, POLL* bits, or -errno. */
  const poll = (sk: number): number => protoOf(sk).poll?.(sk) ?? -EOPNOTSUPP
  /** recvmsg with MSG_ERRQUEUE: EE_* words at (to, at) (errqueue.ts), and 0; or -errno. */
  const recvErr = (sk: number, to: Int32Array, at: number): number =>
    protoOf(sk).recvErr?.(sk, to, at) ?? -EOPNOTSUPP
  /** The answer to a request (SIOC*), or -errno. */
  const ioctl = (sk: number, request: number): number =>
    protoOf(sk).ioctl?.(sk, request) ?? -EOPNOTSUPP

  /** Is close() to wait for an event, and then to be asked again (SO_LINGER)? */
  const linger = (sk: number): boolean => protoOf(sk).linger?.(sk) ?? false
  /** Lets go of the socket: nobody hears of it, the protocol ends it in order. */
  const close = (sk: number): void => {
    events.detach(sk)
    mc.dropSocket(sk)
    protoOf(sk).close(sk)
  }
  /** Lets go of the socket at once: breaks it, then closes what the protocol has left of it. */
  const abort = (sk: number): void => {
    const proto = protoOf(sk)
    const generation = i32[sk + SK_GENERATION]
    events.detach(sk)
    mc.dropSocket(sk)
    proto.abort?.(sk)
    if (isSame(sk, generation)) proto.close(sk)
  }

  /** Breaks a socket from outside (ss -K); its holder is told by an event, and closes it. 0 or -errno. */
  const destroy = (sk: number, generation: number): number => {
    if (!isSame(sk, generation) || (generation & 1) === 0) return -ESRCH
    if (i32[sk + SK_TYPE] === SOCK_STREAM) protoOf(sk).abort?.(sk)
    else {
      // a connectionless socket is only told (udp_abort)
      i32[sk + SK_ERR] = ECONNABORTED
      events.sockEvents(sk, SK_EVENT_ERROR)
    }
    return 0
  }

  /** The error that waits on the socket, taken off it (sock_error). */
  const takeError = (sk: number): number => {
    const err = i32[sk + SK_ERR]
    i32[sk + SK_ERR] = 0
    return err
  }
  /** True while `sk` still is the row that had `generation`. */
  const isSame = (sk: number, generation: number): boolean => i32[sk + SK_GENERATION] === generation

  /** Copies the own address (getsockname) to `to`, four words and the port. */
  const getsockname = (sk: number, to: number): void => {
    for (let w = 0; w < 4; w++) i32[to + w] = i32[sk + SK_SADDR + w]
    i32[to + 4] = portOf(i32, sk)
  }
  /** Copies the peer's address (getpeername) to `to`, four words and the port: 0, or -errno. */
  const getpeername = (sk: number, to: number): number => {
    const error = peerError(sk)
    if (error !== 0) return error
    for (let w = 0; w < 4; w++) i32[to + w] = i32[sk + SK_DADDR + w]
    i32[to + 4] = i32[sk + SK_DPORT]
    return 0
  }
  /** Has it a peer to speak of (inet_getname)? 0, or -errno. */
  const peerError = (sk: number): number => {
    if (isOfLink(sk)) return -EOPNOTSUPP
    const state = i32[sk + SK_STATE]
    const isOpen = state !== TCP_CLOSE && state !== TCP_SYN_SENT
    return isOpen && i32[sk + SK_DPORT] !== 0 ? 0 : -ENOTCONN
  }
  /** No family here makes pairs: 0 is never the answer. */
  const socketpair = (family: number, type: number, protocol: number): number => {
    const sk = socket(family, type, protocol)
    if (sk < 0) return sk
    close(sk)
    return -EOPNOTSUPP
  }

  const options = createSockopt({ arena, protoOf, takeError, mc, inet, filter, ipOptions })

  return {
    ...events,
    registerProto,
    registerFamily,
    socket,
    bind,
    connect,
    listen,
    accept,
    beginControl,
    endControl: ipcm.clear,
    sendmsg,
    sendBytes,
    recvmsg,
    readSkb,
    sendto,
    recvfrom,
    peerOf,
    control: cmsg,
    shutdown,
    poll,
    ioctl,
    recvErr,
    linger,
    close,
    abort,
    destroy,
    takeError,
    isSame,
    getsockname,
    getpeername,
    peerError,
    socketpair,
    ...options,
    membership: mc.membership,
    setFilter: mc.setFilter,
    getFilter: mc.getFilter,
    setMulticastDevice: mc.setDevice4,
  }
}
