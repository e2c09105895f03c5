import { describe, expect, test } from 'bun:test'
import { routeText } from '../../../api/iproute2/route.ts'
import type { RouteItem, StackConfig } from '../../../core/control/text/messages.ts'
import { makeRoute } from '../support/items.ts'
import { DevStat, deviceStats } from '../../../core/netdev/netdev.ts'
import { itemOf } from '../../support/control-plane.ts'
import { createSoftnet } from '../support/softnet.ts'

// Golden text: what ip from iproute2 6.1 prints for the same state, trailing blanks included.
const GOLDEN: [line: string, out: string][] = [
  [
    'ip link show veth0',
    `3: veth0@veth1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP mode DEFAULT group default qlen 1000
    link/ether 66:61:bd:5e:22:a2 brd ff:ff:ff:ff:ff:ff
`,
  ],
  [
    'ip -s link show dev veth0',
    `3: veth0@veth1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP mode DEFAULT group default qlen 1000
    link/ether 66:61:bd:5e:22:a2 brd ff:ff:ff:ff:ff:ff
    RX:  bytes packets errors dropped  missed   mcast           \n` +
      `            90       1      0       0       0       0 \n` +
      `    TX:  bytes packets errors dropped carrier collsns           \n` +
      `           110       1      0       0       0       0 \n`,
  ],
  [
    'ip -o link show lo',
    '1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000\\    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00\n',
  ],
  [
    'ip -br link show veth0',
    'veth0@veth1      UP             66:61:bd:5e:22:a2 <BROADCAST,MULTICAST,UP,LOWER_UP> \n',
  ],
  [
    'ip -br addr show veth0',
    'veth0@veth1      UP             10.1.0.254/24 10.1.0.253/24 fd00:1::1/64 fe80::6461:bdff:fe5e:22a2/64 \n',
  ],
  [
    'ip addr show dev veth0',
    `3: veth0@veth1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether 66:61:bd:5e:22:a2 brd ff:ff:ff:ff:ff:ff
    inet 10.1.0.254/24 scope global veth0
       valid_lft forever preferred_lft forever
    inet 10.1.0.253/24 brd 10.1.0.255 scope global secondary veth0
       valid_lft forever preferred_lft forever
    inet6 fd00:1::1/64 scope global \n       valid_lft forever preferred_lft forever
    inet6 fe80::6461:bdff:fe5e:22a2/64 scope link \n       valid_lft forever preferred_lft forever\n`,
  ],
  [
    'ip -4 addr show dev lo',
    `1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000
    inet 127.0.0.1/8 scope host lo
       valid_lft forever preferred_lft forever
`,
  ],
  [
    'ip -o -4 addr',
    '1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever\n' +
      '3: veth0    inet 10.1.0.254/24 scope global veth0\\       valid_lft forever preferred_lft forever\n' +
      '3: veth0    inet 10.1.0.253/24 brd 10.1.0.255 scope global secondary veth0\\       valid_lft forever preferred_lft forever\n',
  ],
  [
    'ip route',
    'default via 10.1.0.1 dev veth0 \n' +
      '10.1.0.0/24 dev veth0 proto kernel scope link src 10.1.0.254 \n' +
      '10.5.0.0/16 dev veth0 scope link src 10.1.0.254 mtu 1400 \n' +
      'unreachable 10.7.0.0/16 \n' +
      '10.9.0.0/16 via 10.1.0.1 dev veth0 proto static metric 100 \n',
  ],
  [
    'ip -6 route',
    'fd00:1::/64 dev veth0 proto kernel metric 256 pref medium\n' +
      'fe80::/64 dev veth1 proto kernel metric 256 pref medium\n' +
      'fe80::/64 dev veth0 proto kernel metric 256 pref medium\n',
  ],
  [
    'ip -d route show 10.9.0.0/16',
    'unicast 10.9.0.0/16 via 10.1.0.1 dev veth0 proto static scope global metric 100 \n',
  ],
  [
    'ip route show via 10.1.0.1',
    'default dev veth0 \n10.9.0.0/16 dev veth0 proto static metric 100 \n',
  ],
  ['ip route show dev veth0 proto static', '10.9.0.0/16 via 10.1.0.1 metric 100 \n'],
  [
    'ip route show table local',
    'local 10.1.0.253 dev veth0 proto kernel scope host src 10.1.0.254 \n' +
      'local 10.1.0.254 dev veth0 proto kernel scope host src 10.1.0.254 \n' +
      'broadcast 10.1.0.255 dev veth0 proto kernel scope link src 10.1.0.254 \n' +
      'local 127.0.0.0/8 dev lo proto kernel scope host src 127.0.0.1 \n' +
      'local 127.0.0.1 dev lo proto kernel scope host src 127.0.0.1 \n' +
      'broadcast 127.255.255.255 dev lo proto kernel scope link src 127.0.0.1 \n',
  ],
  [
    'ip route show root 10.8.0.0/15',
    '10.9.0.0/16 via 10.1.0.1 dev veth0 proto static metric 100 \n',
  ],
  [
    'ip route show match 10.9.1.0/24',
    'default via 10.1.0.1 dev veth0 \n10.9.0.0/16 via 10.1.0.1 dev veth0 proto static metric 100 \n',
  ],
  ['ip route get 10.9.1.1', '10.9.1.1 via 10.1.0.1 dev veth0 src 10.1.0.254 uid 0 \n    cache \n'],
  [
    '-j ip route get 10.9.1.1',
    '[{"dst":"10.9.1.1","gateway":"10.1.0.1","dev":"veth0","prefsrc":"10.1.0.254","flags":[],"uid":0,"cache":[]}]\n',
  ],
  [
    'ip neigh',
    '10.1.0.5 dev veth0 lladdr 02:00:00:00:00:05 PERMANENT \n' +
      '10.1.0.6 dev veth0 lladdr 02:00:00:00:00:06 REACHABLE \n' +
      'fd00:1::5 dev veth0 lladdr 02:00:00:00:00:05 router STALE \n',
  ],
  ['ip neigh show dev veth0 nud reachable', '10.1.0.6 lladdr 02:00:00:00:00:06 REACHABLE \n'],
  [
    'ip -s neigh show nud permanent',
    '10.1.0.5 dev veth0 lladdr 02:00:00:00:00:05  used 0/0/0 probes 0 PERMANENT \n',
  ],
  ['ip neigh get 10.1.0.6 dev veth0', '10.1.0.6 dev veth0 lladdr 02:00:00:00:00:06 REACHABLE \n'],
  ['ip netns', 'user\n'],
  [
    'ip rule',
    '0:\tfrom all lookup local\n32766:\tfrom all lookup main\n32767:\tfrom all lookup default\n',
  ],
]

test('ip -s has what a device missed for want of memory in its column', async () => {
  const { arena, cli, ready } = createSoftnet()
  await ready
  arena.f64[deviceStats(arena, 0, 3) + DevStat.rx_missed_errors] = 7
  const { out } = await cli('ip -s link show dev veth0')
  expect(out).toContain('            90       1      0       0       7       0 \n')
})

test.each(GOLDEN)('softnet %s', async (line, out) => {
  const { cli } = createSoftnet({ netns: () => [{ name: 'user', pid: 1 }] })
  expect(await cli(line)).toEqual({ status: 0, out, err: '' })
})

test.each([
  ['ip l', 'ip link show'],
  ['ip a', 'ip address show'],
  ['ip r', 'ip route list'],
  ['ip ro s', 'ip route show'],
  ['ip n', 'ip neigh show'],
  ['ip neighbor', 'ip neighbour list'],
  ['ip -j r', '-j ip route'],
  ['ip -js r', 'ip -json route'],
  ['ip -f inet6 r', 'ip -6 route'],
  ['ip -stat link', 'ip -s link'],
  ['ip addr show up', 'ip addr'],
])('%s is %s', async (short, long) => {
  const { cli } = createSoftnet()
  const answer = await cli(short)
  expect(answer.status).toBe(0)
  expect(answer).toEqual(await cli(long))
})

test('multipath routes have a line a next hop', () => {
  const nexthops = [
    { gateway: '10.1.0.1', dev: 'veth0', weight: 1 },
    { gateway: '10.1.0.2', dev: 'veth0', weight: 2 },
  ]
  expect(routeText({ ...makeRoute('10.6.0.0/16'), nexthops } as RouteItem)).toBe(
    '10.6.0.0/16 \n\tnexthop via 10.1.0.1 dev veth0 weight 1 \n\tnexthop via 10.1.0.2 dev veth0 weight 2 '
  )
})

describe('changes', () => {
  test.each([
    [
      'ip route add 10.40.0.0/16 via 10.1.0.1 dev veth0 metric 5 src 10.1.0.254 mtu 1400',
      {
        dst: '10.40.0.0/16',
        gateway: '10.1.0.1',
        dev: 'veth0',
        metric: 5,
        prefsrc: '10.1.0.254',
        metrics: [{ mtu: 1400 }],
      },
    ],
    ['ip route add blackhole 10.40.0.0/16', { dst: '10.40.0.0/16', type: 'blackhole' }],
    [
      'ip route add default via fe80::1 dev veth0 metric 9',
      { dst: 'default', gateway: 'fe80::1', dev: 'veth0', metric: 9, family: 'inet6' },
    ],
    [
      'ip route add 0.0.0.0/0 dev veth0 metric 9',
      { dst: 'default', dev: 'veth0', metric: 9, family: 'inet' },
    ],
    [
      'ip route add 10.40.0.0/16 via inet6 fe80::1 dev veth0',
      { dst: '10.40.0.0/16', via: { family: 'inet6', host: 'fe80::1' }, dev: 'veth0' },
    ],
    [
      'ip r a 10.40.0.0/16 via 10.1.0.9 dev veth0 table 100 proto static onlink',
      {
        dst: '10.40.0.0/16',
        gateway: '10.1.0.9',
        dev: 'veth0',
        table: '100',
        protocol: 'static',
        flags: ['onlink'],
      },
    ],
  ])('%s', async (line, route) => {
    const { cli, asked } = createSoftnet()
    expect(await cli(line)).toEqual({ status: 0, out: '', err: '' })
    expect(asked[0]).toMatchObject({ type: 'RTM_NEWROUTE', route })
  })

  test('several next hops are sent as they are typed', async () => {
    const { cli, asked } = createSoftnet()
    const { status, err } = await cli(
      'ip route add 10.40.0.0/16 nexthop via 10.1.0.1 weight 1 nexthop via 10.1.0.2 dev veth0 weight 2'
    )
    expect([status, err]).toEqual([0, ''])
    expect(asked[0]).toMatchObject({
      route: {
        dst: '10.40.0.0/16',
        nexthops: [
          { gateway: '10.1.0.1', weight: 1 },
          { gateway: '10.1.0.2', dev: 'veth0', weight: 2 },
        ],
      },
    })
  })

  test('replace and change differ in what they need', async () => {
    const { cli } = createSoftnet()
    expect((await cli('ip route change 10.40.0.0/16 dev veth0')).err).toStartWith(
      'RTNETLINK answers: No such file or directory'
    )
    expect((await cli('ip route replace 10.40.0.0/16 dev veth0')).status).toBe(0)
    expect((await cli('ip route change 10.40.0.0/16 dev veth0')).status).toBe(0)
    expect((await cli('ip route del 10.40.0.0/16')).status).toBe(0)
  })

  test.each([
    [
      'ip link set veth0 up mtu 9000',
      { type: 'RTM_NEWLINK', flags: 0, link: { ifname: 'veth0', up: true, mtu: 9000 } },
    ],
    [
      'ip link set dev veth0 down name lan0 promisc on',
      { link: { ifname: 'veth0', up: false, newname: 'lan0', promisc: true } },
    ],
    [
      'ip link add v0 type veth peer name v1',
      { type: 'RTM_NEWLINK', link: { ifname: 'v0', kind: 'veth', data: { peer: 'v1' } } },
    ],
    [
      'ip link add v0 numtxqueues 1 type veth peer name v1 numtxqueues 1 numrxqueues 1',
      { link: { ifname: 'v0', kind: 'veth', num_tx_queues: 1, data: { peer: 'v1' } } },
    ],
    ['ip link add d0 type dummy', { type: 'RTM_NEWLINK', link: { ifname: 'd0', kind: 'dummy' } }],
    ['ip link del veth0', { type: 'RTM_DELLINK', ifname: 'veth0' }],
    [
      'ip addr add 10.8.0.1/24 brd + dev veth0',
      {
        type: 'RTM_NEWADDR',
        address: { dev: 'veth0', local: '10.8.0.1', prefixlen: 24, broadcast: '10.8.0.255' },
      },
    ],
    ['ip addr add fd00:8::1 dev veth0', { address: { local: 'fd00:8::1', prefixlen: 128 } }],
    [
      'ip addr del 10.1.0.254/24 dev veth0',
      { type: 'RTM_DELADDR', address: { dev: 'veth0', local: '10.1.0.254', prefixlen: 24 } },
    ],
    [
      'ip neigh add 10.1.0.9 lladdr 02:00:00:00:00:09 dev veth0',
      {
        type: 'RTM_NEWNEIGH',
        neigh: { dev: 'veth0', dst: '10.1.0.9', lladdr: '02:00:00:00:00:09' },
      },
    ],
    [
      'ip neigh replace 10.1.0.9 lladdr 02:00:00:00:00:09 dev veth0 nud stale',
      { neigh: { state: 'STALE' } },
    ],
    [
      'ip neigh del 10.1.0.5 dev veth0',
      { type: 'RTM_DELNEIGH', neigh: { dev: 'veth0', dst: '10.1.0.5' } },
    ],
  ])('%s', async (line, message) => {
    const { cli, asked } = createSoftnet()
    expect(await cli(line)).toEqual({ status: 0, out: '', err: '' })
    expect(asked[0]).toMatchObject(message)
  })

  test('ip neigh add proxy: shown apart from neighbours, kept in the configuration, gone with del', async () => {
    const { cli, control } = createSoftnet()
    const add = 'ip -6 neigh add proxy 2001:db8::7 dev veth0'
    const before = (await cli('ip neigh')).out
    for (let twice = 0; twice < 2; twice++)
      expect(await cli(add)).toEqual({ status: 0, out: '', err: '' })
    expect((await cli('ip neigh')).out).toBe(before)
    expect((await cli('ip neigh show proxy')).out).toBe('2001:db8::7 dev veth0 proxy \n')
    expect(JSON.parse((await cli('ip -j neigh show proxy')).out)).toEqual([
      { dst: '2001:db8::7', dev: 'veth0', proxy: null },
    ])
    const { neigh } = itemOf(await control.request({ type: 'CONFIG_GET' })) as StackConfig
    expect(neigh).toContainEqual({ dst: '2001:db8::7', dev: 'veth0', flags: ['proxy'] })
    const del = 'ip -6 neigh del proxy 2001:db8::7 dev veth0'
    expect(await cli(del)).toEqual({ status: 0, out: '', err: '' })
    expect((await cli('ip neigh show proxy')).out).toBe('')
    expect((await cli(del)).err).toStartWith('RTNETLINK answers: No such file or directory')
  })
  test('ip neigh get proxy, flush proxy: those alone; with the link that goes down they go', async () => {
    const { cli, control } = createSoftnet()
    const lines = ['10.1.0.77 dev veth0 proxy \n', '2001:db8::7 dev veth0 router proxy \n']
    await cli('ip neigh add proxy 10.1.0.77 dev veth0')
    await cli('ip neigh add proxy 2001:db8::7 dev veth0 router')
    const before = (await cli('ip neigh')).out
    for (const [k, dst] of ['10.1.0.77', '2001:db8::7'].entries())
      expect((await cli(`ip neigh get proxy ${dst} dev veth0`)).out).toBe(lines[k]!)
    expect((await cli('ip -s neigh show proxy')).out).toBe(lines.join(''))
    expect((await cli('ip neigh show proxy dev veth0 nud reachable')).out).toBe(
      lines.join('').replaceAll(' dev veth0', '')
    )
    const getError = async (what: string) => (await cli(`ip neigh get ${what} dev veth0`)).err
    expect(await getError('proxy 10.1.0.78')).toStartWith('Error: Proxy neighbour entry not found.')
    expect(await getError('10.1.0.77')).toStartWith('Error: Neighbour entry not found.')
    const config = itemOf(await control.request({ type: 'CONFIG_GET' })) as StackConfig
    await cli('ip -4 neigh flush proxy')
    expect((await cli('ip neigh show proxy')).out).toBe(lines[1]!)
    expect((await cli('ip neigh')).out).toBe(before)
    expect((await control.request({ type: 'CONFIG_SET', config })).error).toBe(0)
    expect((await cli('ip neigh show proxy')).out).toBe(lines.toReversed().join(''))
    await cli('ip link set veth0 down')
    expect((await cli('ip neigh show proxy')).out).toBe('')
  })
  test('addresses have flags and lifetimes in the words of ip', async () => {
    const { cli } = createSoftnet()
    const add = 'ip -6 addr add 2001:db8::5/64 dev veth0'
    for (const [words, err] of [
      ['valid_lft 0', 'valid_lft is zero'],
      ['valid_lft 10 preferred_lft 20', 'preferred_lft is greater than valid_lft'],
      ['valid_lft soon', 'Error: argument "soon" is wrong: valid_lft value'],
    ])
      expect(await cli(`${add} ${words}`)).toMatchObject({ out: '', err: `${err}\n` })
    const { status } = await cli(`${add} valid_lft 60 preferred_lft 0 nodad home mngtmpaddr`)
    expect(status).toBe(0)
    const shown = await cli('ip -6 addr show dev veth0 to 2001:db8::5')
    expect(shown.out.split('\n').slice(1)).toEqual([
      '    inet6 2001:db8::5/64 scope global nodad home deprecated dynamic mngtmpaddr ',
      '       valid_lft 60sec preferred_lft 0sec',
      '',
    ])
    expect((await cli('ip -6 route show 2001:db8::/64')).out).toBe(
      '2001:db8::/64 dev veth0 proto kernel metric 256 expires 60sec pref medium\n'
    )
  })
  test('flush takes what was selected and nothing else', async () => {
    const { cli, items } = createSoftnet()
    const routes = async () =>
      (await items({ type: 'RTM_GETROUTE', filter: { table: 'all' } })).map(({ dst }) => dst)
    const before = await routes()
    expect((await cli('ip route flush proto static')).status).toBe(0)
    expect(await routes()).toEqual(before.filter((dst) => dst !== '10.9.0.0/16'))
    expect((await cli('ip neigh flush dev veth0')).status).toBe(0)
    expect((await items({ type: 'RTM_GETNEIGH' })).map(({ dst }) => dst)).toEqual(['10.1.0.5'])
    await cli('ip addr flush dev veth0')
    expect((await cli('ip -br addr show veth0')).out.trimEnd()).toBe('veth0@veth1      UP')
  })
})

// One line on stderr, 1 for what was refused, 2 for what makes no sense.
test.each([
  [
    'ip route add default via 10.1.0.1',
    1,
    'RTNETLINK answers: File exists (dst: exists already; replace changes it)',
  ],
  [
    'ip route del 1.2.3.0/24',
    1,
    'RTNETLINK answers: No such process (dst: there is none; list what there is)',
  ],
  [
    'ip route add 1.2.3.0/24 via 99.1.1.1',
    1,
    'Error: Nexthop has invalid gateway. (gateway: no route leads there; add one first)',
  ],
  [
    'ip route add 1.2.3.0/24 dev nosuch',
    1,
    'Cannot find device "nosuch" (dev: no link has this name; "ip link" lists them)',
  ],
  ['ip link show nosuch', 1, 'Device "nosuch" does not exist.'],
  ['ip addr show dev nosuch', 1, 'Device "nosuch" does not exist.'],
  ['ip addr del 1.1.1.1/32 dev veth0', 1, 'Error: ipv4: Address not found.'],
  ['ip neigh add 10.1.0.9 lladdr zz dev veth0', 1, 'Error: "zz" is invalid lladdr.'],
  ['ip route get 10.7.8.8', 1, 'RTNETLINK answers: No route to host'],
  ['ip route add bogus', 2, 'Error: any valid prefix is expected rather than "bogus".'],
  [
    'ip addr add 1.2.3.4/33 dev veth0',
    2,
    'Error: any valid prefix is expected rather than "1.2.3.4/33".',
  ],
  ['ip addr add 1.1.1.1', 2, 'Not enough information: "dev" argument is required.'],
  ['ip foo', 2, 'Object "foo" is unknown, try "ip help".'],
  ['ip route foo', 2, 'Command "foo" is unknown, try "ip route help".'],
  ['ip route add default via', 2, 'Command line is not complete. Try option "help"'],
  ['ip link set veth0 mtu x', 2, 'Error: argument "x" is wrong: "mtu" value is invalid'],
  ['ip monitor dev nosuch0', 1, 'Cannot find device "nosuch0"'],
  ['ip neigh flush', 2, 'Flush requires arguments.'],
  ['ip route flush', 2, '"ip route flush" requires arguments.'],
  ['ip -foo link', 2, 'Option "-foo" is unknown, try "ip -help".'],
])('softnet %s exits %d', async (line, status, err) => {
  const { cli } = createSoftnet()
  const answer = await cli(line)
  expect([answer.status, answer.out]).toEqual([status, ''])
  expect(answer.err).toStartWith(err)
  expect(answer.err.split('\n')).toHaveLength(2)
})

test('monitor prints changes as they come, of one device if that is asked', async () => {
  const { request, send } = createSoftnet()
  const { run } = await import('../../../api/cli/run.ts')
  let out = ''
  const { promise: seen, resolve } = Promise.withResolvers<void>()
  const ended = new AbortController()
  const done = run(['ip', 'monitor', 'route', 'dev', 'veth0'], {
    fetch: async (path, init) => {
      const response = await request(path, init)
      return new Response(
        response.body!.pipeThrough(new TransformStream(), { signal: ended.signal })
      )
    },
    endpoint: '',
    env: {},
    json: false,
    err: () => {},
    out: (text) => {
      out += text
      if (text.startsWith('Deleted')) resolve()
    },
  })
  await send('POST', '/v1/routes', { dst: '10.41.0.0/16', dev: 'veth1' })
  await send('POST', '/v1/routes', { dst: '10.40.0.0/16', dev: 'veth0' })
  await send('DELETE', '/v1/tables/main/routes/10.40.0.0/16')
  await seen
  ended.abort()
  expect(await done).toBe(1)
  expect(out).toBe('10.40.0.0/16 scope link \nDeleted 10.40.0.0/16 scope link \n')
})
