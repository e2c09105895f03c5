import { describe, expect, test } from 'bun:test'
import { AF_INET, AF_INET6 } from '../../../../../core/base/family.ts'
import { networkWords } from '../../../../../core/inet/fib/writer/addr-prefix.ts'
import { createFibCovering } from '../../../../../core/inet/fib/trie/fib-covering.ts'
import { FP_SEQ, fibPrefixPlaces } from '../../../../../core/inet/fib/trie/fib-prefix-hash.ts'
import { fibRoot } from '../../../../../core/inet/fib/trie/fib-tables.ts'
import { createFibWriter } from '../../../../../core/inet/fib/writer/fib-writer.ts'
import { RT_TABLE_LOCAL, RT_TABLE_MAIN } from '../../../../../core/inet/fib/nexthop-constants.ts'
import { INIT_NET } from '../../../../../core/netdev/netdev.ts'
import { createArena } from '../../../../../core/shm/arena.ts'
import { SMALL_ARENA } from '../../../../../core/shm/layout.ts'
import type { Words } from '../../../../../core/wire/text.ts'
import { parseAddr } from '../../../../../core/wire/text.ts'
import { seeded } from '../../../../support/random.ts'

const ROW = 32
const make = (family: number) => {
  const arena = createArena({ ...SMALL_ARENA, fibNodes: 2048 })
  const writer = createFibWriter({ arena, retire: (done) => done(), reclaim: () => {} })
  writer.addNet(INIT_NET)
  const find = createFibCovering(arena, family)
  const covering = (address: Words, most: number, table = RT_TABLE_MAIN): number =>
    find(fibRoot(arena, INIT_NET, family, table), Int32Array.from(address), 0, most) / ROW
  const put = (address: Words, plen: number, row: number): number =>
    writer.insert(INIT_NET, family, RT_TABLE_MAIN, address, plen, row * ROW)
  const take = (address: Words, plen: number): number =>
    writer.remove(INIT_NET, family, RT_TABLE_MAIN, address, plen)
  return { arena, covering, put, take, size: () => writer.size(INIT_NET, family, RT_TABLE_MAIN) }
}

describe.each([
  ['IPv4', AF_INET, '10.1.2.3', 32],
  ['IPv6', AF_INET6, '2001:db8:1::3', 128],
])('%s', (_, family, text, bits) => {
  const address = parseAddr(text)!.words

  test('the prefixes around an address are found one after the other, in the table asked for', () => {
    const { covering, put } = make(family)
    const lengths = [0, 7, 8, 20, bits - 1, bits]
    for (const plen of lengths) expect(put(address, plen, plen + 1)).toBe(0)
    const seen: number[] = []
    for (let row = covering(address, bits); row !== 0; row = covering(address, row - 2))
      seen.push(row - 1)
    expect(seen).toEqual(lengths.toReversed())
    expect(covering(address, bits, RT_TABLE_LOCAL)).toBe(0)
  })

  test('they are what a walk over all prefixes finds, while prefixes come and go', () => {
    const { covering, put, take, size } = make(family)
    const next = seeded(7)
    const random = (below: number): number => (next() >>> 0) % below
    const known = new Map<string, { address: Words; plen: number; row: number }>()
    // few bits vary, so that many lie in one another
    const any = (): Words => {
      const word = random(4) << 28 || random(2) << 20
      return family === AF_INET ? [0, 0, 0xffff, word] : [word, random(3), 0, random(5)]
    }
    const oracle = (of: Words, most: number): number => {
      let [best, row] = [-1, 0]
      for (const one of known.values())
        if (one.plen <= most && one.plen > best)
          if (String(networkWords(family)(of, one.plen)) === String(one.address))
            [best, row] = [one.plen, one.row]
      return row
    }
    for (let step = 1; step < 4000; step++) {
      const plen = random(bits + 1)
      const one = networkWords(family)(any(), plen)
      const name = `${one}/${plen}`
      if (random(3) === 0) {
        expect(take(one, plen) === 0).toBe(known.delete(name))
      } else {
        expect(put(one, plen, step)).toBe(0)
        known.set(name, { address: one, plen, row: step })
      }
      const [asked, most] = [any(), random(bits + 1)]
      expect(covering(asked, most)).toBe(oracle(asked, most))
    }
    for (const { address: one, plen } of known.values()) expect(take(one, plen)).toBe(0)
    expect([size(), covering(address, bits)]).toEqual([0, 0])
  })

  test('while control is in the midst of a change nobody waits for it', () => {
    const { arena, covering, put } = make(family)
    put(address, 8, 1)
    const seq = fibPrefixPlaces(arena, family).head + FP_SEQ
    Atomics.add(arena.i32, seq, 1)
    expect(covering(address, bits)).toBe(0)
    Atomics.add(arena.i32, seq, 1)
    expect(covering(address, bits)).toBe(1)
  })
})
