/**
 * The control plane's messages in words: everything the API, the CLI and the configuration file ask for is one of these,
 * with iproute2's, ss's, ethtool's and nstat's JSON names as fields. Types alone; text/control.ts turns them into
 * the numbers of rtnetlink.ts and back, on the control thread. What a message carries is in messages/, a file a resource.
 */
import type { Done } from '../rtnl/answers.ts'
import type {
  LinkStats,
  MemoryItem,
  NetnsItem as NetnsName,
  SkbItem,
  SysctlItem,
  WorkerItem,
} from '../rtnetlink.ts'
import type { AddressInfo, AddressItem, AddressSpec } from './messages/address.ts'
import type {
  CaptureItem,
  CaptureSpec,
  Capturing,
  DrySpec,
  TraceSpec,
  TracedPacket,
  Tracing,
} from './messages/capture.ts'
import type { StackConfig } from './messages/config.ts'
import type { FamilyName } from './messages/family.ts'
import type { DropItem } from './messages/drops.ts'
import type { LinkItem, LinkSpec, QdiscSpec } from './messages/link.ts'
import type {
  MaddrFilter,
  MaddrItem,
  MaddrSpec,
  MrouteFilter,
  MrouteItem,
  MrouteSpec,
  MvifItem,
  MvifSpec,
} from './messages/multicast.ts'
import type { NeighFilter, NeighItem, NeighName, NeighSpec } from './messages/neigh.ts'
import type {
  BucketFilter,
  BucketItem,
  NexthopFilter,
  NexthopItem,
  NexthopObjectSpec,
} from './messages/nexthop.ts'
import type { RouteFilter, RouteItem, RouteLookup, RouteSpec } from './messages/route.ts'
import type { RuleFilter, RuleItem, RuleSpec } from './messages/rule.ts'
import type { SockFilter, SockItem } from './messages/socket.ts'
import type {
  ChannelsItem,
  DrvinfoItem,
  FeaturesItem,
  FlowHashItem,
  FlowItem,
  RingsItem,
  RpsItem,
  RssItem,
  RssSpec,
} from './messages/steering.ts'

export type * from './messages/address.ts'
export type * from './messages/drops.ts'
export type * from './messages/capture.ts'
export type * from './messages/config.ts'
export type * from './messages/family.ts'
export type * from './messages/link.ts'
export type * from './messages/multicast.ts'
export type * from './messages/neigh.ts'
export type * from './messages/nexthop.ts'
export type * from './messages/route.ts'
export type * from './messages/rule.ts'
export type * from './messages/socket.ts'
export type * from './messages/steering.ts'

// ---- requests: type -> what it carries, and the item of its answer

export type Requests = {
  RTM_NEWROUTE: { carries: { flags: number; route: RouteSpec }; item: RouteItem }
  RTM_DELROUTE: { carries: { route: RouteSpec }; item: RouteItem }
  /** ip route get */
  RTM_GETROUTE: {
    carries: {
      dst: string
      src?: string
      iif?: string
      oif?: string
      tos?: number
      mark?: number
      ipproto?: string
      sport?: number
      dport?: number
    }
    item: RouteLookup
  }
  /** Without CREATE it changes a link that is there (ip link set). */
  RTM_NEWLINK: { carries: { flags: number; link: LinkSpec }; item: LinkItem }
  RTM_DELLINK: { carries: { ifname: string }; item: LinkItem }
  RTM_NEWQDISC: { carries: { flags: number; qdisc: QdiscSpec }; item: LinkItem }
  RTM_DELQDISC: { carries: { dev: string }; item: LinkItem }
  RTM_GETLINK: { carries: { ifname: string }; item: LinkItem }
  RTM_NEWADDR: { carries: { flags: number; address: AddressSpec }; item: AddressInfo }
  RTM_DELADDR: {
    carries: { address: Pick<AddressSpec, 'dev' | 'local' | 'prefixlen'> }
    item: AddressInfo
  }
  RTM_NEWNEIGH: { carries: { flags: number; neigh: NeighSpec }; item: NeighItem }
  RTM_DELNEIGH: { carries: { neigh: NeighName }; item: null }
  RTM_GETNEIGH: { carries: { neigh: NeighName }; item: NeighItem }
  RT_CACHE_FLUSH: { carries: { family: FamilyName }; item: null }
  NEIGH_FLUSH: { carries: { filter: NeighFilter }; item: { flushed: number } }
  RTM_NEWMULTICAST: { carries: { maddr: MaddrSpec }; item: MaddrItem }
  RTM_DELMULTICAST: { carries: { maddr: MaddrSpec }; item: MaddrItem }
  RTM_NEWMROUTE: { carries: { mroute: MrouteSpec }; item: MrouteItem }
  RTM_DELMROUTE: { carries: { mroute: Pick<MrouteSpec, 'src' | 'dst'> }; item: MrouteItem }
  MVIF_SET: { carries: { mvif: MvifSpec }; item: MvifItem }
  RTM_NEWRULE: { carries: { flags: number; rule: RuleSpec }; item: RuleItem }
  /** The first rule that says all that is said here. */
  RTM_DELRULE: { carries: { rule: RuleSpec }; item: RuleItem }
  RTM_NEWNEXTHOP: { carries: { flags: number; nexthop: NexthopObjectSpec }; item: NexthopItem }
  RTM_DELNEXTHOP: { carries: { id: number }; item: NexthopItem }
  RTM_GETNEXTHOP: { carries: { id: number }; item: NexthopItem }
  RTM_GETNEXTHOPBUCKET: { carries: { id: number; index: number }; item: BucketItem }
  SOCK_GET: { carries: { cookie: string }; item: SockItem }
  SOCK_DESTROY: { carries: { cookie: string }; item: null }
  ETHTOOL_MSG_RSS_GET: { carries: { ifname: string }; item: RssItem }
  ETHTOOL_MSG_RSS_SET: { carries: { rss: RssSpec }; item: RssItem }
  ETHTOOL_MSG_CHANNELS_GET: { carries: { ifname: string }; item: ChannelsItem }
  ETHTOOL_MSG_CHANNELS_SET: { carries: { ifname: string; combined: number }; item: ChannelsItem }
  ETHTOOL_MSG_FEATURES_GET: { carries: { ifname: string }; item: FeaturesItem }
  ETHTOOL_MSG_FEATURES_SET: {
    carries: { ifname: string; features: Record<string, boolean> }
    item: FeaturesItem
  }
  ETHTOOL_MSG_RINGS_GET: { carries: { ifname: string }; item: RingsItem }
  ETHTOOL_MSG_RINGS_SET: { carries: { ifname: string; rx?: number; tx?: number }; item: RingsItem }
  ETHTOOL_MSG_STATS_GET: { carries: { ifname: string }; item: Record<string, number> }
  ETHTOOL_GRXFH: { carries: { ifname: string; 'flow-type': string }; item: FlowHashItem }
  ETHTOOL_SRXFH: {
    carries: { ifname: string; 'flow-type': string; fields: string[] }
    item: FlowHashItem
  }
  ETHTOOL_GDRVINFO: { carries: { ifname: string }; item: DrvinfoItem }
  RPS_GET: { carries: { ifname: string }; item: RpsItem }
  RPS_SET: { carries: { ifname: string; rps_cpus?: string; rps_flow_cnt?: number }; item: RpsItem }
  SYSCTL_GET: { carries: { name: string }; item: SysctlItem }
  SYSCTL_SET: { carries: { name: string; value: number | string }; item: SysctlItem }
  WORKER_GET: { carries: { worker: number }; item: WorkerItem }
  NSTAT_GET: { carries: object; item: Record<string, number> }
  MEMORY_GET: { carries: object; item: MemoryItem }
  /** ip netns add, del */
  NETNS_NEW: { carries: { flags: number } & NetnsName; item: NetnsName }
  NETNS_DEL: { carries: NetnsName; item: NetnsName }
  /** What one of them is asked. */
  NETNS: { carries: NetnsName & { message: Message }; item: unknown }
  /** `whole`: what is the default too, which a configuration need not say. */
  CONFIG_GET: { carries: { whole?: boolean }; item: StackConfig }
  /** dry_run answers with the steps and does nothing. */
  CONFIG_SET: { carries: { config: StackConfig; dry_run?: boolean }; item: ConfigStep[] }
  /**
   * Changes of routes, addresses and links in one revision; `atomic`, which is for routes, undoes all when one is refused.
   * Of routes it answers only whether they were changed.
   */
  BATCH: { carries: { messages: Message[]; atomic?: boolean }; item: Reply[] }
}
export type MessageType = keyof Requests
export type MessageOf<T extends MessageType> = { type: T } & Requests[T]['carries']
export type Message = { [T in MessageType]: MessageOf<T> }[MessageType]

// ---- configuration

/** Where changes are kept before they are answered; a throw refuses the answer, not the change. */
export type KeepState = {
  append: (messages: readonly Message[]) => void | Promise<void>
  /** Is it time for the whole in place of so many changes? */
  isLong: () => boolean
  replace: (config: StackConfig) => void
}
/** One step from the running state to the wanted one, as a message that would be sent. */
export type ConfigStep = {
  op: 'add' | 'del' | 'change'
  /** What of the wanted configuration it is for: 'link[0]', 'link[0].addresses[1]', 'route[2]'. */
  at?: string
  message: Message
}

// ---- answers

export type { Done, LinkStats, MemoryItem, NetnsName, SkbItem, SysctlItem, WorkerItem }
/** A refusal in words. */
export type Refused = {
  /** errno, positive. */
  error: number
  /** iproute2's words: 'RTNETLINK answers: File exists', 'Error: Nexthop has invalid gateway.' */
  message: string
  /** The field at fault, as a path: 'gateway', 'dst'. */
  field?: string
  /** For a refused atomic batch or configuration: which message. */
  index?: number
}
export type Reply<Item = unknown> = Done<Item> | Refused
export type ReplyTo<M extends Message> = Reply<Requests[M['type']]['item']>

// ---- dumps

export type Dumps = {
  RTM_GETROUTE: { filter: RouteFilter; item: RouteItem }
  RTM_GETLINK: {
    filter: { ifname?: string; kind?: string; master?: string; up?: boolean }
    item: LinkItem
  }
  RTM_GETADDR: {
    filter: { family?: FamilyName; dev?: string; scope?: string; to?: string }
    item: AddressItem
  }
  RTM_GETNEIGH: { filter: NeighFilter; item: NeighItem }
  RTM_GETMULTICAST: { filter: MaddrFilter; item: MaddrItem }
  RTM_GETMROUTE: { filter: MrouteFilter; item: MrouteItem }
  MVIF: { filter: MrouteFilter; item: MvifItem }
  NETNS: { filter: object; item: NetnsName }
  RTM_GETRULE: { filter: RuleFilter; item: RuleItem }
  RTM_GETNEXTHOP: { filter: NexthopFilter; item: NexthopItem }
  RTM_GETNEXTHOPBUCKET: { filter: BucketFilter; item: BucketItem }
  SOCK_DIAG: { filter: SockFilter; item: SockItem }
  SYSCTL: { filter: { prefix?: string }; item: SysctlItem }
  WORKER: { filter: object; item: WorkerItem }
  DROPS: { filter: object; item: DropItem }
  FLOWS: { filter: { worker?: number }; item: FlowItem }
  SKBS: { filter: object; item: SkbItem }
}
export type DumpType = keyof Dumps
export type DumpOf<T extends DumpType> = { type: T; filter?: Dumps[T]['filter'] }
export type DumpItem<T extends DumpType> = Dumps[T]['item']

// ---- notifications (ip monitor)

type Watched = {
  route: RouteItem
  rule: RuleItem
  nexthop: NexthopItem
  nexthop_bucket: BucketItem
  link: LinkItem
  address: AddressItem
  neigh: NeighItem
  netns: NetnsName
  socket: SockItem
  worker: WorkerItem
  drop: DropItem
}
export type WatchKind = keyof Watched
export type Notification = {
  [K in WatchKind]: { kind: K; event: 'new' | 'del'; item: Watched[K]; revision: number }
}[WatchKind]

// ---- the control plane, as its clients see it

export type Control = {
  /** With `ifAt` only while the state is at one of these revisions, from the change's first check on; else it is ESTALE. */
  request<M extends Message>(message: M, ifAt?: readonly number[]): Promise<ReplyTo<M>>
  /**
   * Items in chunks of at most a few hundred: the caller may do other work between chunks. A filter that names what
   * is not there is refused.
   */
  dump<T extends DumpType>(request: { type: T }): Iterable<DumpItem<T>[]>
  dump<T extends DumpType>(request: DumpOf<T>): Iterable<DumpItem<T>[]> | Refused
  /** Calls `fn` with each change of these kinds, in the order of their revisions; returns what ends it. */
  subscribe(kinds: readonly WatchKind[], fn: (note: Notification) => void): () => void
  /** Shows `take` the frames that somebody asks for, whenever poll() of what is answered is called. */
  capture(spec: CaptureSpec, take: (frame: CaptureItem) => void): Capturing | Refused
  /** Shows `take` the packets that somebody asks for, when their ways have come to an end. */
  trace(spec: TraceSpec, take: (packet: TracedPacket) => void): Tracing | Refused
  /** The way of a made-up packet: the real code, on a copy; nothing is sent, counted or changed. */
  traceDry(spec: DrySpec): Promise<TracedPacket | Refused>
  /** The last revision. */
  revision(): number
  /** What `ip link add ... type NAME` can make, and the words of `data` that each takes. */
  readonly kinds: readonly { readonly name: string; readonly data: readonly string[] }[]
}
