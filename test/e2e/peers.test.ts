// The tools that people look at networks with, in both families, through softnet and to it: what they find is what is there.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { requireTool, type Tool } from '../support/tools.ts'
import { expectNothingLeaked, freeBuffers, warmUp } from './support/checks.ts'
import { iperf, pingLoss, runIn, toolIn } from './support/commands.ts'
import { describeE2e, isLong } from './support/inside.ts'
import { A, B, ROUTER_A, ROUTER_B, type Topology } from './support/topology.ts'
import { B6, createTopology6, ROUTER_A6, setMtu } from './support/topology6.ts'

const MOST_PAYLOAD = '65507'
const NARROW = 1280
/** So near to one are the two families' speeds; the long run has the machine for itself. */
const ALIKE = isLong ? 0.05 : 0.3
const SECONDS = isLong ? 5 : 1
const MOST_ROUNDS = isLong ? 40 : 10

const FAMILIES = [
  { flag: '-4', router: ROUTER_A, b: B },
  { flag: '-6', router: ROUTER_A6, b: B6 },
] as const

describeE2e(import.meta.path, 'the tools of networks', () => {
  let net: Topology
  let before: Awaited<ReturnType<typeof freeBuffers>>

  beforeAll(async () => {
    net = await createTopology6()
    // tools that follow one another are not to be told less for that
    for (const name of ['net.ipv4.icmp_ratelimit', 'net.ipv6.icmp.ratelimit'])
      await net.daemon.must('PUT', `/v1/sysctl/${name}`, { value: 0 })
    await warmUp(net)
    await run('ping', '-6', '-c', '2', '-i', '0.05', B6)
    before = await freeBuffers(net.daemon)
  })
  afterAll(() => net?.close())

  const run = (tool: Tool, ...args: string[]): Promise<string> => toolIn(net.a, tool, args)

  describe.each(FAMILIES)('$flag', ({ flag, router, b }) => {
    test('the largest ping passes a link of 1,280 octets, and tracepath finds it', async () => {
      await setMtu(net, NARROW)
      try {
        // the first of IPv6 is told of the link
        await runIn(net.a, [requireTool('ping'), flag, '-c', '1', '-W', '1', '-s', MOST_PAYLOAD, b])
        const out = await run('ping', flag, '-c', '3', '-i', '0.1', '-s', MOST_PAYLOAD, b)
        expect(pingLoss(out)).toBe(0)
        const path = await run('tracepath', flag, '-n', '-m', '5', b)
        expect(path).toContain(`pmtu ${NARROW}`)
        expect(path).toMatch(new RegExp(`${b}\\s.*reached`))
      } finally {
        await setMtu(net, 1500)
      }
      await expectNothingLeaked(net.daemon, before)
    })
    test.each([
      ['UDP', []],
      ['ICMP', ['-I']],
      ['TCP', ['-T', '-p', '9']],
    ])('traceroute by %s shows the router, then the target', async (_, how) => {
      const out = await run('traceroute', flag, '-n', '-q', '1', '-N', '1', '-w', '2', ...how, b)
      const hops = out.trim().split('\n').slice(1)
      expect(hops.map((line) => line.trim().split(/\s+/).slice(0, 2))).toEqual([
        ['1', router],
        ['2', b],
      ])
    })
    test.each([[[]], [['-u']], [['-T', '-P', '9']]])('mtr %p too', async (how) => {
      const out = await run('mtr', flag, '-n', '-r', '-c', '2', '-i', '0.2', '-G', '1', ...how, b)
      const hops = out.trim().split('\n').slice(2)
      expect(hops.map((line) => line.trim().split(/\s+/).slice(1, 3))).toEqual([
        [router, '0.0%'],
        [b, '0.0%'],
      ])
    })
  })

  test('ping -R sees the way there and back, through the router and to it', async () => {
    const way = async (to: string): Promise<string[]> => {
      const [, rest = ''] = (await run('ping', '-n', '-c', '1', '-R', to)).split('RR: ')
      return rest.split('\n\n')[0]!.trim().split(/\s+/)
    }
    expect(await way(B)).toEqual([A, ROUTER_B, B, B, ROUTER_A, A])
    expect(await way(ROUTER_A)).toEqual([A, ROUTER_A, ROUTER_A, A])
  })
  test('ping -T sees when, and who', async () => {
    const stamps = async (to: string): Promise<string[]> => {
      const [, rest = ''] = (await run('ping', '-n', '-c', '1', '-T', 'tsandaddr', to)).split(
        'TS: '
      )
      const lines = rest.split('\n\n')[0]!.trim().split('\n')
      return lines.map((line) => line.trim().split(/\s+/)[0]!)
    }
    // four have room; a router writes the address of the link that it sends by (RFC 1812 section 4.2.2.2; Linux writes the other)
    expect((await stamps(B)).slice(0, 4)).toEqual([A, ROUTER_B, B, B])
    expect(await stamps(ROUTER_A)).toEqual([A, ROUTER_A, ROUTER_A, A])
  })

  test('arping is answered, and finds an address that is taken', async () => {
    expect(await run('arping', '-c', '2', '-I', 'eth0', ROUTER_A)).toContain('Received 2 response')
    const taken = await runIn(net.a, [
      requireTool('arping'),
      '-D',
      '-c',
      '1',
      '-I',
      'eth0',
      ROUTER_A,
    ])
    expect([taken.status, taken.out]).toEqual([1, expect.stringContaining('Received 1 response')])
  })
  test('ndisc6 is answered', async () => {
    const { address } = await net.daemon.must<{ address: string }>('GET', '/v1/links/lan0')
    const out = await run('ndisc6', '-1', '-n', ROUTER_A6, 'eth0')
    expect(out.toLowerCase()).toContain(`target link-layer address: ${address}`)
  })

  test('curl speaks to every service over IPv6', async () => {
    const curl = async (url: string, input: string): Promise<string> => {
      const command = `(printf '${input}'; sleep 0.3) | curl -gsS -m 1 '${url}' | head -c 200`
      return (await runIn(net.a, ['sh', '-c', command])).out
    }
    expect(await curl(`http://[${ROUTER_A6}]/`, '')).toContain('<')
    expect(await curl(`telnet://[${ROUTER_A6}]:7`, 'hello\\n')).toBe('hello\n')
    expect(await curl(`telnet://[${ROUTER_A6}]:9`, 'hello\\n')).toBe('')
    expect(await curl(`telnet://[${ROUTER_A6}]:19`, '')).toContain('!"#$%&')
    await expectNothingLeaked(net.daemon, before)
  })

  test('a stream is as fast over IPv6 as over IPv4', async () => {
    // which worker has a flow is chance: here one has all
    const alone = await createTopology6({ workers: 1 })
    const speed = async (address: string): Promise<number> =>
      (await iperf(alone.a, alone.b, address, [], SECONDS)).bitsPerSecond
    let logs = 0
    let rounds = 0
    const ratio = (): number => Math.exp(logs / rounds)
    try {
      // others have the machine as well, and who comes second finds it warm: in turns, until it is plain
      while (rounds < MOST_ROUNDS && (rounds < 2 || Math.abs(ratio() - 1) > ALIKE)) {
        logs += Math.log((await speed(B6)) / (await speed(B)))
        logs -= Math.log((await speed(B)) / (await speed(B6)))
        rounds += 2
      }
      console.log(`  IPv6 is ${ratio().toFixed(3)} times as fast, in ${rounds} rounds`)
      expect(Math.abs(ratio() - 1)).toBeLessThanOrEqual(ALIKE)
    } finally {
      await alone.close()
    }
  })
})
