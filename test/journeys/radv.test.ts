// A router that advertises: what it says on a link and when, and hosts of softnet's own that configure themselves by it.

import { describe, expect, test } from 'bun:test'
import { NLM_F_CREATE } from '../../core/control/nlm-flags.ts'
import type { ArenaConfig } from '../../core/shm/layout.ts'
import { dumped } from '../support/control-plane.ts'
import { llOption, RA, readRa, RS, SLLA } from '../support/ndisc.ts'
import { createSim, type SimHost } from '../../sim/net/net-sim.ts'
import { icmpv6Frame, readIcmpv6, readIp6 } from '../../sim/net/packets6.ts'
import { MAC } from '../support/sim-topology.ts'

const OWN = '2001:db8:1::ff'
const LINK = 'fe80::ff:fe00:11'
const HOST_MAC = '02:00:00:00:09:02'
const lo = { ifname: 'lo', up: true }
const eth0 = (address: string, addresses: string[] = []) => ({
  ifname: 'eth0',
  kind: 'pipe',
  address,
  addresses,
  up: true,
})
const set = (host: SimHost, name: string, value: number | string): Promise<void> =>
  host.must({ type: 'SYSCTL_SET', name: `net.ipv6.conf.${name}`, value })

/** A router on a wire with a station; it does not advertise yet. */
const router = async (config: Partial<ArenaConfig> = {}) => {
  const sim = createSim(1)
  const r = await sim.host('r', {
    config,
    setup: {
      link: [lo, eth0(MAC.r1, [`${OWN}/64`])],
      sysctl: { 'net.ipv6.conf.all.forwarding': 1 },
    },
  })
  const station = sim.station()
  sim.wire(station, [r, 'eth0'])
  sim.run(5000)
  const times: number[] = []
  station.on((frame) => {
    if (isRa(frame)) times.push(sim.nowMs())
  })
  const isRa = (frame: Uint8Array): boolean =>
    readIp6(frame).next === 58 && readIcmpv6(frame).type === RA
  const heard = () => station.received.splice(0).filter(isRa).map(readRa)
  const conf = (name: string, value: number | string): Promise<void> =>
    set(r, `eth0.${name}`, value)
  const start = async (): Promise<void> => {
    await conf('adv_send_advertisements', 1)
    sim.run(600)
  }
  const solicit = (over: object = {}, options = llOption(SLLA, HOST_MAC)): void => {
    const link = { src: HOST_MAC, dst: '33:33:00:00:00:02' }
    const fields = { saddr: 'fe80::2', daddr: 'ff02::2', hops: 255, ...over }
    station.send(icmpv6Frame(link, fields, RS, 0, 0, Uint8Array.from(options)))
  }
  return { sim, r, station, heard, conf, start, solicit, times }
}

describe('a router', () => {
  test('says nothing unless it is told to, and then what it is and has', async () => {
    const { sim, r, heard, start, conf } = await router()
    sim.run(2_000_000)
    expect(heard()).toEqual([])
    await conf('adv_link_mtu', 1400)
    await conf('adv_rdnss', '2001:db8::53')
    await start()
    expect(heard()).toEqual([
      {
        saddr: LINK,
        daddr: 'ff02::1',
        hops: 255,
        hopLimit: 64,
        flags: 0,
        lifetime: 1800,
        reachable: 0,
        retrans: 0,
        said: [
          `source ${MAC.r1}`,
          'mtu 1400',
          'prefix 2001:db8:1::/64 flags 192 valid 2592000 preferred 604800',
          'rdnss 2001:db8::53 for 1800',
        ],
      },
    ])
    expect(r.mib('Icmp6OutRouterAdvertisements')).toBe(1)
    expect(sim.leaks()).toEqual({})
  })
  test('says three times soon that it is there, then within its interval', async () => {
    const { sim, conf, start, times } = await router()
    await conf('max_rtr_adv_interval', 60)
    await conf('min_rtr_adv_interval', 30)
    await start()
    sim.run(600_000)
    const gaps = times.slice(1).map((at, k) => at - times[k]!)
    expect(Math.max(...gaps.slice(0, 2))).toBeLessThanOrEqual(16_001)
    for (const gap of gaps.slice(2)) {
      expect(gap).toBeGreaterThanOrEqual(30_000)
      expect(gap).toBeLessThanOrEqual(60_002)
    }
  })
  test('says what it is told to say', async () => {
    const { heard, conf, start } = await router()
    for (const [name, value] of Object.entries({
      adv_managed_flag: 1,
      adv_other_config_flag: 1,
      adv_default_preference: -1,
      adv_default_lifetime: 900,
      adv_cur_hop_limit: 17,
      adv_reachable_time: 30_000,
      adv_retrans_timer: 500,
      adv_valid_lifetime: 7200,
      adv_preferred_lifetime: 3600,
      adv_autonomous_flag: 0,
    }))
      await conf(name, value)
    await start()
    expect(heard()).toMatchObject([
      {
        flags: 0xc0 | (3 << 3),
        lifetime: 900,
        hopLimit: 17,
        reachable: 30_000,
        retrans: 500,
        said: [`source ${MAC.r1}`, 'prefix 2001:db8:1::/64 flags 128 valid 7200 preferred 3600'],
      },
    ])
  })
  test('gives a prefix no longer than its own address has, and tells of another soon', async () => {
    const { sim, r, heard, start, conf } = await router()
    await conf('max_rtr_adv_interval', 30)
    await start()
    sim.run(100_000)
    heard()
    const address = { dev: 'eth0', local: '2001:db8:2::1', prefixlen: 64, flags: ['nodad'] }
    const lifetimes = { valid_life_time: 500, preferred_life_time: 100 }
    await r.must({ type: 'RTM_NEWADDR', flags: 0x600, address: { ...address, ...lifetimes } })
    sim.run(3600)
    const told = heard()[0]!.said.find((one) => one.includes('db8:2'))
    expect(told).toMatch(/^prefix 2001:db8:2::.64 flags 192 valid (500|49\d) preferred (100|9\d)$/)
    sim.run(150_000)
    expect(
      heard()
        .at(-1)!
        .said.find((one) => one.includes('db8:2'))
    ).toMatch(/valid [34]\d\d preferred 0/)
  })
  test('answers those who ask, all at once and no more often than once in three seconds', async () => {
    const { sim, heard, start, solicit, times, r } = await router()
    await start()
    sim.run(100_000)
    heard()
    times.length = 0
    const begun = sim.nowMs()
    for (let k = 0; k < 100; k++) {
      solicit({ saddr: `fe80::1:${k}` })
      sim.run(100)
    }
    expect(times[0]! - begun).toBeLessThan(501)
    expect(times.length).toBeGreaterThanOrEqual(3)
    expect(times.length).toBeLessThanOrEqual(4)
    for (const [k, at] of times.slice(1).entries())
      expect(at - times[k]!).toBeGreaterThanOrEqual(3000)
    expect(r.mib('Icmp6InRouterSolicits')).toBe(100)
    const known = dumped(r.control, { type: 'RTM_GETNEIGH' }).find(({ dst }) => dst === 'fe80::1:5')
    expect(known).toMatchObject({ lladdr: HOST_MAC, state: ['STALE'] })
    expect(known).not.toHaveProperty('router')
    sim.run(5000)
    expect(sim.leaks()).toEqual({})
  })
  test('learns another link address of who asks, who is no router', async () => {
    const { sim, r, start, solicit } = await router()
    await start()
    const other = '02:00:00:00:09:77'
    for (const address of [HOST_MAC, other]) {
      solicit({}, llOption(SLLA, address))
      sim.run(10)
      const known = dumped(r.control, { type: 'RTM_GETNEIGH', filter: { dst: 'fe80::2' } })[0]
      expect(known).toMatchObject({ lladdr: address, state: ['STALE'] })
      expect(known).not.toHaveProperty('router')
    }
  })
  test('says no more prefixes than an advertisement has room for', async () => {
    const { r, station, start } = await router({ ifaddrs: 128 })
    for (let k = 0; k < 40; k++)
      await r.must({
        type: 'RTM_NEWADDR',
        flags: NLM_F_CREATE,
        address: { local: `2001:db8:${100 + k}::1`, prefixlen: 64, dev: 'eth0', flags: ['nodad'] },
      })
    station.received.length = 0
    await start()
    const longest = Math.max(...station.received.map((frame) => frame.length))
    expect(longest).toBeGreaterThan(14 + 1000)
    expect(longest).toBeLessThanOrEqual(14 + 1280)
  })
  test.each([
    ['with fewer hops than all', { hops: 254 }, undefined, 'IPV6_NDISC_HOP_LIMIT'],
    ['from nobody, who has a link address', { saddr: '::' }, undefined, 'NOT_SPECIFIED'],
    ['with an option of no length', {}, [1, 0, 0, 0, 0, 0, 0, 0], 'IPV6_NDISC_BAD_OPTIONS'],
    ['with an option cut short', {}, [1, 2, 0, 0, 0, 0, 0, 0], 'IPV6_NDISC_BAD_OPTIONS'],
  ] as const)('counts who asks %s, and answers nothing', async (_, over, options, reason) => {
    const { sim, heard, start, solicit, r } = await router()
    await start()
    sim.run(100_000)
    heard()
    solicit(over, options && [...options])
    sim.run(3500)
    expect([heard(), r.drops(reason)]).toEqual([[], 1])
  })
  test.each([
    ['no longer advertises', (r: SimHost) => set(r, 'eth0.adv_send_advertisements', 0)],
    ['no longer forwards', (r: SimHost) => set(r, 'all.forwarding', 0)],
    ['ends', async (r: SimHost) => r.stack.cease()],
  ])('that %s says that it is none any more', async (_, end) => {
    const { sim, r, heard, start } = await router()
    await start()
    heard()
    await end(r)
    sim.run(1000)
    expect(heard().map(({ lifetime }) => lifetime)).toEqual([0, 0, 0])
    sim.run(2_000_000)
    expect(heard()).toEqual([])
  })
  test('whose device is gone or down is silent', async () => {
    const { sim, r, heard, start } = await router()
    await start()
    heard()
    await r.must({ type: 'RTM_NEWLINK', flags: 0, link: { ifname: 'eth0', up: false } })
    sim.run(2_000_000)
    expect(heard()).toEqual([])
  })
})

describe('hosts behind a router', () => {
  test('have addresses, find each other through it, and lose it when it says so', async () => {
    const sim = createSim(3)
    const make = (name: string, address: string) =>
      sim.host(name, {
        setup: { link: [lo, eth0(address)], sysctl: { 'net.ipv6.conf.all.forwarding': 0 } },
      })
    const [a, b] = [await make('a', MAC.a), await make('b', MAC.b)]
    const r = await sim.host('r', {
      setup: {
        link: [
          lo,
          { ...eth0(MAC.r1, [`${OWN}/64`]), ifname: 'eth1' },
          { ...eth0(MAC.r2, ['2001:db8:2::ff/64']), ifname: 'eth2' },
        ],
        sysctl: {
          'net.ipv6.conf.all.forwarding': 1,
          'net.ipv6.conf.default.adv_send_advertisements': 1,
        },
      },
    })
    sim.wire([a, 'eth0'], [r, 'eth1'])
    sim.wire([b, 'eth0'], [r, 'eth2'])
    sim.run(10_000)
    const addresses = (host: SimHost) =>
      dumped(host.control, { type: 'RTM_GETADDR', filter: { dev: 'eth0', scope: 'global' } })
        .flatMap(({ addr_info }) => addr_info)
        .map(({ local, tentative }) => [local, tentative ?? false])
    expect(addresses(a)).toEqual([['2001:db8:1::ff:fe00:a', false]])
    expect(addresses(b)).toEqual([['2001:db8:2::ff:fe00:b', false]])
    const way = async (): Promise<unknown> =>
      a.request({ type: 'RTM_GETROUTE', dst: '2001:db8:2::ff:fe00:b' })
    expect(await way()).toMatchObject({ item: { gateway: LINK, prefsrc: '2001:db8:1::ff:fe00:a' } })
    await set(r, 'all.forwarding', 0)
    sim.run(1000)
    expect(await way()).toMatchObject({ error: 101 })
    sim.run(60_000)
    expect(sim.leaks()).toEqual({})
  })
})
