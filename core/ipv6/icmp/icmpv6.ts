/**
 * ICMPv6: answers echo requests, sends errors about packets that the other layers refuse (icmpv6Send), and gives received
 * errors to the transport of the packet they quote. Registered in IPv6's inet_protos; on a worker. What an error never
 * follows: another error or a redirect, and what went to many, but for the two that its sender must hear of.
 * Linux: net/ipv6/icmp.c; RFC 4443.
 */
import * as csum from '../../base/checksum.ts'
import { Errno } from '../../base/errno.ts'
import { clearAddr, copyAddr, isAnyAddr, isGroupAddr, needsZone } from '../../base/family.ts'
import type { Flowi } from '../../base/flowi.ts'
import {
  createFlowi,
  FL_DADDR,
  FL_DPORT,
  FL_FAMILY,
  FL_HASH,
  FL_IIF,
  FL_MARK,
  FL_MTU,
  FL_OIF,
  FL_PROTO,
  FL_SADDR,
  FL_TOS,
  RTN_ANYCAST,
  RTN_LOCAL,
  FL_L3MDEV,
} from '../../base/flowi.ts'
import type { AddrType } from '../../inet/addr/addr-type.ts'
import { IPCB_OUTER, NO_MTU } from '../../inet/inet-constants.ts'
import type { InetProtos } from '../../inet/inet-protos.ts'
import type { PacketAddrs } from '../../inet/packet-addrs.ts'
import { DEV_FLAGS, deviceRow, IFF_LOOPBACK } from '../../netdev/netdev.ts'
import type { Pmtu } from '../../inet/dst/pmtu.ts'
import type { FlowKeys } from '../../inet/fib/multipath/flow-keys.ts'
import { createSourceSelection } from '../../inet/addr/source.ts'
import type { Arena } from '../../shm/arena.ts'
import { counterBank, Mib } from '../../shm/counters.ts'
import { Sysctl } from '../../shm/sysctl.ts'
import type { ConsumeFn, DropFn } from '../../skb/drop.ts'
import { Drop } from '../../skb/drop.ts'
import type { Skbs } from '../../skb/skbs.ts'
import {
  CHECKSUM_NONE,
  MAX_HEADER,
  PACKET_HOST,
  SKB_DATA,
  SKB_DST,
  SKB_IIF,
  SKB_IP_SUMMED,
  SKB_LEN,
  SKB_NETWORK,
  SKB_PKT_TYPE,
  SKB_TRANSPORT,
  SKB_TRIED,
} from '../../skb/skb.ts'
import * as icmpv6 from '../../wire/icmpv6.ts'
import { IPPROTO_FRAGMENT, IPPROTO_ICMPV6 } from '../../wire/ipproto.ts'
import * as ipv6 from '../../wire/ipv6.ts'
import {
  EXT_PROTOCOL,
  EXT_TRANSPORT,
  EXT_WORDS,
  EXTHDR_MIN,
  extLength,
  fragmentOffset,
  isExtension,
  MAX_EXT_HEADERS,
  moreFragments,
  walk,
  WALK_OK,
} from '../../wire/ipv6-ext.ts'
import { IN_COUNTERS, OUT_COUNTERS } from './icmpv6-counters.ts'
import type { Icmpv6Ratelimit } from './icmpv6-ratelimit.ts'
import { isMld } from '../../wire/mld.ts'
import type { Ip6Output } from '../ip6-output.ts'
import type { Mld } from '../mld.ts'
import { l3mdevOf } from '../../netdev/netdev.ts'

type Icmpv6Deps = {
  arena: Arena
  skbs: Skbs
  drop: DropFn
  consume: ConsumeFn
  protos: InetProtos
  /** First of HEADERS_WORDS free words of this thread. */
  headers: number
  /** core/stack/ipv6.ts: ndiscRcv of ndisc.ts, which sends by what is made here. */
  ndiscRcv: (skb: number) => void
} & Pick<Mld, 'mldRcv'> &
  Pick<AddrType, 'addrType' | 'addrTypeOn'> &
  Pick<Icmpv6Ratelimit, 'icmpv6Allows'> &
  Pick<PacketAddrs, 'loadAddrs'> &
  Pick<Pmtu, 'routeOutput' | 'updatePmtu'> &
  Pick<FlowKeys, 'hashAbout'> &
  Pick<Ip6Output, 'ip6Send'>

export type Icmpv6 = ReturnType<typeof createIcmpv6>

const EPROTO = 71
/** Octets of a quoted transport header that its error handler reads. */
const QUOTED = 8
/** errno of destination unreachable, by code, and the codes after which asking again is of no use (icmpv6_err_convert). */
const UNREACH_ERRNO = [
  Errno.ENETUNREACH,
  Errno.EACCES,
  Errno.EHOSTUNREACH,
  Errno.EHOSTUNREACH,
  Errno.ECONNREFUSED,
  Errno.EACCES,
  Errno.EACCES,
] as const
const FATAL_CODES = 0b111_0010
/** Larger than any path. */
const HUGE_MTU = 0x7fffffff

/** For one header of a packet that is looked at for the message in it: the fixed one is the longest. */
export const HEADERS_WORDS = 10
/** What each extension header begins with. */
const NEXT_AND_LENGTH = 2

export const createIcmpv6 = (deps: Icmpv6Deps) => {
  const { arena, skbs, drop, consume, protos, addrType, addrTypeOn } = deps
  const { icmpv6Allows, loadAddrs, routeOutput, updatePmtu, ip6Send, ndiscRcv, mldRcv } = deps
  const { hashAbout } = deps
  const { select6 } = createSourceSelection(arena)
  const { headers } = deps
  const { i32, u8, f64, layout } = arena
  const { sysctl } = layout
  const count = counterBank(arena, skbs.thread)
  const { errors, owners, listeners } = protos
  const received = createFlowi()
  const fl = createFlowi()
  const chain = new Int32Array(EXT_WORDS)

  /**
   * The way back to who sent the packet in `received`, which came in by `iif` (0: it was made here): 0, or -errno. From the
   * address it was sent to when that is ours.
   */
  const aimBack = (iif: number, trafficClass: number): void => {
    fl.fill(0)
    fl[FL_FAMILY] = received[FL_FAMILY]
    // IP6_REPLY_MARK
    fl[FL_MARK] = i32[sysctl + Sysctl.fwmark_reflect6] === 0 ? 0 : received[FL_MARK]
    copyAddr(fl, FL_DADDR, received, FL_SADDR)
    copyAddr(fl, FL_SADDR, received, FL_DADDR)
    if (addrTypeOn(fl, FL_SADDR, iif) !== RTN_LOCAL) clearAddr(fl, FL_SADDR)
    fl[FL_OIF] = needsZone(fl, FL_DADDR) ? iif : l3mdevOf(arena, iif)
    fl[FL_TOS] = trafficClass
    fl[FL_PROTO] = IPPROTO_ICMPV6
  }
  const send = (skb: number, trafficClass: number): void => icmpv6Transmit(skb, fl, trafficClass, 0)
  /** Counts a message that leaves. */
  const icmpv6Out = (type: number): void => {
    f64[count + Mib.Icmp6OutMsgs]++
    if (OUT_COUNTERS[type] !== 0) f64[count + OUT_COUNTERS[type]]++
  }
  /** Sends a message, data at its ICMPv6 header, along the route in `flow`. */
  const icmpv6Transmit = (skb: number, flow: Flowi, trafficClass: number, hops: number): void => {
    const at = i32[skb + SKB_DATA]
    const len = i32[skb + SKB_LEN]
    icmpv6Out(icmpv6.type(u8, at))
    const pseudo = csum.pseudoSumWords(flow, FL_SADDR, FL_DADDR, IPPROTO_ICMPV6, len)
    icmpv6.setChecksum(u8, at, len, pseudo)
    ip6Send(skb, flow, IPPROTO_ICMPV6, trafficClass, hops)
  }

  // ---- errors out

  /**
   * Sends an error about a packet, whose NETWORK is its IPv6 header; the packet stays the caller's. `info` is the message's
   * second word: the MTU, or the pointer.
   */
  const icmpv6Send = (about: number, type: number, code: number, info: number): void => {
    loadAddrs(about, received)
    if (!mayAnswer(about, isForSender(type, code))) return
    const iif = i32[about + SKB_IIF]
    // nobody else is asked for his patience (icmp6_send, icmpv6_xrlim_allow)
    if (!isLoopedBack(iif) && !icmpv6Allows(type, received, FL_SADDR)) return
    aimBack(iif, 0)
    // who was only addressed on the link, or by a group, does not say that the address is its own
    const isForUs = i32[about + SKB_PKT_TYPE] === PACKET_HOST
    if (!isForUs) clearAddr(fl, FL_SADDR)
    // what says something about a packet is said by where it came in, which names the router to its sender
    if (isAnyAddr(fl, FL_SADDR) && iif !== 0) select6(fl, iif)
    fl[FL_HASH] = hashAbout(about)
    if (routeOutput(fl) !== 0) return
    if (isForUs && addrTypeOn(received, FL_DADDR, iif) === RTN_ANYCAST)
      copyAddr(fl, FL_SADDR, received, FL_DADDR)
    const at = i32[about + SKB_NETWORK]
    const skb = quote(about, at, Math.min(ipv6.MIN_MTU, fl[FL_MTU]) - ipv6.HEADER)
    if (skb === 0) {
      f64[count + Mib.Icmp6OutErrors]++
      return
    }
    const message = i32[skb + SKB_DATA]
    icmpv6.setType(u8, message, type)
    icmpv6.setCode(u8, message, code)
    icmpv6.setRest(u8, message, info)
    send(skb, 0)
  }
  const isLoopedBack = (iif: number): boolean =>
    (i32[deviceRow(arena, iif) + DEV_FLAGS] & IFF_LOOPBACK) !== 0
  /** The two that follow a packet to a group as well: path MTU discovery, and options that ask for it (e.3). */
  const isForSender = (type: number, code: number): boolean =>
    type === icmpv6.ICMPV6_PKT_TOOBIG ||
    (type === icmpv6.ICMPV6_PARAMPROB && code === icmpv6.ICMPV6_UNK_OPTION)
  /** RFC 4443 section 2.4 e. */
  const mayAnswer = (about: number, toGroups: boolean): boolean => {
    if (isAnyAddr(received, FL_SADDR) || isGroupAddr(received, FL_SADDR)) return false
    const isToMany = i32[about + SKB_PKT_TYPE] !== PACKET_HOST || isGroupAddr(received, FL_DADDR)
    if (isToMany && !toGroups) return false
    return !isAboutError(about)
  }
  const isAboutError = (about: number): boolean => {
    // header by header: they may be long, and lie in several pieces
    const seen = headers << 2
    let at = i32[about + SKB_NETWORK]
    copyFrom(about, at, seen, ipv6.HEADER)
    let next = ipv6.nextHeader(u8, seen)
    let isFragment = false
    at += ipv6.HEADER
    for (let left = MAX_EXT_HEADERS; isExtension(next); left--) {
      const len = left === 0 ? 0 : copyFrom(about, at, seen, EXTHDR_MIN)
      if (len < NEXT_AND_LENGTH) return false
      if (next === IPPROTO_FRAGMENT) {
        // what stands in a later fragment says nothing of the message
        if (len < EXTHDR_MIN || fragmentOffset(u8, seen) !== 0) return false
        isFragment = moreFragments(u8, seen)
      }
      at += extLength(u8, seen, next)
      next = u8[seen]
    }
    if (next !== IPPROTO_ICMPV6) return false
    // what breaks off in front of the message may have an error there; a fragment has to have it (RFC 7112)
    if (copyFrom(about, at, seen, 1) === 0) return !isFragment
    return icmpv6.isError(u8[seen]) || u8[seen] === icmpv6.NDISC_REDIRECT
  }
  /**
   * Copies at most `room` octets of a packet from `at` on, counted as if all of it lay in one piece and whatever was
   * pulled of it: how many.
   */
  const copyFrom = (skb: number, at: number, to: number, room: number): number => {
    // what was pulled off lies before data, the rest behind it (perhaps in frags)
    const pulled = i32[skb + SKB_DATA] - at
    const len = Math.max(Math.min(pulled + i32[skb + SKB_LEN], room), 0)
    const front = Math.max(Math.min(pulled, len), 0)
    u8.copyWithin(to, at, at + front)
    skbs.copyBits(skb, Math.max(-pulled, 0), to + front, len - front)
    return len
  }
  /** A new skb with room for an ICMPv6 header and as much of the packet behind it as fits `room`; 0: no memory. */
  const quote = (about: number, at: number, room: number): number => {
    const pulled = Math.max(i32[about + SKB_DATA] - at, 0)
    const len = Math.min(pulled + i32[about + SKB_LEN], room - icmpv6.MIN_HEADER)
    const skb = skbs.alloc(icmpv6.MIN_HEADER + len, MAX_HEADER)
    if (skb === 0) return 0
    copyFrom(about, at, skbs.put(skb, icmpv6.MIN_HEADER + len) + icmpv6.MIN_HEADER, len)
    return skb
  }

  // ---- in

  /** inet_protos' handler: data is the ICMPv6 header. */
  const icmpv6Rcv = (skb: number): void => {
    f64[count + Mib.Icmp6InMsgs]++
    const len = i32[skb + SKB_LEN]
    if (len < icmpv6.MIN_HEADER) return bad(skb, Drop.PKT_TOO_SMALL)
    if (!skbs.mayPull(skb, len)) return drop(skb, Drop.NOMEM)
    loadAddrs(skb, received)
    const at = i32[skb + SKB_DATA]
    if (i32[skb + SKB_IP_SUMMED] === CHECKSUM_NONE && !isChecksumOk(at, len))
      return badChecksum(skb)
    const type = icmpv6.type(u8, at)
    if (IN_COUNTERS[type] !== 0) f64[count + IN_COUNTERS[type]]++
    if (isMld(type)) return mldRcv(skb)
    if (type === icmpv6.ICMPV6_ECHO_REQUEST) return icmpv6Echo(skb)
    // filled by core/stack/raw.ts: pingRcv (transport/ping/ping-input.ts)
    if (type === icmpv6.ICMPV6_ECHO_REPLY) return listeners.pingRcv(skb)
    if (icmpv6.isError(type)) return icmpv6Notify(skb, type)
    if (isNdisc(type)) return ndiscRcv(skb)
    consume(skb)
  }
  /** A message that another CPU has received and checked, for what only this one knows. */
  const icmpv6Resume = (skb: number): void => {
    const type = icmpv6.type(u8, i32[skb + SKB_DATA])
    if (type === icmpv6.ICMPV6_ECHO_REPLY) listeners.pingRcv(skb)
    else if (icmpv6.isError(type)) icmpv6Notify(skb, type)
    else if (isMld(type)) mldRcv(skb)
    else ndiscRcv(skb)
  }
  const isNdisc = (type: number): boolean =>
    type >= icmpv6.NDISC_ROUTER_SOLICITATION && type <= icmpv6.NDISC_REDIRECT
  const isChecksumOk = (at: number, len: number): boolean => {
    const pseudo = csum.pseudoSumWords(received, FL_SADDR, FL_DADDR, IPPROTO_ICMPV6, len)
    return icmpv6.isChecksumOk(u8, at, len, pseudo)
  }
  const bad = (skb: number, reason: Drop): void => {
    f64[count + Mib.Icmp6InErrors]++
    drop(skb, reason)
  }
  const badChecksum = (skb: number): void => {
    f64[count + Mib.Icmp6InCsumErrors]++
    bad(skb, Drop.ICMP_CSUM)
  }

  /** The request becomes its own reply; one to a group is answered from an address of ours. */
  const icmpv6Echo = (skb: number): void => {
    const isToGroup = isGroupAddr(received, FL_DADDR)
    const ignored = isToGroup ? Sysctl.icmp6_echo_ignore_multicast : Sysctl.icmp6_echo_ignore_all
    if (i32[sysctl + ignored] !== 0 || i32[sysctl + Sysctl.icmp6_echo_ignore_all] !== 0)
      return consume(skb)
    const trafficClass = ipv6.trafficClass(u8, i32[skb + SKB_NETWORK])
    if (isAnyAddr(received, FL_SADDR)) return consume(skb)
    aimBack(received[FL_IIF], trafficClass)
    // a type stands where others have ports, for hashes and rules (struct flowi_uli)
    fl[FL_DPORT] = icmpv6.ICMPV6_ECHO_REPLY << 8
    // which of our addresses answers depends on the link
    if (isAnyAddr(fl, FL_SADDR)) fl[FL_OIF] = received[FL_IIF]
    if (routeOutput(fl) !== 0) return consume(skb)
    if (!isLoopedBack(received[FL_IIF]) && !icmpv6Allows(icmpv6.ICMPV6_ECHO_REPLY, fl, FL_DADDR))
      return consume(skb)
    if (!skbs.expandHead(skb, MAX_HEADER - 64)) return drop(skb, Drop.NOMEM)
    i32[skb + SKB_DST] = 0
    i32[skb + SKB_IP_SUMMED] = CHECKSUM_NONE
    icmpv6.setType(u8, i32[skb + SKB_DATA], icmpv6.ICMPV6_ECHO_REPLY)
    send(skb, trafficClass)
  }

  /** An error about something sent from here: its transport hears of it. */
  const icmpv6Notify = (skb: number, type: number): void => {
    const message = i32[skb + SKB_DATA]
    const at = message + icmpv6.MIN_HEADER
    const end = message + i32[skb + SKB_LEN]
    if (at + ipv6.HEADER > end) return bad(skb, Drop.PKT_TOO_SMALL)
    if (ipv6.version(u8, at) !== 6) return bad(skb, Drop.IP_INHDR)
    if (walk(u8, at, end, chain) !== WALK_OK || chain[EXT_TRANSPORT] + QUOTED > end)
      return bad(skb, Drop.PKT_TOO_SMALL)
    const outer = i32[skb + SKB_NETWORK]
    i32[skb + SKB_NETWORK] = at
    i32[skb + SKB_TRANSPORT] = chain[EXT_TRANSPORT]
    loadAddrs(skb, received)
    // forged, or about what a NAT in between made of ours: none of our sockets sent it
    if (addrType(received, FL_SADDR, received[FL_IIF]) !== RTN_LOCAL) return consume(skb)
    const protocol = chain[EXT_PROTOCOL]
    i32[skb + IPCB_OUTER] = outer
    readMeaning(type, icmpv6.code(u8, message), icmpv6.mtu(u8, message))
    // raw sockets hear what comes to their worker; whoever hands it on has told those there
    // filled by core/stack/raw.ts: rawErr (transport/raw/raw-input.ts)
    if (listeners.raws[protocol] !== 0 && i32[skb + SKB_TRIED] === 0)
      listeners.rawErr(skb, protocol, errno, isFatal, pathMtu)
    const hash = owners[protocol](skb)
    i32[skb + SKB_NETWORK] = outer
    if (listeners.handOver(skb, hash)) return
    i32[skb + SKB_NETWORK] = at
    // filled by core/stack.ts: tcpErr (tcp/sock/tcp-proto.ts), udpErr (udp/udp-input.ts), icmpv6Err (here)
    errors[protocol](skb, errno, isFatal, pathMtu)
    consume(skb)
  }
  /** What an error means, without ICMPv6's words (icmpv6_err_convert). */
  let errno = 0
  let isFatal = false
  let pathMtu = NO_MTU
  const readMeaning = (type: number, code: number, mtu: number): void => {
    // an error of a type that is not known goes to who sent the packet (section 2.4 a)
    errno = EPROTO
    isFatal = false
    pathMtu = NO_MTU
    switch (type) {
      case icmpv6.ICMPV6_DEST_UNREACH: {
        const isKnown = code < UNREACH_ERRNO.length
        if (isKnown) errno = UNREACH_ERRNO[code]
        isFatal = !isKnown || ((FATAL_CODES >> code) & 1) !== 0
        return
      }
      case icmpv6.ICMPV6_PKT_TOOBIG:
        errno = Errno.EMSGSIZE
        pathMtu = mtu < 0 ? HUGE_MTU : mtu
        return
      case icmpv6.ICMPV6_TIME_EXCEED:
        errno = Errno.EHOSTUNREACH
        return
      case icmpv6.ICMPV6_PARAMPROB:
        isFatal = true
    }
  }
  /** inet_protos' handler of errors about our own ICMPv6: what its way takes is learned whoever has sent it (icmpv6_err). */
  const icmpv6Err = (skb: number, errno: number, isFatal: boolean, mtu: number): boolean => {
    if (mtu !== NO_MTU) {
      loadAddrs(skb, received)
      updatePmtu(received[FL_L3MDEV], received, FL_DADDR, mtu)
    }
    if (icmpv6.type(u8, i32[skb + SKB_TRANSPORT]) !== icmpv6.ICMPV6_ECHO_REQUEST) return true
    return listeners.pingErr(skb, errno, isFatal, mtu)
  }

  const icmpv6Owner = (skb: number): number => {
    const type = icmpv6.type(u8, i32[skb + SKB_TRANSPORT])
    return type === icmpv6.ICMPV6_ECHO_REQUEST ? listeners.pingOwner(skb) : 0
  }

  return { icmpv6Send, icmpv6Transmit, icmpv6Out, icmpv6Rcv, icmpv6Err, icmpv6Resume, icmpv6Owner }
}
