import { describe, expect, test } from 'bun:test'
import { createMcGroups } from '../../../../core/inet/mc/mc-groups.ts'
import { Errno } from '../../../../core/base/errno.ts'
import {
  bindFlow,
  createFlowi,
  FL_DADDR,
  FL_DEV,
  FL_DST,
  FL_F_LINK_SCOPE,
  FL_FAMILY,
  FL_FLAGS,
  FL_IIF,
  FL_MTU,
  FL_OIF,
  FL_SADDR,
  FL_TYPE,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
} from '../../../../core/base/flowi.ts'
import { NH_FAMILY, NH_GATEWAY } from '../../../../core/inet/fib/nexthop-constants.ts'
import type { Words } from '../../../../core/wire/text.ts'
import { formatWords, parseAddr } from '../../../../core/wire/text.ts'
import { dumped, FLAGS, makeControl } from '../../../support/control-plane.ts'

/** lan 10.0.0.1/24 fd00::1/64, wan 192.0.2.2/24 2001:db8::2/64, default routes through wan. */
const network = async () => {
  const made = makeControl()
  const { ip, router, arena } = made
  for (const dev of ['lan', 'wan']) await ip.veth(dev)
  await ip.addr('10.0.0.1/24', 'lan')
  await ip.addr('fd00::1/64', 'lan')
  await ip.addr('192.0.2.2/24', 'wan')
  await ip.addr('2001:db8::2/64', 'wan')
  await ip.route('add', 'default via 192.0.2.1')
  await ip.route('add', 'default via 2001:db8::1')
  const index = Object.fromEntries(
    [...made.control.dump({ type: 'RTM_GETLINK' })].flat().map((l) => [l.ifname, l.ifindex])
  )
  const nameOf = (ifindex: number): string =>
    Object.keys(index).find((name) => index[name] === ifindex) ?? '-'
  const fl = createFlowi()
  const words = (view: Int32Array, at: number): Words => [
    view[at]!,
    view[at + 1]!,
    view[at + 2]!,
    view[at + 3]!,
  ]
  const fill = (src: string | null, dst: string) => {
    const to = parseAddr(dst)!
    fl.fill(0)
    fl[FL_FAMILY] = to.family === 4 ? 2 : 10
    fl.set(to.words, FL_DADDR)
    if (src !== null) fl.set(parseAddr(src)!.words, FL_SADDR)
  }
  const result = (error: number) => {
    if (error !== 0) return error
    const row = fl[FL_DST]!
    const via = fl[FL_TYPE] === RTN_UNICAST && arena.i32[row + NH_FAMILY] !== 0
    return {
      type: fl[FL_TYPE],
      dev: nameOf(fl[FL_DEV]!),
      ...(via && { via: formatWords(...words(arena.i32, row + NH_GATEWAY)) }),
    }
  }
  createMcGroups({
    arena,
    onChange: () => {},
    onDevice: () => {},
    proxied: () => [],
    proxiedGroups: () => [],
  })
  const input = (src: string, dst: string, iif: string) => {
    fill(src, dst)
    fl[FL_IIF] = index[iif]!
    return result(router.routeInput(fl))
  }
  const output = (dst: string, { src = null, oif }: { src?: string | null; oif?: string } = {}) => {
    fill(src, dst)
    fl[FL_OIF] = oif === undefined ? 0 : index[oif]!
    const found = result(router.routeOutput(fl))
    return typeof found === 'number'
      ? found
      : { ...found, src: formatWords(...words(fl, FL_SADDR)) }
  }
  /** The same without a router on the way. */
  const onLink = (dst: string, oif?: string) => {
    fill(null, dst)
    bindFlow(fl, oif === undefined ? 0 : index[oif]!)
    fl[FL_FLAGS]! |= FL_F_LINK_SCOPE
    return result(router.routeOutput(fl))
  }
  const sysctl = (name: string, value: number) =>
    made.control.request({ type: 'SYSCTL_SET', name: `net.ipv4.${name}`, value })
  return { ...made, input, output, onLink, fl, index, sysctl }
}

describe('a received packet', () => {
  test.each([
    ['10.0.0.5', '10.0.0.1', 'lan', RTN_LOCAL, 'lo'],
    ['10.0.0.5', '192.0.2.2', 'lan', RTN_LOCAL, 'lo'],
    ['10.0.0.5', '10.0.0.255', 'lan', RTN_BROADCAST, 'lan'],
    ['10.0.0.5', '255.255.255.255', 'lan', RTN_BROADCAST, 'lan'],
    ['0.0.0.0', '255.255.255.255', 'lan', RTN_BROADCAST, 'lan'],
    ['10.0.0.5', '224.0.0.1', 'lan', RTN_MULTICAST, 'lan'],
    ['0.0.0.0', '224.0.0.1', 'lan', RTN_MULTICAST, 'lan'],
    ['127.0.0.1', '127.0.0.1', 'lo', RTN_LOCAL, 'lo'],
    ['fd00::5', 'fd00::1', 'lan', RTN_LOCAL, 'lo'],
    ['fe80::5', 'ff02::1', 'lan', RTN_MULTICAST, 'lan'],
    ['::1', '::1', 'lo', RTN_LOCAL, 'lo'],
  ])('%s -> %s by %s is for this host', async (src, dst, iif, type, dev) => {
    const { input } = await network()
    expect(input(src, dst, iif)).toEqual({ type, dev })
  })

  test.each([
    ['10.0.0.5', '8.8.8.8', 'lan', { dev: 'wan', via: '192.0.2.1' }],
    ['8.8.8.8', '10.0.0.5', 'wan', { dev: 'lan' }],
    ['10.0.0.5', '0.1.2.3', 'lan', { dev: 'wan', via: '192.0.2.1' }],
    ['0.1.2.3', '10.0.0.5', 'wan', { dev: 'lan' }],
    ['fd00::5', '2001:4860::8', 'lan', { dev: 'wan', via: '2001:db8::1' }],
  ])('%s -> %s by %s is forwarded', async (src, dst, iif, way) => {
    const { input } = await network()
    expect(input(src, dst, iif)).toEqual({ type: RTN_UNICAST, ...way })
  })

  test.each([
    ['a multicast source', '224.0.0.1', '10.0.0.1', 'lan'],
    ['the broadcast address as source', '255.255.255.255', '10.0.0.1', 'lan'],
    ['a loopback source', '127.0.0.1', '10.0.0.1', 'lan'],
    ['a loopback destination', '10.0.0.5', '127.0.0.1', 'lan'],
    ['nobody as destination', '10.0.0.5', '0.0.0.0', 'lan'],
    ['our own address as source', '192.0.2.2', '10.0.0.1', 'lan'],
    ["a subnet's broadcast address as source", '10.0.0.255', '10.0.0.1', 'lan'],
    ["our own address as a group's source", '10.0.0.1', '224.0.0.1', 'lan'],
    ['a loopback source towards a group', '127.0.0.1', '224.0.0.1', 'lan'],
    ['a group that nobody has joined', '10.0.0.5', '224.0.0.251', 'lan'],
    ['no source towards a unicast address', '0.0.0.0', '10.0.0.1', 'lan'],
    ['an IPv6 multicast source', 'ff02::1', 'fd00::1', 'lan'],
    ['an IPv6 loopback destination', 'fd00::5', '::1', 'lan'],
  ])('with %s is a martian', async (_, src, dst, iif) => {
    const { input } = await network()
    expect(input(src, dst, iif)).toBe(-Errno.EINVAL)
  })

  test.each([
    ['192.0.2.9', '10.9.0.1', '10.0.0.5', 9000],
    ['2001:db8::9', '2001:db8:5::1', 'fd00::5', 1500],
  ])('by a route via %s that takes more than the link', async (via, dst, src, most) => {
    const { input, ip, fl } = await network()
    const mtuBy = async (words: string): Promise<number> => {
      await ip.route('replace', `${dst} via ${via} ${words}`)
      expect(input(src, dst, 'lan')).toMatchObject({ dev: 'wan' })
      return fl[FL_MTU]!
    }
    expect(await mtuBy('mtu 9000')).toBe(most)
    expect(await mtuBy('mtu 1400')).toBe(1400)
    expect(await mtuBy('mtu lock 9000')).toBe(9000)
  })

  test('to forward is refused while forwarding is off, to us it is not', async () => {
    const { input, sysctl } = await network()
    await sysctl('ip_forward', 0)
    expect(input('10.0.0.5', '8.8.8.8', 'lan')).toBe(-Errno.EHOSTUNREACH)
    expect(input('10.0.0.5', '10.0.0.1', 'lan')).toMatchObject({ type: RTN_LOCAL })
    expect(input('fd00::5', '2001:4860::8', 'lan')).toMatchObject({ dev: 'wan' })
  })

  test('that no route fits is ENETUNREACH; routes that refuse have their own errno', async () => {
    const { input, ip } = await network()
    await ip.route('del', 'default')
    expect(input('10.0.0.5', '8.8.8.8', 'lan')).toBe(-Errno.ENETUNREACH)
    await ip.route('add', 'unreachable 8.8.0.0/16')
    await ip.route('add', 'prohibit 9.9.0.0/16')
    await ip.route('add', 'blackhole 7.7.0.0/16')
    expect(input('10.0.0.5', '8.8.8.8', 'lan')).toBe(-Errno.EHOSTUNREACH)
    expect(input('10.0.0.5', '9.9.9.9', 'lan')).toBe(-Errno.EACCES)
    expect(input('10.0.0.5', '7.7.7.7', 'lan')).toBe(-Errno.EINVAL)
  })

  test('leaves by the device that it came by, where IPv6 has equal routes to one prefix', async () => {
    const { input, output, ip } = await network()
    await ip.addr('fd00::2/64', 'wan')
    expect([input('fd00::5', 'fd00::9', 'lan'), input('fd00::5', 'fd00::9', 'wan')]).toMatchObject([
      { dev: 'lan' },
      { dev: 'wan' },
    ])
    expect(output('fd00::9')).toMatchObject({ dev: 'lan' })
    // a better one is better
    await ip.route('add', 'fd00::/64 dev lan metric 10')
    expect(input('fd00::5', 'fd00::9', 'wan')).toMatchObject({ dev: 'lan' })
    // of next hops that share their flows none is
    await ip.route('add', 'fd01::/64 via fd00::7 dev lan')
    await ip.route('append', 'fd01::/64 via 2001:db8::7 dev wan')
    const sources = Array.from({ length: 32 }, (_, k) => `fd00::5:${k}`)
    const ways = sources.map((src) => input(src, 'fd01::9', 'wan'))
    expect(new Set(ways.map((way) => (way as { dev: string }).dev)).size).toBe(2)
  })
  test('must come from where its answer would go, when rp_filter is strict', async () => {
    const { input, sysctl, ip } = await network()
    await sysctl('conf.all.rp_filter', 1)
    expect(input('10.0.0.5', '8.8.8.8', 'lan')).toMatchObject({ dev: 'wan' })
    expect(input('10.0.0.5', '10.0.0.9', 'wan')).toBe(-Errno.EXDEV)
    expect(input('8.8.8.8', '10.0.0.1', 'lan')).toBe(-Errno.EXDEV)
    await sysctl('conf.lan.rp_filter', 2)
    expect(input('8.8.8.8', '10.0.0.1', 'lan')).toMatchObject({ type: RTN_LOCAL })
    await ip.route('del', 'default')
    expect(input('8.8.8.8', '10.0.0.1', 'lan')).toBe(-Errno.EXDEV)
  })
  test('from an address of ours must come by the device that has it, when rp_filter is strict', async () => {
    const { input, sysctl } = await network()
    await sysctl('conf.lan.accept_local', 1)
    await sysctl('conf.lan.rp_filter', 1)
    expect(input('10.0.0.1', '8.8.8.8', 'lan')).toMatchObject({ dev: 'wan' })
    expect(input('192.0.2.2', '8.8.8.8', 'lan')).toBe(-Errno.EXDEV)
    await sysctl('conf.lan.rp_filter', 2)
    expect(input('192.0.2.2', '8.8.8.8', 'lan')).toMatchObject({ dev: 'wan' })
  })
  test('must come by the device that its answer would leave by, when that has no address', async () => {
    const { input, sysctl, ip } = await network()
    await sysctl('conf.lan.rp_filter', 2)
    expect((await ip.addrDel('10.0.0.1/24', 'lan')).error).toBe(0)
    expect(input('8.8.8.8', '192.0.2.2', 'lan')).toBe(-Errno.EXDEV)
    await ip.route('add', '10.0.0.0/24 dev lan')
    expect(input('10.0.0.5', '192.0.2.2', 'lan')).toMatchObject({ type: RTN_LOCAL })
  })
})

describe('a packet made here', () => {
  test.each([
    ['10.0.0.9', { dev: 'lan', src: '10.0.0.1' }],
    ['8.8.8.8', { dev: 'wan', via: '192.0.2.1', src: '192.0.2.2' }],
    ['fd00::9', { dev: 'lan', src: 'fd00::1' }],
    ['2001:4860::8', { dev: 'wan', via: '2001:db8::1', src: '2001:db8::2' }],
  ])('to %s takes the route, and the address of its device', async (dst, way) => {
    const { output } = await network()
    expect(output(dst)).toEqual({ type: RTN_UNICAST, ...way })
  })

  test.each([
    ['10.0.0.1', '10.0.0.1'],
    ['127.0.0.53', '127.0.0.1'],
    ['0.0.0.0', '127.0.0.1'],
    ['::', '::1'],
    ['fd00::1', 'fd00::1'],
  ])('to %s stays here', async (dst, src) => {
    const { output, fl } = await network()
    expect(output(dst)).toEqual({ type: RTN_LOCAL, dev: 'lo', src })
    expect(fl[FL_MTU]).toBe(65536)
  })

  test('keeps the source it was bound to, which must be ours', async () => {
    const { output } = await network()
    expect(output('8.8.8.8', { src: '10.0.0.1' })).toMatchObject({ dev: 'wan', src: '10.0.0.1' })
    expect(output('8.8.8.8', { src: '10.9.9.9' })).toBe(-Errno.ENETUNREACH)
    expect(output('8.8.8.8', { src: '224.0.0.1' })).toBe(-Errno.EINVAL)
    expect(output('8.8.8.8', { src: '127.0.0.1' })).toBe(-Errno.EINVAL)
  })

  test("takes the source that the route prefers, and of several addresses the gateway's subnet", async () => {
    const { output, ip } = await network()
    await ip.addr('198.51.100.2/24', 'wan')
    await ip.route('add', '203.0.113.0/24 via 198.51.100.1')
    await ip.route('add', '203.1.113.0/24 via 198.51.100.1 src 10.0.0.1')
    expect(output('203.0.113.7')).toMatchObject({ src: '198.51.100.2' })
    expect(output('203.1.113.7')).toMatchObject({ src: '10.0.0.1' })
    expect(output('8.8.8.8')).toMatchObject({ src: '192.0.2.2' })
  })

  test('to a broadcast or multicast address leaves by the device asked for', async () => {
    const { output } = await network()
    expect(output('255.255.255.255', { oif: 'lan' })).toEqual({
      type: RTN_BROADCAST,
      dev: 'lan',
      src: '10.0.0.1',
    })
    // else by the one that has the sender's address
    for (const [src, dev] of [
      ['10.0.0.1', 'lan'],
      ['192.0.2.2', 'wan'],
    ] as const) {
      expect(output('255.255.255.255', { src })).toEqual({ type: RTN_BROADCAST, dev, src })
      expect(output('224.0.0.251', { src })).toEqual({ type: RTN_MULTICAST, dev, src })
    }
    expect(output('10.0.0.255')).toEqual({ type: RTN_BROADCAST, dev: 'lan', src: '10.0.0.1' })
    expect(output('224.0.0.251', { oif: 'wan' })).toEqual({
      type: RTN_MULTICAST,
      dev: 'wan',
      src: '192.0.2.2',
    })
    expect(output('239.1.2.3')).toEqual({ type: RTN_MULTICAST, dev: 'wan', src: '192.0.2.2' })
    expect(output('ff02::1', { oif: 'lan' })).toMatchObject({
      type: RTN_MULTICAST,
      dev: 'lan',
      src: expect.stringMatching(/^fe80::/),
    })
  })

  test('bound to a device goes by a route of that device, else as if on its link', async () => {
    const { output, ip } = await network()
    expect(output('8.8.8.8', { oif: 'wan' })).toMatchObject({ dev: 'wan', via: '192.0.2.1' })
    expect(output('10.0.0.9', { oif: 'wan' })).toMatchObject({ dev: 'wan', via: '192.0.2.1' })
    expect(output('8.8.8.8', { oif: 'lan' })).toEqual({
      type: RTN_UNICAST,
      dev: 'lan',
      src: '10.0.0.1',
    })
    await ip.link('lan', { up: false })
    expect(output('8.8.8.8', { oif: 'lan' })).toBe(-Errno.ENETUNREACH)
  })
  test('without a router on its way goes by routes of a link alone, be they shorter', async () => {
    const { onLink, ip, control } = await network()
    await ip.route('add', '10.4.0.0/16 dev lan')
    await ip.route('add', '10.4.4.0/24 via 192.0.2.9')
    await ip.route('add', '10.7.0.0/16 dev lan scope global')
    await ip.route('add', 'unreachable 10.4.5.0/24')
    const lan = { type: RTN_UNICAST, dev: 'lan' }
    for (const dst of ['10.0.0.9', '10.4.1.1', '10.4.4.4', '10.4.5.5'])
      expect(onLink(dst)).toEqual(lan)
    for (const dst of ['8.8.8.8', '10.7.1.1', '224.0.0.9', '255.255.255.255'])
      expect(onLink(dst)).toBe(-Errno.ENETUNREACH)
    expect(onLink('10.0.0.255')).toMatchObject({ type: RTN_BROADCAST, dev: 'lan' })
    for (const dst of ['10.0.0.1', '127.0.0.1'])
      expect(onLink(dst)).toEqual({ type: RTN_LOCAL, dev: 'lo' })
    // by a device that it is bound to anybody is on the link
    expect(onLink('8.8.8.8', 'wan')).toEqual({ type: RTN_UNICAST, dev: 'wan' })
    expect(onLink('10.4.4.4', 'lan')).toEqual(lan)
    await ip.route('add', '224.0.0.0/4 dev lan')
    expect(onLink('224.0.0.9')).toMatchObject({ type: RTN_MULTICAST, dev: 'lan' })
    const rule = { family: 'inet', dst: '10.8.0.0/16', table: 7 } as const
    await control.request({ type: 'RTM_NEWRULE', flags: FLAGS.add, rule })
    await ip.route('add', '10.8.0.0/16 via 192.0.2.9 table 7')
    await ip.route('add', '10.8.0.0/16 dev lan')
    expect(onLink('10.8.1.1')).toEqual(lan)
  })
  test('bound to a device goes by a shorter prefix where the longer ones lead elsewhere', async () => {
    const { output, ip } = await network()
    await ip.route('add', '10.5.0.0/16 via 192.0.2.9')
    await ip.route('add', '10.5.1.0/24 via 10.0.0.9')
    await ip.route('add', '10.5.1.128/25 via 10.0.0.8')
    await ip.route('add', 'prohibit 10.6.0.0/16')
    await ip.route('add', '2001:db8:5::/48 via 2001:db8::9')
    await ip.route('add', '2001:db8:5:1::/64 via fd00::9')
    await ip.route('add', 'prohibit 2001:db8:6::/48')
    for (const dst of ['10.5.1.1', '10.5.1.200']) {
      expect(output(dst, { oif: 'wan' })).toMatchObject({ dev: 'wan', via: '192.0.2.9' })
      expect(output(dst)).toMatchObject({ dev: 'lan' })
    }
    // what IPv4 refuses is taken to be on the link, what IPv6 refuses is by no device that sends
    expect(output('10.6.1.1', { oif: 'wan' })).toEqual({
      type: RTN_UNICAST,
      dev: 'wan',
      src: '192.0.2.2',
    })
    expect(output('2001:db8:5:1::1', { oif: 'wan' })).toMatchObject({ via: '2001:db8::9' })
    expect(output('2001:db8:6::1', { oif: 'wan' })).toMatchObject({ via: '2001:db8::1' })
    expect(output('2001:db8:6::1', { oif: 'lan' })).toBe(-Errno.ENETUNREACH)
    expect(output('2001:db8:6::1')).toBe(-Errno.EACCES)
    // an address of ours counts there alone where it is
    expect(output('fd00::1', { oif: 'lan' })).toMatchObject({ type: RTN_LOCAL })
    expect(output('fd00::1', { oif: 'wan' })).toMatchObject({ dev: 'wan', via: '2001:db8::1' })
  })

  test('of IPv6, with a source and not bound, prefers a device, and goes by another where that is the way', async () => {
    const { output, ip, fl, index, router } = await network()
    await ip.route('add', '2001:db8:5::/48 dev lan')
    await ip.route('append', '2001:db8:5::/48 dev wan')
    await ip.route('add', '2001:db8:6::/48 via fd00::9')
    await ip.route('add', 'prohibit 2001:db8:7::/48')
    const src = '2001:db8::2'
    for (const oif of ['wan', 'lan'])
      expect(output('2001:db8:5::1', { src, oif })).toMatchObject({ dev: oif })
    expect(output('2001:db8:6::1', { src, oif: 'wan' })).toMatchObject({ via: 'fd00::9' })
    expect(output('2001:db8:7::1', { src, oif: 'wan' })).toBe(-Errno.EACCES)
    // a socket that is bound goes nowhere else
    bindFlow(fl, index.wan!)
    fl.set(parseAddr('2001:db8:6::1')!.words, FL_DADDR)
    expect([router.routeOutput(fl), fl[FL_DEV]]).toEqual([0, index.wan!])
  })
  test('of IPv6, bound to a device, is refused for what the rules say', async () => {
    const { output, control, ip } = await network()
    await ip.link('lan', { up: true })
    const rule = { family: 'inet6', dst: '2001:db8:4::/48', action: 'prohibit' } as const
    expect(output('2001:db8:4::1', { oif: 'wan' })).toMatchObject({ dev: 'wan' })
    const made = await control.request({ type: 'RTM_NEWRULE', flags: FLAGS.add, rule })
    expect(made.error).toBe(0)
    expect(output('2001:db8:4::1')).toBe(-Errno.EACCES)
    expect(output('2001:db8:4::1', { oif: 'wan' })).toBe(-Errno.EACCES)
    expect(output('fd00:9::1', { oif: 'lan' })).toBe(-Errno.ENETUNREACH)
  })

  test('leaves a device that has no address from 0.0.0.0, as DHCP needs', async () => {
    const { output, ip } = makeBare(await makeControlWithEth0())
    expect(output('255.255.255.255')).toMatchObject({ type: RTN_BROADCAST, src: '0.0.0.0' })
    expect(ip.routes()).toEqual([])
  })

  test('to a link-local address needs to know the link', async () => {
    const { output } = await network()
    expect(output('fe80::9', { oif: 'wan' })).toMatchObject({
      dev: 'wan',
      src: expect.stringMatching(/^fe80::/),
    })
    expect(output('fe80::9', { oif: 'lan' })).toMatchObject({
      dev: 'lan',
      src: expect.stringMatching(/^fe80::/),
    })
  })

  test('from IPv6: unique local to unique local, global to global', async () => {
    const { output, ip } = await network()
    await ip.addr('fd00:2::1/64', 'wan')
    expect(output('2001:4860::8')).toMatchObject({ src: '2001:db8::2' })
    expect(output('fd00:9::9')).toMatchObject({ dev: 'wan', src: 'fd00:2::1' })
  })

  test.each([
    ['0.1.2.3', -Errno.ENETUNREACH],
    ['8.8.8.8', -Errno.ENETUNREACH],
    ['2001:4860::8', -Errno.ENETUNREACH],
  ])('to %s without a route is %d', async (dst, errno) => {
    const { output, ip } = await network()
    await ip.route('del', 'default')
    await ip.route('del', 'default via 2001:db8::1')
    expect(output(dst)).toBe(errno)
  })
})

const makeControlWithEth0 = async () => {
  const made = makeControl()
  await made.ip.veth('eth0')
  return made
}
const makeBare = ({ router, ip, control }: Awaited<ReturnType<typeof makeControlWithEth0>>) => {
  const fl = createFlowi()
  const [eth0] = dumped(control, { type: 'RTM_GETLINK', filter: { ifname: 'eth0' } })
  const output = (dst: string) => {
    fl.fill(0)
    fl[FL_FAMILY] = 2
    fl.set(parseAddr(dst)!.words, FL_DADDR)
    fl[FL_OIF] = eth0!.ifindex
    const error = router.routeOutput(fl)
    return { error, type: fl[FL_TYPE], src: formatWords(0, 0, 0xffff, fl[FL_SADDR + 3]!) }
  }
  return { output, ip }
}
