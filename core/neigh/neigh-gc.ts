/**
 * Entries that go: now and then those that nobody has used for long, more of them when the table is full, and those of a
 * device that goes. On worker 0. Linux: neigh_periodic_work, neigh_forced_gc, neigh_flush_dev.
 */
import { familyOf } from '../base/family.ts'
import { TIME_MS, type Time, isAfter } from '../base/time.ts'
import type { TimerWheel } from '../base/timer-wheel.ts'
import type { Arena } from '../shm/arena.ts'
import { Sysctl } from '../shm/sysctl.ts'
import {
  NEIGH_ADDR,
  NEIGH_CONFIRMED,
  NEIGH_IFINDEX,
  NEIGH_STATE,
  NEIGH_TABLE_COUNT,
  NEIGH_TABLE_HIGH,
  NEIGH_UPDATED,
  NEIGH_USED,
  NUD_DELAY,
  NUD_FAILED,
  NUD_INCOMPLETE,
  NUD_IN_TIMER,
  NUD_PERMANENT,
  NUD_PROBE,
  NUD_REACHABLE,
} from './neigh-constants.ts'
import type { NeighEntries } from './neigh-entries.ts'
import type { NeighParms } from './neigh-parms.ts'
import type { NeighTable } from './neigh-table.ts'

const FORCED_GC_AGE_MS = 5000

type NeighGcDeps = {
  arena: Arena
  time: Time
  wheel: TimerWheel
  table: NeighTable
  parms: NeighParms
  /** First of TIMER_WORDS zero words of this thread. */
  timer: number
} & Pick<NeighEntries, 'destroy' | 'gatherUse'>

export const createNeighGc = (deps: NeighGcDeps) => {
  const { time, wheel, table, parms, timer, destroy, gatherUse } = deps
  const { i32, layout } = deps.arena
  const { neighbours, sysctl } = layout
  const rows = layout.config.neighbours

  const isKept = (row: number): boolean => (i32[row + NEIGH_STATE] & NUD_PERMANENT) !== 0
  /** The table is full: unused and failed entries go, the oldest ones' age aside. */
  const forcedGc = (): void => {
    let surplus =
      i32[neighbours + NEIGH_TABLE_COUNT] -
      Math.min(i32[sysctl + Sysctl.neigh_gc_thresh2], rows >> 1)
    for (let n = 1; n < i32[neighbours + NEIGH_TABLE_HIGH] && surplus > 0; n++) {
      const row = table.rowAt(n)
      if (i32[row + NEIGH_IFINDEX] === 0 || isKept(row)) continue
      const isOld = isAfter((time[TIME_MS] - FORCED_GC_AGE_MS) | 0, i32[row + NEIGH_UPDATED])
      const isIdle =
        (i32[row + NEIGH_STATE] & (NUD_INCOMPLETE | NUD_DELAY | NUD_PROBE | NUD_REACHABLE)) === 0
      if (i32[row + NEIGH_STATE] !== NUD_FAILED && !(isOld && isIdle)) continue
      destroy(row)
      surplus--
    }
  }
  const periodicGc = (): void => {
    parms.renewReachable()
    wheel.arm(timer, parms.gcMs(), onGc)
    if (i32[neighbours + NEIGH_TABLE_COUNT] < i32[sysctl + Sysctl.neigh_gc_thresh1]) return
    for (let n = 1; n < i32[neighbours + NEIGH_TABLE_HIGH]; n++) {
      const row = table.rowAt(n)
      if (
        i32[row + NEIGH_IFINDEX] === 0 ||
        isKept(row) ||
        (i32[row + NEIGH_STATE] & NUD_IN_TIMER) !== 0
      )
        continue
      gatherUse(row)
      const used = i32[row + NEIGH_USED]
      const last = isAfter(i32[row + NEIGH_CONFIRMED], used) ? i32[row + NEIGH_CONFIRMED] : used
      if (
        i32[row + NEIGH_STATE] === NUD_FAILED ||
        ((time[TIME_MS] - last) | 0) >= parms.gcStaleMs(row)
      )
        destroy(row)
    }
  }
  const onGc = wheel.register(periodicGc)

  /** Ends every entry of a device that goes away or gets another address (neigh_ifdown, neigh_changeaddr). */
  const neighIfdown = (dev: number): void => flushDevice(dev, () => true)
  /** A device has lost its carrier: what is behind it now may be another (neigh_carrier_down). */
  const neighCarrierDown = (dev: number): void => flushDevice(dev, (row) => !isKept(row))
  /** A device speaks the family no longer (arp_ifdown, and what addrconf_ifdown does of it). */
  const neighFamilyDown = (dev: number, family: number): void =>
    flushDevice(dev, (row) => familyOf(i32, row + NEIGH_ADDR) === family)
  const flushDevice = (dev: number, goes: (row: number) => boolean): void => {
    for (let n = 1; n < i32[neighbours + NEIGH_TABLE_HIGH]; n++) {
      const row = table.rowAt(n)
      if (i32[row + NEIGH_IFINDEX] === dev && goes(row)) destroy(row)
    }
  }

  wheel.arm(timer, parms.gcMs(), onGc)
  return { forcedGc, neighIfdown, neighCarrierDown, neighFamilyDown }
}
