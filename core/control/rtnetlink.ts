/**
 * The control plane's messages in numbers, as netlink carries them: indexes of devices, words of addresses, numbers of
 * tables, protocols, scopes, types and states, bits of flags. Names are text only where the kernel's own are (of a
 * device, of a kind, of a sysctl). text/ turns them into what people write and read.
 * What a message carries is in rtnetlink/, a file a resource.
 * Linux: include/uapi/linux/{netlink,rtnetlink,if_link,if_addr,neighbour}.h.
 */
import type { Ifaddr } from '../inet/addr/ifaddr-held.ts'
import type { FibRule } from '../inet/fib/rules/fib-rule.ts'
import type { MfcRoute } from '../inet/mc/mfc-table.ts'
import type { Mac } from '../wire/text.ts'
import type { Refused } from './rtnl/answers.ts'
import type { Bucket } from './routes/nexthop-buckets.ts'
import type { SeenNexthop, WantedNexthop } from './routes/nexthop-store.ts'
import type { RouteMatch } from './rib/rib-route.ts'
import type { SeenRoute } from './routes/route-expiry.ts'
import type { AddressFilter, AddressKey } from './rtnetlink/address.ts'
import type { LinkChange, LinkFilter, LinkInfo, Netem } from './rtnetlink/link.ts'
import type {
  MaddrFilter,
  MaddrInfo,
  Mroute,
  MrouteFilter,
  Mvif,
  MvifFilter,
} from './rtnetlink/multicast.ts'
import type { EitherNeighKey, NeighChange, NeighFilter, NeighInfo } from './rtnetlink/neigh.ts'
import type { BucketFilter, NexthopFilter } from './rtnetlink/nexthop.ts'
import type { RouteAnswer, RouteFilter, RouteQuery } from './rtnetlink/route.ts'
import type { NewRule, RuleFilter } from './rtnetlink/rule.ts'
import type { Flow, Sock, SockFilter } from './rtnetlink/socket.ts'
import type { Drops, MemoryItem, SkbItem, SysctlItem, WorkerItem } from './rtnetlink/stats.ts'
import type {
  Channels,
  FeatureChange,
  Features,
  Rps,
  Rss,
  RssChange,
} from './rtnetlink/steering.ts'

export type * from './rtnetlink/address.ts'
export type * from './rtnetlink/link.ts'
export type * from './rtnetlink/multicast.ts'
export type * from './rtnetlink/neigh.ts'
export type * from './rtnetlink/nexthop.ts'
export type * from './rtnetlink/route.ts'
export type * from './rtnetlink/rule.ts'
export type * from './rtnetlink/socket.ts'
export type * from './rtnetlink/stats.ts'
export type * from './rtnetlink/steering.ts'

/** A network namespace of the daemon's, by its name. */
export type NetnsItem = { name: string }

// ---- requests: type -> what it carries, and the item of its answer

type Measured = {
  SYSCTL_GET: { carries: { name: string }; item: SysctlItem }
  SYSCTL_SET: { carries: { name: string; value: number | string }; item: SysctlItem }
  WORKER_GET: { carries: { worker: number }; item: WorkerItem }
  NSTAT_GET: { carries: object; item: Record<string, number> }
  MEMORY_GET: { carries: object; item: MemoryItem }
}
type OfDevice = { ifindex: number }
type Steering = {
  ETHTOOL_MSG_RSS_GET: { carries: OfDevice; item: Rss }
  ETHTOOL_MSG_RSS_SET: { carries: { rss: RssChange }; item: Rss }
  ETHTOOL_MSG_CHANNELS_GET: { carries: OfDevice; item: Channels }
  ETHTOOL_MSG_CHANNELS_SET: { carries: OfDevice & { combined: number }; item: Channels }
  ETHTOOL_MSG_FEATURES_GET: { carries: OfDevice; item: Features }
  ETHTOOL_MSG_FEATURES_SET: {
    carries: OfDevice & { features: readonly FeatureChange[] }
    item: Features
  }
  ETHTOOL_MSG_RINGS_GET: { carries: OfDevice; item: never }
  ETHTOOL_MSG_RINGS_SET: { carries: OfDevice; item: never }
  ETHTOOL_MSG_STATS_GET: { carries: OfDevice; item: Record<string, number> }
  /** `flow` is RSS_TCP4 ..., `fields` bits of RXH_*. */
  ETHTOOL_GRXFH: { carries: OfDevice & { flow: number }; item: { fields: number } }
  ETHTOOL_SRXFH: { carries: OfDevice & { flow: number; fields: number }; item: { fields: number } }
  ETHTOOL_GDRVINFO: { carries: OfDevice; item: { kind: string } }
  RPS_GET: { carries: OfDevice; item: Rps }
  RPS_SET: { carries: OfDevice & Partial<Rps>; item: Rps }
}
export type RouteMessage =
  | { type: 'RTM_NEWROUTE'; flags: number; route: SeenRoute }
  | { type: 'RTM_DELROUTE'; route: RouteMatch }
type Requests = Measured &
  Steering & {
    SOCK_GET: { carries: { cookie: number }; item: Sock }
    SOCK_DESTROY: { carries: { cookie: number }; item: null }
    RTM_NEWROUTE: { carries: { flags: number; route: SeenRoute }; item: SeenRoute }
    RTM_DELROUTE: { carries: { route: RouteMatch }; item: SeenRoute }
    RTM_GETROUTE: { carries: { query: RouteQuery }; item: RouteAnswer }
    /** What became of each: null is done. `atomic`: all or none, and then the first refusal is the answer. */
    ROUTE_BATCH: {
      carries: { messages: readonly RouteMessage[]; atomic: boolean }
      item: (Refused | null)[]
    }
    /** Without a priority it gets one; without EXCL it may be there already. */
    RTM_NEWRULE: { carries: { flags: number; rule: NewRule }; item: FibRule }
    /** The first rule that says all of `match`. */
    RTM_DELRULE: { carries: { family: number; match: Partial<FibRule> }; item: FibRule }
    /** Without an id (0) it gets one. */
    RTM_NEWNEXTHOP: { carries: { flags: number; nexthop: WantedNexthop }; item: SeenNexthop }
    RTM_DELNEXTHOP: { carries: { id: number }; item: SeenNexthop }
    RTM_GETNEXTHOP: { carries: { id: number }; item: SeenNexthop }
    RTM_GETNEXTHOPBUCKET: { carries: { id: number; index: number }; item: Bucket }
    /** Without CREATE it changes a link that is there (ip link set). */
    RTM_NEWLINK: { carries: { flags: number; link: LinkChange }; item: LinkInfo }
    RTM_DELLINK: { carries: { ifindex: number }; item: LinkInfo }
    RTM_GETLINK: { carries: { ifindex: number }; item: LinkInfo }
    RTM_NEWQDISC: { carries: OfDevice & { flags: number; netem: Netem }; item: LinkInfo }
    RTM_DELQDISC: { carries: OfDevice; item: LinkInfo }
    RTM_NEWADDR: { carries: { flags: number; address: Ifaddr }; item: Ifaddr }
    RTM_DELADDR: { carries: { address: AddressKey }; item: Ifaddr }
    RTM_NEWNEIGH: { carries: { flags: number; neigh: NeighChange }; item: NeighInfo }
    RTM_DELNEIGH: { carries: { neigh: EitherNeighKey }; item: null }
    RTM_GETNEIGH: { carries: { neigh: EitherNeighKey }; item: NeighInfo }
    /** Workers forget what they have learned of destinations of the family. */
    RT_CACHE_FLUSH: { carries: { family: number }; item: null }
    NEIGH_FLUSH: { carries: { filter: NeighFilter }; item: { flushed: number } }
    RTM_NEWMULTICAST: { carries: OfDevice & { mac: Mac }; item: MaddrInfo }
    RTM_DELMULTICAST: { carries: OfDevice & { mac: Mac }; item: MaddrInfo }
    RTM_NEWMROUTE: { carries: { route: MfcRoute }; item: Mroute }
    RTM_DELMROUTE: { carries: Pick<MfcRoute, 'source' | 'group'>; item: Mroute }
    MVIF_SET: { carries: OfDevice & { family: number; role: number }; item: Mvif }
    /** Without EXCL it may be there already. */
    NETNS_NEW: { carries: { flags: number } & NetnsItem; item: NetnsItem }
    NETNS_DEL: { carries: NetnsItem; item: NetnsItem }
  }
export type MessageType = keyof Requests
export type MessageOf<T extends MessageType> = { type: T } & Requests[T]['carries']
export type Message = { [T in MessageType]: MessageOf<T> }[MessageType]
export type ItemOf<M extends { type: MessageType }> = Requests[M['type']]['item']

// ---- dumps

type Dumps = {
  SYSCTL: { filter: { prefix?: string }; item: SysctlItem }
  WORKER: { filter: object; item: WorkerItem }
  DROPS: { filter: object; item: Drops }
  SKBS: { filter: object; item: SkbItem }
  SOCK_DIAG: { filter: SockFilter; item: Sock }
  FLOWS: { filter: { worker?: number }; item: Flow }
  RTM_GETROUTE: { filter: RouteFilter; item: SeenRoute }
  RTM_GETRULE: { filter: RuleFilter; item: FibRule }
  RTM_GETNEXTHOP: { filter: NexthopFilter; item: SeenNexthop }
  RTM_GETNEXTHOPBUCKET: { filter: BucketFilter; item: Bucket }
  RTM_GETLINK: { filter: LinkFilter; item: LinkInfo }
  RTM_GETADDR: { filter: AddressFilter; item: Ifaddr }
  RTM_GETNEIGH: { filter: NeighFilter; item: NeighInfo }
  RTM_GETMULTICAST: { filter: MaddrFilter; item: MaddrInfo }
  RTM_GETMROUTE: { filter: MrouteFilter; item: Mroute }
  MVIF: { filter: MvifFilter; item: Mvif }
  NETNS: { filter: object; item: NetnsItem }
}
export type DumpType = keyof Dumps
export type DumpOf<T extends DumpType> = { type: T; filter?: Dumps[T]['filter'] }
export type DumpItem<T extends DumpType> = Dumps[T]['item']

// ---- notifications

type Watched = {
  route: SeenRoute
  rule: FibRule
  nexthop: SeenNexthop
  nexthop_bucket: Bucket
  link: LinkInfo
  address: Ifaddr
  neigh: NeighInfo
  netns: NetnsItem
  socket: Sock
  worker: WorkerItem
  drop: Drops
}
export type WatchKind = keyof Watched
export type Notification = {
  [K in WatchKind]: { kind: K; event: 'new' | 'del'; item: Watched[K]; revision: number }
}[WatchKind]
