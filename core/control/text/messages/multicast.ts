/** Multicast: what devices receive (`ip maddress`), and what goes on where (`ip mroute`). */
import type { FamilyName } from './family.ts'

export type MaddrSpec = {
  dev: string
  /** A link-layer address. */
  link: string
}
export type MaddrAddress = {
  family: FamilyName
  address: string
  users: number
  /** Version of IGMP that is spoken of it on the link; MLD's is one less. */
  version: number
  /** Milliseconds until it is reported. */
  report_ms?: number
  /** The last report of it was ours. */
  reporter?: boolean
  /** How many members include a source, and how many exclude it. */
  sources?: { address: string; included: number; excluded: number }[]
}
export type MaddrItem = {
  ifindex: number
  ifname: string
  links: { link: string; users: number; static: boolean }[]
  groups: MaddrAddress[]
}
export type MaddrFilter = { dev?: string; family?: FamilyName }

export type MrouteSpec = {
  /** Any when not given. */
  src?: string
  dst: string
  iif: string
  /** Where it goes on, with packets of more hops left than `ttl`. */
  oifs?: { dev: string; ttl?: number }[]
}
/** As `ip -j mroute show` prints it, and the statistics always. */
export type MrouteItem = {
  src: string
  dst: string
  family: FamilyName
  iif: string
  multipath: { oif: string; ttl?: number }[]
  state: 'resolved' | 'unresolved'
  /** Set, or found. */
  protocol: 'static' | 'mrouted'
  packets: number
  bytes: number
  wrong_if: number
  age_ms: number
}
export type MrouteFilter = { family?: FamilyName }
/** What a device is to multicast that passes through: what was set, who is asked what they want, where the rest is. */
export type MvifRole = 'none' | 'static' | 'downstream' | 'upstream'
export type MvifSpec = { ifname: string; family?: FamilyName; role: MvifRole }
export type MvifItem = {
  ifname: string
  ifindex: number
  family: FamilyName
  role: MvifRole
  bytes_in: number
  packets_in: number
  bytes_out: number
  packets_out: number
}
