// MLD in tests: messages octet by octet as others on the link send them, and what a host sent in words.

import { pseudoSumWords } from '../../core/base/checksum.ts'
import { ETH_HLEN, ETH_P_IPV6 } from '../../core/wire/ethernet.ts'
import * as ethernet from '../../core/wire/ethernet.ts'
import * as icmpv6 from '../../core/wire/icmpv6.ts'
import { IPPROTO_HOPOPTS, IPPROTO_ICMPV6 } from '../../core/wire/ipproto.ts'
import * as ipv6 from '../../core/wire/ipv6.ts'
import * as mld from '../../core/wire/mld.ts'
import { formatWords } from '../../core/wire/text.ts'
import { addrWords } from './groups.ts'
import { RECORD_TYPES } from './igmp.ts'
import { etherFrame } from '../../sim/net/packets.ts'

const ALERT = [IPPROTO_ICMPV6, 0, 5, 2, 0, 0, 1, 0]

export const mldShort = (type: number, response: number, group = '::'): Uint8Array => {
  const message = new Uint8Array(mld.MIN_HEADER)
  mld.init(message, 0, type, response, addrWords(group))
  return message
}
export type MldQueryOptions = { group?: string; sources?: string[]; ms?: number; s?: boolean }
export const mldQuery = (options: MldQueryOptions = {}): Uint8Array => {
  const { group = '::', sources = [], ms = 1000, s = false } = options
  const message = new Uint8Array(mld.QUERY_HEADER + 16 * sources.length)
  mld.init(message, 0, mld.MLD_QUERY, mld.encodeTime(ms), addrWords(group))
  mld.setQuery(message, 0, s, 2, 125, sources.length)
  for (const [k, source] of sources.entries())
    mld.putAddr(message, mld.QUERY_HEADER + 16 * k, addrWords(source))
  return message
}
/** 'TO_EX ff05::1 fd00::1', ... */
export const mldReport = (...records: string[]): Uint8Array => {
  const read = records.map((record) => record.split(' '))
  const size = read.reduce((sum, words) => sum + 20 + (words.length - 2) * 16, mld.REPORT_HEADER)
  const message = new Uint8Array(size)
  mld.initReport(message, 0, records.length)
  let at = mld.REPORT_HEADER
  for (const [type, group, ...sources] of read) {
    mld.setRecord(message, at, RECORD_TYPES.indexOf(type!), sources.length, addrWords(group!))
    for (const [k, source] of sources.entries())
      mld.putAddr(message, at + 20 + 16 * k, addrWords(source))
    at += 20 + 16 * sources.length
  }
  return message
}
/** A message in a frame to the group, its checksum right; `hops` and `hasAlert` as given. */
export const mldFrame = (
  saddr: string,
  daddr: string,
  message: Uint8Array,
  { hops = 1, hasAlert = true } = {}
): Uint8Array => {
  const addrs = Int32Array.from([...addrWords(saddr), ...addrWords(daddr)])
  const options = hasAlert ? ALERT : []
  const packet = new Uint8Array(ipv6.HEADER + options.length + message.length)
  const next = hasAlert ? IPPROTO_HOPOPTS : IPPROTO_ICMPV6
  ipv6.initWords(packet, 0, 0, next, options.length + message.length, hops)
  ipv6.setAddrs(packet, 0, addrs, 0, 4)
  packet.set(options, ipv6.HEADER)
  packet.set(message, ipv6.HEADER + options.length)
  const pseudo = pseudoSumWords(addrs, 0, 4, IPPROTO_ICMPV6, message.length)
  icmpv6.setChecksum(packet, ipv6.HEADER + options.length, message.length, pseudo)
  const low = addrWords(daddr)[3] >>> 0
  const dst = `33:33:${low.toString(16).padStart(8, '0').match(/../g)!.join(':')}`
  return etherFrame({ dst, src: '02:00:00:00:09:09' }, ETH_P_IPV6, packet)
}

const text = (mem: Uint8Array, at: number): string => formatWords(...mld.addrAt(mem, at))
const addrsAt = (mem: Uint8Array, at: number, count: number): string[] =>
  Array.from({ length: count }, (_, k) => text(mem, at + 16 * k)).sort()
const describeRecords = (mem: Uint8Array, start: number, len: number): string => {
  const said: string[] = []
  let at = start + mld.REPORT_HEADER
  for (let left = mld.records(mem, start); left > 0; left--) {
    const count = mld.recordSources(mem, at)
    if (mld.recordAux(mem, at) !== 0) throw new Error('a record with auxiliary data')
    said.push(
      [RECORD_TYPES[mem[at]!], text(mem, at + 4), ...addrsAt(mem, at + 20, count)].join(' ')
    )
    at += 20 + 16 * count
  }
  if (at !== start + len) throw new Error('a report with more in it')
  return said.sort().join(', ')
}
/** An MLD message of a frame in words, and who sent it; null for what is none, an error for one that is not as it must be. */
export const describeMld = (frame: Uint8Array): { words: string; from: string } | null => {
  const at = ETH_HLEN
  if (ethernet.type(frame, 0) !== ETH_P_IPV6 || frame[at + 6] !== IPPROTO_HOPOPTS) return null
  const message = at + ipv6.HEADER + 8
  if (!mld.isMld(frame[message]!)) return null
  const len = frame.length - message
  const addrs = Int32Array.from([...mld.addrAt(frame, at + 8), ...mld.addrAt(frame, at + 24)])
  const pseudo = pseudoSumWords(addrs, 0, 4, IPPROTO_ICMPV6, len)
  const isRight =
    icmpv6.isChecksumOk(frame, message, len, pseudo) &&
    ipv6.hopLimit(frame, at) === 1 &&
    ALERT.every((octet, k) => frame[at + ipv6.HEADER + k] === octet)
  if (!isRight) throw new Error('an MLD message with a wrong header')
  return { words: describeMessage(frame, message, len), from: text(frame, at + 8) }
}
const describeMessage = (frame: Uint8Array, message: number, len: number): string => {
  const group = text(frame, message + 8)
  switch (mld.type(frame, message)) {
    case mld.MLD_QUERY: {
      if (len < mld.QUERY_HEADER) return `query1 ${group}`
      const count = mld.querySources(frame, message)
      if (len !== mld.QUERY_HEADER + 16 * count) throw new Error('a query with more in it')
      const sources = addrsAt(frame, message + mld.QUERY_HEADER, count)
      return ['query2', group, ...sources].join(' ')
    }
    case mld.MLD_REPORT:
      return `v1 ${group}`
    case mld.MLD_DONE:
      return `done ${group}`
  }
  return describeRecords(frame, message, len)
}
