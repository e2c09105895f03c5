/** Numbers drawn from a seed, in the shapes that cases need (case.ts, scenarios/). */
import { seeded } from '../core/base/random.ts'

export type Draw = ReturnType<typeof createDraw>

/** The numbers of a seed; `name` keeps those of different users apart. */
export const createDraw = (seed: number, name: string) => {
  const next = seeded(Number(BigInt.asIntN(32, BigInt(Bun.hash(`${name} ${seed}`)))))
  /** From 0 up to 1. */
  const unit = (): number => (next() >>> 0) / 0x100000000
  const between = (low: number, high: number): number => low + unit() * (high - low)
  return {
    chance: (p: number): boolean => unit() < p,
    between,
    whole: (low: number, high: number): number => low + Math.floor(unit() * (high - low + 1)),
    /** Small ones are as likely as large ones: the logarithm is uniform. */
    scale: (low: number, high: number): number =>
      Number(Math.exp(between(Math.log(low), Math.log(high))).toPrecision(3)),
    pick: <T>(from: readonly [T, ...T[]]): T => from[Math.floor(unit() * from.length)]!,
  }
}
