import { AF_INET, AF_INET6 } from '../../../../core/base/family.ts'
import { describe, expect, test } from 'bun:test'
import { Errno } from '../../../../core/base/errno.ts'
import { createFlowi, FL_DADDR, FL_FAMILY } from '../../../../core/base/flowi.ts'
import { createFibReader } from '../../../../core/inet/fib/fib.ts'
import { fibRoot } from '../../../../core/inet/fib/trie/fib-tables.ts'
import { byFamily } from '../../../../core/inet/af-ops.ts'
import { maskWords } from '../../../../core/inet/fib/writer/addr-prefix.ts'
import { createFibWriter } from '../../../../core/inet/fib/writer/fib-writer.ts'
import type { Linkdown } from '../../../../core/inet/fib/linkdown.ts'
import {
  RT_TABLE_DEFAULT,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
} from '../../../../core/inet/fib/nexthop-constants.ts'
import { INIT_NET } from '../../../../core/netdev/netdev.ts'
import { createArena } from '../../../../core/shm/arena.ts'
import { SMALL_ARENA } from '../../../../core/shm/layout.ts'
import type { Words } from '../../../../core/wire/text.ts'
import { parsePrefix } from '../../../../core/wire/text.ts'

/** Rows are multiples of this; the n-th is n of them. */
const ROW = 32

const makeFib = (fibNodes = 2048, linkdown: Partial<Linkdown> = {}) => {
  const arena = createArena({ ...SMALL_ARENA, fibNodes })
  const waiting: (() => void)[] = []
  const reclaim = () => {
    for (const done of waiting.splice(0)) done()
  }
  const retire = (done: () => void) => waiting.push(done)
  const writer = createFibWriter({ arena, retire, reclaim, ...linkdown })
  writer.addNet(INIT_NET)
  const reader = createFibReader(arena, INIT_NET)
  const parse = (text: string) => {
    const { family, words, prefixlen } = parsePrefix(text)!
    return [family === 4 ? AF_INET : AF_INET6, words, prefixlen] as const
  }
  const add = (text: string, row: number, table = RT_TABLE_MAIN): number => {
    const [family, words, plen] = parse(text)
    return writer.insert(INIT_NET, family, table, words, plen, row * ROW)
  }
  const del = (text: string, table = RT_TABLE_MAIN): number => {
    const [family, words, plen] = parse(text)
    return writer.remove(INIT_NET, family, table, words, plen)
  }
  const get = (text: string): number => {
    const [family, words] = parse(text)
    const fl = createFlowi()
    fl[FL_FAMILY] = family
    fl.set(words, FL_DADDR)
    // of none: 0
    return Math.max(byFamily(reader.fibLookup4, reader.fibLookup6)(family)(fl), 0) / ROW
  }
  return { ...writer, arena, reader, add, del, get, reclaim }
}

const seeded = (seed: number) => (): number => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return (t ^ (t >>> 14)) >>> 0
}

describe.each([
  ['IPv4', '10.1.2.3', ['10.0.0.0/8', '10.1.0.0/16', '10.1.2.0/24', '10.1.2.3'], '0.0.0.0/0'],
  ['IPv6', 'fd00:1:2::3', ['fd00::/8', 'fd00:1::/32', 'fd00:1:2::/64', 'fd00:1:2::3'], '::/0'],
])('%s', (family, address, nested, all) => {
  test('the longest prefix wins, whatever the order of arrival', () => {
    for (const order of [nested, nested.toReversed()]) {
      const { add, get } = makeFib()
      for (const prefix of order) add(prefix, 100 + nested.indexOf(prefix))
      expect(get(address)).toBe(103)
    }
  })

  test('a deleted prefix uncovers the one under it, down to the default and to nothing', () => {
    const { add, del, get } = makeFib()
    add(all, 99)
    for (const [k, prefix] of nested.entries()) add(prefix, 100 + k)
    for (const expected of [102, 101, 100, 99]) {
      del(nested[expected - 99]!)
      expect(get(address)).toBe(expected)
    }
    del(all)
    expect(get(address)).toBe(0)
  })

  test('replacing a prefix changes its row and no other', () => {
    const { add, get } = makeFib()
    add(nested[1]!, 5)
    add(nested[3]!, 6)
    add(nested[1]!, 7)
    expect(get(address)).toBe(6)
    expect(get(nested[1]!.split('/')[0]!)).toBe(7)
  })

  test('deleting what is not there is ESRCH', () => {
    const { add, del } = makeFib()
    add(nested[1]!, 5)
    expect(del(nested[2]!)).toBe(-Errno.ESRCH)
  })

  test('host bits do not make another prefix', () => {
    const { add, del, get } = makeFib()
    add(`${address}/24`, 5)
    add(`${address}/24`, 6)
    expect(get(address)).toBe(6)
    expect(del(`${address}/24`)).toBe(0)
    expect(get(address)).toBe(0)
  })

  test('tables are asked in the order local, main, default', () => {
    const { add, del, get } = makeFib()
    add(nested[0]!, 1, RT_TABLE_DEFAULT)
    // IPv6 has no rule for it
    expect(get(address)).toBe(family === 'IPv4' ? 1 : 0)
    add(nested[0]!, 2, RT_TABLE_MAIN)
    expect(get(address)).toBe(2)
    add(nested[0]!, 3, RT_TABLE_LOCAL)
    expect(get(address)).toBe(3)
    del(nested[0]!, RT_TABLE_LOCAL)
    expect(get(address)).toBe(2)
  })

  test('an emptied table gives all of its pages back, after the grace period', () => {
    const { add, del, available, reclaim } = makeFib()
    const before = available()
    for (const prefix of nested) add(prefix, 5)
    expect(available()).toBeLessThan(before)
    for (const prefix of nested) del(prefix)
    expect(available()).toBeLessThan(before)
    reclaim()
    expect(available()).toBe(before)
  })
})

test('when pages run out, insert is ENOSPC and nothing is half applied', () => {
  const { add, del, get, available, reclaim } = makeFib(12)
  let k = 0
  const host = (n: number): string => `fd00:${n.toString(16)}::1`
  while (add(host(k), k + 1) === 0) k++
  expect(k).toBeGreaterThan(12)
  const left = available()
  expect(add(host(k), 6)).toBe(-Errno.ENOSPC)
  expect(available()).toBe(left)
  expect(get(host(k))).toBe(0)
  expect(del(host(k))).toBe(-Errno.ESRCH)
  // what needs no page, or is there already, still finds its place
  expect(add('10.0.0.0/16', 7)).toBe(0)
  expect(add(host(0), 8)).toBe(0)
  expect(get(host(0))).toBe(8)
  // what goes makes room, for each of them at any time
  for (let n = 0; n < k; n++) expect(del(host(n))).toBe(0)
  reclaim()
  for (let n = 0; n < k; n++) expect(add(host(n), 9)).toBe(0)
})

test('blocks that wait for readers are used again when they are needed', () => {
  const { add, del, get } = makeFib(9)
  for (let k = 1; k < 500; k++) {
    expect(add(`fd${(k % 90) + 10}::${k}`, k)).toBe(0)
    expect(get(`fd${(k % 90) + 10}::${k}`)).toBe(k)
    expect(del(`fd${(k % 90) + 10}::${k}`)).toBe(0)
  }
})

test('a bucket that goes on while there is no page left is right all the same', () => {
  const { add, del, get } = makeFib(8)
  let k = 0
  while (add(`10.0.${k}.0/24`, k + 1) === 0 && k < 7) k++
  for (let n = 0; n < 200; n++) add(`fd00:${n.toString(16)}::/48`, 5)
  for (let n = 0; n < k; n++) {
    expect(get(`10.0.${n}.1`)).toBe(n + 1)
    del(`10.0.${n}.0/24`)
    expect(get(`10.0.${n}.1`)).toBe(0)
    if (n + 1 < k) expect(get(`10.0.${n + 1}.1`)).toBe(n + 2)
  }
})

describe.each([
  ['IPv4', AF_INET, 32],
  ['IPv6', AF_INET6, 128],
] as const)('%s agrees with a linear search', (_, family, bits) => {
  test.each([
    [1, 0, 1200],
    [2, 0, 20],
    [3, 30, 1200],
    [4, 30, 20],
    [5, 8, 5],
  ])(
    'through random inserts, replacements and deletes (seed %d), and with one in %d of what is seen changing, by %d rows',
    (seed, often, rows) => {
      const random = seeded(seed)
      // of three kinds of rows two may be out: one is not seen then, and another is seen by its second row
      const out = [false, false, false]
      const seen = (row: number): number => {
        const kind = (row / ROW) % 3
        if (kind === 0 || !out[kind]) return row
        return kind === 1 ? 0 : row + 2000 * ROW
      }
      const linkdown = { firstUsable: (_: number, row: number) => seen(row), isAsked: () => true }
      const fib = makeFib(2048, linkdown)
      const { insert, remove, refresh, longestRow, reader, reclaim, available } = fib
      const before = available()
      // few distinct bits, so that prefixes nest and collide
      const address = (): Words => {
        const word = (): number =>
          (random() & 0x81018101) | (random() % 5 === 0 ? random() & 0xff : 0)
        return family === AF_INET ? [0, 0, 0xffff, word() | 0] : [word(), word(), word(), word()]
      }
      const mask = (words: Words, plen: number) =>
        maskWords(words, family === AF_INET ? 96 + plen : plen)
      const oracle = new Map<string, { words: Words; plen: number; row: number }>()
      const check = new Int32Array(4)
      for (let step = 1; step <= 1200; step++) {
        const plen = random() % (bits + 1)
        const words = mask(address(), plen)
        const key = `${words.join()}/${plen}`
        if (random() % 3 > 0) {
          const row = 1 + (step % rows)
          expect(insert(INIT_NET, family, RT_TABLE_MAIN, words, plen, row * ROW)).toBe(0)
          oracle.set(key, { words, plen, row })
        } else {
          const held = [...oracle.values()]
          const victim = held[random() % (held.length || 1)]
          if (!victim) continue
          expect(remove(INIT_NET, family, RT_TABLE_MAIN, victim.words, victim.plen)).toBe(0)
          oracle.delete(`${victim.words.join()}/${victim.plen}`)
          reclaim()
        }
        if (often > 0 && random() % often === 0) {
          const kind = 1 + (random() % 2)
          out[kind] = !out[kind]
          refresh()
          reclaim()
        }
        for (let probe = 0; probe < 6; probe++) {
          const wanted = address()
          const covering = [...oracle.values()]
            .filter((entry) => mask(wanted, entry.plen).join() === entry.words.join())
            .sort((a, b) => b.plen - a.plen)
            .map(({ row }) => row * ROW)
          check.set(wanted)
          const best = covering.map(seen).find((row) => row !== 0) ?? 0
          expect(reader.lookup(family, reader.main, check, 0)).toBe(best)
          expect(longestRow(INIT_NET, family, RT_TABLE_MAIN, wanted)).toBe(covering[0] ?? 0)
        }
      }
      for (const { words, plen } of oracle.values())
        remove(INIT_NET, family, RT_TABLE_MAIN, words, plen)
      reclaim()
      expect(available()).toBe(before)
    }
  )
})

test.each([1, 2, 3])(
  'what found no room when its device came back is seen the next time that there is some (seed %d)',
  (seed) => {
    const random = seeded(seed)
    const out = [false, false, false]
    const seen = (row: number): number => (out[(row / ROW) % 3] ? 0 : row)
    const linkdown = { firstUsable: (_: number, row: number) => seen(row), isAsked: () => true }
    const { add, del, get, refresh, reclaim, available } = makeFib(40, linkdown)
    const before = available()
    const held = new Map<string, number>()
    const fill = (more: number): void => {
      for (let k = 0; k < more; k++) {
        const prefix = `10.${random() % 64}.${random() % 256}.0/${random() % 2 ? 24 : 28}`
        const row = 1 + (random() % 9)
        if (add(prefix, row) === 0) held.set(prefix, row)
      }
    }
    for (let round = 0; round < 12; round++) {
      out[random() % 3] = true
      refresh()
      reclaim()
      fill(400)
      out.fill(false)
      refresh()
      reclaim()
      if (round % 3 === 0) {
        // what has no room is out again
        out[random() % 3] = true
        refresh()
        reclaim()
        out.fill(false)
      }
      for (const prefix of [...held.keys()])
        if (random() % 2) {
          expect(del(prefix)).toBe(0)
          held.delete(prefix)
          reclaim()
        }
      refresh()
      reclaim()
      if (available() < 12) continue
      for (const [prefix, row] of held) {
        const address = prefix.replace(/\.0\/.*/, prefix.endsWith('/28') ? '.1' : '.100')
        expect([prefix, get(address)]).toEqual([prefix, row])
      }
    }
    for (const prefix of held.keys()) del(prefix)
    reclaim()
    expect(available()).toBe(before)
  }
)

describe('the map of tables', () => {
  const makeMap = () => {
    const fib = makeFib()
    const lookup = (net: number, table: number, text: string): number => {
      const { family, words } = parsePrefix(text)!
      const af = family === 4 ? AF_INET : AF_INET6
      const root = fibRoot(fib.arena, net, af, table)
      const at = new Int32Array(words)
      if (root === 0) return -1
      const { lookup4, lookup6 } = fib.reader
      return (af === AF_INET ? lookup4(root, at[3]!) : lookup6(root, at, 0)) / ROW
    }
    return { ...fib, lookup }
  }

  test('a table comes with its first prefix and goes with its last; its root is used again after the grace period', () => {
    const { add, del, lookup, tablesLeft, reclaim } = makeMap()
    const before = tablesLeft()
    expect(lookup(INIT_NET, 100, '10.0.0.1')).toBe(-1)
    add('10.0.0.0/8', 5, 100)
    add('10.1.0.0/24', 6, 100)
    expect(tablesLeft()).toBe(before - 1)
    expect(lookup(INIT_NET, 100, '10.1.0.1')).toBe(6)
    expect(lookup(INIT_NET, RT_TABLE_MAIN, '10.1.0.1')).toBe(0)
    del('10.0.0.0/8', 100)
    expect(lookup(INIT_NET, 100, '10.1.0.1')).toBe(6)
    del('10.1.0.0/24', 100)
    expect(lookup(INIT_NET, 100, '10.1.0.1')).toBe(-1)
    expect(tablesLeft()).toBe(before - 1)
    reclaim()
    expect(tablesLeft()).toBe(before)
  })

  test('a table that was emptied leaves nothing to the one that gets its root', () => {
    const { add, del, lookup, reclaim } = makeMap()
    add('0.0.0.0/0', 5, 100)
    add('10.1.2.3', 6, 100)
    del('0.0.0.0/0', 100)
    del('10.1.2.3', 100)
    reclaim()
    // its first 16 bits are those of 10.1
    add('fd00::/8', 7, 101)
    expect(lookup(INIT_NET, 101, 'a01:203::1')).toBe(0)
    add('10.9.0.0/16', 8, 102)
    expect(lookup(INIT_NET, 102, '10.1.2.3')).toBe(0)
  })

  test('local, main and default stay when they are empty', () => {
    const { add, del, get, tablesLeft } = makeMap()
    const before = tablesLeft()
    add('10.0.0.0/8', 5)
    del('10.0.0.0/8')
    expect(tablesLeft()).toBe(before)
    add('10.0.0.0/8', 6)
    expect(get('10.0.0.1')).toBe(6)
  })

  test('one table too many is ENOBUFS, and one that waits for readers is used again', () => {
    const { add, del, tablesLeft } = makeMap()
    const room = tablesLeft()
    for (let k = 0; k < room; k++) expect(add('10.0.0.0/8', 5, 100 + k)).toBe(0)
    expect(add('10.0.0.0/8', 5, 99)).toBe(-Errno.ENOBUFS)
    expect(add('fd00::/8', 5, 100)).toBe(-Errno.ENOBUFS)
    del('10.0.0.0/8', 100)
    expect(add('10.0.0.0/8', 5, 99)).toBe(0)
  })

  test('a prefix that finds no page does not leave an empty table behind', () => {
    const { add, tablesLeft, reclaim } = makeFib(4)
    const before = tablesLeft()
    expect(add('fd00::1', 5, 100)).toBe(-Errno.ENOSPC)
    reclaim()
    expect(tablesLeft()).toBe(before)
  })

  test("each net has tables of its own: another's routes are not its", () => {
    const arena = createArena({ ...SMALL_ARENA, fibTables: 12 })
    const retire = (done: () => void): void => done()
    const fib = createFibWriter({ arena, retire, reclaim: () => {} })
    expect(() => createFibReader(arena, 7)).toThrow('net 7 has no table 255')
    for (const net of [INIT_NET, 7]) fib.addNet(net)
    const words = parsePrefix('10.0.0.0/8')!.words
    fib.insert(INIT_NET, AF_INET, RT_TABLE_MAIN, words, 8, 5 * ROW)
    fib.insert(7, AF_INET, RT_TABLE_MAIN, words, 8, 6 * ROW)
    const get = (net: number): number => {
      const fl = createFlowi()
      fl[FL_FAMILY] = AF_INET
      fl.set(words, FL_DADDR)
      return Math.max(createFibReader(arena, net).fibLookup4(fl), 0) / ROW
    }
    expect([get(INIT_NET), get(7)]).toEqual([5, 6])
    fib.remove(7, AF_INET, RT_TABLE_MAIN, words, 8)
    expect([get(INIT_NET), get(7)]).toEqual([5, 0])
    expect(() => fib.addNet(8)).toThrow('no room for the tables of net 8')
  })
})
