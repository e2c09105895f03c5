/**
 * The neighbour state machine: NONE, INCOMPLETE, REACHABLE, STALE, DELAY, PROBE, FAILED, PERMANENT, NOARP. Worker 0 runs
 * it and alone writes the table, for all workers: they ask (Ipi.NEIGH_RESOLVE, NEIGH_USED) and are told
 * (NEIGH_UPDATE); control sets and deletes entries the same way. The rows survive a restart of worker 0, which
 * then makes its free list, its index and its timers from them. How a neighbour is asked is the family's (arp.ts).
 * Linux: net/core/neighbour.c; RFC 4861 section 7.3.
 */
import { clearAddr, V4_MAPPED } from '../base/family.ts'
import { Errno } from '../base/errno.ts'
import type { Time } from '../base/time.ts'
import { TIME_MS } from '../base/time.ts'
import { TIMER_WORDS, type TimerWheel } from '../base/timer-wheel.ts'
import { DEV_MAC } from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import { counterBank, Softnet } from '../shm/counters.ts'
import { Conf4, Conf6, confDefault, confRow } from '../shm/devconf.ts'
import type { IpiSystem } from '../shm/ipi.ts'
import { Ipi } from '../shm/ipi.ts'
import { DEVICE_WORDS, NEIGH_WORDS } from '../shm/layout.ts'
import { Sysctl } from '../shm/sysctl.ts'
import * as ethernet from '../wire/ethernet.ts'
import {
  NEIGH_ADDR,
  NEIGH_CONFIRMED,
  NEIGH_FLAGS,
  NEIGH_HASH,
  NEIGH_HH,
  NEIGH_IFINDEX,
  NEIGH_LLADDR_BYTE,
  NEIGH_PROBES,
  NEIGH_SEQ,
  NEIGH_STATE,
  NEIGH_TABLE_COUNT,
  NEIGH_TABLE_HIGH,
  NEIGH_TABLE_SEED,
  NEIGH_TIMER,
  NEIGH_UPDATE_F_ADMIN,
  NEIGH_UPDATE_F_ISROUTER,
  NEIGH_UPDATE_F_OVERRIDE,
  NEIGH_UPDATE_F_OVERRIDE_ISROUTER,
  NEIGH_UPDATE_F_WEAK_OVERRIDE,
  NEIGH_UPDATED,
  NEIGH_USE_CONFIRMED,
  NEIGH_USE_USED,
  NEIGH_USE_WORDS,
  NEIGH_USED,
  NTF_ROUTER,
  NUD_CONNECTED,
  NUD_DELAY,
  NUD_FAILED,
  NUD_IN_TIMER,
  NUD_INCOMPLETE,
  NUD_NOARP,
  NUD_NONE,
  NUD_PERMANENT,
  NUD_PROBE,
  NUD_REACHABLE,
  NUD_STALE,
  NUD_VALID,
} from './neigh-constants.ts'
import type { NeighTable } from './neigh-table.ts'

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
/** HZ / 100: no timer of an entry is shorter. */
const LEAST_MS = 10
const FORCED_GC_AGE_MS = 5000
/** How long the randomised reachable time holds (RFC 4861 section 6.3.4). */
const REACHABLE_HOLDS_MS = 300_000

export const createNeighbour = (deps: NeighbourDeps) => {
  const { arena, time, wheel, ipi, table, random, timer, key, notify } = deps
  const { i32, u8, f64, layout } = arena
  const { neighbours, sysctl, devices, neighIndex } = layout
  const { workers } = layout.config
  const rows = layout.config.neighbours
  const count = counterBank(arena, WORKER)
  const mask = table.mask
  const ops: { v4: NeighOps | null; v6: NeighOps | null } = { v4: null, v6: null }
  const free = new Int32Array(rows)
  let freeCount = 0
  // source of the packet that waits for an entry (four words), and when the entry was made
  const source = new Int32Array(rows * 4)
  const created = new Int32Array(rows)
  // [device][family] the base time that a reachable time was drawn from, and what was drawn
  const reachableBases = new Int32Array(layout.config.devices * 2)
  const reachableTimes = new Int32Array(layout.config.devices * 2)
  let reachableSince = time[TIME_MS]

  const now = (): number => time[TIME_MS]
  const isAfter = (a: number, b: number): boolean => ((a - b) | 0) > 0
  const isV4 = (row: number): boolean =>
    (i32[row + NEIGH_ADDR] | i32[row + NEIGH_ADDR + 1]) === 0 &&
    i32[row + NEIGH_ADDR + 2] === V4_MAPPED
  const opsOf = (row: number): NeighOps | null => (isV4(row) ? ops.v4 : ops.v6)
  const stateOf = (row: number): number => i32[row + NEIGH_STATE]
  /** A setting of the entry's device, in its family (neigh->parms). */
  const parm = (row: number, word4: number, word6: number): number =>
    i32[confRow(arena, i32[row + NEIGH_IFINDEX]) + (isV4(row) ? word4 : word6)]
  const retransMs = (row: number): number =>
    Math.max(parm(row, Conf4.retrans_time_ms, Conf6.retrans_time_ms), LEAST_MS)
  const delayMs = (row: number): number =>
    parm(row, Conf4.delay_first_probe_time, Conf6.delay_first_probe_time) * 1000
  const baseReachable = (row: number): number =>
    parm(row, Conf4.base_reachable_time_ms, Conf6.base_reachable_time_ms)
  const unicasts = (row: number): number => parm(row, Conf4.ucast_solicit, Conf6.ucast_solicit)
  const multicasts = (row: number): number => parm(row, Conf4.mcast_solicit, Conf6.mcast_solicit)

  /**
   * Uniform in 0.5 to 1.5 times the base, so that hosts do not probe in step; a change of the sysctl holds at once
   * (neigh_proc_base_reachable_time).
   */
  const reachableMs = (row: number): number => {
    const base = baseReachable(row)
    const k = i32[row + NEIGH_IFINDEX] * 2 + (isV4(row) ? 0 : 1)
    if (reachableBases[k] !== base) {
      reachableBases[k] = base
      reachableTimes[k] = (base >> 1) + ((random() >>> 0) % base)
    }
    return reachableTimes[k]
  }

  // ---- writing rows

  const beginWrite = (row: number): void => {
    Atomics.store(i32, row + NEIGH_SEQ, i32[row + NEIGH_SEQ] | 1)
  }
  const endWrite = (row: number): void => {
    Atomics.store(i32, row + NEIGH_SEQ, ((i32[row + NEIGH_SEQ] | 1) + 1) | 0)
  }
  /** The only writer of a state. */
  const enterState = (row: number, state: number): void => {
    beginWrite(row)
    i32[row + NEIGH_STATE] = state
    endWrite(row)
    i32[row + NEIGH_UPDATED] = now()
  }
  const setLladdr = (row: number, hi: number, lo: number): void => {
    const at = (row + NEIGH_HH) << 2
    const own = (devices + i32[row + NEIGH_IFINDEX] * DEVICE_WORDS + DEV_MAC) << 2
    beginWrite(row)
    ethernet.setDst(u8, at + 2, hi, lo)
    ethernet.copyMac(u8, at + 8, u8, own)
    ethernet.setType(u8, at + 2, opsOf(row)?.ethertype ?? 0)
    endWrite(row)
  }
  const hiOf = (row: number): number => ethernet.macHi(u8, (row << 2) + NEIGH_LLADDR_BYTE)
  const loOf = (row: number): number => ethernet.macLo(u8, (row << 2) + NEIGH_LLADDR_BYTE)

  const enterIndex = (row: number): void => {
    let slot = i32[row + NEIGH_HASH] & mask
    while (i32[neighIndex + slot] !== 0) slot = (slot + 1) & mask
    i32[neighIndex + slot] = row
  }
  /** Takes the row out and moves what its slot kept from home back (no tombstones). */
  const leaveIndex = (row: number): void => {
    let hole = i32[row + NEIGH_HASH] & mask
    while (i32[neighIndex + hole] !== row) hole = (hole + 1) & mask
    for (let slot = (hole + 1) & mask; ; slot = (slot + 1) & mask) {
      const other = i32[neighIndex + slot]
      if (other === 0) break
      const home = i32[other + NEIGH_HASH] & mask
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue
      i32[neighIndex + hole] = other
      hole = slot
    }
    i32[neighIndex + hole] = 0
  }

  /** A new entry in state NONE for (device, i32[addr]), or 0 when the table is full. */
  const create = (dev: number, addr: number): number => {
    const limit = Math.min(i32[sysctl + Sysctl.neigh_gc_thresh3], rows - 1)
    if (i32[neighbours + NEIGH_TABLE_COUNT] >= limit) forcedGc()
    if (i32[neighbours + NEIGH_TABLE_COUNT] >= limit || freeCount === 0) {
      f64[count + Softnet.neigh_table_fulls]++
      return 0
    }
    const row = free[--freeCount]
    const n = table.indexOf(row)
    beginWrite(row)
    for (let w = NEIGH_IFINDEX; w < NEIGH_WORDS; w++) i32[row + w] = 0
    for (let w = 0; w < 4; w++) i32[row + NEIGH_ADDR + w] = i32[addr + w]
    i32[row + NEIGH_HASH] = table.hash(dev, addr)
    i32[row + NEIGH_IFINDEX] = dev
    endWrite(row)
    i32[row + NEIGH_UPDATED] = i32[row + NEIGH_USED] = now()
    i32[row + NEIGH_CONFIRMED] = (now() - 2 * baseReachable(row)) | 0
    clearAddr(source, n * 4)
    created[n] = now()
    enterIndex(row)
    i32[neighbours + NEIGH_TABLE_COUNT]++
    if (n >= i32[neighbours + NEIGH_TABLE_HIGH]) i32[neighbours + NEIGH_TABLE_HIGH] = n + 1
    f64[count + Softnet.neigh_allocs]++
    return row
  }
  /** Ends an entry; what waits for it is given up. */
  const destroy = (row: number): void => {
    const waited = stateOf(row) === NUD_INCOMPLETE
    wheel.cancel(row + NEIGH_TIMER)
    if (waited) tellWorkers(row, false)
    notify(row, true)
    leaveIndex(row)
    beginWrite(row)
    i32[row + NEIGH_STATE] = NUD_NONE
    i32[row + NEIGH_IFINDEX] = 0
    endWrite(row)
    free[freeCount++] = row
    i32[neighbours + NEIGH_TABLE_COUNT]--
  }

  const tellWorker = (worker: number, row: number, isValid: boolean): void => {
    ipi.send(
      worker,
      Ipi.NEIGH_UPDATE,
      row,
      i32[row + NEIGH_IFINDEX],
      i32[row + NEIGH_ADDR],
      i32[row + NEIGH_ADDR + 1],
      i32[row + NEIGH_ADDR + 2],
      i32[row + NEIGH_ADDR + 3],
      isValid ? 1 : 0
    )
  }
  const tellWorkers = (row: number, isValid: boolean): void => {
    for (let worker = 0; worker < workers; worker++) tellWorker(worker, row, isValid)
  }

  // ---- the state machine

  /** Brings in what the workers noted of an entry's use and confirmation. */
  const gatherUse = (row: number): void => {
    const n = table.indexOf(row)
    for (let worker = 0; worker < workers; worker++) {
      const at = layout.neighUse + (worker * rows + n) * NEIGH_USE_WORDS
      const used = i32[at + NEIGH_USE_USED]
      const confirmed = i32[at + NEIGH_USE_CONFIRMED]
      if (used !== 0 && isAfter(used, i32[row + NEIGH_USED])) i32[row + NEIGH_USED] = used
      // a confirmation from before the entry was made was its row's former owner's
      if (
        confirmed !== 0 &&
        isAfter(confirmed, i32[row + NEIGH_CONFIRMED]) &&
        !isAfter(created[n], confirmed)
      )
        i32[row + NEIGH_CONFIRMED] = confirmed
    }
  }
  const maxProbes = (row: number): number => {
    const asksAll =
      stateOf(row) === NUD_PROBE
        ? parm(row, Conf4.mcast_resolicit, Conf6.mcast_resolicit)
        : multicasts(row)
    return unicasts(row) + asksAll
  }
  /** The first ucast_solicit probes go to the known address; an INCOMPLETE entry starts behind them. */
  const probe = (row: number): void => {
    const sent = i32[row + NEIGH_PROBES]
    i32[row + NEIGH_PROBES] = sent + 1
    // filled by core/stack/neigh.ts: arpSolicit (ipv4/arp.ts), and core/stack/ipv6.ts
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
    if (changes) setLladdr(row, hi, lo)
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
  /** Ends every entry of a device that goes away or gets another address (neigh_ifdown, neigh_changeaddr). */
  const neighIfdown = (dev: number): void => flushDevice(dev, () => true)
  /** A device has lost its carrier: what is behind it now may be another (neigh_carrier_down). */
  const neighCarrierDown = (dev: number): void => flushDevice(dev, (row) => !isKept(row))
  /** A device has no IPv4 address any more (arp_ifdown). */
  const arpIfdown = (dev: number): void => flushDevice(dev, isV4)
  const flushDevice = (dev: number, goes: (row: number) => boolean): void => {
    for (let n = 1; n < i32[neighbours + NEIGH_TABLE_HIGH]; n++) {
      const row = table.rowAt(n)
      if (i32[row + NEIGH_IFINDEX] === dev && goes(row)) destroy(row)
    }
  }

  // ---- garbage collection

  const isKept = (row: number): boolean => (stateOf(row) & NUD_PERMANENT) !== 0
  /** The table is full: unused and failed entries go, the oldest ones' age aside. */
  const forcedGc = (): void => {
    let surplus =
      i32[neighbours + NEIGH_TABLE_COUNT] -
      Math.min(i32[sysctl + Sysctl.neigh_gc_thresh2], rows >> 1)
    for (let n = 1; n < i32[neighbours + NEIGH_TABLE_HIGH] && surplus > 0; n++) {
      const row = table.rowAt(n)
      if (i32[row + NEIGH_IFINDEX] === 0 || isKept(row)) continue
      const isOld = isAfter((now() - FORCED_GC_AGE_MS) | 0, i32[row + NEIGH_UPDATED])
      const isIdle = (stateOf(row) & (NUD_INCOMPLETE | NUD_DELAY | NUD_PROBE | NUD_REACHABLE)) === 0
      if (stateOf(row) !== NUD_FAILED && !(isOld && isIdle)) continue
      destroy(row)
      surplus--
    }
  }
  /** Half of the base time, as devices have it where nobody has set another. */
  const gcMs = (): number => {
    const row = confRow(arena, confDefault(arena))
    const base = Math.min(
      i32[row + Conf4.base_reachable_time_ms],
      i32[row + Conf6.base_reachable_time_ms]
    )
    return Math.max(base >> 1, 1000)
  }
  const periodicGc = (): void => {
    if (((now() - reachableSince) | 0) >= REACHABLE_HOLDS_MS) {
      reachableBases.fill(0)
      reachableSince = now()
    }
    wheel.arm(timer, gcMs(), onGc)
    if (i32[neighbours + NEIGH_TABLE_COUNT] < i32[sysctl + Sysctl.neigh_gc_thresh1]) return
    for (let n = 1; n < i32[neighbours + NEIGH_TABLE_HIGH]; n++) {
      const row = table.rowAt(n)
      if (i32[row + NEIGH_IFINDEX] === 0 || isKept(row) || (stateOf(row) & NUD_IN_TIMER) !== 0)
        continue
      gatherUse(row)
      const staleMs = parm(row, Conf4.gc_stale_time, Conf6.gc_stale_time) * 1000
      const used = i32[row + NEIGH_USED]
      const last = isAfter(i32[row + NEIGH_CONFIRMED], used) ? i32[row + NEIGH_CONFIRMED] : used
      if (stateOf(row) === NUD_FAILED || ((now() - last) | 0) >= staleMs) destroy(row)
    }
  }
  const onGc = wheel.register(periodicGc)

  /** Private state from the shared rows: at boot there are none, after a restart they are as they were left. */
  const rebuild = (): void => {
    if (i32[neighbours + NEIGH_TABLE_SEED] === 0) i32[neighbours + NEIGH_TABLE_SEED] = random() | 1
    i32.fill(0, neighIndex, neighIndex + mask + 1)
    let live = 0
    let high = 1
    for (let n = rows - 1; n > 0; n--) {
      const row = table.rowAt(n)
      i32.fill(0, row + NEIGH_TIMER, row + NEIGH_TIMER + TIMER_WORDS)
      // worker 0 died while it wrote this one: nobody knows what it says
      if ((i32[row + NEIGH_SEQ] & 1) !== 0) {
        i32[row + NEIGH_IFINDEX] = 0
        i32[row + NEIGH_STATE] = NUD_NONE
        endWrite(row)
      }
      if (i32[row + NEIGH_IFINDEX] === 0) {
        free[freeCount++] = row
        continue
      }
      i32[row + NEIGH_HASH] = table.hash(i32[row + NEIGH_IFINDEX], row + NEIGH_ADDR)
      created[n] = i32[row + NEIGH_UPDATED]
      enterIndex(row)
      if ((stateOf(row) & NUD_IN_TIMER) !== 0) wheel.arm(row + NEIGH_TIMER, retransMs(row), onTimer)
      live++
      if (high <= n) high = n + 1
    }
    i32[neighbours + NEIGH_TABLE_COUNT] = live
    i32[neighbours + NEIGH_TABLE_HIGH] = high
  }

  rebuild()
  wheel.arm(timer, gcMs(), onGc)

  /** Gives the machine a family's way of asking; at boot. */
  const registerOps = (family: 'v4' | 'v6', familyOps: NeighOps): void => {
    ops[family] = familyOps
  }
  return { registerOps, create, update, event, destroy, neighIfdown, neighCarrierDown, arpIfdown }
}
