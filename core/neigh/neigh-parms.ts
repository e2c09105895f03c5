/**
 * The times and counts that the state machine goes by: settings of the entry's device, in its family, and the reachable time
 * that is drawn from one of them. On worker 0. Linux: struct neigh_parms, neigh_rand_reach_time.
 */
import { V4_MAPPED } from '../base/family.ts'
import { TIME_MS, type Time } from '../base/time.ts'
import type { Arena } from '../shm/arena.ts'
import { Conf4, Conf6, confDefault, confRow } from '../shm/devconf.ts'
import { NEIGH_ADDR, NEIGH_IFINDEX, NEIGH_STATE, NUD_PROBE } from './neigh-constants.ts'

/** HZ / 100: no timer of an entry is shorter. */
export const LEAST_MS = 10
/** How long the randomised reachable time holds (RFC 4861 section 6.3.4). */
const REACHABLE_HOLDS_MS = 300_000

export type NeighParms = ReturnType<typeof createNeighParms>

export const createNeighParms = (arena: Arena, time: Time, random: () => number) => {
  const { i32, layout } = arena
  // [device][family] the base time that a reachable time was drawn from, and what was drawn
  const reachableBases = new Int32Array(layout.config.devices * 2)
  const reachableTimes = new Int32Array(layout.config.devices * 2)
  let reachableSince = time[TIME_MS]

  const isV4 = (row: number): boolean =>
    (i32[row + NEIGH_ADDR] | i32[row + NEIGH_ADDR + 1]) === 0 &&
    i32[row + NEIGH_ADDR + 2] === V4_MAPPED
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
  /** Probes of an entry before it is given up. */
  const maxProbes = (row: number): number => {
    const asksAll =
      i32[row + NEIGH_STATE] === NUD_PROBE
        ? parm(row, Conf4.mcast_resolicit, Conf6.mcast_resolicit)
        : multicasts(row)
    return unicasts(row) + asksAll
  }

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
  /** Draws anew, where the times have held long enough. */
  const renewReachable = (): void => {
    if (((time[TIME_MS] - reachableSince) | 0) < REACHABLE_HOLDS_MS) return
    reachableBases.fill(0)
    reachableSince = time[TIME_MS]
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
  const gcStaleMs = (row: number): number =>
    parm(row, Conf4.gc_stale_time, Conf6.gc_stale_time) * 1000

  return {
    isV4,
    retransMs,
    delayMs,
    baseReachable,
    unicasts,
    multicasts,
    maxProbes,
    reachableMs,
    renewReachable,
    gcMs,
    gcStaleMs,
  }
}
