/**
 * The groups of each device: made of all memberships (mc-members.ts) and of what every device of a kind has (all hosts,
 * all routers), written for all threads to read (mc-table.ts), and told to who speaks of them on the link (mc-host.ts).
 * It can always be made anew, which is what a CPU 0 that is started again does. CPU 0.
 * Linux: ip_mc_inc_group(), ip_mc_add_src(), ip_mc_up() (net/ipv4/igmp.c), ipv6_mc_up() (net/ipv6/mcast.c).
 */
import { V4_MAPPED } from '../../base/family.ts'
import {
  DEV_FLAGS,
  DEV_GENERATION,
  DEV_IFINDEX,
  DEV_MC_ROLE4,
  DEV_MC_ROLE6,
  deviceRow,
  IFF_LOOPBACK,
  IFF_UP,
  speaks,
} from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import { MC_GROUP_WORDS, MC_SOURCE_WORDS, MC_SOURCES } from '../../shm/layout.ts'
import { createSlab } from '../../shm/slab.ts'
import { Conf6, confRow } from '../../shm/devconf.ts'
import type { Words } from '../../wire/text.ts'
import {
  MCAST_EXCLUDE,
  MCG_COUNT,
  MCG_GROUP,
  MCG_IFINDEX,
  MCG_MODE,
  MCG_NEXT,
  MCG_SERIAL,
  MCG_SOURCES,
  MCG_USERS,
  MCS_ADDR,
  MCS_NEXT,
  MCT_HIGH,
  MCT_RESYNC,
  MCT_SEQ,
} from './mc-constants.ts'
import {
  addrKey,
  isSameFilter,
  type McFilter,
  mergeFilters,
  NOTHING,
  sourcesOf,
  uniqueAddrs,
} from './mc-filter.ts'
import type { McHost } from './mc-host.ts'
import type { McProxy } from './mc-proxy.ts'
import { MC_ROLE_DOWNSTREAM } from './mfc-constants.ts'
import { readMembers } from './mc-read.ts'
import { createMcTable } from './mc-table.ts'

type Group = {
  readonly ifindex: number
  readonly words: Words
  readonly row: number
  filter: McFilter
  users: number
}
type McGroupsDeps = {
  arena: Arena
  /** core/stack/multicast.ts: by family, what other links want of a group on an upstream device (mc-proxy.ts). */
  proxied: McProxy['proxied']
  proxiedGroups: McProxy['proxiedGroups']
} & Pick<McHost, 'onChange' | 'onDevice'>

/** In the order in which Linux joins them: IPv6's with the device, IPv4's when it comes up. */
const ALL_NODES: readonly Words[] = [
  [0xff010000 | 0, 0, 0, 1],
  [0xff020000 | 0, 0, 0, 1],
]
const ALL_HOSTS: Words = [0, 0, V4_MAPPED, 0xe0000001 | 0]
const ALL_ROUTERS: readonly Words[] = [
  [0xff020000 | 0, 0, 0, 2],
  [0xff010000 | 0, 0, 0, 2],
  [0xff050000 | 0, 0, 0, 2],
]
/** Where reports go, of a device that asks for them. */
const QUERIER4: readonly Words[] = [
  [0, 0, V4_MAPPED, 0xe0000002 | 0],
  [0, 0, V4_MAPPED, 0xe0000016 | 0],
]
const QUERIER6: readonly Words[] = [[0xff020000 | 0, 0, 0, 0x16]]
const EVERYTHING: McFilter = { mode: MCAST_EXCLUDE, sources: new Map() }

export const createMcGroups = (deps: McGroupsDeps) => {
  const { arena, onChange, onDevice, proxied, proxiedGroups } = deps
  const { i32, layout } = arena
  const { mcTable, mcRows, mcBuckets } = layout
  const table = createMcTable(arena)
  const { devices } = layout.config
  const groups = new Map<string, Group>()
  const free: number[] = []
  let serial = 0

  // ---- the table, as others read it

  const write = (fn: () => void): void => {
    Atomics.add(i32, mcTable + MCT_SEQ, 1)
    fn()
    Atomics.add(i32, mcTable + MCT_SEQ, 1)
  }
  if ((i32[mcTable + MCT_SEQ] & 1) !== 0) Atomics.add(i32, mcTable + MCT_SEQ, 1)
  const slab = createSlab(i32, layout.mcGroupSources, mcRows * MC_SOURCES, MC_SOURCE_WORDS, true)
  write(() => {
    i32.fill(0, table.rows, table.rows + mcRows * MC_GROUP_WORDS + mcBuckets)
    i32[mcTable + MCT_HIGH] = 0
  })
  for (let n = mcRows - 1; n >= 0; n--) free.push(table.rows + n * MC_GROUP_WORDS)

  const dropSources = (row: number): void => {
    for (let source = i32[row + MCG_SOURCES]; source !== 0; ) {
      const next = i32[source + MCS_NEXT]
      slab.free(source)
      source = next
    }
    i32[row + MCG_SOURCES] = 0
    i32[row + MCG_COUNT] = 0
  }
  const putFilter = (row: number, { mode, sources }: McFilter): void => {
    dropSources(row)
    i32[row + MCG_MODE] = mode
    for (const words of sources.values()) {
      const source = slab.alloc()
      i32.set(words, source + MCS_ADDR)
      i32[source + MCS_NEXT] = i32[row + MCG_SOURCES]
      i32[row + MCG_SOURCES] = source
      i32[row + MCG_COUNT]++
    }
  }
  const enter = (ifindex: number, words: Words): Group => {
    // there are as many rows as there can be memberships, and a few for each device
    const row = free.pop()!
    i32.fill(0, row, row + MC_GROUP_WORDS)
    i32.set(words, row + MCG_GROUP)
    i32[row + MCG_IFINDEX] = ifindex
    i32[row + MCG_SERIAL] = ++serial
    const bucket = table.bucketOf(ifindex, i32, row + MCG_GROUP)
    i32[row + MCG_NEXT] = i32[bucket]
    i32[bucket] = row
    const high = (row - table.rows) / MC_GROUP_WORDS + 1
    if (high > i32[mcTable + MCT_HIGH]) i32[mcTable + MCT_HIGH] = high
    return { ifindex, words, row, filter: NOTHING, users: 0 }
  }
  const leave = ({ row, ifindex }: Group): void => {
    dropSources(row)
    const bucket = table.bucketOf(ifindex, i32, row + MCG_GROUP)
    if (i32[bucket] === row) i32[bucket] = i32[row + MCG_NEXT]
    else
      for (let prev = i32[bucket]; prev !== 0; prev = i32[prev + MCG_NEXT])
        if (i32[prev + MCG_NEXT] === row) i32[prev + MCG_NEXT] = i32[row + MCG_NEXT]
    i32[row + MCG_IFINDEX] = 0
    free.push(row)
  }

  // ---- what a device has

  const keyOf = (ifindex: number, words: Words): string => `${ifindex} ${addrKey(words)}`
  const isThere = (ifindex: number): boolean =>
    i32[deviceRow(arena, ifindex) + DEV_IFINDEX] === ifindex
  const has = (ifindex: number, flag: number): boolean =>
    (i32[deviceRow(arena, ifindex) + DEV_FLAGS] & flag) !== 0
  const isQuerier = (ifindex: number, word: number): boolean =>
    i32[deviceRow(arena, ifindex) + word] === MC_ROLE_DOWNSTREAM
  const forwards = (ifindex: number): number => i32[confRow(arena, ifindex) + Conf6.forwarding]
  /** What a device has without anybody asking: it changes with the device and with forwarding. */
  const standing = (ifindex: number): readonly Words[] => {
    if (!isThere(ifindex)) return []
    if (!has(ifindex, IFF_UP)) return ALL_NODES
    const isRouter = !has(ifindex, IFF_LOOPBACK) && forwards(ifindex) !== 0
    return [
      ...ALL_NODES,
      ALL_HOSTS,
      ...(isRouter ? ALL_ROUTERS : []),
      ...(isQuerier(ifindex, DEV_MC_ROLE4) ? QUERIER4 : []),
      ...(isQuerier(ifindex, DEV_MC_ROLE6) ? QUERIER6 : []),
    ]
  }
  const isStanding = (ifindex: number, words: Words): boolean => {
    const key = addrKey(words)
    return standing(ifindex).some((one) => addrKey(one) === key)
  }
  const isSane = (ifindex: number): boolean => ifindex > 0 && ifindex < devices

  /** Makes one group of a device anew. */
  const make = (ifindex: number, words: Words, filters: readonly McFilter[]): void => {
    const key = keyOf(ifindex, words)
    const known = groups.get(key)
    if (filters.length === 0 && known === undefined) return
    const before = known?.filter ?? NOTHING
    const filter = filters.length === 0 ? NOTHING : mergeFilters(filters)
    if (known !== undefined && known.users === filters.length && isSameFilter(before, filter))
      return
    let group = known
    write(() => {
      group ??= enter(ifindex, words)
      group.filter = filter
      group.users = filters.length
      if (filters.length === 0) return leave(group)
      i32[group.row + MCG_USERS] = filters.length
      putFilter(group.row, filter)
    })
    if (filters.length === 0) groups.delete(key)
    else groups.set(key, group!)
    if (!isSameFilter(before, filter)) onChange(ifindex, words, before, filter)
  }
  const makeOne = (ifindex: number, words: Words): void => {
    const wanted: McFilter[] = isStanding(ifindex, words) ? [EVERYTHING] : []
    for (const { mode, sources } of readMembers(arena, { ifindex, words }))
      wanted.push({ mode, sources: sourcesOf(sources) })
    wanted.push(...proxied(ifindex, words))
    make(ifindex, words, wanted)
  }
  /** Makes all groups of a device anew, or of all. */
  const makeAll = (only = 0): void => {
    const wanted = new Map<string, { ifindex: number; words: Words; filters: McFilter[] }>()
    const want = (ifindex: number, words: Words, filters: readonly McFilter[]): void => {
      if (only !== 0 && only !== ifindex) return
      const key = keyOf(ifindex, words)
      const all = wanted.get(key) ?? { ifindex, words, filters: [] }
      all.filters.push(...filters)
      wanted.set(key, all)
    }
    for (let ifindex = 1; ifindex < devices; ifindex++)
      for (const words of standing(ifindex)) want(ifindex, words, [EVERYTHING])
    for (let ifindex = 1; ifindex < devices; ifindex++)
      for (const words of uniqueAddrs(proxiedGroups(ifindex)))
        want(ifindex, words, proxied(ifindex, words))
    for (const { ifindex, words, mode, sources } of readMembers(arena))
      want(ifindex, words, [{ mode, sources: sourcesOf(sources) }])
    for (const { ifindex, words } of [...groups.values()]) want(ifindex, words, [])
    for (const { ifindex, words, filters } of wanted.values()) make(ifindex, words, filters)
  }

  // ---- what happens

  /** A membership has come, changed or gone. */
  const changed = (ifindex: number, a: number, b: number, c: number, d: number): void => {
    if (isSane(ifindex)) makeOne(ifindex, [a, b, c, d])
  }
  /** Devices as they were seen last: generation, roles, up, with a carrier to speak by, there. */
  const seen = new Int32Array(devices)
  const forwarding = new Int32Array(devices)
  const stateOf = (ifindex: number): number => {
    const row = deviceRow(arena, ifindex)
    if (i32[row + DEV_IFINDEX] !== ifindex) return 0
    const isUp = (i32[row + DEV_FLAGS] & IFF_UP) !== 0
    const roles = (i32[row + DEV_MC_ROLE4] << 2) | i32[row + DEV_MC_ROLE6]
    const bits = (isUp ? 4 : 0) | (speaks(arena, ifindex) ? 2 : 0) | 1
    return ((i32[row + DEV_GENERATION] & 0xffff) << 8) | (roles << 3) | bits
  }
  /** Looks at what control may have changed: devices, and whether this is a router. */
  const refresh = (): void => {
    for (let ifindex = 1; ifindex < devices; ifindex++) {
      const now = stateOf(ifindex)
      const was = seen[ifindex]
      const isRouting = forwards(ifindex)
      if (now === was && isRouting === forwarding[ifindex]) continue
      forwarding[ifindex] = isRouting
      seen[ifindex] = now
      // another device has the number: of the first one nothing is left to say
      const isSame = was >> 8 === now >> 8 && isSpeaking(was) === isSpeaking(now)
      if (isSpeaking(was) && !isSame) onDevice(ifindex, false)
      makeAll(ifindex)
      if (isSpeaking(now) && !isSame) onDevice(ifindex, true)
    }
  }
  const isSpeaking = (state: number): boolean => (state & 2) !== 0
  /** Once a turn: has a thread been unable to tell what it changed? */
  const poll = (): void => {
    if (i32[mcTable + MCT_RESYNC] === 0) return
    Atomics.store(i32, mcTable + MCT_RESYNC, 0)
    makeAll()
  }
  const list = (ifindex: number): Group[] =>
    [...groups.values()].filter((group) => group.ifindex === ifindex)

  makeAll()
  return { changed, refresh, poll, list }
}
