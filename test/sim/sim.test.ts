// `softnet sim`: seeds of all scenarios pass, the same seed is the same run, and what fails is said with the command that
// plays it again.

import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { knobsOf, play } from '../../sim/play.ts'
import { SCENARIOS } from '../../sim/scenarios.ts'

const SEEDS = 90
/** On a machine that has other things to do. */
const LONG_MS = 300_000

const sim = async (...args: string[]) => {
  const command = [process.execPath, join(import.meta.dir, '../../sim/run.ts'), ...args]
  const child = Bun.spawn(command, { stdout: 'pipe', stderr: 'pipe' })
  const [out, error] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ])
  return { code: await child.exited, lines: out.trim().split('\n'), error }
}

test(
  `${SEEDS} seeds of all scenarios`,
  async () => {
    const { code, lines } = await sim('--seeds', `${SEEDS}`)
    expect(lines.filter((line) => line.startsWith('FAILED'))).toEqual([])
    expect(lines.at(-1)).toStartWith(`${SEEDS} seeds, 0 failed`)
    expect(code).toBe(0)
  },
  LONG_MS
)

test.each(SCENARIOS.map(({ name }) => name))(
  '%s: a seed is a run, another is another',
  async (scenario) => {
    const each = { scenario, seed: 7, set: {} }
    const first = await play(each)
    expect(first.fault).toBeUndefined()
    expect(await play(each)).toEqual(first)
    expect(knobsOf({ ...each, seed: 8 })).not.toEqual(knobsOf(each))
  }
)

test('a seed that fails has one line with the command that plays it again', async () => {
  const { code, lines } = await sim('bulk', '--seed', '3', '--set', 'loss=100')
  expect(lines).toHaveLength(2)
  expect(lines[0]).toMatch(/^FAILED bulk 3: error: .*errno 113/)
  expect(lines[0]).toEndWith(': softnet sim --scenario bulk --seed 3 --set loss=100')
  expect(lines[1]).toStartWith('1 seeds, 1 failed')
  expect(code).toBe(1)
})

test('what is not understood is refused', async () => {
  for (const args of [['nothing'], ['--seeds', '0'], ['--set', 'nothing=1'], ['--set', 'loss=x']])
    expect((await sim(...args)).code).toBe(2)
  expect((await sim('--list')).lines[0]).toStartWith(SCENARIOS[0].name)
})
