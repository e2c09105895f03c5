/**
 * How an ICMP message of ours leaves: its flow, whether it is one too many, its counters. For errors (icmp-send.ts) and
 * for what answers a request (icmp.ts), on the worker. Linux: icmp_push_reply, icmpv4_xrlim_allow, icmp_out_count.
 */
import { AF_INET, V4_MAPPED } from '../../base/family.ts'
import {
  DF_NEVER,
  FL_DADDR,
  FL_DEV,
  FL_DF,
  FL_FAMILY,
  FL_PROTO,
  FL_SADDR,
  FL_TOS,
  createFlowi,
} from '../../base/flowi.ts'
import type { Time } from '../../base/time.ts'
import type { InetPeers } from '../../inet/dst/inet-peer.ts'
import { createIcmpRatelimit } from '../../inet/icmp-ratelimit.ts'
import { DEV_FLAGS, IFF_LOOPBACK } from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import { Mib, counterBank } from '../../shm/counters.ts'
import { DEVICE_WORDS } from '../../shm/layout.ts'
import { Sysctl } from '../../shm/sysctl.ts'
import { SKB_MARK } from '../../skb/skb.ts'
import type { Skbs } from '../../skb/skbs.ts'
import { IPPROTO_ICMP } from '../../wire/ipproto.ts'
import { OUT_COUNTERS } from './icmp-counters.ts'
import type { IpLocalOut } from '../ip-local-out.ts'
import type { IpOptionsEcho } from '../options/ip-options-echo.ts'

/** The bits of a packet's TOS that what answers it has too. */
export const TOS_MASK = 0x1e

export type IcmpPushReply = ReturnType<typeof createIcmpPushReply>
type IcmpPushReplyDeps = {
  arena: Arena
  skbs: Skbs
  time: Time
  options: Pick<IpOptionsEcho, 'build'>
  peers: Pick<InetPeers, 'xrlimAllow'>
} & Pick<IpLocalOut, 'ipSend'>

export const createIcmpPushReply = (deps: IcmpPushReplyDeps) => {
  const { arena, skbs, time, options, peers, ipSend } = deps
  const { i32, f64, layout } = arena
  const { devices, sysctl } = layout
  const count = counterBank(arena, skbs.thread)
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
  const pushReply = (skb: number, type: number, tos: number, n: number): void => {
    icmpOut(type)
    if (n > 0) options.build(skb, n, fl[FL_SADDR + 3])
    ipSend(skb, fl, IPPROTO_ICMP, tos, 0, n)
  }
  /** True when a message to where `fl` was routed is not one too many; nothing is counted that stays here. */
  const mayGo = (type: number, code: number): boolean =>
    (i32[devices + fl[FL_DEV] * DEVICE_WORDS + DEV_FLAGS] & IFF_LOOPBACK) !== 0 ||
    icmpAllows(type, code, fl, FL_DADDR)

  return { fl, putFlow, replyMark, icmpOut, pushReply, mayGo }
}
