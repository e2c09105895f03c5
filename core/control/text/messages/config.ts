/** The whole as one wants it to be, and as it is kept. */
import type { AddressSpec } from './address.ts'
import type { FamilyName } from './family.ts'
import type { LinkSpec } from './link.ts'
import type { MaddrSpec, MrouteSpec, MvifRole } from './multicast.ts'
import type { NeighSpec } from './neigh.ts'
import type { NexthopObjectSpec } from './nexthop.ts'
import type { RouteSpec } from './route.ts'
import type { RuleSpec } from './rule.ts'
import type { RssSpec } from './steering.ts'
/** An address beside its link, in full where it is not as addresses come. */
export type ConfigAddress = string | Omit<AddressSpec, 'dev'>
/** What ethtool and sysfs set of a link, and its part in multicast. */
export type ConfigSteering = {
  rss?: Omit<RssSpec, 'ifname'>
  channels?: { combined: number }
  features?: Record<string, boolean>
  'rx-flow-hash'?: Record<string, string[]>
  rps?: { rps_cpus?: string; rps_flow_cnt?: number }
  mvif?: Partial<Record<FamilyName, MvifRole>>
}
/** A network namespace of the daemon's, and what is in it. */
export type NetnsConfig = { name: string } & Omit<StackConfig, 'netns'>
export type StackConfig = {
  link?: (LinkSpec & ConfigSteering & { addresses?: ConfigAddress[] })[]
  route?: RouteSpec[]
  rule?: RuleSpec[]
  nexthop?: NexthopObjectSpec[]
  neigh?: NeighSpec[]
  maddr?: MaddrSpec[]
  mroute?: MrouteSpec[]
  sysctl?: Record<string, number | string>
  netns?: NetnsConfig[]
}
