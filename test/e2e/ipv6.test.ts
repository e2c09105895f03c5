// softnet's IPv6 against the kernel's: pings of every size, services, streams and the path's MTU, through TAPs.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { requireTool } from '../support/tools.ts'
import { freeBuffers, expectNothingLeaked } from './support/checks.ts'
import { runIn, startIn, toolIn, untilBound } from './support/commands.ts'
import { describeE2e, isLong } from './support/inside.ts'
import type { Topology } from './support/topology.ts'
import { B6, createTopology6, ROUTER_A6, setMtu } from './support/topology6.ts'

const SIZES = [0, 1, 56, 1232, 1233, 1452, 1453, 2000, 4096, 9000, 30_000, 65_000, 65_507]
const MB = isLong ? 512 : 64

describeE2e(import.meta.path, "IPv6 beside the kernel's", () => {
  let net: Topology
  let before: Awaited<ReturnType<typeof freeBuffers>>

  beforeAll(async () => {
    net = await createTopology6()
    const once = `echo x | socat -t 5 - TCP6:[${ROUTER_A6}]:7; curl -gsS -o /dev/null http://[${ROUTER_A6}]/`
    const loop = `for i in 1 2 3 4 5 6 7 8; do ${once}; done; ping -c 2 -i 0.05 ${B6}`
    const { status, err } = await runIn(net.a, ['sh', '-ec', loop])
    expect({ status, err }).toEqual({ status: 0, err: '' })
    before = await freeBuffers(net.daemon)
  })
  afterAll(() => net?.close())

  // for the last answer ping waits two round trips, or an interval if that is more: on a busy machine it may need that
  const ping = (from: Topology['a'], to: string, ...args: string[]) =>
    runIn(from, [requireTool('ping'), '-6', '-c', '3', '-i', '0.15', '-W', '5', ...args, to])
  const expectAnswered = async (to: string, size: number): Promise<void> => {
    const { out, status } = await ping(net.a, to, '-s', `${size}`)
    expect([size, status, / 0% packet loss/.test(out)]).toEqual([size, 0, true])
  }

  test('answers a ping of every size', async () => {
    for (const size of SIZES) await expectAnswered(ROUTER_A6, size)
    expect(await net.daemon.nstat('Ip6ReasmFails')).toBe(0)
    await expectNothingLeaked(net.daemon, before)
  })

  test('sends pings of every size on to b', async () => {
    for (const size of SIZES) await expectAnswered(B6, size)
    await expectNothingLeaked(net.daemon, before)
  })

  test('the echo, discard, chargen and http services', async () => {
    const tcp = (port: number): string => `TCP6:[${ROUTER_A6}]:${port}`
    const say = (line: string): Promise<string> =>
      runIn(net.a, ['sh', '-c', line]).then(({ out }) => out)
    expect(await say(`echo hello | socat -t 5 - '${tcp(7)}'`)).toBe('hello\n')
    expect(await say(`echo hello | socat -t 2 - 'UDP6:[${ROUTER_A6}]:7'`)).toBe('hello\n')
    expect(await say(`echo hello | socat -t 5 - '${tcp(9)}'; echo $?`)).toBe('0\n')
    expect(await say(`socat -u '${tcp(19)}' - | head -c 74`)).toContain('!"#$%&')
    const curl = ['-gsS', '-o', '/dev/null', '-w', '%{http_code}', `http://[${ROUTER_A6}]/`]
    expect(await toolIn(net.a, 'curl', curl)).toBe('200')
    await expectNothingLeaked(net.daemon, before)
  })

  test('tells of closed ports, no route and too many hops', async () => {
    const closed = await runIn(net.a, ['sh', '-c', `socat - 'TCP6:[${ROUTER_A6}]:4' </dev/null`])
    expect(closed.err).toContain('Connection refused')
    const { out } = await ping(net.a, B6, '-t', '1')
    expect(out).toContain(`From ${ROUTER_A6}`)
    expect(out).toContain('Time exceeded: Hop limit')
    const lost = await ping(net.a, '2001:db8:99::1')
    expect(lost.out).toContain('Destination unreachable: No route')
    await expectNothingLeaked(net.daemon, before)
  })

  /** Bytes from a to b and what arrived of them. */
  const across = async (megabytes: number): Promise<number> => {
    const sink = [requireTool('socat'), '-u', 'TCP6-LISTEN:4000', 'SYSTEM:wc -c']
    const receiver = startIn(net.b, sink)
    try {
      await untilBound(net.b, 'tcp', 4000)
      const send = `head -c ${megabytes}M /dev/zero | socat -u - 'TCP6:[${B6}]:4000'`
      const { status, err } = await runIn(net.a, ['sh', '-c', send])
      expect({ status, err }).toEqual({ status: 0, err: '' })
      return Number((await receiver.result).out)
    } finally {
      await receiver.end()
    }
  }
  test(`${MB} MB from a to b, in super-frames`, async () => {
    expect(await across(MB)).toBe(MB << 20)
    await expectNothingLeaked(net.daemon, before)
  })

  test('a narrow link: tracepath finds it, pings and streams pass it', async () => {
    await setMtu(net, 1280)
    try {
      const path = await toolIn(net.a, 'tracepath', ['-6', '-n', '-m', '5', B6])
      expect(path).toContain('pmtu 1280')
      expect(path).toMatch(new RegExp(`${B6}\\s.*reached`))
      const tooBigs = await net.daemon.nstat('Icmp6OutPktTooBigs')
      expect(tooBigs).toBeGreaterThan(0)
      for (const size of SIZES) await expectAnswered(B6, size)
      const many = `for s in $(seq 3 1021 65507); do ping -6 -c 1 -W 5 -q -s $s ${B6} || exit 1; done`
      expect((await runIn(net.a, ['sh', '-c', many])).status).toBe(0)
      expect(await across(4)).toBe(4 << 20)
      const route = await toolIn(net.a, 'ip', ['-6', 'route', 'get', B6])
      expect(route).toContain('mtu 1280')
    } finally {
      await setMtu(net, 1500)
    }
    await expectNothingLeaked(net.daemon, before)
  })
})
