/** Neighbours. Linux: include/uapi/linux/neighbour.h. */
import type { Mac, Words } from '../../wire/text.ts'

export type NeighKey = { ifindex: number; words: Words }
/** A neighbour, or one that we answer for. */
export type EitherNeighKey = NeighKey & { isProxy?: boolean }
export type NeighChange = NeighKey & {
  lladdr: Mac | null
  /** NUD_* */
  state: number
  /** NTF_* */
  flags: number
}
export type NeighInfo = NeighChange & {
  /** Seconds. */
  used: number
  confirmed: number
  updated: number
  probes: number
}
export type NeighFilter = {
  /** Those that we answer for, and no others. */
  isProxy?: boolean
  family?: number
  ifindex?: number
  words?: Words
  /** NUD_* bits; 0 is NUD_NONE. */
  states?: number
}
