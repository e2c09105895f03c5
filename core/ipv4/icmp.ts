/**
 * ICMP for IPv4: answers echo and time-stamp requests, sends errors about packets that the other layers refuse (icmpSend), and gives
 * received errors to the transport of the packet they quote. Registered for IPPROTO_ICMP; on a worker. What an
 * error never follows: another error, a broadcast or multicast, a fragment but the first.
 * Linux: net/ipv4/icmp.c; RFC 792, 1122 section 3.2.2, 1812 section 4.3, 1191.
 */
import { AF_INET, V4_MAPPED } from '../base/family.ts'
import * as csum from '../base/checksum.ts'
import { Errno } from '../base/errno.ts'
import {
  createFlowi,
  DF_NEVER,
  FL_DADDR,
  FL_DEV,
  FL_DF,
  FL_FAMILY,
  FL_HASH,
  FL_MARK,
  FL_MTU,
  FL_PROTO,
  FL_SADDR,
  FL_TOS,
  RTN_BROADCAST,
  RTN_MULTICAST,
  FL_OIF,
} from '../base/flowi.ts'
import type { Time } from '../base/time.ts'
import { TIME_MS } from '../base/time.ts'
import { DEV_FLAGS, IFF_LOOPBACK, l3mdevOf } from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import { counterBank, Mib } from '../shm/counters.ts'
import type { ConsumeFn, DropFn } from '../skb/drop.ts'
import { Drop } from '../skb/drop.ts'
import type { Skbs } from '../skb/skbs.ts'
import {
  CHECKSUM_NONE,
  MAX_HEADER,
  PACKET_HOST,
  SKB_DATA,
  SKB_DEV,
  SKB_DST,
  SKB_IIF,
  SKB_IP_SUMMED,
  SKB_IPOPT,
  SKB_LEN,
  SKB_MARK,
  SKB_NETWORK,
  SKB_PKT_TYPE,
  SKB_TRANSPORT,
  SKB_TRIED,
} from '../skb/skb.ts'
import * as icmp from '../wire/icmp.ts'
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipproto.ts'
import * as ipv4 from '../wire/ipv4.ts'
import { DEVICE_WORDS } from '../shm/layout.ts'
import { Sysctl } from '../shm/sysctl.ts'
import { createIcmpRatelimit } from '../inet/icmp-ratelimit.ts'
import type { InetPeers } from '../inet/dst/inet-peer.ts'
import type { InetProtos } from '../inet/inet-protos.ts'
import { IPCB_OUTER, IPCB_TYPE, NO_MTU } from '../inet/inet-constants.ts'
import type { Pmtu } from '../inet/dst/pmtu.ts'
import type { FlowKeys } from '../inet/fib/flow-keys.ts'
import type { IpDoRedirect } from './ip-do-redirect.ts'
import type { IpLocalOut } from './ip-local-out.ts'
import type { AddrType } from '../inet/addr/addr-type.ts'
import { type IpOptions, isSourceRouted, OPTIONS_OK } from './ip-options.ts'
import { SRR_HIT_SHIFT } from './ip-options-constants.ts'
import { type IpOptionsEcho, OPTIONS_NO_ECHO } from './ip-options-echo.ts'

type IcmpDeps = {
  arena: Arena
  skbs: Skbs
  drop: DropFn
  consume: ConsumeFn
  time: Time
  protos: InetProtos
  options: Pick<IpOptions, 'specDst' | 'own' | 'compile'> & IpOptionsEcho
  peers: Pick<InetPeers, 'xrlimAllow'>
  /** core/stack/ipv4.ts: select4 of inet/addr/source.ts with RT_SCOPE_LINK; 0 is none. */
  selectLinkSource: (dev: number, near: number) => number
} & Pick<Pmtu, 'routeOutput' | 'updatePmtu'> &
  Pick<FlowKeys, 'hashAbout'> &
  Pick<IpLocalOut, 'ipSend'> &
  Pick<IpDoRedirect, 'ipDoRedirect'> &
  Pick<AddrType, 'isLocalAddress' | 'inetAddrType'>

export type Icmp = ReturnType<typeof createIcmp>

/** An error is at most this long, as an IP packet (RFC 1812 section 4.3.2.3). */
const MOST = 576
/** Highest type, and code of destination unreachable, that Linux knows (NR_ICMP_TYPES, NR_ICMP_UNREACH). */
const LAST_TYPE = 18
const LAST_UNREACH = 15
const LAST_REDIRECT = 3
/** The time does not count from midnight UT (RFC 792). */
const NONSTANDARD_TIME = 0x80000000 | 0
/** Precedence "internetwork control" of errors (RFC 1812 section 4.3.2.5). */
const TOS_PREC_INTERNETCONTROL = 0xc0
const TOS_MASK = 0x1e
/** Of ip_no_pmtu_disc. */
const PMTU_LEAST = 1
const PMTU_DEAF = 2
const PMTU_VALIDATED = 3
const EPROTO = 71
const ENONET = 64

/** errno of destination unreachable, by code, and the codes after which asking again is of no use (icmp_err_convert). */
const UNREACH_ERRNO = [
  Errno.ENETUNREACH,
  Errno.EHOSTUNREACH,
  Errno.ENOPROTOOPT,
  Errno.ECONNREFUSED,
  Errno.EMSGSIZE,
  Errno.EOPNOTSUPP,
  Errno.ENETUNREACH,
  Errno.EHOSTDOWN,
  ENONET,
  Errno.ENETUNREACH,
  Errno.EHOSTUNREACH,
  Errno.ENETUNREACH,
  Errno.EHOSTUNREACH,
  Errno.EHOSTUNREACH,
  Errno.EHOSTUNREACH,
  Errno.EHOSTUNREACH,
] as const

const FATAL_CODES = 0b1110_0111_1101_1100

/** Counters by type; 0 is none. */
const IN_COUNTERS = new Int32Array(256)
const OUT_COUNTERS = new Int32Array(256)
const counted: [type: number, into: number, out: number][] = [
  [icmp.ICMP_ECHOREPLY, Mib.IcmpInEchoReps, Mib.IcmpOutEchoReps],
  [icmp.ICMP_DEST_UNREACH, Mib.IcmpInDestUnreachs, Mib.IcmpOutDestUnreachs],
  [icmp.ICMP_SOURCE_QUENCH, Mib.IcmpInSrcQuenchs, Mib.IcmpOutSrcQuenchs],
  [icmp.ICMP_REDIRECT, Mib.IcmpInRedirects, Mib.IcmpOutRedirects],
  [icmp.ICMP_ECHO, Mib.IcmpInEchos, Mib.IcmpOutEchos],
  [icmp.ICMP_TIME_EXCEEDED, Mib.IcmpInTimeExcds, Mib.IcmpOutTimeExcds],
  [icmp.ICMP_PARAMETERPROB, Mib.IcmpInParmProbs, Mib.IcmpOutParmProbs],
  [icmp.ICMP_TIMESTAMP, Mib.IcmpInTimestamps, Mib.IcmpOutTimestamps],
  [icmp.ICMP_TIMESTAMPREPLY, Mib.IcmpInTimestampReps, Mib.IcmpOutTimestampReps],
  [icmp.ICMP_ADDRESS, Mib.IcmpInAddrMasks, Mib.IcmpOutAddrMasks],
  [icmp.ICMP_ADDRESSREPLY, Mib.IcmpInAddrMaskReps, Mib.IcmpOutAddrMaskReps],
]
for (const [type, into, out] of counted) {
  IN_COUNTERS[type] = into
  OUT_COUNTERS[type] = out
}

export const createIcmp = (deps: IcmpDeps) => {
  const { arena, skbs, drop, consume, time, protos, routeOutput, ipSend } = deps
  const {
    isLocalAddress,
    inetAddrType,
    updatePmtu,
    hashAbout,
    options,
    peers,
    ipDoRedirect,
    selectLinkSource,
  } = deps
  const { i32, u8, f64, layout } = arena
  const { devices, sysctl } = layout
  const count = counterBank(arena, skbs.thread)
  const { errors, owners, listeners } = protos
  const { icmpAllows } = createIcmpRatelimit({ arena, thread: skbs.thread, time, peers })
  const fl = createFlowi()

  const putFlow = (saddr: number, daddr: number, tos: number): void => {
    fl.fill(0)
    fl[FL_FAMILY] = AF_INET
    fl[FL_SADDR + 2] = fl[FL_DADDR + 2] = V4_MAPPED
    fl[FL_SADDR + 3] = saddr
    fl[FL_DADDR + 3] = daddr
    fl[FL_TOS] = tos
    fl[FL_PROTO] = IPPROTO_ICMP
    // as Linux's ICMP sockets send it
    fl[FL_DF] = DF_NEVER
  }
  /** The mark of what answers a packet (IP4_REPLY_MARK). */
  const replyMark = (skb: number): number =>
    i32[sysctl + Sysctl.fwmark_reflect] === 0 ? 0 : i32[skb + SKB_MARK]
  /** Counts a message that leaves (icmp_out_count). */
  const icmpOut = (type: number): void => {
    f64[count + Mib.IcmpOutMsgs]++
    if (OUT_COUNTERS[type] !== 0) f64[count + OUT_COUNTERS[type]]++
  }
  /** Sends a finished message to where `fl` was routed, in front of it the `n` octets of options of the last echo(). */
  const send = (skb: number, type: number, tos: number, n: number): void => {
    icmpOut(type)
    if (n > 0) options.build(skb, n, fl[FL_SADDR + 3])
    ipSend(skb, fl, IPPROTO_ICMP, tos, 0, n)
  }
  /** True when a message to where `fl` was routed is not one too many; nothing is counted that stays here. */
  const mayGo = (type: number, code: number): boolean =>
    (i32[devices + fl[FL_DEV] * DEVICE_WORDS + DEV_FLAGS] & IFF_LOOPBACK) !== 0 ||
    icmpAllows(type, code, fl, FL_DADDR)

  // ---- errors out

  /**
   * Sends an error about a packet, whose NETWORK is its IP header; the packet stays the caller's. `info` is the
   * message's second word: the MTU, the pointer in the high octet, or 0.
   */
  const icmpSend = (about: number, type: number, code: number, info: number): void => {
    const at = i32[about + SKB_NETWORK]
    if (!mayAnswer(about, at)) return
    const tos = (ipv4.tos(u8, at) & TOS_MASK) | TOS_PREC_INTERNETCONTROL
    const n = options.echo(about)
    if (n === OPTIONS_NO_ECHO) return
    putFlow(errorSource(about, at), options.firstHop(ipv4.src(u8, at)), tos & TOS_MASK)
    fl[FL_OIF] = l3mdevOf(arena, i32[about + SKB_IIF] || i32[about + SKB_DEV])
    fl[FL_HASH] = hashAbout(about)
    fl[FL_MARK] = replyMark(about)
    if (routeOutput(fl) !== 0 || !mayGo(type, code)) return
    const skb = quote(about, at, Math.min(MOST, fl[FL_MTU]) - ipv4.MIN_HEADER - n - icmp.MIN_HEADER)
    if (skb === 0) {
      f64[count + Mib.IcmpOutErrors]++
      return
    }
    const message = i32[skb + SKB_DATA]
    icmp.setType(u8, message, type)
    icmp.setCode(u8, message, code)
    icmp.setRest(u8, message, info)
    icmp.setChecksum(u8, message, i32[skb + SKB_LEN])
    send(skb, type, tos, n)
  }
  /** Our own address that the packet was for; of the device it came in on, when asked for; or 0: as the route has it. */
  const errorSource = (about: number, at: number): number => {
    const daddr = ipv4.dst(u8, at)
    if (isLocalAddress(daddr, i32[about + SKB_DEV]) && !isSourceRouted(i32, about)) return daddr
    const iif = i32[about + SKB_IIF]
    return iif !== 0 && i32[sysctl + Sysctl.icmp_errors_use_inbound_ifaddr] !== 0
      ? selectLinkSource(iif, ipv4.src(u8, at))
      : 0
  }

  /** RFC 1812 section 4.3.2.7. */
  const mayAnswer = (about: number, at: number): boolean => {
    if (i32[about + SKB_PKT_TYPE] !== PACKET_HOST) return false
    const type = i32[about + IPCB_TYPE]
    if (type === RTN_BROADCAST || type === RTN_MULTICAST) return false
    const daddr = ipv4.dst(u8, at)
    const saddr = ipv4.src(u8, at)
    if (ipv4.isMulticastAddr(daddr) || daddr === ipv4.INADDR_BROADCAST) return false
    if (saddr === 0 || saddr === ipv4.INADDR_BROADCAST || ipv4.isMulticastAddr(saddr)) return false
    if (ipv4.fragmentOffset(u8, at) !== 0) return false
    if (ipv4.protocol(u8, at) !== IPPROTO_ICMP) return true
    const inner = at + ipv4.headerLen(u8, at)
    const data = i32[about + SKB_DATA]
    const asked = inner < data ? u8[inner] : skbs.byteAt(about, inner - data)
    return asked >= 0 && asked <= LAST_TYPE && !icmp.isError(asked)
  }

  /** A new skb with room for an ICMP header and as much of the packet behind it as fits `room`; 0: no memory. */
  const quote = (about: number, at: number, room: number): number => {
    // what was pulled off lies before data, the rest behind it (perhaps in frags)
    const pulled = Math.max(i32[about + SKB_DATA] - at, 0)
    const len = Math.min(pulled + i32[about + SKB_LEN], Math.max(room, 28))
    const skb = skbs.alloc(icmp.MIN_HEADER + len, MAX_HEADER + ipv4.MAX_OPTIONS)
    if (skb === 0) return 0
    const to = skbs.put(skb, icmp.MIN_HEADER + len) + icmp.MIN_HEADER
    const head = Math.min(pulled, len)
    u8.copyWithin(to, at, at + head)
    skbs.copyBits(about, 0, to + head, len - head)
    return skb
  }

  /**
   * The next hop of a packet does not answer (dst_link_failure): the host it came from is told, which may be this one. The
   * packet, data at its IP header, stays the caller's.
   */
  const linkFailure = (skb: number): void => {
    const at = i32[skb + SKB_NETWORK]
    if (u8[at] >> 4 !== 4) return
    if (ipv4.headerLen(u8, at) !== ipv4.MIN_HEADER && !fillAgain(skb)) return
    icmpSend(skb, icmp.ICMP_DEST_UNREACH, icmp.ICMP_HOST_UNREACH, 0)
  }
  /** Linux reads the options of what waited once more, and fills them in a second time (ipv4_send_dest_unreach). */
  const fillAgain = (skb: number): boolean => {
    if (!options.own(skb)) return false
    const hit = i32[skb + SKB_IPOPT] >>> SRR_HIT_SHIFT
    const wrong = options.compile(skb, i32[skb + IPCB_TYPE])
    i32[skb + SKB_IPOPT] |= hit << SRR_HIT_SHIFT
    return wrong <= OPTIONS_OK
  }

  // ---- in

  /** inet_protos' handler: data is the ICMP header. */
  const icmpRcv = (skb: number): void => {
    f64[count + Mib.IcmpInMsgs]++
    const len = i32[skb + SKB_LEN]
    if (!skbs.mayPull(skb, len)) return drop(skb, Drop.NOMEM)
    const at = i32[skb + SKB_DATA]
    if (i32[skb + SKB_IP_SUMMED] === CHECKSUM_NONE && !icmp.isChecksumOk(u8, at, len))
      return badChecksum(skb)
    if (len < icmp.MIN_HEADER) return bad(skb, Drop.PKT_TOO_SMALL)
    const type = icmp.type(u8, at)
    if (IN_COUNTERS[type] !== 0) f64[count + IN_COUNTERS[type]]++
    // who asks about our interfaces gets no answer (icmp_echo_enable_probe 0, RFC 8335 section 4)
    if (type === icmp.ICMP_EXT_ECHO) return consume(skb)
    if (type > LAST_TYPE && type !== icmp.ICMP_EXT_ECHOREPLY) return bad(skb, Drop.UNHANDLED_PROTO)
    const route = i32[skb + IPCB_TYPE]
    const isGroup = route === RTN_BROADCAST || route === RTN_MULTICAST
    if (isGroup && !mayComeToMany(type)) return bad(skb, Drop.INVALID_PROTO)
    switch (type) {
      case icmp.ICMP_ECHO:
        return icmpEcho(skb)
      case icmp.ICMP_ECHOREPLY:
        // filled by core/stack/raw.ts: pingRcv (transport/ping/ping-input.ts)
        return listeners.pingRcv(skb)
      case icmp.ICMP_TIMESTAMP:
        return icmpTimestamp(skb)
      case icmp.ICMP_DEST_UNREACH:
      case icmp.ICMP_SOURCE_QUENCH:
      case icmp.ICMP_TIME_EXCEEDED:
      case icmp.ICMP_PARAMETERPROB:
        return icmpUnreach(skb, type)
      case icmp.ICMP_REDIRECT:
        return icmpRedirect(skb)
    }
    consume(skb)
  }
  /** What was sent to many is not answered, or all would answer at once; and nobody tells many of an error. */
  const mayComeToMany = (type: number): boolean =>
    type === icmp.ICMP_ECHO || type === icmp.ICMP_TIMESTAMP
      ? i32[sysctl + Sysctl.icmp_echo_ignore_broadcasts] === 0
      : type === icmp.ICMP_ADDRESS || type === icmp.ICMP_ADDRESSREPLY
  const bad = (skb: number, reason: Drop): void => {
    f64[count + Mib.IcmpInErrors]++
    drop(skb, reason)
  }
  const badChecksum = (skb: number): void => {
    f64[count + Mib.IcmpInCsumErrors]++
    bad(skb, Drop.ICMP_CSUM)
  }

  /** Routes the answer to a request and reads its options; their length, or OPTIONS_NO_ECHO when none is to go. */
  const routeReply = (skb: number): number => {
    const ip = i32[skb + SKB_NETWORK]
    const n = options.echo(skb)
    if (n === OPTIONS_NO_ECHO) return n
    putFlow(
      options.specDst(skb, i32[skb + IPCB_TYPE]),
      options.firstHop(ipv4.src(u8, ip)),
      ipv4.tos(u8, ip) & TOS_MASK
    )
    fl[FL_OIF] = l3mdevOf(arena, i32[skb + SKB_DEV])
    fl[FL_MARK] = replyMark(skb)
    return routeOutput(fl) === 0 ? n : OPTIONS_NO_ECHO
  }

  /** The request becomes its own reply. */
  const icmpEcho = (skb: number): void => {
    if (i32[sysctl + Sysctl.icmp_echo_ignore_all] !== 0) return consume(skb)
    const tos = ipv4.tos(u8, i32[skb + SKB_NETWORK])
    const n = routeReply(skb)
    if (n === OPTIONS_NO_ECHO || !mayGo(icmp.ICMP_ECHOREPLY, 0)) return consume(skb)
    if (!skbs.expandHead(skb, MAX_HEADER - 64)) return drop(skb, Drop.NOMEM)
    const at = i32[skb + SKB_DATA]
    i32[skb + SKB_DST] = 0
    i32[skb + SKB_IP_SUMMED] = CHECKSUM_NONE
    // it is ours now, however it came
    i32[skb + SKB_PKT_TYPE] = PACKET_HOST
    icmp.setType(u8, at, icmp.ICMP_ECHOREPLY)
    icmp.putChecksum(
      u8,
      at,
      csum.adjust16(icmp.checksum(u8, at), icmp.ICMP_ECHO << 8, icmp.ICMP_ECHOREPLY << 8)
    )
    send(skb, icmp.ICMP_ECHOREPLY, tos, n)
  }
  /** What time it is here (RFC 792); what lies behind the sender's own time is not read. */
  const icmpTimestamp = (skb: number): void => {
    if (i32[skb + SKB_LEN] < icmp.MIN_HEADER + 4) return bad(skb, Drop.PKT_TOO_SMALL)
    const tos = ipv4.tos(u8, i32[skb + SKB_NETWORK])
    const n = routeReply(skb)
    if (n !== OPTIONS_NO_ECHO && mayGo(icmp.ICMP_TIMESTAMPREPLY, 0)) sendTimes(skb, tos, n)
    consume(skb)
  }
  const sendTimes = (request: number, tos: number, n: number): void => {
    const skb = skbs.alloc(icmp.TIMESTAMP_LEN, MAX_HEADER + ipv4.MAX_OPTIONS)
    if (skb === 0) {
      f64[count + Mib.IcmpOutErrors]++
      return
    }
    const at = skbs.put(skb, icmp.TIMESTAMP_LEN)
    u8.copyWithin(at, i32[request + SKB_DATA], i32[request + SKB_DATA] + icmp.MIN_HEADER + 4)
    icmp.setType(u8, at, icmp.ICMP_TIMESTAMPREPLY)
    icmp.setCode(u8, at, 0)
    icmp.setTimes(u8, at, time[TIME_MS] | NONSTANDARD_TIME)
    icmp.setChecksum(u8, at, icmp.TIMESTAMP_LEN)
    send(skb, icmp.ICMP_TIMESTAMPREPLY, tos, n)
  }

  /** An error about something sent from here: its transport hears of it. */
  const icmpUnreach = (skb: number, type: number): void => {
    const message = i32[skb + SKB_DATA]
    const code = icmp.code(u8, message)
    const at = message + icmp.MIN_HEADER
    const end = message + i32[skb + SKB_LEN]
    if (at + ipv4.MIN_HEADER > end) return bad(skb, Drop.PKT_TOO_SMALL)
    const headerLen = ipv4.headerLen(u8, at)
    if (headerLen < ipv4.MIN_HEADER) return bad(skb, Drop.IP_INHDR)
    if (type === icmp.ICMP_TIME_EXCEEDED && code === icmp.ICMP_EXC_FRAGTIME) return consume(skb)
    if (type === icmp.ICMP_DEST_UNREACH && code > LAST_UNREACH) return consume(skb)
    if (isBogus(at, i32[skb + SKB_DEV])) return consume(skb)
    if (type === icmp.ICMP_DEST_UNREACH && code === icmp.ICMP_FRAG_NEEDED && !isPmtuHeard(at))
      return consume(skb)
    socketDeliver(skb, at, end, type, code)
  }
  /** Does anybody hear what is said of the path of the packet at `at` (icmp_unreach; icmp_tag_validation: TCP looks at numbers)? */
  const isPmtuHeard = (at: number): boolean => {
    const how = i32[sysctl + Sysctl.ip_no_pmtu_disc]
    return how < PMTU_DEAF || (how === PMTU_VALIDATED && ipv4.protocol(u8, at) === IPPROTO_TCP)
  }
  /** Another way to where our packet went: its transport is asked for the socket, as with errors. */
  const icmpRedirect = (skb: number): void => {
    const at = i32[skb + SKB_DATA] + icmp.MIN_HEADER
    const end = i32[skb + SKB_DATA] + i32[skb + SKB_LEN]
    if (at + ipv4.MIN_HEADER > end) return bad(skb, Drop.PKT_TOO_SMALL)
    const code = icmp.code(u8, i32[skb + SKB_DATA])
    socketDeliver(skb, at, end, icmp.ICMP_REDIRECT, code)
  }
  /** Gives the error about the packet quoted at `at` to the transport that sent it (icmp_socket_deliver). */
  const socketDeliver = (
    skb: number,
    at: number,
    end: number,
    type: number,
    code: number
  ): void => {
    const message = i32[skb + SKB_DATA]
    const headerLen = ipv4.headerLen(u8, at)
    if (at + headerLen + 8 > end) return bad(skb, Drop.PKT_TOO_SMALL)
    // forged, or about what a NAT in between made of ours: none of our sockets sent it
    if (!isLocalAddress(ipv4.src(u8, at), i32[skb + SKB_DEV]))
      return nobodys(skb, ipv4.protocol(u8, at))
    const outer = i32[skb + SKB_NETWORK]
    const from = ipv4.src(u8, outer)
    const protocol = ipv4.protocol(u8, at)
    i32[skb + IPCB_OUTER] = outer
    i32[skb + SKB_NETWORK] = at
    i32[skb + SKB_TRANSPORT] = at + headerLen
    readMeaning(type, code, icmp.nextHopMtu(u8, message))
    // raw sockets hear what comes to their worker; whoever hands it on has told those there
    // filled by core/stack/raw.ts: rawErr (transport/raw/raw-input.ts)
    if (listeners.raws[protocol] !== 0 && i32[skb + SKB_TRIED] === 0)
      listeners.rawErr(skb, protocol, errno, isFatal, pathMtu)
    const hash = owners[protocol](skb)
    i32[skb + SKB_NETWORK] = outer
    if (listeners.handOver(skb, hash)) return
    i32[skb + SKB_NETWORK] = at
    // filled by core/stack.ts: tcpErr (tcp/sock/tcp-proto.ts), udpErr (udp/udp-input.ts), icmpErr (here)
    const isSender = errors[protocol](skb, errno, isFatal, pathMtu)
    if (isSender && type === icmp.ICMP_REDIRECT && (code & 7) <= LAST_REDIRECT)
      ipDoRedirect(i32[skb + SKB_DEV], from, icmp.gateway(u8, message), at)
    consume(skb)
  }
  /** Some routers speak of what was sent to all of a network (RFC 1122 section 3.2.2). */
  const isBogus = (at: number, dev: number): boolean =>
    i32[sysctl + Sysctl.icmp_ignore_bogus_error_responses] === 0 &&
    inetAddrType(ipv4.dst(u8, at), dev) === RTN_BROADCAST
  /** Transports that look for a socket, and have none, count that. */
  const nobodys = (skb: number, protocol: number): void =>
    protocol === IPPROTO_TCP || protocol === IPPROTO_UDP ? bad(skb, Drop.NO_SOCKET) : consume(skb)
  /** What an error means, without ICMP's words; an errno of 0 says nothing to a socket, as source quench does not any more (RFC 6633). */
  let errno = 0
  let isFatal = false
  let pathMtu = NO_MTU
  const readMeaning = (type: number, code: number, mtu: number): void => {
    pathMtu = NO_MTU
    switch (type) {
      case icmp.ICMP_DEST_UNREACH:
        errno = UNREACH_ERRNO[code]
        isFatal = ((FATAL_CODES >> code) & 1) !== 0
        // whoever does not look for it takes the least (ip_no_pmtu_disc 1)
        if (code === icmp.ICMP_FRAG_NEEDED)
          pathMtu = i32[sysctl + Sysctl.ip_no_pmtu_disc] === PMTU_LEAST ? 0 : mtu
        return
      case icmp.ICMP_TIME_EXCEEDED:
        errno = Errno.EHOSTUNREACH
        isFatal = false
        return
      case icmp.ICMP_PARAMETERPROB:
        errno = EPROTO
        isFatal = true
        return
    }
    errno = 0
    isFatal = false
  }
  /** inet_protos' handler of errors about our own ICMP: a ping socket's, or an echo reply whose way was too narrow (icmp_err). */
  const icmpErr = (skb: number, errno: number, isFatal: boolean, mtu: number): boolean => {
    if (icmp.type(u8, i32[skb + SKB_TRANSPORT]) !== icmp.ICMP_ECHOREPLY)
      return listeners.pingErr(skb, errno, isFatal, mtu)
    if (mtu === NO_MTU) return true
    putFlow(0, ipv4.dst(u8, i32[skb + SKB_NETWORK]), 0)
    updatePmtu(l3mdevOf(arena, i32[skb + SKB_DEV]), fl, FL_DADDR, mtu)
    return true
  }

  const icmpOwner = (skb: number): number =>
    icmp.type(u8, i32[skb + SKB_TRANSPORT]) === icmp.ICMP_ECHO ? listeners.pingOwner(skb) : 0
  /** A message that another CPU has received and checked: its socket is here. */
  const icmpResume = (skb: number): void => {
    const type = icmp.type(u8, i32[skb + SKB_DATA])
    if (type === icmp.ICMP_ECHOREPLY) listeners.pingRcv(skb)
    else if (type === icmp.ICMP_REDIRECT) icmpRedirect(skb)
    else icmpUnreach(skb, type)
  }

  return { icmpSend, icmpOut, icmpRcv, icmpErr, icmpResume, icmpOwner, linkFailure }
}
