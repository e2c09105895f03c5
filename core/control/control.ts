/**
 * The control plane of one stack: takes messages (messages.ts), runs each on the part it is for, publishes what
 * it changed and answers when every worker works with it; tells watchers. The control thread's only entrance,
 * used by the API, the configuration file and simulations. Linux: net/netlink/af_netlink.c, rtnetlink.c.
 */
import { Errno } from '../base/errno.ts'
import { createTime, setTime } from '../base/time.ts'
import { createFibReader } from '../inet/fib.ts'
import { createFibWriter } from '../inet/fib-writer.ts'
import { createIfaddrs } from '../inet/ifaddr.ts'
import { createNexthops } from '../inet/nexthop.ts'
import { createRoute } from '../inet/route.ts'
import { INIT_NET } from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import type { IpiSystem } from '../shm/ipi.ts'
import { createIpi, Ipi, Notify } from '../shm/ipi.ts'
import { setSysctlDefaults } from '../shm/sysctl.ts'
import { createAddresses } from './addresses.ts'
import type { Outcome } from './answers.ts'
import { changed, chunks, isRefused, told } from './answers.ts'
import { createCalls } from './calls.ts'
import { createConfig } from './config.ts'
import { createEthtool } from './ethtool.ts'
import type { LinkDriver } from './links.ts'
import { createLinks } from './links.ts'
import type {
  ConfigStep,
  Control,
  DumpItem,
  DumpOf,
  DumpType,
  LinkItem,
  Message,
  MessageOf,
  MessageType,
  Notification,
  Refused,
  Reply,
  ReplyTo,
  WatchKind,
} from './messages.ts'
import { refuse } from './names.ts'
import { createNeigh } from './neigh.ts'
import { createPublisher } from './publish.ts'
import type { RibRoute } from './rib.ts'
import { createRib } from './rib.ts'
import { formatRoute } from './route-text.ts'
import { createRoutes } from './routes.ts'
import { createPatience, createRtnl } from './rtnl.ts'
import type { SockInfo } from '../socket/sock-info.ts'
import { createSocketDump } from './sockets.ts'
import { createStats } from './stats.ts'
import { createSysctls } from './sysctls.ts'

export type ControlDeps = {
  /** A fresh arena: control sets up all that is control's in it. */
  arena: Arena
  /** Microseconds of the workers' clock. */
  nowUs: () => number
  /** Wakes a thread that sleeps. */
  wake: (thread: number) => void
  /** The control thread's end of the calls, where it has one already. */
  ipi?: IpiSystem
  /** By kind, as `ip link add ... type KIND`; lo and veth need none. */
  drivers?: Record<string, LinkDriver>
  /** By IPPROTO_*: what the protocol says of a socket (ss -i). */
  sockInfo?: Record<number, (sk: number) => SockInfo>
  random: () => number
  /** Resolves after a moment in which the other threads have run. */
  pause: () => Promise<void>
}
/** Messages that change nothing: they need not wait for a change that is under way. */
type Reads = {
  [T in ReadType]: (message: MessageOf<T>) => Outcome<unknown>
}
/** Changes of shared memory alone. */
type Changes = {
  [T in ChangeType]: (message: MessageOf<T>) => Outcome<unknown>
}
/** Changes that wait for a device, for another thread, or for other messages. */
type SlowChanges = {
  [T in Exclude<MessageType, ReadType | ChangeType>]: (
    message: MessageOf<T>
  ) => Promise<Outcome<unknown>>
}
type ReadType =
  | Extract<MessageType, `RTM_GET${string}` | `${string}_GET`>
  | 'ETHTOOL_GRXFH'
  | 'ETHTOOL_GDRVINFO'
type ChangeType =
  | `RTM_${'NEW' | 'DEL'}${'ROUTE' | 'ADDR' | 'RULE'}`
  | `ETHTOOL_MSG_${'RSS' | 'CHANNELS' | 'FEATURES' | 'RINGS'}_SET`
  | 'ETHTOOL_SRXFH'
  | 'RPS_SET'
  | 'SYSCTL_SET'
type Dumps = { [T in DumpType]: (filter: DumpOf<T>['filter']) => Iterable<DumpItem<T>[]> }

export type ControlPlane = ReturnType<typeof createControl>

export const createControl = (deps: ControlDeps) => {
  const { arena, nowUs, wake, random, pause, drivers = {}, sockInfo = {} } = deps
  const { layout } = arena
  const ipi = deps.ipi ?? createIpi(arena, layout.controlThread, wake)
  const time = createTime()
  setSysctlDefaults(arena)
  const { publish, raise, settle, retire, reclaim, revision, appliedBy } = createPublisher({
    arena,
    kick: ipi.kick,
    pause,
  })

  // ---- notifications: gathered while a change runs, told with the revision that holds them

  const watchers = new Set<{ kinds: ReadonlySet<WatchKind>; fn: (note: Notification) => void }>()
  let notes: Omit<Notification, 'revision'>[] = []
  /** Has the change that runs written anything? */
  let isDirty = false
  /** Changes that are not answered yet. */
  let underWay = 0
  const rtnl = createRtnl()
  const isWatched = (kind: WatchKind): boolean => [...watchers].some(({ kinds }) => kinds.has(kind))
  const note = (kind: WatchKind, event: 'new' | 'del', item: () => Notification['item']): void => {
    if (isWatched(kind)) notes.push({ kind, event, item: item() } as Omit<Notification, 'revision'>)
  }
  const tell = (told: typeof notes, at: number): void => {
    for (const one of told)
      for (const { kinds, fn } of watchers)
        if (kinds.has(one.kind)) fn({ ...one, revision: at } as Notification)
  }

  // ---- the parts

  const fib = createFibWriter({ arena, retire, reclaim })
  fib.addNet(INIT_NET)
  const nexthops = createNexthops({ arena, retire, reclaim })
  /** What undoes the route changes of an atomic batch, while one runs. */
  let journal: { event: 'new' | 'del'; route: RibRoute }[] | null = null
  const rib = createRib({
    net: INIT_NET,
    fib,
    nexthops,
    onEvent: (event, route) => {
      journal?.push({ event, route })
      note('route', event, () => formatRoute(route, links))
    },
  })
  const ifaddrs = createIfaddrs({
    arena,
    rib,
    retire,
    onEvent: (event, at) => note('address', event, () => addresses.item(at.ifindex, [at])),
  })
  const links = createLinks({
    arena,
    drivers,
    addresses: ifaddrs,
    random,
    publish,
    within: createPatience(nowUs, pause),
    retire,
    initSteering: (ifindex, channels) => ethtool.initSteering(ifindex, channels),
    announceDown: (ifindex) => {
      for (let thread = 0; thread < layout.appThread; thread++)
        ipi.send(thread, Ipi.DEV_DOWN, ifindex)
    },
    announceCarrierDown: (ifindex) => {
      for (let thread = 0; thread < layout.appThread; thread++)
        ipi.send(thread, Ipi.DEV_DOWN, ifindex, 1)
    },
    onEvent: (event, ifindex) => note('link', event, () => links.item(ifindex)),
  })
  const calls = createCalls({ arena, ipi, pause, nowUs })
  const ethtool = createEthtool({ arena, links, random })
  const addresses = createAddresses({ links, ifaddrs })
  const routes = createRoutes({
    arena,
    rib,
    route: createRoute({ arena, fib: createFibReader(arena, INIT_NET) }),
    names: links,
  })
  const neigh = createNeigh({ arena, time, calls, links })
  const sysctls = createSysctls(arena)
  const sockets = createSocketDump({ arena, calls, links, sockInfo })
  const stats = createStats({ arena, time, nameOf: links.nameOf, socketsOf: sockets.count })
  const noRules = (): Refused => refuse(Errno.EOPNOTSUPP, 'Policy rules are not supported')

  function* linkItems(filter: DumpOf<'RTM_GETLINK'>['filter'] = {}): Generator<LinkItem> {
    for (const ifindex of links.list()) {
      if (filter.ifname !== undefined && links.nameOf(ifindex) !== filter.ifname) continue
      if (filter.kind !== undefined && links.kindOf(ifindex) !== filter.kind) continue
      if (filter.up !== undefined && links.isUp(ifindex) !== filter.up) continue
      yield links.item(ifindex)
    }
  }
  const RULES = [
    { priority: 0, src: 'all', table: 'local' },
    { priority: 32766, src: 'all', table: 'main' },
    { priority: 32767, src: 'all', table: 'default' },
  ]
  const dumps: Dumps = {
    RTM_GETROUTE: routes.dump,
    RTM_GETLINK: (filter) => chunks(linkItems(filter), 64),
    RTM_GETADDR: addresses.dump,
    RTM_GETNEIGH: neigh.dump,
    RTM_GETRULE: (filter) => [filter?.family === 'inet6' ? RULES.slice(0, 2) : RULES],
    SOCK_DIAG: sockets.dump,
    SYSCTL: sysctls.dump,
    WORKER: stats.workerDump,
    DROPS: stats.dropDump,
    FLOWS: stats.flowDump,
    SKBS: stats.skbDump,
  }
  const dump = <T extends DumpType>(request: DumpOf<T>): Iterable<DumpItem<T>[]> => {
    setTime(time, nowUs())
    return dumps[request.type](request.filter)
  }
  const config = createConfig(dump)

  // ---- several messages as one

  const atIndex = (refused: Refused, index: number): Refused => ({ ...refused, index })

  const batch = async ({
    messages,
    atomic = false,
  }: MessageOf<'BATCH'>): Promise<Outcome<Outcome<unknown>[]>> => {
    if (atomic) return atomicBatch(messages)
    const outcomes: Outcome<unknown>[] = []
    for (const message of messages) outcomes.push(await perform(message))
    return changed(outcomes)
  }
  /** Routes, all or none. It runs in one turn, so no reader sees half of it. */
  const atomicBatch = (messages: readonly Message[]): Outcome<Outcome<unknown>[]> => {
    const undo: NonNullable<typeof journal> = []
    const before = notes.length
    const outcomes: Outcome<unknown>[] = []
    for (const [index, message] of messages.entries()) {
      const outcome = performIn(undo, message)
      if (isRefused(outcome)) {
        for (const { event, route } of undo.toReversed()) {
          if (event === 'new') rib.remove(route)
          else rib.add(route, CREATE_APPEND)
        }
        notes.length = before
        return atIndex(outcome, index)
      }
      outcomes.push(outcome)
    }
    return changed(outcomes)
  }
  /** A change of a route, its events kept in `undo`. */
  const performIn = (undo: NonNullable<typeof journal>, message: Message): Outcome<unknown> => {
    if (message.type !== 'RTM_NEWROUTE' && message.type !== 'RTM_DELROUTE')
      return refuse(Errno.EOPNOTSUPP, 'Only changes of routes can be atomic')
    journal = undo
    const outcome =
      message.type === 'RTM_NEWROUTE' ? routes.newRoute(message) : routes.delRoute(message)
    journal = null
    return outcome
  }

  const takeSteps = async (steps: readonly ConfigStep[]): Promise<Refused | null> => {
    for (const [index, { at, message }] of steps.entries()) {
      const outcome = await perform(message)
      if (!isRefused(outcome)) continue
      const field = [at, outcome.field].filter((part) => part !== undefined).join('.')
      return atIndex(field === '' ? outcome : { ...outcome, field }, index)
    }
    return null
  }
  /** A configuration that is refused half-way is taken back to where it began. */
  const setConfig = async ({
    config: wanted,
    dry_run,
  }: MessageOf<'CONFIG_SET'>): Promise<Outcome<ConfigStep[]>> => {
    const steps = config.diff(wanted)
    if (dry_run) return told(steps)
    const before = config.whole()
    const refused = await takeSteps(steps)
    if (refused === null) return changed(steps)
    // each by itself: one that fails must not keep the others from being taken back
    for (const { message } of config.diff(before)) await perform(message)
    return refused
  }

  const reads: Reads = {
    RTM_GETROUTE: routes.getRoute,
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
    CONFIG_GET: () => told(config.get()),
  }
  const changes: Changes = {
    RTM_NEWROUTE: routes.newRoute,
    RTM_DELROUTE: routes.delRoute,
    RTM_NEWADDR: addresses.newAddr,
    RTM_DELADDR: addresses.delAddr,
    RTM_NEWRULE: noRules,
    RTM_DELRULE: noRules,
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
    SOCK_DESTROY: sockets.destroy,
    CONFIG_SET: setConfig,
    BATCH: batch,
  }

  // ---- requests

  const isRead = ({ type }: Message): boolean => Object.hasOwn(reads, type)
  const isImmediate = ({ type }: Message): boolean => Object.hasOwn(changes, type)
  const handlerOf = (table: object, { type }: Message) =>
    (table as Record<MessageType, never>)[type]

  /** A message that is answered in this turn. */
  const runNow = (table: Reads | Changes, message: Message): Outcome<unknown> => {
    setTime(time, nowUs())
    const handler: (message: Message) => Outcome<unknown> = handlerOf(table, message)
    const outcome = handler(message)
    if (!isRefused(outcome) && outcome.changed) isDirty = true
    return outcome
  }
  /** Any message, by who holds the lock. */
  const perform = async (message: Message): Promise<Outcome<unknown>> => {
    if (isRead(message)) return runNow(reads, message)
    if (isImmediate(message)) return runNow(changes, message)
    setTime(time, nowUs())
    const handler: (message: Message) => Promise<Outcome<unknown>> = handlerOf(slowChanges, message)
    const outcome = await handler(message)
    if (!isRefused(outcome) && outcome.changed) isDirty = true
    return outcome
  }
  /** What a batch holds is answered with the revision of all of it. */
  const replyOf = (message: Message, outcome: Outcome<unknown>, at: number): Reply => {
    if (isRefused(outcome)) return outcome
    const item =
      message.type === 'BATCH'
        ? (outcome.item as Outcome<unknown>[]).map((inner, k) =>
            replyOf(message.messages[k], inner, at)
          )
        : outcome.item
    return { error: 0, item, revision: at, applied_by: appliedBy(at) }
  }

  /** What the change that has just run leaves: its notifications, and the revision that holds it, if it made one. */
  const finish = (): { made: number | null; mine: typeof notes } => {
    const mine = notes
    const hasChanged = isDirty || mine.length > 0
    notes = []
    isDirty = false
    return { made: hasChanged ? raise() : null, mine }
  }
  /** Runs a change by itself and publishes it; the next one need not wait until the workers have it. */
  const change = (message: Message) =>
    rtnl.run(async () => {
      try {
        const outcome = await perform(message)
        return { outcome, ...finish() }
      } catch (error) {
        finish()
        throw error
      }
    })
  /** Changes are told of and answered in their order: a later one is not heard of before an earlier one. */
  let answered: Promise<unknown> = Promise.resolve()
  const request = async <M extends Message>(message: M): Promise<ReplyTo<M>> => {
    if (isRead(message)) return replyOf(message, runNow(reads, message), revision()) as ReplyTo<M>
    if (rtnl.isFull()) return refuse(Errno.ENOBUFS) as ReplyTo<M>
    underWay++
    try {
      const { outcome, made, mine } = await change(message)
      if (made === null) return replyOf(message, outcome, revision()) as ReplyTo<M>
      const answer = answered.then(async () => {
        await settle(made)
        tell(mine, made)
      })
      answered = answer.catch(() => {})
      await answer
      return replyOf(message, outcome, made) as ReplyTo<M>
    } finally {
      underWay--
    }
  }
  /**
   * Runs a message that needs no other thread (routes, addresses, sysctl) at once and publishes without waiting:
   * for who runs the workers on this very thread. Refused while another change is under way.
   */
  const apply = <M extends Message>(message: M): ReplyTo<M> => {
    if (isRead(message)) return replyOf(message, runNow(reads, message), revision()) as ReplyTo<M>
    if (!isImmediate(message)) throw new Error(`${message.type} can not be applied at once`)
    if (underWay > 0) return refuse(Errno.EBUSY) as ReplyTo<M>
    const outcome = runNow(changes, message)
    const { made, mine } = finish()
    const at = made ?? revision()
    tell(mine, at)
    return replyOf(message, outcome, at) as ReplyTo<M>
  }

  const subscribe = (
    kinds: readonly WatchKind[],
    fn: (note: Notification) => void
  ): (() => void) => {
    const watcher = { kinds: new Set(kinds), fn }
    watchers.add(watcher)
    return () => {
      watchers.delete(watcher)
    }
  }
  ipi.on(Ipi.NOTIFY, (_from, kind, isGone, ifindex, a0, a1, a2, a3) => {
    if (kind === Notify.DEVICE) links.failed(ifindex, a0, a1)
    if (kind !== Notify.NEIGH || !isWatched('neigh')) return
    const item = neigh.byWords(ifindex, [a0, a1, a2, a3])
    const event = isGone !== 0 ? 'del' : 'new'
    const tellNow = (): void => tell([{ kind: 'neigh', event, item }], revision())
    // behind the changes whose revisions are out already
    if (underWay === 0) tellNow()
    else answered = answered.then(tellNow)
  })
  /** What the devices' other sides have done is a change like any other, though nobody waits for it. */
  const followDevices = (): void => {
    // a change that is under way comes first; the next look is soon
    if (underWay > 0) return
    isDirty = links.look()
    const { made, mine } = finish()
    if (made !== null) tell(mine, made)
  }
  /** Takes in what other threads have sent and frees what they let go; the control thread's loop, now and then. */
  const poll = (): void => {
    ipi.run()
    followDevices()
    reclaim()
    setTime(time, nowUs())
    stats.sample()
  }

  links.boot()
  const control: Control = { request, dump, subscribe, revision }
  return { ...control, apply, poll, close: links.close }
}

/** NLM_F_CREATE | NLM_F_APPEND */
const CREATE_APPEND = 0xc00
