// Source routes where they are allowed: a packet goes from one address to the next that its sender has named, and its answer the
// same way back. RFC 791 section 3.1, 1122 section 3.2.1.8, 1812 section 5.3.13.4.

import { describe, expect, test } from 'bun:test'
import { RTN_PROHIBIT } from '../../../../core/base/flowi.ts'
import { Mib } from '../../../../core/shm/counters.ts'
import { CONF_ALL, Conf4, confRow } from '../../../../core/shm/devconf.ts'
import { Drop } from '../../../../core/skb/drop.ts'
import * as icmp from '../../../../core/wire/icmp.ts'
import { IPPROTO_TCP } from '../../../../core/wire/ipproto.ts'
import * as ipv4 from '../../../../core/wire/ipv4.ts'
import * as tcp from '../../../../core/wire/tcp.ts'
import { icmpFrame, ipText, pseudo, tcpFrame, udpFrame } from '../../../../sim/net/packets.ts'
import { CLIENT_MAC, createRouter, SERVER_MAC, toRouter } from '../../../../sim/net/path-host.ts'

const [LSRR, SSRR] = [131, 137]
const octetsOf = (addr: string): number[] => addr.split('.').map(Number)
/** A route in an option, its pointer at the slot counted from 0; padded. */
const route = (kind: number, at: number, ...hops: string[]): number[] => {
  const option = [kind, 3 + 4 * hops.length, 4 + 4 * at, ...hops.flatMap(octetsOf)]
  return [...option, ...Array((4 - (option.length & 3)) & 3).fill(0)]
}
const router = (isAccepted = true) => {
  const path = createRouter()
  path.setNeigh(2, '10.0.2.9', CLIENT_MAC)
  path.setNeigh(2, '10.0.2.8', '02:00:00:00:02:08')
  path.setNeigh(3, '10.0.3.9', SERVER_MAC)
  path.setNeigh(3, '10.0.3.254', SERVER_MAC)
  path.arena.i32[confRow(path.arena, CONF_ALL) + Conf4.accept_source_route] = isAccepted ? 1 : 0
  return path
}
type Router = ReturnType<typeof router>
const fields = { saddr: '10.0.2.9', daddr: '10.0.2.1' }
const ports = { sport: 4000, dport: 9 }
const send = (path: Router, options: number[], more: object = {}) =>
  path.receive(udpFrame(toRouter, { ...fields, ...more, options }, ports), 2)
/** What was sent since: where it went, by which device, and the addresses of its first option. */
const sent = (path: Router) =>
  path.sent.splice(0).map(({ dev, frame }) => {
    expect(ipv4.isChecksumOk(frame, 14)).toBe(true)
    const option = frame.subarray(34, 14 + ipv4.headerLen(frame, 14))
    const hops = Array.from({ length: (option[1]! - 3) >> 2 }, (_, k) =>
      option.subarray(3 + 4 * k, 7 + 4 * k).join('.')
    )
    return { dev, to: ipText(ipv4.dst(frame, 14)), kind: option[0], ptr: option[2], hops, frame }
  })
const errorOf = (path: Router): number[] | undefined => {
  const [one] = path.sent.splice(0)
  if (one === undefined) return undefined
  const at = 14 + ipv4.headerLen(one.frame, 14)
  return [icmp.type(one.frame, at), icmp.code(one.frame, at), icmp.rest(one.frame, at) >>> 24]
}

describe('a packet with a source route', () => {
  test('is refused unless all and the device allow it', () => {
    for (const [all, dev] of [
      [0, 1],
      [1, 0],
    ] as const) {
      const path = router()
      path.arena.i32[confRow(path.arena, CONF_ALL) + Conf4.accept_source_route] = all
      path.arena.i32[confRow(path.arena, 2) + Conf4.accept_source_route] = dev
      send(path, route(LSRR, 0, '10.0.3.9'))
      expect(path.sent).toEqual([])
      expect(path.drops(Drop.IP_INHDR)).toBe(1)
      expect(path.isAllReturned()).toBe(true)
    }
  })
  test('goes to the next hop of it, which our address takes the place of', () => {
    for (const kind of [LSRR, SSRR]) {
      const path = router()
      send(path, route(kind, 0, '10.0.3.9', '10.7.7.7'))
      const expected = { dev: 3, to: '10.0.3.9', kind, ptr: 8, hops: ['10.0.3.1', '10.7.7.7'] }
      expect(sent(path)).toMatchObject([expected])
      expect(path.isAllReturned()).toBe(true)
    }
  })
  test('passes through who is not on it, if it is a loose one', () => {
    const path = router()
    send(path, route(LSRR, 0, '10.7.7.7'), { daddr: '10.0.3.9' })
    expect(sent(path)).toMatchObject([{ to: '10.0.3.9', ptr: 4, hops: ['10.7.7.7'] }])
    send(path, route(SSRR, 0, '10.7.7.7'), { daddr: '10.0.3.9' })
    expect(errorOf(path)).toEqual([icmp.ICMP_PARAMETERPROB, 0, 16])
    expect(path.drops(Drop.IP_INHDR)).toBe(1)
  })
  test('goes on when the next hop is this host as well, and ends here with the last', () => {
    const path = router()
    send(path, route(LSRR, 0, '10.0.3.1', '10.0.3.9'))
    expect(sent(path)).toMatchObject([{ to: '10.0.3.9', ptr: 12, hops: ['10.0.3.1', '10.0.3.1'] }])
    // which answers by the address that it ended at
    const asked = { ...fields, options: route(LSRR, 0, '10.0.3.1') }
    path.receive(icmpFrame(toRouter, asked, icmp.ICMP_ECHO, 7, 1), 2)
    const { frame } = path.sent[0]!
    expect([ipText(ipv4.src(frame, 14)), ipText(ipv4.dst(frame, 14))]).toEqual([
      '10.0.3.1',
      '10.0.2.9',
    ])
  })
  test('that is strict goes to neighbours alone', () => {
    const path = router()
    send(path, route(SSRR, 0, '10.7.7.7'))
    expect(errorOf(path)).toEqual([icmp.ICMP_DEST_UNREACH, icmp.ICMP_SR_FAILED, 0])
    send(path, route(LSRR, 0, '10.7.7.7'))
    expect(sent(path)).toMatchObject([{ dev: 3, to: '10.7.7.7' }])
    send(path, route(SSRR, 0, '10.7.7.7'), { ttl: 1 })
    expect(errorOf(path)).toEqual([icmp.ICMP_TIME_EXCEEDED, 0, 0])
  })
  test.each([
    ['a slot that is not whole', [LSRR, 6, 4, 10, 0, 3, 0, 0], [icmp.ICMP_PARAMETERPROB, 0, 22]],
    ['a broadcast address', route(LSRR, 0, '10.0.3.255'), undefined],
    ['a martian', route(LSRR, 0, '127.0.0.1'), undefined],
    ['nobody', route(LSRR, 0, '0.0.0.0'), undefined],
  ])('that names %s ends here', (_, options, error) => {
    const path = router()
    send(path, options)
    expect(errorOf(path)).toEqual(error)
    expect(path.drops(Drop.IP_INHDR)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('is no longer for the address that it came to: an error is said from where it leaves', () => {
    const path = router()
    const errorFrom = (options: number[], more: object): string => {
      send(path, options, { daddr: '10.0.3.1', ...more })
      const [one] = path.sent.splice(0)
      return ipText(ipv4.src(one!.frame, 14))
    }
    expect(errorFrom(route(LSRR, 0, '10.0.3.9'), { ttl: 1 })).toBe('10.0.2.1')
    expect(errorFrom(route(SSRR, 0, '10.7.7.7'), {})).toBe('10.0.2.1')
    // one that ends here is
    expect(errorFrom(route(LSRR, 1, '10.0.3.9'), {})).toBe('10.0.3.1')
  })
  test('brings no redirect, though it leaves by the link that it came by', () => {
    const path = router()
    send(path, route(LSRR, 0, '10.0.2.8'))
    expect(sent(path)).toMatchObject([{ dev: 2, to: '10.0.2.8' }])
  })
  test('a link without an address shows another of ours', () => {
    const path = router()
    path.addDevice(4)
    path.addRoute('10.9.0.0/16', 4)
    path.setNeigh(4, '10.9.0.9', '02:00:00:00:04:09')
    send(path, route(LSRR, 0, '10.9.0.9'))
    expect(sent(path)).toMatchObject([{ dev: 4, to: '10.9.0.9', hops: ['10.0.2.1'] }])
  })
  test('of many is none of ours', () => {
    const path = router()
    const toAll = { dst: 'ff:ff:ff:ff:ff:ff', src: CLIENT_MAC }
    path.receive(udpFrame(toAll, { ...fields, options: route(LSRR, 0, '10.0.3.9') }, ports), 2)
    expect(path.sent).toEqual([])
    expect(path.drops(Drop.IP_INHDR)).toBe(1)
  })
})

describe('what answers it goes the same way back (RFC 1122 section 3.2.1.8)', () => {
  /** It came from 10.9.9.9 by 10.8.8.8 and 10.0.2.8. */
  const came = (first = '10.8.8.8') => ({
    saddr: '10.9.9.9',
    daddr: '10.0.2.1',
    options: route(LSRR, 2, first, '10.0.2.8'),
  })
  const back = { dev: 2, to: '10.0.2.8', kind: LSRR, ptr: 4, hops: ['10.8.8.8', '10.9.9.9'] }

  /** It came by two addresses of ours, as it says. */
  const overUs = () => ({ ...fields, options: route(LSRR, 2, '10.0.3.1', '10.0.3.1') })

  test('a reply to an echo request', () => {
    const path = router()
    path.receive(icmpFrame(toRouter, came(), icmp.ICMP_ECHO, 7, 1), 2)
    const [reply] = sent(path)
    expect(reply).toMatchObject(back)
    const at = 14 + ipv4.headerLen(reply!.frame, 14)
    expect(icmp.type(reply!.frame, at)).toBe(icmp.ICMP_ECHOREPLY)
    expect(path.isAllReturned()).toBe(true)
  })
  test('one to a timestamp request', () => {
    const path = router()
    path.receive(icmpFrame(toRouter, came(), icmp.ICMP_TIMESTAMP, 7, 1, new Uint8Array(12)), 2)
    expect(sent(path)).toMatchObject([back])
  })
  test('an error', () => {
    const path = router()
    path.receive(udpFrame(toRouter, came(), ports), 2)
    expect(sent(path)).toMatchObject([back])
  })
  test('a reset, whose checksum is that of whom it is for', () => {
    const path = router()
    path.receive(tcpFrame(toRouter, came(), ports), 2)
    const [reset] = sent(path)
    expect(reset).toMatchObject(back)
    const { frame } = reset!
    const at = 14 + ipv4.headerLen(frame, 14)
    const sum = pseudo('10.0.2.1', '10.9.9.9', IPPROTO_TCP, frame.length - at)
    expect(tcp.isChecksumOk(frame, at, frame.length - at, sum)).toBe(true)
    expect(frame[at + 13]! & tcp.TCP_RST).toBe(tcp.TCP_RST)
    expect(path.isAllReturned()).toBe(true)
  })
  test('a reset goes the way back that it is told, though no other leads to whom it is for', () => {
    const path = router()
    path.addRoute('10.9.0.0/16', 0, { type: RTN_PROHIBIT })
    path.receive(tcpFrame(toRouter, came(), ports), 2)
    expect(sent(path)).toMatchObject([back])
    expect(path.counter(Mib.TcpOutRsts)).toBe(1)
    // without one there is none, and none is counted
    path.receive(tcpFrame(toRouter, { ...fields, saddr: '10.9.9.9' }, ports), 2)
    expect(path.sent).toEqual([])
    expect([path.counter(Mib.TcpOutRsts), path.counter(Mib.TcpOutSegs)]).toEqual([1, 1])
    expect(path.isAllReturned()).toBe(true)
  })
  test.each(['239.1.1.1', '10.0.2.255', '0.0.0.0', '10.0.3.1'])('not by %s', (via) => {
    const path = router()
    const options = route(LSRR, 1, via)
    path.receive(icmpFrame(toRouter, { ...fields, options }, icmp.ICMP_ECHO, 7, 1), 2)
    path.receive(udpFrame(toRouter, { ...fields, options }, ports), 2)
    path.receive(tcpFrame(toRouter, { ...fields, options }, ports), 2)
    expect(path.sent).toEqual([])
    expect(path.isAllReturned()).toBe(true)
  })
  test.each([
    ['a reply', icmpFrame(toRouter, overUs(), icmp.ICMP_ECHO, 7, 1)],
    ['an error', udpFrame(toRouter, overUs(), ports)],
    ['a reset', tcpFrame(toRouter, overUs(), ports)],
  ])(
    '%s by an address of ours as well, where lo takes what we send as from anybody',
    (_, frame) => {
      const path = router()
      path.receive(frame, 2)
      expect(path.sent).toEqual([])
      expect(path.drops(Drop.IP_INHDR)).toBe(1)
      path.setConf(1, Conf4.accept_local, 1)
      path.receive(frame, 2)
      const over = { dev: 2, to: '10.0.2.9', ptr: 12, hops: ['10.0.3.1', '10.0.2.1'] }
      const [answer, ...others] = sent(path)
      expect(answer).toMatchObject(over)
      expect(others).toEqual([])
      // a hop of the way, as any router is
      expect(ipv4.ttl(answer!.frame, 14)).toBe(63)
      expect(path.counter(Mib.IpForwDatagrams)).toBe(1)
      // ... which lo may refuse
      path.setConf(1, Conf4.accept_source_route, 0)
      path.receive(frame, 2)
      expect(path.sent).toEqual([])
      expect(path.drops(Drop.IP_INHDR)).toBe(2)
      expect(path.isAllReturned()).toBe(true)
    }
  )
  test('leaves out who put himself on his own way, and needs none from a neighbour', () => {
    const path = router()
    path.receive(udpFrame(toRouter, came('10.9.9.9'), ports), 2)
    expect(sent(path)).toMatchObject([{ ...back, hops: ['10.9.9.9'] }])
    const alone = { ...fields, options: route(LSRR, 1, fields.saddr) }
    path.receive(udpFrame(toRouter, alone, ports), 2)
    const [error] = path.sent
    expect(ipv4.headerLen(error!.frame, 14)).toBe(ipv4.MIN_HEADER)
    expect(ipText(ipv4.dst(error!.frame, 14))).toBe(fields.saddr)
  })
})
