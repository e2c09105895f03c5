/**
 * By which row readers see each prefix: its own, or where one may not go by that (linkdown.ts) the next one of its routes, or not at
 * all. Devices change that, and the prefixes of a row are all seen alike. The writer (fib-writer.ts) asks, and puts into the tries what
 * has changed. Control thread. Linux: fib_lookup_good_nhc(), which asks at each lookup.
 */
import { AF_INET, AF_INET6 } from '../../../base/family.ts'
import { byFamily } from '../../af-ops.ts'
import type { FibPrefixes } from './fib-prefixes.ts'
import type { Linkdown } from '../linkdown.ts'

export type FibShown = ReturnType<typeof createFibShown>
type FibShownDeps = { prefixesOf: (family: number) => FibPrefixes } & Linkdown

export const createFibShown = ({ prefixesOf, firstUsable, isAsked }: FibShownDeps) => {
  /** Of rows that one may not go by: by which one may instead, or 0. */
  const insteadOf = byFamily(new Map<number, number>(), new Map<number, number>())
  /** Prefixes, by their entries, that found no room when one could go by theirs again. */
  const unplaced = byFamily(new Set<number>(), new Set<number>())
  /** Are there prefixes that are seen by another row than their own? */
  const isPartial = (of: number): boolean => insteadOf(of).size + unplaced(of).size > 0

  /** By which row readers see a prefix: 0 is not at all. */
  const shownOf = (of: number, entry: number): number => {
    const row = prefixesOf(of).rowOf(entry)
    return unplaced(of).has(entry) ? 0 : (insteadOf(of).get(row) ?? row)
  }
  const noteInstead = (of: number, row: number, instead: number): void => {
    if (instead === row) insteadOf(of).delete(row)
    else insteadOf(of).set(row, instead)
  }
  /** A prefix will lead to the row. What others are seen by, devices may have changed since: refresh() comes. */
  const noteRow = (of: number, row: number): void => {
    if (!prefixesOf(of).isInUse(row)) noteInstead(of, row, firstUsable(of, row))
  }
  /** A prefix has led to the row. */
  const forgetUnused = (of: number, row: number): void => {
    if (!prefixesOf(of).isInUse(row)) insteadOf(of).delete(row)
  }
  /** Was the prefix left out for want of room? It is not any more. */
  const forgetUnplaced = (of: number, entry: number): boolean => unplaced(of).delete(entry)
  const leaveOut = (of: number, entry: number): void => {
    unplaced(of).add(entry)
  }

  /**
   * Devices have changed: prefixes are seen by what one may go by now. All rows are asked, of which there are few, and the prefixes of
   * those alone are gone through whose answer is another; `place` puts one where it is seen, which was seen by `before` until now. What
   * finds no room is not seen until the next time.
   */
  const refresh = (place: (of: number, entry: number, before: number) => void): void => {
    if (!isPartial(AF_INET) && !isPartial(AF_INET6) && !isAsked()) return
    for (const of of [AF_INET, AF_INET6]) refreshFamily(of, place)
  }
  const refreshFamily = (
    of: number,
    place: (of: number, entry: number, before: number) => void
  ): void => {
    const prefixes = prefixesOf(of)
    const [turned, gone]: [number, number][][] = [[], []]
    for (const row of prefixes.rowsInUse()) {
      const was = insteadOf(of).get(row) ?? row
      const now = firstUsable(of, row)
      if (now !== was) (now === 0 ? gone : turned).push([row, was])
      noteInstead(of, row, now)
    }
    // what lies under those that are hidden is looked up, and is to be there
    for (const [row, was] of turned)
      for (const entry of prefixes.entriesOf(row))
        if (!unplaced(of).has(entry)) place(of, entry, was)
    for (const [row, was] of gone)
      for (const entry of prefixes.entriesOf(row))
        if (!unplaced(of).delete(entry)) place(of, entry, was)
    for (const entry of [...unplaced(of)]) {
      unplaced(of).delete(entry)
      place(of, entry, 0)
    }
  }

  return { isPartial, shownOf, noteRow, forgetUnused, forgetUnplaced, leaveOut, refresh }
}
