// Neighbour discovery between softnet and the kernel, through TAPs: who asks, who answers, and what both then know.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { requireTool } from '../support/tools.ts'
import { expectNothingLeaked, freeBuffers } from './support/checks.ts'
import { runIn, toolIn } from './support/commands.ts'
import { describeE2e } from './support/inside.ts'
import type { Topology } from './support/topology.ts'
import { A6, createTopology6, ROUTER_A6 } from './support/topology6.ts'

describeE2e(import.meta.path, 'neighbours of IPv6', () => {
  let net: Topology
  let before: Awaited<ReturnType<typeof freeBuffers>>
  beforeAll(async () => {
    net = await createTopology6()
    before = await freeBuffers(net.daemon)
  })
  afterAll(() => net?.close())

  const ping = (to: string) =>
    runIn(net.a, [requireTool('ping'), '-6', '-c', '2', '-i', '0.05', '-W', '5', to])
  const kernelKnows = (addr: string) => toolIn(net.a, 'ip', ['-6', 'neigh', 'show', addr])
  const softnet = async (...args: string[]): Promise<string> => {
    const { status, out, err } = await net.daemon.cli(...args)
    expect({ status, err }).toEqual({ status: 0, err: '' })
    return out
  }

  test('each finds the other: REACHABLE on both sides, and softnet a router', async () => {
    expect((await ping(ROUTER_A6)).status).toBe(0)
    expect(await kernelKnows(ROUTER_A6)).toMatch(/lladdr \S+ router REACHABLE/)
    expect(await softnet('ip', '-6', 'neigh', 'show', A6)).toContain('lladdr')
    expect(await net.daemon.nstat('Icmp6InNeighborSolicits')).toBeGreaterThan(0)
    expect(await net.daemon.nstat('Icmp6OutNeighborAdvertisements')).toBeGreaterThan(0)
    await expectNothingLeaked(net.daemon, before)
  })

  test("the link's own address answers", async () => {
    const shown = await softnet('ip', '-6', 'addr', 'show', 'dev', 'lan0')
    const link = /inet6 (fe80::[^/]+)\//.exec(shown)?.[1]
    expect((await ping(`${link}%eth0`)).status).toBe(0)
    expect(await kernelKnows(link!)).toContain('router REACHABLE')
    await expectNothingLeaked(net.daemon, before)
  })

  test('forgotten on both sides, softnet asks and the kernel answers', async () => {
    await softnet('ip', '-6', 'neigh', 'flush', 'dev', 'lan0')
    await toolIn(net.a, 'ip', ['-6', 'neigh', 'flush', 'dev', 'eth0'])
    const asked = await net.daemon.nstat('Icmp6OutNeighborSolicits')
    const other = runIn(net.b, [requireTool('ping'), '-6', '-c', '1', '-W', '5', A6])
    expect((await other).status).toBe(0)
    expect(await net.daemon.nstat('Icmp6OutNeighborSolicits')).toBeGreaterThan(asked)
    expect(await softnet('ip', '-6', 'neigh', 'show', A6)).toContain('REACHABLE')
    await expectNothingLeaked(net.daemon, before)
  })

  test('the kernel finds an address of softnet taken (DAD)', async () => {
    const copy = '2001:db8:1::aa'
    await softnet('ip', 'addr', 'add', `${copy}/64`, 'dev', 'lan0', 'nodad')
    await net.a.ask({ op: 'sysctl', name: 'net.ipv6.conf.eth0.accept_dad', value: '1' })
    await toolIn(net.a, 'ip', ['-6', 'addr', 'add', `${copy}/64`, 'dev', 'eth0'])
    const shown = (): Promise<string> =>
      toolIn(net.a, 'ip', ['-6', 'addr', 'show', 'dev', 'eth0', 'to', copy])
    const until = Date.now() + 10_000
    let now = await shown()
    while (!now.includes('dadfailed') && Date.now() < until) now = await shown()
    expect(now).toContain('dadfailed')
    await expectNothingLeaked(net.daemon, before)
  })

  test('softnet finds an address of the kernel taken, and one that nobody has its own', async () => {
    const [theirs, ours] = ['2001:db8:1::bb', '2001:db8:1::cc']
    await toolIn(net.a, 'ip', ['-6', 'addr', 'add', `${theirs}/64`, 'dev', 'eth0', 'nodad'])
    for (const address of [theirs, ours])
      await softnet('ip', 'addr', 'add', `${address}/64`, 'dev', 'lan0')
    const shown = (to: string): Promise<string> =>
      softnet('ip', 'addr', 'show', 'dev', 'lan0', 'to', to)
    expect(await shown(ours)).toContain('scope global tentative')
    const until = Date.now() + 10_000
    while ((await shown(ours)).includes('tentative') && Date.now() < until);
    expect(await shown(ours)).not.toContain('tentative')
    expect(await shown(theirs)).toContain('scope global dadfailed tentative')
    await softnet('ip', 'addr', 'del', `${theirs}/64`, 'dev', 'lan0')
    await expectNothingLeaked(net.daemon, before)
  })

  test('the kernel believes softnet, which tells it of a nearer router', async () => {
    const [far, nearer] = ['2001:db8:77::1', 'fe80::77']
    await softnet('ip', 'route', 'add', '2001:db8:77::/48', 'via', nearer, 'dev', 'lan0')
    await net.a.ask({ op: 'sysctl', name: 'net.ipv6.conf.eth0.accept_redirects', value: '1' })
    // a router is believed by its address of the link alone
    const [, link] = /inet6 (fe80::[^/]+)/.exec(await softnet('ip', 'addr', 'show', 'dev', 'lan0'))!
    const way = ['2001:db8:77::/48', 'via', link!, 'dev', 'eth0']
    await toolIn(net.a, 'ip', ['-6', 'route', 'add', ...way])
    await runIn(net.a, [requireTool('ping'), '-6', '-c', '1', '-W', '1', far])
    expect(await net.daemon.nstat('Icmp6OutRedirects')).toBe(1)
    expect(await toolIn(net.a, 'ip', ['-6', 'route', 'get', far])).toContain(`via ${nearer} `)
    expect(await toolIn(net.a, 'ip', ['-6', 'route', 'get', '2001:db8:77::2'])).toContain(
      `via ${link} `
    )
    await softnet('ip', 'route', 'del', '2001:db8:77::/48')
    await softnet('ip', '-6', 'neigh', 'flush', 'dev', 'lan0')
    await expectNothingLeaked(net.daemon, before)
  })
})
