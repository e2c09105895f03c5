/**
 * Settings of devices by their sysctl names, net.ipv4.conf.{all,default,DEV}.SETTING, net.ipv4.neigh.{default,DEV}.SETTING and IPv6's: which word a name is, and
 * what else changes when it is set. Control thread. Linux: net/ipv4/devinet.c (devinet_conf_proc, devinet_copy_dflt_conf,
 * inet_forward_change), net/ipv6/addrconf.c.
 */
import type { Arena } from '../shm/arena.ts'
import {
  CONF_ALL,
  Conf4,
  Conf6,
  confDefault,
  type ConfFamily,
  confRow,
  confWord,
  isConfSet,
  noteConfSet,
  SETTINGS,
  type Setting,
} from '../shm/devconf.ts'
import { DEV_MTU, deviceRow } from '../netdev/netdev.ts'
import { formatWords, type Words } from '../wire/text.ts'
import type { Ifaddrs } from '../inet/addr/ifaddr.ts'
import { ADDR_GEN_STABLE, secretOf } from '../inet/addr/stable-id.ts'
import type { Links } from './links/links.ts'

type DevConfDeps = {
  arena: Arena
  links: Pick<Links, 'list' | 'nameOf' | 'ifindexOf'>
  /** Next hops without a carrier are left out from now on, or are not: control.ts. */
  linkdownIgnored: () => void
} & Pick<Ifaddrs, 'forwardingChanged' | 'switched6'>

/** A setting of one row: that of a device, of `all` or of `default`. */
export type ConfItem = {
  name: string
  family: ConfFamily
  row: number
  word: number
  min: number
  max: number
  /** Four words of an IPv6 address. */
  isAddress: boolean
}

const NAME = /^net\.(ipv4|ipv6)\.(conf|neigh)\.(.+)\.(\w+)$/
/** Set for `all`, they are set everywhere. */
const OF_ALL = [
  Conf4.forwarding,
  Conf6.forwarding,
  Conf6.force_forwarding,
  Conf6.disable_ipv6,
  Conf6.ignore_routes_with_linkdown,
]
const LINKDOWN = [Conf4.ignore_routes_with_linkdown, Conf6.ignore_routes_with_linkdown]
const NEIGH6 = Object.entries<Setting>(SETTINGS.ipv6)
  .filter(([, { tree }]) => tree === 'neigh')
  .map(([name]) => confWord('ipv6', name))
/** Another name for a setting. */
const ALIASES: Readonly<Record<string, string>> = {
  'net.ipv4.ip_forward': 'net.ipv4.conf.all.forwarding',
}

/** What `all` and `default` are when nobody has set them. */
export const confDefaults = (): [name: string, value: number | string][] => {
  const found = new Map<string, number | string>()
  for (const [family, settings] of Object.entries(SETTINGS))
    for (const [name, setting] of Object.entries<Setting>(settings)) {
      const { all, otherwise, isAddress, tree = 'conf' } = setting
      if (tree === 'conf') found.set(`net.${family}.conf.all.${name}`, isAddress ? '::' : all)
      found.set(`net.${family}.${tree}.default.${name}`, isAddress ? '::' : otherwise)
    }
  for (const [alias, name] of Object.entries(ALIASES)) found.set(alias, found.get(name)!)
  return [...found]
}

export const createDevConf = (deps: DevConfDeps) => {
  const { arena, links, forwardingChanged, switched6, linkdownIgnored } = deps
  const { i32 } = arena
  const rowOf = (device: string): number => {
    if (device === 'all') return CONF_ALL
    if (device === 'default') return confDefault(arena)
    return links.ifindexOf(device) || -1
  }
  const find = (name: string): ConfItem | undefined => {
    const [, family, tree, device, setting] = NAME.exec(ALIASES[name] ?? name) ?? []
    if (family === undefined) return undefined
    const [row, word] = [rowOf(device), confWord(family as ConfFamily, setting)]
    if (row < 0 || word < 0) return undefined
    const known = SETTINGS[family as ConfFamily][setting]
    if (tree !== (known.tree ?? 'conf') || (tree === 'neigh' && row === CONF_ALL)) return undefined
    const { min, isAddress = false } = known
    const max = word === Conf6.mtu ? mtuOf(row, known.max) : known.max
    return { name, family: family as ConfFamily, row, word, min, max, isAddress }
  }
  /** What the device itself can send. */
  const mtuOf = (row: number, ofNone: number): number =>
    row === CONF_ALL || row === confDefault(arena) ? ofNone : i32[deviceRow(arena, row) + DEV_MTU]
  const names = (): string[] => {
    const devices = ['all', 'default', ...links.list().map(links.nameOf)]
    const all = (['ipv4', 'ipv6'] as const).flatMap((family) =>
      devices.flatMap((device) =>
        Object.entries(SETTINGS[family])
          .filter(([, { tree }]) => tree === undefined || device !== 'all')
          .map(([name, { tree = 'conf' }]) => `net.${family}.${tree}.${device}.${name}`)
      )
    )
    return [...all, ...Object.keys(ALIASES)]
  }
  const get = ({ row, word, isAddress }: ConfItem): number | string => {
    const at = confRow(arena, row) + word
    if (isAddress) return formatWords(i32[at], i32[at + 1], i32[at + 2], i32[at + 3])
    return word === Conf6.mtu ? i32[at] || mtuOf(row, 0) : i32[at]
  }
  const setAddress = ({ family, row, word }: ConfItem, words: Words): void => {
    i32.set(words, confRow(arena, row) + word)
    if (row !== CONF_ALL && row !== confDefault(arena)) noteConfSet(arena, row, family, word)
    if (word !== Conf6.stable_secret || words.every((part) => part === 0)) return
    // from then on addresses are made of it (addrconf_sysctl_stable_secret)
    for (const ifindex of row === confDefault(arena) ? links.list() : [row])
      i32[confRow(arena, ifindex) + Conf6.addr_gen_mode] = ADDR_GEN_STABLE
  }
  /** There is none, but for that of devices which have none of their own (`default`). */
  const isSecretOfAll = ({ row, word }: ConfItem, words: Words): boolean =>
    row === CONF_ALL && word === Conf6.stable_secret && words.some((part) => part !== 0)
  const lacksSecret = ({ row, word }: ConfItem, value: number): boolean =>
    word === Conf6.addr_gen_mode && value === ADDR_GEN_STABLE && secretOf(arena, row) === 0

  const everywhere = (word: number, value: number): void => {
    for (let row = 0; row <= confDefault(arena); row++) i32[confRow(arena, row) + word] = value
  }
  /** Devices on which nobody has set it follow `default`. */
  const copyDefault = (family: ConfFamily, word: number, value: number): void => {
    for (const ifindex of links.list())
      if (!isConfSet(arena, ifindex, family, word)) i32[confRow(arena, ifindex) + word] = value
  }
  const set = ({ family, row, word }: ConfItem, value: number): void => {
    const isOff = (ifindex: number): number => i32[confRow(arena, ifindex) + Conf6.disable_ipv6]
    const before = new Map(links.list().map((ifindex) => [ifindex, isOff(ifindex)]))
    i32[confRow(arena, row) + word] = value
    if (OF_ALL.includes(word)) {
      if (row === CONF_ALL) everywhere(word, value)
      // what was forwarded all the same is not any more (addrconf_forward_change)
      if (row === CONF_ALL && word === Conf6.forwarding && value === 0)
        for (const ifindex of links.list())
          i32[confRow(arena, ifindex) + Conf6.force_forwarding] = 0
      if (word === Conf6.forwarding) forwardingChanged()
      for (const [ifindex, was] of before) if (isOff(ifindex) !== was) switched6(ifindex)
      // a router does not listen to others' redirects (inet_forward_change)
      if (row === CONF_ALL && word === Conf4.forwarding)
        i32[confRow(arena, CONF_ALL) + Conf4.accept_redirects] = 1 - value
      if (LINKDOWN.includes(word)) linkdownIgnored()
      return
    }
    // devices follow the defaults of IPv4 alone (devinet_copy_dflt_conf), and those of neighbours (neigh_copy_dflt_parms)
    if (row === confDefault(arena) && (family === 'ipv4' || NEIGH6.includes(word)))
      copyDefault(family, word, value)
    else if (row !== CONF_ALL && row !== confDefault(arena)) noteConfSet(arena, row, family, word)
    if (LINKDOWN.includes(word)) linkdownIgnored()
  }
  return { names, find, get, set, setAddress, isSecretOfAll, lacksSecret }
}
