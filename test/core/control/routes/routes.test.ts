import { describe, expect, test } from 'bun:test'
import { Errno } from '../../../../core/base/errno.ts'
import { dumped, FLAGS, itemOf, makeControl, refusal } from '../../../support/control-plane.ts'

/** eth0 10.0.0.1/24, eth1 10.1.0.1/24. */
const router = async (config = {}) => {
  const made = makeControl(config)
  await made.ip.veth('eth0')
  await made.ip.veth('eth1')
  await made.ip.addr('10.0.0.1/24', 'eth0')
  await made.ip.addr('10.1.0.1/24', 'eth1')
  return made
}

describe('ip route add', () => {
  test('via a gateway on a link of ours finds the device', async () => {
    const { ip } = await router()
    expect((await ip.route('add', '192.0.2.0/24 via 10.1.0.9')).error).toBe(0)
    expect(ip.routes()).toContain('192.0.2.0/24 via 10.1.0.9 dev eth1')
    const item = itemOf(await ip.get('192.0.2.7'))
    expect(item).toMatchObject({
      dst: '192.0.2.7',
      gateway: '10.1.0.9',
      dev: 'eth1',
      prefsrc: '10.1.0.1',
    })
  })

  test('of what is there already: File exists', async () => {
    const { ip } = await router()
    await ip.route('add', '192.0.2.0/24 via 10.1.0.9')
    const again = await ip.route('add', '192.0.2.0/24 via 10.0.0.9')
    expect(again.error).toBe(Errno.EEXIST)
    expect(refusal(again)).toBe('RTNETLINK answers: File exists')
  })

  test('by a device that speaks no IPv6 is refused where its gateway is of IPv6', async () => {
    const { ip, control } = await router()
    const name = 'net.ipv6.conf.eth1.disable_ipv6'
    await control.request({ type: 'SYSCTL_SET', name, value: 1 })
    const via = { family: 'inet6' as const, host: 'fe80::9' }
    for (const words of [
      { dst: '2001:db8::/64' },
      { dst: '2001:db8::/64', gateway: 'fe80::9' },
      { dst: '192.0.2.0/24', via },
    ]) {
      const route = { ...words, dev: 'eth1' }
      const answer = await control.request({ type: 'RTM_NEWROUTE', flags: FLAGS.add, route })
      expect(answer.error).toBe(Errno.EACCES)
      expect(refusal(answer)).toBe('Error: IPv6 is disabled on nexthop device.')
    }
    expect((await ip.route('add', '2001:db8::/64 via fe80::9 dev eth0')).error).toBe(0)
  })
  test('with another metric stands beside; the smaller metric wins', async () => {
    const { ip } = await router()
    await ip.route('add', '192.0.2.0/24 via 10.1.0.9 metric 20')
    await ip.route('add', '192.0.2.0/24 via 10.0.0.9 metric 10')
    expect(itemOf(await ip.get('192.0.2.7')).gateway).toBe('10.0.0.9')
    await ip.route('del', '192.0.2.0/24 metric 10')
    expect(itemOf(await ip.get('192.0.2.7')).gateway).toBe('10.1.0.9')
  })

  test.each([
    [
      '192.0.2.0/24 via 172.16.0.1',
      Errno.ENETUNREACH,
      'Error: Nexthop has invalid gateway.',
      'gateway',
    ],
    ['192.0.2.0/24 via 10.0.0.255', Errno.EINVAL, 'Error: Nexthop has invalid gateway.', 'gateway'],
    [
      '192.0.2.0/24 via 10.0.0.9 dev eth1',
      Errno.ENETUNREACH,
      'Error: Nexthop has invalid gateway.',
      'gateway',
    ],
    [
      '192.0.2.0/24 via 172.16.0.1 onlink',
      Errno.ENODEV,
      'Error: Nexthop device required for onlink.',
      'dev',
    ],
    [
      '192.0.2.0/24 via 10.0.0.9 scope link',
      Errno.ENETUNREACH,
      'Error: Nexthop has invalid gateway.',
      'gateway',
    ],
    ['192.0.2.0/24 dev nope', Errno.ENODEV, 'Cannot find device "nope"', 'dev'],
    ['192.0.2.0/24', Errno.ENODEV, 'RTNETLINK answers: No such device', 'dev'],
    [
      '192.0.2.1/24 dev eth0',
      Errno.EINVAL,
      'Error: Invalid prefix for given prefix length.',
      'dst',
    ],
    [
      '192.0.2.0/24 dev eth0 src 10.9.9.9',
      Errno.EINVAL,
      'Error: Invalid prefsrc address.',
      'prefsrc',
    ],
    [
      'blackhole 192.0.2.0/24 dev eth0',
      Errno.EINVAL,
      'Error: Gateway, device and multipath can not be specified for this route type.',
      'dev',
    ],
    [
      'nonsense dev eth0',
      Errno.EINVAL,
      'Error: inet prefix is expected rather than "nonsense".',
      'dst',
    ],
    ['2001:db8::/32 via fe80::1', Errno.ENODEV, 'Error: Egress device not specified.', 'dev'],
    [
      '2001:db8::/32 via ff02::1 dev eth0',
      Errno.EINVAL,
      'Error: Invalid gateway address.',
      'gateway',
    ],
    [
      '2001:db8::/32 via fd00::1',
      Errno.EHOSTUNREACH,
      'RTNETLINK answers: No route to host',
      'gateway',
    ],
  ])('%s is refused', async (words, errno, message, field) => {
    const { ip } = await router()
    const before = ip.routes({ table: 'all' })
    expect(await ip.route('add', words)).toEqual({ error: errno, message, field } as never)
    expect(ip.routes({ table: 'all' })).toEqual(before)
  })

  test('onlink takes a gateway that no route leads to', async () => {
    const { ip } = await router()
    expect((await ip.route('add', 'default via 172.16.0.1 dev eth0 onlink')).error).toBe(0)
    expect(itemOf(await ip.get('8.8.8.8'))).toMatchObject({ gateway: '172.16.0.1', dev: 'eth0' })
  })

  test('into a device that is down: Device for nexthop is not up', async () => {
    const { ip } = await router()
    await ip.veth('eth2', false)
    expect(refusal(await ip.route('add', '192.0.2.0/24 dev eth2'))).toBe(
      'Error: Device for nexthop is not up.'
    )
  })

  test('fails whole when the forwarding table is full', async () => {
    const { ip } = await router({ fibNodes: 9 })
    let refused: unknown
    let added = 0
    for (let k = 0; k < 250 && refused === undefined; k++) {
      const reply = await ip.route('add', `203.${k}.113.0/24 via 10.0.0.9`)
      if (reply.error !== 0) refused = reply
      else added++
    }
    expect(refused).toEqual({
      error: Errno.ENOSPC,
      message: 'Error: The forwarding table is full.',
    })
    expect(ip.routes().filter((line) => line.startsWith('203.'))).toHaveLength(added)
    expect((await ip.get(`203.${added}.113.1`)).error).toBe(Errno.ENETUNREACH)
  })
})

describe('ip route replace, change, append', () => {
  test('replace makes a route that is not there, and changes one that is', async () => {
    const { ip } = await router()
    expect((await ip.route('replace', '192.0.2.0/24 via 10.0.0.9')).error).toBe(0)
    expect((await ip.route('replace', '192.0.2.0/24 via 10.1.0.9')).error).toBe(0)
    expect(ip.routes().filter((line) => line.startsWith('192'))).toEqual([
      '192.0.2.0/24 via 10.1.0.9 dev eth1',
    ])
  })

  test('replace of the same again is done', async () => {
    const { ip } = await router()
    await ip.route('replace', '192.0.2.0/24 via 10.0.0.9')
    expect((await ip.route('replace', '192.0.2.0/24 via 10.0.0.9')).error).toBe(0)
  })

  test('change of a route that is not there: No such file or directory', async () => {
    const { ip } = await router()
    expect(refusal(await ip.route('change', '192.0.2.0/24 via 10.0.0.9'))).toBe(
      'RTNETLINK answers: No such file or directory'
    )
  })

  test('append puts a second one behind, prepend before', async () => {
    const { ip } = await router()
    await ip.route('add', '192.0.2.0/24 via 10.0.0.9')
    await ip.route('append', '192.0.2.0/24 via 10.0.0.8')
    expect(itemOf(await ip.get('192.0.2.7')).gateway).toBe('10.0.0.9')
    await ip.route('prepend', '192.0.2.0/24 via 10.0.0.7')
    expect(itemOf(await ip.get('192.0.2.7')).gateway).toBe('10.0.0.7')
    expect(ip.routes().filter((line) => line.startsWith('192'))).toHaveLength(3)
  })
})

describe('ip route del', () => {
  test('of a route that is not there: No such process', async () => {
    const { ip } = await router()
    expect(await ip.route('del', '192.0.2.0/24')).toEqual({
      error: Errno.ESRCH,
      message: 'RTNETLINK answers: No such process',
      field: 'dst',
    } as never)
  })

  test('takes only the route that matches all words given', async () => {
    const { ip } = await router()
    await ip.route('add', '192.0.2.0/24 via 10.0.0.9 metric 5')
    expect((await ip.route('del', '192.0.2.0/24 via 10.0.0.8')).error).toBe(Errno.ESRCH)
    expect((await ip.route('del', '192.0.2.0/24 metric 6')).error).toBe(Errno.ESRCH)
    expect((await ip.route('del', '192.0.2.0/24 via 10.0.0.9')).error).toBe(0)
    expect((await ip.get('192.0.2.7')).error).toBe(Errno.ENETUNREACH)
  })
})

describe('ip route get', () => {
  test.each([
    ['unreachable', Errno.EHOSTUNREACH, 'No route to host'],
    ['prohibit', Errno.EACCES, 'Permission denied'],
    ['blackhole', Errno.EINVAL, 'Invalid argument'],
  ])('of an %s route: %d', async (type, errno, words) => {
    const { ip } = await router()
    await ip.route('add', `${type} 192.0.2.0/24`)
    const reply = await ip.get('192.0.2.1')
    expect(reply.error).toBe(errno)
    expect(refusal(reply)).toBe(`RTNETLINK answers: ${words}`)
  })

  test('of an address of ours is local, through lo', async () => {
    const { ip } = await router()
    expect(itemOf(await ip.get('10.0.0.1'))).toMatchObject({
      type: 'local',
      dst: '10.0.0.1',
      dev: 'lo',
      // as Linux has it while the rules are the usual ones
      table: 'main',
      prefsrc: '10.0.0.1',
      cache: ['local'],
    })
  })

  test('for what comes in by a device says where it goes', async () => {
    const { ip } = await router()
    expect(itemOf(await ip.get('10.1.0.7', { src: '10.0.0.5', iif: 'eth0' }))).toMatchObject({
      dst: '10.1.0.7',
      from: '10.0.0.5',
      dev: 'eth1',
      iif: 'eth0',
    })
  })

  test('of what comes in has no user, and says when its sender is told of a better hop', async () => {
    const { ip } = await router()
    await ip.route('add', '192.0.2.0/24 via 10.0.0.9')
    const back = itemOf(await ip.get('192.0.2.1', { src: '10.0.0.5', iif: 'eth0' }))
    expect(back).toMatchObject({ dev: 'eth0', cache: ['redirect'] })
    expect(back).not.toHaveProperty('uid')
    const through = await ip.get('192.0.2.1', { src: '10.1.0.5', iif: 'eth1' })
    expect(itemOf(through)).toMatchObject({ dev: 'eth0', cache: [] })
    expect(itemOf(await ip.get('192.0.2.1')).uid).toBe(0)
  })

  test('of a broadcast is ours by lo, or goes on where bc_forwarding says so', async () => {
    const { ip, control } = await router()
    const query = { src: '10.0.0.5', iif: 'eth0' }
    for (const dst of ['10.1.0.255', '255.255.255.255'])
      expect(itemOf(await ip.get(dst, query))).toMatchObject({ dev: 'lo', cache: ['local', 'brd'] })
    for (const dev of ['all', 'eth0'])
      await control.request({
        type: 'SYSCTL_SET',
        name: `net.ipv4.conf.${dev}.bc_forwarding`,
        value: 1,
      })
    expect(itemOf(await ip.get('10.1.0.255', query))).toMatchObject({ dev: 'eth1', cache: [] })
  })

  test('does not tell which reason refuses a sender', async () => {
    const { ip, control } = await router()
    await control.request({
      type: 'SYSCTL_SET',
      name: 'net.ipv4.conf.eth0.rp_filter',
      value: 1,
    })
    const reply = await ip.get('10.1.0.7', { src: '10.1.0.5', iif: 'eth0' })
    expect(refusal(reply)).toBe('RTNETLINK answers: Invalid argument')
  })

  test('of IPv6 is answered by a host that forwards nothing, and of a group by its device', async () => {
    const { ip, control } = await router()
    await ip.addr('fd00::1/64', 'eth0')
    await ip.addr('fd01::1/64', 'eth1')
    await control.request({ type: 'SYSCTL_SET', name: 'net.ipv6.conf.all.forwarding', value: 0 })
    const through = await ip.get('fd01::9', { src: 'fd00::9', iif: 'eth0' })
    expect(itemOf(through)).toMatchObject({ dev: 'eth1', from: 'fd00::9' })
    expect(itemOf(await ip.get('ff02::1', { oif: 'eth0' }))).toMatchObject({
      type: 'multicast',
      dev: 'eth0',
      table: 'local',
      protocol: 'kernel',
      metric: 256,
    })
  })

  test('asks for a protocol and its ports, as rules do: UDP when nobody says otherwise', async () => {
    const { control } = await router()
    const rule = { ipproto: 'udp', dport: 53, action: 'prohibit' } as const
    await control.request({ type: 'RTM_NEWRULE', flags: FLAGS.add, rule })
    const get = (more: object) =>
      control.request({ type: 'RTM_GETROUTE', dst: '10.1.0.7', ...more })
    expect((await get({})).error).toBe(0)
    expect((await get({ dport: 53 })).error).toBe(Errno.EACCES)
    expect((await get({ dport: 53, ipproto: 'udp' })).error).toBe(Errno.EACCES)
    expect((await get({ dport: 53, ipproto: 'tcp' })).error).toBe(0)
    expect(refusal(await get({ ipproto: 'esp' }))).toBe('Error: Unsupported ip proto.')
  })

  test('knows the MTU of a route', async () => {
    const { ip } = await router()
    await ip.route('add', '192.0.2.0/24 via 10.0.0.9 mtu 1400')
    expect(itemOf(await ip.get('192.0.2.1')).metrics).toEqual([{ mtu: 1400 }])
  })
})

test('a table that no rule names holds routes that nothing uses', async () => {
  const { ip } = await router()
  await ip.route('add', '192.0.2.0/24 via 10.0.0.9 table 100')
  expect(ip.routes({ table: '100' })).toEqual(['192.0.2.0/24 via 10.0.0.9 dev eth0'])
  expect(ip.routes()).not.toContain('192.0.2.0/24 via 10.0.0.9 dev eth0')
  expect((await ip.get('192.0.2.1')).error).toBe(Errno.ENETUNREACH)
})

test('a v6 route and the fe80 routes of several devices stand side by side', async () => {
  const { ip, control } = await router()
  await ip.addr('fd00::1/64', 'eth0')
  expect((await ip.route('add', '2001:db8::/32 via fd00::9')).error).toBe(0)
  expect(itemOf(await ip.get('2001:db8::5'))).toMatchObject({
    gateway: 'fd00::9',
    dev: 'eth0',
    prefsrc: 'fd00::1',
  })
  for (const oif of ['eth0', 'eth1'])
    expect(itemOf(await ip.get('fe80::77', { oif })).dev).toBe(oif)
  const all = dumped(control, { type: 'RTM_GETROUTE', filter: { family: 'inet6' } })
  expect(
    all
      .filter(({ dst }) => dst === 'fe80::/64')
      .map(({ dev }) => dev)
      .sort()
  ).toEqual(['eth0', 'eth0p', 'eth1', 'eth1p'])
})

describe('a batch', () => {
  const add = (dst: string, gateway: string) =>
    ({ type: 'RTM_NEWROUTE', flags: 0x600, route: { dst, gateway } }) as const

  test('that is atomic changes nothing when one message is refused, and says which', async () => {
    const { ip, control } = await router()
    await ip.route('add', '198.51.100.0/24 via 10.0.0.9')
    const before = ip.routes({ table: 'all' })
    const reply = await control.request({
      type: 'BATCH',
      atomic: true,
      messages: [
        add('192.0.2.0/24', '10.0.0.9'),
        { type: 'RTM_DELROUTE', route: { dst: '198.51.100.0/24' } },
        add('203.0.113.0/24', '172.16.0.1'),
      ],
    })
    expect(reply).toMatchObject({ error: Errno.ENETUNREACH, index: 2, field: 'gateway' })
    expect(ip.routes({ table: 'all' })).toEqual(before)
    expect(itemOf(await ip.get('198.51.100.1')).gateway).toBe('10.0.0.9')
  })

  test('is one revision', async () => {
    const { control } = await router()
    const before = control.revision()
    const messages = Array.from({ length: 50 }, (_, k) => add(`192.0.${k}.0/24`, '10.0.0.9'))
    const reply = await control.request({ type: 'BATCH', messages })
    expect(reply).toMatchObject({ error: 0, revision: before + 1, applied_by: [0, 1] })
  })
})

test("what routes of IPv6 say of the MTU falls with their device's, and rises with it from there", async () => {
  const { ip, control } = await router()
  await ip.addr('2001:db8:1::1/64', 'eth1')
  await ip.addr('2001:db8::1/64', 'eth0')
  await ip.route('add', '2001:db8:a::/64 via 2001:db8:1::9 mtu 1400')
  await control.request({
    type: 'RTM_NEWROUTE',
    flags: FLAGS.add,
    route: {
      dst: '2001:db8:b::/64',
      gateway: '2001:db8:1::9',
      metrics: [{ mtu: 1400, lock: ['mtu'] }],
    },
  })
  await ip.route('add', '2001:db8:c::/64 via 2001:db8::9 mtu 1400')
  await ip.route('add', '2001:db8:d::/64 via 2001:db8:1::9')
  await ip.route('add', '10.9.0.0/16 via 10.1.0.9 mtu 1400')
  const said = async (): Promise<unknown[]> => {
    const hosts = ['2001:db8:a::1', '2001:db8:b::1', '2001:db8:c::1', '2001:db8:d::1', '10.9.0.1']
    const found = await Promise.all(hosts.map((dst) => ip.get(dst)))
    return found.map((one) => itemOf(one).metrics?.[0]?.mtu)
  }
  expect(await said()).toEqual([1400, 1400, 1400, undefined, 1400])
  await ip.link('eth1', { mtu: 1450 })
  expect(await said()).toEqual([1400, 1400, 1400, undefined, 1400])
  await ip.link('eth1', { mtu: 1300 })
  expect(await said()).toEqual([1300, 1400, 1400, undefined, 1400])
  await ip.link('eth1', { mtu: 1500 })
  expect(await said()).toEqual([1500, 1400, 1400, undefined, 1400])
})
