/**
 * The addresses that we answer for on behalf of others (`ip neigh add proxy`), as CPU 0 and who forwards look for them.
 * On any thread. Linux: pneigh_lookup() (net/core/neighbour.c).
 */
import { isSameAddr } from '../base/family.ts'
import type { Arena } from '../shm/arena.ts'
import { PNEIGH_WORDS } from '../shm/layout.ts'
import { PN_ADDR, PN_IFINDEX, PN_TOP } from './pneigh-constants.ts'

export type Pneigh = ReturnType<typeof createPneigh>

export const createPneigh = ({ i32, layout }: Arena) => {
  const rows = layout.pneighs
  /** Row of an address that is proxied on the device, or 0. */
  const pneighLookup = (dev: number, words: Int32Array, at: number): number => {
    const end = rows + i32[rows + PN_TOP] * PNEIGH_WORDS
    for (let row = rows + PNEIGH_WORDS; row < end; row += PNEIGH_WORDS)
      if (i32[row + PN_IFINDEX] === dev && isSameAddr(i32, row + PN_ADDR, words, at)) return row
    return 0
  }
  /** May there be any? */
  const hasPneighs = (): boolean => i32[rows + PN_TOP] > 1
  return { pneighLookup, hasPneighs }
}
