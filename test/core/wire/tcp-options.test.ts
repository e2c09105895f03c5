import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import * as opts from '../../../core/wire/tcp-options.ts'

const out = new Int32Array(opts.OPT_WORDS)
const parse = (...bytes: number[]): number => {
  const mem = Uint8Array.from([0xee, ...bytes, 0xee])
  opts.parse(mem, 1, bytes.length, out)
  return out[opts.OPT_SEEN]!
}

describe('parse', () => {
  test("a Linux client's SYN", () => {
    const seen = parse(...Uint8Array.fromHex('020405b40402080a0102030400000000' + '01030307'))
    expect(seen).toBe(opts.SEEN_MSS | opts.SEEN_SACK_PERM | opts.SEEN_TIMESTAMPS | opts.SEEN_WSCALE)
    expect(out[opts.OPT_MSS]).toBe(1460)
    expect(out[opts.OPT_TSVAL]).toBe(0x01020304)
    expect(out[opts.OPT_TSECR]).toBe(0)
    expect(out[opts.OPT_WSCALE]).toBe(7)
  })

  test('the aligned timestamps of an established connection', () => {
    expect(parse(...Uint8Array.fromHex('0101080affffffff80000000'))).toBe(opts.SEEN_TIMESTAMPS)
    expect(out[opts.OPT_TSVAL]).toBe(-1)
    expect(out[opts.OPT_TSECR]).toBe(-0x80000000)
  })

  test('SACK blocks are found in place', () => {
    const bytes = Uint8Array.fromHex('0101051200000001000000020000000500000009')
    expect(parse(...bytes)).toBe(opts.SEEN_SACK)
    expect(out[opts.OPT_SACK_COUNT]).toBe(2)
    const at = out[opts.OPT_SACK_AT]! - 1
    expect([opts.sackStart(bytes, at, 1), opts.sackEnd(bytes, at, 1)]).toEqual([5, 9])
  })

  test('a segment size of 0 is none, and takes none away', () => {
    expect(parse(...Uint8Array.fromHex('02040000'))).toBe(0)
    expect(parse(...Uint8Array.fromHex('020405b402040000'))).toBe(opts.SEEN_MSS)
    expect(out[opts.OPT_MSS]).toBe(1460)
  })

  test('a window scale above 14 counts as 14', () => {
    parse(3, 3, 200)
    expect(out[opts.OPT_WSCALE]).toBe(14)
  })

  test('an option of the wrong length for its kind is passed over', () => {
    expect(parse(2, 3, 5, 3, 3, 4)).toBe(opts.SEEN_WSCALE)
    expect(parse(5, 2, 4, 2)).toBe(opts.SEEN_SACK_PERM)
    expect(parse(5, 9, 0, 0, 0, 0, 0, 0, 0)).toBe(0)
  })

  test('an unknown kind is passed over by its length', () => {
    expect(parse(253, 4, 9, 9, 2, 4, 5, 180)).toBe(opts.SEEN_MSS)
  })

  test('end of options ends it; a length of 0 or 1, or one beyond the header, does too', () => {
    expect(parse(4, 2, 0, 2, 4, 5, 180)).toBe(opts.SEEN_SACK_PERM)
    expect(parse(4, 2, 8, 0, 2, 4, 5, 180)).toBe(opts.SEEN_SACK_PERM)
    expect(parse(4, 2, 8, 1, 2, 4, 5, 180)).toBe(opts.SEEN_SACK_PERM)
    expect(parse(4, 2, 8, 10, 0, 0)).toBe(opts.SEEN_SACK_PERM)
    expect(parse(4, 2, 2)).toBe(opts.SEEN_SACK_PERM)
  })

  test('a cookie of four to sixteen octets, an even number, or none, by either number', () => {
    const asked = (...bytes: number[]): number | null =>
      parse(...bytes) === 0 ? null : out[opts.OPT_FASTOPEN_LEN]!
    const zeros = (n: number): number[] => new Array(n).fill(0)
    expect(asked(34, 2)).toBe(0)
    expect([4, 6, 8, 16].map((n) => asked(34, 2 + n, ...zeros(n)))).toEqual([4, 6, 8, 16])
    expect([1, 2, 3, 5, 15, 18].map((n) => asked(34, 2 + n, ...zeros(n)))).toEqual(
      zeros(6).map(() => null)
    )
    expect(asked(254, 4, 0xf9, 0x89)).toBe(0)
    expect(asked(254, 8, 0xf9, 0x89, 1, 2, 3, 4)).toBe(4)
    expect(out[opts.OPT_SEEN]).toBe(opts.SEEN_FASTOPEN | opts.SEEN_FASTOPEN_EXP)
    expect(asked(254, 8, 0xf9, 0x8a, 1, 2, 3, 4)).toBe(null)
    expect(asked(254, 3, 0xf9)).toBe(null)
  })

  test("AccECN's counters are found by either kind and in any length (RFC 9768 section 3.2.3)", () => {
    for (const [kind, order] of [
      [172, 0],
      [174, 1],
    ] as const)
      for (const len of [0, 3, 6, 9, 4, 11]) {
        const counters = Array.from({ length: len }, (_, k) => 0xa0 + k)
        expect(parse(1, kind, 2 + len, ...counters, 4, 2)).toBe(
          opts.SEEN_ACCECN | opts.SEEN_SACK_PERM
        )
        expect(out[opts.OPT_ACCECN_AT]).toBe(4)
        expect(out[opts.OPT_ACCECN_LEN]).toBe(len)
        expect(out[opts.OPT_ACCECN_ORDER]).toBe(order)
      }
  })

  test('what it points to lies within the options, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const seen = parse(...bytes)
        const end = 1 + bytes.length
        if (seen & opts.SEEN_SACK) {
          expect(out[opts.OPT_SACK_AT]! + out[opts.OPT_SACK_COUNT]! * 8).toBeLessThanOrEqual(end)
        }
        if (seen & opts.SEEN_ACCECN) {
          expect(out[opts.OPT_ACCECN_AT]! + out[opts.OPT_ACCECN_LEN]!).toBeLessThanOrEqual(end)
        }
        if (seen & opts.SEEN_FASTOPEN) {
          expect(out[opts.OPT_FASTOPEN_AT]! + out[opts.OPT_FASTOPEN_LEN]!).toBeLessThanOrEqual(end)
        }
      })
    )
  })
})

describe('a signature', () => {
  const md5At = (hex: string): number => {
    const mem = Uint8Array.fromHex(`ee${hex}ee`)
    return opts.md5At(mem, 1, mem.length - 2)
  }
  const SIGNED = `1312${'aa'.repeat(16)}`
  test('is found behind others', () => {
    expect(md5At(SIGNED)).toBe(3)
    expect(md5At(`0101${SIGNED}`)).toBe(5)
    expect(md5At(`020405b4${'01'.repeat(16)}`)).toBe(0)
  })
  test('is none behind the end, nor where there is no room for one', () => {
    expect(md5At(`00${SIGNED}`)).toBe(0)
    expect(md5At(`0200${'01'.repeat(15)}`)).toBe(0)
  })
  test('is not to be known where options have no length, or it has another, or there are two', () => {
    expect(md5At(`0200${'01'.repeat(16)}`)).toBe(opts.BAD_AUTH)
    expect(md5At(`02ff${'01'.repeat(16)}`)).toBe(opts.BAD_AUTH)
    expect(md5At(`1311${'aa'.repeat(15)}01`)).toBe(opts.BAD_AUTH)
    expect(md5At(`1d04aabb${'01'.repeat(16)}`)).toBe(opts.BAD_AUTH)
    expect(md5At(SIGNED + SIGNED)).toBe(opts.BAD_AUTH)
  })
})

describe('emitters', () => {
  test('what they write, parse reads', () => {
    const mem = new Uint8Array(64)
    let at = opts.putMss(mem, 0, 1400)
    at = opts.putSackPermittedTimestamps(mem, at, -5, 6)
    at = opts.putWscale(mem, at, 9)
    at = opts.putFastopen(mem, at, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), 8, false)
    expect(at).toBe(4 + 12 + 4 + 12)
    opts.parse(mem, 0, at, out)
    expect(out[opts.OPT_SEEN]).toBe(opts.OPTS_ON_SYN | opts.SEEN_TIMESTAMPS)
    expect([...out.subarray(1, 5)]).toEqual([1400, 9, -5, 6])
    expect([...mem.subarray(out[opts.OPT_FASTOPEN_AT]!).subarray(0, 8)]).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8,
    ])
    expect(out[opts.OPT_FASTOPEN_LEN]).toBe(8)
  })

  test('timestamps with three SACK blocks fill the forty octets', () => {
    const mem = new Uint8Array(40)
    let at = opts.putTimestamps(mem, 0, 1, 2)
    at = opts.putSackHeader(mem, at, 3)
    for (const start of [10, 20, 30]) at = opts.putSackBlock(mem, at, start, start + 5)
    expect(at).toBe(opts.MAX_OPTIONS)
    opts.parse(mem, 0, at, out)
    expect(out[opts.OPT_SEEN]).toBe(opts.SEEN_TIMESTAMPS | opts.SEEN_SACK)
    expect(out[opts.OPT_SACK_COUNT]).toBe(3)
    expect(opts.sackEnd(mem, out[opts.OPT_SACK_AT]!, 2)).toBe(35)
  })

  test('AccECN with so many counters, whose end lies over the NOPs of what follows', () => {
    const written = (fields: number, bytes: number): string => {
      const mem = new Uint8Array(16)
      opts.putSackPermitted(mem, bytes)
      opts.putAccecn(mem, 0, bytes, fields, 0x010203, 0xffffff, 0x1070809)
      return mem.subarray(0, bytes + 4).toHex()
    }
    expect(written(3, 12)).toBe('ae0b010203ffffff0708090101010402')
    expect(written(2, 8)).toBe('ae08010203ffffff01010402')
    expect(written(1, 4)).toBe('ae05010203010402')
    expect(written(1, 8)).toBe('ae0501020301010101010402')
    expect(written(0, 0)).toBe('ae020402')
    expect(opts.accecnField(Uint8Array.of(9, 0xff, 0, 1, 9), 1)).toBe(0xff0001)
  })
  test('a request for a cookie, and SACK-permitted alone, are padded to a word', () => {
    const mem = new Uint8Array(8)
    expect(opts.putFastopen(mem, 0, mem, 0, false)).toBe(4)
    expect(opts.putSackPermitted(mem, 4)).toBe(8)
    expect(mem.toHex()).toBe('2202010101010402')
  })
})
