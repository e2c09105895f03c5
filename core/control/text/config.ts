/**
 * Declarative configuration: the running state as a StackConfig, and the messages that lead from it to a wanted
 * one. A section that the wanted configuration does not have is left alone; one that it has is made so, and
 * what is not in it goes (what the kernel makes by itself apart). Control thread.
 */
import type { LinkKind } from '../../dev/kinds/link-kind.ts'
import { networkOf, parseAddr, parsePrefix } from '../../wire/text.ts'
import { sysctlDefaults } from '../sysctls.ts'
import type { ControlPlane } from '../control.ts'
import { NO_STEPS, type NetnsSteps } from './config-netns.ts'
import { createSteeringConfig, splitSteering } from './config-steering.ts'
import type {
  AddressInfo,
  AddressItem,
  AddressSpec,
  ConfigAddress,
  ConfigStep,
  DumpItem,
  DumpOf,
  DumpType,
  LinkItem,
  LinkSpec,
  MaddrSpec,
  Message,
  MrouteSpec,
  MvifItem,
  NeighItem,
  NeighSpec,
  NexthopItem,
  NexthopObjectSpec,
  Refused,
  RouteItem,
  RouteSpec,
  RuleItem,
  RuleSpec,
  StackConfig,
} from './messages.ts'
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from '../nlm-flags.ts'
import { DEFAULT_NETNS } from './link.ts'
import { familyOf, isRefused } from './names.ts'
import { readNexthop } from './nexthop.ts'
import { formatDst } from './route.ts'
import { readRule } from './rule.ts'

type Dump = <T extends DumpType>(request: DumpOf<T>) => Iterable<DumpItem<T>[]> | Refused
type ConfigLink = NonNullable<StackConfig['link']>[number]

const ADD = NLM_F_CREATE | NLM_F_EXCL
const PUT = NLM_F_CREATE | NLM_F_REPLACE
const DEFAULT_METRIC: Record<string, number> = { inet: 0, inet6: 1024 }

const DEFAULT_TXQLEN = 1000
/** Flags that stand beside an address. */
const ADDRESS_FLAGS = ['home', 'nodad', 'noprefixroute', 'mngtmpaddr'] as const
/** The address alone, where all else is as it comes. */
const addressOf = (ifname: string, info: AddressInfo): ConfigAddress => {
  const { family, local, prefixlen, broadcast, scope, label } = info
  const flags = ADDRESS_FLAGS.filter((flag) => info[flag] === true)
  const more = {
    ...(broadcast !== undefined && { broadcast }),
    ...(family === 'inet' && scope !== 'global' && { scope }),
    ...(label !== undefined && label !== ifname && { label }),
    ...(flags.length > 0 && { flags }),
  }
  const isPlain = Object.keys(more).length === 0
  return isPlain ? `${local}/${prefixlen}` : { local, prefixlen, ...more }
}

/** The name of a device's own setting: the row of `default` has what it is when nobody sets it. */
const DEVICE_SETTING = /^(net\.ipv[46]\.(?:conf|neigh))\.(?!(?:all|default)\.)(.+)\.(\w+)$/
/** These are what another makes of them. */
const FOLLOWS: Readonly<Record<string, string>> = {
  'net.ipv4.conf.all.forwarding': 'net.ipv4.ip_forward',
  'net.ipv4.conf.default.forwarding': 'net.ipv4.ip_forward',
  'net.ipv6.conf.default.forwarding': 'net.ipv6.conf.all.forwarding',
}

/** The opposite of it. */
const ROUTER_LISTENS = 'net.ipv4.conf.all.accept_redirects'
/** Switches that turn others come before them. */
const TURNS_OTHERS = /(forward(ing)?|stable_secret)$/

/** What is asked for here is always there. */
const drain = <T>(chunks: Iterable<T[]> | Refused): T[] => {
  if (isRefused(chunks)) throw new Error(chunks.message)
  return [...chunks].flat()
}
const add = (message: Message, at: string): ConfigStep => ({ op: 'add', at, message })
/** What goes is in no wanted configuration, so it is nowhere. */
const del = (message: Message): ConfigStep => ({ op: 'del', message })
const change = (message: Message, at: string): ConfigStep => ({ op: 'change', at, message })

/** Are the words that `wanted` gives those that `current` has? */
const agrees = (wanted: object, current: object): boolean =>
  Object.entries(wanted).every(([name, value]) => {
    const now = (current as Record<string, unknown>)[name]
    return (
      value === undefined ||
      JSON.stringify(value) === JSON.stringify(now) ||
      (typeof value !== 'object' && String(value) === String(now))
    )
  })

/** Of a link's settings those that are not so already: lo's address can not even be set to what it is. */
const differing = (wanted: LinkSpec, current: object | undefined): LinkSpec => {
  const isNew = ([name, value]: [string, unknown]): boolean =>
    name === 'ifname' || current === undefined || !agrees({ [name]: value }, current)
  return Object.fromEntries(Object.entries(wanted).filter(isNew)) as LinkSpec
}

const splitAddress = (given: ConfigAddress): Omit<AddressSpec, 'dev'> => {
  if (typeof given !== 'string') return given
  const text = given
  const prefix = parsePrefix(text)
  const [local = text] = text.split('/')
  return { local, prefixlen: prefix?.prefixlen ?? -1 }
}
const textOf = (address: ConfigAddress): string =>
  typeof address === 'string' ? address : `${address.local}/${address.prefixlen}`
/** An address as it is printed, so that two ways of writing it are one. */
const sameAddress = (text: string): string => {
  const prefix = parsePrefix(text)
  return prefix === null ? text : `${prefix.words.join()}/${prefix.prefixlen}`
}
/** One address may be a neighbour, and one that we answer for. */
const neighKey = (neigh: NeighSpec | NeighItem): string =>
  `${neigh.dev} ${sameAddress(neigh.dst)} ${isProxy(neigh)}`
const isProxy = (neigh: NeighSpec | NeighItem): boolean =>
  'flags' in neigh ? (neigh.flags?.includes('proxy') ?? false) : 'proxy' in neigh
const flagsOf = ({ proxy, router }: Pick<NeighItem, 'proxy' | 'router'>): string[] => [
  ...(proxy ? ['proxy'] : []),
  ...(router ? ['router'] : []),
]
const routeKey = (route: RouteSpec): string => {
  const prefix = parsePrefix(route.dst)
  const first = route.gateway ?? route.via?.host ?? route.nexthops?.[0]?.gateway
  const hint = parseAddr(first ?? '') ?? parseAddr(route.prefsrc ?? '')
  const is6 = prefix
    ? prefix.family === 6
    : (route.family ?? (hint?.family === 6 ? 'inet6' : 'inet')) === 'inet6'
  const network = prefix && networkOf(prefix)
  const dst = network ? formatDst(familyOf(network), network.words, network.prefixlen) : 'default'
  const metric = route.metric || DEFAULT_METRIC[is6 ? 'inet6' : 'inet']
  return [is6, route.table ?? 'main', dst, route.tos ?? 0, metric].join(' ')
}

/** Does the wanted rule say what the running one is? Both ways of writing a network are one. */
const isRule = (wanted: RuleSpec, running: RuleItem): boolean => {
  const [a, b] = [readRule(wanted), readRule(running)]
  if (isRefused(a) || isRefused(b)) return false
  return JSON.stringify({ ...a, priority: a.priority ?? b.priority }) === JSON.stringify(b)
}

const NONE: ReadonlySet<number | undefined> = new Set()
const asSpec = ({
  scope: _s,
  family,
  protocol,
  flags,
  resilient_args: args,
  ...rest
}: NexthopItem): NexthopObjectSpec => ({
  ...rest,
  ...(args && {
    resilient_args: {
      buckets: args.buckets,
      idle_timer: args.idle_timer,
      unbalanced_timer: args.unbalanced_timer,
    },
  }),
  ...(flags.length > 0 && { flags }),
  ...(family === 'inet6' && rest.gateway === undefined && { family }),
  ...(protocol !== 'unspec' && { protocol }),
})
/** Can one be put in the other's place? */
const isAlike = (one: NexthopObjectSpec, now: NexthopObjectSpec): boolean => {
  if ((now.group === undefined) !== (one.group === undefined)) return false
  if ((now.type === 'resilient') !== (one.type === 'resilient')) return false
  const buckets = one.resilient_args?.buckets
  return buckets === undefined || buckets === now.resilient_args?.buckets
}
/** Do both say the same, and nothing else? */
const sameNexthop = (a: NexthopObjectSpec, b: NexthopObjectSpec): boolean => {
  const say = (spec: NexthopObjectSpec): unknown => {
    const read = readNexthop(spec, { ifindexOf: () => 1, nameOf: () => '' })
    return isRefused(read) ? read : JSON.stringify({ ...read, dev: spec.dev })
  }
  return say(a) === say(b)
}

export const createConfig = (
  dump: Dump,
  kinds: readonly LinkKind[],
  plane: Pick<ControlPlane, 'steeringSet' | 'ifindexOf'>
) => {
  const steering = createSteeringConfig(plane)
  /** By kind: the word of `data` that names the second device of a pair. */
  const pairWords = new Map(kinds.map(({ name, pair }) => [name, pair]))
  /** What is always there. */
  const always = new Set(kinds.flatMap(({ boot = [] }) => boot))
  const pairOf = ({ kind, data }: Pick<ConfigLink, 'kind' | 'data'>): unknown => {
    const word = pairWords.get(kind ?? '')
    const peer = word === undefined ? undefined : data?.[word]
    return typeof peer === 'object' ? (peer as { name?: string }).name : peer
  }
  const pairData = (kind: string, link: LinkItem): Pick<ConfigLink, 'data'> => {
    const word = pairWords.get(kind)
    const { link: name, link_netnsid, link_netns = DEFAULT_NETNS } = link
    if (word === undefined || name === undefined) return {}
    return { data: { [word]: link_netnsid === undefined ? name : { name, netns: link_netns } } }
  }
  /** Its other end is the default namespace's, which says whether there is such a pair. */
  const isOfDefault = (link: ConfigLink): boolean =>
    (link.data?.[pairWords.get(link.kind ?? '') ?? ''] as { netns?: string })?.netns ===
    DEFAULT_NETNS
  /** A link's own addresses: what it gets by itself, or has for a time, is not configuration. */
  const addressesOf = ({ ifname, addr_info }: AddressItem): ConfigAddress[] =>
    addr_info
      .filter(({ family, scope, dynamic }) => !dynamic && (family === 'inet' || scope !== 'link'))
      .map((info) => addressOf(ifname, info))
  const linkOf = (
    link: LinkItem,
    addresses: ConfigAddress[],
    mvifs: readonly MvifItem[],
    all: boolean
  ): ConfigLink => {
    const kind = link.linkinfo?.info_kind ?? link.link_type
    return {
      ifname: link.ifname,
      kind,
      mtu: link.mtu,
      address: link.address,
      up: link.flags.includes('UP'),
      ...((all || link.master !== undefined) && { master: link.master ?? null }),
      ...(link.txqlen !== DEFAULT_TXQLEN && !always.has(link.ifname) && { txqlen: link.txqlen }),
      ...(link.flags.includes('PROMISC') && { promisc: true }),
      ...(link.flags.includes('ALLMULTI') && { allmulticast: true }),
      ...(kind !== 'loopback' && link.flags.includes('NOARP') && { arp: false }),
      ...pairData(kind, link),
      ...(link.linkinfo?.info_data && { data: link.linkinfo.info_data }),
      ...(link.netem && { netem: link.netem }),
      ...(addresses.length > 0 && { addresses }),
      ...steering.get(link.ifname, mvifs, all),
    }
  }
  const links = (all = false): ConfigLink[] => {
    const byName = new Map(drain(dump({ type: 'RTM_GETADDR' })).map((item) => [item.ifname, item]))
    const mvifs = drain(dump({ type: 'MVIF' }))
    return drain(dump({ type: 'RTM_GETLINK' })).map((link) =>
      linkOf(link, addressesOf(byName.get(link.ifname)!), mvifs, all)
    )
  }
  const lasting = (flags: readonly string[]): string[] =>
    flags.filter((flag) => flag !== 'linkdown' && flag !== 'dead')
  /** What a route's device does at the moment is not configuration. */
  const routes = (): RouteItem[] =>
    drain(dump({ type: 'RTM_GETROUTE', filter: { table: 'all' } }))
      .filter(({ protocol }) => protocol !== 'kernel' && protocol !== 'ra')
      .map(({ nexthops, ...route }) => {
        if (route.nhid !== undefined) return byObject(route)
        return {
          ...route,
          flags: lasting(route.flags),
          ...(nexthops && {
            nexthops: nexthops.map((hop) => ({ ...hop, flags: lasting(hop.flags ?? []) })),
          }),
        }
      })
  /** Where it leads says its nexthop object, as whether it drops all. */
  const byObject = ({ gateway: _g, via: _v, dev: _d, ...route }: RouteItem): RouteItem => ({
    ...route,
    type: route.type === 'blackhole' ? 'unicast' : route.type,
    flags: [],
  })
  const neighs = (): NeighItem[] =>
    [{ state: ['PERMANENT' as const] }, { proxy: true }].flatMap((filter) =>
      drain(dump({ type: 'RTM_GETNEIGH', filter }))
    )
  const sysctls = (): Record<string, number | string> =>
    Object.fromEntries(drain(dump({ type: 'SYSCTL' })).map(({ name, value }) => [name, value]))

  const maddrs = (): MaddrSpec[] =>
    drain(dump({ type: 'RTM_GETMULTICAST' })).flatMap(({ ifname, links }) =>
      links.filter((one) => one.static).map(({ link }) => ({ dev: ifname, link }))
    )
  const mroutes = (): MrouteSpec[] =>
    drain(dump({ type: 'RTM_GETMROUTE' }))
      .filter(({ protocol }) => protocol === 'static')
      .map(({ src, dst, iif, multipath }) => ({
        src: src === '0.0.0.0' || src === '::' ? 'any' : src,
        dst,
        iif,
        oifs: multipath.map(({ oif, ...rest }) => ({ dev: oif, ...rest })),
      }))

  /** A group's members come before it. */
  const nexthops = (): NexthopObjectSpec[] =>
    drain(dump({ type: 'RTM_GETNEXTHOP' }))
      .map(asSpec)
      .sort((a, b) => Number(a.group !== undefined) - Number(b.group !== undefined))
  /** Those of a net's beginning are no configuration. */
  const rules = (): RuleItem[] =>
    drain(dump({ type: 'RTM_GETRULE' })).filter(({ protocol }) => protocol !== 'kernel')

  /** The running state; of sysctl what is not the default. */
  const get = (): StackConfig => {
    const [defaults, now] = [sysctlDefaults(), sysctls()]
    const otherwise = (name: string): number | string | undefined =>
      now[FOLLOWS[name] ?? ''] ??
      (name === ROUTER_LISTENS ? 1 - Number(now['net.ipv4.ip_forward']) : undefined) ??
      defaults.get(name) ??
      now[name.replace(DEVICE_SETTING, '$1.default.$3')]
    const set = Object.entries(now).filter(([name, value]) => otherwise(name) !== value)
    const neigh = neighs().map(
      ({ dst, dev, lladdr, ...neigh }): NeighSpec => ({
        dst,
        dev,
        ...(lladdr && { lladdr }),
        ...(flagsOf(neigh).length > 0 && { flags: flagsOf(neigh) }),
      })
    )
    const [maddr, mroute, nexthop] = [maddrs(), mroutes(), nexthops()]
    return {
      link: links().filter(({ ifname }) => !always.has(ifname)),
      route: routes(),
      rule: rules().map(({ iif_detached: _i, oif_detached: _o, ...rule }) => rule),
      ...(nexthop.length > 0 && { nexthop }),
      neigh,
      ...(maddr.length > 0 && { maddr }),
      ...(mroute.length > 0 && { mroute }),
      sysctl: Object.fromEntries(set),
    }
  }

  /** All of it, lo and what is the default too: what a configuration that is refused half-way goes back to. */
  const whole = (): StackConfig => ({
    ...get(),
    maddr: maddrs(),
    mroute: mroutes(),
    nexthop: nexthops(),
    link: links(true).map((link) => ({ netem: {}, ...link })),
    sysctl: sysctls(),
  })

  const addressSteps = (
    link: ConfigLink,
    current: readonly ConfigAddress[],
    at: string
  ): { gone: ConfigStep[]; come: ConfigStep[] } => {
    const wanted = link.addresses ?? []
    const [now, then] = [current, wanted].map((list) => list.map((one) => sameAddress(textOf(one))))
    return {
      gone: current
        .filter((_, k) => !then.includes(now[k]))
        .map((one) => {
          const { local, prefixlen } = splitAddress(one)
          return del({ type: 'RTM_DELADDR', address: { dev: link.ifname, local, prefixlen } })
        }),
      come: wanted
        .filter((_, k) => !now.includes(then[k]))
        .map((one) =>
          add(
            {
              type: 'RTM_NEWADDR',
              flags: ADD,
              address: { dev: link.ifname, ...splitAddress(one) },
            },
            `${at}.addresses[${wanted.indexOf(one)}]`
          )
        ),
    }
  }

  const linkSteps = (wanted: readonly ConfigLink[], running: readonly ConfigLink[]) => {
    const byName = new Map(running.map((link) => [link.ifname, link]))
    const names = new Set<unknown>(wanted.flatMap((link) => [link.ifname, pairOf(link)]))
    const gone: ConfigStep[] = []
    const come: ConfigStep[] = []
    const made = new Set<unknown>()
    const deleted = new Set<unknown>()
    for (const link of running) {
      if (always.has(link.ifname) || names.has(link.ifname) || deleted.has(link.ifname)) continue
      if (isOfDefault(link)) continue
      deleted.add(pairOf(link))
      gone.push(del({ type: 'RTM_DELLINK', ifname: link.ifname }))
    }
    // what others are enslaved to comes before them
    const inOrder = [...wanted.entries()].sort(
      ([, a], [, b]) => Number(!!a.master) - Number(!!b.master)
    )
    for (const [index, whole] of inOrder) {
      const { steering: wantedSteering, rest } = splitSteering(whole)
      const { addresses, ...spec } = rest
      const at = `link[${index}]`
      const now = byName.get(spec.ifname)
      const link: LinkSpec = { up: true, ...spec }
      const { kind: _kind, data: _data, ...settings } = link
      if (now === undefined && !made.has(spec.ifname)) {
        come.push(add({ type: 'RTM_NEWLINK', flags: ADD, link }, at))
        made.add(pairOf(spec))
      } else if (now === undefined || !agrees(settings, now))
        come.push(change({ type: 'RTM_NEWLINK', flags: 0, link: differing(settings, now) }, at))
      // who is enslaved loses its IPv6 addresses: they are to come again
      const isMoved = now !== undefined && spec.master !== undefined && spec.master !== now.master
      const steps = addressSteps(
        { ...spec, addresses: addresses ?? now?.addresses ?? [] },
        (now?.addresses ?? []).filter((one) => !isMoved || !textOf(one).includes(':')),
        at
      )
      gone.unshift(...steps.gone)
      come.push(...steps.come)
      for (const { section, message } of steering.steps(spec.ifname, wantedSteering, now ?? {}))
        come.push(change(message, `${at}.${section}`))
    }
    return { gone, come }
  }

  /** What can not be in another's place goes first, and its routes with it, as with all that goes: `left` are these. */
  const nexthopSteps = (wanted: readonly NexthopObjectSpec[]) => {
    const running = new Map(nexthops().map((one) => [one.id, one]))
    const isRemade = (one: NexthopObjectSpec): boolean => {
      const now = running.get(one.id)
      return now !== undefined && !isAlike(one, now)
    }
    const remade = new Set(wanted.filter(isRemade).map(({ id }) => id))
    const ids = new Set(wanted.map(({ id }) => id))
    const left = [...running.keys()].filter((id) => !ids.has(id) || remade.has(id)).toReversed()
    const gone = left.map((id) => del({ type: 'RTM_DELNEXTHOP', id: id! }))
    const come = wanted.flatMap((nexthop, index) => {
      const at = `nexthop[${index}]`
      const now = running.get(nexthop.id)
      if (now === undefined || remade.has(nexthop.id))
        return [add({ type: 'RTM_NEWNEXTHOP', flags: ADD, nexthop }, at)]
      return sameNexthop(nexthop, now)
        ? []
        : [change({ type: 'RTM_NEWNEXTHOP', flags: PUT, nexthop }, at)]
    })
    const isGroup = ({ message }: ConfigStep): boolean =>
      message.type === 'RTM_NEWNEXTHOP' && message.nexthop.group !== undefined
    return {
      gone,
      come: [...come.filter((step) => !isGroup(step)), ...come.filter(isGroup)],
      left: new Set(left),
    }
  }

  const routeSteps = (wanted: readonly RouteSpec[], goneHops: ReadonlySet<number | undefined>) => {
    const isThere = ({ nhid }: RouteItem): boolean => !goneHops.has(nhid)
    const running = new Map(
      routes()
        .filter(isThere)
        .map((route) => [routeKey(route), route])
    )
    const keys = new Set(wanted.map(routeKey))
    const gone = [...running]
      .filter(([key]) => !keys.has(key))
      .map(([, route]) => del({ type: 'RTM_DELROUTE', route }))
    const come = wanted.flatMap((route, index) => {
      const at = `route[${index}]`
      const now = running.get(routeKey(route))
      if (now === undefined) return [add({ type: 'RTM_NEWROUTE', flags: ADD, route }, at)]
      const { dst: _dst, family: _family, ...rest } = route
      return agrees(rest, now) ? [] : [change({ type: 'RTM_NEWROUTE', flags: PUT, route }, at)]
    })
    return { gone, come }
  }

  const ruleSteps = (wanted: readonly RuleSpec[]) => {
    const running = rules()
    const isWanted = (rule: RuleItem): boolean => wanted.some((one) => isRule(one, rule))
    const gone = running
      .filter((rule) => !isWanted(rule))
      .map(({ iif_detached: _i, oif_detached: _o, ...rule }) => del({ type: 'RTM_DELRULE', rule }))
    const come = wanted.flatMap((rule, index) =>
      running.some((one) => isRule(rule, one))
        ? []
        : [add({ type: 'RTM_NEWRULE', flags: ADD, rule }, `rule[${index}]`)]
    )
    return { gone, come }
  }

  const neighSteps = (wanted: readonly NeighSpec[]) => {
    const running = new Map(neighs().map((neigh) => [neighKey(neigh), neigh]))
    const keys = new Set(wanted.map(neighKey))
    const gone = [...running]
      .filter(([key]) => !keys.has(key))
      .map(([, { dev, dst, proxy }]) => del({ type: 'RTM_DELNEIGH', neigh: { dev, dst, proxy } }))
    const come = wanted.flatMap((neigh, index) => {
      const now = running.get(neighKey(neigh))
      const isSo =
        now !== undefined &&
        (neigh.lladdr ?? now.lladdr) === now.lladdr &&
        (neigh.flags?.includes('router') ?? false) === (now.router ?? false)
      const at = `neigh[${index}]`
      return isSo ? [] : [add({ type: 'RTM_NEWNEIGH', flags: PUT, neigh }, at)]
    })
    return { gone, come }
  }

  const maddrSteps = (wanted: readonly MaddrSpec[]) => {
    const keyOf = ({ dev, link }: MaddrSpec): string => `${dev} ${link.toLowerCase()}`
    const [now, then] = [maddrs(), wanted].map((list) => list.map(keyOf))
    return {
      gone: maddrs()
        .filter((_, k) => !then.includes(now[k]))
        .map((maddr) => del({ type: 'RTM_DELMULTICAST', maddr })),
      come: wanted.flatMap((maddr, k) =>
        now.includes(then[k]) ? [] : [add({ type: 'RTM_NEWMULTICAST', maddr }, `maddr[${k}]`)]
      ),
    }
  }
  const mrouteSteps = (wanted: readonly MrouteSpec[]) => {
    const keyOf = ({ src = 'any', dst }: MrouteSpec): string => `${src} ${dst}`
    const running = new Map(mroutes().map((one) => [keyOf(one), JSON.stringify(one)]))
    const keys = wanted.map(keyOf)
    return {
      gone: mroutes()
        .filter((one) => !keys.includes(keyOf(one)))
        .map(({ src, dst }) => del({ type: 'RTM_DELMROUTE', mroute: { src, dst } })),
      come: wanted.flatMap((mroute, k) =>
        running.get(keys[k]) === JSON.stringify(mroute)
          ? []
          : [add({ type: 'RTM_NEWMROUTE', mroute }, `mroute[${k}]`)]
      ),
    }
  }

  /** What leads from the running state to the wanted one: first what goes, then what comes, links before routes. */
  const diff = (wanted: StackConfig, netns: NetnsSteps = NO_STEPS): ConfigStep[] => {
    const none = { gone: [], come: [] }
    const link = wanted.link ? linkSteps(wanted.link, links(true)) : none
    const nexthop = wanted.nexthop ? nexthopSteps(wanted.nexthop) : { ...none, left: NONE }
    const route = wanted.route ? routeSteps(wanted.route, nexthop.left) : none
    const neigh = wanted.neigh ? neighSteps(wanted.neigh) : none
    const rule = wanted.rule ? ruleSteps(wanted.rule) : none
    const maddr = wanted.maddr ? maddrSteps(wanted.maddr) : none
    const mroute = wanted.mroute ? mrouteSteps(wanted.mroute) : none
    const now = sysctls()
    const set = Object.entries(wanted.sysctl ?? {})
      .filter(([name, value]) => String(now[name]) !== String(value))
      .sort(([a], [b]) => Number(TURNS_OTHERS.test(b)) - Number(TURNS_OTHERS.test(a)))
      .map(([name, value]) => change({ type: 'SYSCTL_SET', name, value }, `sysctl["${name}"]`))
    const isOfDevice = ({ message }: ConfigStep): boolean =>
      message.type === 'SYSCTL_SET' && DEVICE_SETTING.test(message.name)
    return [
      ...mroute.gone,
      ...maddr.gone,
      ...neigh.gone,
      ...rule.gone,
      ...route.gone,
      ...nexthop.gone,
      ...link.gone,
      ...netns.gone,
      ...netns.come,
      ...set.filter((step) => !isOfDevice(step)),
      ...link.come,
      ...set.filter(isOfDevice),
      ...nexthop.come,
      ...route.come,
      ...rule.come,
      ...neigh.come,
      ...maddr.come,
      ...mroute.come,
      ...netns.inside,
    ]
  }
  return { get, whole, diff }
}
