// `softnet tcpdump` beside real traffic: what it writes tcpdump reads without a complaint, and what it prints is what went by.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { requireTool, toolPath } from '../support/tools.ts'
import { expectNothingLeaked, freeBuffers } from './support/checks.ts'
import { runIn } from './support/commands.ts'
import { describeE2e } from './support/inside.ts'
import type { Topology } from './support/topology.ts'
import { B, createTopology } from './support/topology.ts'

const PINGS = 5

describeE2e(import.meta.path, 'captures', () => {
  let net: Topology
  let before: Awaited<ReturnType<typeof freeBuffers>>
  beforeAll(async () => {
    net = await createTopology()
    await ping(2)
    before = await freeBuffers(net.daemon)
  })
  afterAll(() => net?.close())

  const ping = (count: number): Promise<unknown> =>
    runIn(net.a, ['ping', '-c', `${count}`, '-i', '0.05', B])
  /** Runs a capture, and pings once it has begun. */
  const during = async (...words: string[]) => {
    const capture = net.daemon.cli('tcpdump', ...words)
    await untilCapturing()
    await ping(PINGS)
    return capture
  }
  const untilCapturing = async (): Promise<void> => {
    for (;;) {
      const { items } = await net.daemon.must<{ items: unknown[] }>('GET', '/v1/captures')
      if (items.length > 0) return
      await Bun.sleep(5)
    }
  }

  test('a file of all devices is read by tcpdump, each ping four times', async () => {
    const file = `${net.daemon.folder}/all.pcapng`
    const frames = 4 * PINGS
    const { status } = await during('-i', 'any', '-c', `${frames}`, '-w', file, 'icmp')
    expect(status).toBe(0)
    const read = Bun.spawnSync([requireTool('tcpdump'), '-nr', file])
    expect(`${read.stderr}`).toMatch(/^reading from file .*\n$/)
    const lines = `${read.stdout}`.trim().split('\n')
    expect(lines).toHaveLength(frames)
    expect(lines.filter((line) => line.includes('ICMP echo request'))).toHaveLength(2 * PINGS)
  })
  test('curl gives tshark what it decodes, whole: pings, and errors with what they are about', async () => {
    // the packet that dies comes in, and goes back out as an error
    const frames = 4 * PINGS + 2
    const url = `http://softnet/v1/capture?filter=icmp&limit=${frames}`
    const curl = `curl -sN -m 20 --unix-socket ${net.daemon.unix} '${url}'`
    const tshark = 'tshark -nr - -T fields -e frame.protocols -e _ws.malformed'
    for (const tool of ['curl', 'tshark'] as const) requireTool(tool)
    const shell = Bun.spawn(['sh', '-c', `${curl} | ${tshark}`], {
      env: { ...process.env, PATH: toolPath() },
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
    })
    await untilCapturing()
    await ping(PINGS)
    await runIn(net.a, ['ping', '-c', '1', '-t', '1', '-W', '1', B])
    const lines = (await new Response(shell.stdout).text()).trimEnd().split('\n')
    expect(lines).toHaveLength(frames)
    expect(
      lines.filter((line) => !/^eth:ethertype:ip:icmp(:ip:icmp)?(:data)?\t?$/.test(line))
    ).toEqual([])
  })
  test('in words: where each came in and went out', async () => {
    const { status, out, err } = await during('-c', '4', `icmp and host ${B}`)
    expect(status).toBe(0)
    const ways = out
      .trim()
      .split('\n')
      .map((line) => / (\S+ (?:In|Out)) +IP .* ICMP, (echo \w+)/.exec(line)!.slice(1).join(' '))
    expect(new Set(ways).size).toBe(4)
    expect(err).toBe('4 packets captured\n0 packets dropped\n')
  })
  test('what is refused is refused in one line', async () => {
    const { status, err } = await net.daemon.cli('tcpdump', '-i', 'nope')
    expect([status, err.split('\n')[0]]).toEqual([1, expect.stringContaining('Cannot find device')])
  })
  test('nothing leaked', () => expectNothingLeaked(net.daemon, before))
})
