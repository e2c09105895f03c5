/**
 * What a run is like while it is under way: between the moment when a part of all its bytes has come, and another. Before, it
 * begins slowly; after, some flows have ended.
 */
import { goodput } from './bounds.ts'
import type { Flow } from './flow.ts'
import type { Knobs } from './knobs.ts'
import type { World } from './world.ts'

/** Less of all bytes than this says nothing. */
const LEAST = 0.25

type Mark = { ms: number; bytes: number[] }
export type Measured = {
  ms: number
  /** What came of each flow, and of all. */
  bytes: number[]
  sum: number
  /** The most packets that waited before the bottleneck. */
  queue: number
}
const FRAME = 1514
const sumOf = (all: readonly number[]): number => all.reduce((sum, each) => sum + each, 0)

/** Between the parts `from` and `until` of all bytes, or until the first flow has ended. */
export const createMeasure = (knobs: Knobs, from: number, until: number) => {
  const all = knobs.flows * (knobs.bytes + knobs.back) * knobs.rounds
  const marks: Mark[] = []
  let queue = 0
  return {
    /** Hears of the bottleneck's queue. */
    watch: ({ right }: World): void => {
      right.queued = (bytes) => {
        if (marks.length === 1) queue = Math.max(queue, bytes / FRAME)
      }
    },
    look: (open: readonly Flow[], { sim }: World): void => {
      if (marks.length === 2) return
      const sum = open.reduce((bytes, flow) => bytes + flow.arrived(), 0)
      const isDue =
        marks.length === 0
          ? sum >= from * all
          : sum >= until * all || open.some((flow) => flow.isDone())
      if (isDue) marks.push({ ms: sim.nowMs(), bytes: open.map((flow) => flow.arrived()) })
    },
    /** Nothing where it was too short. */
    result: (): Measured | undefined => {
      const [first, last] = marks
      if (first === undefined || last === undefined) return undefined
      const bytes = last.bytes.map((each, k) => each - first.bytes[k]!)
      const sum = sumOf(bytes)
      return sum < LEAST * all ? undefined : { ms: last.ms - first.ms, bytes, sum, queue }
    },
  }
}

/** The part of what the bottleneck lets through that came; `allowanceMs` of the time are nobody's fault. */
export const shareOf = (knobs: Knobs, { ms, sum }: Measured, allowanceMs = 0): number =>
  (sum / (ms - allowanceMs) / goodput(knobs)) * 1000
