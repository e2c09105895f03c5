import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { createToeplitz } from '../../../core/steering/toeplitz.ts'
import { parseAddr } from '../../../core/wire/text.ts'

const KEY = Uint8Array.fromHex(
  '6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa'
)

// "Verifying the RSS Hash Calculation": destination, its port, source, its port, addresses only, with TCP
const V4 = [
  ['161.142.100.80', 1766, '66.9.149.187', 2794, 0x323e8fc2, 0x51ccc178],
  ['65.69.140.83', 4739, '199.92.111.2', 14230, 0xd718262a, 0xc626b0ea],
  ['12.22.207.184', 38024, '24.19.198.95', 12898, 0xd2d0a5de, 0x5c2b394a],
  ['209.142.163.6', 2217, '38.27.205.30', 48228, 0x82989176, 0xafc7327f],
  ['202.188.127.2', 1303, '153.39.163.191', 44251, 0x5d1809c5, 0x10e828a2],
] as const
const V6 = [
  ['3ffe:2501:200:3::1', 1766, '3ffe:2501:200:1fff::7', 2794, 0x2cc18cd5, 0x40207d3d],
  ['ff02::1', 4739, '3ffe:501:8::260:97ff:fe40:efab', 14230, 0x0f0c461c, 0xdde51bbf],
  [
    'fe80::200:f8ff:fe21:67cf',
    38024,
    '3ffe:1900:4545:3:200:f8ff:fe21:67cf',
    44251,
    0x4b61e985,
    0x02d1feef,
  ],
] as const

describe("Microsoft's vectors", () => {
  const { hash4, hash6 } = createToeplitz(KEY)

  test.each(V4)('%s:%d from %s:%d', (dst, dport, src, sport, addresses, withTcp) => {
    const s = parseAddr(src)!.words[3]
    const d = parseAddr(dst)!.words[3]
    expect(hash4(s, d, 0) >>> 0).toBe(addresses)
    expect(hash4(s, d, (sport << 16) | dport) >>> 0).toBe(withTcp)
  })

  test.each(V6)('[%s]:%d from [%s]:%d', (dst, dport, src, sport, addresses, withTcp) => {
    const s = parseAddr(src)!.words
    const d = parseAddr(dst)!.words
    expect(hash6(...s, ...d, 0) >>> 0).toBe(addresses)
    expect(hash6(...s, ...d, (sport << 16) | dport) >>> 0).toBe(withTcp)
  })
})

/** The definition, bit by bit. */
const oracle = (key: Uint8Array, words: readonly number[]): number => {
  let hash = 0
  for (let bit = 0; bit < words.length * 32; bit++) {
    if (((words[bit >> 5]! >>> (31 - (bit & 31))) & 1) === 0) continue
    for (let i = 0; i < 32; i++) {
      const at = bit + i
      hash ^= ((key[at >> 3]! >> (7 - (at & 7))) & 1) << (31 - i)
    }
  }
  return hash
}

test('any key, any input, after any change of key', () => {
  const key = fc.uint8Array({ minLength: 40, maxLength: 40 })
  const words = fc.array(fc.integer(), { minLength: 9, maxLength: 9 })
  const { setKey, hash4, hash6 } = createToeplitz(KEY)
  fc.assert(
    fc.property(key, words, (next, input) => {
      setKey(next)
      const [a, b, c, d, e, f, g, h, i] = input as [
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
      ]
      expect(hash6(a, b, c, d, e, f, g, h, i)).toBe(oracle(next, input))
      expect(hash4(a, b, c)).toBe(oracle(next, [a, b, c]))
    })
  )
})
