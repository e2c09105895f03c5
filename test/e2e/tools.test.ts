// softnet's tools and Linux's own, asked the same of hosts that were made by the same lines: what they print is the same,
// but for values that differ from look to look and for what tools/known.ts gives reasons for.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { describeE2e } from './support/inside.ts'
import { type Aside, compare } from './tools/compare.ts'
import { KNOWN, VOLATILE } from './tools/known.ts'
import {
  ETHTOOL_LINES,
  IP_LINES,
  MONITORED,
  NETNS_LINES,
  NSTAT_LINES,
  PROC_LINES,
  SET_UP,
  SS_LINES,
  SYSCTL_LINES,
  TC_LINES,
} from './tools/lines.ts'
import { createWorld, type World } from './tools/world.ts'

describeE2e(import.meta.path, 'the tools print the same', () => {
  let world: World
  /** What both have said so far. */
  const answers: { line: string; theirs: string; ours: string }[] = []
  beforeAll(async () => {
    world = await createWorld()
    await world.both(SET_UP)
  })
  afterAll(() => world?.close())

  const differences = (asked: typeof answers, asides: readonly Aside[]): string =>
    asked
      .flatMap(({ line, theirs, ours }) => {
        const found = compare(line, theirs, ours, asides)
        return found.length === 0 ? [] : ['', line, ...found]
      })
      .join('\n')
  const askBoth = async (lines: readonly string[]): Promise<string> => {
    const [theirs, ours] = [await world.kernel.ask(lines), await world.softnet.ask(lines)]
    const asked = lines.map((line, i) => ({ line, theirs: theirs[i]!, ours: ours[i]! }))
    answers.push(...asked)
    return differences(asked, [...KNOWN, ...VOLATILE])
  }

  test('ip', async () => {
    expect(await askBoth(IP_LINES)).toBe('')
  })

  test('both have sockets', () => world.talk())

  test.each([
    ['ss', SS_LINES],
    ['nstat', NSTAT_LINES],
    ['ethtool', ETHTOOL_LINES],
    ['/proc/net', PROC_LINES],
    ['tc', TC_LINES],
    ['sysctl', SYSCTL_LINES],
    ['ip netns', NETNS_LINES],
  ])('%s', async (_, lines) => {
    expect(await askBoth(lines)).toBe('')
  })

  test('sockets that softnet dumps are read by ss', async () => {
    const file = `${world.scratch}/diag`
    expect(await world.softnet.ask([`ss -taD ${file}`])).toEqual(['exit 0'])
    const [ours] = await world.softnet.ask(['ss -tan --tos'])
    const read = await world.kernel.ask([`TCPDIAG_FILE=${file} ss -tan --tos`])
    const line = (text: string): string => text.replace(/ +$/gm, '')
    expect(line(read[0]!)).toBe(line(ours!))
    expect(ours).toContain('ESTAB')
  })

  test('ip monitor', async () => {
    const hosts = [world.kernel, world.softnet]
    let found = ''
    for (const { line, changes, last } of MONITORED) {
      const said = await Promise.all(hosts.map(({ monitor }) => monitor(line)))
      await world.both(changes.trim().split(/\n */))
      const late = performance.now() + 5000
      const has = async () =>
        (await Promise.all(said.map((one) => one()))).every((text) => text.includes(last))
      while (!(await has()) && performance.now() < late) await Bun.sleep(20)
      const [theirs, ours] = await Promise.all(said.map((one) => one()))
      answers.push({ line, theirs: theirs!, ours: ours! })
      found += differences(answers.slice(-1), [...KNOWN, ...VOLATILE])
    }
    expect(found).toBe('')
  })

  test('every difference that is known is still one', () => {
    const unused = KNOWN.filter((known) => {
      const others = [...KNOWN.filter((one) => one !== known), ...VOLATILE]
      return answers.every((asked) => differences([asked], others) === '')
    })
    expect(unused.map(({ reason }) => reason)).toEqual([])
  })
})
