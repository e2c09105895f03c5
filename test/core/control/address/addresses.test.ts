import { describe, expect, test } from 'bun:test'
import { AF_INET, AF_INET6 } from '../../../../core/base/family.ts'
import { Errno } from '../../../../core/base/errno.ts'
import { NLM_F_CREATE } from '../../../../core/control/nlm-flags.ts'
import { readMembers } from '../../../../core/inet/mc/mc-read.ts'
import { Ipi } from '../../../../core/shm/ipi.ts'
import { formatWords } from '../../../../core/wire/text.ts'
import { dumped, itemOf, makeControl, refusal } from '../../../support/control-plane.ts'

const host = async () => {
  const made = makeControl()
  await made.ip.veth('eth0')
  return made
}
const onEth0 = (lines: string[]): string[] =>
  lines.filter((line) => line.includes('dev eth0 ') || line.endsWith('dev eth0'))

describe('ip addr add 10.0.0.1/24', () => {
  test('makes the local, broadcast and connected routes', async () => {
    const { ip } = await host()
    await ip.addr('10.0.0.1/24', 'eth0')
    expect(ip.routes()).toEqual(['10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.1'])
    expect(onEth0(ip.routes({ table: 'local' })).sort()).toEqual([
      'broadcast 10.0.0.255 dev eth0 proto kernel scope link src 10.0.0.1',
      'local 10.0.0.1 dev eth0 proto kernel scope host src 10.0.0.1',
    ])
  })

  test('and del takes them away', async () => {
    const { ip } = await host()
    const before = ip.routes({ table: 'all' })
    await ip.addr('10.0.0.1/24', 'eth0')
    expect((await ip.addrDel('10.0.0.1/24', 'eth0')).error).toBe(0)
    expect(ip.routes({ table: 'all' })).toEqual(before)
    expect((await ip.get('10.0.0.7')).error).toBe(Errno.ENETUNREACH)
  })

  test('twice: Address already assigned', async () => {
    const { ip } = await host()
    await ip.addr('10.0.0.1/24', 'eth0')
    const again = await ip.addr('10.0.0.1/24', 'eth0')
    expect(again.error).toBe(Errno.EEXIST)
    expect(refusal(again)).toBe('Error: ipv4: Address already assigned.')
  })

  test('while the device is down: only its own address is a route', async () => {
    const { ip } = makeControl()
    expect(ip.routes()).toEqual([])
    const made = makeControl()
    await made.ip.veth('eth0', false)
    await made.ip.addr('10.0.0.1/24', 'eth0')
    expect(made.ip.routes()).toEqual([])
    expect(onEth0(made.ip.routes({ table: 'local' }))).toEqual([
      'local 10.0.0.1 dev eth0 proto kernel scope host src 10.0.0.1',
    ])
    await made.ip.link('eth0', { up: true })
    // its peer is not up
    const link = '10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.1'
    expect(made.ip.routes()).toEqual([`${link} linkdown`])
    await made.ip.link('eth0p', { up: true })
    expect(made.ip.routes()).toEqual([link])
  })
})

test('a second address of the subnet is secondary, and goes with the first', async () => {
  const { ip, control } = await host()
  await ip.addr('10.0.0.1/24', 'eth0')
  const second = await ip.addr('10.0.0.2/24', 'eth0')
  expect(second).toMatchObject({ error: 0, item: { local: '10.0.0.2', secondary: true } })
  expect(ip.routes()).toHaveLength(1)
  await ip.addrDel('10.0.0.1/24', 'eth0')
  const [eth0] = dumped(control, { type: 'RTM_GETADDR', filter: { dev: 'eth0' } })
  expect(eth0!.addr_info.filter(({ family }) => family === 'inet')).toEqual([])
})

test('with its last IPv4 address a device forgets its neighbours of IPv4, and for whom it answers', async () => {
  const { ip, control, workerIpi, turn } = await host()
  const forgotten: number[] = []
  workerIpi[0]!.on(Ipi.NEIGH_IFDOWN, (_from, _ifindex, family) => forgotten.push(family))
  await ip.addr('10.0.0.1/24', 'eth0')
  await ip.addr('10.0.1.1/24', 'eth0')
  await ip.addr('fd00::1/64', 'eth0')
  for (const dst of ['10.9.9.9', 'fd00::9']) {
    const neigh = { dev: 'eth0', dst, flags: ['proxy'] }
    await control.request({ type: 'RTM_NEWNEIGH', flags: NLM_F_CREATE, neigh })
  }
  const answeredFor = (): string[] =>
    dumped(control, { type: 'RTM_GETNEIGH', filter: { proxy: true } }).map(({ dst }) => dst)
  await ip.addrDel('10.0.0.1/24', 'eth0')
  turn()
  expect([forgotten, answeredFor()]).toEqual([[], ['10.9.9.9', 'fd00::9']])
  await ip.addrDel('10.0.1.1/24', 'eth0')
  turn()
  expect([forgotten, answeredFor()]).toEqual([[AF_INET], ['fd00::9']])
  // so does one that is to speak no IPv6
  const name = 'net.ipv6.conf.eth0.disable_ipv6'
  await control.request({ type: 'SYSCTL_SET', name, value: 1 })
  turn()
  expect([forgotten, answeredFor()]).toEqual([[AF_INET, AF_INET6], []])
})

test.each([
  ['eth0', {}, ['2001:db8:1::1', '2001:db8:3::1']],
  ['all', {}, ['2001:db8:1::1', '2001:db8:3::1']],
  ['eth0', { all: -1 }, []],
])(
  'keep_addr_on_down of %s with %j: while the device is down IPv6 has %j',
  async (of, more, kept) => {
    const { ip, control } = await host()
    const before = ip.routes({ family: 'inet6', table: 'all' })
    await ip.addr('2001:db8:1::1/64', 'eth0')
    await ip.addr('2001:db8:2::1/64', 'eth0', { valid_life_time: 1000, preferred_life_time: 500 })
    await ip.addr('2001:db8:3::1/64', 'eth0', { flags: ['nodad'] })
    await ip.addr('fe80::77/64', 'eth0')
    expect((await ip.route('add', '2001:db8:9::/48 via 2001:db8:1::2')).error).toBe(0)
    for (const [row, value] of Object.entries({ [of]: 1, ...more })) {
      const name = `net.ipv6.conf.${row}.keep_addr_on_down`
      expect((await control.request({ type: 'SYSCTL_SET', name, value })).error).toBe(0)
    }
    const shown = (): string[] =>
      dumped(control, { type: 'RTM_GETADDR', filter: { dev: 'eth0', family: 'inet6' } })
        .flatMap(({ addr_info }) => addr_info)
        .map(({ local }) => local)
    await ip.link('eth0', { up: false })
    expect(shown().sort()).toEqual(kept)
    expect(onEth0(ip.routes({ family: 'inet6', table: 'all' }))).toEqual([])
    await ip.link('eth0', { up: true })
    const routes = onEth0(ip.routes({ family: 'inet6', table: 'all' }))
    for (const [local, network] of [
      ['2001:db8:1::1', '2001:db8:1::/64'],
      ['2001:db8:3::1', '2001:db8:3::/64'],
    ] as const) {
      const isThere = routes.some((line) => line.startsWith(`local ${local} `))
      const hasNetwork = routes.some((line) => line.startsWith(`${network} `))
      expect([isThere, hasNetwork]).toEqual([kept.length > 0, kept.length > 0])
    }
    for (const local of kept) await ip.addrDel(`${local}/64`, 'eth0')
    expect(ip.routes({ family: 'inet6', table: 'all' }).sort()).toEqual(before.sort())
  }
)

test('where promote_secondaries says so the first secondary takes the place of the primary, and what leads to the subnet stays', async () => {
  const { ip, control } = await host()
  for (const text of ['10.0.0.1/24', '10.0.0.2/24', '10.0.0.3/24', '10.1.0.1/24'])
    await ip.addr(text, 'eth0')
  for (const words of ['10.9.0.0/16 via 10.0.0.9', '10.8.0.0/16 via 10.0.0.9 src 10.0.0.1'])
    expect((await ip.route('add', words)).error).toBe(0)
  const name = 'net.ipv4.conf.eth0.promote_secondaries'
  await control.request({ type: 'SYSCTL_SET', name, value: 1 })
  await ip.addrDel('10.0.0.1/24', 'eth0')
  const shown = (): string[] =>
    dumped(control, { type: 'RTM_GETADDR', filter: { dev: 'eth0', family: 'inet' } })[0]!
      .addr_info.map(({ local, secondary }) => `${local}${secondary ? ' secondary' : ''}`)
      .sort()
  expect(shown()).toEqual(['10.0.0.2', '10.0.0.3 secondary', '10.1.0.1'])
  expect(ip.routes().sort()).toEqual([
    '10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.2',
    '10.1.0.0/24 dev eth0 proto kernel scope link src 10.1.0.1',
    '10.9.0.0/16 via 10.0.0.9 dev eth0',
  ])
  expect(onEth0(ip.routes({ table: 'local' })).sort()).toEqual([
    'broadcast 10.0.0.255 dev eth0 proto kernel scope link src 10.0.0.2',
    'broadcast 10.1.0.255 dev eth0 proto kernel scope link src 10.1.0.1',
    'local 10.0.0.2 dev eth0 proto kernel scope host src 10.0.0.2',
    'local 10.0.0.3 dev eth0 proto kernel scope host src 10.0.0.2',
    'local 10.1.0.1 dev eth0 proto kernel scope host src 10.1.0.1',
  ])
  // the one that was primary before it comes first (last_prim)
  expect(await ip.get('10.200.0.1', { oif: 'eth0' })).toMatchObject({
    item: { prefsrc: '10.1.0.1' },
  })
  for (const text of ['10.0.0.3/24', '10.0.0.2/24']) await ip.addrDel(text, 'eth0')
  expect(shown()).toEqual(['10.1.0.1'])
  expect(ip.routes().sort()).toEqual([
    '10.1.0.0/24 dev eth0 proto kernel scope link src 10.1.0.1',
    '10.9.0.0/16 via 10.0.0.9 dev eth0',
  ])
})

test('/31, /32 and noprefixroute make no more than they should', async () => {
  const { ip } = await host()
  await ip.addr('10.0.0.0/31', 'eth0')
  await ip.addr('10.2.0.1/32', 'eth0')
  await ip.addr('10.3.0.1/24', 'eth0', { flags: ['noprefixroute'] })
  expect(ip.routes()).toEqual(['10.0.0.0/31 dev eth0 proto kernel scope link src 10.0.0.0'])
  expect(
    ip
      .routes({ table: 'local' })
      .filter((line) => line.startsWith('broadcast') && line.includes('eth0'))
  ).toEqual(['broadcast 10.3.0.255 dev eth0 proto kernel scope link src 10.3.0.1'])
})

test('an address shared by two devices stays a local route until both are gone', async () => {
  const { ip } = await host()
  await ip.veth('eth1')
  await ip.addr('10.0.0.1/24', 'eth0')
  await ip.addr('10.0.0.1/24', 'eth1')
  await ip.addrDel('10.0.0.1/24', 'eth0')
  expect(itemOf(await ip.get('10.0.0.1'))).toMatchObject({ type: 'local' })
  expect(itemOf(await ip.get('10.0.0.9'))).toMatchObject({ dev: 'eth1' })
  await ip.addrDel('10.0.0.1/24', 'eth1')
  expect((await ip.get('10.0.0.1')).error).toBe(Errno.ENETUNREACH)
})

test('routes that prefer an address go with it', async () => {
  const { ip } = await host()
  await ip.addr('10.0.0.1/24', 'eth0')
  await ip.addr('10.9.0.1/24', 'eth0')
  await ip.route('add', '192.0.2.0/24 via 10.0.0.9 src 10.9.0.1')
  await ip.addrDel('10.9.0.1/24', 'eth0')
  expect(ip.routes().filter((line) => line.startsWith('192'))).toEqual([])
})

test('with its last address a device loses its IPv4 routes', async () => {
  const { ip } = await host()
  await ip.addr('10.0.0.1/24', 'eth0')
  await ip.route('add', '192.0.2.0/24 dev eth0')
  await ip.addrDel('10.0.0.1/24', 'eth0')
  expect(ip.routes()).toEqual([])
})

describe('ip link set down', () => {
  test('takes the routes through the device; IPv4 addresses stay and bring the connected route back', async () => {
    const { ip } = await host()
    await ip.addr('10.0.0.1/24', 'eth0')
    await ip.route('add', 'default via 10.0.0.254')
    await ip.link('eth0', { up: false })
    expect(ip.routes()).toEqual([])
    expect(itemOf(await ip.get('10.0.0.1')).type).toBe('local')
    await ip.link('eth0', { up: true })
    expect(ip.routes()).toEqual(['10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.1'])
  })

  test('takes IPv6 addresses; up gives a link-local one again', async () => {
    const { ip, control } = await host()
    await ip.addr('fd00::1/64', 'eth0')
    const locals = () =>
      dumped(control, { type: 'RTM_GETADDR', filter: { dev: 'eth0', family: 'inet6' } }).flatMap(
        (a) => a.addr_info
      )
    expect(locals().map(({ scope }) => scope)).toEqual(['link', 'global'])
    await ip.link('eth0', { up: false })
    expect(locals()).toEqual([])
    await ip.link('eth0', { up: true })
    expect(locals().map(({ scope, prefixlen }) => [scope, prefixlen])).toEqual([['link', 64]])
  })
})

test('lo has its addresses and their routes from the beginning', () => {
  const { ip, control } = makeControl()
  expect(ip.routes({ table: 'local' }).sort()).toEqual([
    'broadcast 127.255.255.255 dev lo proto kernel scope link src 127.0.0.1',
    'local 127.0.0.0/8 dev lo proto kernel scope host src 127.0.0.1',
    'local 127.0.0.1 dev lo proto kernel scope host src 127.0.0.1',
  ])
  const [lo] = [...control.dump({ type: 'RTM_GETADDR' })].flat()
  expect(lo).toMatchObject({
    ifname: 'lo',
    flags: ['LOOPBACK', 'UP', 'LOWER_UP'],
    operstate: 'UNKNOWN',
  })
  expect(lo!.addr_info.map(({ local, scope }) => [local, scope])).toEqual([
    ['127.0.0.1', 'host'],
    ['::1', 'host'],
  ])
})

test.each([
  ['0.0.0.0/24', 'RTNETLINK answers: Cannot assign requested address'],
  ['224.0.0.1/24', 'RTNETLINK answers: Cannot assign requested address'],
  ['10.0.0.1/33', 'Error: inet prefix is expected rather than "10.0.0.1/33".'],
  ['ten/8', 'Error: inet prefix is expected rather than "ten".'],
])('ip addr add %s is refused', async (text, words) => {
  const { ip } = await host()
  expect(refusal(await ip.addr(text, 'eth0'))).toBe(words)
})

test('ip addr del of what is not there: Address not found', async () => {
  const { ip } = await host()
  expect(refusal(await ip.addrDel('10.0.0.1/24', 'eth0'))).toBe('Error: ipv4: Address not found.')
})

test('an IPv6 address brings its solicited-node group, once for all that share it', async () => {
  const { arena, ip } = makeControl()
  await ip.veth('eth0')
  const groups = (): string[] =>
    [...readMembers(arena)].map(({ words }) => formatWords(...words)).sort()
  const before = groups()
  await ip.addr('fd00::12:3456/64', 'eth0')
  await ip.addr('fd01::12:3456/64', 'eth0')
  await ip.addr('10.0.0.1/24', 'eth0')
  expect(groups()).toEqual([...before, 'ff02::1:ff12:3456'].sort())
  await ip.addrDel('fd00::12:3456/64', 'eth0')
  expect(groups()).toHaveLength(before.length + 1)
  await ip.addrDel('fd01::12:3456/64', 'eth0')
  expect(groups()).toEqual(before)
})

test('so does an IPv6 address of another that we answer for (RFC 4861 section 7.2.8)', async () => {
  const { arena, control, ip } = makeControl()
  await ip.veth('eth0')
  const groups = (): string[] =>
    [...readMembers(arena)].map(({ words }) => formatWords(...words)).sort()
  const before = groups()
  const neigh = { dev: 'eth0', dst: 'fd00::12:3456' }
  const flags = NLM_F_CREATE
  await control.request({ type: 'RTM_NEWNEIGH', flags, neigh: { ...neigh, flags: ['proxy'] } })
  expect(groups()).toEqual([...before, 'ff02::1:ff12:3456'].sort())
  await control.request({ type: 'RTM_DELNEIGH', neigh: { ...neigh, proxy: true } })
  expect(groups()).toEqual(before)
})

test('a router is asked for the anycast addresses of its networks by their groups, a host is not', async () => {
  const { arena, control, ip } = makeControl()
  const set = (name: string, value: number) =>
    control.request({ type: 'SYSCTL_SET', name: `net.ipv6.conf.${name}`, value })
  const forward = (value: number) => set('all.forwarding', value)
  // nobody is there who would try the addresses first
  await set('default.accept_dad', 0)
  await forward(0)
  await ip.veth('eth0')
  const groups = (): string[] =>
    [...readMembers(arena)].map(({ words, users }) => `${formatWords(...words)} ${users}`).sort()
  await ip.addr('fd00::12:3456/64', 'eth0')
  const before = groups()
  await forward(1)
  // that of fd00:: and that of fe80::, on this end of the pair; its other end has fe80:: alone
  expect(groups().filter((one) => !before.includes(one))).toEqual([
    'ff02::1:ff00:0 1',
    'ff02::1:ff00:0 2',
  ])
  await ip.addrDel('fd00::12:3456/64', 'eth0')
  expect(groups()).toContain('ff02::1:ff00:0 1')
  expect(groups()).not.toContain('ff02::1:ff00:0 2')
  await ip.addr('fd00::12:3456/64', 'eth0')
  await forward(0)
  expect(groups()).toEqual(before)
})

test('an address on a link between two has no anycast address, and takes none from the others (RFC 6164)', async () => {
  const { control, ip } = makeControl()
  const set = (name: string, value: number) =>
    control.request({ type: 'SYSCTL_SET', name: `net.ipv6.conf.${name}`, value })
  await set('default.accept_dad', 0)
  await set('all.forwarding', 1)
  await ip.veth('eth0')
  await ip.veth('eth1')
  await ip.addr('fd00::1/64', 'eth0')
  await ip.addr('fd01::1/127', 'eth0')
  const anycast = (): string[] =>
    ip.routes({ family: 'inet6', table: 'local' }).filter((line) => line.startsWith('anycast fd0'))
  const before = anycast()
  expect(before).toEqual(['anycast fd00:: dev eth0 proto kernel metric 0'])
  await set('eth1.forwarding', 0)
  expect(anycast()).toEqual(before)
  await set('eth0.forwarding', 0)
  expect(anycast()).toEqual([])
})

test('while the device is down an IPv6 address that nobody has to be asked for is ours, its network is not there', async () => {
  const { ip, control } = makeControl()
  await ip.veth('eth0', false)
  await ip.addr('fd00::1/64', 'eth0')
  const routes = (): string[] =>
    onEth0(ip.routes({ family: 'inet6', table: 'all' })).filter((line) => line.includes('fd00::'))
  const ours = [
    'anycast fd00:: dev eth0 proto kernel metric 0',
    'local fd00::1 dev eth0 proto kernel metric 0',
  ]
  expect(routes().sort()).toEqual(ours)
  await ip.link('eth0', { up: true })
  expect(routes()).toContainEqual(expect.stringMatching(/^fd00::\/64 dev eth0/))
  await ip.link('eth0', { up: false })
  expect(routes()).toEqual([])
  await control.request({
    type: 'SYSCTL_SET',
    name: 'net.ipv6.conf.eth0.accept_dad',
    value: 1,
  })
  await ip.addr('fd00::1/64', 'eth0')
  expect(routes()).toEqual([])
})
