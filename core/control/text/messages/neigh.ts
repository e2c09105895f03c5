/** Neighbours in the words of `ip neigh`. */
import type { FamilyName } from './family.ts'

export type NudState =
  | 'INCOMPLETE'
  | 'REACHABLE'
  | 'STALE'
  | 'DELAY'
  | 'PROBE'
  | 'FAILED'
  | 'NOARP'
  | 'PERMANENT'
  | 'NONE'

export type NeighSpec = {
  dev: string
  dst: string
  lladdr?: string
  /** PERMANENT when not given, as `ip neigh add`. */
  state?: NudState
  flags?: string[]
}
/** A neighbour, or one that we answer for. */
export type NeighName = Pick<NeighSpec, 'dev' | 'dst'> & { proxy?: boolean }
export type NeighItem = {
  dst: string
  dev: string
  lladdr?: string
  state: NudState[]
  router?: boolean
  proxy?: boolean
  /** Seconds, as `ip -s neigh`. */
  used?: number
  confirmed?: number
  updated?: number
  probes?: number
  refcnt?: number
  protocol?: string
}
export type NeighFilter = {
  family?: FamilyName
  dev?: string
  state?: NudState[]
  dst?: string
  /** Those that we answer for on behalf of others, and no neighbours. */
  proxy?: boolean
}
