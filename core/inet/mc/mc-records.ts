/**
 * What hosts and routers say of groups, without the family's octets: group records and queries, and how records are
 * shared out over packets. RFC 3376 section 4.1, 4.2.12, 4.2.16; RFC 3810 sections 5.1, 5.2.12, 5.2.15.
 */
import type { Words } from '../../wire/text.ts'

export const MODE_IS_INCLUDE = 1
export const MODE_IS_EXCLUDE = 2
export const CHANGE_TO_INCLUDE = 3
export const CHANGE_TO_EXCLUDE = 4
export const ALLOW_NEW_SOURCES = 5
export const BLOCK_OLD_SOURCES = 6

export type McRecord = { type: number; group: Words; sources: Words[] }
/** `version` counts as IGMP does: MLDv1 is 2, MLDv2 is 3. */
export type McQuery = {
  version: number
  /** Null: a general one. */
  group: Words | null
  sources: Words[]
  maxRespMs: number
  /** S: routers leave their timers alone. */
  isSuppressed: boolean
  /** Robustness of the querier and its interval in seconds; 0 where it says nothing. */
  qrv: number
  qqi: number
}

/** What a family puts on the wire: ipv4/igmp.ts, ipv6/mld.ts. */
export type McWire = {
  /** A version 3 report. */
  sendReport: (ifindex: number, records: readonly McRecord[]) => void
  /** A report of an older version, or the word that the group is left. */
  sendOldReport: (ifindex: number, version: number, group: Words) => void
  sendLeave: (ifindex: number, group: Words) => void
  sendQuery: (ifindex: number, query: McQuery) => void
}

/**
 * Records in packets of at most `room` octets each, of records with headers of `header` octets and addresses of `addr`.
 * A list of sources that does not fit goes on in another record; but what is excluded is cut, as every record stands for
 * itself.
 */
export const packRecords = (
  records: readonly McRecord[],
  room: number,
  header: number,
  addr: number
): McRecord[][] => {
  const most = Math.max(1, Math.floor((room - header) / addr))
  const packets: McRecord[][] = []
  let packet: McRecord[] = []
  let left = room
  const put = (record: McRecord): void => {
    const size = header + record.sources.length * addr
    if (size > left && packet.length > 0) {
      packets.push(packet)
      packet = []
      left = room
    }
    packet.push(record)
    left -= size
  }
  for (const record of records) {
    const isCut = record.type === MODE_IS_EXCLUDE || record.type === CHANGE_TO_EXCLUDE
    const sources = isCut ? record.sources.slice(0, most) : record.sources
    for (let at = 0; at === 0 || at < sources.length; at += most)
      put({ ...record, sources: sources.slice(at, at + most) })
  }
  if (packet.length > 0) packets.push(packet)
  return packets
}
