/**
 * Links of a configuration, with their addresses and what steers them (config-steering.ts). Those that are always there are not made
 * or deleted, only set. Control thread.
 */
import type { LinkKind } from '../../../dev/kinds/link-kind.ts'
import { parsePrefix } from '../../../wire/text.ts'
import type { ControlPlane } from '../../control.ts'
import { createSteeringConfig, splitSteering } from './config-steering.ts'
import { DEFAULT_NETNS } from '../link.ts'
import type {
  AddressInfo,
  AddressSpec,
  ConfigAddress,
  ConfigStep,
  LinkItem,
  LinkSpec,
  MvifItem,
  StackConfig,
} from '../messages.ts'
import {
  ADD,
  type Dump,
  type Steps,
  add,
  agrees,
  change,
  del,
  drain,
  sameAddress,
} from './config-steps.ts'

type ConfigLink = NonNullable<StackConfig['link']>[number]

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

export const createLinkConfig = (
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
  const addressesOf = (ifname: string, infos: readonly AddressInfo[]): ConfigAddress[] =>
    infos
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
  /** `all`: those that are always there, and what is the default too. */
  const get = (all = false): ConfigLink[] => {
    const addresses = drain(dump({ type: 'RTM_GETADDR' }))
    const byName = new Map(addresses.map(({ ifname, addr_info }) => [ifname, addr_info]))
    const mvifs = drain(dump({ type: 'MVIF' }))
    return drain(dump({ type: 'RTM_GETLINK' })).map((link) =>
      linkOf(link, addressesOf(link.ifname, byName.get(link.ifname) ?? []), mvifs, all)
    )
  }

  const addressSteps = (link: ConfigLink, current: readonly ConfigAddress[], at: string): Steps => {
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

  const steps = (wanted: readonly ConfigLink[]): Steps => {
    const running = get(true)
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

  const isAlways = ({ ifname }: ConfigLink): boolean => always.has(ifname)
  return { get, isAlways, steps }
}
