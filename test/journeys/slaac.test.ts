// A host that listens to routers, made by hand: what it makes itself of what they advertise, and of what nobody should believe.

import { describe, expect, test } from 'bun:test'
import type { RouteItem } from '../../core/control/text/messages.ts'
import { Softnet, sumCounter } from '../../core/shm/counters.ts'
import { routeText } from '../../api/iproute2/route.ts'
import { dumped, FLAGS } from '../support/control-plane.ts'
import {
  llOption,
  mtuOption,
  NA,
  NS,
  ndFrame,
  prefixOption,
  type RaFields,
  raFrame,
  ROUTER,
  ROUTER_MAC,
  routeOption,
  RS,
  SLLA,
  solicitedNode,
  TLLA,
} from '../support/ndisc.ts'
import { NA_ROUTER, NA_SOLICITED } from '../../core/wire/ndisc.ts'
import { createSim } from '../../sim/net/net-sim.ts'
import { readIcmpv6, readIp6 } from '../../sim/net/packets6.ts'
import { MAC } from '../support/sim-topology.ts'

const PREFIX = '2001:db8::'
const MADE = '2001:db8::ff:fe00:a'
const sll = llOption(SLLA, ROUTER_MAC)

const host = async (sysctl: Record<string, number | string> = {}) => {
  const sim = createSim(1)
  const h = await sim.host('h', {
    setup: {
      link: [
        { ifname: 'lo', up: true },
        { ifname: 'eth0', kind: 'pipe', address: MAC.a, up: true },
      ],
      sysctl: { 'net.ipv6.conf.all.forwarding': 0, ...sysctl },
    },
  })
  const station = sim.station()
  sim.wire(station, [h, 'eth0'])
  const set = (name: string, value: number | string): Promise<void> =>
    h.must({ type: 'SYSCTL_SET', name: `net.ipv6.conf.eth0.${name}`, value })
  const get = async (name: string): Promise<unknown> => {
    const reply = await h.request({ type: 'SYSCTL_GET', name: `net.ipv6.conf.eth0.${name}` })
    return (reply as { item: { value: unknown } }).item.value
  }
  const addresses = () =>
    dumped(h.control, { type: 'RTM_GETADDR', filter: { dev: 'eth0' } })[0]!.addr_info
  const made = () => addresses().find(({ local }) => local === MADE)
  const routeItems = (): RouteItem[] =>
    dumped(h.control, { type: 'RTM_GETROUTE', filter: { family: 'inet6' } })
  /** What the host has learned. */
  const routes = (): string[] =>
    routeItems()
      .filter(({ dst, protocol }) => protocol === 'ra' || dst.startsWith(PREFIX))
      .map((route) => routeText(route))
  const hear = (fields: RaFields = {}): void => {
    station.send(raFrame({ options: [...sll, ...prefixOption(PREFIX)], ...fields }))
    sim.run(10)
  }
  const asked = (): number =>
    station.received.filter((frame) => readIp6(frame).next === 58 && readIcmpv6(frame).type === RS)
      .length
  const limited = (): number => sumCounter(h.arena, Softnet.ra_limited)
  sim.run(3000)
  return { sim, h, station, set, get, addresses, made, routes, routeItems, hear, asked, limited }
}

describe('a host', () => {
  test('asks for routers from its address once it has one, ever more rarely until one answers', async () => {
    const { sim, station, asked, hear, h } = await host()
    const [first] = station.received.filter(
      (frame) => readIp6(frame).next === 58 && readIcmpv6(frame).type === RS
    )
    expect(readIp6(first!)).toMatchObject({ saddr: 'fe80::ff:fe00:a', daddr: 'ff02::2', hops: 255 })
    expect(h.mib('Icmp6OutRouterSolicits')).toBe(1)
    sim.run(20_000)
    const soFar = asked()
    expect(soFar).toBeGreaterThan(2)
    expect(soFar).toBeLessThan(5)
    hear()
    sim.run(7_200_000)
    expect(asked()).toBe(soFar)
    expect(sim.leaks()).toEqual({})
  })
  test('makes itself an address of a prefix, with its network and a default route that end', async () => {
    const { sim, made, routes, hear, h } = await host()
    hear()
    expect(made()).toMatchObject({
      tentative: true,
      dynamic: true,
      mngtmpaddr: true,
      valid_life_time: 3600,
      preferred_life_time: 1800,
    })
    expect(routes()).toEqual([
      `default via ${ROUTER} dev eth0 proto ra metric 1024 expires 1800sec hoplimit 64 pref medium`,
      '2001:db8::/64 dev eth0 proto kernel metric 256 expires 3600sec pref medium',
    ])
    const neigh = dumped(h.control, { type: 'RTM_GETNEIGH' })
    expect(neigh).toMatchObject([{ dst: ROUTER, lladdr: ROUTER_MAC, router: true }])
    sim.run(2000)
    expect(made()).not.toHaveProperty('tentative')
    expect(h.mib('Icmp6InRouterAdvertisements')).toBe(1)
    sim.run(1800_000)
    expect(made()).toMatchObject({ deprecated: true })
    expect(routes()).toHaveLength(1)
    sim.run(1800_000)
    expect([made(), routes()]).toEqual([undefined, []])
    expect(sim.leaks()).toEqual({})
  })
  test('believes no word of an early end: two hours are left of what has more (RFC 4862 5.5.3 e)', async () => {
    const { sim, made, hear } = await host()
    const say = (valid: number, preferred: number): void =>
      hear({ options: [...sll, ...prefixOption(PREFIX, { valid, preferred })] })
    say(86_400, 86_400)
    say(60, 30)
    expect(made()).toMatchObject({ valid_life_time: 7200, preferred_life_time: 30 })
    say(90_000, 100)
    expect(made()).toMatchObject({ valid_life_time: 90_000, preferred_life_time: 100 })
    say(0, 0)
    expect(made()).toMatchObject({ valid_life_time: 7200, deprecated: true })
    sim.run(7_199_000)
    expect(made()).toBeDefined()
    say(1, 1)
    expect(made()!.valid_life_time).toBeLessThan(5)
  })
  test.each([
    ['no autoconf', { 'net.ipv6.conf.default.autoconf': 0 }, [false, 2]],
    ['no accept_ra_pinfo', { 'net.ipv6.conf.default.accept_ra_pinfo': 0 }, [false, 1]],
    ['no accept_ra_defrtr', { 'net.ipv6.conf.default.accept_ra_defrtr': 0 }, [true, 1]],
    ['no accept_ra', { 'net.ipv6.conf.default.accept_ra': 0 }, [false, 0]],
    ['a router', { 'net.ipv6.conf.all.forwarding': 1 }, [false, 0]],
    [
      'a router with accept_ra 2',
      { 'net.ipv6.conf.all.forwarding': 1, 'net.ipv6.conf.default.accept_ra': 2 },
      [true, 2],
    ],
    ['too short a lifetime', { 'net.ipv6.conf.default.accept_ra_min_lft': 1801 }, [true, 1]],
  ])('with %s does as it is told', async (_, sysctl, [hasAddress, count]) => {
    const { made, routes, hear } = await host(sysctl as unknown as Record<string, number>)
    hear()
    expect([made() !== undefined, routes().length]).toEqual([
      hasAddress as boolean,
      count as number,
    ])
  })
  test.each([
    ['not on the link', { flags: 0x40 }, [true, false]],
    ['of no addresses', { flags: 0x80 }, [false, true]],
    ['preferred for longer than it is valid', { valid: 10, preferred: 11 }, [false, false]],
    ['of another length than 64', { plen: 63 }, [false, true]],
  ])('a prefix %s', async (_, prefix, [hasAddress, hasNetwork]) => {
    const { made, routes, hear } = await host()
    hear({ options: prefixOption(PREFIX, prefix) })
    const found = [made() !== undefined, routes().some((line) => line.startsWith(PREFIX))]
    expect(found).toEqual([hasAddress!, hasNetwork!])
  })
  test('ignores options that nobody knows, and those of other messages', async () => {
    const { hear, made } = await host()
    hear({
      options: [200, 1, 1, 2, 3, 4, 5, 6, ...llOption(2, ROUTER_MAC), ...prefixOption(PREFIX)],
    })
    expect(made()).toBeDefined()
  })
  test('knows the router that has said its link address: STALE, again when that is another', async () => {
    const { h, hear, sim } = await host()
    const known = () => dumped(h.control, { type: 'RTM_GETNEIGH', filter: { dst: ROUTER } })[0]
    hear()
    expect(known()).toMatchObject({ lladdr: ROUTER_MAC, router: true, state: ['STALE'] })
    const other = '02:00:00:00:09:77'
    hear({ options: llOption(SLLA, other) })
    sim.run(100)
    expect(known()).toMatchObject({ lladdr: other, router: true, state: ['STALE'] })
  })
  test('takes hops and MTU from routers, within bounds', async () => {
    const { hear, get, routes } = await host()
    hear({ hopLimit: 33, options: [...sll, ...mtuOption(1400)] })
    expect([await get('hop_limit'), await get('mtu')]).toEqual([33, 1400])
    expect(routes()[0]).toContain('hoplimit 33')
    for (const mtu of [1279, 1501]) hear({ hopLimit: 0, options: mtuOption(mtu) })
    expect([await get('hop_limit'), await get('mtu')]).toEqual([33, 1400])
  })
  test('takes the times of neighbours from routers, for that link alone', async () => {
    const { hear, h } = await host()
    const times = (dev: string): unknown[] => {
      const names = ['base_reachable_time_ms', 'retrans_time_ms', 'gc_stale_time']
      const found = dumped(h.control, { type: 'SYSCTL' }) as { name: string; value: unknown }[]
      const of = new Map(found.map(({ name, value }) => [name, value]))
      return names.map((name) => of.get(`net.ipv6.neigh.${dev}.${name}`))
    }
    hear({ reachable: 20_000, retrans: 500 })
    expect(times('eth0')).toEqual([20_000, 500, 60])
    hear({ reachable: 7, retrans: 1 })
    expect(times('eth0')).toEqual([100, 10, 1])
    // what is not said stays, and what nobody can mean is not believed
    hear()
    hear({ reachable: 0xffffffff, retrans: 0xffffffff })
    expect(times('eth0')).toEqual([100, 10, 1])
    expect(times('default')).toEqual([30_000, 1000, 60])
  })
  test('leaves a router that says so, or that has had its time', async () => {
    const { sim, hear, routes } = await host()
    hear({ lifetime: 30, options: sll })
    hear({ lifetime: 600, saddr: 'fe80::2', options: [] })
    expect(routes()).toHaveLength(2)
    hear({ lifetime: 0, saddr: 'fe80::2', options: [] })
    expect(routes()).toHaveLength(1)
    sim.run(31_000)
    expect(routes()).toEqual([])
  })
  test('leaves a router that says as a neighbour that it is none any more', async () => {
    const { sim, h, station, hear, routes, routeItems } = await host()
    hear()
    hear({ saddr: 'fe80::2', options: [] })
    const fixed = { dst: 'default', gateway: ROUTER, dev: 'eth0', metric: 7 }
    await h.must({ type: 'RTM_NEWROUTE', flags: FLAGS.add, route: fixed })
    const say = (flags: number): void => {
      station.send(
        ndFrame({
          src: ROUTER_MAC,
          dst: MAC.a,
          saddr: ROUTER,
          daddr: 'fe80::ff:fe00:a',
          type: NA,
          flags,
          target: ROUTER,
          options: llOption(TLLA, ROUTER_MAC),
        })
      )
      sim.run(10)
    }
    const defaults = (): string[] => routes().filter((line) => line.startsWith('default'))
    say(NA_ROUTER | NA_SOLICITED)
    expect(defaults()).toHaveLength(2)
    say(NA_SOLICITED)
    expect(defaults()).toEqual([expect.stringContaining('via fe80::2')])
    // what nobody has advertised stays, and so do its networks
    expect(routeItems().some(({ metric, gateway }) => metric === 7 && gateway === ROUTER)).toBe(
      true
    )
    expect(routes().some((line) => line.startsWith('2001:db8::/64'))).toBe(true)
    hear()
    expect(defaults()).toHaveLength(2)
  })
  test('prefers the router that is worth more (RFC 4191), and hears when that changes', async () => {
    const { hear, routes, h } = await host()
    const first = async (): Promise<string | undefined> => {
      const reply = await h.request({ type: 'RTM_GETROUTE', dst: '2001:db8:99::1' })
      return (reply as { item: { gateway?: string } }).item.gateway
    }
    hear({ pref: 0, options: [] })
    hear({ pref: 3, saddr: 'fe80::3', options: [] })
    expect(await first()).toBe(ROUTER)
    hear({ pref: 1, saddr: 'fe80::2', options: [] })
    expect(await first()).toBe('fe80::2')
    expect(routes().map((line) => line.split('pref ')[1])).toEqual(['high', 'medium', 'low'])
    hear({ pref: 1, saddr: 'fe80::3', options: [] })
    hear({ pref: 3, saddr: 'fe80::2', options: [] })
    expect(await first()).toBe('fe80::3')
  })
  test('takes routes of the lengths that it wants', async () => {
    const { hear, routes, set } = await host()
    const options = [
      ...routeOption('2001:db8:7::', 48, 1, 300),
      ...routeOption('2001:db8:8::', 64, 0, 300),
    ]
    hear({ lifetime: 0, options })
    expect(routes()).toEqual([])
    await set('accept_ra_rt_info_max_plen', 48)
    hear({ lifetime: 0, options })
    expect(routes()).toEqual([
      `2001:db8:7::/48 via ${ROUTER} dev eth0 proto ra metric 1024 expires 300sec pref high`,
    ])
    hear({ lifetime: 0, options: routeOption('2001:db8:7::', 48, 1, 0) })
    expect(routes()).toEqual([])
  })
  test('that becomes a router has no default router any more', async () => {
    const { hear, routes, set } = await host()
    hear()
    await set('forwarding', 1)
    expect(routes()).toEqual([
      '2001:db8::/64 dev eth0 proto kernel metric 256 expires 3600sec pref medium',
    ])
  })
  test('forgets with its device', async () => {
    const { hear, routes, made, h, sim } = await host()
    hear()
    for (const up of [false, true])
      await h.must({ type: 'RTM_NEWLINK', flags: 0, link: { ifname: 'eth0', up } })
    expect([routes(), made()]).toEqual([[], undefined])
    sim.run(3000)
    hear()
    expect(routes()).toHaveLength(2)
  })
})

describe('temporary addresses (RFC 8981)', () => {
  const DAY = 86_400
  const LONG = { valid: 30 * DAY, preferred: 20 * DAY }
  const usual = { 'net.ipv6.conf.default.use_tempaddr': 2 }
  const temporaries = async (sysctl: Record<string, number> = usual) => {
    const made = await host(sysctl)
    const { hear, addresses, h } = made
    const say = (over = {}, prefix = PREFIX): void =>
      hear({
        lifetime: 65535,
        options: [...sll, ...prefixOption(prefix, { ...LONG, ...over })],
      })
    const list = (prefix = '2001:db8:') =>
      addresses().filter(({ local, temporary }) => temporary === true && local.startsWith(prefix))
    const source = async (): Promise<string | undefined> => {
      const reply = await h.request({ type: 'RTM_GETROUTE', dst: '2001:db8:99::1' })
      return (reply as { item: { prefsrc?: string } }).item.prefsrc
    }
    return { ...made, say, list, source }
  }
  test('there are none unless somebody wants them', async () => {
    const { say, list } = await temporaries({})
    say()
    expect(list()).toEqual([])
  })
  test('one stands beside the address of a prefix, is tried, ends with a route of its own alone, and is what packets leave from', async () => {
    const { sim, say, list, source, made, routes, h } = await temporaries()
    say()
    expect(made()).toMatchObject({ mngtmpaddr: true })
    const [one] = list()
    expect(one).toMatchObject({ prefixlen: 64, tentative: true, dynamic: true })
    expect(one).not.toHaveProperty('mngtmpaddr')
    expect(one!.local).not.toContain('ff:fe')
    expect(one!.valid_life_time).toBe(7 * DAY)
    expect(one!.preferred_life_time).toBeGreaterThan(DAY - 600)
    expect(one!.preferred_life_time).toBeLessThanOrEqual(DAY)
    expect(routes().filter((line) => line.startsWith(PREFIX))).toHaveLength(1)
    sim.run(2000)
    expect(await source()).toBe(one!.local)
    await h.must({
      type: 'SYSCTL_SET',
      name: 'net.ipv6.conf.eth0.use_tempaddr',
      value: 1,
    })
    expect(await source()).toBe(MADE)
    expect(sim.leaks()).toEqual({})
  })
  test('another takes its place before it is deprecated, and it ends in its time however long the prefix lives', async () => {
    const { sim, say, list, source } = await temporaries({
      ...usual,
      'net.ipv6.conf.default.temp_valid_lft': 500,
      'net.ipv6.conf.default.temp_prefered_lft': 100,
      'net.ipv6.conf.default.max_desync_factor': 10,
    })
    say()
    const [first] = list()
    const preferred = first!.preferred_life_time
    expect(preferred).toBeGreaterThan(90)
    expect(preferred).toBeLessThanOrEqual(100)
    sim.run(50_000)
    say()
    expect(list()).toMatchObject([{ local: first!.local, preferred_life_time: preferred - 50 }])
    sim.run((preferred - 50 - 4) * 1000)
    expect(list()).toMatchObject([{ local: first!.local }, { tentative: true }])
    expect(list()[0]).not.toHaveProperty('deprecated')
    sim.run(5000)
    expect(list()).toMatchObject([{ local: first!.local, deprecated: true }, {}])
    expect(await source()).toBe(list()[1]!.local)
    sim.run((499 - preferred - 1) * 1000)
    say()
    expect(list().map(({ local }) => local)).toContain(first!.local)
    sim.run(2000)
    expect(list().map(({ local }) => local)).not.toContain(first!.local)
    expect(list().filter(({ deprecated }) => !deprecated)).toHaveLength(1)
    expect(sim.leaks()).toEqual({})
  })
  test('lives no longer than the prefix, and as long as that when routers say so', async () => {
    const { say, list } = await temporaries()
    say({ valid: 3600, preferred: 1800 })
    expect(list()).toMatchObject([{ valid_life_time: 3600, preferred_life_time: 1800 }])
    say({ valid: 7200, preferred: 3600 })
    expect(list()).toMatchObject([{ valid_life_time: 7200, preferred_life_time: 3600 }])
    say({ valid: 7200, preferred: 0 })
    expect(list()).toMatchObject([{ preferred_life_time: 0, deprecated: true }])
  })
  test('is not made where it would end before it is tried, however often that is said', async () => {
    const { say, list, get } = await temporaries()
    for (let k = 0; k < 9; k++) say({ valid: 3600, preferred: 5 })
    expect(list()).toEqual([])
    expect(await get('use_tempaddr')).toBe(2)
    say({ valid: 3600, preferred: 6 })
    expect(list()).toMatchObject([{ preferred_life_time: 6 }])
  })
  test('each prefix has one, also those that were there before they were wanted', async () => {
    const { say, list, set } = await temporaries({})
    say()
    say({}, '2001:db8:0:1::')
    await set('use_tempaddr', 1)
    say()
    say({}, '2001:db8:0:1::')
    expect([list('2001:db8:0:1:').length, list().length]).toEqual([1, 2])
  })
  test('one that another has makes way for the next, three times; then the device has none', async () => {
    const { sim, say, list, get, station, made } = await temporaries()
    say()
    const seen = new Set<string>()
    for (let k = 0; k < 3; k++) {
      const [{ local } = { local: '' }] = list()
      seen.add(local)
      // asked for by another too
      station.send(
        ndFrame({
          src: ROUTER_MAC,
          saddr: '::',
          type: NS,
          target: local,
          ...solicitedNode(local),
        })
      )
      sim.run(20)
    }
    expect([seen.size, seen.has('')]).toEqual([3, false])
    expect(list()).toEqual([])
    expect(await get('use_tempaddr')).toBe(-1)
    expect(made()).toBeDefined()
    say()
    expect(list()).toEqual([])
  })
  test('an address that is given may have them, and they go with it', async () => {
    const { h, list } = await temporaries()
    const own = { dev: 'eth0', local: '2001:db8:3::1', prefixlen: 64 }
    const put = (flags: string[]) =>
      h.must({ type: 'RTM_NEWADDR', flags: FLAGS.replace, address: { ...own, flags } })
    await put(['mngtmpaddr'])
    expect(list('2001:db8:3:')).toMatchObject([{ valid_life_time: 7 * DAY }])
    await put([])
    expect(list()).toEqual([])
    await put(['mngtmpaddr'])
    expect(list()).toHaveLength(1)
    const [{ local } = { local: '' }] = list()
    const temporary = { ...own, local, flags: ['mngtmpaddr'] }
    const refused = await h.request({
      type: 'RTM_NEWADDR',
      flags: FLAGS.replace,
      address: temporary,
    })
    expect(refused).toMatchObject({ error: 22 })
    await h.must({ type: 'RTM_DELADDR', address: own })
    expect(list()).toEqual([])
  })
  test('they go with the device', async () => {
    const { h, say, list } = await temporaries()
    say()
    for (const up of [false, true])
      await h.must({ type: 'RTM_NEWLINK', flags: 0, link: { ifname: 'eth0', up } })
    expect(list()).toEqual([])
  })
})

describe('addresses that tell nothing of the device (RFC 7217)', () => {
  const secret = async (value = '2001:db8::1') => {
    const made = await host()
    const { h, sim, addresses } = made
    const set = (row: string, name: string, to: string | number) =>
      h.request({ type: 'SYSCTL_SET', name: `net.ipv6.conf.${row}.${name}`, value: to })
    expect(await set('eth0', 'addr_gen_mode', 2)).toMatchObject({ error: 22 })
    expect(await set('all', 'stable_secret', value)).toMatchObject({ error: 5 })
    expect(await set('eth0', 'stable_secret', value)).toMatchObject({ error: 0 })
    expect(await made.get('addr_gen_mode')).toBe(2)
    const turn = async (): Promise<void> => {
      for (const up of [false, true])
        await h.must({ type: 'RTM_NEWLINK', flags: 0, link: { ifname: 'eth0', up } })
      sim.run(3000)
    }
    await turn()
    const stable = () => addresses().filter((at) => at['stable-privacy'] === true)
    return { ...made, setOf: set, turn, stable }
  }
  test('are made of a secret, that of the link and those of prefixes, and are the same again later', async () => {
    const { stable, hear, turn, addresses, sim } = await secret()
    hear()
    const first = stable().map(({ local }) => local)
    expect(first).toHaveLength(2)
    expect(addresses()).toHaveLength(2)
    expect(first.some((local) => local.includes('ff:fe'))).toBe(false)
    expect(first[0]!.slice(4)).not.toBe(first[1]!.slice(10))
    await turn()
    hear()
    expect(stable().map(({ local }) => local)).toEqual(first)
    expect(sim.leaks()).toEqual({})
  })
  test('are made of a secret that is drawn where addr_gen_mode is 3', async () => {
    const { h, sim, set, addresses, get } = await host()
    await set('addr_gen_mode', 3)
    for (const up of [false, true])
      await h.must({ type: 'RTM_NEWLINK', flags: 0, link: { ifname: 'eth0', up } })
    sim.run(3000)
    expect(await get('stable_secret')).not.toBe('::')
    expect(addresses()).toMatchObject([{ scope: 'link', 'stable-privacy': true }])
    expect(addresses()[0]!.local).not.toContain('ff:fe')
  })
  test('are so where a configuration says both, in whatever order', async () => {
    const { get, set } = await host({
      'net.ipv6.conf.eth0.addr_gen_mode': 2,
      'net.ipv6.conf.eth0.stable_secret': '2001:db8::1',
    })
    expect([await get('addr_gen_mode'), await get('stable_secret')]).toEqual([2, '2001:db8::1'])
    await set('addr_gen_mode', 0)
    await set('stable_secret', '::')
    expect(await get('addr_gen_mode')).toBe(0)
  })
  test('make way for the next of them where another has one, so many times', async () => {
    const { stable, hear, station, sim, h } = await secret()
    hear()
    const global = () => stable().filter(({ scope }) => scope === 'global')
    const seen = new Set<string>()
    for (let k = 0; k < 4; k++) {
      const [{ local } = { local: '' }] = global()
      seen.add(local)
      station.send(
        ndFrame({
          src: ROUTER_MAC,
          saddr: '::',
          type: NS,
          target: local,
          ...solicitedNode(local),
        })
      )
      sim.run(20)
    }
    expect([seen.size, seen.has('')]).toEqual([4, false])
    expect(global()).toEqual([])
    await h.must({ type: 'SYSCTL_SET', name: 'net.ipv6.idgen_retries', value: 0 })
    hear()
    expect(global().map(({ local }) => seen.has(local))).toEqual([true])
    expect(sim.leaks()).toEqual({})
  })
})

describe('a forged advertisement is counted and changes nothing:', () => {
  test.each<[string, RaFields, Parameters<Awaited<ReturnType<typeof host>>['h']['drops']>[0]]>([
    ['fewer hops than all', { hops: 254 }, 'IPV6_NDISC_HOP_LIMIT'],
    ['an address that is not of the link', { saddr: '2001:db8::99' }, 'NOT_SPECIFIED'],
    ['a code', { code: 1 }, 'IPV6_NDISC_BAD_CODE'],
    ['no room for its words', { cut: 4 }, 'PKT_TOO_SMALL'],
    ['an option of no length', { options: [1, 0, 0, 0, 0, 0, 0, 0] }, 'IPV6_NDISC_BAD_OPTIONS'],
    [
      'an option cut short',
      { options: prefixOption(PREFIX).slice(0, 24) },
      'IPV6_NDISC_BAD_OPTIONS',
    ],
  ])('%s', async (_, fields, reason) => {
    const { hear, made, routes, h, sim } = await host()
    hear(fields)
    expect([made(), routes(), h.drops(reason)]).toEqual([undefined, [], 1])
    sim.run(20_000)
    expect(sim.leaks()).toEqual({})
  })
  test('a flood of routers and prefixes fills only so much', async () => {
    const { station, sim, addresses, routes, limited } = await host()
    for (let k = 0; k < 2000; k++) {
      const prefixes = [0, 1, 2].flatMap((n) =>
        prefixOption(`2001:db8:${(3 * k + n).toString(16)}::`)
      )
      station.send(raFrame({ saddr: `fe80::${k.toString(16)}`, options: prefixes }))
      if (k % 50 === 0) sim.run(10)
    }
    sim.run(100)
    expect(addresses().length).toBeLessThanOrEqual(16)
    expect(routes().length).toBeLessThanOrEqual(64)
    expect(limited()).toBeGreaterThan(1000)
    sim.run(4_000_000)
    expect([routes(), addresses()]).toMatchObject([[], [{ scope: 'link' }]])
    expect(sim.leaks()).toEqual({})
  })
})
