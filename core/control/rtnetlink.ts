/**
 * The control plane's messages in numbers, as netlink carries them: indexes of devices, words of addresses, numbers of
 * tables, protocols, scopes, types and states, bits of flags. Names are text only where the kernel's own are (of a
 * device, of a kind, of a sysctl). text/ turns them into what people write and read.
 * Linux: include/uapi/linux/{netlink,rtnetlink,if_link,if_addr,neighbour}.h.
 */
import type { FibRule } from '../inet/fib/fib-rule.ts'
import type { Metrics } from '../shm/dst-metrics.ts'
import type { Ifaddr } from '../inet/addr/ifaddr-held.ts'
import type { MfcRoute } from '../inet/mc/mfc-table.ts'
import type { Stats64 } from '../netdev/netdev.ts'
import type { WorkerStat } from '../shm/softnet-stat.ts'
import type { SockInfo } from '../socket/sock-info.ts'
import type { Mac, Words } from '../wire/text.ts'
import type { Refused } from './answers.ts'
import type { Bucket } from './nexthop-buckets.ts'
import type { SeenNexthop, WantedNexthop } from './nexthop-store.ts'
import type { RouteMatch } from './rib-route.ts'
import type { SeenRoute } from './route-expiry.ts'

// ---- routes

export type RouteQuery = {
  family: number
  dst: Words
  /** Null: chosen. */
  src: Words | null
  /** 0: the packet is our own. */
  iif: number
  oif: number
  tos: number
  mark: number
  proto: number
  sport: number
  dport: number
}
export type RouteAnswer = {
  family: number
  type: number
  gateway: { family: number; words: Words } | null
  dev: number
  table: number
  /** Of the route, not of the answer: what IPv6 tells. */
  protocol: number
  metric: number
  prefsrc: Words
  metrics: Metrics | null
  /** It goes on, though it is to everybody. */
  isForwarded: boolean
  /** Seconds until what was learned of the destination ends; null: there is nothing, or it does not end. */
  expires: number | null
  /** RTCF_REDIRECTED: a router has told of the gateway. */
  isRedirected: boolean
  /** RTCF_DOREDIRECT: it goes back where it came from, and its sender would be told of a nearer way. */
  wantsRedirect: boolean
}
export type RouteFilter = {
  /** 0 is every family, and every table. */
  family: number
  table: number
  /** Exactly this prefix. */
  dst?: { family: number; words: Words; plen: number }
  dev?: number
  type?: number
  protocol?: number
  scope?: number
}

// ---- rules

/** A rule as it is asked for. */
export type NewRule = Omit<FibRule, 'priority'> & { priority?: number }
export type RuleFilter = {
  /** 0 is every family. */
  family: number
}

// ---- nexthop objects

export type NexthopFilter = {
  /** 0 is every family; groups are of none. */
  family: number
  id?: number
  dev?: number
  groups?: boolean
  protocol?: number
}
/** Of buckets: those of a group, or of a member or its device. */
export type BucketFilter = { family: number; id?: number; dev?: number; nhid?: number }

// ---- links

export type QdiscStats = Record<'bytes' | 'packets' | 'drops' | 'backlog' | 'qlen', number>
/** netem's words as the row has them: parts per million, microseconds, packets. */
export type Netem = {
  loss: number
  duplicate: number
  reorder: number
  corrupt: number
  delay: number
  jitter: number
  limit: number
}
export type LinkChange = {
  ifname: string
  /** Of a new device, which else has the first that is free. */
  ifindex?: number
  /** IFLA_INFO_KIND: needed to create. */
  kind?: string
  mtu?: number
  mac?: Mac
  /** IFLA_NET_NS_*: the net that it is to be in, by its name there. */
  netns?: string
  txqlen?: number
  /** IFF_* of `change` that are to be on. */
  flags: number
  /** Which of IFF_UP, IFF_PROMISC, IFF_ALLMULTI, IFF_NOARP are to be as `flags` says. */
  change: number
  newname?: string
  /** Ifindex of the device that it is enslaved to; 0: of none. */
  master?: number
  /** All zero: not impaired. */
  netem?: Netem
  /** IFLA_INFO_DATA: what the kind's driver takes. */
  data?: Record<string, unknown>
}
/** What is counted of a device, and what ip prints all the same: a ring that overruns, a shared medium. */
export type LinkStats = {
  rx: Stats64<'rx'> & { over_errors: number }
  tx: Stats64<'tx'> & { collisions: number }
}
/**
 * The other end of a device where that is, or was, in another net; `nsid` is the number that its net has here (RTM_NEWNSID), null: it
 * has come to this one.
 */
export type OtherEnd = { ifindex: number; name: string; netns: string; nsid: number | null }
export type LinkInfo = {
  ifindex: number
  name: string
  kind: string
  data: Record<string, unknown> | undefined
  /** Where the other end is in another net. */
  otherEnd: OtherEnd | undefined
  /** IFLA_INFO_XSTATS: what else the driver has to say. */
  xstats: Record<string, unknown> | undefined
  /** ARPHRD_* */
  type: number
  flags: number
  mtu: number
  /** What it may be. */
  minMtu: number
  maxMtu: number
  operstate: number
  /** IFLA_CARRIER_CHANGES */
  carrierChanges: number
  txqlen: number
  mac: Mac
  promiscuity: number
  allmulti: number
  txQueues: number
  rxQueues: number
  gsoMax: number
  /** addr_gen_mode: 0 by the MAC, 1 none, 2 and 3 by a secret. */
  addrGenMode: number
  /** Ifindex of a veth's other end, or 0. */
  peer: number
  /** Ifindex of what it is enslaved to, or 0; and the table of the VRF that it is, or is in, or 0. */
  master: number
  masterKind: string
  l3Table: number
  /** False: it has never been up, and has no queueing discipline. */
  isActivated: boolean
  /** Null: not impaired. */
  netem: Netem | null
  /** What netem has sent and thrown away since it is there, and what waits in it. */
  qdiscStats: QdiscStats
  stats: LinkStats
}
export type LinkFilter = { ifindex?: number; kind?: string; isUp?: boolean; master?: number }

// ---- addresses

export type AddressKey = Pick<Ifaddr, 'ifindex' | 'family' | 'words' | 'prefixlen'>
export type AddressFilter = {
  family?: number
  ifindex?: number
  scope?: number
  to?: { family: number; words: Words; plen: number }
}

// ---- neighbours

export type NeighKey = { ifindex: number; words: Words }
/** A neighbour, or one that we answer for. */
export type EitherNeighKey = NeighKey & { isProxy?: boolean }
export type NeighChange = NeighKey & {
  lladdr: Mac | null
  /** NUD_* */
  state: number
  /** NTF_* */
  flags: number
}
export type NeighInfo = NeighChange & {
  /** Seconds. */
  used: number
  confirmed: number
  updated: number
  probes: number
}
export type NeighFilter = {
  /** Those that we answer for, and no others. */
  isProxy?: boolean
  family?: number
  ifindex?: number
  words?: Words
  /** NUD_* bits; 0 is NUD_NONE. */
  states?: number
}

// ---- multicast addresses

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

// ---- multicast routes

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

// ---- sockets

export type SockEnd = { words: Words; port: number }
export type SockFilter = {
  kinds?: readonly number[]
  family?: number
  /** ss's names: a protocol says the state of its sockets itself. */
  state?: readonly string[]
  local?: Partial<SockEnd>
  peer?: Partial<SockEnd>
  cookie?: number
  worker?: number
}
export type Sock = {
  /** As inet_diag is asked for it: IPPROTO_TCP, IPPROTO_UDP, IPPROTO_RAW; IPPROTO_ICMP is a ping socket, 0 a packet socket. */
  kind: number
  /** SOCK_* */
  type: number
  family: number
  local: SockEnd
  peer: SockEnd
  /** 0: bound to none. */
  dev: number
  cookie: number
  worker: number
  hash: number
  v6only: boolean
  mark: number
  /** RCV_SHUTDOWN, SEND_SHUTDOWN */
  shutdown: number
  rmem: number
  rcvbuf: number
  wmem: number
  sndbuf: number
  drops: number
  info: SockInfo
}
export type Flow = {
  worker: number
  hash: number
  protocol: number
  src: Words
  dst: Words
  sport: number
  dport: number
  dev: number
  packets: number
  /** Milliseconds since the last one. */
  last: number
}

// ---- what is measured, and sysctls: these have names

export type SysctlItem = { name: string; value: number | string }
/** softnet_stat's columns, and ours. */
export type WorkerItem = WorkerStat
/** `worker` is what each worker has of it; nic threads drop too. */
type Dropped = { count: number; worker: number[] }
/** `devices`: where they were then; a packet may have none, or one that is gone. */
export type Drops = Dropped & { reason: string; devices: (Dropped & { ifindex: number })[] }
export type SkbItem = {
  thread: number
  role: string
  skbs_free: number
  small_free: number
  large_free: number
}
/** What one holder has of packet memory and may have, all workers together; bytes are truesize, small and large are slots. */
export type HolderItem = {
  holder: string
  bytes: number
  bound: number
  small: number
  small_bound: number
  large: number
  large_bound: number
  /** Bytes of each worker. */
  worker: number[]
  /** The holder whose bound this one shares. */
  within?: string
}
type PoolItem = SkbItem & {
  skbs: number
  small: number
  large: number
  /** What the holders together can never have. */
  small_reserve: number
  large_reserve: number
}
/** What the routes of one family have of control's memory, in bytes, for each prefix. */
type PrefixMemory = { prefixes: number; bytes: number }
/** What routes take: their tries and rows in shared memory, and how much of it they may have; rows are those of next hops. */
type FibMemory = {
  bytes: number
  bound: number
  tables: number
  tables_bound: number
  nexthops: number
  nexthops_bound: number
  nexthop_buckets: number
  nexthop_buckets_bound: number
  inet: PrefixMemory
  inet6: PrefixMemory
}
export type MemoryItem = {
  held: number
  bound: number
  holders: HolderItem[]
  /** Packets on their way from thread to thread, and how many of them one thread may have for another when memory is short. */
  backlog: { packets: number; bound: number }
  pools: PoolItem[]
  fib: FibMemory
}

// ---- steering (ethtool, sysfs)

export type RssChange = {
  ifindex: number
  /** At most one of these four. */
  equal?: number
  weight?: readonly number[]
  isDefault?: boolean
  indirection?: readonly number[]
  key?: Uint8Array
}
export type Rss = { indirection: number[]; key: Uint8Array }
/** What of a device's steering is not as it came. */
export type SteeringSet = {
  combined?: number
  /** The table as it comes; else as it is. */
  isDefault?: boolean
  indirection?: number[]
  key?: Uint8Array
  /** Fields of the flow types that have others. */
  hash: { flow: number; fields: number }[]
  /** NETIF_F_* bits: changed, and of them those that are on. */
  changed: number
  active: number
  rps: Rps
}
export type Channels = { combinedMax: number; combined: number }
/** NETIF_F_* bits: those that are on, and those that the device can do. */
export type Features = { active: number; can: number }
/** Several bits stand for one word (tso: both families'): of those the device has what it can. */
export type FeatureChange = { bits: number; isOn: boolean }
export type Rps = {
  /** Bit i is worker i. */
  cpus: number
  flowCnt: number
}

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
