/** Routes in the words of `ip route`. */
import type { FamilyName } from './family.ts'

export type RouteType =
  | 'unicast'
  | 'local'
  | 'broadcast'
  | 'anycast'
  | 'multicast'
  | 'blackhole'
  | 'unreachable'
  | 'prohibit'
  | 'throw'

/** What names and describes a route. `dst` is 'default' or a prefix; the kernel's identity is (table, dst, tos, metric). */
export type RouteSpec = {
  dst: string
  /** Needed only for 'default' or where nothing else tells it. */
  family?: FamilyName
  type?: RouteType
  gateway?: string
  /** A gateway of the other family (RFC 8950), as `via inet6 fe80::1`. */
  via?: { family: FamilyName; host: string }
  dev?: string
  /** main 254, local 255, default 253. */
  table?: string | number
  protocol?: string | number
  scope?: string | number
  prefsrc?: string
  metric?: number
  tos?: number
  /** 'onlink' */
  flags?: string[]
  metrics?: RouteMetrics[]
  /** IPv6 router preference. */
  pref?: string
  /** IPv6: seconds until it ends by itself. */
  expires?: number
  nexthops?: NexthopSpec[]
  /** The nexthop object that it goes by, in the place of all that. */
  nhid?: number
}
/** In the order in which ip prints them; times in milliseconds. */
export type MetricName =
  | 'mtu'
  | 'window'
  | 'rtt'
  | 'rttvar'
  | 'ssthresh'
  | 'advmss'
  | 'hoplimit'
  | 'initcwnd'
  | 'rto_min'
  | 'initrwnd'
  | 'quickack'
/** `lock` names those that are to stay. */
export type RouteMetrics = { [M in MetricName]?: number } & { lock?: MetricName[] }
export type NexthopSpec = {
  gateway?: string
  via?: { family: FamilyName; host: string }
  dev?: string
  /** 1 to 256. */
  weight?: number
  flags?: string[]
}
/** As `ip -j route` prints it, with every word always there that ip prints with -d. */
export type RouteItem = {
  type: RouteType
  dst: string
  nhid?: number
  gateway?: string
  via?: { family: FamilyName; host: string }
  dev?: string
  table: string
  protocol: string
  scope?: string
  prefsrc?: string
  metric?: number
  tos?: number
  flags: string[]
  /** Seconds until it ends by itself. */
  expires?: number
  metrics?: RouteMetrics[]
  pref?: string
  /** More than one. */
  nexthops?: NexthopSpec[]
  family: FamilyName
}
/** As `ip -j route get` prints it. */
export type RouteLookup = {
  type?: RouteType
  dst: string
  from?: string
  gateway?: string
  via?: { family: FamilyName; host: string }
  dev: string
  iif?: string
  table: string
  /** IPv6 tells of the route as well. */
  protocol?: string
  prefsrc?: string
  metric?: number
  flags: string[]
  pref?: string
  mark?: number
  /** Seconds until what was learned of the destination ends. */
  expires?: number
  metrics?: RouteMetrics[]
  /** Not of what comes in. */
  uid?: number
  cache: string[]
}
export type RouteFilter = {
  family?: FamilyName
  /** main when not given; 'all' is every table. */
  table?: string | number
  /** Exactly this prefix. */
  dst?: string
  dev?: string
  type?: RouteType
  protocol?: string | number
  scope?: string | number
}
