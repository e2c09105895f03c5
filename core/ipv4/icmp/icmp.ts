/**
 * ICMP for IPv4: what comes for IPPROTO_ICMP. Answers echo and time-stamp requests, and gives errors that were received to the
 * transport of the packet they quote (icmp-deliver.ts); those that we send are made in icmp-send.ts. On a worker.
 * Linux: net/ipv4/icmp.c; RFC 792, 1122 section 3.2.2, 1812 section 4.3, 1191.
 */
import * as csum from '../../base/checksum.ts'
import { FL_DADDR, FL_MARK, FL_OIF, RTN_BROADCAST, RTN_MULTICAST } from '../../base/flowi.ts'
import { TIME_MS, type Time } from '../../base/time.ts'
import type { AddrType } from '../../inet/addr/addr-type.ts'
import type { InetPeers } from '../../inet/dst/inet-peer.ts'
import type { Pmtu } from '../../inet/dst/pmtu.ts'
import type { FlowKeys } from '../../inet/fib/multipath/flow-keys.ts'
import { IPCB_TYPE, NO_MTU } from '../../inet/inet-constants.ts'
import type { InetProtos } from '../../inet/inet-protos.ts'
import { l3mdevOf } from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import { Mib, counterBank } from '../../shm/counters.ts'
import { Sysctl } from '../../shm/sysctl.ts'
import { type ConsumeFn, Drop, type DropFn } from '../../skb/drop.ts'
import {
  CHECKSUM_NONE,
  MAX_HEADER,
  PACKET_HOST,
  SKB_DATA,
  SKB_DEV,
  SKB_DST,
  SKB_IP_SUMMED,
  SKB_LEN,
  SKB_NETWORK,
  SKB_PKT_TYPE,
  SKB_TRANSPORT,
} from '../../skb/skb.ts'
import type { Skbs } from '../../skb/skbs.ts'
import * as icmp from '../../wire/icmp.ts'
import * as ipv4 from '../../wire/ipv4.ts'
import { IN_COUNTERS, LAST_TYPE } from './icmp-counters.ts'
import { createIcmpDeliver } from './icmp-deliver.ts'
import { TOS_MASK, createIcmpPushReply } from './icmp-push-reply.ts'
import { createIcmpSend } from './icmp-send.ts'
import type { IpDoRedirect } from '../ip-do-redirect.ts'
import type { IpLocalOut } from '../ip-local-out.ts'
import { type IpOptionsEcho, OPTIONS_NO_ECHO } from '../options/ip-options-echo.ts'
import type { IpOptions } from '../options/ip-options.ts'

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

/** The time does not count from midnight UT (RFC 792). */
const NONSTANDARD_TIME = 0x80000000 | 0

export const createIcmp = (deps: IcmpDeps) => {
  const { arena, skbs, drop, consume, time, protos, routeOutput, updatePmtu, options } = deps
  const { i32, u8, f64, layout } = arena
  const { sysctl } = layout
  const count = counterBank(arena, skbs.thread)
  const { listeners } = protos
  const reply = createIcmpPushReply(deps)
  const { fl, putFlow, replyMark, pushReply, mayGo } = reply
  const { icmpSend, linkFailure } = createIcmpSend({ ...deps, reply })

  const bad = (skb: number, reason: Drop): void => {
    f64[count + Mib.IcmpInErrors]++
    drop(skb, reason)
  }
  const badChecksum = (skb: number): void => {
    f64[count + Mib.IcmpInCsumErrors]++
    bad(skb, Drop.ICMP_CSUM)
  }
  const { icmpUnreach, icmpRedirect } = createIcmpDeliver({ ...deps, bad })

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
    pushReply(skb, icmp.ICMP_ECHOREPLY, tos, n)
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
    pushReply(skb, icmp.ICMP_TIMESTAMPREPLY, tos, n)
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

  return { icmpSend, icmpOut: reply.icmpOut, icmpRcv, icmpErr, icmpResume, icmpOwner, linkFailure }
}
