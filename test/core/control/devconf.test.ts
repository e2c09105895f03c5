// net.ipv4.conf.{all,default,DEV}: what is set where, what follows what, and what a configuration keeps of it.

import { expect, test } from 'bun:test'
import type { SysctlItem } from '../../../core/control/rtnetlink.ts'
import type { StackConfig } from '../../../core/control/text/messages.ts'
import { dumped, itemOf, makeControl, refusal } from '../../support/control-plane.ts'

const network = async () => {
  const made = makeControl({}, {}, 1)
  const { control, ip } = made
  for (const dev of ['lan', 'wan']) await ip.veth(dev)
  const set = (name: string, value: number) =>
    control.request({ type: 'SYSCTL_SET', name: `net.ipv4.${name}`, value })
  const get = async (name: string) =>
    itemOf<SysctlItem>(await control.request({ type: 'SYSCTL_GET', name: `net.ipv4.${name}` }))
      .value
  return { ...made, set, get }
}

test('default is what devices have on which nobody set it, and what new ones begin with', async () => {
  const { set, get, ip } = await network()
  await set('conf.lan.rp_filter', 1)
  await set('conf.default.rp_filter', 2)
  expect(await get('conf.lan.rp_filter')).toBe(1)
  expect(await get('conf.wan.rp_filter')).toBe(2)
  expect(await get('conf.all.rp_filter')).toBe(0)
  await ip.veth('dmz')
  expect(await get('conf.dmz.rp_filter')).toBe(2)
})

test('ip_forward is conf.all.forwarding, and sets it everywhere; on one device it can be set again', async () => {
  const { set, get } = await network()
  await set('ip_forward', 0)
  for (const row of ['all', 'default', 'lan', 'wan', 'lo'])
    expect([row, await get(`conf.${row}.forwarding`)]).toEqual([row, 0])
  await set('conf.lan.forwarding', 1)
  expect(await get('ip_forward')).toBe(0)
  await set('conf.all.forwarding', 1)
  expect(await get('ip_forward')).toBe(1)
})

test('who turns forwarding of IPv6 off means those devices too that forward all the same', async () => {
  const { control } = await network()
  const set = (name: string, value: number) =>
    control.request({ type: 'SYSCTL_SET', name: `net.ipv6.conf.${name}`, value })
  const forced = async (dev: string) => {
    const name = `net.ipv6.conf.${dev}.force_forwarding`
    return itemOf<SysctlItem>(await control.request({ type: 'SYSCTL_GET', name })).value
  }
  await set('lan.force_forwarding', 1)
  await set('all.forwarding', 1)
  await set('wan.forwarding', 0)
  expect(await forced('lan')).toBe(1)
  await set('all.forwarding', 0)
  expect(await forced('lan')).toBe(0)
  await set('lan.force_forwarding', 1)
  expect(await forced('lan')).toBe(1)
})

test('what is of neighbours has no `all`, and follows its default in both families', async () => {
  const { control, get } = await network()
  const set = (name: string, value: number) =>
    control.request({ type: 'SYSCTL_SET', name: `net.${name}`, value })
  await set('ipv4.neigh.lan.proxy_delay', 10)
  for (const family of ['ipv4', 'ipv6']) await set(`${family}.neigh.default.proxy_delay`, 20)
  const values = await control.request({ type: 'CONFIG_GET' })
  expect((itemOf(values) as StackConfig).sysctl).toMatchObject({
    'net.ipv4.neigh.default.proxy_delay': 20,
    'net.ipv4.neigh.lan.proxy_delay': 10,
    'net.ipv6.neigh.default.proxy_delay': 20,
  })
  expect(await get('neigh.wan.proxy_delay')).toBe(20)
  for (const name of ['ipv4.neigh.all.proxy_delay', 'ipv4.conf.lan.proxy_delay'])
    expect(refusal(await set(name, 1))).toContain('No such file or directory')
  expect(refusal(await set('ipv4.neigh.lan.proxy_delay', -1))).toContain('Invalid argument')
})

test('what a router advertises stays within the bounds of RFC 4861 section 6.2.1', async () => {
  const { control } = await network()
  const set = async (name: string, value: number): Promise<boolean> =>
    (await control.request({ type: 'SYSCTL_SET', name: `net.ipv6.conf.lan.${name}`, value }))
      .error === 0
  const bounds: [name: string, least: number, most: number][] = [
    ['max_rtr_adv_interval', 4, 1800],
    ['min_rtr_adv_interval', 0, 1350],
    ['adv_reachable_time', 0, 3_600_000],
    ['adv_default_lifetime', -1, 9000],
    ['adv_cur_hop_limit', 0, 255],
  ]
  for (const [name, least, most] of bounds)
    expect([
      name,
      await set(name, least - 1),
      await set(name, least),
      await set(name, most),
      await set(name, most + 1),
    ]).toEqual([name, false, true, true, false])
})

test('a device that comes in the place of another begins anew', async () => {
  const { set, get, control, ip } = await network()
  await set('conf.lan.rp_filter', 1)
  await control.request({ type: 'RTM_DELLINK', ifname: 'lan' })
  await ip.veth('lan')
  expect(await get('conf.lan.rp_filter')).toBe(0)
  await set('conf.default.rp_filter', 2)
  expect(await get('conf.lan.rp_filter')).toBe(2)
})

test('what is no setting, no device, or out of bounds is refused', async () => {
  const { set, get } = await network()
  expect(refusal(await set('conf.lan.rp_filter', 3))).toContain('Invalid argument')
  expect(refusal(await set('conf.nowhere.rp_filter', 1))).toContain('No such file or directory')
  expect(refusal(await set('conf.lan.toString', 1))).toContain('No such file or directory')
  expect(await get('conf.lan.rp_filter')).toBe(0)
})

test('they are listed, and the configuration has what is not the default, a device by its name', async () => {
  const { set, control } = await network()
  const listed = dumped(control, { type: 'SYSCTL' }).map(({ name }) => name)
  for (const row of ['all', 'default', 'lan', 'lanp', 'lo'])
    expect(listed).toContain(`net.ipv4.conf.${row}.rp_filter`)
  await set('conf.lan.rp_filter', 1)
  await set('conf.default.send_redirects', 0)
  const config = await control.request({ type: 'CONFIG_GET' })
  const { sysctl } = itemOf(config) as { sysctl: Record<string, number> }
  expect(sysctl).toEqual({
    'net.ipv4.conf.default.send_redirects': 0,
    'net.ipv4.conf.lan.rp_filter': 1,
  })
})

test("a configuration sets a device's own settings after it has made the device", async () => {
  const { control } = makeControl()
  const reply = await control.request({
    type: 'CONFIG_SET',
    config: {
      link: [{ ifname: 'lan', kind: 'veth', data: { peer: 'lanp' } }],
      sysctl: { 'net.ipv4.conf.lan.rp_filter': 1, 'net.ipv4.conf.default.rp_filter': 2 },
    },
  })
  expect(reply.error).toBe(0)
  const values = Object.fromEntries(
    dumped(control, { type: 'SYSCTL' }).map(({ name, value }) => [name, value])
  )
  expect(values['net.ipv4.conf.lan.rp_filter']).toBe(1)
  expect(values['net.ipv4.conf.lanp.rp_filter']).toBe(2)
})

test("IPv6's MTU of a device is what IPv6 can do with and the device can send, and begins anew with the device's", async () => {
  const { control, ip } = await network()
  const name = (row: string): string => `net.ipv6.conf.${row}.mtu`
  const get = async (row: string) =>
    itemOf<SysctlItem>(await control.request({ type: 'SYSCTL_GET', name: name(row) })).value
  const set = (row: string, value: number) =>
    control.request({ type: 'SYSCTL_SET', name: name(row), value })
  expect([await get('lan'), await get('default'), await get('all')]).toEqual([1500, 1280, 1280])
  for (const value of [0, 1279, 1501])
    expect(refusal(await set('lan', value))).toContain('Invalid argument')
  expect(refusal(await set('default', 1279))).toContain('Invalid argument')
  await set('lan', 1400)
  expect(await get('lan')).toBe(1400)
  await ip.link('lan', { mtu: 1500 })
  expect(await get('lan')).toBe(1400)
  await ip.link('lan', { mtu: 1450 })
  expect(await get('lan')).toBe(1450)
  await set('default', 1300)
  await ip.veth('dmz')
  expect([await get('default'), await get('dmz')]).toEqual([1300, 1500])
})
