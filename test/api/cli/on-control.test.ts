// The command line over the API over the real control plane: what is typed, what is stored, what is printed.

import { expect, test } from 'bun:test'
import { createSession } from '../support/session.ts'

const SETUP = `
ip link set lo up
ip link add veth0 type veth peer name veth1
ip link set veth0 up mtu 1400
ip link set veth1 up
ip addr add 10.1.0.254/24 dev veth0
ip addr add 10.1.0.253/24 brd + dev veth0
ip addr add fd00:1::1/64 dev veth0
ip route add 10.9.0.0/16 via 10.1.0.1 metric 100 proto static
ip route add default via 10.1.0.1
ip route add blackhole 10.8.0.0/16
ip route add unreachable 10.7.0.0/16
ip route add 10.5.0.0/16 dev veth0 mtu 1300 src 10.1.0.254
ip -6 route add default via fd00:1::2`

test('a router is set up as with iproute2, and prints what iproute2 prints', async () => {
  const { cli, all: setUp, request } = createSession()
  await setUp(SETUP)
  expect(await cli('ip route')).toBe(
    'default via 10.1.0.1 dev veth0 \n' +
      '10.1.0.0/24 dev veth0 proto kernel scope link src 10.1.0.254 \n' +
      '10.5.0.0/16 dev veth0 scope link src 10.1.0.254 mtu 1300 \n' +
      'unreachable 10.7.0.0/16 \n' +
      'blackhole 10.8.0.0/16 \n' +
      '10.9.0.0/16 via 10.1.0.1 dev veth0 proto static metric 100 \n'
  )
  expect(await cli('ip route show table all dev veth0 scope host')).toBe(
    'local 10.1.0.253 table local proto kernel src 10.1.0.254 \n' +
      'local 10.1.0.254 table local proto kernel src 10.1.0.254 \n'
  )
  const all = await request('/v1/routes')
  const tables = ((await all.json()) as { items: { table: string }[] }).items
  expect(new Set(tables.map(({ table }) => table))).toEqual(new Set(['main', 'local']))
  expect(await cli('ip route show table local dev veth0')).toBe(
    'local 10.1.0.253 proto kernel scope host src 10.1.0.254 \n' +
      'local 10.1.0.254 proto kernel scope host src 10.1.0.254 \n' +
      'broadcast 10.1.0.255 proto kernel scope link src 10.1.0.254 \n'
  )
  expect(await cli('ip -6 route')).toBe(
    'fd00:1::/64 dev veth0 proto kernel metric 256 pref medium\n' +
      'fe80::/64 dev veth0 proto kernel metric 256 pref medium\n' +
      'fe80::/64 dev veth1 proto kernel metric 256 pref medium\n' +
      'default via fd00:1::2 dev veth0 metric 1024 pref medium\n'
  )
  expect(await cli('ip -4 addr show dev veth0')).toContain(
    '    inet 10.1.0.253/24 brd 10.1.0.255 scope global secondary veth0\n'
  )
  expect(await cli('ip route get 10.9.1.1')).toBe(
    '10.9.1.1 via 10.1.0.1 dev veth0 src 10.1.0.254 uid 0 \n    cache \n'
  )
  expect(await cli('ip route get 10.1.0.254')).toBe(
    'local 10.1.0.254 dev lo src 10.1.0.254 uid 0 \n    cache <local> \n'
  )
})

test('of what comes in, a lookup says by which device, in both families', async () => {
  const { cli, all } = createSession()
  await all(SETUP)
  await cli('sysctl -w net.ipv6.conf.all.forwarding=1')
  for (const line of [
    'addr add fd00::1/64 dev veth0 nodad',
    'route add fd02::/64 via fd00::9 mtu 1400',
  ])
    expect(await cli(`ip ${line}`)).toBe('')
  expect(await cli('ip route get fd02::5 from fd00::5 iif veth0')).toBe(
    'fd02::5 from fd00::5 via fd00::9 dev veth0 metric 1024 mtu 1400 iif veth0 pref medium\n'
  )
  expect(await cli('ip -j route get fd02::5 from fd00::5 iif veth0')).toContain(
    '"metrics":[{"mtu":1400}],"iif":"veth0","pref":"medium"}]'
  )
  expect(await cli('ip route get 10.9.1.1 from 10.1.0.9 iif veth0')).toBe(
    '10.9.1.1 from 10.1.0.9 via 10.1.0.1 dev veth0 \n    cache <redirect> iif veth0 \n'
  )
})

test('what Linux refuses is refused in its words', async () => {
  const { cli, all } = createSession()
  await all(SETUP)
  const refused: [string, string][] = [
    ['ip route add default via 10.1.0.1', '1: RTNETLINK answers: File exists'],
    ['ip route del 1.2.3.0/24', '1: RTNETLINK answers: No such process'],
    ['ip route add 1.2.3.0/24 via 99.1.1.1', '1: Error: Nexthop has invalid gateway.'],
    ['ip route add 1.2.3.4/8 dev veth0', '1: Error: Invalid prefix for given prefix length.'],
    ['ip route get 10.8.0.1', '1: RTNETLINK answers: Invalid argument'],
    ['ip route get 10.7.0.1', '1: RTNETLINK answers: No route to host'],
    ['ip addr add 10.1.0.254/24 dev veth0', '1: Error: ipv4: Address already assigned.'],
    ['ip addr del 1.1.1.1/32 dev veth0', '1: Error: ipv4: Address not found.'],
    ['ip link set nosuch up', '1: Cannot find device "nosuch"'],
    ['ip link add veth0 type veth', '1: RTNETLINK answers: File exists'],
    ['ip link add x type foo', '1: Error: Unknown device type.'],
    ['ip link set veth0 mtu 1', '1: Error: mtu less than device minimum.'],
    [
      'sysctl -w net.ipv4.ip_forward=2',
      '1: sysctl: setting key "net.ipv4.ip_forward": Invalid argument',
    ],
    ['sysctl net.bogus', '1: sysctl: cannot stat /proc/sys/net/bogus: No such file or directory'],
    ['ethtool -i nosuch', '1: Cannot get driver information: No such device'],
  ]
  for (const [line, words] of refused)
    expect([line, (await cli(line)).slice(0, words.length)]).toEqual([line, words])
})

test('the configuration that was read can be put again, and nothing changes', async () => {
  const { request, all } = createSession()
  await all(SETUP)
  const config = await (await request('/v1/config')).json()
  const response = await request('/v1/config?dry_run=1', {
    method: 'PUT',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(config),
  })
  expect([response.status, (await response.json()).item]).toEqual([200, []])
})

test('the lines of a batch go in, and come out again as NDJSON', async () => {
  const { request, all } = createSession()
  await all(SETUP)
  const count = 2000
  const lines = Array.from({ length: count }, (_, i) =>
    JSON.stringify({ dst: `10.${100 + (i >> 8)}.${i & 255}.0/24`, via: '10.1.0.1' })
  )
  const put = await request('/v1/tables/main/routes:batch', {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-ndjson' },
    body: lines.join('\n'),
  })
  expect(put.status).toBe(200)
  const listed = await request('/v1/tables/main/routes?family=inet', {
    headers: { Accept: 'application/x-ndjson' },
  })
  expect((await listed.text()).trimEnd().split('\n')).toHaveLength(count + 6)
})

test('a list that names what is not there is refused', async () => {
  const { cli, all } = createSession()
  await all(SETUP)
  const refusals: [line: string, said: string][] = [
    ['ip route show dev nope', '1: Cannot find device "nope" '],
    ['ip route show table nope', '1: Error: argument "nope" is wrong: table id value is invalid'],
    ['ip route show table 100', '1: Error: ipv4: FIB table does not exist.'],
    ['ip route show proto nope', '1: Error: argument "nope" is wrong: "protocol" value is invalid'],
    ['ip route show scope nope', '1: Error: argument "nope" is wrong: invalid "scope" value'],
    ['ip route flush table nope', '1: Error: argument "nope" is wrong: table id value is invalid'],
    ['ip neigh show dev nope', '1: Cannot find device "nope" '],
    ['ip addr show dev nope', '1: Device "nope" does not exist.'],
    ['ip addr show scope nope', '1: Error: argument "nope" is wrong: invalid "scope" value'],
    ['ip link show dev nope', '1: Device "nope" does not exist.'],
  ]
  for (const [line, said] of refusals)
    expect([line, (await cli(line)).slice(0, said.length)]).toEqual([line, said])
  expect(await cli('ip route add 10.6.0.0/16 dev veth0 table 100')).toBe('')
  expect(await cli('ip route show table 100')).toBe('10.6.0.0/16 dev veth0 scope link \n')
})

test.each([
  ['/v1/routes?dev=nope', 404, 'dev'],
  ['/v1/routes?table=nope', 422, 'table'],
  ['/v1/tables/100/routes', 404, 'table'],
  ['/v1/neighs?dev=nope', 404, 'dev'],
  ['/v1/addresses?dev=nope', 404, 'dev'],
  ['/v1/links?ifname=nope', 404, 'ifname'],
])('GET %s is %d and names %s', async (path, status, field) => {
  const { request } = createSession()
  const response = await request(path)
  const body = (await response.json()) as { errors?: { field: string }[] }
  expect([response.status, body.errors?.[0]?.field]).toEqual([status, field])
})

test("a route's metrics are printed as iproute2 prints them", async () => {
  const { cli, all } = createSession()
  await all(`
ip link add v0 type veth peer name v1
ip link set v0 up
ip link set v1 up
ip addr add 10.0.0.1/24 dev v0
ip route add 10.1.0.0/16 via 10.0.0.2 mtu lock 1400 advmss 1000 window 5000 rtt 100ms rttvar 50 ssthresh 10 hoplimit 9 initcwnd 20 initrwnd 30 rto_min 5s quickack 1
ip route add 10.2.0.0/16 via 10.0.0.2 rto_min 0.5s
ip route add 10.8.0.0/16 via 10.0.0.2 mtu 70000
ip route add 10.9.0.0/16 via 10.0.0.2 advmss 70000 rtt 10`)
  expect(await cli('ip route')).toBe(
    '10.0.0.0/24 dev v0 proto kernel scope link src 10.0.0.1 \n' +
      '10.1.0.0/16 via 10.0.0.2 dev v0 mtu lock 1400 window 5000 rtt 100ms rttvar 12ms ssthresh 10 advmss 1000 hoplimit 9 initcwnd 20 rto_min lock 5s initrwnd 30 quickack 1 \n' +
      '10.2.0.0/16 via 10.0.0.2 dev v0 rto_min lock 500ms \n' +
      '10.8.0.0/16 via 10.0.0.2 dev v0 mtu 65520 \n' +
      '10.9.0.0/16 via 10.0.0.2 dev v0 rtt 1ms advmss 65495 \n'
  )
  expect(JSON.parse(await cli('ip -j route show 10.1.0.0/16'))[0].metrics).toEqual([
    {
      mtu: 1400,
      window: 5000,
      rtt: 100,
      rttvar: 12,
      ssthresh: 10,
      advmss: 1000,
      hoplimit: 9,
      initcwnd: 20,
      rto_min: 5000,
      initrwnd: 30,
      quickack: 1,
    },
  ])
  expect(await cli('ip route get 10.1.0.1')).toContain('mtu lock 1400 window 5000')
  for (const [words, why] of [
    ['quickack 2', 'Error: argument "2" is wrong: "quickack" value should be 0 or 1'],
    ['hoplimit 300', 'Error: argument "300" is wrong: "hoplimit" value is invalid'],
    ['rtt 300us', 'Error: argument "300us" is wrong: "rtt" value is invalid'],
  ])
    expect(await cli(`ip route add 10.5.0.0/16 via 10.0.0.2 ${words}`)).toContain(why!)
})
