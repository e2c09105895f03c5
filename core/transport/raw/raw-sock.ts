/**
 * Raw sockets: the calls of the socket layer (its Proto) for whatever protocol a socket names. What it gets is a whole IPv4
 * packet, or an IPv6 packet from its protocol's header on. Its port is its protocol, in all that is told of it.
 * Linux: net/ipv4/raw.c raw_prot, net/ipv6/raw.c rawv6_prot.
 */
import { copyAddr, isV4Mapped } from '../../base/family.ts'
import { Errno } from '../../base/errno.ts'
import { FL_DADDR, FL_SADDR } from '../../base/flowi.ts'
import type { AddrType } from '../../inet/addr/addr-type.ts'
import type { AfOpsOf } from '../../inet/af-ops.ts'
import type { InetListeners } from '../../inet/inet-protos.ts'
import type { Arena } from '../../shm/arena.ts'
import type { ConsumeFn } from '../../skb/drop.ts'
import type { Skbs } from '../../skb/skbs.ts'
import type { Ipcm } from '../../socket/msg/ipcm.ts'
import type { IpCmsg } from '../../socket/msg/ip-cmsg.ts'
import type { Datagram } from '../../socket/datagram.ts'
import type { Proto } from '../../socket/proto.ts'
import {
  SK_DADDR,
  SK_DPORT,
  SK_FAMILY,
  SK_FLAGS,
  SK_HASH_NEXT,
  SK_NUM,
  SK_REUSE,
  SK_SADDR,
  SK_STATE,
  SOCK_RAW,
  TCP_CLOSE,
  TCP_ESTABLISHED,
  SK_BOUND_DEV,
} from '../../socket/sock.ts'
import {
  ICMP_FILTER,
  ICMPV6_FILTER,
  IP_HDRINCL,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_CHECKSUM,
  IPV6_HDRINCL,
  MSG_OOB,
  REUSE_ADDR,
  SOL_ICMPV6,
  SOL_RAW,
} from '../../socket/socket-constants.ts'
import { IPPROTO_MH, IPPROTO_RAW } from '../../wire/ipproto.ts'
import { bindAddr, isGroupType, peerError } from '../bind-addr.ts'
import { BOUND_GROUP, type DgramFlow } from '../dgram-flow.ts'
import { createDgramPeer } from '../dgram-peer.ts'
import { RAW_CHECKSUM, RAW_FILTER, RAW_FILTER_WORDS, RAW_HDRINCL } from './raw-constants.ts'
import { createRawCork } from './raw-cork.ts'
import type { RawOutput } from './raw-output.ts'

type RawSockDeps = {
  arena: Arena
  skbs: Skbs
  consume: ConsumeFn
  datagram: Datagram
  dgramFlow: DgramFlow
  output: RawOutput
  ipcm: Ipcm
  afOps: AfOpsOf
  /** By family, the first raw socket of each protocol. */
  rawsOf: (family: number) => InetListeners['raws']
} & Pick<AddrType, 'addrType'> &
  Pick<IpCmsg, 'ipCmsgRecv'>

const { EADDRNOTAVAIL, EDESTADDRREQ, EINVAL, EMSGSIZE, ENETUNREACH, ENOPROTOOPT, EOPNOTSUPP } =
  Errno
const MAX_LEN = 0xffff
/** Octets in front of the checksum of a mobility header. */
const MH_CHECKSUM = 4
const ICMPV6_CHECKSUM = 2

export const createRawSock = (deps: RawSockDeps): Proto => {
  const { arena, datagram, dgramFlow, output, afOps, rawsOf, addrType } = deps
  const { i32 } = arena
  const cork = createRawCork(deps)
  const { peer, notePeer } = createDgramPeer(deps)
  const opsOf = (sk: number): ReturnType<AfOpsOf> => afOps(i32[sk + SK_FAMILY])

  const open = (family: number, protocol = 0): number => {
    const sk = datagram.alloc(family, SOCK_RAW, protocol)
    if (sk === 0) return 0
    i32[sk + SK_NUM] = protocol
    i32[sk + SK_REUSE] = REUSE_ADDR
    const { rawHasHeader, icmp } = afOps(family)
    if (protocol === IPPROTO_RAW) i32[sk + RAW_HDRINCL] = 1
    if (!rawHasHeader) {
      if (protocol === icmp.protocol) i32[sk + RAW_CHECKSUM] = ICMPV6_CHECKSUM + 1
      if (protocol === IPPROTO_MH) i32[sk + RAW_CHECKSUM] = MH_CHECKSUM + 1
    }
    const raws = rawsOf(family)
    i32[sk + SK_HASH_NEXT] = raws[protocol]
    raws[protocol] = sk
    return sk
  }
  const unhash = (sk: number): void => {
    const raws = rawsOf(i32[sk + SK_FAMILY])
    const protocol = i32[sk + SK_NUM]
    if (raws[protocol] === sk) {
      raws[protocol] = i32[sk + SK_HASH_NEXT]
      return
    }
    let before = raws[protocol]
    while (i32[before + SK_HASH_NEXT] !== sk) before = i32[before + SK_HASH_NEXT]
    i32[before + SK_HASH_NEXT] = i32[sk + SK_HASH_NEXT]
  }
  const close = (sk: number): void => {
    cork.flush(sk)
    unhash(sk)
    datagram.free(sk)
  }

  /** It may be bound anew as long as it has no peer. */
  const bind = (sk: number, words: Int32Array, at: number): number => {
    if (i32[sk + SK_STATE] !== TCP_CLOSE) return -EINVAL
    if (!opsOf(sk).rawHasHeader && isV4Mapped(words, at)) return -EADDRNOTAVAIL
    const error = bindAddr(arena, addrType, sk, words, at)
    if (error !== 0) return error
    i32[sk + SK_FLAGS] &= ~BOUND_GROUP
    if (isGroupType(addrType(words, at, i32[sk + SK_BOUND_DEV]))) i32[sk + SK_FLAGS] |= BOUND_GROUP
    return 0
  }
  /** One of IPv6 knows no network of IPv4's. */
  const addrError = (sk: number, words: Int32Array, at: number): number =>
    !opsOf(sk).rawHasHeader && isV4Mapped(words, at) ? -ENETUNREACH : peerError(i32, sk, words, at)
  const route = (sk: number, words: Int32Array, at: number): number =>
    addrError(sk, words, at) ||
    dgramFlow.route(
      sk,
      words,
      at,
      i32[sk + RAW_HDRINCL] !== 0 ? IPPROTO_RAW : i32[sk + SK_NUM],
      0,
      0
    )
  const connect = (sk: number, words: Int32Array, at: number, port: number): number => {
    const error = route(sk, words, at)
    if (error !== 0) return error
    const { flow } = dgramFlow
    if ((i32[sk + SK_FLAGS] & BOUND_GROUP) === 0) copyAddr(i32, sk + SK_SADDR, flow, FL_SADDR)
    copyAddr(i32, sk + SK_DADDR, flow, FL_DADDR)
    i32[sk + SK_DPORT] = port
    i32[sk + SK_STATE] = TCP_ESTABLISHED
    return 0
  }

  const sendto = (
    sk: number,
    from: number,
    len: number,
    words: Int32Array,
    at: number,
    port: number,
    flags = 0
  ): number => {
    // rawv6_sendmsg leaves it to who appends, which forgets what is pending
    if (len > MAX_LEN && opsOf(sk).rawHasHeader) return -EMSGSIZE
    if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP
    if (isOtherProtocol(sk, port)) return -EINVAL
    const routed = route(sk, words, at)
    if (routed !== 0) return routed
    if (i32[sk + RAW_HDRINCL] === 0 && cork.isCorked(sk, flags))
      return cork.append(sk, from, len, flags)
    const error = output.sizeError(sk, len) || memoryError(sk)
    return error !== 0 ? error : output.send(sk, from, len)
  }
  /** Memory for a packet with its header alone is asked for in the way that tells what is wrong with the socket. */
  const memoryError = (sk: number): number =>
    i32[sk + RAW_HDRINCL] === 0 ? 0 : datagram.sendError(sk)
  const isOtherProtocol = (sk: number, port: number): boolean =>
    opsOf(sk).rawPortIsProtocol && port !== 0 && port !== i32[sk + SK_NUM]
  const sendmsg = (sk: number, from: number, len: number, flags: number): number => {
    if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP
    return i32[sk + SK_STATE] === TCP_ESTABLISHED
      ? sendto(sk, from, len, i32, sk + SK_DADDR, 0, flags)
      : -EDESTADDRREQ
  }

  const note = (sk: number, skb: number): void => notePeer(sk, skb, 0)
  /** Takes one packet, cut to `len`, into the arena. Its sender lies in `peer` then. */
  const recvfrom = (sk: number, to: number, len: number, flags = 0): number =>
    (flags & MSG_OOB) !== 0 ? -EOPNOTSUPP : datagram.receive(sk, to, len, flags, 0, note)

  const setChecksum = (sk: number, level: number, value: number): number => {
    // RFC 3542 section 3.1: where ICMPv6 has its checksum is known
    const isKnown = i32[sk + SK_NUM] === opsOf(sk).icmp.protocol && level === IPPROTO_IPV6
    if (isKnown || (value > 0 && (value & 1) !== 0)) return -EINVAL
    i32[sk + RAW_CHECKSUM] = Math.max(0, value + 1)
    return 0
  }
  const isChecksum = (sk: number, level: number, name: number): boolean =>
    !opsOf(sk).rawHasHeader &&
    name === IPV6_CHECKSUM &&
    (level === IPPROTO_IPV6 || level === SOL_RAW)
  const isHdrincl = (sk: number, level: number, name: number): boolean =>
    opsOf(sk).rawHasHeader
      ? level === IPPROTO_IP && name === IP_HDRINCL
      : level === IPPROTO_IPV6 && name === IPV6_HDRINCL
  /** Of ICMP the types are few, and one word. */
  const isFilter = (sk: number, level: number, name: number): boolean =>
    opsOf(sk).rawHasHeader && level === SOL_RAW && name === ICMP_FILTER
  const setOption = (sk: number, level: number, name: number, value: number): number => {
    if (isHdrincl(sk, level, name)) {
      i32[sk + RAW_HDRINCL] = value === 0 ? 0 : 1
      return 0
    }
    if (isChecksum(sk, level, name)) return setChecksum(sk, level, value)
    if (!isFilter(sk, level, name)) return -ENOPROTOOPT
    if (i32[sk + SK_NUM] !== opsOf(sk).icmp.protocol) return -EOPNOTSUPP
    i32[sk + RAW_FILTER] = value
    return 0
  }
  const getOption = (sk: number, level: number, name: number): number => {
    if (isHdrincl(sk, level, name)) return i32[sk + RAW_HDRINCL]
    if (isChecksum(sk, level, name)) return i32[sk + RAW_CHECKSUM] - 1
    if (!isFilter(sk, level, name)) return -ENOPROTOOPT
    return i32[sk + SK_NUM] === opsOf(sk).icmp.protocol ? i32[sk + RAW_FILTER] : -EOPNOTSUPP
  }
  /** ICMPV6_FILTER, or why there is none here: 0, or -errno. */
  const filterError = (sk: number, level: number, name: number): number => {
    if (opsOf(sk).rawHasHeader || level !== SOL_ICMPV6) return -ENOPROTOOPT
    if (i32[sk + SK_NUM] !== opsOf(sk).icmp.protocol) return -EOPNOTSUPP
    return name === ICMPV6_FILTER ? 0 : -ENOPROTOOPT
  }
  const setNameOption: NonNullable<Proto['setNameOption']> = (sk, level, name, words, at, len) => {
    const error = filterError(sk, level, name)
    const count = Math.min(len >> 2, RAW_FILTER_WORDS)
    if (error === 0) i32.set(words.subarray(at, at + count), sk + RAW_FILTER)
    return error
  }
  const getNameOption: NonNullable<Proto['getNameOption']> = (sk, level, name, words, at) => {
    const error = filterError(sk, level, name)
    if (error !== 0) return error
    words.set(i32.subarray(sk + RAW_FILTER, sk + RAW_FILTER + RAW_FILTER_WORDS), at)
    return RAW_FILTER_WORDS * 4
  }

  return {
    open,
    bind,
    connect,
    sendmsg,
    recvmsg: recvfrom,
    sendto,
    recvfrom,
    peer,
    ...datagram.calls,
    close,
    abort: close,
    setOption,
    getOption,
    setNameOption,
    getNameOption,
  }
}
