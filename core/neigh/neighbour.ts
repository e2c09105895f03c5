/**
 * The neighbour state machine: NONE, INCOMPLETE, REACHABLE, STALE, DELAY, PROBE, FAILED, PERMANENT, NOARP. Worker 0 runs
 * it and alone writes the table, for all workers: they ask (Ipi.NEIGH_RESOLVE, NEIGH_USED) and are told
 * (NEIGH_UPDATE); control sets and deletes entries the same way. The rows survive a restart of worker 0, which
 * then makes its free list, its index and its timers from them. How a neighbour is asked is the family's (arp.ts).
 * neigh-writer.ts writes the rows, neigh-entries.ts tells of them, neigh-gc.ts takes those away that are not needed.
 * Linux: net/core/neighbour.c; RFC 4861 section 7.3.
 */
import { Errno } from '../base/errno.ts'
import { clearAddr } from '../base/family.ts'
import { TIME_MS, type Time, isAfter } from '../base/time.ts'
import type { TimerWheel } from '../base/timer-wheel.ts'
import type { Arena } from '../shm/arena.ts'
import { Softnet, counterBank } from '../shm/counters.ts'
import { Ipi, type IpiSystem } from '../shm/ipi.ts'
import { Sysctl } from '../shm/sysctl.ts'
import * as ethernet from '../wire/ethernet.ts'
import {
  NEIGH_CONFIRMED,
  NEIGH_FLAGS,
  NEIGH_IFINDEX,
  NEIGH_LLADDR_BYTE,
  NEIGH_PROBES,
  NEIGH_STATE,
  NEIGH_TABLE_COUNT,
  NEIGH_TIMER,
  NEIGH_UPDATED,
  NEIGH_UPDATE_F_ADMIN,
  NEIGH_UPDATE_F_ISROUTER,
  NEIGH_UPDATE_F_OVERRIDE,
  NEIGH_UPDATE_F_OVERRIDE_ISROUTER,
  NEIGH_UPDATE_F_WEAK_OVERRIDE,
  NEIGH_USED,
  NTF_ROUTER,
  NUD_CONNECTED,
  NUD_DELAY,
  NUD_FAILED,
  NUD_INCOMPLETE,
  NUD_IN_TIMER,
  NUD_NOARP,
  NUD_PERMANENT,
  NUD_PROBE,
  NUD_REACHABLE,
  NUD_STALE,
  NUD_VALID,
} from './neigh-constants.ts'
import { createNeighEntries } from './neigh-entries.ts'
import { createNeighGc } from './neigh-gc.ts'
import { LEAST_MS, createNeighParms } from './neigh-parms.ts'
import type { NeighTable } from './neigh-table.ts'
import { createNeighWriter } from './neigh-writer.ts'

/** What a family does its own way (struct neigh_ops). */
type NeighOps = {
  /** Ethertype of what is sent to such a neighbour. */
  ethertype: number
  /**
   * Asks for the neighbour of `row`; to its known address when `isUnicast`. The waiting packet's source is at
   * words[at], zero when none waits.
   */
  solicit: (row: number, isUnicast: boolean, words: Int32Array, at: number) => void
}

type NeighbourDeps = {
  arena: Arena
  time: Time
  wheel: TimerWheel
  ipi: IpiSystem
  table: NeighTable
  random: () => number
  /** First of TIMER_WORDS zero words of this thread. */
  timer: number
  /** First of four free words of this thread: an address given in numbers. */
  key: number
  /** core/stack/neigh.ts: tells watchers of a change (RTM_NEWNEIGH) or an end (RTM_DELNEIGH). */
  notify: (row: number, isGone: boolean) => void
}

export type Neighbour = ReturnType<typeof createNeighbour>

const WORKER = 0

export const createNeighbour = (deps: NeighbourDeps) => {
  const { arena, time, wheel, ipi, table, random, key, notify } = deps
  const { i32, u8, f64, layout } = arena
  const { neighbours, sysctl } = layout
  const rows = layout.config.neighbours
  const count = counterBank(arena, WORKER)
  const ops: { v4: NeighOps | null; v6: NeighOps | null } = { v4: null, v6: null }
  const parms = createNeighParms(arena, time, random)
  const { isV4, retransMs, delayMs, baseReachable, reachableMs } = parms
  const { unicasts, multicasts, maxProbes } = parms
  const writer = createNeighWriter(arena, time, table)
  const { enterState } = writer
  const entries = createNeighEntries({ ...deps, writer })
  const { tellWorker, tellWorkers, gatherUse, destroy } = entries
  const gc = createNeighGc({ ...deps, ...entries, parms })
  const { forcedGc, neighIfdown, neighCarrierDown, neighFamilyDown } = gc
  // source of the packet that waits for an entry (four words)
  const source = new Int32Array(rows * 4)

  const now = (): number => time[TIME_MS]
  const opsOf = (row: number): NeighOps | null => (isV4(row) ? ops.v4 : ops.v6)
  const stateOf = (row: number): number => i32[row + NEIGH_STATE]
  const hiOf = (row: number): number => ethernet.macHi(u8, (row << 2) + NEIGH_LLADDR_BYTE)
  const loOf = (row: number): number => ethernet.macLo(u8, (row << 2) + NEIGH_LLADDR_BYTE)

  /** A new entry in state NONE for (device, i32[addr]), or 0 when the table is full. */
  const create = (dev: number, addr: number): number => {
    const limit = Math.min(i32[sysctl + Sysctl.neigh_gc_thresh3], rows - 1)
    if (i32[neighbours + NEIGH_TABLE_COUNT] >= limit) forcedGc()
    const row = i32[neighbours + NEIGH_TABLE_COUNT] >= limit ? 0 : writer.alloc(dev, addr)
    if (row === 0) {
      f64[count + Softnet.neigh_table_fulls]++
      return 0
    }
    i32[row + NEIGH_UPDATED] = i32[row + NEIGH_USED] = now()
    i32[row + NEIGH_CONFIRMED] = (now() - 2 * baseReachable(row)) | 0
    clearAddr(source, table.indexOf(row) * 4)
    entries.begin(row)
    writer.link(row)
    f64[count + Softnet.neigh_allocs]++
    return row
  }

  // ---- the state machine

  /** The first ucast_solicit probes go to the known address; an INCOMPLETE entry starts behind them. */
  const probe = (row: number): void => {
    const sent = i32[row + NEIGH_PROBES]
    i32[row + NEIGH_PROBES] = sent + 1
    // filled by core/stack/neigh.ts: arpSolicit (ipv4/arp/arp.ts), and core/stack/ipv6.ts
    opsOf(row)?.solicit(row, sent < unicasts(row), source, table.indexOf(row) * 4)
  }
  const fail = (row: number): void => {
    enterState(row, NUD_FAILED)
    f64[count + Softnet.neigh_res_failed]++
    tellWorkers(row, false)
    notify(row, false)
  }

  const onTimer = wheel.register((at) => {
    const row = at - NEIGH_TIMER
    const state = stateOf(row)
    if ((state & NUD_IN_TIMER) === 0) return
    gatherUse(row)
    const next =
      state === NUD_REACHABLE
        ? leaveReachable(row)
        : state === NUD_DELAY
          ? leaveDelay(row)
          : retransMs(row)
    if (
      (stateOf(row) & (NUD_INCOMPLETE | NUD_PROBE)) !== 0 &&
      i32[row + NEIGH_PROBES] >= maxProbes(row)
    )
      return fail(row)
    if ((stateOf(row) & NUD_IN_TIMER) !== 0)
      wheel.arm(row + NEIGH_TIMER, Math.max(next, LEAST_MS), onTimer)
    if ((stateOf(row) & (NUD_INCOMPLETE | NUD_PROBE)) !== 0) probe(row)
  })
  /** Confirmed lately: stays. Used lately: DELAY. Else STALE. Returns the time to the next look. */
  const leaveReachable = (row: number): number => {
    const reachableUntil = (i32[row + NEIGH_CONFIRMED] + reachableMs(row)) | 0
    if (!isAfter(now(), reachableUntil)) return (reachableUntil - now()) | 0
    const isUsed = !isAfter(now(), (i32[row + NEIGH_USED] + delayMs(row)) | 0)
    enterState(row, isUsed ? NUD_DELAY : NUD_STALE)
    notify(row, false)
    return delayMs(row)
  }
  /** Confirmed meanwhile: REACHABLE. Else it is asked: PROBE. */
  const leaveDelay = (row: number): number => {
    const isConfirmed = !isAfter(now(), (i32[row + NEIGH_CONFIRMED] + delayMs(row)) | 0)
    enterState(row, isConfirmed ? NUD_REACHABLE : NUD_PROBE)
    notify(row, false)
    if (isConfirmed) return (i32[row + NEIGH_CONFIRMED] + reachableMs(row) - now()) | 0
    i32[row + NEIGH_PROBES] = 0
    return retransMs(row)
  }

  /**
   * An entry is wanted (__neigh_event_send): a new or failed one is asked for, a STALE one gets its DELAY. The words are
   * those of the waiting packet's source.
   */
  const event = (row: number, s0: number, s1: number, s2: number, s3: number): void => {
    const state = stateOf(row)
    if ((state & (NUD_CONNECTED | NUD_DELAY | NUD_PROBE | NUD_INCOMPLETE)) !== 0) return
    i32[row + NEIGH_USED] = now()
    if (state === NUD_STALE) {
      enterState(row, NUD_DELAY)
      wheel.arm(row + NEIGH_TIMER, delayMs(row), onTimer)
      return
    }
    if (multicasts(row) === 0) return fail(row)
    setSource(table.indexOf(row) * 4, s0, s1, s2, s3)
    i32[row + NEIGH_PROBES] = unicasts(row)
    enterState(row, NUD_INCOMPLETE)
    wheel.arm(row + NEIGH_TIMER, retransMs(row), onTimer)
    probe(row)
  }

  const setSource = (at: number, s0: number, s1: number, s2: number, s3: number): void => {
    source[at] = s0
    source[at + 1] = s1
    source[at + 2] = s2
    source[at + 3] = s3
  }

  /**
   * neigh_update: word of a neighbour's address (hi, lo; hi -1 is none given) and state. 0, -EPERM when the entry is
   * not to be learned over, -EINVAL when there is no address at all.
   */
  const update = (row: number, hi: number, lo: number, wanted: number, flags: number): number => {
    const old = stateOf(row)
    const isAdmin = (flags & NEIGH_UPDATE_F_ADMIN) !== 0
    if (!isAdmin && (old & (NUD_NOARP | NUD_PERMANENT)) !== 0) return -Errno.EPERM
    if ((wanted & NUD_VALID) === 0) {
      wheel.cancel(row + NEIGH_TIMER)
      enterState(row, wanted)
      if (old === NUD_INCOMPLETE || old === NUD_PROBE) tellWorkers(row, false)
      notify(row, false)
      return 0
    }
    const wasValid = (old & NUD_VALID) !== 0
    if (hi < 0 && !wasValid) return -Errno.EINVAL
    const isSame = hi < 0 || (wasValid && hi === hiOf(row) && lo === loOf(row))
    if ((wanted & NUD_CONNECTED) !== 0) i32[row + NEIGH_CONFIRMED] = now()
    let state = wanted
    let changes = !isSame
    let saysRouter = (flags & NEIGH_UPDATE_F_OVERRIDE_ISROUTER) !== 0
    if (wasValid && !isSame && (flags & NEIGH_UPDATE_F_OVERRIDE) === 0) {
      if ((flags & NEIGH_UPDATE_F_WEAK_OVERRIDE) === 0 || (old & NUD_CONNECTED) === 0) return 0
      changes = false
      saysRouter = false
      state = NUD_STALE
    } else if (wasValid && isSame && wanted === NUD_STALE && !isAdmin) state = old
    if (changes) writer.setLladdr(row, hi, lo, opsOf(row)?.ethertype ?? 0)
    if (changes && (state & NUD_CONNECTED) === 0)
      i32[row + NEIGH_CONFIRMED] = (now() - 2 * baseReachable(row)) | 0
    if (changes) i32[row + NEIGH_UPDATED] = now()
    if (state !== old) enterUpdated(row, state)
    if (!wasValid) tellWorkers(row, true)
    const turns = saysRouter && setRouter(row, (flags & NEIGH_UPDATE_F_ISROUTER) !== 0)
    if (changes || turns || state !== old) notify(row, false)
    return 0
  }
  /** True when that is news (RFC 4861 section 7.2.5). */
  const setRouter = (row: number, isRouter: boolean): boolean => {
    const before = i32[row + NEIGH_FLAGS]
    i32[row + NEIGH_FLAGS] = isRouter ? before | NTF_ROUTER : before & ~NTF_ROUTER
    return i32[row + NEIGH_FLAGS] !== before
  }
  const enterUpdated = (row: number, state: number): void => {
    wheel.cancel(row + NEIGH_TIMER)
    if (state === NUD_PROBE) i32[row + NEIGH_PROBES] = 0
    enterState(row, state)
    if ((state & NUD_IN_TIMER) !== 0)
      wheel.arm(row + NEIGH_TIMER, state === NUD_REACHABLE ? reachableMs(row) : LEAST_MS, onTimer)
  }

  // ---- what others ask

  const putKey = (a0: number, a1: number, a2: number, a3: number): void => {
    i32[key] = a0
    i32[key + 1] = a1
    i32[key + 2] = a2
    i32[key + 3] = a3
  }
  ipi.on(Ipi.NEIGH_RESOLVE, (from, dev, a0, a1, a2, a3, s0, s1, s2, s3) => {
    putKey(a0, a1, a2, a3)
    const known = table.lookup(dev, key)
    const row = known !== 0 ? known : create(dev, key)
    if (row === 0) {
      ipi.send(from, Ipi.NEIGH_UPDATE, 0, dev, a0, a1, a2, a3, 0)
      return
    }
    event(row, s0, s1, s2, s3)
    // the entry had become valid while the question was on its way
    if ((stateOf(row) & NUD_VALID) !== 0) tellWorker(from, row, true)
  })
  ipi.on(Ipi.NEIGH_USED, (_from, row) => {
    if (i32[row + NEIGH_IFINDEX] !== 0) event(row, 0, 0, 0, 0)
  })
  ipi.on(Ipi.NEIGH_SET, (from, dev, a0, a1, a2, a3, stateAndFlags, request, macHi, macLo) => {
    putKey(a0, a1, a2, a3)
    const known = table.lookup(dev, key)
    const row = known !== 0 ? known : create(dev, key)
    let result = -Errno.ENOBUFS
    if (row !== 0) {
      const flags = NEIGH_UPDATE_F_ADMIN | NEIGH_UPDATE_F_OVERRIDE
      result = update(row, macHi, macLo, stateAndFlags & 0xff, flags)
      if (result === 0) i32[row + NEIGH_FLAGS] = (stateAndFlags >>> 16) & 0xff
      else if (known === 0) destroy(row)
    }
    ipi.send(from, Ipi.REPLY, request, result)
  })
  ipi.on(Ipi.NEIGH_DEL, (from, dev, a0, a1, a2, a3, _a5, request) => {
    putKey(a0, a1, a2, a3)
    const row = table.lookup(dev, key)
    if (row !== 0) destroy(row)
    ipi.send(from, Ipi.REPLY, request, row === 0 ? -Errno.ENOENT : 0)
  })

  writer.rebuild(random, (row) => {
    entries.begin(row)
    if ((stateOf(row) & NUD_IN_TIMER) !== 0) wheel.arm(row + NEIGH_TIMER, retransMs(row), onTimer)
  })

  /** Gives the machine a family's way of asking; at boot. */
  const registerOps = (family: 'v4' | 'v6', familyOps: NeighOps): void => {
    ops[family] = familyOps
  }
  return {
    registerOps,
    create,
    update,
    event,
    destroy,
    neighIfdown,
    neighCarrierDown,
    neighFamilyDown,
  }
}
