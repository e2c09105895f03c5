// 300,000 random and spoilt frames, from fixed seeds: what CI runs of the frame fuzzer (see frames.ts for longer runs).

import { expect, test } from 'bun:test'
import { fuzzFrames } from './frames.ts'

test.each([1, 2, 3])(
  '100,000 frames of seed %p each have one fate, and leave nothing behind',
  async (seed) => {
    const { problems, frames, fates } = await fuzzFrames(seed, 100_000)
    expect(problems).toEqual([])
    expect(frames).toBe(100_000)
    // every way to end is exercised
    for (const [name, count] of fates) expect([name, count > 0]).toEqual([name, true])
  }
)

test('the same seed is the same run', async () => {
  const [a, b] = [await fuzzFrames(9, 5000), await fuzzFrames(9, 5000)]
  expect(a.fates).toEqual(b.fates)
  expect(a.target.dropped()).toEqual(b.target.dropped())
})
