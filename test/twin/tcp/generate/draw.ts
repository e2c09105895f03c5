// What the cases of a seed are drawn with, and the steps that they are made of.

import { seeded } from '../../../support/random.ts'
import { PLAIN, type Segment, type Step } from '../script.ts'

export type Draw = ReturnType<typeof createDraw>
export const createDraw = (seed: number) => {
  const random = seeded(seed)
  const below = (n: number): number => (random() >>> 0) % n
  const chance = (percent: number): boolean => below(100) < percent
  const pick = <T>(list: readonly T[]): T => list[below(list.length)]!
  return { below, chance, pick }
}

export const call = (slot: number, name: string, ...args: (string | number)[]): Step => ({
  do: 'call',
  slot,
  name,
  args: args.map(String),
})
export const wait = (ms: number): Step => ({ do: 'wait', ms })

/** What the peer knows of itself. */
export type Peer = {
  /** Its next sequence number, with what it has sent counted. */
  next: number
  hasTs: boolean
  hasSack: boolean
  clock: number
}

export const segment = (part: Partial<Segment>): Step => ({
  do: 'segment',
  segment: { ...PLAIN, ...part },
})
