// The frame fuzzer: bun test/fuzz/frames.ts [--frames N] [--seed S] [--drops]. Random and spoilt frames into the bottom of a
// stack with live sockets. Each frame must end in exactly one way that the counters tell, nothing may throw, and at the
// end, sockets closed and timers run out, every buffer must be home. The same seed is the same run.

import { seeded } from '../support/random.ts'
import { createGenerator } from './frame-generator.ts'
import { createHistory, minimise, shootAgain } from './frame-replay.ts'
import { createTarget, FATES, type Target } from './frame-target.ts'

export type FuzzResult = {
  frames: number
  problems: string[]
  /** How the frames ended. */
  fates: [name: string, frames: number][]
  target: Target
}

/** Injects `frames` frames. A problem ends the run with words that say how to see it again. */
export const fuzzFrames = async (
  seed: number,
  frames: number,
  progress: (done: number) => void = () => {}
): Promise<FuzzResult> => {
  const target = await createTarget(seed)
  const generator = createGenerator(seed, target)
  const random = seeded(seed ^ 0x717e)
  const history = createHistory(target)
  const problems: string[] = []
  let done = 0
  let shooting = true
  try {
    for (; done < frames; done++) {
      const roll = random() >>> 0
      // mostly microseconds between frames, now and then long enough for timers
      const us = roll % 4096 === 0 ? 3_000_000 : roll % 64 === 0 ? 40_000 : roll % 50
      target.advance(us)
      if ((roll >>> 12) % 24 === 0) target.act()
      const skb = generator.next()
      if (skb === 0) {
        problems.push('no memory for a frame')
        break
      }
      history.note(skb, generator.link(), us)
      target.inject(skb, generator.link())
      if (target.failed() !== '') {
        problems.push(target.failed())
        break
      }
      if ((done & 0xfffff) === 0xfffff) progress(done + 1)
    }
    shooting = problems.length > 0
    if (!shooting) problems.push(...target.finish())
  } catch (error) {
    problems.push(error instanceof Error ? (error.stack ?? error.message) : String(error))
  }
  if (problems.length > 0) {
    problems.push(`again: bun test/fuzz/frames.ts --seed ${seed} --frames ${done + 1}`)
    if (shooting) problems.push(await minimise(seed, history.last()))
  }
  const fates = FATES.map((name, k): [string, number] => [name, target.fates[k]!])
  return { frames: done, problems, fates, target }
}

const main = async (): Promise<void> => {
  const args = process.argv.slice(2)
  const number = (name: string, otherwise: number): number => {
    const at = args.indexOf(name)
    return at < 0 ? otherwise : Number(args[at + 1])
  }
  const seed = number('--seed', 1)
  const shots = args.indexOf('--shoot')
  if (shots >= 0) return console.log(await shootAgain(seed, args.slice(shots + 1)))
  const start = performance.now()
  const seconds = (): string => ((performance.now() - start) / 1000).toFixed(1)
  const result = await fuzzFrames(seed, number('--frames', 1_000_000), (done) =>
    console.log(`${done} frames, ${seconds()} s`)
  )
  console.log(`${result.frames} frames of seed ${seed} in ${seconds()} s`)
  for (const [name, frames] of result.fates) console.log(`${String(frames).padStart(10)} ${name}`)
  const sum = result.fates.reduce((total, [, frames]) => total + frames, 0)
  console.log(`${String(sum).padStart(10)} = ${result.target.injected()} injected`)
  if (args.includes('--drops'))
    for (const [name, count] of result.target.dropped())
      console.log(`${String(count).padStart(10)} ${name}`)
  for (const problem of result.problems) console.error(problem)
  process.exitCode = result.problems.length === 0 ? 0 : 1
}
if (import.meta.main) await main()
