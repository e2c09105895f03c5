// VRFs as ip makes and shows them, in the words of Documentation/networking/vrf.rst and of iproute2 6.1: the kernel of this
// machine has none to be compared with.

import { expect, test } from 'bun:test'
import { createSession } from '../../support/session.ts'

const SETUP = `
ip link add red type vrf table 10
ip link set red up
ip link add d0 type dummy
ip link add d1 type dummy
ip addr add 10.2.1.2/24 dev d0
ip link set d0 up
ip link set d1 up
ip addr add 10.2.2.2/24 dev d1`

test('the first VRF brings a rule of each family, which is no more than any other', async () => {
  const { cli, all } = createSession()
  await all('ip link add red type vrf table 10')
  const rules = `0:	from all lookup local
1000:	from all lookup [l3mdev-table]
32766:	from all lookup main
`
  expect(await cli('ip rule')).toBe(`${rules}32767:	from all lookup default\n`)
  expect(await cli('ip -6 rule')).toBe(rules)
  expect(JSON.parse(await cli('ip -j rule show pref 1000'))).toEqual([
    { priority: 1000, src: 'all', l3mdev: null },
  ])
  await all('ip rule del l3mdev')
  await all('ip link add blue type vrf table 20')
  expect(await cli('ip rule')).not.toContain('l3mdev')
  await all('ip rule add pref 500 l3mdev')
  expect(await cli('ip rule show l3mdev')).toBe('500:	from all lookup [l3mdev-table]\n')
  expect(await cli('ip rule add l3mdev table 5')).toMatch(/l3mdev and table are mutually exclusive/)
})

test('a VRF is a link with a table', async () => {
  const { cli, all } = createSession()
  await all(SETUP)
  expect(await cli('ip link show red')).toMatch(
    /^\d+: red: <NOARP,MASTER,UP,LOWER_UP> mtu 65575 qdisc noqueue state UP mode DEFAULT group default qlen 1000\n {4}link\/ether /
  )
  expect(await cli('ip -d link show red')).toMatch(
    / minmtu 1280 maxmtu 65575 \n {4}vrf table 10 addrgenmode eui64 /
  )
  expect(await cli('ip vrf')).toBe(
    'Name              Table\n-----------------------\nred                  10\n'
  )
  expect(await cli('ip vrf show red')).toBe('red 10\n')
  expect(JSON.parse(await cli('ip -j vrf show'))).toEqual([{ name: 'red', table: 10 }])
  expect(await cli('ip vrf show d0')).toMatch(/Invalid VRF/)
})

test.each([
  ['ip link add x type vrf', /VRF table id is missing/],
  ['ip link add x type vrf table 0', /Invalid VRF table id/],
  ['ip link add x type vrf table 4294967296', /Invalid VRF table id/],
  ['ip link set lo master red', /Can not enslave loopback device to a VRF/],
  ['ip link set red master red', /Can not enslave an L3 master device to a VRF/],
  ['ip link set d0 master nope', /argument "nope" is wrong: Device does not exist/],
  ['ip link set d0 master d1', /Operation not supported/],
  ['ip link set red mtu 1279', /mtu less than device minimum/],
  ['ip route show vrf d0', /argument "d0" is wrong: Invalid VRF/],
  ['ip neigh show vrf d0', /argument "d0" is wrong: Not a valid VRF name/],
])('%s is refused', async (line, why) => {
  const { cli, all } = createSession()
  await all(SETUP)
  expect(await cli(line)).toMatch(why)
})

test('who is enslaved has its addresses and networks in the table of the VRF, and back again', async () => {
  const { cli, all } = createSession()
  await all(SETUP)
  const mine = /10\.2\.1/
  expect(await cli('ip route')).toMatch(mine)
  await all('ip link set d0 master red')
  expect(await cli('ip route')).not.toMatch(mine)
  expect(await cli('ip route show table local')).not.toMatch(mine)
  expect(await cli('ip route show vrf red')).toBe(
    '10.2.1.0/24 dev d0 proto kernel scope link src 10.2.1.2 \n'
  )
  expect(await cli('ip route show table 10')).toBe(
    `10.2.1.0/24 dev d0 proto kernel scope link src 10.2.1.2 
local 10.2.1.2 dev d0 proto kernel scope host src 10.2.1.2 
broadcast 10.2.1.255 dev d0 proto kernel scope link src 10.2.1.2 
`
  )
  expect(await cli('ip -6 route show table 10')).toMatch(
    /^fe80::\/64 dev d0 .*\nmulticast ff00::\/8/m
  )
  await all('ip link set d0 nomaster')
  expect(await cli('ip route')).toMatch(mine)
  expect(await cli('ip route show table local')).toMatch(mine)
  expect(await cli('ip route show vrf red')).toBe('')
})

test('what is enslaved says so', async () => {
  const { cli, all } = createSession()
  await all(SETUP)
  await all('ip link set d0 master red')
  expect(await cli('ip link show d0')).toContain(' qdisc noqueue master red state ')
  expect(await cli('ip -d link show d0')).toMatch(
    /\n {4}dummy \n {4}vrf_slave table 10 addrgenmode /
  )
  const names = async (line: string): Promise<string[]> =>
    (JSON.parse(await cli(line)) as { ifname: string; master?: string }[]).map(
      ({ ifname, master }) => `${ifname} ${master}`
    )
  expect(await names('ip -j link show vrf red')).toEqual(['d0 red'])
  expect(await names('ip -j link show master red')).toEqual(['d0 red'])
  expect(await names('ip -j addr show vrf red')).toEqual(['d0 red'])
  expect(await cli('ip addr show master red')).toContain('inet 10.2.1.2/24')
})

test('routes of a VRF are its own, and are looked up there', async () => {
  const { cli, all } = createSession()
  await all(SETUP)
  await all(`
    ip link set d0 master red
    ip route add 10.9.0.0/16 via 10.2.1.9 vrf red
    ip route add table 10 unreachable default metric 4278198272`)
  expect(await cli('ip route show vrf red')).toBe(
    `unreachable default metric 4278198272 
10.2.1.0/24 dev d0 proto kernel scope link src 10.2.1.2 
10.9.0.0/16 via 10.2.1.9 dev d0 
`
  )
  expect(await cli('ip route get 10.2.1.40 vrf red')).toBe(
    '10.2.1.40 dev d0 table 10 src 10.2.1.2 uid 0 \n    cache \n'
  )
  expect(await cli('ip route get 10.9.1.1 oif red')).toMatch(
    /^10\.9\.1\.1 via 10\.2\.1\.9 dev d0 table 10 /
  )
  expect(await cli('ip route get 10.9.1.1 oif d0')).toMatch(
    /^10\.9\.1\.1 via 10\.2\.1\.9 dev d0 table 10 /
  )
  expect(await cli('ip route get 10.2.1.2 vrf red')).toMatch(
    /^local 10\.2\.1\.2 dev red table 10 src 10\.2\.1\.2 /
  )
  // what is not in the VRF is not reached from it, nor the VRF from elsewhere
  expect(await cli('ip route get 10.2.2.9 vrf red')).toMatch(/No route to host/)
  expect(await cli('ip route get 10.2.1.40')).toMatch(/Network is unreachable/)
  expect(await cli('ip route add 10.8.0.0/16 via 10.2.1.9')).toMatch(/Nexthop has invalid gateway/)
  // but for a route that leads out of it
  await all('ip route add 10.8.0.0/16 via 10.2.2.9 vrf red')
  expect(await cli('ip route get 10.8.1.1 vrf red')).toMatch(/ via 10\.2\.2\.9 dev d1 table 10 /)
  await all('ip route del 10.9.0.0/16 vrf red')
  expect(await cli('ip route show vrf red')).not.toContain('10.9')
})

test('with a VRF its slaves are free again, and what else there was of its table stays', async () => {
  const { cli, all } = createSession()
  await all(SETUP)
  await all(`
    ip link set d0 master red
    ip route add table 10 unreachable default
    ip link del red`)
  expect(await cli('ip link show d0')).not.toContain('master')
  expect(await cli('ip route')).toMatch(/10\.2\.1\.0\/24 dev d0/)
  expect(await cli('ip route show table 10')).toBe('unreachable default \n')
})
