import { GREETINGS_MS } from '../../../support/sim-topology.ts'
import { describe, expect, test } from 'bun:test'
import { Mib } from '../../../../core/shm/counters.ts'
import { SMALL_ARENA } from '../../../../core/shm/layout.ts'
import { computeBudget, Holder } from '../../../../core/skb/budget.ts'
import { Drop } from '../../../../core/skb/drop.ts'
import * as icmpv6 from '../../../../core/wire/icmpv6.ts'
import {
  IPPROTO_DSTOPTS,
  IPPROTO_FRAGMENT,
  IPPROTO_HOPOPTS,
  IPPROTO_ICMPV6,
  IPPROTO_ROUTING,
  IPPROTO_TCP,
  IPPROTO_UDP,
} from '../../../../core/wire/ipproto.ts'
import * as ipv6 from '../../../../core/wire/ipv6.ts'
import * as ext from '../../../../core/wire/ipv6-ext.ts'
import { createRouter6, type PathHost, toRouter } from '../../../../sim/net/path-host.ts'
import {
  fragmentHeader,
  icmpv6Message,
  type Ip6Fields,
  ip6Frame,
  optionsHeader,
  readIcmpv6,
  routingHeader,
} from '../../../../sim/net/packets6.ts'
import { seeded } from '../../../support/random.ts'
import { ipFrame } from '../../../../sim/net/packets.ts'

const fields = { saddr: '2001:db8:2::9', daddr: '2001:db8:2::1' }
type Ext = NonNullable<Ip6Fields['ext']>[number]
const router = (): PathHost => {
  const path = createRouter6()
  path.setNeigh(2, '2001:db8:2::9', toRouter.src)
  return path
}
const data = Uint8Array.from({ length: 4000 }, (_, k) => k * 7)
const message = icmpv6Message(fields, icmpv6.ICMPV6_ECHO_REQUEST, 0, 0x00050006, data)

type Piece = { id?: number; more?: boolean; trafficClass?: number; before?: Ext[] }
/** A fragment of a payload that is not the message's. */
const raw = (offset: number, payload: Uint8Array, { id = 77, more = true, ...p }: Piece = {}) =>
  ip6Frame(
    toRouter,
    {
      ...fields,
      trafficClass: p.trafficClass ?? 0,
      ext: [...(p.before ?? []), [IPPROTO_FRAGMENT, fragmentHeader(offset, more, id)]],
      protocol: IPPROTO_ICMPV6,
    },
    payload
  )
/** The fragment of `message` that starts at `from`. */
const piece = (from: number, len: number, p: Piece = {}): Uint8Array =>
  raw(from, message.subarray(from, from + len), { more: from + len < message.length, ...p })
const pieces = (size: number, p: Piece = {}): Uint8Array[] => {
  const all: Uint8Array[] = []
  for (let from = 0; from < message.length; from += size)
    all.push(piece(from, Math.min(size, message.length - from), p))
  return all
}
/** The payload of the echo reply, which the host itself sends in fragments. */
const answered = (sent: { frame: Uint8Array }[]): number[] => {
  const bytes: number[] = []
  for (const { frame } of sent) {
    const header = 14 + ipv6.HEADER
    expect(ipv6.nextHeader(frame, 14)).toBe(IPPROTO_FRAGMENT)
    expect(ext.fragmentNextHeader(frame, header)).toBe(IPPROTO_ICMPV6)
    const at = ext.fragmentOffset(frame, header)
    for (const [k, octet] of frame.subarray(header + 8).entries()) bytes[at + k] = octet
  }
  return bytes.slice(8)
}

describe('reassembly', () => {
  test('puts fragments together in order', () => {
    const path = router()
    for (const frame of pieces(1448)) path.receive(frame, 2)
    expect(answered(path.sent)).toEqual([...data])
    expect(path.counter(Mib.Ip6ReasmReqds)).toBe(3)
    expect(path.counter(Mib.Ip6ReasmOKs)).toBe(1)
    expect(path.counter(Mib.Ip6InDelivers)).toBe(1)
    expect(path.counter(Mib.Ip6FragOKs)).toBe(1)
    expect(path.counter(Mib.Ip6FragCreates)).toBe(3)
    expect(path.isAllReturned()).toBe(true)
  })
  test('in any order, exact duplicates between them', () => {
    const random = seeded(5)
    for (let run = 0; run < 20; run++) {
      const path = router()
      const frames = pieces(400)
      const bag = [...frames, frames[1]!, frames[4]!]
      while (bag.length > 0) path.receive(bag.splice((random() >>> 0) % bag.length, 1)[0]!, 2)
      // what comes behind the last piece of the whole begins another datagram, which never ends
      path.advance(61_000)
      expect(path.counter(Mib.Ip6ReasmOKs)).toBe(1)
      expect(answered(path.sent.slice(0, 3))).toEqual([...data])
      expect(path.isAllReturned()).toBe(true)
    }
  })
  test('with the end said by a fragment whose octets are there', () => {
    const path = router()
    const echo = icmpv6Message(fields, icmpv6.ICMPV6_ECHO_REQUEST, 0, 9, new Uint8Array(16))
    path.receive(raw(8, echo.subarray(8)), 2)
    path.receive(raw(16, echo.subarray(16), { more: false }), 2)
    path.receive(raw(0, echo.subarray(0, 8)), 2)
    expect(readIcmpv6(path.sent[0]!.frame).type).toBe(icmpv6.ICMPV6_ECHO_REPLY)
    expect(path.counter(Mib.Ip6ReasmOKs)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('behind and in front of other extension headers', () => {
    const path = router()
    const before: Ext[] = [
      [IPPROTO_HOPOPTS, optionsHeader()],
      [IPPROTO_ROUTING, routingHeader(0, 0)],
    ]
    for (const frame of pieces(1400, { before })) path.receive(frame, 2)
    expect(answered(path.sent)).toEqual([...data])
    // the part that can be cut begins with destination options
    const options = Uint8Array.from(optionsHeader(0x1e, 1, 9))
    options[0] = IPPROTO_ICMPV6
    const echo = icmpv6Message(fields, icmpv6.ICMPV6_ECHO_REQUEST, 0, 9, new Uint8Array(16))
    const whole = Uint8Array.from([...options, ...echo])
    path.sent.length = 0
    const cut = (offset: number, end: number) => {
      const frame = raw(offset, whole.subarray(offset, end), { more: end < whole.length, id: 8 })
      frame[14 + 40] = IPPROTO_DSTOPTS
      return frame
    }
    path.receive(cut(16, whole.length), 2)
    path.receive(cut(0, 16), 2)
    expect(readIcmpv6(path.sent[0]!.frame).type).toBe(icmpv6.ICMPV6_ECHO_REPLY)
    expect(path.isAllReturned()).toBe(true)
  })
  test('an atomic fragment is whole, and meets no others of its number (RFC 6946)', () => {
    const path = router()
    path.receive(piece(0, 1448), 2)
    const echo = icmpv6Message(fields, icmpv6.ICMPV6_ECHO_REQUEST, 0, 9, new Uint8Array(16))
    path.receive(raw(0, echo, { more: false }), 2)
    expect(readIcmpv6(path.sent[0]!.frame).rest).toBe(9)
    expect(path.counter(Mib.Ip6ReasmOKs)).toBe(1)
    path.sent.length = 0
    path.receive(piece(1448, 1448), 2)
    path.receive(piece(2896, message.length - 2896), 2)
    expect(answered(path.sent)).toEqual([...data])
    expect(path.isAllReturned()).toBe(true)
  })
  test('keeps congestion marks, and refuses a mixture of capable and not', () => {
    const path = router()
    path.receive(piece(0, 2000, { id: 5, trafficClass: 2 }), 2)
    path.receive(piece(2000, 2008, { id: 5, trafficClass: 3 }), 2)
    expect(path.counter(Mib.Ip6ReasmOKs)).toBe(1)
    path.receive(piece(0, 2000, { id: 6, trafficClass: 0 }), 2)
    path.receive(piece(2000, 2008, { id: 6, trafficClass: 2 }), 2)
    expect(path.counter(Mib.Ip6ReasmOKs)).toBe(1)
    expect(path.counter(Mib.Ip6ReasmFails)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
})

describe('what ends a datagram', () => {
  test('fragments that overlap, whichever comes first (RFC 5722)', () => {
    for (const [a, b] of [
      [piece(0, 1448), piece(1440, 1448)],
      [piece(1440, 1448), piece(0, 1448)],
    ]) {
      const path = router()
      path.receive(a!, 2)
      path.receive(b!, 2)
      expect(path.counter(Mib.Ip6ReasmFails)).toBe(1)
      expect(path.drops(Drop.DUP_FRAG)).toBe(2)
      expect(path.first.fragmentsHeld()).toBe(0)
      expect(path.isAllReturned()).toBe(true)
    }
  })
  test('two ends', () => {
    const path = router()
    path.receive(piece(1440, message.length - 1440), 2)
    path.receive(raw(800, new Uint8Array(80), { more: false }), 2)
    expect(path.counter(Mib.Ip6ReasmFails)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('a fragment with nothing in it', () => {
    const path = router()
    path.receive(raw(1440, new Uint8Array(0)), 2)
    expect(path.counter(Mib.Ip6ReasmFails)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('60 seconds, with a word to the sender of a first fragment', () => {
    const path = router()
    path.advance(GREETINGS_MS)
    path.sent.length = 0
    path.receive(piece(0, 1448), 2)
    path.receive(piece(1448, 1448, { id: 78 }), 2)
    path.advance(59_999)
    expect(path.first.fragmentsHeld()).toBe(2)
    path.advance(1)
    expect(path.first.fragmentsHeld()).toBe(0)
    expect(path.sent).toHaveLength(1)
    const { type, code, data: quoted } = readIcmpv6(path.sent[0]!.frame)
    expect([type, code]).toEqual([icmpv6.ICMPV6_TIME_EXCEED, icmpv6.ICMPV6_EXC_FRAGTIME])
    expect(quoted).toEqual(piece(0, 1448).subarray(14, 14 + quoted.length))
    expect(path.counter(Mib.Ip6ReasmTimeout)).toBe(2)
    expect(path.counter(Mib.Ip6ReasmFails)).toBe(2)
    expect(path.isAllReturned()).toBe(true)
  })
  test('newer ones, when there is no room: both families share it', () => {
    const path = router()
    path.addAddress(2, '10.0.2.1/24')
    const ip4 = { saddr: '10.0.2.9', daddr: '10.0.2.1', flags: 0x2000 }
    for (let id = 0; id < 300; id++) {
      path.receive(piece(0, 80, { id }), 2)
      path.receive(ipFrame(toRouter, { ...ip4, id }, new Uint8Array(80)), 2)
    }
    expect(path.first.fragmentsHeld()).toBe(computeBudget(SMALL_ARENA).bounds[Holder.reasm * 2]!)
    expect(path.counter(Mib.Ip6ReasmFails)).toBeGreaterThan(0)
    expect(path.counter(Mib.IpReasmFails)).toBeGreaterThan(0)
    path.advance(30_000)
    expect(path.counter(Mib.IpReasmTimeout)).toBeGreaterThan(0)
    expect(path.counter(Mib.Ip6ReasmTimeout)).toBe(0)
    path.advance(30_000)
    expect(path.isAllReturned()).toBe(true)
  })
})

describe('what is refused with a parameter problem, the others stay', () => {
  const problems = (frame: Uint8Array): number[][] => {
    const path = router()
    path.receive(piece(0, 1448), 2)
    path.receive(frame, 2)
    expect(path.first.fragmentsHeld()).toBe(1)
    expect(path.drops(Drop.IPV6_BAD_EXTHDR)).toBe(1)
    path.advance(60_000)
    expect(path.isAllReturned()).toBe(true)
    return path.sent.slice(0, 1).map((sent) => {
      const { code, rest } = readIcmpv6(sent.frame)
      return [code, rest]
    })
  }
  test('a length that is no multiple of eight: points at the payload length', () => {
    expect(problems(raw(1448, new Uint8Array(83)))).toEqual([[icmpv6.ICMPV6_HDR_FIELD, 4]])
  })
  test('an end behind 65,535: points at the offset', () => {
    expect(problems(raw(65_528, new Uint8Array(16)))).toEqual([[icmpv6.ICMPV6_HDR_FIELD, 42]])
  })
  test('a fragment header that is cut off: points at it', () => {
    const frame = raw(0, new Uint8Array(0))
    ipv6.setPayloadLength(frame, 14, 4)
    expect(problems(frame.subarray(0, 14 + 44))).toEqual([[icmpv6.ICMPV6_HDR_FIELD, 40]])
  })
  test.each([
    ['TCP', IPPROTO_TCP, 16],
    ['UDP', IPPROTO_UDP, 0],
    ['ICMPv6', IPPROTO_ICMPV6, 0],
    ['an options header', IPPROTO_DSTOPTS, 0],
  ])('a first fragment without all of %s (RFC 7112)', (_name, protocol, len) => {
    const frame = raw(0, new Uint8Array(len), { id: 5 })
    frame[14 + 40] = protocol
    expect(problems(frame)).toEqual([[icmpv6.ICMPV6_HDR_INCOMP, 0]])
  })
})

test('the number of fragments of two datagrams differs, their offsets are those of RFC 8200', () => {
  const path = router()
  const big = new Uint8Array(3000)
  for (const seq of [1, 2])
    for (const frame of (() => {
      const echo = icmpv6Message(fields, icmpv6.ICMPV6_ECHO_REQUEST, 0, seq, big)
      return [0, 1448, 2896].map((from) =>
        raw(from, echo.subarray(from, from + 1448), { id: seq, more: from < 2896 })
      )
    })())
      path.receive(frame, 2)
  const header = 14 + ipv6.HEADER
  const read = path.sent.map(({ frame }) => [
    ext.fragmentOffset(frame, header),
    ext.moreFragments(frame, header),
    frame.length - 14 <= 1500,
  ])
  const expected = [
    [0, true, true],
    [1448, true, true],
    [2896, false, true],
  ]
  expect(read).toEqual([...expected, ...expected])
  const ids = path.sent.map(({ frame }) => ext.fragmentId(frame, header))
  expect(new Set(ids).size).toBe(2)
  expect(path.isAllReturned()).toBe(true)
})

test('fragments for others pass through as they are', () => {
  const path = router()
  path.setNeigh(3, '2001:db8:3::9', toRouter.src)
  const frame = ip6Frame(
    toRouter,
    {
      ...fields,
      daddr: '2001:db8:3::9',
      ext: [[IPPROTO_FRAGMENT, fragmentHeader(0, true, 3)]],
      protocol: IPPROTO_ICMPV6,
    },
    message.subarray(0, 1400)
  )
  path.receive(frame, 2)
  expect(path.sent[0]!.frame.subarray(14 + 8)).toEqual(frame.subarray(14 + 8))
  expect(path.counter(Mib.Ip6ReasmReqds)).toBe(0)
})
