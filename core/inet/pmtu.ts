/**
 * Path MTUs learned from "fragmentation needed": one small table a worker, by destination, for what is made here.
 * An entry lives ten minutes. ICMP input fills it, and tells the other workers (Ipi.PMTU_UPDATE), since the flows
 * to one destination are spread over them; IP output looks. Linux: net/ipv4/route.c fib_nh_exception; RFC 1191.
 */
import type { Flowi } from '../base/flowi.ts'
import { FL_DADDR } from '../base/flowi.ts'
import type { Time } from '../base/time.ts'
import { TIME_MS } from '../base/time.ts'
import { hashAddr } from '../base/u32.ts'

export type Pmtu = ReturnType<typeof createPmtu>

const ENTRIES = 1024
// Words of an entry: four of the address, MTU (0 is free), jiffies when it ends.
const MTU = 4
const EXPIRES = 5
const WORDS = 6
/** ip_rt_mtu_expires and ip_rt_min_pmtu. */
const EXPIRES_MS = 600_000
const MIN_PMTU = 552

export const createPmtu = (time: Time, random: () => number) => {
  const table = new Int32Array(ENTRIES * WORDS)
  const seed = random()
  let used = 0

  const entryOf = (a0: number, a1: number, a2: number, a3: number): number =>
    (hashAddr(seed, a0, a1, a2, a3) & (ENTRIES - 1)) * WORDS
  const isEntry = (e: number, a0: number, a1: number, a2: number, a3: number): boolean =>
    table[e + 3] === a3 && table[e + 2] === a2 && table[e + 1] === a1 && table[e] === a0

  /** The largest packet to FL_DADDR: what was learned, or the route's `mtu`. */
  const lookup = (fl: Flowi, mtu: number): number => (used === 0 ? mtu : find(fl, mtu))
  const find = (fl: Flowi, mtu: number): number => {
    const a0 = fl[FL_DADDR]
    const a1 = fl[FL_DADDR + 1]
    const a2 = fl[FL_DADDR + 2]
    const a3 = fl[FL_DADDR + 3]
    const e = entryOf(a0, a1, a2, a3)
    const known = table[e + MTU]
    if (known === 0 || known >= mtu || !isEntry(e, a0, a1, a2, a3)) return mtu
    if (((table[e + EXPIRES] - time[TIME_MS]) | 0) > 0) return known
    table[e + MTU] = 0
    used--
    return mtu
  }
  /** Remembers what an ICMP error said; returns the MTU to use, never below the least that makes sense. */
  const learn = (a0: number, a1: number, a2: number, a3: number, mtu: number): number => {
    const e = entryOf(a0, a1, a2, a3)
    if (table[e + MTU] === 0) used++
    table[e] = a0
    table[e + 1] = a1
    table[e + 2] = a2
    table[e + 3] = a3
    table[e + MTU] = Math.max(mtu, MIN_PMTU)
    table[e + EXPIRES] = (time[TIME_MS] + EXPIRES_MS) | 0
    return table[e + MTU]
  }
  return { lookup, learn }
}
