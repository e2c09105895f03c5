/**
 * What lies in a ring to another thread is held by its producer until the consumer has given the slots back. The
 * producer remembers for each place what it carries, and settles when the ring seems full; so the gauge keeps its one
 * writer, and a push costs no look at the other side. Until then the gauge says too much: who shows it counts the
 * ring itself (core/control/diag/memory.ts). Used by the ports and by the completion rings of applications.
 */
import { ringHead, ringTail } from '../shm/ring.ts'
import type { Holder, SkbBudget } from './budget.ts'

export type RingCharge = ReturnType<typeof createRingCharge>

/** For a ring of 1 << `bits` records of 1 << `shift` words. */
export const createRingCharge = (
  i32: Int32Array,
  ring: number,
  bits: number,
  shift: number,
  budget: SkbBudget,
  holder: Holder
) => {
  const places = new Int32Array(1 << bits)
  const mask = places.length - 1
  // words run on for ever; a record's place is where it begins
  const placeOf = (word: number): number => (word >> shift) & mask
  const words = 1 << shift
  let settled = ringHead(i32, ring)

  /** Takes what the consumer has released off the gauge. */
  const settle = (): void => {
    const head = ringHead(i32, ring)
    for (; settled !== head; settled = (settled + words) | 0) {
      const place = placeOf(settled)
      if (places[place] === 0) continue
      budget.subtract(holder, places[place])
      places[place] = 0
    }
  }
  /** Whether one more may lie in the ring. */
  const hasRoom = (slots: number): boolean => {
    if (budget.hasRoom(holder, slots)) return true
    settle()
    return budget.hasRoom(holder, slots)
  }
  /** The record that was pushed last carries these slots. */
  const charge = (slots: number): void => {
    const place = placeOf((ringTail(i32, ring) - words) | 0)
    if (places[place] !== 0) settle()
    budget.add(holder, slots)
    places[place] = slots
  }
  return { settle, hasRoom, charge }
}
