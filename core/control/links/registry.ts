/**
 * The registry of devices over their rows in shared memory: who there is, by ifindex and name, of which kind. A row
 * appears whole: its ifindex is stored last; what goes away is hidden first and its row free when no thread can look at it
 * any more. Control thread. Linux: net/core/dev.c (list_netdevice, __dev_get_by_name, dev_alloc_name).
 */
import { Errno } from '../../base/errno.ts'
import { kindNumbers } from '../../dev/kinds/kinds.ts'
import { createPorts } from '../../dev/kinds/ports.ts'
import type { Carrier, KindEnv, LinkKind, LinkOps, LinkRefusal } from '../../dev/kinds/link-kind.ts'
import {
  ARPHRD_ETHER,
  DEV_FLAGS,
  DEV_GENERATION,
  DEV_IFINDEX,
  DEV_KIND,
  DEV_MASTER,
  DEV_MTU,
  DEV_NET,
  DEV_OPERSTATE,
  DEV_RX_QUEUES,
  DEV_TX_QUEUES,
  DEV_TXQLEN,
  DEV_TYPE,
  deviceFds,
  deviceRow,
  deviceStats,
  IF_OPER_DOWN,
  IFF_BROADCAST,
  IFF_MULTICAST,
  IFF_UP,
  INIT_NET,
} from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import { initConf } from '../../shm/devconf.ts'
import { DEV_STATS, DEVICE_FDS, DEVICE_WORDS, DROP_REASONS } from '../../shm/layout.ts'
import { deviceDrops } from '../../skb/drop.ts'
import type { Refused } from '../rtnl/answers.ts'
import { refuse } from '../rtnl/answers.ts'
import type { Publisher } from '../rtnl/publish.ts'
import type { LinkInfo } from '../rtnetlink.ts'
import { drawMac, readLink, writeMac, writeName } from './link-row.ts'

export type RegistryDeps = {
  arena: Arena
  /** What can be made; a device's number of its kind follows from the place in the list. */
  kinds: readonly LinkKind[]
  random: () => number
  /** workers/daemon.ts: has that thread come to its end? */
  hasEnded: (thread: number) => boolean
  /** core/control/ethtool.ts: initSteering, which is made of links itself. */
  initSteering: (ifindex: number, channels: number) => void
  /** control.ts: a VRF's table has to be found, and a rule has to lead there. */
  l3MasterMade: (ifindex: number) => void
  /** control.ts: tells watchers. */
  onEvent: (event: 'new' | 'del', ifindex: number) => void
} & Pick<Publisher, 'retire'>
/** A kind and control's half of it. */
export type Kind = LinkKind & { ops: LinkOps }
export type Known = {
  name: string
  kind: Kind
  data?: Record<string, unknown> | undefined
  carrier: Carrier
  /** How often it has come and gone. */
  carrierChanges: number
  /** The other device of its pair, or 0. */
  second: number
  /** It has been up, and has a queueing discipline since (dev_activate). */
  isActivated: boolean
}
export type Registry = ReturnType<typeof createRegistry>

/** Of a device whose kind says no other. */
export const MIN_MTU = 68
export const MAX_MTU = 65535

const NAME = /^[^\s/:]{1,15}$/

export const isName = (name: string): boolean => NAME.test(name) && name !== '.' && name !== '..'
export const badName = (field: string): Refused =>
  refuse(Errno.EINVAL, 'Invalid device name', field)
export const asRefused = (refusal: LinkRefusal): Refused => ({ extack: null, ...refusal })

export const createRegistry = (deps: RegistryDeps) => {
  const { arena, random, hasEnded, retire, initSteering, l3MasterMade, onEvent } = deps
  const { i32, f64, layout } = arena
  /** By ifindex: also of devices that are being made or are going away. */
  const known = new Map<number, Known>()
  /** Going away: not there any more for who asks, though a thread may still use them. */
  const leaving = new Set<number>()

  // ---- who there is

  const isThere = (ifindex: number): boolean =>
    i32[deviceRow(arena, ifindex) + DEV_IFINDEX] === ifindex && !leaving.has(ifindex)
  const ifindexOf = (name: string): number => {
    for (const [ifindex, link] of known) if (link.name === name && isThere(ifindex)) return ifindex
    return 0
  }
  /** Is there such a device? */
  const isDevice = (ifindex: number): boolean => known.has(ifindex) && isThere(ifindex)
  const list = (): number[] => [...known.keys()].filter(isThere).sort((a, b) => a - b)
  const find = (ifindex: number): Known | undefined => known.get(ifindex)
  const of = (ifindex: number): Known => known.get(ifindex)!
  const nameOf = (ifindex: number): string => known.get(ifindex)?.name ?? `if${ifindex}`
  const kindOf = (ifindex: number): string => known.get(ifindex)?.kind.name ?? ''
  const masterOf = (ifindex: number): number => i32[deviceRow(arena, ifindex) + DEV_MASTER]
  const isUp = (ifindex: number): boolean =>
    (i32[deviceRow(arena, ifindex) + DEV_FLAGS] & IFF_UP) !== 0
  const item = (ifindex: number): LinkInfo => {
    const { kind, data, carrierChanges, isActivated } = of(ifindex)
    const { name, minMtu = MIN_MTU, maxMtu = MAX_MTU } = kind
    const xstats = kind.ops.xstats?.(ifindex)
    const otherEnd = kind.ops.otherEnd?.(ifindex)
    return readLink(arena, ifindex, {
      kind: name,
      masterKind: kindOf(masterOf(ifindex)),
      data,
      otherEnd,
      xstats,
      minMtu,
      maxMtu,
      carrierChanges,
      isActivated,
    })
  }

  // ---- names

  const isTaken = (name: string): boolean => [...known.values()].some((link) => link.name === name)
  /** What is wrong with a name that a device is to have. */
  const checkName = (name: string, field: string): Refused | undefined => {
    if (!isName(name)) return badName(field)
    return isTaken(name) ? refuse(Errno.EEXIST, null, field) : undefined
  }
  const freeName = (stem: string): string => {
    let k = 0
    while (isTaken(`${stem}${k}`)) k++
    return `${stem}${k}`
  }

  // ---- rows

  const isFree = (ifindex: number): boolean => !known.has(ifindex) && !leaving.has(ifindex)
  /** What every Ethernet device starts with. */
  const initRow = (ifindex: number): void => {
    const row = deviceRow(arena, ifindex)
    const generation = (i32[row + DEV_GENERATION] + 1) | 0
    i32.fill(0, row, row + DEVICE_WORDS)
    i32.fill(0, deviceFds(arena, ifindex), deviceFds(arena, ifindex) + DEVICE_FDS)
    initConf(arena, ifindex)
    i32[row + DEV_GENERATION] = generation
    i32[row + DEV_FLAGS] = IFF_BROADCAST | IFF_MULTICAST
    i32[row + DEV_NET] = INIT_NET
    i32[row + DEV_MTU] = 1500
    i32[row + DEV_TYPE] = ARPHRD_ETHER
    i32[row + DEV_TX_QUEUES] = 1
    i32[row + DEV_RX_QUEUES] = 1
    i32[row + DEV_TXQLEN] = 1000
    i32[row + DEV_OPERSTATE] = IF_OPER_DOWN
    writeMac(arena, row, drawMac(random))
  }
  /** The first row that nobody has. */
  const firstFree = (): number => {
    let ifindex = 1
    while (!isFree(ifindex)) ifindex++
    return ifindex
  }
  /** A row for a new device, which nobody sees yet; 0 when there is none left, or not that one. */
  const reserve = (name: string, kind: Kind, ifindex = firstFree()): number => {
    if (ifindex >= layout.config.devices || !isFree(ifindex)) return 0
    initRow(ifindex)
    i32[deviceRow(arena, ifindex) + DEV_KIND] = numbers[kind.name]
    writeName(arena, deviceRow(arena, ifindex), name)
    const begun = { carrier: 'up', carrierChanges: 0, second: 0, isActivated: false } as const
    known.set(ifindex, { name, kind, ...begun })
    return ifindex
  }
  const show = (ifindex: number): void => {
    for (let t = 0; t < layout.threads; t++) {
      const [stats, drops] = [deviceStats(arena, t, ifindex), deviceDrops(arena, t, ifindex)]
      f64.fill(0, stats, stats + DEV_STATS)
      f64.fill(0, drops, drops + DROP_REASONS)
    }
    initSteering(ifindex, layout.config.workers)
    Atomics.store(i32, deviceRow(arena, ifindex) + DEV_IFINDEX, ifindex)
    onEvent('new', ifindex)
  }
  const rename = (ifindex: number, name: string): void => {
    of(ifindex).name = name
    writeName(arena, deviceRow(arena, ifindex), name)
  }
  /** Nobody who asks sees it any more. */
  const leave = (ifindex: number): void => void leaving.add(ifindex)
  /** No thread finds it any more. */
  const hide = (ifindex: number): void => {
    onEvent('del', ifindex)
    Atomics.store(i32, deviceRow(arena, ifindex) + DEV_IFINDEX, 0)
  }
  /** A row that was never shown. */
  const release = (ifindex: number): void => void known.delete(ifindex)
  /** The name is free now, the row when no thread can look at it any more. */
  const forget = (ifindex: number): void => {
    known.delete(ifindex)
    retire(() => {
      leaving.delete(ifindex)
    })
  }

  // ---- kinds

  const numbers: Readonly<Record<string, number>> = kindNumbers(deps.kinds)
  const ports = createPorts(arena)
  const envOf = (kind: () => Kind): KindEnv => ({
    arena,
    hasEnded,
    isUp,
    checkName,
    freeName,
    reserve: (name) => reserve(name, kind()),
    l3MasterMade,
    nameOf,
    ports,
    part: (ifindex) => {
      const { second } = of(ifindex)
      of(ifindex).second = 0
      if (second !== 0) of(second).second = 0
    },
    pair: (ifindex, other) => {
      of(ifindex).second = other
      of(other).second = ifindex
    },
  })
  const kinds = new Map(
    deps.kinds.map((kind) => {
      const made: Kind = { ...kind, ops: kind.linkOps(envOf(() => made)) }
      return [kind.name, made]
    })
  )

  return {
    kinds,
    isThere,
    isDevice,
    isTaken,
    isUp,
    ifindexOf,
    nameOf,
    kindOf,
    masterOf,
    find,
    of,
    item,
    list,
    checkName,
    reserve,
    show,
    rename,
    leave,
    hide,
    release,
    forget,
  }
}
