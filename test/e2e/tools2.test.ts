import { afterAll, beforeAll, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { describeE2e } from './support/inside.ts'
import { startIn, untilBound } from './support/commands.ts'
import { compare } from './tools/compare.ts'
import { KNOWN, VOLATILE } from './tools/known.ts'
import * as L from './tools/lines.ts'
import { createWorld, type World } from './tools/world.ts'
describeE2e(import.meta.path, 'x', () => {
  let world: World
  beforeAll(async () => {
    world = await createWorld()
    await world.both(L.SET_UP)
  })
  afterAll(() => world?.close())
  test('ss', async () => {
    await world.talk()
    const lines = [...L.SS_LINES, ...L.PROC_LINES, ...L.ETHTOOL_LINES, ...L.NSTAT_LINES]
    const K = await world.kernel.ask(lines),
      S = await world.softnet.ask(lines)
    let all = ''
    lines.forEach((line, i) => {
      const f = compare(line, K[i]!, S[i]!, [...KNOWN, ...VOLATILE])
      if (f.length) all += '\n' + line + '\n' + f.join('\n') + '\n'
    })
    writeFileSync('/tmp/control-diffs.txt', all)
  })
})
