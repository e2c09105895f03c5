/**
 * The control plane's messages in words: everything the API, the CLI and the configuration file ask for is one of these,
 * with iproute2's, ss's, ethtool's and nstat's JSON names as fields. Types alone; text/control.ts turns them into
 * the numbers of rtnetlink.ts and back, on the control thread.
 */
import type { Done } from '../answers.ts'
import type {
  DropItem,
  LinkStats,
  MemoryItem,
  NetnsItem as NetnsName,
  SkbItem,
  SysctlItem,
  WorkerItem,
} from '../rtnetlink.ts'
import type { SockTimer, TcpInfo } from '../../socket/sock-info.ts'

export type FamilyName = 'inet' | 'inet6'
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
export type NudState =
  | 'INCOMPLETE'
  | 'REACHABLE'
  | 'STALE'
  | 'DELAY'
  | 'PROBE'
  | 'FAILED'
  | 'NOARP'
  | 'PERMANENT'
  | 'NONE'

// ---- routes (ip route)

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

// ---- rules (ip rule)

/** What names and describes a rule, with the fields of `ip -j rule`; an address may be a prefix as well. */
export type RuleSpec = {
  /** Needed only where no address tells it. */
  family?: FamilyName
  /** Just before the rules that are there, when not given. */
  priority?: number
  not?: null | boolean
  src?: string
  srclen?: number
  dst?: string
  dstlen?: number
  tos?: string | number
  fwmark?: string | number
  fwmask?: string | number
  iif?: string
  oif?: string
  ipproto?: string | number
  sport?: number
  sport_start?: number
  sport_end?: number
  dport?: number
  dport_start?: number
  dport_end?: number
  /** main when no action, goto or nop is given either. */
  table?: string | number
  suppress_prefixlen?: number
  goto?: number
  nop?: null | boolean
  /** Each VRF's flows are led to its table. */
  l3mdev?: null | boolean
  action?: string
  protocol?: string | number
}
/** As `ip -j rule` prints it, and its family. */
export type RuleItem = RuleSpec & {
  priority: number
  src: string
  iif_detached?: null
  oif_detached?: null
  protocol: string
  family: FamilyName
}
export type RuleFilter = { family?: FamilyName }

// ---- nexthop objects (ip nexthop)

export type NexthopMember = {
  id: number
  /** 1 to 256; 1 when not given. */
  weight?: number
}
/** Timers in seconds. A new group says how many buckets it has; what is left out is as it was, or as Linux has it. */
export type ResilientSpec = { buckets?: number; idle_timer?: number; unbalanced_timer?: number }
/** What names and describes a nexthop object: a next hop, a blackhole, or a group of others. */
export type NexthopObjectSpec = {
  /** The next that is free, when not given. */
  id?: number
  /** Of one that names no gateway. */
  family?: FamilyName
  gateway?: string
  dev?: string
  /** 'onlink' */
  flags?: string[]
  blackhole?: null | boolean
  group?: NexthopMember[]
  /** Of a group. */
  type?: 'mpath' | 'resilient'
  /** Of a resilient one. */
  resilient_args?: ResilientSpec
  protocol?: string | number
}
/** As `ip -j -d nexthop` prints it, and its family. */
export type NexthopItem = {
  id: number
  group?: NexthopMember[]
  type?: 'resilient'
  /** With the seconds that it has been out of balance. */
  resilient_args?: Required<ResilientSpec> & { unbalanced_time: number }
  gateway?: string
  dev?: string
  scope: string
  blackhole?: null
  protocol: string
  flags: string[]
  /** Groups have none. */
  family?: FamilyName
}
export type NexthopFilter = {
  family?: FamilyName
  id?: number
  dev?: string
  groups?: boolean
  protocol?: string | number
}

/** A bucket of a resilient group: its member, and the seconds since something went that way. */
export type BucketItem = {
  id: number
  bucket: { index: number; idle_time: number; nhid: number }
  flags: string[]
}
export type BucketFilter = { family?: FamilyName; id?: number; dev?: string; nhid?: number }

// ---- links (ip link)

/** netem's words: percentages, times in microseconds, packets. */
export type Impairment = {
  loss?: number
  duplicate?: number
  reorder?: number
  corrupt?: number
  delay?: number
  jitter?: number
  limit?: number
}
export type LinkSpec = {
  ifname: string
  /** The number that a new one is to have. */
  ifindex?: number
  /** info_kind: needed to create. */
  kind?: string
  mtu?: number
  address?: string
  txqlen?: number
  up?: boolean
  promisc?: boolean
  allmulticast?: boolean
  arp?: boolean
  /** Rename to. */
  newname?: string
  /** The device to enslave it to; null: to none. */
  master?: string | null
  /** The network namespace that it is to be in. */
  netns?: string
  num_tx_queues?: number
  num_rx_queues?: number
  netem?: Impairment
  /** What the kind's driver takes: info_data. */
  data?: Record<string, unknown>
}
export type LinkItem = {
  ifindex: number
  ifname: string
  flags: string[]
  mtu: number
  min_mtu: number
  max_mtu: number
  qdisc: string
  /** The device that it is enslaved to. */
  master?: string
  operstate: string
  carrier_changes: number
  linkmode: string
  group: string
  txqlen: number
  link_type: string
  address: string
  broadcast: string
  promiscuity: number
  allmulti: number
  num_tx_queues: number
  num_rx_queues: number
  inet6_addr_gen_mode: string
  gso_max_size: number
  gso_max_segs: number
  tso_max_size: number
  tso_max_segs: number
  gro_max_size: number
  /** Name of a veth's peer, and where that is in another network namespace its number there and of the namespace here. */
  link?: string
  link_index?: number
  link_netnsid?: number
  /** That namespace's name; the daemon's own has none. */
  link_netns?: string
  linkinfo?: {
    info_kind: string
    info_data?: Record<string, unknown>
    info_xstats?: Record<string, unknown>
    info_slave_kind?: string
    info_slave_data?: Record<string, unknown>
  }
  netem?: Impairment
  stats64: LinkStats
}
// ---- addresses (ip addr)

export type AddressSpec = {
  dev: string
  local: string
  prefixlen: number
  broadcast?: string
  scope?: string | number
  label?: string
  /** 'noprefixroute', 'nodad', 'home' ... */
  flags?: string[]
  /** Seconds; 4294967295 is for ever. */
  valid_life_time?: number
  preferred_life_time?: number
}
export type AddressInfo = {
  family: FamilyName
  local: string
  prefixlen: number
  broadcast?: string
  scope: string
  /** ip -j prints flags as fields that are true. */
  secondary?: boolean
  temporary?: boolean
  nodad?: boolean
  optimistic?: boolean
  dadfailed?: boolean
  home?: boolean
  deprecated?: boolean
  tentative?: boolean
  dynamic?: boolean
  mngtmpaddr?: boolean
  noprefixroute?: boolean
  label?: string
  valid_life_time: number
  preferred_life_time: number
}
/** As `ip -j addr` prints it: a link with its addresses. */
export type AddressItem = Pick<
  LinkItem,
  | 'ifindex'
  | 'link'
  | 'link_index'
  | 'link_netnsid'
  | 'link_netns'
  | 'ifname'
  | 'flags'
  | 'mtu'
  | 'qdisc'
  | 'master'
  | 'operstate'
  | 'group'
  | 'txqlen'
  | 'link_type'
  | 'address'
  | 'broadcast'
> & { addr_info: AddressInfo[] }

// ---- neighbours (ip neigh)

export type NeighSpec = {
  dev: string
  dst: string
  lladdr?: string
  /** PERMANENT when not given, as `ip neigh add`. */
  state?: NudState
  flags?: string[]
}
/** A neighbour, or one that we answer for. */
export type NeighName = Pick<NeighSpec, 'dev' | 'dst'> & { proxy?: boolean }
export type NeighItem = {
  dst: string
  dev: string
  lladdr?: string
  state: NudState[]
  router?: boolean
  proxy?: boolean
  /** Seconds, as `ip -s neigh`. */
  used?: number
  confirmed?: number
  updated?: number
  probes?: number
  refcnt?: number
  protocol?: string
}
export type NeighFilter = {
  family?: FamilyName
  dev?: string
  state?: NudState[]
  dst?: string
  /** Those that we answer for on behalf of others, and no neighbours. */
  proxy?: boolean
}

// ---- multicast addresses (ip maddress)

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

// ---- multicast routes (ip mroute)

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

// ---- sockets (ss)

/** Whose port says their protocol, an ethertype, and whose device their link: packet sockets' netid, by their type. */
type PacketNetid = 'p_raw' | 'p_dgr'
/** icmp are ping sockets. */
export type SockProtocol = 'tcp' | 'udp' | 'raw' | 'icmp' | 'packet'
export type SockEnd = { addr: string; port: number }
export type SockFilter = {
  protocol?: SockProtocol[]
  family?: FamilyName
  /** ss's names: ESTAB, SYN-SENT, ..., LISTEN, UNCONN. */
  state?: string[]
  local?: Partial<SockEnd>
  peer?: Partial<SockEnd>
  cookie?: string
  worker?: number
}
/** Words every socket has; a tcp socket adds ss -i's, flat. */
export type SockItem = {
  netid: Exclude<SockProtocol, 'packet'> | PacketNetid
  family: FamilyName | 'packet'
  state: string
  recv_q: number
  send_q: number
  local: SockEnd
  peer: SockEnd
  dev?: string
  /** Cookie as ss -e prints it. */
  sk: string
  worker: number
  /** RSS hash, hexadecimal. */
  hash: string
  v6only?: boolean
  mark?: number
  /** 1: it reads no more; 2: it sends no more. */
  shutdown: number
  skmem: {
    rmem_alloc: number
    rcv_buf: number
    wmem_alloc: number
    snd_buf: number
    sock_drop: number
  }
  timer?: SockTimer
} & Partial<TcpInfo>

// ---- steering (ethtool)

export type RssItem = {
  ifname: string
  'rss-indirection-table': number[]
  'rss-hash-key': string
  'rss-hash-function': { toeplitz: boolean; xor: boolean; crc32: boolean }
}
export type RssSpec = {
  ifname: string
  equal?: number
  weight?: number[]
  default?: boolean
  hkey?: string
  'rss-indirection-table'?: number[]
}
export type ChannelsItem = {
  ifname: string
  'combined-max': number
  combined: number
  'rx-max': number
  rx: number
  'tx-max': number
  tx: number
}
export type FeatureItem = { active: boolean; fixed: boolean; requested: boolean }
export type FeaturesItem = { ifname: string } & Record<string, FeatureItem | string>
export type RingsItem = {
  ifname: string
  rx: number
  'rx-max': number
  tx: number
  'tx-max': number
}
/** Fields hashed for a flow type: 'ip-src' 'ip-dst' 'l4-src' 'l4-dst'. */
export type FlowHashItem = { ifname: string; 'flow-type': string; fields: string[] }
export type DrvinfoItem = { ifname: string; driver: string; version: string; 'bus-info': string }
export type RpsItem = { ifname: string; rps_cpus: string; rps_flow_cnt: number }

// ---- what is measured

export type FlowItem = { worker: number } & { [word: string]: unknown }
// ---- declarative configuration (contract.md section 2)

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
export type StackConfig = {
  link?: (LinkSpec & ConfigSteering & { addresses?: ConfigAddress[] })[]
  route?: RouteSpec[]
  rule?: RuleSpec[]
  nexthop?: NexthopObjectSpec[]
  neigh?: NeighSpec[]
  maddr?: MaddrSpec[]
  mroute?: MrouteSpec[]
  sysctl?: Record<string, number | string>
}
/** Where changes are kept before they are answered; a throw refuses the answer, not the change. */
export type KeepState = {
  append: (messages: readonly Message[]) => void
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
  RTM_GETLINK: { carries: { ifname: string }; item: LinkItem }
  RTM_NEWADDR: { carries: { flags: number; address: AddressSpec }; item: AddressInfo }
  RTM_DELADDR: {
    carries: { address: Pick<AddressSpec, 'dev' | 'local' | 'prefixlen'> }
    item: AddressInfo
  }
  RTM_NEWNEIGH: { carries: { flags: number; neigh: NeighSpec }; item: NeighItem }
  RTM_DELNEIGH: { carries: { neigh: NeighName }; item: null }
  RTM_GETNEIGH: { carries: { neigh: NeighName }; item: NeighItem }
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

// ---- answers

export type { Done, DropItem, LinkStats, MemoryItem, NetnsName, SkbItem, SysctlItem, WorkerItem }
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
}
export type WatchKind = keyof Watched
export type Notification = {
  [K in WatchKind]: { kind: K; event: 'new' | 'del'; item: Watched[K]; revision: number }
}[WatchKind]

// ---- captures

export type CaptureSpec = {
  /** A device; every one when it is left out, or "any". */
  dev?: string
  /** An expression as tcpdump takes it. */
  filter?: string
  /** Octets that are kept of a frame. */
  snaplen?: number
  direction?: 'in' | 'out' | 'inout'
  /** What dies unused is shown too, with its reason. */
  drops?: boolean
}
export type CaptureItem = {
  /** Microseconds of the clock that `Capturing.startUs` is of. */
  timeUs: number
  dev: string
  cpu: number
  direction: 'in' | 'out'
  /** Why it died; null for what did not. */
  drop: string | null
  /** Octets of the frame. */
  length: number
  /** Those that were kept; to be read before `take` returns. */
  bytes: Uint8Array
}
export type Capturing = {
  startUs: number
  /** Shows what has come, oldest first. */
  poll: () => void
  /** Frames, or stages of a trace, that found no room since it began. */
  lost: () => number
  close: () => void
}

// ---- traces

export type TraceSpec = {
  /** A device that the packets come in by; every one when it is left out, or "any". */
  dev?: string
  /** An expression as tcpdump takes it. */
  filter?: string
  /** How many packets are followed. */
  packets: number
}
export type Tracing = Capturing & {
  /** All the packets that it asks for have come to their ends, those included of which no stage found room. */
  isOver: () => boolean
}
export type DrySpec = {
  /** Device that it comes in by. */
  dev: string
  /** In words ("tcp 10.1.0.1:5000 > 10.2.0.1:80"), or a frame in hex. */
  packet: string
}
/** What a stage decided; which of the words are there depends on the stage. */
export type TraceStage = {
  stage: string
  /** Microseconds since the packet was first seen; a thread reads its clock once a turn. */
  at_us: number
  cpu: number
  /** It is of a packet that this one led to: an answer, an ICMP error, a question for a neighbour. */
  answer?: true
  /** In one line. */
  text: string
  [word: string]: unknown
}
export type TracedPacket = {
  dev: string
  /** As tcpdump words it. */
  frame: string
  stages: TraceStage[]
  /** What became of it. */
  verdict: string
}

// ---- the control plane, as its clients see it

export type Control = {
  request<M extends Message>(message: M): Promise<ReplyTo<M>>
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
  traceDry(spec: DrySpec): TracedPacket | Refused
  /** The last revision. */
  revision(): number
  /** What `ip link add ... type NAME` can make, and the words of `data` that each takes. */
  readonly kinds: readonly { readonly name: string; readonly data: readonly string[] }[]
}
