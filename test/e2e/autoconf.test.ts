// Autoconfiguration beside the kernel's: a Linux host configures itself by softnet's advertisements, softnet by radvd's.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { requireTool } from '../support/tools.ts'
import { expectNothingLeaked, freeBuffers } from './support/checks.ts'
import { type Background, runIn, startIn, toolIn } from './support/commands.ts'
import { describeE2e } from './support/inside.ts'
import { createTopology, type Topology } from './support/topology.ts'

const WITHIN_MS = 15_000

describeE2e(import.meta.path, 'autoconfiguration', () => {
  let net: Topology
  let before: Awaited<ReturnType<typeof freeBuffers>>
  let radvd: Background | undefined
  const folder = mkdtempSync(`${tmpdir()}/softnet-radvd-`)
  const softnet = async (...args: string[]): Promise<string> => {
    const { status, out, err } = await net.daemon.cli(...args)
    expect({ status, err }).toEqual({ status: 0, err: '' })
    return out
  }
  const sysctl = (name: string, value: number | string): Promise<string> =>
    softnet('sysctl', `net.ipv6.conf.${name}=${value}`)
  const inB = (...args: string[]): Promise<string> => toolIn(net.b, 'ip', ['-6', ...args])
  /** Asks again until the answer is as it should be. */
  const until = async (ask: () => Promise<string>, isSo: (text: string) => boolean) => {
    const end = performance.now() + WITHIN_MS
    let text = await ask()
    while (!isSo(text) && performance.now() < end) text = await ask()
    return text
  }
  const ping = (from: Topology['a'], to: string) =>
    runIn(from, [requireTool('ping'), '-6', '-c', '2', '-i', '0.05', '-W', '5', to])

  beforeAll(async () => {
    net = await createTopology()
    before = await freeBuffers(net.daemon)
  })
  afterAll(async () => {
    await radvd?.end()
    await net?.close()
    rmSync(folder, { recursive: true })
  })

  test('the kernel makes itself an address and a default route of what softnet advertises', async () => {
    await softnet('ip', 'addr', 'add', '2001:db8:2::ff/64', 'dev', 'lan1')
    for (const [name, value] of Object.entries({
      adv_link_mtu: 1400,
      adv_rdnss: '2001:db8:2::53',
      adv_default_preference: 1,
      max_rtr_adv_interval: 10,
      adv_send_advertisements: 1,
    }))
      await sysctl(`lan1.${name}`, value)
    await net.b.ask({ op: 'sysctl', name: 'net.ipv6.conf.eth0.accept_ra', value: '2' })
    await net.b.ask({ op: 'sysctl', name: 'net.ipv6.conf.eth0.disable_ipv6', value: '0' })
    const addresses = await until(
      () => inB('addr', 'show', 'dev', 'eth0', 'scope', 'global'),
      (text) => text.includes('2001:db8:2:') && !text.includes('tentative')
    )
    expect(addresses).toMatch(/inet6 2001:db8:2:\S+\/64 scope global dynamic mngtmpaddr/)
    expect(addresses).toMatch(/valid_lft 25\d{5}sec preferred_lft 60\d{4}sec/)
    expect(await inB('route', 'show', 'default')).toMatch(
      /default via fe80::\S+ dev eth0 proto ra metric 1024 expires \d\dsec mtu 1400 hoplimit 64 pref high/
    )
    expect((await ping(net.b, '2001:db8:2::ff')).status).toBe(0)
    await expectNothingLeaked(net.daemon, before)
  })

  test('rdisc6 is answered, and reads all of it', async () => {
    const { out } = await runIn(net.b, [requireTool('rdisc6'), '-1', 'eth0'])
    expect(out).toMatch(/Hop limit +: +64/)
    expect(out).toMatch(/Router preference +: +high/)
    expect(out).toMatch(/Router lifetime +: +30 /)
    expect(out).toMatch(/Prefix +: 2001:db8:2::\/64/)
    expect(out).toMatch(/On-link +: +Yes/)
    expect(out).toMatch(/Autonomous address conf.: +Yes/)
    expect(out).toMatch(/MTU +: +1400/)
    expect(out).toMatch(/Recursive DNS server +: 2001:db8:2::53/)
    expect(await net.daemon.nstat('Icmp6InRouterSolicits')).toBeGreaterThan(0)
  })

  test('the kernel loses the router when it says that it is none any more', async () => {
    await sysctl('lan1.adv_send_advertisements', 0)
    const route = (): Promise<string> => inB('route', 'show', 'default')
    expect(await until(route, (text) => text === '')).toBe('')
    await expectNothingLeaked(net.daemon, before)
  })

  test('softnet makes itself an address and a default route of what radvd advertises', async () => {
    for (const [name, value] of [
      ['forwarding', '1'],
      ['accept_dad', '0'],
      ['disable_ipv6', '0'],
    ] as const)
      await net.a.ask({ op: 'sysctl', name: `net.ipv6.conf.eth0.${name}`, value })
    await net.a.ask({ op: 'sysctl', name: 'net.ipv6.conf.all.forwarding', value: '1' })
    await toolIn(net.a, 'ip', ['-6', 'addr', 'add', '2001:db8:1::1/64', 'dev', 'eth0', 'nodad'])
    await sysctl('lan0.accept_ra', 2)
    await sysctl('lan0.accept_ra_rt_info_max_plen', 64)
    writeFileSync(
      `${folder}/radvd.conf`,
      `interface eth0 {
        AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; AdvLinkMTU 1450; AdvDefaultLifetime 60;
        AdvCurHopLimit 33; AdvDefaultPreference low;
        prefix 2001:db8:1::/64 { AdvValidLifetime 600; AdvPreferredLifetime 300; };
        route 2001:db8:99::/48 { AdvRoutePreference high; AdvRouteLifetime 120; };
      };`
    )
    const argv = [
      requireTool('radvd'),
      '-C',
      `${folder}/radvd.conf`,
      '-n',
      '-m',
      'stderr',
      '-p',
      `${folder}/pid`,
    ]
    radvd = startIn(net.a, argv, { limitMs: 120_000 })
    const shown = await until(
      () => softnet('ip', '-6', 'addr', 'show', 'dev', 'lan0', 'scope', 'global'),
      (text) => text.includes('2001:db8:1:') && !text.includes('tentative')
    )
    expect(shown).toMatch(/inet6 2001:db8:1:\S+\/64 scope global dynamic mngtmpaddr/)
    expect(shown).toMatch(/valid_lft (600|59\d)sec preferred_lft (300|29\d)sec/)
    const routes = await softnet('ip', '-6', 'route')
    expect(routes).toMatch(
      /default via fe80::\S+ dev lan0 proto ra metric 1024 expires (60|5\d)sec mtu 1450 hoplimit 33 pref low/
    )
    expect(routes).toMatch(
      /2001:db8:99::\/48 via fe80::\S+ dev lan0 proto ra metric 1024 expires 1[12]\dsec pref high/
    )
    expect(routes).toMatch(
      /2001:db8:1::\/64 dev lan0 proto kernel metric 256 expires (600|59\d)sec/
    )
    const [, own] = /inet6 (2001:db8:1:\S+)\/64/.exec(shown)!
    expect((await ping(net.a, own!)).status).toBe(0)
    expect(await net.daemon.nstat('Icmp6InRouterAdvertisements')).toBeGreaterThan(0)
    await expectNothingLeaked(net.daemon, before)
  })

  test('softnet loses the router when radvd ends', async () => {
    await radvd?.end()
    radvd = undefined
    const route = (): Promise<string> => softnet('ip', '-6', 'route', 'show', 'default')
    expect(await until(route, (text) => text === '')).toBe('')
    await expectNothingLeaked(net.daemon, before)
  })
})
