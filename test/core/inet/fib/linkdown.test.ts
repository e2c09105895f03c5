// Routes by a device without a carrier, where ignore_routes_with_linkdown says that nobody is to go by them: what is gone by in their
// place, and that all is as before once the carrier is back.

import { describe, expect, test } from 'bun:test'
import { makeControl } from '../../../support/control-plane.ts'

const FAMILIES = [
  {
    name: 'IPv4',
    conf: 'net.ipv4.conf',
    own: (k: number) => `10.${k}.0.1/24`,
    via: (k: number) => `10.${k}.0.2`,
    net: '10.9.0.0/16',
    under: '10.9.1.0/24',
    tos: ['10.9.0.1', '10.9.1.1', '10.1.0.77', '10.1.0.1'],
    all: '0.0.0.0/0',
    table: 'inet' as const,
  },
  {
    name: 'IPv6',
    conf: 'net.ipv6.conf',
    own: (k: number) => `2001:db8:${k}::1/64`,
    via: (k: number) => `2001:db8:${k}::2`,
    net: '2001:db8:9::/48',
    under: '2001:db8:9:1::/64',
    tos: ['2001:db8:9::1', '2001:db8:9:1::1', '2001:db8:1::77', '2001:db8:1::1'],
    all: '::/0',
    table: 'inet6' as const,
  },
]
type Family = (typeof FAMILIES)[number]

/** A host with links a and b, a route by each to one network, one by a to a part of it, and a default route by b. */
const host = async (of: Family) => {
  const made = makeControl()
  const { ip, control } = made
  for (const [k, dev] of ['a', 'b'].entries()) {
    await ip.veth(dev)
    await ip.addr(of.own(k + 1), dev)
  }
  for (const words of [
    `${of.net} via ${of.via(1)} dev a metric 5`,
    `${of.net} via ${of.via(2)} dev b metric 10`,
    `${of.under} via ${of.via(1)} dev a`,
    `default via ${of.via(2)} dev b`,
  ])
    expect((await ip.route('add', words)).error).toBe(0)
  const set = (dev: string, value: number) =>
    control.request({
      type: 'SYSCTL_SET',
      name: `${of.conf}.${dev}.ignore_routes_with_linkdown`,
      value,
    })
  const devTo = async (dst: string, oif?: string): Promise<string> => {
    const reply = await ip.get(dst, oif === undefined ? {} : { oif })
    return (reply as { item?: { dev: string } }).item?.dev ?? 'none'
  }
  const ways = () => Promise.all(of.tos.map((dst) => devTo(dst)))
  const carrier = (dev: string, up: boolean) => ip.link(`${dev}p`, { up })
  const shown = () => ip.routes({ family: of.table }).filter((line) => /dev a( |$)/.test(line))
  return { ...made, set, devTo, ways, carrier, shown }
}
const BY_A = ['a', 'a', 'a', 'lo']
const BY_B = ['b', 'b', 'b', 'lo']

describe.each(FAMILIES)('$name: routes by a device without a carrier', (of) => {
  test('are gone by, unless somebody asks for something else', async () => {
    const { ways, carrier, set } = await host(of)
    expect(await ways()).toEqual(BY_A)
    await carrier('a', false)
    expect(await ways()).toEqual(BY_A)
    await set('a', 1)
    expect(await ways()).toEqual(BY_B)
    await set('a', 0)
    expect(await ways()).toEqual(BY_A)
  })
  test('are passed over from the moment that it is gone until it is back', async () => {
    const { ways, carrier, set } = await host(of)
    await set('a', 1)
    expect(await ways()).toEqual(BY_A)
    await carrier('a', false)
    expect(await ways()).toEqual(BY_B)
    await carrier('a', true)
    expect(await ways()).toEqual(BY_A)
  })
  test('so are those of all devices where all says so', async () => {
    const { ways, carrier, set } = await host(of)
    await carrier('a', false)
    await set('all', 1)
    expect(await ways()).toEqual(BY_B)
    await carrier('b', false)
    expect(await ways()).toEqual(['none', 'none', 'none', 'lo'])
  })
  test('are still there to be seen, dead, and to be gone through to a gateway, and to be deleted', async () => {
    const { ways, carrier, set, shown, ip } = await host(of)
    await set('a', 1)
    const before = shown()
    await carrier('a', false)
    expect(before.length).toBeGreaterThanOrEqual(3)
    expect(shown()).toEqual(before.map((line) => `${line} dead linkdown`))
    const more = `${of.tos[1]!} via ${of.via(1)} dev a`
    expect((await ip.route('add', more)).error).toBe(0)
    expect(await ways()).toEqual(BY_B)
    expect((await ip.route('del', `${of.net} dev b`)).error).toBe(0)
    expect(await ways()).toEqual(BY_B)
    expect((await ip.route('del', `${of.under} dev a`)).error).toBe(0)
    await carrier('a', true)
    expect(await ways()).toEqual(BY_A)
    expect((await ip.route('del', more)).error).toBe(0)
    expect((await ip.route('del', `${of.net} dev a`)).error).toBe(0)
    expect(await ways()).toEqual(['b', 'b', 'a', 'lo'])
  })
  test('show what comes under them meanwhile, and hide what they cover when they are back', async () => {
    const { ways, carrier, set, ip, devTo } = await host(of)
    await set('a', 1)
    await carrier('a', false)
    await ip.route('del', `${of.all} dev b`)
    await ip.route('del', `${of.net} dev b`)
    expect(await ways()).toEqual(['none', 'none', 'none', 'lo'])
    await ip.route('add', `default via ${of.via(2)} dev b`)
    expect(await ways()).toEqual(BY_B)
    await carrier('a', true)
    expect(await ways()).toEqual(BY_A)
    expect(await devTo(of.name === 'IPv4' ? '10.77.0.1' : '2001:db8:77::1')).toBe('b')
  })
  test('a route by several such next hops is passed over as a whole', async () => {
    const { ways, carrier, set, ip, control } = await host(of)
    await ip.veth('c')
    await ip.addr(of.own(3), 'c')
    const nexthops = [
      { gateway: of.via(1), dev: 'a' },
      { gateway: of.via(3), dev: 'c' },
    ]
    const dst = of.tos[1]!
    const route = { dst, nexthops }
    expect((await control.request({ type: 'RTM_NEWROUTE', flags: 0x400, route })).error).toBe(0)
    await set('all', 1)
    await carrier('a', false)
    expect((await ways())[1]).toBe('c')
    await carrier('c', false)
    expect((await ways())[1]).toBe('b')
    await carrier('c', true)
    expect((await ways())[1]).toBe('c')
  })
  test('whoever is bound to the device goes by no route of it', async () => {
    const { carrier, set, devTo } = await host(of)
    await set('a', 1)
    await carrier('a', false)
    const onLink = of.name === 'IPv4' ? 'a' : 'none'
    expect(await devTo(of.tos[0]!, 'a')).toBe(onLink)
    expect(await devTo(of.tos[0]!, 'b')).toBe('b')
  })
})
