/**
 * RTM_*LINK: the registry of devices over their rows in shared memory. What opens and closes a device is its
 * kind's driver, given by workers/; lo and veth are made here. A row appears whole: its ifindex is stored last.
 * It goes in three steps: down and out of the tables; when no thread uses it, the driver closes it; when none
 * can even look at it, the row is free. Linux: net/core/dev.c, rtnetlink.c, drivers/net/{loopback,veth}.c.
 */
import { Errno } from '../base/errno.ts'
import type { Ifaddrs } from '../inet/ifaddr.ts'
import { LOOPBACK_IFINDEX } from '../inet/nexthop-constants.ts'
import {
  ARPHRD_ETHER,
  ARPHRD_LOOPBACK,
  DEV_ALLMULTI,
  DEV_FEATURES,
  DEV_FLAGS,
  DEV_GENERATION,
  DEV_GSO_MAX,
  DEV_IFINDEX,
  DEV_KIND,
  DEV_MTU,
  DEV_NET,
  DEV_OPERSTATE,
  DEV_PEER,
  DEV_PROMISCUITY,
  DEV_RX_QUEUES,
  DEV_TX_QUEUES,
  DEV_TXQLEN,
  DEV_TYPE,
  DevKind,
  deviceFds,
  deviceRow,
  deviceStats,
  IF_OPER_DOWN,
  IF_OPER_NOTPRESENT,
  IF_OPER_UNKNOWN,
  IF_OPER_UP,
  IFF_ALLMULTI,
  IFF_BROADCAST,
  IFF_LOOPBACK,
  IFF_LOWER_UP,
  IFF_MULTICAST,
  IFF_NOARP,
  IFF_PROMISC,
  IFF_RUNNING,
  IFF_UP,
  INIT_NET,
  NETIF_F_HW_CSUM,
  NETIF_F_RXCSUM,
  NETIF_F_TSO,
  NETIF_F_TSO6,
} from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import { DEV_STATS, DEVICE_FDS, DEVICE_WORDS } from '../shm/layout.ts'
import type { Mac } from '../wire/text.ts'
import type { Outcome, Refused } from './answers.ts'
import { changed, chunks, refuse, told } from './answers.ts'
import { readLink, writeMac, writeName, writeNetem } from './link-row.ts'
import type { LinkChange, LinkFilter, LinkInfo, MessageOf } from './rtnetlink.ts'
import { NLM_F_CREATE, NLM_F_EXCL } from './rtnetlink.ts'
import type { createPatience } from './rtnl.ts'
import { TIMED_OUT } from './rtnl.ts'
import type { Publisher } from './publish.ts'
import type { Ethtool } from './ethtool.ts'

export const IF_OPER_LOWERLAYERDOWN = 3

/** What opens and closes devices of one kind; its functions may take their time. */
export type LinkDriver = {
  /**
   * Opens the device and fills its row: kind, features, queues, descriptors, and what differs from an Ethernet
   * device of 1500 bytes. A refusal leaves nothing behind. What it returns is the link's info_data.
   */
  create(link: {
    ifindex: number
    row: number
    spec: LinkChange
  }): DriverAnswer | Promise<DriverAnswer>
  /** Closes it; no thread uses it any more. */
  destroy(ifindex: number): void | Promise<void>
  /** What may stand in `data`: what it takes, and what it shows itself, which may be given back. */
  readonly data?: readonly string[]
  /** MTU, MAC, name, flags or channels have changed. */
  change?(ifindex: number): void | Promise<void>
  /**
   * How the other side of the device is now. Asked ten times a second, so it is one look that never waits. A driver
   * without it always has carrier.
   */
  carrier?(ifindex: number): Carrier
  /** A thread met an errno on the device after which it is of no use to that thread, and has let it go. */
  failed?(ifindex: number, errno: number): void
  /** What else there is to say of the device: info_xstats. */
  xstats?(ifindex: number): Record<string, unknown> | undefined
}
/** `gone` does not come back: the link has to be made again. */
export type Carrier = 'up' | 'down' | 'gone'
/** A refusal in the operating system's words. */
export type DriverRefusal = { error: number; message: string; field?: string }
export type DriverAnswer = DriverRefusal | { error: 0; data?: Record<string, unknown> }

export type LinksDeps = {
  arena: Arena
  /** By kind, as `ip link add ... type KIND` (workers/drivers/). */
  drivers: Record<string, LinkDriver>
  addresses: Pick<Ifaddrs, 'deviceUp' | 'deviceDown' | 'deviceGone'>
  random: () => number
  within: ReturnType<typeof createPatience>
  /** control.ts: tells workers and nics to forget what they know of a device's neighbours and what waits for them. */
  announceDown: (ifindex: number) => void
  /** control.ts: tells them that it has no carrier, what they learned of its neighbours is void (neigh_carrier_down). */
  announceCarrierDown: (ifindex: number) => void
  /** control.ts: tells watchers. */
  onEvent: (event: 'new' | 'del', ifindex: number) => void
  /** A Pick of it would be circular: ethtool is made of links. */
  initSteering: Ethtool['initSteering']
} & Pick<Publisher, 'publish' | 'retire'>
type Known = {
  name: string
  kind: string
  data?: Record<string, unknown> | undefined
  carrier: Carrier
}
export type Links = ReturnType<typeof createLinks>

const NAME = /^[^\s/:]{1,15}$/
const MIN_MTU = 68
const MAX_MTU = 65535
const OFFLOADS = NETIF_F_HW_CSUM | NETIF_F_RXCSUM | NETIF_F_TSO | NETIF_F_TSO6
const GSO_MAX = 65535

export const createLinks = (deps: LinksDeps) => {
  const {
    arena,
    drivers,
    addresses,
    random,
    publish,
    within,
    retire,
    initSteering,
    announceDown,
    announceCarrierDown,
    onEvent,
  } = deps
  const { i32, f64, layout } = arena
  /** By ifindex: also of devices that are being made or are going away. */
  const known = new Map<number, Known>()
  /** Going away: not there any more for who asks, though a thread may still use them. */
  const leaving = new Set<number>()

  const noDevice = refuse(Errno.ENODEV, null, 'ifname')
  const isThere = (ifindex: number): boolean =>
    i32[deviceRow(arena, ifindex) + DEV_IFINDEX] === ifindex && !leaving.has(ifindex)
  const ifindexOf = (name: string): number => {
    for (const [ifindex, link] of known) if (link.name === name && isThere(ifindex)) return ifindex
    return 0
  }
  /** Is there such a device? */
  const isDevice = (ifindex: number): boolean => known.has(ifindex) && isThere(ifindex)
  const nameOf = (ifindex: number): string => known.get(ifindex)?.name ?? `if${ifindex}`
  const isTaken = (name: string): boolean => [...known.values()].some((link) => link.name === name)
  const item = (ifindex: number): LinkInfo => {
    const { kind, data } = known.get(ifindex)!
    return readLink(arena, ifindex, kind, data, drivers[kind]?.xstats?.(ifindex))
  }

  // ---- making

  const badName = (field: string): Refused => refuse(Errno.EINVAL, 'Invalid device name', field)
  const isName = (name: string): boolean => NAME.test(name) && name !== '.' && name !== '..'

  /** A row with what every Ethernet device starts with; 0 when there is none left. */
  const reserve = (name: string, kind: string): number => {
    for (let ifindex = 1; ifindex < layout.config.devices; ifindex++) {
      if (known.has(ifindex) || leaving.has(ifindex)) continue
      const row = deviceRow(arena, ifindex)
      const generation = (i32[row + DEV_GENERATION] + 1) | 0
      i32.fill(0, row, row + DEVICE_WORDS)
      i32.fill(0, deviceFds(arena, ifindex), deviceFds(arena, ifindex) + DEVICE_FDS)
      i32[row + DEV_GENERATION] = generation
      i32[row + DEV_FLAGS] = IFF_BROADCAST | IFF_MULTICAST
      i32[row + DEV_NET] = INIT_NET
      i32[row + DEV_MTU] = 1500
      i32[row + DEV_TYPE] = ARPHRD_ETHER
      i32[row + DEV_TX_QUEUES] = 1
      i32[row + DEV_RX_QUEUES] = 1
      i32[row + DEV_TXQLEN] = 1000
      i32[row + DEV_OPERSTATE] = IF_OPER_DOWN
      // locally administered, unicast
      writeMac(arena, row, { hi: (random() & 0xfcff) | 0x0200, lo: random() })
      writeName(arena, row, name)
      known.set(ifindex, { name, kind, carrier: 'up' })
      return ifindex
    }
    return 0
  }
  const show = (ifindex: number): void => {
    for (let t = 0; t < layout.threads; t++)
      f64.fill(0, deviceStats(arena, t, ifindex), deviceStats(arena, t, ifindex) + DEV_STATS)
    initSteering(ifindex, layout.config.workers)
    Atomics.store(i32, deviceRow(arena, ifindex) + DEV_IFINDEX, ifindex)
    onEvent('new', ifindex)
  }

  const softRow = (ifindex: number, kind: number, mtu: number): void => {
    const row = deviceRow(arena, ifindex)
    i32[row + DEV_KIND] = kind
    i32[row + DEV_MTU] = mtu
    i32[row + DEV_FEATURES] = OFFLOADS
    i32[row + DEV_GSO_MAX] = GSO_MAX
  }
  const createLoopback = (ifindex: number): void => {
    softRow(ifindex, DevKind.lo, 65536)
    const row = deviceRow(arena, ifindex)
    i32[row + DEV_FLAGS] = IFF_LOOPBACK
    i32[row + DEV_TYPE] = ARPHRD_LOOPBACK
    i32[row + DEV_OPERSTATE] = IF_OPER_UNKNOWN
    writeMac(arena, row, { hi: 0, lo: 0 })
  }
  /** Both ends at once, as `ip link add A type veth peer name B`. */
  const createVeth = (spec: LinkChange): number | Refused => {
    const given = spec.data?.peer
    const wanted =
      typeof given === 'object' && given !== null ? (given as { name?: unknown }).name : given
    if (given !== undefined && typeof wanted !== 'string')
      return refuse(Errno.EINVAL, 'The peer is named by its name', 'data.peer')
    const peerName = typeof wanted === 'string' ? wanted : freeName('veth')
    if (!isName(peerName)) return badName('data.peer')
    if (isTaken(peerName) || peerName === spec.ifname)
      return refuse(Errno.EEXIST, null, 'data.peer')
    const ifindex = reserve(spec.ifname, 'veth')
    const peer = ifindex === 0 ? 0 : reserve(peerName, 'veth')
    if (peer === 0) {
      known.delete(ifindex)
      return refuse(Errno.ENOBUFS)
    }
    for (const [one, other] of [
      [ifindex, peer],
      [peer, ifindex],
    ] as const) {
      softRow(one, DevKind.veth, 1500)
      i32[deviceRow(arena, one) + DEV_PEER] = other
    }
    show(peer)
    show(ifindex)
    return ifindex
  }
  /** The first word in `data` that the kind does not know. */
  const checkData = (
    { kind, data = {} }: LinkChange,
    taken: readonly string[]
  ): Refused | undefined => {
    const odd = Object.keys(data).find((key) => !taken.includes(key))
    if (odd === undefined) return undefined
    const words = taken.length === 0 ? 'nothing' : taken.join(', ')
    const why = `Unknown attribute "${odd}": type "${kind}" takes ${words}`
    return refuse(Errno.EINVAL, why, `data.${odd}`)
  }
  const freeName = (stem: string): string => {
    let k = 0
    while (isTaken(`${stem}${k}`)) k++
    return `${stem}${k}`
  }

  const create = async (spec: LinkChange): Promise<number | Refused> => {
    const kind = spec.kind
    if (!isName(spec.ifname)) return badName('ifname')
    if (kind === undefined) return refuse(Errno.EINVAL, 'The type is needed', 'kind')
    const driver = Object.hasOwn(drivers, kind) ? drivers[kind] : undefined
    if (kind !== 'veth' && driver === undefined)
      return refuse(Errno.EOPNOTSUPP, 'Unknown device type', 'kind')
    const why =
      checkChange(spec, null) ??
      checkData(spec, driver === undefined ? ['peer'] : (driver.data ?? []))
    if (why) return why
    if (driver === undefined) return createVeth(spec)
    const ifindex = reserve(spec.ifname, kind)
    if (ifindex === 0) return refuse(Errno.ENOBUFS)
    const opening = driver.create({ ifindex, row: deviceRow(arena, ifindex), spec })
    const answer = await within(opening).catch((error: unknown) => {
      known.delete(ifindex)
      throw error
    })
    if (answer === TIMED_OUT) {
      void abandon(ifindex, driver, opening)
      return refuse(Errno.ETIMEDOUT, null, 'kind')
    }
    if ('message' in answer) {
      known.delete(ifindex)
      return { ...answer, extack: null }
    }
    const link = known.get(ifindex)!
    link.data = answer.data
    link.carrier = driver.carrier?.(ifindex) ?? 'up'
    setOperstate(ifindex)
    show(ifindex)
    return ifindex
  }
  /** A device that opens too late is closed again; until then its name and its row are taken. */
  const abandon = async (
    ifindex: number,
    driver: LinkDriver,
    opening: ReturnType<LinkDriver['create']>
  ): Promise<void> => {
    try {
      if ((await opening).error === 0) await driver.destroy(ifindex)
    } catch {
      // who asked has been told of the time-out, and nothing of the device is left
    } finally {
      known.delete(ifindex)
    }
  }

  // ---- changing

  const isUsableMac = ({ hi, lo }: Mac): boolean => (hi & 0x0100) === 0 && (hi | lo) !== 0
  /** What is wrong with a change, before anything is changed; `ifindex` null for a link to be made. */
  const checkChange = (spec: LinkChange, ifindex: number | null): Refused | null => {
    const max = ifindex === LOOPBACK_IFINDEX ? 65536 : MAX_MTU
    if (spec.mtu !== undefined && !(Number.isInteger(spec.mtu) && spec.mtu >= MIN_MTU))
      return refuse(Errno.EINVAL, 'mtu less than device minimum', 'mtu')
    if (spec.mtu !== undefined && spec.mtu > max)
      return refuse(Errno.EINVAL, 'mtu greater than device maximum', 'mtu')
    if (spec.mac !== undefined && !isUsableMac(spec.mac))
      return refuse(Errno.EADDRNOTAVAIL, null, 'address')
    if (spec.mac !== undefined && ifindex === LOOPBACK_IFINDEX)
      return refuse(Errno.EOPNOTSUPP, null, 'address')
    if (spec.newname !== undefined && spec.newname !== spec.ifname) {
      if (!isName(spec.newname)) return badName('newname')
      if (isTaken(spec.newname)) return refuse(Errno.EEXIST, null, 'newname')
      // the configuration, and programs, know the loopback device by its name
      if (ifindex === LOOPBACK_IFINDEX) return refuse(Errno.EOPNOTSUPP, null, 'newname')
    }
    return null
  }
  const setFlag = (row: number, flag: number, on: boolean): void => {
    i32[row + DEV_FLAGS] = on ? i32[row + DEV_FLAGS] | flag : i32[row + DEV_FLAGS] & ~flag
  }
  const isUp = (ifindex: number): boolean =>
    (i32[deviceRow(arena, ifindex) + DEV_FLAGS] & IFF_UP) !== 0

  /** A veth has carrier while its peer is up, others while their driver says so. */
  const hasCarrier = (ifindex: number): boolean => {
    const peer = i32[deviceRow(arena, ifindex) + DEV_PEER]
    return peer === 0 ? known.get(ifindex)?.carrier === 'up' : isUp(peer)
  }
  /** Operational state of a device that is up (Linux: default_operstate, linkwatch_do_dev). */
  const operstateOf = (ifindex: number): number => {
    const row = deviceRow(arena, ifindex)
    if (i32[row + DEV_TYPE] === ARPHRD_LOOPBACK) return IF_OPER_UNKNOWN
    if (known.get(ifindex)!.carrier === 'gone') return IF_OPER_NOTPRESENT
    if (!isUp(ifindex)) return IF_OPER_DOWN
    if (hasCarrier(ifindex)) return IF_OPER_UP
    return i32[row + DEV_PEER] === 0 ? IF_OPER_DOWN : IF_OPER_LOWERLAYERDOWN
  }
  const setOperstate = (ifindex: number): void => {
    const row = deviceRow(arena, ifindex)
    setFlag(row, IFF_RUNNING | IFF_LOWER_UP, isUp(ifindex) && hasCarrier(ifindex))
    i32[row + DEV_OPERSTATE] = operstateOf(ifindex)
  }
  const setUp = (ifindex: number, up: boolean): void => {
    if (isUp(ifindex) === up) return
    const row = deviceRow(arena, ifindex)
    setFlag(row, IFF_UP, up)
    setOperstate(ifindex)
    const peer = i32[row + DEV_PEER]
    if (peer !== 0) {
      setOperstate(peer)
      onEvent('new', peer)
    }
    if (up) addresses.deviceUp(ifindex)
    else addresses.deviceDown(ifindex)
  }
  const apply = (ifindex: number, spec: LinkChange): void => {
    const row = deviceRow(arena, ifindex)
    if (spec.newname !== undefined) {
      known.get(ifindex)!.name = spec.newname
      writeName(arena, row, spec.newname)
    }
    if (spec.mtu !== undefined) i32[row + DEV_MTU] = spec.mtu
    if (spec.mac !== undefined) writeMac(arena, row, spec.mac)
    if (spec.txqlen !== undefined) i32[row + DEV_TXQLEN] = spec.txqlen
    const direct = spec.change & (IFF_NOARP | IFF_PROMISC | IFF_ALLMULTI)
    i32[row + DEV_FLAGS] = (i32[row + DEV_FLAGS] & ~direct) | (spec.flags & direct)
    if (direct & IFF_PROMISC) i32[row + DEV_PROMISCUITY] = spec.flags & IFF_PROMISC ? 1 : 0
    if (direct & IFF_ALLMULTI) i32[row + DEV_ALLMULTI] = spec.flags & IFF_ALLMULTI ? 1 : 0
    if (spec.netem !== undefined) writeNetem(arena, row, spec.netem)
    const wasUp = isUp(ifindex)
    if (spec.change & IFF_UP) setUp(ifindex, (spec.flags & IFF_UP) !== 0)
    // headers made for the old address are wrong now (Linux: neigh_ifdown, neigh_changeaddr)
    if (wasUp && (!isUp(ifindex) || spec.mac !== undefined)) announceDown(ifindex)
    onEvent('new', ifindex)
  }

  // ---- the other side

  /** Asks a device's driver how its other side is; true when that has changed. */
  const lookAt = (ifindex: number): boolean => {
    const link = known.get(ifindex)!
    const now = drivers[link.kind]?.carrier?.(ifindex) ?? 'up'
    if (now === link.carrier || link.carrier === 'gone') return false
    link.carrier = now
    setOperstate(ifindex)
    if (now !== 'up' && isUp(ifindex)) announceCarrierDown(ifindex)
    onEvent('new', ifindex)
    return true
  }
  /** Follows the other sides of all devices, now and then; true when any has changed. */
  const look = (): boolean => {
    let any = false
    for (const ifindex of list()) if (lookAt(ifindex)) any = true
    return any
  }
  /** A thread has met an error on a device, which may have been made anew since. */
  const failed = (ifindex: number, generation: number, errno: number): void => {
    if (!isThere(ifindex) || i32[deviceRow(arena, ifindex) + DEV_GENERATION] !== generation) return
    drivers[kindOf(ifindex)]?.failed?.(ifindex, errno)
  }

  // ---- messages

  const newLink = async ({
    link: spec,
    flags,
  }: MessageOf<'RTM_NEWLINK'>): Promise<Outcome<LinkInfo>> => {
    let ifindex = ifindexOf(spec.ifname)
    if (ifindex === 0) {
      if (isTaken(spec.ifname)) return refuse(Errno.EBUSY, null, 'ifname')
      if ((flags & NLM_F_CREATE) === 0) return noDevice
      const made = await create(spec)
      if (typeof made !== 'number') return made
      ifindex = made
    } else if ((flags & NLM_F_EXCL) !== 0) return refuse(Errno.EEXIST, null, 'ifname')
    else if (spec.kind !== undefined && spec.kind !== known.get(ifindex)!.kind)
      return refuse(Errno.EEXIST, 'A link of another kind has this name', 'kind')
    const why = checkChange(spec, ifindex)
    if (why !== null) return why
    apply(ifindex, spec)
    const answer = await within(drivers[known.get(ifindex)!.kind]?.change?.(ifindex))
    return answer === TIMED_OUT ? refuse(Errno.ETIMEDOUT) : changed(item(ifindex))
  }

  /** Takes one device away, step by step; its row is free after a last grace period. */
  const destroy = async (ifindex: number): Promise<void> => {
    const driver = drivers[known.get(ifindex)!.kind]
    setUp(ifindex, false)
    addresses.deviceGone(ifindex)
    leaving.add(ifindex)
    await publish()
    announceDown(ifindex)
    let isLate = false
    try {
      const closing = driver?.destroy(ifindex)
      isLate = (await within(closing)) === TIMED_OUT
      if (isLate) void Promise.resolve(closing).then(() => forget(ifindex))
    } finally {
      onEvent('del', ifindex)
      Atomics.store(i32, deviceRow(arena, ifindex) + DEV_IFINDEX, 0)
      if (!isLate) forget(ifindex)
    }
  }
  /** The name is free now, the row when no thread can look at it any more. */
  const forget = (ifindex: number): void => {
    known.delete(ifindex)
    retire(() => {
      leaving.delete(ifindex)
    })
  }
  const delLink = async ({ ifindex }: MessageOf<'RTM_DELLINK'>): Promise<Outcome<LinkInfo>> => {
    if (!isDevice(ifindex)) return noDevice
    if (ifindex === LOOPBACK_IFINDEX) return refuse(Errno.EOPNOTSUPP, null, 'ifname')
    const last = item(ifindex)
    const peer = i32[deviceRow(arena, ifindex) + DEV_PEER]
    await Promise.all([ifindex, peer].filter((one) => one !== 0).map(destroy))
    return changed(last)
  }
  const getLink = ({ ifindex }: MessageOf<'RTM_GETLINK'>): Outcome<LinkInfo> =>
    isDevice(ifindex) ? told(item(ifindex)) : noDevice
  const list = (): number[] => [...known.keys()].filter(isThere).sort((a, b) => a - b)
  function* items({ ifindex, kind, isUp: up }: LinkFilter): Generator<LinkInfo> {
    for (const one of list()) {
      if (ifindex !== undefined && one !== ifindex) continue
      if (kind !== undefined && kindOf(one) !== kind) continue
      if (up !== undefined && isUp(one) !== up) continue
      yield item(one)
    }
  }
  const dump = (filter: LinkFilter = {}): Iterable<LinkInfo[]> => chunks(items(filter), 64)
  const kindOf = (ifindex: number): string => known.get(ifindex)?.kind ?? ''

  /** Makes lo; once, when all that hears of links is ready. */
  const boot = (): void => {
    const ifindex = reserve('lo', 'lo')
    createLoopback(ifindex)
    show(ifindex)
    setUp(ifindex, true)
  }

  /** Closes every device, at the end: no other thread runs any more. */
  const close = async (): Promise<void> => {
    for (const ifindex of list()) await drivers[kindOf(ifindex)]?.destroy(ifindex)
  }

  return {
    boot,
    close,
    newLink,
    delLink,
    getLink,
    dump,
    ifindexOf,
    nameOf,
    kindOf,
    isDevice,
    item,
    hasCarrier,
    look,
    failed,
  }
}
