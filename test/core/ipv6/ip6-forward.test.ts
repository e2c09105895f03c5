import { GREETINGS_MS } from '../../support/sim-topology.ts'
import { describe, expect, test } from 'bun:test'
import { DEV_TXQLEN } from '../../../core/netdev/netdev.ts'
import { Mib } from '../../../core/shm/counters.ts'
import { Drop } from '../../../core/skb/drop.ts'
import { NUD_FAILED } from '../../../core/neigh/neigh-constants.ts'
import * as icmpv6 from '../../../core/wire/icmpv6.ts'
import { CLIENT_MAC, createRouter6, SERVER_MAC, toRouter } from '../../../sim/net/path-host.ts'
import { macText } from '../../../sim/net/packets.ts'
import { ip6Frame, readIcmpv6, readIp6, udp6Frame } from '../../../sim/net/packets6.ts'

const fields = { saddr: '2001:db8:2::9', daddr: '2001:db8:3::9' }
const ports = { sport: 4000, dport: 9 }
const router = () => {
  const path = createRouter6()
  path.setNeigh(2, '2001:db8:2::9', CLIENT_MAC)
  path.setNeigh(3, '2001:db8:3::9', SERVER_MAC)
  path.setNeigh(3, '2001:db8:3::254', '02:00:00:00:03:fe')
  return path
}
const frame = (over = {}, len = 18): Uint8Array =>
  udp6Frame(toRouter, { ...fields, ...over }, ports, new Uint8Array(len))

test('sends a packet on to its next hop with one hop less', () => {
  const path = router()
  const before = frame({ hops: 9, trafficClass: 0x55, label: 0x12345 })
  path.receive(before, 2)
  path.receive(frame({ daddr: '2001:db8:99::1' }), 2)
  const [first, second] = path.sent
  expect(first!.dev).toBe(3)
  expect(macText(first!.frame, 0)).toBe(SERVER_MAC)
  expect(macText(first!.frame, 6)).toBe('02:00:00:00:00:03')
  const expected = before.slice(14)
  expected[7] = 8
  expect(first!.frame.subarray(14)).toEqual(expected)
  expect(macText(second!.frame, 0)).toBe('02:00:00:00:03:fe')
  expect(path.counter(Mib.Ip6OutForwDatagrams)).toBe(2)
  expect(path.counter(Mib.Ip6OutTransmits)).toBe(2)
  expect(path.counter(Mib.Ip6OutOctets)).toBe(2 * (before.length - 14))
  expect(path.isAllReturned()).toBe(true)
})

test('what stands behind "no next header" goes on as it came (RFC 8200 section 4.7)', () => {
  const path = router()
  const before = ip6Frame(
    toRouter,
    { ...fields, hops: 9, protocol: 59 },
    new Uint8Array(24).fill(7)
  )
  path.receive(before, 2)
  const expected = before.slice(14)
  expected[7] = 8
  expect(path.sent[0]!.frame.subarray(14)).toEqual(expected)
})

test.each([0, 1])('a hop limit of %i ends here: time exceeded', (hops) => {
  const path = router()
  path.receive(frame({ hops }), 2)
  const { type, code } = readIcmpv6(path.sent[0]!.frame)
  expect([type, code]).toEqual([icmpv6.ICMPV6_TIME_EXCEED, icmpv6.ICMPV6_EXC_HOPLIMIT])
  expect(readIp6(path.sent[0]!.frame).saddr).toBe('2001:db8:2::1')
  expect(path.counter(Mib.Ip6InHdrErrors)).toBe(1)
  expect(path.drops(Drop.TTL_EXCEEDED)).toBe(1)
  expect(path.isAllReturned()).toBe(true)
})

test('says nothing of a packet that dies because a link has too much to send (RFC 4443 section 3.1)', () => {
  const path = router()
  path.arena.i32[path.deviceRow(3) + DEV_TXQLEN] = 1
  path.wire.isBusy = true
  for (let n = 0; n < 3; n++) path.receive(frame(), 2)
  expect(path.drops(Drop.QDISC_DROP)).toBe(2)
  path.wire.isBusy = false
  path.settle()
  expect(path.sent.map(({ dev }) => dev)).toEqual([3])
  expect(path.counter(Mib.Icmp6OutMsgs)).toBe(0)
  expect(path.isAllReturned()).toBe(true)
})

describe('a packet that is too big for its way', () => {
  test('is answered with the MTU, never cut', () => {
    const path = createRouter6()
    path.setNeigh(2, '2001:db8:2::9', CLIENT_MAC)
    path.addDevice(3, { mtu: 1400 })
    path.receive(frame({}, 1400 - 48 + 1), 2)
    expect(path.sent).toHaveLength(1)
    const { type, code, rest, data } = readIcmpv6(path.sent[0]!.frame)
    expect([type, code, rest]).toEqual([icmpv6.ICMPV6_PKT_TOOBIG, 0, 1400])
    expect(data).toHaveLength(1280 - 48)
    expect(path.counter(Mib.Ip6InTooBigErrors)).toBe(1)
    expect(path.counter(Mib.Ip6FragFails)).toBe(1)
    expect(path.drops(Drop.PKT_TOO_BIG)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('of just that size goes through', () => {
    const path = router()
    path.receive(frame({}, 1500 - 48), 2)
    expect(path.sent.map(({ dev, frame }) => [dev, frame.length])).toEqual([[3, 1514]])
  })
})

describe('a source of the link', () => {
  test('does not leave it: beyond scope', () => {
    const path = router()
    path.setNeigh(2, 'fe80::9', CLIENT_MAC)
    path.receive(frame({ saddr: 'fe80::9' }), 2)
    const { type, code } = readIcmpv6(path.sent[0]!.frame)
    expect([type, code]).toEqual([icmpv6.ICMPV6_DEST_UNREACH, icmpv6.ICMPV6_NOT_NEIGHBOUR])
    expect(path.counter(Mib.Ip6InAddrErrors)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('nor does nobody', () => {
    const path = router()
    path.receive(frame({ saddr: '::' }), 2)
    expect(path.sent).toHaveLength(0)
    expect(path.counter(Mib.Ip6InAddrErrors)).toBe(1)
  })
  test('what goes to an address of a link stays on it', () => {
    const path = router()
    path.setNeigh(2, 'fe80::77', SERVER_MAC)
    path.receive(frame({ daddr: 'fe80::77' }), 2)
    const sentOn = (to: string): number[] =>
      path.sent.filter(({ frame }) => readIp6(frame).daddr === to).map(({ dev }) => dev)
    expect(sentOn('fe80::77')).toEqual([2])
    // ours on the other link is another's on this one
    path.addAddress(3, 'fe80::5/64')
    path.setNeigh(2, 'fe80::5', SERVER_MAC)
    path.receive(frame({ daddr: 'fe80::5' }), 2)
    expect(sentOn('fe80::5')).toEqual([2])
    expect(path.isAllReturned()).toBe(true)
  })
})

test('a next hop that does not answer: address unreachable', () => {
  const path = router()
  path.advance(GREETINGS_MS)
  path.sent.length = 0
  path.receive(frame({ daddr: '2001:db8:3::77' }), 2)
  path.advance(10_000)
  expect(path.neighState(3, '2001:db8:3::77')).toBe(NUD_FAILED)
  const errors = path.sent.filter(({ dev }) => dev === 2).map(({ frame }) => readIcmpv6(frame))
  expect(errors.map(({ type, code }) => [type, code])).toEqual([
    [icmpv6.ICMPV6_DEST_UNREACH, icmpv6.ICMPV6_ADDR_UNREACH],
  ])
  expect(path.isAllReturned()).toBe(true)
})
