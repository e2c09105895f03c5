// Addresses that come, are tried, age and end, on whole hosts: what `ip addr` and `ip monitor` say of them by and by.

import { describe, expect, test } from 'bun:test'
import type { AddressInfo, Notification } from '../../core/control/text/messages.ts'
import { dumped, itemOf } from '../support/control-plane.ts'
import { createSim, type SimHost } from '../../sim/net/net-sim.ts'
import { MAC } from '../support/sim-topology.ts'

const lo = { ifname: 'lo', up: true }
const addrs = (host: SimHost): AddressInfo[] =>
  dumped(host.control, { type: 'RTM_GETADDR', filter: { dev: 'eth0' } })[0]!.addr_info
const find = (host: SimHost, local: string): AddressInfo | undefined =>
  addrs(host).find((at) => at.local === local)
const routes = (host: SimHost, table = 'main'): string[] =>
  dumped(host.control, { type: 'RTM_GETROUTE', filter: { family: 'inet6', table } })
    .filter(({ dev }) => dev === 'eth0')
    .map(({ type, dst, expires }) => [type, dst, ...(expires ? [expires] : [])].join(' '))

/** Two hosts on one wire; nothing of theirs is tried yet. */
const pair = async (mac = MAC.b) => {
  const sim = createSim(1)
  const make = (name: string, address: string) =>
    sim.host(name, {
      setup: {
        link: [lo, { ifname: 'eth0', kind: 'pipe', address, up: true }],
        sysctl: { 'net.ipv6.conf.all.forwarding': 0 },
      },
    })
  const [a, b] = [await make('a', MAC.a), await make('b', mac)]
  sim.wire([a, 'eth0'], [b, 'eth0'])
  const add = (host: SimHost, local: string, more = {}): Promise<void> =>
    host.must({
      type: 'RTM_NEWADDR',
      flags: 0x600,
      address: { dev: 'eth0', local, prefixlen: local.includes(':') ? 64 : 24, ...more },
    })
  const notes: Notification[] = []
  a.control.subscribe(['address', 'route'], (note) => void notes.push(note))
  return { sim, a, b, add, notes }
}
const LINK_A = 'fe80::ff:fe00:a'
const OWN = '2001:db8::1'

describe('an address that nobody else has', () => {
  test('is tentative, with its network and no route of its own, then ours, as watchers hear', async () => {
    const { sim, a, add, notes } = await pair()
    await add(a, OWN)
    expect(find(a, OWN)).toMatchObject({ tentative: true, valid_life_time: 4294967295 })
    expect(find(a, LINK_A)).toMatchObject({ tentative: true })
    expect(routes(a, 'local')).not.toContain(`local ${OWN}`)
    expect(routes(a)).toContain('unicast 2001:db8::/64')
    notes.length = 0
    sim.run(2100)
    expect(find(a, OWN)).not.toHaveProperty('tentative')
    expect(find(a, LINK_A)).not.toHaveProperty('tentative')
    expect(routes(a, 'local')).toContain(`local ${OWN}`)
    const told = notes.map(({ kind, event, item }) => [kind, event, JSON.stringify(item)] as const)
    expect(told.filter(([kind, , item]) => kind === 'address' && item.includes(OWN))).toHaveLength(
      1
    )
    expect(
      told.some(([kind, event, item]) => kind === 'route' && event === 'new' && item.includes(OWN))
    ).toBe(true)
    sim.run(20_000)
    expect(sim.leaks()).toEqual({})
  })
  test('is ours at once with nodad', async () => {
    const { a, add } = await pair()
    await add(a, OWN, { flags: ['nodad'] })
    expect(find(a, OWN)).toMatchObject({ nodad: true })
    expect(find(a, OWN)).not.toHaveProperty('tentative')
    expect(routes(a, 'local')).toContain(`local ${OWN}`)
  })
})

test('an address that stays with a device that is down is tried when that is up again', async () => {
  const { sim, a, b, add } = await pair()
  await add(a, OWN)
  sim.run(3000)
  const link = (up: boolean): Promise<void> =>
    a.must({ type: 'RTM_NEWLINK', flags: 0, link: { ifname: 'eth0', up } })
  await a.must({ type: 'SYSCTL_SET', name: 'net.ipv6.conf.eth0.keep_addr_on_down', value: 1 })
  await link(false)
  expect(find(a, OWN)).toMatchObject({ tentative: true })
  sim.run(3000)
  expect(find(a, OWN)).toMatchObject({ tentative: true })
  await link(true)
  sim.run(3000)
  expect(find(a, OWN)).not.toHaveProperty('tentative')
  expect(routes(a, 'local')).toContain(`local ${OWN}`)
  await link(false)
  await add(b, OWN, { flags: ['nodad'] })
  await link(true)
  sim.run(3000)
  expect(find(a, OWN)).toMatchObject({ dadfailed: true })
  expect(sim.leaks()).toEqual({})
})

describe('an address that another has', () => {
  test('fails, and stays to be seen', async () => {
    const { sim, a, b, add } = await pair()
    await add(b, OWN, { flags: ['nodad'] })
    await add(a, OWN)
    sim.run(3000)
    expect(find(a, OWN)).toMatchObject({ dadfailed: true, tentative: true })
    expect(routes(a, 'local')).not.toContain(`local ${OWN}`)
    expect(find(b, OWN)).not.toHaveProperty('dadfailed')
    sim.run(20_000)
    expect(find(a, OWN)).toMatchObject({ dadfailed: true })
    expect(sim.leaks()).toEqual({})
  })
  test('goes where it would end anyway', async () => {
    const { sim, a, b, add, notes } = await pair()
    await add(b, OWN, { flags: ['nodad'] })
    await add(a, OWN, { valid_life_time: 600, preferred_life_time: 300 })
    sim.run(3000)
    expect(find(a, OWN)).toBeUndefined()
    expect(routes(a).some((line) => line.includes('2001:db8::/64'))).toBe(false)
    const last = notes.findLast(
      ({ kind, item }) => kind === 'address' && JSON.stringify(item).includes(OWN)
    )
    expect(last).toMatchObject({ event: 'del' })
    expect(sim.leaks()).toEqual({})
  })
  test('that both try at once is nobody’s, or that of who was first', async () => {
    const { sim, a, b, add } = await pair(MAC.a)
    sim.run(5000)
    const failed = [find(a, LINK_A)!, find(b, LINK_A)!].filter(({ dadfailed }) => dadfailed)
    expect(failed.length).toBeGreaterThan(0)
    await add(a, OWN)
    sim.run(3000)
    expect(find(a, OWN)).not.toHaveProperty('dadfailed')
  })
})

describe('lifetimes', () => {
  test.each([
    ['10.0.1.1', 'inet'],
    [OWN, 'inet6'],
  ])('%s is deprecated, then gone, with its network', async (local, family) => {
    const { sim, a, add, notes } = await pair()
    sim.run(3000)
    await add(a, local, { valid_life_time: 30, preferred_life_time: 10, flags: ['nodad'] })
    expect(find(a, local)).toMatchObject({
      dynamic: true,
      valid_life_time: 30,
      preferred_life_time: 10,
    })
    if (family === 'inet6') expect(routes(a)).toContain('unicast 2001:db8::/64 30')
    sim.run(9_000)
    expect(find(a, local)).toMatchObject({ valid_life_time: 21, preferred_life_time: 1 })
    expect(find(a, local)).not.toHaveProperty('deprecated')
    notes.length = 0
    sim.run(2_000)
    expect(find(a, local)).toMatchObject({ deprecated: true, preferred_life_time: 0 })
    expect(notes.map(({ kind, event }) => [kind, event])).toEqual([['address', 'new']])
    notes.length = 0
    sim.run(20_000)
    expect(find(a, local)).toBeUndefined()
    expect(notes.some(({ kind, event }) => kind === 'address' && event === 'del')).toBe(true)
    expect(routes(a)).not.toContain('unicast 2001:db8::/64')
    expect(routes(a, 'local')).not.toContain(`local ${local}`)
  })
  test('are set anew, and end with `forever`', async () => {
    const { sim, a, add } = await pair()
    await add(a, OWN, { valid_life_time: 30, preferred_life_time: 10, flags: ['nodad'] })
    sim.run(15_000)
    const change = { dev: 'eth0', local: OWN, prefixlen: 64, flags: ['nodad'] }
    await a.must({ type: 'RTM_NEWADDR', flags: 0x500, address: change })
    expect(find(a, OWN)).not.toHaveProperty('deprecated')
    expect(find(a, OWN)).not.toHaveProperty('dynamic')
    expect(routes(a)).toContain('unicast 2001:db8::/64')
    sim.run(60_000)
    expect(find(a, OWN)).toMatchObject({ valid_life_time: 4294967295 })
  })
  test.each([
    [{ valid_life_time: 0 }, 'Error: ipv6: address lifetime invalid.'],
    [{ valid_life_time: 5, preferred_life_time: 6 }, 'Error: ipv6: address lifetime invalid.'],
  ])('%j are refused', async (more, message) => {
    const { a } = await pair()
    const address = { dev: 'eth0', local: OWN, prefixlen: 64, ...more }
    const reply = await a.request({ type: 'RTM_NEWADDR', flags: 0x600, address })
    expect(reply).toMatchObject({ error: 22, message })
    expect(find(a, OWN)).toBeUndefined()
  })
})

describe('disable_ipv6', () => {
  test('takes the device’s addresses and routes away, and refuses new ones, until it is off again', async () => {
    const { sim, a, add } = await pair()
    await add(a, OWN)
    sim.run(3000)
    const set = (value: number): Promise<void> =>
      a.must({ type: 'SYSCTL_SET', name: 'net.ipv6.conf.eth0.disable_ipv6', value })
    await set(1)
    expect(addrs(a)).toEqual([])
    expect([...routes(a), ...routes(a, 'local')]).toEqual([])
    const address = { dev: 'eth0', local: OWN, prefixlen: 64 }
    expect(await a.request({ type: 'RTM_NEWADDR', flags: 0x600, address })).toMatchObject({
      error: 13,
      message: 'Error: ipv6: IPv6 is disabled on this device.',
    })
    await set(0)
    sim.run(3000)
    expect(addrs(a)).toMatchObject([{ local: LINK_A, scope: 'link' }])
    expect(routes(a, 'local')).toContain(`local ${LINK_A}`)
  })
  test('comes by itself where accept_dad is 2 and another answers to the address of our MAC', async () => {
    const { sim, a, b } = await pair(MAC.a)
    for (const host of [a, b])
      await host.must({ type: 'SYSCTL_SET', name: 'net.ipv6.conf.eth0.accept_dad', value: 2 })
    sim.run(3000)
    const isOff = async (host: SimHost): Promise<boolean> => {
      const name = 'net.ipv6.conf.eth0.disable_ipv6'
      return itemOf(await host.request({ type: 'SYSCTL_GET', name })).value === 1
    }
    // whoever was later, or both
    const off = [await isOff(a), await isOff(b)]
    expect(off).toContain(true)
    for (const [k, host] of [a, b].entries()) expect(addrs(host).length === 0).toBe(off[k]!)
  })
})
