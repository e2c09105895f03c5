// Who holds packet memory, seen twice: by the gauges that each thread keeps, and by the rows themselves.

import type { Arena } from '../../core/shm/arena.ts'
import { SKB_WORDS } from '../../core/shm/layout.ts'
import {
  computeBudget,
  heldAt,
  Holder,
  holderOf,
  largesOf,
  smallsOf,
} from '../../core/skb/budget.ts'
import { SKB_CHARGE, SKB_OWNER, SKB_USERS } from '../../core/skb/skb.ts'

export type Slots = { small: number; large: number }
export type HolderName = keyof typeof Holder
export type Held = Partial<Record<HolderName, Slots>>

const NAMES = Object.keys(Holder) as HolderName[]
const named = (slots: (holder: number) => Slots): Held =>
  Object.fromEntries(
    NAMES.map((name) => [name, slots(Holder[name])] as const).filter(
      ([, { small, large }]) => small !== 0 || large !== 0
    )
  )

/** What a thread says that it holds. */
export const heldBy = (arena: Arena, thread: number): Held => {
  const at = heldAt(arena, thread)
  return named((h) => ({ small: arena.i32[at + h * 2]!, large: arena.i32[at + h * 2 + 1]! }))
}
/** What its rows say. */
export const heldInRows = (arena: Arena, thread: number): Held => {
  const { i32, layout } = arena
  const small = new Int32Array(16)
  const large = new Int32Array(16)
  const end = layout.skbRows + layout.threads * layout.config.skbs * SKB_WORDS
  for (let skb = layout.skbRows; skb < end; skb += SKB_WORDS) {
    if (i32[skb + SKB_OWNER] !== thread || i32[skb + SKB_USERS] === 0) continue
    const charge = i32[skb + SKB_CHARGE]!
    small[holderOf(charge)]! += smallsOf(charge)
    large[holderOf(charge)]! += largesOf(charge)
  }
  return named((h) => ({ small: small[h]!, large: large[h]! }))
}
/** What a thread may hold of a kind. */
export const boundOf = (arena: Arena, name: HolderName): Slots => {
  const { bounds } = computeBudget(arena.layout.config)
  return { small: bounds[Holder[name] * 2]!, large: bounds[Holder[name] * 2 + 1]! }
}
