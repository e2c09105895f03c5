import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import * as d from '../../../core/steering/flow-dissect.ts'
import { formatWords } from '../../../core/wire/text.ts'
import { be16, ether, icmpError, ip4, ip6, ports } from './frames.ts'

const AT = 64
const mem = new Uint8Array(new SharedArrayBuffer(4096))
const { dissect, dissectNetwork, keys } = d.createFlowDissector(mem)

/** What lies around the frame is made to look like ports, so that reading it would show. */
const run = (frame: number[], len = frame.length): number => {
  mem.fill(0xee)
  mem.set(frame, AT)
  return dissect(AT, len)
}
const addr = (at: number): string =>
  formatWords(keys[at]!, keys[at + 1]!, keys[at + 2]!, keys[at + 3]!)
const flow = (): string =>
  `${addr(d.KEY_SRC)} ${keys[d.KEY_SPORT]} > ${addr(d.KEY_DST)} ${keys[d.KEY_DPORT]} ` +
  `proto ${keys[d.KEY_IP_PROTO]} flags ${keys[d.KEY_FLAGS]}`

const A = '10.0.0.1'
const B = '192.0.2.7'
const A6 = '2001:db8::1'
const B6 = '2001:db8:1::2'
const tcp = ports(40000, 443)
const OPTIONS = [60, 0, 1, 4, 0, 0, 0, 0]

describe('whole packets', () => {
  test('TCP over IPv4', () => {
    expect(run(ether(ip4(A, B, 6, tcp)))).toBe(d.DISSECT_OK)
    expect(flow()).toBe(`${A} 40000 > ${B} 443 proto 6 flags 0`)
    expect(keys[d.KEY_N_PROTO]).toBe(0x0800)
    expect([keys[d.KEY_NHOFF], keys[d.KEY_THOFF]]).toEqual([AT + 14, AT + 34])
    expect(keys[d.KEY_VLAN_TCI]).toBe(d.NO_VLAN)
  })

  test('UDP behind IPv4 options', () => {
    expect(run(ether(ip4(A, B, 17, tcp, { options: [1, 1, 1, 0, 0, 0, 0, 0] })))).toBe(d.DISSECT_OK)
    expect(flow()).toBe(`${A} 40000 > ${B} 443 proto 17 flags 0`)
    expect(keys[d.KEY_THOFF]).toBe(AT + 42)
  })

  test('TCP over IPv6, plain and behind extension headers', () => {
    expect(run(ether(ip6(A6, B6, 6, tcp)))).toBe(d.DISSECT_OK)
    const plain = flow()
    expect(plain).toBe(`${A6} 40000 > ${B6} 443 proto 6 flags 0`)
    expect(run(ether(ip6(A6, B6, 0, [...OPTIONS, 6, ...OPTIONS.slice(1), ...tcp])))).toBe(
      d.DISSECT_OK
    )
    expect(flow()).toBe(plain)
    expect(keys[d.KEY_THOFF]).toBe(AT + 70)
  })

  test('other protocols have no ports', () => {
    expect(run(ether(ip4(A, B, 47, tcp)))).toBe(d.DISSECT_OK)
    expect(flow()).toBe(`${A} 0 > ${B} 0 proto 47 flags 0`)
    expect(run(ether(ip6(A6, B6, 59, [])))).toBe(d.DISSECT_OK)
  })

  test('an ICMP echo is keyed on addresses, its identifier beside them', () => {
    expect(run(ether(ip4(A, B, 1, [8, 0, 0, 0, ...be16(777), 0, 1])))).toBe(d.DISSECT_OK)
    expect(flow()).toBe(`${A} 0 > ${B} 0 proto 1 flags 0`)
    expect(keys[d.KEY_ICMP_ID]).toBe(777)
    expect(run(ether(ip6(A6, B6, 58, [129, 0, 0, 0, ...be16(778), 0, 1])))).toBe(d.DISSECT_OK)
    expect(keys[d.KEY_ICMP_ID]).toBe(778)
  })

  test('the frame before leaves nothing behind', () => {
    run(ether(ip6(A6, B6, 6, tcp), [0x81, 0, 0x20, 5]))
    run(ether(ip4(A, B, 1, [8, 0, 0, 0, 0, 9, 0, 1])))
    run(ether(ip4(A, B, 47, [])))
    expect(flow()).toBe(`${A} 0 > ${B} 0 proto 47 flags 0`)
    expect([keys[d.KEY_VLAN_TCI], keys[d.KEY_ICMP_ID]]).toEqual([d.NO_VLAN, 0])
  })

  test('padding behind a short datagram is no port', () => {
    const padded = [...ether(ip4(A, B, 17, [])), ...tcp]
    expect(run(padded)).toBe(d.DISSECT_TRUNCATED)
    expect(flow()).toBe(`${A} 0 > ${B} 0 proto 17 flags 0`)
  })

  test('from the network header, for packets that are steered again', () => {
    mem.set(ip4(A, B, 6, tcp), AT)
    expect(dissectNetwork(0x0800, AT, 28)).toBe(d.DISSECT_OK)
    expect(flow()).toBe(`${A} 40000 > ${B} 443 proto 6 flags 0`)
  })
})

describe('VLAN tags', () => {
  const tag = (tci: number): number[] => [0x81, 0x00, ...be16(tci)]

  test('the outermost is kept, stacked ones are passed', () => {
    expect(run(ether(ip4(A, B, 6, tcp), [0x88, 0xa8, ...be16(0x6064)], tag(7)))).toBe(d.DISSECT_OK)
    expect(keys[d.KEY_VLAN_TCI]).toBe(0x6064)
    expect(flow()).toBe(`${A} 40000 > ${B} 443 proto 6 flags 0`)
    expect(keys[d.KEY_NHOFF]).toBe(AT + 22)
  })

  test('a pile of them is refused', () => {
    const tags = (count: number) => Array.from({ length: count }, (_, i) => tag(i))
    expect(run(ether(ip4(A, B, 6, tcp), ...tags(4)))).toBe(d.DISSECT_OK)
    expect(run(ether(ip4(A, B, 6, tcp), ...tags(5)))).toBe(d.DISSECT_TOO_DEEP)
  })
})

describe('fragments', () => {
  test('first, middle and last of an IPv4 datagram differ only in the first-piece flag', () => {
    const key = (flags: number) => `${A} 0 > ${B} 0 proto 17 flags ${flags}`
    run(ether(ip4(A, B, 17, tcp, { fragment: 0x2000 })))
    expect(flow()).toBe(key(d.FLAG_IS_FRAG | d.FLAG_FIRST_FRAG))
    run(ether(ip4(A, B, 17, tcp, { fragment: 0x2001 })))
    expect(flow()).toBe(key(d.FLAG_IS_FRAG))
    run(ether(ip4(A, B, 17, [9], { fragment: 185 })))
    expect(flow()).toBe(key(d.FLAG_IS_FRAG))
  })

  test('the same over IPv6', () => {
    const piece = (field: number) =>
      ether(ip6(A6, B6, 44, [17, 0, ...be16(field), 0, 0, 0, 1, ...tcp]))
    expect(run(piece(1))).toBe(d.DISSECT_OK)
    expect(flow()).toBe(`${A6} 0 > ${B6} 0 proto 17 flags ${d.FLAG_IS_FRAG | d.FLAG_FIRST_FRAG}`)
    expect(run(piece(8))).toBe(d.DISSECT_OK)
    expect(flow()).toBe(`${A6} 0 > ${B6} 0 proto 17 flags ${d.FLAG_IS_FRAG}`)
  })

  test('an atomic fragment is a whole packet', () => {
    run(ether(ip6(A6, B6, 44, [17, 0, 0, 0, 0, 0, 0, 1, ...tcp])))
    expect(flow()).toBe(`${A6} 40000 > ${B6} 443 proto 17 flags 0`)
  })

  test('don’t-fragment alone is no fragment', () => {
    run(ether(ip4(A, B, 17, tcp, { fragment: 0x4000 })))
    expect(flow()).toBe(`${A} 40000 > ${B} 443 proto 17 flags 0`)
  })
})

describe('ICMP errors', () => {
  const ROUTER = '198.51.100.1'
  const reply = `${B} 443 > ${A} 40000 proto 6 flags ${d.FLAG_ICMP_ERROR}`

  test('are keyed as an incoming packet of the flow they quote', () => {
    expect(run(ether(ip4(ROUTER, A, 1, icmpError(3, ip4(A, B, 6, tcp)))))).toBe(d.DISSECT_OK)
    expect(flow()).toBe(reply)
    expect(keys[d.KEY_THOFF]).toBe(AT + 34)
  })

  test('the same over IPv6, extension headers in the quote included', () => {
    const quote = ip6(A6, B6, 60, [6, ...OPTIONS.slice(1), ...tcp])
    expect(run(ether(ip6('2001:db8::ff', A6, 58, icmpError(2, quote))))).toBe(d.DISSECT_OK)
    expect(flow()).toBe(`${B6} 443 > ${A6} 40000 proto 6 flags ${d.FLAG_ICMP_ERROR}`)
  })

  test('a quote longer than what is quoted of it still counts', () => {
    const quote = ip4(A, B, 6, [...tcp, ...new Array(1400).fill(0)]).slice(0, 28)
    run(ether(ip4(ROUTER, A, 1, icmpError(3, quote))))
    expect(flow()).toBe(reply)
  })

  test('a quoted first piece has ports, a later one has none', () => {
    const quote = (fragment: number) => icmpError(11, ip4(A, B, 17, tcp, { fragment }))
    run(ether(ip4(ROUTER, A, 1, quote(0x2000))))
    expect(flow()).toBe(`${B} 443 > ${A} 40000 proto 17 flags ${d.FLAG_ICMP_ERROR}`)
    run(ether(ip4(ROUTER, A, 1, quote(185))))
    expect(flow()).toBe(`${B} 0 > ${A} 0 proto 17 flags ${d.FLAG_ICMP_ERROR | d.FLAG_IS_FRAG}`)
  })

  test('a quoted echo is keyed on addresses', () => {
    run(ether(ip4(ROUTER, A, 1, icmpError(3, ip4(A, B, 1, [8, 0, 0, 0, 0, 7, 0, 1])))))
    expect(flow()).toBe(`${B} 0 > ${A} 0 proto 1 flags ${d.FLAG_ICMP_ERROR}`)
  })

  test('one that quotes nothing readable keeps its own addresses', () => {
    const own = `${ROUTER} 0 > ${A} 0 proto 1 flags 0`
    for (const quote of [[], ip4(A, B, 6, tcp).slice(0, 19), ip6(A6, B6, 6, tcp)]) {
      expect(run(ether(ip4(ROUTER, A, 1, icmpError(3, quote))))).toBe(d.DISSECT_OK)
      expect(flow()).toBe(own)
    }
  })
})

describe('bad frames', () => {
  test('what is not IP has no flow', () => {
    expect(run([...ether([]).slice(0, 12), 0x08, 0x06, ...new Array(28).fill(0)])).toBe(
      d.DISSECT_NOT_IP
    )
    expect(keys[d.KEY_N_PROTO]).toBe(0x0806)
  })

  test('a contradiction is malformed', () => {
    const broken = (at: number, value: number, packet = ip4(A, B, 6, tcp)): number => {
      const frame = ether(packet)
      frame[14 + at] = value
      return run(frame)
    }
    expect(broken(0, 0x55)).toBe(d.DISSECT_MALFORMED)
    expect(broken(0, 0x44)).toBe(d.DISSECT_MALFORMED)
    expect(broken(3, 19)).toBe(d.DISSECT_MALFORMED)
    expect(broken(0, 0x40, ip6(A6, B6, 6, tcp))).toBe(d.DISSECT_MALFORMED)
  })

  test('too many extension headers', () => {
    const chain = Array.from({ length: 9 }, () => OPTIONS).flat()
    expect(run(ether(ip6(A6, B6, 60, chain)))).toBe(d.DISSECT_TOO_DEEP)
  })

  const samples = {
    tcp4: ether(ip4(A, B, 6, tcp)),
    options: ether(ip4(A, B, 17, tcp, { options: [1, 1, 1, 0] })),
    tcp6: ether(ip6(A6, B6, 6, tcp)),
    chain6: ether(ip6(A6, B6, 0, [6, ...OPTIONS.slice(1), ...tcp])),
    vlan: ether(ip4(A, B, 6, tcp), [0x81, 0, 0, 1]),
    error4: ether(ip4(B, A, 1, icmpError(3, ip4(A, B, 6, tcp)))),
    error6: ether(ip6(B6, A6, 58, icmpError(1, ip6(A6, B6, 6, tcp)))),
  }

  test.each(Object.entries(samples))('%s cut at any length never reads on', (_, frame) => {
    for (let len = 0; len < frame.length; len++) {
      const reason = run(frame.slice(0, len))
      const seen = [...keys].join()
      expect([d.DISSECT_OK, d.DISSECT_TRUNCATED]).toContain(reason)
      // with other octets behind the cut, the same answer
      mem.fill(0x11, AT + len)
      expect(dissect(AT, len)).toBe(reason)
      expect([...keys].join()).toBe(seen)
    }
    // what lies behind the ports is not needed
    expect(run(frame.slice(0, frame.length - 4))).toBe(d.DISSECT_OK)
  })

  test('random bytes: an answer, independent of what lies outside the frame', () => {
    const start = fc.constantFrom<[number, ...number[]]>(
      [0x08, 0x00, 0x45],
      [0x86, 0xdd, 0x60],
      [0x81, 0]
    )
    const next = fc.constantFrom(0, 1, 6, 43, 44, 58)
    fc.assert(
      fc.property(start, fc.uint8Array({ maxLength: 90 }), next, (head, body, proto) => {
        const frame = [...new Array(12).fill(2), ...head, ...body]
        if (head[0] === 0x86 && frame.length > 20) frame[20] = proto
        if (head[0] === 0x08 && frame.length > 23) frame[23] = proto
        const reason = run(frame)
        const seen = [...keys].join()
        mem.fill(0)
        mem.set(frame, AT)
        expect(dissect(AT, frame.length)).toBe(reason)
        expect([...keys].join()).toBe(seen)
      }),
      { numRuns: 2000 }
    )
  })
})
