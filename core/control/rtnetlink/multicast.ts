/** Link-layer groups, multicast routes and the devices that they may lead by. */
import type { MfcRoute } from '../../inet/mc/mfc-table.ts'
import type { Mac, Words } from '../../wire/text.ts'

export type MaddrLink = { mac: Mac; users: number; isStatic: boolean }
export type MaddrGroup = {
  words: Words
  users: number
  /** Members that include a source, and that exclude it. */
  sources: { words: Words; included: number; excluded: number }[]
  /** What is about to be said of it: the version, MC_REPORT_*, milliseconds. */
  version: number
  report: number
  dueMs: number
}
export type MaddrInfo = {
  ifindex: number
  links: MaddrLink[]
  /** The latest first. */
  groups: MaddrGroup[]
}
export type MaddrFilter = { ifindex?: number }

export type Mroute = MfcRoute & {
  family: number
  /** Set by somebody, or found. */
  isSet: boolean
  packets: number
  bytes: number
  wrongIf: number
  ageMs: number
}
export type MrouteFilter = { family?: number }
/** A device through which multicast passes; `role` is MC_ROLE_*. */
export type Mvif = {
  ifindex: number
  family: number
  role: number
  bytesIn: number
  packetsIn: number
  bytesOut: number
  packetsOut: number
}
export type MvifFilter = { family?: number }
