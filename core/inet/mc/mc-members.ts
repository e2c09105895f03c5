/**
 * The memberships of one thread: what each of its sockets has joined, on which device and from which sources, and on
 * control the groups that the stack itself needs. A row is its thread's; CPU 0 reads it and makes the devices' groups of
 * all of them (mc-groups.ts), told by MC_CHANGED. The errors are those of the socket calls.
 * Linux: ip_mc_join_group(), ip_mc_leave_group(), ip_mc_source(), ip_mc_msfilter(), ip_mc_sf_allow() (net/ipv4/igmp.c) and
 * their like in net/ipv6/mcast.c; RFC 3376 section 3.1, RFC 3678.
 */
import { copyAddr, familyOf, isSameAddr, isV4Mapped } from '../../base/family.ts'
import { Errno } from '../../base/errno.ts'
import type { Arena } from '../../shm/arena.ts'
import type { IpiSystem } from '../../shm/ipi.ts'
import { Ipi } from '../../shm/ipi.ts'
import { DEVICE_WORDS, MC_MEMBER_WORDS, MC_SOURCE_WORDS, MC_SOURCES } from '../../shm/layout.ts'
import { DEV_GENERATION } from '../../netdev/netdev.ts'
import { createSlab } from '../../shm/slab.ts'
import { Sysctl } from '../../shm/sysctl.ts'
import { byFamily } from '../af-ops.ts'
import {
  MC_CPU,
  MCAST_EXCLUDE,
  MCAST_INCLUDE,
  MCM_ADDRESS,
  MCM_COUNT,
  MCM_DEVICE,
  MCM_GROUP,
  MCM_HAS_LIST,
  MCM_IFINDEX,
  MCM_MODE,
  MCM_NEXT,
  MCM_SEQ,
  MCM_SK,
  MCM_SOURCES,
  MCM_USERS,
  MCS_ADDR,
  MCS_NEXT,
  MCT_OWN,
  MCT_RESYNC,
} from './mc-constants.ts'

type McMembersDeps = {
  arena: Arena
  /** A worker; or control, whose rows come last. */
  thread: number
  ipi: Pick<IpiSystem, 'send' | 'kick'>
}
export type McMembers = ReturnType<typeof createMcMembers>

/** Slabs of a thread: index `workers` is control's. */
export const memberSlabs = ({ i32, layout }: Arena, index: number, fresh: boolean) => {
  const { members } = layout.config
  return {
    rows: createSlab(
      i32,
      layout.mcMembers + index * layout.mcMemberWords,
      members,
      MC_MEMBER_WORDS,
      fresh
    ),
    sources: createSlab(
      i32,
      layout.mcSources + index * layout.mcSourceWords,
      members * MC_SOURCES,
      MC_SOURCE_WORDS,
      fresh
    ),
  }
}

const maxMsf = byFamily(Sysctl.igmp_max_msf, Sysctl.mld_max_msf)
const { EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENOBUFS } = Errno

export const createMcMembers = ({ arena, thread, ipi }: McMembersDeps) => {
  const { i32, layout } = arena
  const { sysctl, devices } = layout
  const index = Math.min(thread, layout.config.workers)
  const resync = layout.mcTable + MCT_RESYNC

  // ---- telling CPU 0

  const resyncAll = (): void => {
    Atomics.store(i32, resync, 1)
    ipi.kick(MC_CPU)
  }
  const tell = (row: number): void => {
    const group = row + MCM_GROUP
    const ifindex = i32[row + MCM_IFINDEX]
    const [a, b, c, d] = [i32[group], i32[group + 1], i32[group + 2], i32[group + 3]]
    if (!ipi.send(MC_CPU, Ipi.MC_CHANGED, ifindex, a, b, c, d)) resyncAll()
  }

  // what a forerunner of this thread had joined went with its sockets
  const hadSome = memberSlabs(arena, index, false).rows.live() > 0
  const { rows, sources } = memberSlabs(arena, index, true)
  if (hadSome) resyncAll()

  const beginWrite = (row: number): void => void Atomics.add(i32, row + MCM_SEQ, 1)
  const endWrite = (row: number): void => {
    Atomics.add(i32, row + MCM_SEQ, 1)
    tell(row)
  }

  // ---- rows: a chain for each owner, whose head is the word `list`

  const make = (
    list: number,
    sk: number,
    ifindex: number,
    words: Int32Array,
    at: number
  ): number => {
    const row = rows.alloc()
    if (row === 0) return 0
    // odd until it is complete
    i32[row + MCM_SEQ] = 1
    i32[row + MCM_SK] = sk
    copyAddr(i32, row + MCM_GROUP, words, at)
    i32[row + MCM_DEVICE] = i32[devices + ifindex * DEVICE_WORDS + DEV_GENERATION]
    i32[row + MCM_NEXT] = i32[list]
    i32[list] = row
    Atomics.store(i32, row + MCM_IFINDEX, ifindex)
    return row
  }
  const freeSources = (row: number): void => {
    for (let source = i32[row + MCM_SOURCES]; source !== 0; ) {
      const next = i32[source + MCS_NEXT]
      sources.free(source)
      source = next
    }
    i32[row + MCM_SOURCES] = 0
    i32[row + MCM_COUNT] = 0
  }
  /** Ends a membership that `list` leads to. */
  const end = (list: number, row: number): void => {
    if (i32[list] === row) i32[list] = i32[row + MCM_NEXT]
    else
      for (let prev = i32[list]; prev !== 0; prev = i32[prev + MCM_NEXT])
        if (i32[prev + MCM_NEXT] === row) i32[prev + MCM_NEXT] = i32[row + MCM_NEXT]
    Atomics.add(i32, row + MCM_SEQ, 1)
    freeSources(row)
    rows.free(row)
    tell(row)
  }
  /** The owner's membership of the group on the device, or 0. */
  const find = (list: number, ifindex: number, words: Int32Array, at: number): number => {
    const device = devices + ifindex * DEVICE_WORDS + DEV_GENERATION
    for (let row = i32[list]; row !== 0; row = i32[row + MCM_NEXT])
      if (
        i32[row + MCM_IFINDEX] === ifindex &&
        isSameAddr(i32, row + MCM_GROUP, words, at) &&
        i32[row + MCM_DEVICE] === i32[device]
      )
        return row
    return 0
  }
  const sourceOf = (row: number, words: Int32Array, at: number): number => {
    for (let source = i32[row + MCM_SOURCES]; source !== 0; source = i32[source + MCS_NEXT])
      if (isSameAddr(i32, source + MCS_ADDR, words, at)) return source
    return 0
  }
  const addSource = (row: number, words: Int32Array, at: number): boolean => {
    const source = sources.alloc()
    if (source === 0) return false
    copyAddr(i32, source + MCS_ADDR, words, at)
    let last = i32[row + MCM_SOURCES]
    while (last !== 0 && i32[last + MCS_NEXT] !== 0) last = i32[last + MCS_NEXT]
    i32[last === 0 ? row + MCM_SOURCES : last + MCS_NEXT] = source
    i32[row + MCM_COUNT]++
    return true
  }
  const dropSource = (row: number, source: number): void => {
    if (i32[row + MCM_SOURCES] === source) i32[row + MCM_SOURCES] = i32[source + MCS_NEXT]
    else
      for (let prev = i32[row + MCM_SOURCES]; prev !== 0; prev = i32[prev + MCS_NEXT])
        if (i32[prev + MCS_NEXT] === source) i32[prev + MCS_NEXT] = i32[source + MCS_NEXT]
    i32[row + MCM_COUNT]--
    sources.free(source)
  }

  // ---- the calls of sockets

  /** IGMP alone bounds a socket's memberships (igmp_max_memberships). */
  const isFull = (list: number, words: Int32Array, at: number): boolean => {
    if (!isV4Mapped(words, at)) return false
    let count = 0
    for (let row = i32[list]; row !== 0; row = i32[row + MCM_NEXT])
      if (isV4Mapped(i32, row + MCM_GROUP)) count++
    return count >= i32[sysctl + Sysctl.igmp_max_memberships]
  }
  const maxSources = (words: Int32Array, at: number): number =>
    i32[sysctl + maxMsf(familyOf(words, at))]

  /** Joins from all sources (MCAST_EXCLUDE) or, so far, from none. */
  const join = (
    list: number,
    sk: number,
    ifindex: number,
    address: number,
    words: Int32Array,
    at: number,
    mode: number
  ): number => {
    if (find(list, ifindex, words, at) !== 0) return -EADDRINUSE
    if (isFull(list, words, at)) return -ENOBUFS
    const row = make(list, sk, ifindex, words, at)
    if (row === 0) return -ENOBUFS
    i32[row + MCM_MODE] = mode
    i32[row + MCM_ADDRESS] = address
    endWrite(row)
    return 0
  }
  /** Without a device, the first one with the group that was joined by this address, or by any. */
  const leave = (
    list: number,
    ifindex: number,
    address: number,
    words: Int32Array,
    at: number
  ): number => {
    for (let row = i32[list]; row !== 0; row = i32[row + MCM_NEXT]) {
      if (!isSameAddr(i32, row + MCM_GROUP, words, at)) continue
      if (ifindex !== 0 ? i32[row + MCM_IFINDEX] !== ifindex : isOther(row, address)) continue
      end(list, row)
      return 0
    }
    return -EADDRNOTAVAIL
  }
  const isOther = (row: number, address: number): boolean =>
    address !== 0 && i32[row + MCM_ADDRESS] !== address

  /** Adds a source to a membership's filter of `mode`, or takes one off. */
  const source = (
    list: number,
    ifindex: number,
    words: Int32Array,
    at: number,
    mode: number,
    isAdded: boolean,
    from: Int32Array,
    fromAt: number
  ): number => {
    const row = find(list, ifindex, words, at)
    if (row === 0) return -EINVAL
    // the mode of a filter that never had a source may change
    if (i32[row + MCM_MODE] !== mode && i32[row + MCM_HAS_LIST] !== 0) return -EINVAL
    const known = sourceOf(row, from, fromAt)
    if (isAdded === (known !== 0)) return -EADDRNOTAVAIL
    return isAdded ? include(row, mode, from, fromAt) : exclude(list, row, known)
  }
  const include = (row: number, mode: number, from: Int32Array, fromAt: number): number => {
    if (i32[row + MCM_COUNT] >= maxSources(i32, row + MCM_GROUP)) return -ENOBUFS
    beginWrite(row)
    const hasRoom = addSource(row, from, fromAt)
    if (hasRoom) {
      i32[row + MCM_MODE] = mode
      i32[row + MCM_HAS_LIST] = 1
    }
    endWrite(row)
    return hasRoom ? 0 : -ENOBUFS
  }
  const exclude = (list: number, row: number, known: number): number => {
    // to want no source any more is to leave
    if (i32[row + MCM_MODE] === MCAST_INCLUDE && i32[row + MCM_COUNT] === 1) {
      end(list, row)
      return 0
    }
    beginWrite(row)
    dropSource(row, known)
    endWrite(row)
    return 0
  }

  /** The whole filter at once: `count` sources of four words each, at (from, fromAt). */
  const setFilter = (
    list: number,
    ifindex: number,
    words: Int32Array,
    at: number,
    mode: number,
    from: Int32Array,
    fromAt: number,
    count: number
  ): number => {
    if (mode !== MCAST_INCLUDE && mode !== MCAST_EXCLUDE) return -EINVAL
    if (count > maxSources(words, at)) return -ENOBUFS
    if (mode === MCAST_INCLUDE && count === 0) return leave(list, ifindex, 0, words, at)
    const row = find(list, ifindex, words, at)
    if (row === 0) return -EINVAL
    if (sources.rows - sources.live() + i32[row + MCM_COUNT] < count) return -ENOBUFS
    beginWrite(row)
    freeSources(row)
    for (let k = 0; k < count; k++)
      if (sourceOf(row, from, fromAt + k * 4) === 0) addSource(row, from, fromAt + k * 4)
    i32[row + MCM_MODE] = mode
    i32[row + MCM_HAS_LIST] = count > 0 ? 1 : 0
    endWrite(row)
    return 0
  }
  /** Copies the sources to (to, toAt), at most `room` of them: how many there are, or -errno. The mode lies in `filterMode`. */
  const getFilter = (
    list: number,
    ifindex: number,
    words: Int32Array,
    at: number,
    to: Int32Array,
    toAt: number,
    room: number
  ): number => {
    const row = find(list, ifindex, words, at)
    if (row === 0) return -EADDRNOTAVAIL
    filterMode[0] = i32[row + MCM_MODE]
    let k = 0
    for (let source = i32[row + MCM_SOURCES]; source !== 0 && k < room; k++) {
      copyAddr(to, toAt + k * 4, i32, source + MCS_ADDR)
      source = i32[source + MCS_NEXT]
    }
    return i32[row + MCM_COUNT]
  }
  const filterMode = new Int32Array(1)

  /** The socket is closed. */
  const leaveAll = (list: number): void => {
    while (i32[list] !== 0) end(list, i32[list])
  }

  /**
   * May a packet to the group from the source, on the device, be given to the socket? Who has not joined it there
   * hears it if `hearsAll` (IP_MULTICAST_ALL).
   */
  const allows = (
    list: number,
    ifindex: number,
    words: Int32Array,
    at: number,
    from: Int32Array,
    fromAt: number,
    hearsAll: boolean
  ): boolean => {
    const row = i32[list] === 0 ? 0 : find(list, ifindex, words, at)
    if (row === 0) return hearsAll
    const isListed = i32[row + MCM_COUNT] !== 0 && sourceOf(row, from, fromAt) !== 0
    return isListed === (i32[row + MCM_MODE] === MCAST_INCLUDE)
  }

  // ---- the stack's own, on control: without a socket, counted

  /** First of the stack's own rows. */
  const own = layout.mcTable + MCT_OWN
  /** Joins a group for the stack itself; as often as it is left again. 0 or -ENOBUFS. */
  const mcJoin = (ifindex: number, words: Int32Array, at = 0): number => {
    const known = find(own, ifindex, words, at)
    if (known !== 0) {
      i32[known + MCM_USERS]++
      return 0
    }
    const row = make(own, 0, ifindex, words, at)
    if (row === 0) return -ENOBUFS
    i32[row + MCM_USERS] = 1
    i32[row + MCM_MODE] = MCAST_EXCLUDE
    endWrite(row)
    return 0
  }
  const mcLeave = (ifindex: number, words: Int32Array, at = 0): number => {
    const row = find(own, ifindex, words, at)
    if (row === 0) return -EADDRNOTAVAIL
    if (--i32[row + MCM_USERS] === 0) end(own, row)
    return 0
  }

  return {
    join,
    leave,
    source,
    setFilter,
    getFilter,
    filterMode,
    leaveAll,
    allows,
    mcJoin,
    mcLeave,
  }
}
