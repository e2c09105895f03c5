/**
 * A control plane of plain arrays for tests of the API and the command line: enough of the kernel's answers (File exists,
 * No such process, Cannot find device) to see that they arrive.
 */
import {
  type Control,
  type LinkItem,
  type Message,
  type NeighItem,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  type Notification,
  type RouteItem,
  type RouteSpec,
  type SockItem,
  type WatchKind,
  type WorkerItem,
} from '../../../core/control/messages.ts'

const EEXIST = 17
const ENODEV = 19
const ENOENT = 2
const ESRCH = 3
const EINVAL = 22
const FOREVER = 4294967295

export const makeLink = (
  ifindex: number,
  ifname: string,
  more: Partial<LinkItem> = {}
): LinkItem => ({
  ifindex,
  ifname,
  flags: ['BROADCAST', 'MULTICAST', 'UP', 'LOWER_UP'],
  mtu: 1500,
  qdisc: 'noqueue',
  operstate: 'UP',
  linkmode: 'DEFAULT',
  group: 'default',
  txqlen: 1000,
  link_type: 'ether',
  address: '66:61:bd:5e:22:a2',
  broadcast: 'ff:ff:ff:ff:ff:ff',
  promiscuity: 0,
  allmulti: 0,
  num_tx_queues: 2,
  num_rx_queues: 2,
  gso_max_size: 65536,
  linkinfo: { info_kind: 'veth' },
  stats64: {
    rx: { bytes: 90, packets: 1, errors: 0, dropped: 0, over_errors: 0, multicast: 0 },
    tx: { bytes: 110, packets: 1, errors: 0, dropped: 0, carrier_errors: 0, collisions: 0 },
  },
  ...more,
})

const loopback = (): LinkItem => {
  const { linkinfo: _, ...lo } = makeLink(1, 'lo', {
    flags: ['LOOPBACK', 'UP', 'LOWER_UP'],
    mtu: 65536,
    operstate: 'UNKNOWN',
    link_type: 'loopback',
    address: '00:00:00:00:00:00',
    broadcast: '00:00:00:00:00:00',
  })
  return lo
}

export const makeRoute = (dst: string, more: Partial<RouteItem> = {}): RouteItem => ({
  type: 'unicast',
  dst,
  table: 'main',
  protocol: 'boot',
  scope: 'global',
  flags: [],
  family: 'inet',
  ...more,
})

export const makeSock = (more: Partial<SockItem> = {}): SockItem => ({
  netid: 'tcp',
  family: 'inet',
  state: 'ESTAB',
  recv_q: 0,
  send_q: 0,
  local: { addr: '127.0.0.1', port: 7777 },
  peer: { addr: '127.0.0.1', port: 49496 },
  sk: '2',
  worker: 0,
  hash: '1a2b3c4d',
  skmem: { rmem_alloc: 0, rcv_buf: 131072, wmem_alloc: 0, snd_buf: 3939840, sock_drop: 0 },
  ...more,
})

const makeWorker = (cpu: number): WorkerItem => ({
  processed: 47522,
  dropped: 0,
  time_squeeze: 1,
  received_rps: 255,
  flow_limit_count: 0,
  backlog_len: 3,
  cpu,
  input_qlen: 2,
  process_qlen: 1,
  calls: 100,
  vectors: 250,
  vectors_per_call: 2.5,
  busy_ratio: 0.25,
  steered: 0,
  sockets: 2,
  restarts: 0,
  sleeping: false,
  running: true,
  heartbeat: 7,
})

export const createFakeControl = () => {
  let revision = 7
  const links = [
    loopback(),
    makeLink(2, 'veth1', { link: 'veth0', address: '7e:be:de:5d:c0:9c' }),
    makeLink(3, 'veth0', { link: 'veth1' }),
  ]
  const addresses = [
    {
      dev: 'lo',
      family: 'inet' as const,
      local: '127.0.0.1',
      prefixlen: 8,
      scope: 'host',
      label: 'lo',
    },
    { dev: 'lo', family: 'inet6' as const, local: '::1', prefixlen: 128, scope: 'host' },
    {
      dev: 'veth0',
      family: 'inet' as const,
      local: '10.1.0.254',
      prefixlen: 24,
      scope: 'global',
      label: 'veth0',
    },
    {
      dev: 'veth0',
      family: 'inet' as const,
      local: '10.1.0.253',
      prefixlen: 24,
      broadcast: '10.1.0.255',
      scope: 'global',
      secondary: true,
      label: 'veth0',
    },
    { dev: 'veth0', family: 'inet6' as const, local: 'fd00:1::1', prefixlen: 64, scope: 'global' },
  ]
  const routes: RouteItem[] = [
    makeRoute('default', { gateway: '10.1.0.1', dev: 'veth0' }),
    makeRoute('10.1.0.0/24', {
      dev: 'veth0',
      protocol: 'kernel',
      scope: 'link',
      prefsrc: '10.1.0.254',
    }),
    makeRoute('10.5.0.0/16', {
      dev: 'veth0',
      scope: 'link',
      prefsrc: '10.1.0.254',
      metrics: [{ mtu: 1400 }],
    }),
    makeRoute('10.7.0.0/16', { type: 'unreachable' }),
    makeRoute('10.9.0.0/16', {
      gateway: '10.1.0.1',
      dev: 'veth0',
      protocol: 'static',
      metric: 100,
    }),
    makeRoute('10.1.0.254', {
      type: 'local',
      dev: 'veth0',
      table: 'local',
      protocol: 'kernel',
      scope: 'host',
      prefsrc: '10.1.0.254',
    }),
    {
      type: 'unicast',
      dst: 'fd00:1::/64',
      dev: 'veth0',
      table: 'main',
      protocol: 'kernel',
      metric: 256,
      flags: [],
      pref: 'medium',
      family: 'inet6',
    },
  ]
  const neighs: NeighItem[] = [
    {
      dst: '10.1.0.5',
      dev: 'veth0',
      lladdr: '02:00:00:00:00:05',
      state: ['PERMANENT'],
      used: 1,
      confirmed: 2,
      updated: 3,
      probes: 0,
    },
    {
      dst: '10.1.0.6',
      dev: 'veth0',
      lladdr: '02:00:00:00:00:06',
      state: ['REACHABLE'],
      refcnt: 1,
      used: 0,
      confirmed: 0,
      updated: 0,
      probes: 1,
    },
    { dst: 'fd00:1::5', dev: 'veth0', lladdr: '02:00:00:00:00:05', router: true, state: ['STALE'] },
  ]
  const socks: SockItem[] = [
    makeSock({ state: 'LISTEN', send_q: 5, peer: { addr: '0.0.0.0', port: 0 }, sk: '1' }),
    makeSock({ recv_q: 500 }),
    makeSock({
      local: { addr: '127.0.0.1', port: 49496 },
      peer: { addr: '127.0.0.1', port: 7777 },
      sk: '3',
      worker: 1,
    }),
    makeSock({
      netid: 'udp',
      state: 'UNCONN',
      local: { addr: '0.0.0.0', port: 53 },
      peer: { addr: '0.0.0.0', port: 0 },
      sk: '4',
    }),
    makeSock({
      netid: 'udp',
      family: 'inet6',
      state: 'UNCONN',
      local: { addr: '::', port: 54 },
      peer: { addr: '::', port: 0 },
      sk: '5',
    }),
  ]
  const sysctls = new Map<string, number | string>([
    ['net.ipv4.ip_forward', 1],
    ['net.ipv4.ip_default_ttl', 64],
    ['net.ipv4.tcp_rmem', '4096\t131072\t6291456'],
  ])
  const counters: Record<string, number> = {
    IpInReceives: 5,
    IpInHdrErrors: 0,
    IcmpInMsgs: 0,
    TcpActiveOpens: 1,
    TcpCurrEstab: 2,
    UdpInDatagrams: 9,
    Ip6InReceives: 4,
    TcpExtSyncookiesSent: 0,
    TcpExtTCPTimeouts: 3,
    IpExtInNoRoutes: 0,
    IpExtInOctets: 1276,
  }
  const asked: Message[] = []
  const listeners: { kinds: readonly WatchKind[]; fn: (note: Notification) => void }[] = []

  const notify = (kind: WatchKind, event: 'new' | 'del', item: unknown): void => {
    for (const { kinds, fn } of listeners) {
      if (kinds.includes(kind)) fn({ kind, event, item, revision } as Notification)
    }
  }
  const refuse = (error: number, message: string, field?: string) => ({
    error,
    message,
    ...(field === undefined ? {} : { field }),
  })
  const told = (item: unknown) => ({ error: 0, item, revision, applied_by: [0, 1] })
  const changed = (item: unknown) => {
    revision++
    return told(item)
  }
  const hasLink = (ifname: string): boolean => links.some((link) => link.ifname === ifname)
  const noDevice = (ifname: string) => refuse(ENODEV, `Cannot find device "${ifname}"`, 'dev')

  const newRoute = (flags: number, spec: RouteSpec) => {
    if (spec.dev !== undefined && !hasLink(spec.dev)) return noDevice(spec.dev)
    if (spec.gateway?.startsWith('99.'))
      return refuse(101, 'Error: Nexthop has invalid gateway.', 'gateway')
    const at = routes.findIndex(
      (r) =>
        r.dst === spec.dst &&
        r.table === String(spec.table ?? 'main') &&
        (r.metric ?? 0) === (spec.metric ?? 0)
    )
    if (at >= 0 && flags & NLM_F_EXCL)
      return refuse(EEXIST, 'RTNETLINK answers: File exists', 'dst')
    if (at < 0 && !(flags & NLM_F_CREATE))
      return refuse(ENOENT, 'RTNETLINK answers: No such file or directory', 'dst')
    const { table, protocol, scope, nexthops: _, ...rest } = spec
    const item = makeRoute(spec.dst, {
      ...rest,
      table: String(table ?? 'main'),
      protocol: String(protocol ?? 'boot'),
      scope: String(scope ?? 'global'),
      family: spec.dst.includes(':') ? 'inet6' : 'inet',
    })
    if (at >= 0 && flags & NLM_F_REPLACE) routes[at] = item
    else routes.push(item)
    const reply = changed(item)
    notify('route', 'new', item)
    return reply
  }

  const delRoute = (spec: RouteSpec) => {
    const at = routes.findIndex(
      (r) =>
        r.dst === spec.dst &&
        r.table === String(spec.table ?? 'main') &&
        (spec.metric === undefined || r.metric === spec.metric)
    )
    if (at < 0) return refuse(ESRCH, 'RTNETLINK answers: No such process', 'dst')
    const [item] = routes.splice(at, 1)
    const reply = changed(item)
    notify('route', 'del', item)
    return reply
  }

  const answer = (message: Message): unknown => {
    switch (message.type) {
      case 'RTM_NEWROUTE':
        return newRoute(message.flags, message.route)
      case 'RTM_DELROUTE':
        return delRoute(message.route)
      case 'RTM_GETROUTE':
        return message.dst.startsWith('8.')
          ? refuse(101, 'RTNETLINK answers: Network is unreachable', 'dst')
          : told({
              type: 'unicast',
              dst: message.dst,
              gateway: '10.1.0.1',
              dev: 'veth0',
              table: 'main',
              prefsrc: '10.1.0.254',
              flags: [],
              uid: 0,
              cache: [],
            })
      case 'RTM_GETLINK': {
        const link = links.find((one) => one.ifname === message.ifname)
        return link
          ? told(link)
          : refuse(ENODEV, `Device "${message.ifname}" does not exist.`, 'ifname')
      }
      case 'RTM_NEWLINK': {
        const at = links.findIndex((one) => one.ifname === message.link.ifname)
        if (at < 0 && !(message.flags & NLM_F_CREATE)) return noDevice(message.link.ifname)
        if (at >= 0 && message.flags & NLM_F_EXCL)
          return refuse(EEXIST, 'RTNETLINK answers: File exists', 'ifname')
        const item =
          at >= 0
            ? { ...links[at]!, mtu: message.link.mtu ?? links[at]!.mtu }
            : makeLink(9, message.link.ifname)
        if (at >= 0) links[at] = item
        else links.push(item)
        return changed(item)
      }
      case 'RTM_DELLINK': {
        const at = links.findIndex((one) => one.ifname === message.ifname)
        return at < 0 ? noDevice(message.ifname) : changed(links.splice(at, 1)[0])
      }
      case 'RTM_NEWADDR': {
        const { dev, local, prefixlen } = message.address
        if (!hasLink(dev)) return noDevice(dev)
        const known = addresses.some(
          (one) => one.dev === dev && one.local === local && one.prefixlen === prefixlen
        )
        if (known && message.flags & NLM_F_EXCL)
          return refuse(EEXIST, 'Error: ipv4: Address already assigned.', 'local')
        const item = { dev, family: 'inet' as const, local, prefixlen, scope: 'global', label: dev }
        if (!known) addresses.push(item)
        return changed(item)
      }
      case 'RTM_DELADDR': {
        const { dev, local, prefixlen } = message.address
        const at = addresses.findIndex(
          (one) => one.dev === dev && one.local === local && one.prefixlen === prefixlen
        )
        return at < 0
          ? refuse(99, 'Error: ipv4: Address not found.', 'local')
          : changed(addresses.splice(at, 1)[0])
      }
      case 'RTM_NEWNEIGH': {
        const { dev, dst, lladdr, state = 'PERMANENT' } = message.neigh
        if (!hasLink(dev)) return noDevice(dev)
        const at = neighs.findIndex((one) => one.dev === dev && one.dst === dst)
        if (at >= 0 && message.flags & NLM_F_EXCL)
          return refuse(EEXIST, 'RTNETLINK answers: File exists', 'dst')
        const item: NeighItem = { dst, dev, ...(lladdr && { lladdr }), state: [state] }
        if (at >= 0) neighs[at] = item
        else neighs.push(item)
        return changed(item)
      }
      case 'RTM_DELNEIGH': {
        const at = neighs.findIndex((one) => one.dst === message.neigh.dst)
        return at < 0
          ? refuse(ENOENT, 'RTNETLINK answers: No such file or directory', 'dst')
          : changed(neighs.splice(at, 1) && null)
      }
      case 'RTM_GETNEIGH': {
        const found = neighs.find((one) => one.dst === message.neigh.dst)
        return found
          ? told(found)
          : refuse(ENOENT, 'RTNETLINK answers: No such file or directory', 'dst')
      }
      case 'NEIGH_FLUSH': {
        const { state } = message.filter
        const kept = neighs.filter(
          (one) => state !== undefined && !one.state.some((s) => state.includes(s))
        )
        const flushed = neighs.length - kept.length
        neighs.splice(0, neighs.length, ...kept)
        return changed({ flushed })
      }
      case 'SOCK_GET': {
        const found = socks.find((one) => one.sk === message.cookie)
        return found
          ? told(found)
          : refuse(ENOENT, 'RTNETLINK answers: No such file or directory', 'cookie')
      }
      case 'SYSCTL_GET':
        return sysctls.has(message.name)
          ? told({ name: message.name, value: sysctls.get(message.name) })
          : refuse(ENOENT, `sysctl: cannot stat ${message.name}: No such file or directory`, 'name')
      case 'SYSCTL_SET':
        if (!sysctls.has(message.name))
          return refuse(ENOENT, 'RTNETLINK answers: No such file or directory', 'name')
        if (typeof message.value !== 'number')
          return refuse(EINVAL, 'RTNETLINK answers: Invalid argument', 'value')
        sysctls.set(message.name, message.value)
        return changed({ name: message.name, value: message.value })
      case 'WORKER_GET':
        return message.worker < 2
          ? told(makeWorker(message.worker))
          : refuse(ENOENT, 'Error: no such worker.', 'worker')
      case 'NSTAT_GET':
        return told(counters)
      case 'ETHTOOL_MSG_RSS_GET':
        return hasLink(message.ifname)
          ? told({
              ifname: message.ifname,
              'rss-indirection-table': Array.from({ length: 16 }, (_, i) => i % 2),
              'rss-hash-key': '6d:5a:56:da',
              'rss-hash-function': { toeplitz: true, xor: false, crc32: false },
            })
          : refuse(ENODEV, 'netlink error: No such device', 'ifname')
      case 'ETHTOOL_MSG_RSS_SET':
        return message.rss.equal === 99
          ? refuse(EINVAL, 'netlink error: Invalid argument', 'equal')
          : changed({ ifname: message.rss.ifname })
      case 'ETHTOOL_MSG_CHANNELS_GET':
        return told({
          ifname: message.ifname,
          'rx-max': 0,
          'tx-max': 0,
          'combined-max': 2,
          rx: 0,
          tx: 0,
          combined: 2,
        })
      case 'ETHTOOL_MSG_FEATURES_GET':
        return told({
          ifname: message.ifname,
          'rx-checksumming': { active: true, fixed: false, requested: true },
          'tx-tcp-segmentation': { active: false, fixed: true, requested: false },
        })
      case 'ETHTOOL_MSG_FEATURES_SET':
        return changed({ ifname: message.ifname })
      case 'ETHTOOL_MSG_STATS_GET':
        return told({ rx_queue_0_packets: 5 })
      case 'ETHTOOL_GDRVINFO':
        return told({ ifname: message.ifname, driver: 'veth', version: '1.0', 'bus-info': '' })
      case 'ETHTOOL_GRXFH':
        return told({
          ifname: message.ifname,
          'flow-type': message['flow-type'],
          fields: ['ip-src', 'ip-dst', 'l4-src', 'l4-dst'],
        })
      case 'CONFIG_GET':
        return told({ route: [{ dst: '10.9.0.0/16', gateway: '10.1.0.1' }] })
      case 'CONFIG_SET':
        return message.dry_run
          ? told([{ op: 'add', message: { type: 'RTM_DELLINK', ifname: 'x' } }])
          : changed([])
      case 'BATCH': {
        const before = [...routes]
        const replies = message.messages.map(answer) as { error: number; message?: string }[]
        const index = replies.findIndex((one) => one.error !== 0)
        if (!message.atomic || index < 0) return told(replies)
        routes.splice(0, routes.length, ...before)
        return { ...replies[index]!, index }
      }
      default:
        return refuse(95, 'RTNETLINK answers: Operation not supported')
    }
  }

  const dumps: Record<string, (filter: Record<string, unknown>) => unknown[]> = {
    RTM_GETROUTE: ({ table, dst, dev, family, protocol }) =>
      routes.filter(
        (r) =>
          (table === undefined || r.table === String(table)) &&
          (dst === undefined || r.dst === dst) &&
          (dev === undefined || r.dev === dev) &&
          (family === undefined || r.family === family) &&
          (protocol === undefined || r.protocol === protocol)
      ),
    RTM_GETLINK: ({ ifname }) =>
      links.filter((link) => ifname === undefined || link.ifname === ifname),
    RTM_GETADDR: ({ dev, family }) =>
      links
        .filter((link) => dev === undefined || link.ifname === dev)
        .map(
          ({
            ifindex,
            ifname,
            flags,
            mtu,
            qdisc,
            operstate,
            group,
            txqlen,
            link_type,
            address,
            broadcast,
            link,
          }) => ({
            ifindex,
            ...(link && { link }),
            ifname,
            flags,
            mtu,
            qdisc,
            operstate,
            group,
            txqlen,
            link_type,
            address,
            broadcast,
            addr_info: addresses
              .filter(
                (one) => one.dev === ifname && (family === undefined || one.family === family)
              )
              .map(({ dev: _, ...info }) => ({
                ...info,
                valid_life_time: FOREVER,
                preferred_life_time: FOREVER,
              })),
          })
        ),
    RTM_GETNEIGH: ({ dev, state }) =>
      neighs.filter(
        (one) =>
          (dev === undefined || one.dev === dev) &&
          (state === undefined || one.state.some((s) => (state as string[]).includes(s)))
      ),
    RTM_GETRULE: () => [{ priority: 0, src: 'all', table: 'local' }],
    SOCK_DIAG: ({ protocol, family }) =>
      socks.filter(
        (one) =>
          (protocol === undefined || (protocol as string[]).includes(one.netid)) &&
          (family === undefined || one.family === family)
      ),
    SYSCTL: () => [...sysctls].map(([name, value]) => ({ name, value })),
    WORKER: () => [makeWorker(0), makeWorker(1)],
    DROPS: () => [
      { reason: 'NO_SOCKET', count: 4, worker: [1, 3] },
      { reason: 'TCP_CSUM', count: 1, worker: [1, 0] },
    ],
    FLOWS: () => [
      {
        worker: 1,
        hash: '1a2b3c4d',
        protocol: 'tcp',
        src: '10.0.0.1',
        dst: '10.0.0.2',
        sport: 1,
        dport: 80,
        packets: 12,
      },
    ],
    SKBS: () => [{ thread: 0, role: 'worker', skbs_free: 10, small_free: 10, large_free: 2 }],
  }

  const control = {
    request: async (message: Message) => {
      asked.push(message)
      return answer(message)
    },
    // Chunks of two, so that what spans chunks is tested.
    dump: function* ({ type, filter = {} }: { type: string; filter?: Record<string, unknown> }) {
      const items = dumps[type]!(filter)
      for (let i = 0; i < items.length; i += 2) yield items.slice(i, i + 2)
    },
    subscribe: (kinds: readonly WatchKind[], fn: (note: Notification) => void) => {
      const one = { kinds, fn }
      listeners.push(one)
      return () => listeners.splice(listeners.indexOf(one), 1)
    },
    revision: () => revision,
  } as unknown as Control
  return { control, asked, notify, links, routes, neighs, socks, sysctls }
}
