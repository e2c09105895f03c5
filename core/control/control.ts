/**
 * The control plane of one stack: takes messages in numbers (rtnetlink.ts), runs each on the part it is for, publishes
 * what it changed and answers when every worker works with it; tells watchers. The control thread's only entrance;
 * text/control.ts is how people and programs speak to it. Linux: net/netlink/af_netlink.c, rtnetlink.c.
 */
import type { Allocate } from '../inet/fib/writer/fib-prefixes.ts'
import { createTime, setTime } from '../base/time.ts'
import { SOFT_KINDS } from '../dev/kinds/kinds.ts'
import type { LinkKind } from '../dev/kinds/link-kind.ts'
import { createLearned } from '../inet/dst/learned.ts'
import { createFibReader } from '../inet/fib/fib.ts'
import { createRoute } from '../inet/fib/route.ts'
import { INIT_NET } from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import type { IpiSystem } from '../shm/ipi.ts'
import { createIpi, Ipi, Notify } from '../shm/ipi.ts'
import { setSysctlDefaults } from '../shm/sysctl.ts'
import { createAddresses } from './address/addresses.ts'
import type { DryRun } from '../stack/dry-run.ts'
import type { Outcome, Refused } from './rtnl/answers.ts'
import { changed, isRefused, told } from './rtnl/answers.ts'
import { createCalls } from './rtnl/calls.ts'
import { createCaptures } from './diag/captures.ts'
import { createDevConf } from './devconf.ts'
import { createEthtool } from './ethtool.ts'
import { createFindings } from './address/findings.ts'
import { writeVrfRoots } from './l3mdev.ts'
import { createLinks } from './links/links.ts'
import { createMaddrs } from './address/maddrs.ts'
import { createMemory } from './diag/memory.ts'
import { createMroutes } from './routes/mroutes.ts'
import { createNeigh } from './address/neigh.ts'
import { createNetns, type Nets } from './netns.ts'
import { createNexthopBuckets } from './routes/nexthop-buckets.ts'
import { createNexthopObjects } from './routes/nexthops.ts'
import { createNotes } from './rtnl/notes.ts'
import { createPneighs } from './address/pneighs.ts'
import { createPublisher } from './rtnl/publish.ts'
import type { RibRoute } from './rib/rib-route.ts'
import type { SeenRoute } from './routes/route-expiry.ts'
import { createRouteGet } from './routes/route-get.ts'
import { createRoutes } from './routes/routes.ts'
import { createRules } from './routes/rules.ts'
import type {
  DumpItem,
  DumpOf,
  DumpType,
  MessageOf,
  Notification,
  RouteMessage,
  WatchKind,
} from './rtnetlink.ts'
import { NLM_F_APPEND, NLM_F_CREATE } from './nlm-flags.ts'
import { createPatience, createRtnl, type Rtnl } from './rtnl/rtnl.ts'
import type { SockInfo } from '../socket/sock-info.ts'
import { createRowWatch } from './rtnl/row-watch.ts'
import { createSocketDump } from './diag/sockets.ts'
import { createStats } from './diag/stats.ts'
import { createSysctls } from './sysctls.ts'
import { createTables } from './tables.ts'
import {
  type Changes,
  createTransactions,
  type Reads,
  type SlowChanges,
} from './rtnl/transactions.ts'

export type ControlDeps = {
  /** A fresh arena: control sets up all that is control's in it. */
  arena: Arena
  /** Memory of control's own for tables that are mostly empty: zero, and what is not written takes none. */
  allocate?: Allocate
  /** Microseconds of the workers' clock. */
  nowUs: () => number
  /** Wakes a thread that sleeps. */
  wake: (thread: number) => void
  /** The control thread's end of the calls, where it has one already. */
  ipi?: IpiSystem
  /** What `ip link add ... type KIND` can make: the same list as its stacks'. */
  kinds?: readonly LinkKind[]
  /** Has that thread come to its end? */
  hasEnded?: (thread: number) => boolean
  /** By IPPROTO_*: what the protocol says of a socket (ss -i). */
  sockInfo?: Record<number, (sk: number) => SockInfo>
  /** The way of a made-up packet (createDryRun); absent where nobody asks for it. */
  dryRun?: DryRun
  /** The other nets of the daemon, where it can have some. */
  nets?: Nets
  /** The lock of changes, where several nets have one: a change of one may be a change of another as well. */
  rtnl?: Rtnl
  random: () => number
  /** Resolves after a moment in which the other threads have run. */
  pause: () => Promise<void>
}
type Dumps = {
  [T in DumpType]: (filter: DumpOf<T>['filter']) => Iterable<DumpItem<T>[]> | Refused
}
export type ControlPlane = ReturnType<typeof createControl>

export const createControl = (deps: ControlDeps) => {
  const { arena, nowUs, wake, random, pause, sockInfo = {} } = deps
  const { kinds = SOFT_KINDS, hasEnded = () => false, rtnl = createRtnl() } = deps
  const { layout } = arena
  const ipi = deps.ipi ?? createIpi(arena, layout.controlThread, wake)
  const time = createTime()
  const nowMs = (): number => nowUs() / 1000
  setSysctlDefaults(arena)
  const { publish, raise, settle, retire, reclaim, revision, appliedBy } = createPublisher({
    arena,
    kick: ipi.kick,
    pause,
  })

  const notes = createNotes()
  const { note, isWatched } = notes
  /** Have routes or addresses been written, by whatever? */
  let hasWritten = false

  // ---- the parts

  /** What undoes the route changes of an atomic batch, while one runs. */
  let journal: { event: 'new' | 'del'; route: RibRoute }[] | null = null
  const tables = createTables({
    arena,
    allocate: deps.allocate,
    retire,
    reclaim,
    ipi,
    ifindexOf: (name) => links.ifindexOf(name),
    nowMs,
    random,
    onRoute: (event, route, isTold) => {
      hasWritten = true
      journal?.push({ event, route })
      if (isTold) note('route', event, () => routes.seen(route))
    },
    onAddress: (event, at) => {
      hasWritten = true
      note('address', event, () => at)
    },
    onFamilyEnd: (ifindex, family) => {
      pneighs.familyDown(ifindex, family)
      ipi.send(0, Ipi.NEIGH_IFDOWN, ifindex, family)
    },
  })
  const { rib, fib, nexthops, objects, fibRules, routeExpiry, ifaddrs, addrconf } = tables
  const links = createLinks({
    arena,
    kinds,
    hasEnded,
    addresses: {
      ...ifaddrs,
      deviceDown: (ifindex) => {
        pneighs.deviceDown(ifindex)
        ifaddrs.deviceDown(ifindex)
      },
    },
    random,
    publish,
    within: createPatience(nowUs, pause),
    retire,
    initSteering: (ifindex, channels) => ethtool.initSteering(ifindex, channels),
    l3MasterMade: (ifindex) => {
      writeVrfRoots(arena, ifindex)
      rules.addL3mdevRules()
    },
    announceDown: (ifindex) => {
      for (let thread = 0; thread < layout.appThread; thread++)
        ipi.send(thread, Ipi.DEV_DOWN, ifindex)
    },
    mtuChanged: rib.mtuChanged,
    announceUp: (ifindex) => void ipi.send(0, Ipi.DEV_UP, ifindex),
    announceCarrierDown: (ifindex) => {
      for (let thread = 0; thread < layout.appThread; thread++)
        ipi.send(thread, Ipi.DEV_DOWN, ifindex, 1)
    },
    onEvent: (event, ifindex) => {
      if (event === 'del') {
        maddrs.deviceGone(ifindex)
        pneighs.deviceDown(ifindex)
        mroutes.deviceGone(ifindex)
      }
      fibRules.devicesChanged()
      nexthopObjects.devicesChanged()
      rib.devicesChanged()
      note('link', event, () => links.item(ifindex))
    },
  })
  const calls = createCalls({ arena, ipi, pause, nowUs })
  const ethtool = createEthtool({ arena, links, random })
  const addresses = createAddresses({ ifaddrs, isDevice: links.isDevice })
  const fibReader = createFibReader(arena, INIT_NET)
  const route = createRoute({
    arena,
    time,
    thread: layout.controlThread,
    neighState: (dev, addr) => neigh.stateOf(dev, addr),
    fib: fibReader,
  })
  const learned = createLearned(arena, time)
  const routeGet = createRouteGet({ arena, route, fib: fibReader, calls, ...learned })
  const routes = createRoutes({
    arena,
    rib,
    objects,
    isDevice: links.isDevice,
    hasCarrier: links.hasCarrier,
    more: routeExpiry.more,
    keep: routeExpiry.keep,
  })
  const buckets = createNexthopBuckets({
    arena,
    nowMs,
    onMove: (bucket) => note('nexthop_bucket', 'new', () => bucket),
    retire,
    reclaim,
  })
  const nexthopObjects = createNexthopObjects({
    arena,
    objects,
    buckets,
    rib,
    check: routes.check,
    isDevice: links.isDevice,
    hasCarrier: links.hasCarrier,
    onEvent: (event, one) => {
      hasWritten = true
      note('nexthop', event, () => one)
    },
    isWatched,
  })
  const rules = createRules({
    net: INIT_NET,
    fibRules,
    tableIds: rib.tableIds,
    onEvent: (event, rule) => note('rule', event, () => rule),
  })
  const pneighs = createPneighs({ arena, answerFor: tables.answerFor })
  const neigh = createNeigh({ arena, time, calls, isDevice: links.isDevice, pneighs })
  const devConf = createDevConf({
    arena,
    links,
    switched6: ifaddrs.switched6,
    linkdownIgnored: rib.devicesChanged,
    forwardingChanged: () => {
      ifaddrs.forwardingChanged()
      addrconf.forwardingChanged()
    },
  })
  const sysctls = createSysctls({ arena, devConf })
  const maddrs = createMaddrs({ arena, time, isDevice: links.isDevice, list: links.list })
  const mroutes = createMroutes({ arena, time, isDevice: links.isDevice, list: links.list })
  const sockets = createSocketDump({ arena, calls, sockInfo })
  const netns = createNetns({
    nets: deps.nets,
    delLink: links.delLink,
    onEvent: (event, item) => note('netns', event, () => item),
  })
  const captures = createCaptures({ arena, nowUs, retire, raise, publish })
  const stats = createStats({ arena, time, socketsOf: sockets.count })
  const { memory } = createMemory({ arena, fib, nexthops, buckets, pools: stats.pools })

  const dumps: Dumps = {
    RTM_GETROUTE: routes.dump,
    RTM_GETRULE: rules.dump,
    RTM_GETNEXTHOP: nexthopObjects.dump,
    RTM_GETNEXTHOPBUCKET: nexthopObjects.dumpBuckets,
    RTM_GETLINK: links.dump,
    RTM_GETADDR: addresses.dump,
    RTM_GETNEIGH: neigh.dump,
    RTM_GETMULTICAST: maddrs.dump,
    RTM_GETMROUTE: mroutes.dump,
    MVIF: mroutes.dumpVifs,
    NETNS: netns.dump,
    SOCK_DIAG: sockets.dump,
    SYSCTL: sysctls.dump,
    WORKER: stats.workerDump,
    DROPS: stats.dropDump,
    FLOWS: stats.flowDump,
    SKBS: stats.skbDump,
  }
  const dump = <T extends DumpType>(request: DumpOf<T>): Iterable<DumpItem<T>[]> | Refused => {
    setTime(time, nowUs())
    return dumps[request.type](request.filter)
  }

  const changeRoute = (message: RouteMessage): Outcome<SeenRoute> =>
    message.type === 'RTM_NEWROUTE' ? routes.newRoute(message) : routes.delRoute(message)
  /** Changes of routes, all or none. It runs in one turn, so nobody who asks sees half of it. */
  const atomicRoutes = (messages: readonly RouteMessage[]): Refused | null => {
    const undo: NonNullable<typeof journal> = []
    const undoNotes = notes.mark()
    journal = undo
    for (const [index, message] of messages.entries()) {
      const outcome = changeRoute(message)
      if (!isRefused(outcome)) continue
      journal = null
      for (const { event, route } of undo.toReversed()) {
        if (event === 'new') rib.remove(route)
        else rib.add(route, NLM_F_CREATE | NLM_F_APPEND)
      }
      undoNotes()
      return { ...outcome, index }
    }
    journal = null
    return null
  }
  const routeBatch = ({
    messages,
    atomic,
  }: MessageOf<'ROUTE_BATCH'>): Outcome<(Refused | null)[]> => {
    if (atomic) return atomicRoutes(messages) ?? changed([])
    return changed(
      messages.map((message) => {
        const outcome = changeRoute(message)
        return isRefused(outcome) ? outcome : null
      })
    )
  }

  const reads: Reads = {
    RTM_GETROUTE: routeGet.getRoute,
    RTM_GETNEXTHOP: nexthopObjects.getNexthop,
    RTM_GETNEXTHOPBUCKET: nexthopObjects.getBucket,
    RTM_GETLINK: links.getLink,
    RTM_GETNEIGH: neigh.getNeigh,
    SOCK_GET: sockets.get,
    ETHTOOL_MSG_RSS_GET: ethtool.rssGet,
    ETHTOOL_MSG_CHANNELS_GET: ethtool.channelsGet,
    ETHTOOL_MSG_FEATURES_GET: ethtool.featuresGet,
    ETHTOOL_MSG_RINGS_GET: ethtool.noRings,
    ETHTOOL_MSG_STATS_GET: ethtool.statsGet,
    ETHTOOL_GRXFH: ethtool.flowHashGet,
    ETHTOOL_GDRVINFO: ethtool.drvinfo,
    RPS_GET: ethtool.rpsGet,
    SYSCTL_GET: sysctls.get,
    WORKER_GET: stats.workerGet,
    NSTAT_GET: stats.nstat,
    MEMORY_GET: memory,
  }
  const changes: Changes = {
    RTM_NEWROUTE: routes.newRoute,
    RTM_DELROUTE: routes.delRoute,
    RTM_NEWRULE: rules.newRule,
    RTM_DELRULE: rules.delRule,
    RTM_NEWNEXTHOP: nexthopObjects.newNexthop,
    RTM_DELNEXTHOP: nexthopObjects.delNexthop,
    RTM_NEWQDISC: links.newQdisc,
    RTM_DELQDISC: links.delQdisc,
    RTM_NEWADDR: addresses.newAddr,
    RTM_DELADDR: addresses.delAddr,
    RTM_NEWMULTICAST: maddrs.newMaddr,
    RTM_DELMULTICAST: maddrs.delMaddr,
    RTM_NEWMROUTE: mroutes.newMroute,
    RTM_DELMROUTE: mroutes.delMroute,
    MVIF_SET: mroutes.setVif,
    ROUTE_BATCH: routeBatch,
    ETHTOOL_MSG_RSS_SET: ethtool.rssSet,
    ETHTOOL_MSG_CHANNELS_SET: ethtool.channelsSet,
    ETHTOOL_MSG_FEATURES_SET: ethtool.featuresSet,
    ETHTOOL_MSG_RINGS_SET: ethtool.noRings,
    ETHTOOL_SRXFH: ethtool.flowHashSet,
    RPS_SET: ethtool.rpsSet,
    SYSCTL_SET: sysctls.set,
  }
  const slowChanges: SlowChanges = {
    RTM_NEWLINK: links.newLink,
    RTM_DELLINK: links.delLink,
    RTM_NEWNEIGH: neigh.newNeigh,
    RTM_DELNEIGH: neigh.delNeigh,
    NEIGH_FLUSH: neigh.flush,
    RT_CACHE_FLUSH: routeGet.flushCache,
    SOCK_DESTROY: sockets.destroy,
    NETNS_NEW: netns.newNetns,
    NETNS_DEL: netns.delNetns,
  }

  const { isRead, transaction, inside, apply, byItself, tellBehind } = createTransactions({
    reads,
    changes,
    slowChanges,
    rtnl,
    notes,
    setClock: () => setTime(time, nowUs()),
    raise,
    settle,
    revision,
    appliedBy,
  })
  /** Ends devices whose other ends are gone with their nets, or from them. */
  const reap = () =>
    transaction(async (run) => {
      for (const ifindex of deps.nets?.gone() ?? []) await run({ type: 'RTM_DELLINK', ifindex })
      return told(null)
    })
  const { workers } = layout.config
  const rowWatch = createRowWatch({
    i32: arena.i32,
    sockets,
    stats,
    workers,
    isWatched,
    tellBehind,
    nowMs,
  })
  const subscribe = (
    kinds: readonly WatchKind[],
    fn: (note: Notification) => void
  ): (() => void) => {
    const unwatch = notes.watch(kinds, fn)
    rowWatch.lookNow()
    return unwatch
  }
  ipi.on(Ipi.NOTIFY, (_from, kind, isGone, ifindex, a0, a1, a2, a3) => {
    if (kind === Notify.DEVICE) links.failed(ifindex, a0, a1)
    if (kind !== Notify.NEIGH || !isWatched('neigh')) return
    const item = neigh.noted(ifindex, [a0, a1, a2, a3], isGone !== 0)
    tellBehind({ kind: 'neigh', event: isGone !== 0 ? 'del' : 'new', item })
  })
  const writeFindings = createFindings({ ipi, ifaddrs, addrconf })
  /** What changes though nobody asks for it: the devices' other sides, what CPU 0 has found out, what has had its time. */
  const changeByItself = (): boolean => {
    hasWritten = false
    const hasLooked = links.look()
    writeFindings()
    ifaddrs.expire()
    routeExpiry.expire()
    buckets.expire()
    return hasLooked || hasWritten
  }
  let polledRevision = 0
  /**
   * Takes in what other threads have sent and frees what they let go; the control thread's loop, now and then. True when
   * something has happened since the last time, or somebody watches what has to be looked at.
   */
  const poll = (): boolean => {
    const ran = ipi.run()
    byItself(changeByItself)
    rowWatch.look()
    reclaim()
    setTime(time, nowUs())
    stats.sample()
    const hasChanged = revision() !== polledRevision
    polledRevision = revision()
    return ran > 0 || hasChanged || rowWatch.isOn()
  }

  links.boot()
  const { ifindexOf, nameOf } = links
  return {
    transaction,
    inside,
    reap,
    apply,
    isRead,
    dump,
    subscribe,
    capture: captures.open,
    steeringSet: ethtool.steeringSet,
    dryRun: deps.dryRun,
    takerOf: sockets.takerOf,
    revision,
    publish,
    appliedBy,
    kinds,
    ifindexOf,
    nameOf,
    poll,
    close: links.close,
  }
}
