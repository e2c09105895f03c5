import { describe, expect, test } from 'bun:test'
import { Mib } from '../../../core/shm/counters.ts'
import { Sysctl } from '../../../core/shm/sysctl.ts'
import { Drop } from '../../../core/skb/drop.ts'
import * as icmpv6 from '../../../core/wire/icmpv6.ts'
import {
  IPPROTO_DSTOPTS,
  IPPROTO_HOPOPTS,
  IPPROTO_ICMPV6,
  IPPROTO_ROUTING,
} from '../../../core/wire/ipproto.ts'
import * as ipv6 from '../../../core/wire/ipv6.ts'
import { createRouter6, toRouter } from '../../../sim/net/path-host.ts'
import {
  icmpv6Message,
  type Ip6Fields,
  ip6Frame,
  optionsHeader,
  readIcmpv6,
  routingHeader,
} from '../../../sim/net/packets6.ts'

const fields = { saddr: '2001:db8:2::9', daddr: '2001:db8:2::1' }
type Ext = NonNullable<Ip6Fields['ext']>
const router = () => {
  const path = createRouter6()
  path.setNeigh(2, '2001:db8:2::9', toRouter.src)
  path.setNeigh(3, '2001:db8:3::9', toRouter.src)
  return path
}
const echo = (ext: Ext, over: Partial<Ip6Fields> = {}, link = toRouter): Uint8Array => {
  const to = { ...fields, ...over }
  const message = icmpv6Message(to, icmpv6.ICMPV6_ECHO_REQUEST, 0, 7, new Uint8Array(8))
  return ip6Frame(link, { ...to, ext, protocol: IPPROTO_ICMPV6 }, message)
}
/** What the router answers to an echo request behind such headers: type, code and second word. */
const answers = (
  ext: Ext,
  over: Partial<Ip6Fields> = {},
  link = toRouter,
  set: readonly [word: number, value: number] | null = null
) => {
  const path = router()
  if (set !== null) path.arena.i32[path.arena.layout.sysctl + set[0]] = set[1]
  path.receive(echo(ext, over, link), 2)
  expect(path.isAllReturned()).toBe(true)
  return path.sent.map(({ frame }) => {
    const { type, code, rest } = readIcmpv6(frame)
    return [type, code, rest]
  })
}
const REPLY = [[icmpv6.ICMPV6_ECHO_REPLY, 0, 7]]
const problem = (code: number, pointer: number) => [[icmpv6.ICMPV6_PARAMPROB, code, pointer]]
const toGroup = { daddr: 'ff02::1' }
const groupLink = { ...toRouter, dst: '33:33:00:00:00:01' }

const hbh = (...options: number[]) => [IPPROTO_HOPOPTS, optionsHeader(...options)] as const
const dst = (...options: number[]) => [IPPROTO_DSTOPTS, optionsHeader(...options)] as const
const rh = (type: number, left: number) => [IPPROTO_ROUTING, routingHeader(type, left)] as const

describe('headers in any order', () => {
  test.each<[string, Ext]>([
    ['hop-by-hop', [hbh()]],
    ['destination options', [dst()]],
    ['a routing header whose way is over', [rh(0, 0)]],
    ['all, in the order of RFC 8200 4.1', [hbh(), dst(), rh(0, 0), dst()]],
    ['destination options before and behind one another', [dst(), dst(), dst()]],
    ['a routing header behind destination options', [dst(), rh(3, 0), dst()]],
    ['router alert', [hbh(5, 2, 0, 0)]],
  ])('%s', (_name, ext) => {
    expect(answers(ext)).toEqual(REPLY)
  })

  test('hop-by-hop anywhere but first is unknown', () => {
    expect(answers([dst(), hbh()])).toEqual(problem(icmpv6.ICMPV6_UNK_NEXTHDR, ipv6.HEADER))
    expect(answers([hbh(), hbh()])).toEqual(problem(icmpv6.ICMPV6_UNK_NEXTHDR, ipv6.HEADER))
  })
})

describe.each([
  ['hop-by-hop', hbh],
  ['destination', dst],
])('an unknown %s option', (_name, header) => {
  const AT = ipv6.HEADER + 2
  test('00: is skipped', () => expect(answers([header(0x1e, 1, 9)])).toEqual(REPLY))
  test('01: drops the packet', () => expect(answers([header(0x5e, 1, 9)])).toEqual([]))
  test('10: is answered, to a group as well', () => {
    expect(answers([header(0x9e, 1, 9)])).toEqual(problem(icmpv6.ICMPV6_UNK_OPTION, AT))
  })
  test('11: is answered', () => {
    expect(answers([header(0xde, 1, 9)])).toEqual(problem(icmpv6.ICMPV6_UNK_OPTION, AT))
  })
  test('11: is not answered to a group', () => {
    expect(answers([header(0xde, 1, 9)], toGroup, groupLink)).toEqual([])
  })
  test('the pointer is that of the option', () => {
    expect(answers([header(0x1e, 1, 9, 0x9e, 0)])).toEqual(
      problem(icmpv6.ICMPV6_UNK_OPTION, AT + 3)
    )
  })
})

describe.each([
  ['hop-by-hop', hbh, Sysctl.max_hbh_opts_number, Sysctl.max_hbh_length],
  ['destination', dst, Sysctl.max_dst_opts_number, Sysctl.max_dst_opts_length],
] as const)('what %s headers may have (RFC 8504 section 5.3)', (_name, header, number, length) => {
  const skipped = (count: number) => Array.from({ length: count }, () => [0x1e, 0]).flat()
  const told = [0x9e, 0]
  const withSet = (word: number, value: number) => (options: number[]) =>
    answers([header(...options)], {}, toRouter, [word, value])
  test('is eight options, or as many as somebody says; more are dropped in silence', () => {
    expect(answers([header(...skipped(8))])).toEqual(REPLY)
    expect(answers([header(...skipped(9))])).toEqual([])
    expect(withSet(number, 9)(skipped(9))).toEqual(REPLY)
    expect(withSet(number, 1)([...skipped(1), ...told])).toEqual([])
  })
  test('is no unknown option where the number is below zero; it is dropped in silence', () => {
    expect(withSet(number, -8)(skipped(1))).toEqual([])
    expect(withSet(number, -8)(told)).toEqual([])
    expect(withSet(number, -8)([1, 2, 0, 0])).toEqual(REPLY)
  })
  test('is any length, or what somebody says; what is longer is dropped in silence', () => {
    expect(withSet(length, 8)(skipped(3))).toEqual(REPLY)
    expect(withSet(length, 8)(skipped(4))).toEqual([])
    expect(withSet(length, 16)(skipped(4))).toEqual(REPLY)
  })
})

test('destination options that are too long count for nothing, hop-by-hop ones as an error of the header', () => {
  for (const [header, word, errors] of [
    [hbh, Sysctl.max_hbh_length, 1],
    [dst, Sysctl.max_dst_opts_length, 0],
  ] as const) {
    const path = router()
    path.arena.i32[path.arena.layout.sysctl + word] = 8
    path.receive(echo([header(...new Array(4).fill([0x1e, 0]).flat())]), 2)
    expect(path.sent).toEqual([])
    expect(path.drops(Drop.IPV6_BAD_EXTHDR)).toBe(1)
    expect(path.counter(Mib.Ip6InHdrErrors)).toBe(errors)
    expect(path.isAllReturned()).toBe(true)
  }
})

describe('options that make no sense', () => {
  test.each<[string, number[]]>([
    ['a length beyond the header', [0x1e, 40]],
    ['a length that is missing', [0x1e, 2, 0, 0, 0, 0x1e].slice(0, 6)],
    ['padding that says something', [1, 2, 0, 1]],
    ['more padding than aligns anything', [0, 0, 0, 0, 0, 0, 0, 0]],
    ['more options than anybody sends', new Array(18).fill([0x1e, 0]).flat()],
  ])('%s', (_name, options) => {
    for (const header of [hbh, dst]) {
      const path = router()
      path.receive(echo([header(...options)]), 2)
      expect(path.sent).toHaveLength(0)
      expect(path.drops(Drop.IPV6_BAD_EXTHDR)).toBe(1)
      expect(path.counter(Mib.Ip6InHdrErrors)).toBe(1)
      expect(path.isAllReturned()).toBe(true)
    }
  })
  test('a header that ends behind the packet', () => {
    for (const type of [IPPROTO_HOPOPTS, IPPROTO_DSTOPTS, IPPROTO_ROUTING]) {
      const path = router()
      const frame = ip6Frame(
        toRouter,
        { ...fields, ext: [[type, [0, 200, 0, 0, 0, 0, 0, 0]]], protocol: IPPROTO_ICMPV6 },
        new Uint8Array(8)
      )
      path.receive(frame, 2)
      expect(path.drops(Drop.IPV6_BAD_EXTHDR)).toBe(1)
      expect(path.isAllReturned()).toBe(true)
    }
  })
  test('a router alert of another length', () => {
    expect(answers([hbh(5, 1, 0)])).toEqual([])
  })
  test('a CALIPSO label whose compartments run past its end (RFC 5570)', () => {
    const label = (compartments: number) => hbh(7, 8, 0, 0, 0, 1, compartments, 0, 0, 0, 1, 0)
    expect(answers([label(0)])).toEqual(REPLY)
    expect(answers([label(1)])).toEqual([])
    expect(answers([hbh(7, 4, 0, 0, 0, 1)])).toEqual([])
  })
  test('an IOAM option that does not begin with a word (RFC 9486)', () => {
    expect(answers([hbh(1, 0, 0x31, 2, 0, 0)])).toEqual(REPLY)
    expect(answers([hbh(0x31, 2, 0, 0)])).toEqual([])
  })
})

describe('jumbo payloads (RFC 2675)', () => {
  const jumbo = (len: number) =>
    hbh(0xc2, 4, (len >>> 24) & 255, (len >>> 16) & 255, (len >>> 8) & 255, len & 255)
  const HEADER = ipv6.HEADER
  const withPayload0 = (frame: Uint8Array): Uint8Array => {
    ipv6.setPayloadLength(frame, 14, 0)
    return frame
  }
  const sent = (frame: Uint8Array) => {
    const path = router()
    path.receive(frame, 2)
    expect(path.isAllReturned()).toBe(true)
    return {
      dropped: path.drops(Drop.PKT_TOO_SMALL),
      malformed: path.counter(Mib.Ip6InHdrErrors),
      errors: path.sent.map(({ frame }) => {
        const { code, rest } = readIcmpv6(frame)
        return [code, rest]
      }),
    }
  }
  test('a length that needs none', () =>
    expect(answers([jumbo(65535)])).toEqual(problem(icmpv6.ICMPV6_HDR_FIELD, HEADER + 4)))
  test('beside a payload length', () =>
    expect(answers([jumbo(65536)])).toEqual(problem(icmpv6.ICMPV6_HDR_FIELD, HEADER + 2)))
  test('more than there is', () =>
    expect(sent(withPayload0(echo([jumbo(65536)])))).toEqual({
      dropped: 1,
      malformed: 1,
      errors: [],
    }))
  test('a payload length of 0 without it', () =>
    expect(sent(withPayload0(echo([hbh()])))).toEqual({
      dropped: 0,
      malformed: 1,
      errors: [[0, 4]],
    }))
})

describe('routing headers', () => {
  test.each([0, 1, 2, 3, 4, 253])('type %i with nodes left is refused (RFC 5095)', (type) => {
    expect(answers([rh(type, 1)])).toEqual(problem(icmpv6.ICMPV6_HDR_FIELD, ipv6.HEADER + 2))
  })
  test('nobody takes one that was sent to a group', () => {
    expect(answers([rh(0, 0)], toGroup, groupLink)).toEqual([])
  })
})

test('a router looks at hop-by-hop options alone', () => {
  const through = { daddr: '2001:db8:3::9' }
  const path = router()
  path.receive(echo([dst(0xde, 1, 9)], through), 2)
  path.receive(echo([rh(0, 1)], through), 2)
  expect(path.sent.map(({ dev }) => dev)).toEqual([3, 3])
  path.receive(echo([hbh(0xde, 1, 9)], through), 2)
  expect(readIcmpv6(path.sent[2]!.frame).code).toBe(icmpv6.ICMPV6_UNK_OPTION)
  expect(path.isAllReturned()).toBe(true)
})
