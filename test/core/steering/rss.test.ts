import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import * as d from '../../../core/steering/flow-dissect.ts'
import * as rss from '../../../core/steering/rss.ts'
import { createRssControl } from '../../../core/steering/rss-control.ts'
import { createToeplitz } from '../../../core/steering/toeplitz.ts'
import { parseAddr } from '../../../core/wire/text.ts'
import { ether, icmpError, ip4, ip6, ports } from './frames.ts'

const KEY = Uint8Array.from({ length: 40 }, (_, i) => (i * 37 + 11) & 255)

const setUp = (channels = 4) => {
  const state = new Int32Array(new SharedArrayBuffer(rss.RSS_WORDS * 4))
  const control = createRssControl(state)
  control.init(channels, KEY)
  const reader = rss.createRssReader(state)
  const mem = new Uint8Array(256)
  const { dissect, keys } = d.createFlowDissector(mem)
  const hashOf = (packet: number[]): number => {
    const frame = ether(packet)
    mem.set(frame)
    dissect(0, frame.length)
    return reader.hash(keys)
  }
  return { state, control, reader, keys, hashOf }
}

const A = '10.0.0.1'
const B = '192.0.2.7'
const A6 = '2001:db8::1'
const B6 = '2001:db8:1::2'
const there = ports(40000, 443)
const back = ports(443, 40000)

describe('hash', () => {
  test('is the Toeplitz hash of the 4-tuple for TCP and UDP, of addresses for the rest', () => {
    const { hashOf } = setUp()
    const { hash4, hash6 } = createToeplitz(KEY)
    const [s, t] = [parseAddr(A)!.words[3], parseAddr(B)!.words[3]]
    const full = hash4(s, t, (40000 << 16) | 443)
    expect(hashOf(ip4(A, B, 6, there))).toBe(full)
    expect(hashOf(ip4(A, B, 17, there))).toBe(full)
    expect(hashOf(ip4(A, B, 47, there))).toBe(hash4(s, t, 0))
    const [s6, t6] = [parseAddr(A6)!.words, parseAddr(B6)!.words]
    expect(hashOf(ip6(A6, B6, 17, there))).toBe(hash6(...s6, ...t6, (40000 << 16) | 443))
    expect(hashOf(ip6(A6, B6, 58, [128, 0, 0, 0, 0, 1, 0, 1]))).toBe(hash6(...s6, ...t6, 0))
  })

  test('every piece of a datagram hashes as every other, ports or not', () => {
    const { hashOf } = setUp()
    const first = hashOf(ip4(A, B, 17, there, { fragment: 0x2000 }))
    expect(hashOf(ip4(A, B, 17, back, { fragment: 0x2001 }))).toBe(first)
    expect(hashOf(ip4(A, B, 17, [1], { fragment: 185 }))).toBe(first)
  })

  test('an ICMP error hashes as the incoming packets of the flow it quotes', () => {
    const { hashOf } = setUp()
    for (const proto of [6, 17]) {
      expect(hashOf(ip4('198.51.100.1', A, 1, icmpError(3, ip4(A, B, proto, there))))).toBe(
        hashOf(ip4(B, A, proto, back))
      )
      expect(hashOf(ip6('2001:db8::9', A6, 58, icmpError(2, ip6(A6, B6, proto, there))))).toBe(
        hashOf(ip6(B6, A6, proto, back))
      )
    }
  })

  test('what is not IP has none', () => {
    const { reader, keys } = setUp()
    keys[d.KEY_N_PROTO] = 0x0806
    expect(reader.hash(keys)).toBe(0)
  })

  test('flowHash foretells it', () => {
    const { hashOf, reader } = setUp()
    const word = fc.ipV4()
    fc.assert(
      fc.property(
        word,
        word,
        fc.nat(65535),
        fc.nat(65535),
        fc.constantFrom(6, 17, 1),
        (s, t, sp, dp, proto) => {
          const foretold = reader.flowHash(
            proto,
            ...parseAddr(s)!.words,
            ...parseAddr(t)!.words,
            sp,
            dp
          )
          expect(
            hashOf(ip4(s, t, proto, proto === 1 ? [0, 0, 0, 0, 0, 0, 0, 0] : ports(sp, dp)))
          ).toBe(foretold)
        }
      )
    )
    const foretold = reader.flowHash(
      6,
      ...parseAddr(A6)!.words,
      ...parseAddr(B6)!.words,
      40000,
      443
    )
    expect(hashOf(ip6(A6, B6, 6, there))).toBe(foretold)
  })
})

describe('symmetric-xor', () => {
  test('both directions hash alike, both versions, and it can be turned off again', () => {
    const { control, reader, hashOf } = setUp()
    expect(hashOf(ip4(A, B, 6, there))).not.toBe(hashOf(ip4(B, A, 6, back)))
    const before = hashOf(ip4(A, B, 6, there))
    expect(control.setSymmetric(true)).toBe(true)
    reader.refresh()
    expect(hashOf(ip4(A, B, 6, there))).toBe(hashOf(ip4(B, A, 6, back)))
    expect(hashOf(ip6(A6, B6, 6, there))).toBe(hashOf(ip6(B6, A6, 6, back)))
    expect(hashOf(ip4(A, B, 6, there))).not.toBe(hashOf(ip4(A, B, 6, ports(40001, 443))))
    const x = parseAddr(A)!.words[3] ^ parseAddr(B)!.words[3]
    const p = 40000 ^ 443
    expect(hashOf(ip4(A, B, 6, there))).toBe(createToeplitz(KEY).hash4(x, x, (p << 16) | p))
    control.setSymmetric(false)
    reader.refresh()
    expect(hashOf(ip4(A, B, 6, there))).toBe(before)
  })
})

describe('a reader', () => {
  test('sees a change at its next refresh, not before', () => {
    const { control, reader, hashOf } = setUp()
    const before = hashOf(ip4(A, B, 6, there))
    control.setKey(new Uint8Array(40).fill(1))
    expect(hashOf(ip4(A, B, 6, there))).toBe(before)
    reader.refresh()
    expect(hashOf(ip4(A, B, 6, there))).not.toBe(before)
  })

  test('does not take a change that is under way', () => {
    const { state, control, reader } = setUp()
    control.setEqual(1)
    state[rss.SEQUENCE]!++
    reader.refresh()
    expect(reader.queueFor(3)).toBe(3)
    state[rss.SEQUENCE]!++
    reader.refresh()
    expect(reader.queueFor(3)).toBe(0)
  })

  test('the low seven bits of a hash choose, negative hashes included', () => {
    const { reader } = setUp(4)
    expect([0, 1, 5, 127, 128, -1].map(reader.queueFor)).toEqual([0, 1, 1, 3, 0, 3])
  })

  test('random flows spread over the queues', () => {
    const { reader } = setUp(4)
    const hits = [0, 0, 0, 0]
    for (let port = 1024; port < 5120; port++) {
      const hash = reader.flowHash(6, 0, 0, 0xffff, 0x0a000001, 0, 0, 0xffff, 0x0a000002, port, 80)
      hits[reader.queueFor(hash)]!++
    }
    for (const hit of hits) expect(hit).toBeGreaterThan(800)
  })
})
