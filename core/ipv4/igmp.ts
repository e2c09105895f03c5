/**
 * IGMP: reads queries and reports for the machines of inet/ (mc-host.ts, mc-querier.ts), and writes theirs. Registered for
 * IPPROTO_IGMP on every worker; what another CPU than 0 receives goes there. Messages leave with one hop, precedence
 * "internetwork control" and the router alert option. Linux: igmp_rcv(), igmp_send_report(), igmpv3_newpack()
 * (net/ipv4/igmp.c); RFC 1112, 2236, 3376 section 4.
 */
import { i32 as bytesI32, putI32 } from '../base/bytes.ts'
import { AF_INET, V4_MAPPED } from '../base/family.ts'
import {
  createFlowi,
  FL_DADDR,
  FL_FAMILY,
  FL_MTU,
  FL_NO_LOOP,
  FL_OIF,
  FL_PROTO,
  FL_TOS,
} from '../base/flowi.ts'
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
import type { Pmtu } from '../inet/dst/pmtu.ts'
import type { Arena } from '../shm/arena.ts'
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
import * as igmp from '../wire/igmp.ts'
import { IPPROTO_IGMP } from '../wire/ipproto.ts'
import * as ipv4 from '../wire/ipv4.ts'
import type { Words } from '../wire/text.ts'
import type { IpLocalOut } from './ip-local-out.ts'

type IgmpDeps = {
  arena: Arena
  skbs: Skbs
  drop: DropFn
  consume: ConsumeFn
} & Pick<Pmtu, 'routeOutput'> &
  Pick<IpLocalOut, 'ipSend'> &
  Pick<Machine, 'steerTo' | 'worker'>

/** Who hears what came in; on CPU 0. */
type IgmpEars = {
  host: Pick<McHost, 'heardQuery' | 'heardReport'>
  querier: Pick<McQuerier, 'heardQuery' | 'heardRecords'>
}

const ALL_HOSTS = 0xe0000001 | 0
const ALL_ROUTERS = 0xe0000002 | 0
const ALL_V3_ROUTERS = 0xe0000016 | 0
const TOS_INTERNETCONTROL = 0xc0
const ROUTER_ALERT = [0x94, 4, 0, 0]
/** What version 1 allows for an answer. */
const V1_RESPONSE_MS = 10_000
const TENTH_MS = 100

const mapped = (addr: number): Words => [0, 0, V4_MAPPED, addr]

export const createIgmp = (deps: IgmpDeps) => {
  const { arena, skbs, drop, consume, routeOutput, ipSend, steerTo, worker } = deps
  const { i32, u8 } = arena
  const fl = createFlowi()
  let ears: IgmpEars | null = null
  /** Gives CPU 0 those that are to hear. */
  const listen = (to: IgmpEars): void => {
    ears = to
  }

  // ---- out

  /** The way of a message by a device; false when there is none. */
  const route = (ifindex: number, daddr: number): boolean => {
    fl.fill(0)
    fl[FL_FAMILY] = AF_INET
    fl[FL_OIF] = ifindex
    fl[FL_TOS] = TOS_INTERNETCONTROL
    fl[FL_PROTO] = IPPROTO_IGMP
    fl[FL_NO_LOOP] = 1
    fl[FL_DADDR + 2] = V4_MAPPED
    fl[FL_DADDR + 3] = daddr
    return routeOutput(fl) === 0
  }
  /** Sends `len` octets of IGMP, which `fill` writes, on the way that was found. */
  const send = (len: number, fill: (at: number) => void): void => {
    const skb = skbs.alloc(len + ROUTER_ALERT.length, MAX_HEADER)
    if (skb === 0) return
    const options = skbs.put(skb, len + ROUTER_ALERT.length)
    u8.set(ROUTER_ALERT, options)
    const at = options + ROUTER_ALERT.length
    fill(at)
    igmp.setChecksum(u8, at, len)
    i32[skb + SKB_IP_SUMMED] = CHECKSUM_NONE
    ipSend(skb, fl, IPPROTO_IGMP, TOS_INTERNETCONTROL, 1, ROUTER_ALERT.length)
  }
  const putAddrs = (at: number, sources: readonly Words[]): void => {
    for (const [k, words] of sources.entries()) putI32(u8, at + k * igmp.ADDR_LEN, words[3])
  }
  const recordLen = ({ sources }: McRecord): number =>
    igmp.RECORD_HEADER + sources.length * igmp.ADDR_LEN
  const sendRecords = (records: readonly McRecord[]): void => {
    const len = records.reduce((sum, record) => sum + recordLen(record), igmp.MIN_HEADER)
    send(len, (start) => {
      igmp.init(u8, start, igmp.IGMPV3_REPORT, 0, 0)
      igmp.setRecords(u8, start, records.length)
      let at = start + igmp.MIN_HEADER
      for (const record of records) {
        igmp.setRecord(u8, at, record.type, record.sources.length, record.group[3])
        putAddrs(at + igmp.RECORD_HEADER, record.sources)
        at += recordLen(record)
      }
    })
  }
  const sendReport: McWire['sendReport'] = (ifindex, records) => {
    if (!route(ifindex, ALL_V3_ROUTERS)) return
    const room = fl[FL_MTU] - ipv4.MIN_HEADER - ROUTER_ALERT.length - igmp.MIN_HEADER
    for (const packet of packRecords(records, room, igmp.RECORD_HEADER, igmp.ADDR_LEN))
      sendRecords(packet)
  }
  const sendShort = (ifindex: number, daddr: number, type: number, code: number, group: number) => {
    if (route(ifindex, daddr)) send(igmp.MIN_HEADER, (at) => igmp.init(u8, at, type, code, group))
  }
  const sendOldReport: McWire['sendOldReport'] = (ifindex, version, group) =>
    sendShort(
      ifindex,
      group[3],
      version === 1 ? igmp.IGMPV1_REPORT : igmp.IGMPV2_REPORT,
      0,
      group[3]
    )
  const sendLeave: McWire['sendLeave'] = (ifindex, group) =>
    sendShort(ifindex, ALL_ROUTERS, igmp.IGMP_LEAVE, 0, group[3])
  const sendQuery: McWire['sendQuery'] = (ifindex, query) => {
    const { version, group, sources, maxRespMs, isSuppressed, qrv, qqi } = query
    const addr = group === null ? 0 : group[3]
    const tenths = Math.round(maxRespMs / TENTH_MS)
    const to = group === null ? ALL_HOSTS : addr
    if (version < 3)
      return sendShort(
        ifindex,
        to,
        igmp.IGMP_QUERY,
        version === 1 ? 0 : Math.min(tenths, 255),
        addr
      )
    if (!route(ifindex, to)) return
    send(igmp.QUERY_HEADER + sources.length * igmp.ADDR_LEN, (at) => {
      igmp.init(u8, at, igmp.IGMP_QUERY, igmp.encodeTime(tenths), addr)
      igmp.setQuery(u8, at, isSuppressed, qrv > 7 ? 0 : qrv, igmp.encodeTime(qqi), sources.length)
      putAddrs(at + igmp.QUERY_HEADER, sources)
    })
  }

  // ---- in

  /** A message, data at its IGMP header. */
  const igmpRcv = (skb: number): void => {
    if (worker !== MC_CPU) return steerTo(MC_CPU, skb, STAGE_SOCKET)
    const len = i32[skb + SKB_LEN]
    if (len < igmp.MIN_HEADER) return drop(skb, Drop.PKT_TOO_SMALL)
    if (!skbs.mayPull(skb, len)) return drop(skb, Drop.NOMEM)
    const at = i32[skb + SKB_DATA]
    // the kernel has no word for it
    if (!igmp.isChecksumOk(u8, at, len)) return drop(skb, Drop.NOT_SPECIFIED)
    if (!take(i32[skb + SKB_DEV], at, len, i32[skb + SKB_NETWORK]))
      return drop(skb, Drop.INVALID_PROTO)
    consume(skb)
  }
  /** False for what makes no sense. */
  const take = (ifindex: number, at: number, len: number, network: number): boolean => {
    switch (igmp.type(u8, at)) {
      case igmp.IGMP_QUERY:
        return takeQuery(ifindex, mapped(ipv4.src(u8, network)), readQuery(at, len))
      case igmp.IGMPV1_REPORT:
        return takeOld(ifindex, 1, at, network)
      case igmp.IGMPV2_REPORT:
        return takeOld(ifindex, 2, at, network)
      case igmp.IGMP_LEAVE:
        return takeRecords(ifindex, 2, [record(CHANGE_TO_INCLUDE, igmp.group(u8, at))])
      case igmp.IGMPV3_REPORT:
        return takeRecords(ifindex, 3, readRecords(at, len))
    }
    return true
  }
  const record = (type: number, group: number): McRecord => ({
    type,
    group: mapped(group),
    sources: [],
  })
  const takeQuery = (ifindex: number, from: Words, query: McQuery | null): boolean => {
    if (query === null) return false
    ears?.host.heardQuery(ifindex, query)
    ears?.querier.heardQuery(ifindex, from, query)
    return true
  }
  const takeRecords = (
    ifindex: number,
    version: number,
    records: readonly McRecord[] | null
  ): boolean => {
    if (records === null || !records.every(({ group }) => ipv4.isMulticastAddr(group[3])))
      return false
    const passing = records.filter(({ group }) => !ipv4.isLocalMulticastAddr(group[3]))
    ears?.querier.heardRecords(ifindex, version, passing)
    return true
  }
  const takeOld = (ifindex: number, version: number, at: number, network: number): boolean => {
    const group = igmp.group(u8, at)
    // what was sent to one router alone, others have not heard
    if (ipv4.isMulticastAddr(ipv4.dst(u8, network))) ears?.host.heardReport(ifindex, mapped(group))
    return takeRecords(ifindex, version, [record(MODE_IS_EXCLUDE, group)])
  }
  const addrsAt = (at: number, count: number): Words[] =>
    Array.from({ length: count }, (_, k) => mapped(bytesI32(u8, at + k * igmp.ADDR_LEN)))
  /** The version by length and code (RFC 3376 section 7.1); null for what is no query. */
  const readQuery = (at: number, len: number): McQuery | null => {
    const addr = igmp.group(u8, at)
    const code = igmp.code(u8, at)
    const group = addr === 0 ? null : mapped(addr)
    if (group !== null && !ipv4.isMulticastAddr(addr)) return null
    const old = { group, sources: [], isSuppressed: false, qrv: 0, qqi: 0 }
    if (len === igmp.MIN_HEADER)
      return code === 0
        ? { ...old, version: 1, maxRespMs: V1_RESPONSE_MS }
        : { ...old, version: 2, maxRespMs: code * TENTH_MS }
    if (len < igmp.QUERY_HEADER) return null
    const count = igmp.querySources(u8, at)
    if (len < igmp.QUERY_HEADER + count * igmp.ADDR_LEN) return null
    return {
      version: 3,
      group,
      sources: addrsAt(at + igmp.QUERY_HEADER, count),
      maxRespMs: igmp.decodeTime(code) * TENTH_MS,
      isSuppressed: igmp.suppress(u8, at),
      qrv: igmp.qrv(u8, at),
      qqi: igmp.decodeTime(igmp.qqic(u8, at)),
    }
  }
  /** The records of a version 3 report; null when they do not lie in it. */
  const readRecords = (start: number, len: number): McRecord[] | null => {
    const end = start + len
    const records: McRecord[] = []
    let at = start + igmp.MIN_HEADER
    for (let left = igmp.records(u8, start); left > 0; left--) {
      if (at + igmp.RECORD_HEADER > end) return null
      const count = igmp.recordSources(u8, at)
      const next = at + igmp.RECORD_HEADER + count * igmp.ADDR_LEN + igmp.recordAux(u8, at)
      if (next > end) return null
      const group = igmp.recordGroup(u8, at)
      // what is no group, or of a type yet unknown, says nothing (RFC 3376 section 4.2.12)
      if (ipv4.isMulticastAddr(group))
        records.push({
          type: igmp.type(u8, at),
          group: mapped(group),
          sources: addrsAt(at + igmp.RECORD_HEADER, count),
        })
      at = next
    }
    return records
  }

  return { igmpRcv, listen, wire: { sendReport, sendOldReport, sendLeave, sendQuery } }
}
