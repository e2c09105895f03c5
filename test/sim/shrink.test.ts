// Shrinking a failing case: to the least that still fails in the same way, and to knobs that are not the seed's.

import { expect, test } from 'bun:test'
import type { Knobs } from '../../sim/knobs.ts'
import { type Case, commandOf, knobsOf, type Verdict } from '../../sim/play.ts'
import { shrink } from '../../sim/shrink.ts'

const DIRTY: Partial<Knobs> = {
  flows: 7,
  bytes: 100_000,
  loss: 4,
  reorder: 20,
  jitter: 9,
  mtu: 1300,
}
const failing = { scenario: 'bulk', seed: 1, set: DIRTY }
/** Plays a case that fails where `isBad`. */
const playing =
  (isBad: (knobs: Knobs) => boolean) =>
  async (each: Case): Promise<Verdict> =>
    isBad(knobsOf(each)) ? { fault: { kind: 'stalled', text: '' }, figures: {} } : { figures: {} }

test('evils that are not needed go, and numbers fall as far as they may', async () => {
  const play = playing(({ loss, flows, bytes }) => loss > 0.5 && flows >= 2 && bytes > 1000)
  const { set, ...rest } = await shrink(failing, 'stalled', play)
  const knobs = knobsOf({ ...rest, set })
  expect(knobs).toMatchObject({ reorder: 0, jitter: 0, mtu: 1500, back: 0, rate: 0, family: 4 })
  expect(knobs.flows).toBe(2)
  expect(knobs.loss).toBeLessThanOrEqual(1)
  expect(knobs.bytes).toBeLessThanOrEqual(2000)
  expect(await play({ ...rest, set })).toHaveProperty('fault')
})

test('luck is tried: a smaller case fails with other random numbers', async () => {
  const small = await shrink(
    failing,
    'stalled',
    playing(({ luck, flows }) => flows === 7 || luck === 2)
  )
  expect(knobsOf(small)).toMatchObject({ flows: 1, luck: 2 })
})

test('a failure of another kind does not count', async () => {
  const play = async (each: Case): Promise<Verdict> => ({
    fault: { kind: knobsOf(each).loss === 4 ? 'stalled' : 'leak', text: '' },
    figures: {},
  })
  expect(knobsOf(await shrink(failing, 'stalled', play)).loss).toBe(4)
})

test('the command says what is not the seed’s', async () => {
  const small = await shrink(
    failing,
    'stalled',
    playing(({ loss }) => loss === 4)
  )
  expect(commandOf(small)).toMatch(/^softnet sim --scenario bulk --seed 1 --set .*loss=4/)
  expect(commandOf({ scenario: 'bulk', seed: 1, set: {} })).toBe(
    'softnet sim --scenario bulk --seed 1'
  )
})
