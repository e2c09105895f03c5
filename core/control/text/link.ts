/**
 * Links between words and numbers: what iproute2 does before it sends RTM_NEWLINK and with what it gets
 * (ip/iplink.c, ip/ipaddress.c print_linkinfo), and netem's words (tc/q_netem.c).
 */
import { Errno } from '../../base/errno.ts'
import {
  ARPHRD_LOOPBACK,
  IF_OPER_DOWN,
  IF_OPER_LOWERLAYERDOWN,
  IF_OPER_NOTPRESENT,
  IF_OPER_UP,
  IFF_ALLMULTI,
  IFF_BROADCAST,
  IFF_LOOPBACK,
  IFF_LOWER_UP,
  IFF_MASTER,
  IFF_MULTICAST,
  IFF_NOARP,
  IFF_POINTOPOINT,
  IFF_PROMISC,
  IFF_RUNNING,
  IFF_UP,
} from '../../netdev/netdev.ts'
import type { Mac } from '../../wire/text.ts'
import { formatMac, parseMac } from '../../wire/text.ts'
import type { LinkChange, LinkInfo, Netem } from '../rtnetlink.ts'
import type { Impairment, LinkItem, LinkSpec, QdiscSpec, Refused } from './messages.ts'
import type { DeviceNames } from './names.ts'
import { isRefused, noSuchDevice, refuseAs, wrong } from './names.ts'

/** A super-frame is one IP packet. */
const GSO_MAX_SIZE = 65535
/** As many as it may have octets. */
const GSO_MAX_SEGS = 65535
const ADDR_GEN_MODES = ['eui64', 'none', 'stable_secret', 'random']

/** The net that has no name is named as that of the first process. */
export const DEFAULT_NETNS = '1'

/** In ip's order. */
const FLAGS: readonly (readonly [bit: number, name: string])[] = [
  [IFF_LOOPBACK, 'LOOPBACK'],
  [IFF_BROADCAST, 'BROADCAST'],
  [IFF_POINTOPOINT, 'POINTOPOINT'],
  [IFF_MULTICAST, 'MULTICAST'],
  [IFF_NOARP, 'NOARP'],
  [IFF_ALLMULTI, 'ALLMULTI'],
  [IFF_PROMISC, 'PROMISC'],
  [IFF_MASTER, 'MASTER'],
  [IFF_UP, 'UP'],
  [IFF_LOWER_UP, 'LOWER_UP'],
]
const OPERSTATES: Record<number, string> = {
  [IF_OPER_NOTPRESENT]: 'NOTPRESENT',
  [IF_OPER_DOWN]: 'DOWN',
  [IF_OPER_LOWERLAYERDOWN]: 'LOWERLAYERDOWN',
  [IF_OPER_UP]: 'UP',
}

/** What one of netem's words is in the row: percent are parts per million. */
const UNITS: Record<keyof Netem, number> = {
  loss: 10_000,
  duplicate: 10_000,
  reorder: 10_000,
  corrupt: 10_000,
  delay: 1,
  jitter: 1,
  limit: 1,
}
const NETEM = Object.keys(UNITS) as (keyof Netem)[]

const readNetem = (netem: Impairment, at = 'netem'): Netem | Refused => {
  const read = { loss: 0, duplicate: 0, reorder: 0, corrupt: 0, delay: 0, jitter: 0, limit: 0 }
  for (const name of NETEM) {
    const [value, unit] = [netem[name] ?? 0, UNITS[name]]
    if (!(value >= 0 && value <= (unit === 1 ? 0x7fffffff : 100)))
      return refuseAs(Errno.ERANGE, `Error: Illegal "${name}".`, `${at}.${name}`)
    read[name] = Math.round(value * unit)
  }
  return read
}
const writeNetem = (netem: Netem): Impairment =>
  Object.fromEntries(
    NETEM.filter((name) => netem[name] !== 0).map((name) => [name, netem[name] / UNITS[name]])
  )

export const readDev = (dev: string, { ifindexOf }: DeviceNames): number | Refused =>
  ifindexOf(dev) || noSuchDevice(dev)
/** tc's words of one that is to hold packets up: noqueue is what a device has by itself. */
export const readQdisc = (
  { dev, kind, options = {} }: QdiscSpec,
  names: DeviceNames
): { ifindex: number; netem: Netem } | Refused => {
  const ifindex = readDev(dev, names)
  if (isRefused(ifindex)) return ifindex
  if (kind !== 'netem')
    return refuseAs(Errno.ENOENT, 'Error: Specified qdisc kind is unknown.', 'kind')
  const netem = readNetem(options, 'options')
  if (isRefused(netem)) return netem
  const { limit: _, ...rest } = netem
  return Object.values(rest).some((value) => value > 0)
    ? { ifindex, netem }
    : refuseAs(Errno.EINVAL, 'Error: netem has to do something.', 'options')
}

const badName = (name: string, field: string): Refused =>
  wrong(name, '"name" not a valid ifname', field)
const isName = (name: string): boolean =>
  /^[^\s/:]{1,15}$/.test(name) && name !== '.' && name !== '..'

const readMac = (text: string): Mac | null => {
  const mac = parseMac(text)
  const isUnicast = mac !== null && (mac.hi & 0x0100) === 0 && (mac.hi | mac.lo) !== 0
  return isUnicast ? mac : null
}

/** The ifindex of the master, 0 for none. */
const readMaster = (
  master: string | null,
  { ifindexOf }: Pick<DeviceNames, 'ifindexOf'>
): number | Refused => {
  const ifindex = master === null ? 0 : ifindexOf(master)
  return master !== null && ifindex === 0
    ? wrong(master, 'Device does not exist', 'master')
    : ifindex
}

export const readLink = (spec: LinkSpec, names: DeviceNames): LinkChange | Refused => {
  const { ifname, newname, address, netem, up, arp, promisc, allmulticast } = spec
  if (!isName(ifname)) return badName(ifname, 'ifname')
  if (newname !== undefined && !isName(newname)) return badName(newname, 'newname')
  // a kind has the queues that it has: a worker each where it can, one where it can not
  for (const [field, way] of [
    ['num_tx_queues', 'transmit'],
    ['num_rx_queues', 'receive'],
  ] as const)
    if ((spec[field] ?? 1) !== 1)
      return refuseAs(Errno.EINVAL, `Error: Invalid number of ${way} queues.`, field)
  const mac = address === undefined ? undefined : readMac(address)
  if (mac === null)
    return refuseAs(Errno.EADDRNOTAVAIL, `"${address}" is not a usable lladdr`, 'address')
  const impairment = netem === undefined ? undefined : readNetem(netem)
  if (impairment !== undefined && 'error' in impairment) return impairment
  const master = spec.master === undefined ? undefined : readMaster(spec.master, names)
  if (typeof master === 'object') return master
  let [flags, change] = [0, 0]
  for (const [flag, wanted] of [
    [IFF_UP, up],
    [IFF_NOARP, arp === undefined ? undefined : !arp],
    [IFF_PROMISC, promisc],
    [IFF_ALLMULTI, allmulticast],
  ] as const) {
    if (wanted === undefined) continue
    change |= flag
    if (wanted) flags |= flag
  }
  return {
    ifname,
    flags,
    change,
    ...(spec.ifindex !== undefined && { ifindex: spec.ifindex }),
    ...(spec.kind !== undefined && { kind: spec.kind }),
    ...(spec.mtu !== undefined && { mtu: spec.mtu }),
    ...(mac !== undefined && { mac }),
    ...(spec.txqlen !== undefined && { txqlen: spec.txqlen }),
    ...(newname !== undefined && { newname }),
    ...(master !== undefined && { master }),
    ...(impairment !== undefined && { netem: impairment }),
    ...(spec.netns !== undefined && { netns: spec.netns }),
    ...(spec.data !== undefined && { data: spec.data }),
  }
}

/** Where its other end is. */
const linkOf = (
  { peer, otherEnd }: LinkInfo,
  nameOf: (ifindex: number) => string
): Pick<LinkItem, 'link' | 'link_index' | 'link_netnsid' | 'link_netns'> => {
  if (otherEnd === undefined) return { link: nameOf(peer) }
  const { name, ifindex, nsid, netns } = otherEnd
  if (nsid === null) return { link: name }
  return {
    link: name,
    link_index: ifindex,
    link_netnsid: nsid,
    ...(netns !== DEFAULT_NETNS && { link_netns: netns }),
  }
}

/** As `ip -s -d -j link` prints it. */
export const writeLink = (link: LinkInfo, nameOf: (ifindex: number) => string): LinkItem => {
  const { flags, kind, data, netem, master } = link
  const isLoopback = link.type === ARPHRD_LOOPBACK
  const named = FLAGS.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name)
  const gsoMax = link.gsoMax || GSO_MAX_SIZE
  const noCarrier = (flags & IFF_UP) !== 0 && (flags & IFF_RUNNING) === 0
  return {
    ifindex: link.ifindex,
    ifname: link.name,
    ...(link.peer !== 0 && linkOf(link, nameOf)),
    flags: noCarrier ? ['NO-CARRIER', ...named] : named,
    mtu: link.mtu,
    min_mtu: link.minMtu,
    max_mtu: link.maxMtu,
    qdisc: netem !== null ? 'netem' : link.isActivated ? 'noqueue' : 'noop',
    ...(master !== 0 && { master: nameOf(master) }),
    operstate: OPERSTATES[link.operstate] ?? 'UNKNOWN',
    carrier_changes: link.carrierChanges,
    linkmode: 'DEFAULT',
    group: 'default',
    txqlen: link.txqlen,
    link_type: isLoopback ? 'loopback' : 'ether',
    address: formatMac(link.mac.hi, link.mac.lo),
    broadcast: isLoopback ? '00:00:00:00:00:00' : 'ff:ff:ff:ff:ff:ff',
    promiscuity: link.promiscuity,
    allmulti: link.allmulti,
    num_tx_queues: link.txQueues,
    num_rx_queues: link.rxQueues,
    inet6_addr_gen_mode: ADDR_GEN_MODES[link.addrGenMode] ?? `${link.addrGenMode}`,
    gso_max_size: gsoMax,
    gso_max_segs: GSO_MAX_SEGS,
    tso_max_size: gsoMax,
    tso_max_segs: GSO_MAX_SEGS,
    gro_max_size: GSO_MAX_SIZE,
    ...(!isLoopback && {
      linkinfo: {
        info_kind: kind,
        ...(data && { info_data: data }),
        ...(link.xstats && { info_xstats: link.xstats }),
        ...(master !== 0 && { info_slave_kind: link.masterKind }),
        ...(master !== 0 && link.l3Table !== 0 && { info_slave_data: { table: link.l3Table } }),
      },
    }),
    ...(netem && { netem: writeNetem(netem), qdisc_stats: link.qdiscStats }),
    stats64: link.stats,
  }
}
