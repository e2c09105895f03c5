/**
 * MLD: reads queries and reports for the machines of inet/ (mc-host.ts, mc-querier.ts), and writes theirs. Called by ICMPv6
 * on every worker; what another CPU than 0 receives goes there. Messages leave with one hop and the router alert option,
 * from an address of the link, or from nobody while it has none yet. Linux: igmp6_event_query(), igmp6_event_report(),
 * mld_newpack(), igmp6_send() (net/ipv6/mcast.c); RFC 2710, 3810 section 5, 3590.
 */
import { AF_INET6, isAnyAddr } from '../base/family.ts'
import { pseudoSumWords } from '../base/checksum.ts'
import {
  createFlowi,
  FL_DADDR,
  FL_DEV,
  FL_DST,
  FL_FAMILY,
  FL_MTU,
  FL_NO_LOOP,
  FL_PROTO,
  FL_SADDR,
  FL_TYPE,
  RTN_MULTICAST,
} from '../base/flowi.ts'
import { IFA_FAMILY, IFA_IFINDEX, IFA_SCOPE, IFA_TOP } from '../inet/addr/ifaddr-constants.ts'
import { MC_CPU } from '../inet/mc/mc-constants.ts'
import type { McHost } from '../inet/mc/mc-host.ts'
import type { McQuerier } from '../inet/mc/mc-querier.ts'
import {
  CHANGE_TO_INCLUDE,
  type McQuery,
  type McRecord,
  type McWire,
  MODE_IS_EXCLUDE,
  packRecords,
} from '../inet/mc/mc-records.ts'
import { RT_SCOPE_LINK } from '../inet/fib/nexthop-constants.ts'
import { onlinkRow } from '../inet/fib/onlink-row.ts'
import type { PacketAddrs } from '../inet/packet-addrs.ts'
import { createSourceSelection } from '../inet/addr/source.ts'
import { DEV_MTU, deviceRow } from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import { counterBank, Mib } from '../shm/counters.ts'
import { IFADDR_WORDS } from '../shm/layout.ts'
import type { ConsumeFn, DropFn } from '../skb/drop.ts'
import { Drop } from '../skb/drop.ts'
import type { Skbs } from '../skb/skbs.ts'
import {
  CHECKSUM_NONE,
  MAX_HEADER,
  SKB_DATA,
  SKB_DEV,
  SKB_IP_SUMMED,
  SKB_LEN,
  SKB_NETWORK,
  STAGE_SOCKET,
} from '../skb/skb.ts'
import type { Machine } from '../stack/machine.ts'
import * as icmpv6 from '../wire/icmpv6.ts'
import { decodeTime as decodeInterval, encodeTime as encodeInterval } from '../wire/igmp.ts'
import { IPPROTO_HOPOPTS, IPPROTO_ICMPV6 } from '../wire/ipproto.ts'
import * as ipv6 from '../wire/ipv6.ts'
import * as mld from '../wire/mld.ts'
import type { Words } from '../wire/text.ts'
import { OUT_COUNTERS } from './icmp/icmpv6-counters.ts'
import type { Ip6Output } from './ip6-output.ts'

type MldDeps = {
  arena: Arena
  skbs: Skbs
  drop: DropFn
  consume: ConsumeFn
} & Pick<PacketAddrs, 'loadAddrs'> &
  Pick<Ip6Output, 'ip6Send'> &
  Pick<Machine, 'steerTo' | 'worker'>
export type Mld = ReturnType<typeof createMld>

/** Who hears what came in; on CPU 0. */
type MldEars = {
  host: Pick<McHost, 'heardQuery' | 'heardReport' | 'sayAgain'>
  querier: Pick<McQuerier, 'heardQuery' | 'heardRecords'>
}

const ALL_NODES: Words = [0xff020000 | 0, 0, 0, 1]
const ALL_ROUTERS: Words = [0xff020000 | 0, 0, 0, 2]
const ALL_V2_ROUTERS: Words = [0xff020000 | 0, 0, 0, 0x16]
const NOBODY: Words = [0, 0, 0, 0]
/** Hop-by-hop options: ICMPv6 is next; router alert, of MLD; two octets of padding (RFC 2711). */
const ROUTER_ALERT = [IPPROTO_ICMPV6, 0, 5, 2, 0, 0, 1, 0]
const LINK_LOCAL_SCOPE = 2

const scopeOf = (words: Words): number => (words[0] >>> 16) & 15

export const createMld = (deps: MldDeps) => {
  const { arena, skbs, drop, consume, loadAddrs, ip6Send, steerTo, worker } = deps
  const { i32, u8, f64, layout } = arena
  const count = counterBank(arena, skbs.thread)
  const { select6 } = createSourceSelection(arena)
  const fl = createFlowi()
  const received = createFlowi()
  let ears: MldEars | null = null
  /** Gives CPU 0 those that are to hear. */
  const listen = (to: MldEars): void => {
    ears = to
  }

  // ---- out

  /** The address in the row is ours: what was said from nobody is said again by that of the link (ipv6_mc_dad_complete). */
  const sourceFound = (ifindex: number, row: number): void => {
    if (i32[row + IFA_SCOPE] === RT_SCOPE_LINK) ears?.host.sayAgain(ifindex)
  }
  /** Does the device speak IPv6? Then it has an address, if only one that is yet to be tried. */
  const speaksIpv6 = (ifindex: number): boolean => {
    for (let n = 1; n < i32[layout.ifaddrs + IFA_TOP]; n++) {
      const row = layout.ifaddrs + n * IFADDR_WORDS
      if (i32[row + IFA_IFINDEX] === ifindex && i32[row + IFA_FAMILY] === AF_INET6) return true
    }
    return false
  }
  /** The way of a message by a device; false when nothing can be said there. */
  const route = (ifindex: number, to: Words): boolean => {
    if (!speaksIpv6(ifindex)) return false
    fl.fill(0)
    fl[FL_FAMILY] = AF_INET6
    fl[FL_PROTO] = IPPROTO_ICMPV6
    fl[FL_NO_LOOP] = 1
    fl.set(ALL_NODES, FL_DADDR)
    // what is said to a wider group is said on the link alone, from an address of the link (RFC 3590)
    if (!select6(fl, ifindex)) fl.set(NOBODY, FL_SADDR)
    fl.set(to, FL_DADDR)
    fl[FL_DST] = onlinkRow(arena, ifindex)
    fl[FL_TYPE] = RTN_MULTICAST
    fl[FL_DEV] = ifindex
    fl[FL_MTU] = i32[deviceRow(arena, ifindex) + DEV_MTU]
    return true
  }
  const send = (len: number, fill: (at: number) => void): void => {
    const skb = skbs.alloc(len + ROUTER_ALERT.length, MAX_HEADER)
    if (skb === 0) return
    const options = skbs.put(skb, len + ROUTER_ALERT.length)
    u8.set(ROUTER_ALERT, options)
    const at = options + ROUTER_ALERT.length
    fill(at)
    const pseudo = pseudoSumWords(fl, FL_SADDR, FL_DADDR, IPPROTO_ICMPV6, len)
    icmpv6.setChecksum(u8, at, len, pseudo)
    i32[skb + SKB_IP_SUMMED] = CHECKSUM_NONE
    f64[count + Mib.Icmp6OutMsgs]++
    f64[count + OUT_COUNTERS[mld.type(u8, at)]]++
    ip6Send(skb, fl, IPPROTO_HOPOPTS, 0, 1)
  }
  const putAddrs = (at: number, sources: readonly Words[]): void => {
    for (const [k, words] of sources.entries()) mld.putAddr(u8, at + k * mld.ADDR_LEN, words)
  }
  const recordLen = ({ sources }: McRecord): number =>
    mld.RECORD_HEADER + sources.length * mld.ADDR_LEN
  const sendRecords = (records: readonly McRecord[]): void => {
    const len = records.reduce((sum, record) => sum + recordLen(record), mld.REPORT_HEADER)
    send(len, (start) => {
      mld.initReport(u8, start, records.length)
      let at = start + mld.REPORT_HEADER
      for (const record of records) {
        mld.setRecord(u8, at, record.type, record.sources.length, record.group)
        putAddrs(at + mld.RECORD_HEADER, record.sources)
        at += recordLen(record)
      }
    })
  }
  const sendReport: McWire['sendReport'] = (ifindex, records) => {
    if (!route(ifindex, ALL_V2_ROUTERS)) return
    const room = fl[FL_MTU] - ipv6.HEADER - ROUTER_ALERT.length - mld.REPORT_HEADER
    for (const packet of packRecords(records, room, mld.RECORD_HEADER, mld.ADDR_LEN))
      sendRecords(packet)
  }
  const sendShort = (ifindex: number, to: Words, type: number, response: number, group: Words) => {
    if (route(ifindex, to)) send(mld.MIN_HEADER, (at) => mld.init(u8, at, type, response, group))
  }
  const sendOldReport: McWire['sendOldReport'] = (ifindex, _version, group) =>
    sendShort(ifindex, group, mld.MLD_REPORT, 0, group)
  const sendLeave: McWire['sendLeave'] = (ifindex, group) =>
    sendShort(ifindex, ALL_ROUTERS, mld.MLD_DONE, 0, group)
  const sendQuery: McWire['sendQuery'] = (ifindex, query) => {
    const { version, group, sources, maxRespMs, isSuppressed, qrv, qqi } = query
    const to = group ?? ALL_NODES
    const about = group ?? NOBODY
    // a router without an address of the link asks nothing (RFC 3810 section 5.1.14)
    if (!route(ifindex, to) || isAnyAddr(fl, FL_SADDR)) return
    if (version < 3)
      return send(mld.MIN_HEADER, (at) =>
        mld.init(u8, at, mld.MLD_QUERY, Math.min(maxRespMs, 0xffff), about)
      )
    send(mld.QUERY_HEADER + sources.length * mld.ADDR_LEN, (at) => {
      mld.init(u8, at, mld.MLD_QUERY, mld.encodeTime(maxRespMs), about)
      mld.setQuery(u8, at, isSuppressed, qrv > 7 ? 0 : qrv, encodeInterval(qqi), sources.length)
      putAddrs(at + mld.QUERY_HEADER, sources)
    })
  }

  // ---- in

  /** A message, data at its ICMPv6 header. */
  const mldRcv = (skb: number): void => {
    if (worker !== MC_CPU) return steerTo(MC_CPU, skb, STAGE_SOCKET)
    const len = i32[skb + SKB_LEN]
    if (len < mld.REPORT_HEADER) return drop(skb, Drop.PKT_TOO_SMALL)
    if (!skbs.mayPull(skb, len)) return drop(skb, Drop.NOMEM)
    const at = i32[skb + SKB_DATA]
    loadAddrs(skb, received)
    if (!mld.check(u8, at, len)) return drop(skb, Drop.PKT_TOO_SMALL)
    const pseudo = pseudoSumWords(received, FL_SADDR, FL_DADDR, IPPROTO_ICMPV6, len)
    if (i32[skb + SKB_IP_SUMMED] === CHECKSUM_NONE && !icmpv6.isChecksumOk(u8, at, len, pseudo))
      return drop(skb, Drop.ICMP_CSUM)
    if (!isOfLink(i32[skb + SKB_NETWORK]) || !take(i32[skb + SKB_DEV], at, len))
      return drop(skb, Drop.INVALID_PROTO)
    consume(skb)
  }
  /** One hop, and the router alert in front (RFC 3810 section 6.2 and 7.4): from nowhere but this link. */
  const isOfLink = (network: number): boolean => {
    const isAlert = u8[network + ipv6.NEXT_HEADER_FIELD] === IPPROTO_HOPOPTS
    return isAlert && ipv6.hopLimit(u8, network) === 1
  }
  const isLinkLocalSource = (): boolean => ipv6.isLinkLocalAddr(received[FL_SADDR])
  const sourceWords = (): Words => [
    received[FL_SADDR],
    received[FL_SADDR + 1],
    received[FL_SADDR + 2],
    received[FL_SADDR + 3],
  ]
  /** False for what makes no sense. */
  const take = (ifindex: number, at: number, len: number): boolean => {
    switch (mld.type(u8, at)) {
      case mld.MLD_QUERY:
        return isLinkLocalSource() && takeQuery(ifindex, readQuery(at, len))
      case mld.MLD_REPORT:
        return takeOld(ifindex, mld.group(u8, at))
      case mld.MLD_DONE:
        return takeRecords(ifindex, 2, [record(CHANGE_TO_INCLUDE, mld.group(u8, at))])
      case mld.MLD2_REPORT:
        return takeRecords(ifindex, 3, readRecords(at, len))
    }
    return true
  }
  const record = (type: number, group: Words): McRecord => ({ type, group, sources: [] })
  const isGroup = (words: Words): boolean => ipv6.isMulticastAddr(words[0])
  const takeQuery = (ifindex: number, query: McQuery | null): boolean => {
    if (query === null) return false
    ears?.host.heardQuery(ifindex, query)
    ears?.querier.heardQuery(ifindex, sourceWords(), query)
    return true
  }
  /** From nobody are reports of hosts that are yet to have an address: switches look at those, routers do not (RFC 3590). */
  const takeRecords = (
    ifindex: number,
    version: number,
    records: readonly McRecord[] | null
  ): boolean => {
    if (records === null || !records.every(({ group }) => isGroup(group))) return false
    const passing = records.filter(({ group }) => scopeOf(group) > LINK_LOCAL_SCOPE)
    if (isLinkLocalSource()) ears?.querier.heardRecords(ifindex, version, passing)
    return true
  }
  const takeOld = (ifindex: number, group: Words): boolean => {
    if (ipv6.isMulticastAddr(received[FL_DADDR])) ears?.host.heardReport(ifindex, group)
    return takeRecords(ifindex, 2, [record(MODE_IS_EXCLUDE, group)])
  }
  const addrsAt = (at: number, count: number): Words[] =>
    Array.from({ length: count }, (_, k) => mld.addrAt(u8, at + k * mld.ADDR_LEN))
  /** The version by length (RFC 3810 section 8.1), counted as IGMP's; null for what is no query. */
  const readQuery = (at: number, len: number): McQuery | null => {
    const words = mld.group(u8, at)
    const group = words.every((word) => word === 0) ? null : words
    if (group !== null && !isGroup(group)) return null
    const old = { group, sources: [], isSuppressed: false, qrv: 0, qqi: 0 }
    if (len === mld.MIN_HEADER) return { ...old, version: 2, maxRespMs: mld.response(u8, at) }
    if (len < mld.QUERY_HEADER) return null
    const count = mld.querySources(u8, at)
    if (len < mld.QUERY_HEADER + count * mld.ADDR_LEN) return null
    return {
      version: 3,
      group,
      sources: addrsAt(at + mld.QUERY_HEADER, count),
      maxRespMs: mld.decodeTime(mld.response(u8, at)),
      isSuppressed: mld.suppress(u8, at),
      qrv: mld.qrv(u8, at),
      qqi: decodeInterval(mld.qqic(u8, at)),
    }
  }
  /** The records of a version 2 report; null when they do not lie in it. */
  const readRecords = (start: number, len: number): McRecord[] | null => {
    const end = start + len
    const records: McRecord[] = []
    let at = start + mld.REPORT_HEADER
    for (let left = mld.records(u8, start); left > 0; left--) {
      if (at + mld.RECORD_HEADER > end) return null
      const count = mld.recordSources(u8, at)
      const next = at + mld.RECORD_HEADER + count * mld.ADDR_LEN + mld.recordAux(u8, at)
      if (next > end) return null
      const group = mld.recordGroup(u8, at)
      // what is no group, or of a type yet unknown, says nothing (RFC 3810 section 5.2.12)
      if (isGroup(group))
        records.push({
          type: mld.type(u8, at),
          group,
          sources: addrsAt(at + mld.RECORD_HEADER, count),
        })
      at = next
    }
    return records
  }

  return { mldRcv, listen, sourceFound, wire: { sendReport, sendOldReport, sendLeave, sendQuery } }
}
