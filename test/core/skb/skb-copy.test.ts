import {
  RX_HEADROOM,
  SKB_BUF,
  SKB_CB,
  SKB_CB_WORDS,
  SKB_CT,
  SKB_DATA,
  SKB_FLAGS,
  SKB_FRAGS,
  SKB_F_ENCAPSULATION,
  SKB_HASH,
  SKB_HEAD,
  SKB_IIF,
  SKB_INNER_MAC,
  SKB_INNER_NETWORK,
  SKB_INNER_TRANSPORT,
  SKB_MAC,
  SKB_MARK,
  SKB_NETWORK,
  SKB_NEXT,
  SKB_PREV,
  SKB_PRIORITY,
  SKB_QUEUE_MAPPING,
  SKB_SK,
  SKB_STAGE,
  SKB_TAIL,
  SKB_TRANSPORT,
  SKB_TRIED,
  SKB_TSTAMP,
} from '../../../core/skb/skb.ts'
import { makeSkbs } from '../../support/skbs.ts'
import { describe, expect, test } from 'bun:test'

describe('an skb', () => {
  test('shares its bytes with a clone until both are gone', () => {
    const { arena, a, write, read } = makeSkbs()
    const skb = a.alloc(10, 64)
    write(skb, [1, 2, 3])
    const twin = a.clone(skb)
    expect(a.isShared(skb)).toBe(true)
    a.pull(twin, 1)
    a.free(skb)
    expect(read(twin)).toEqual([2, 3])
    expect(arena.i32[twin + SKB_DATA]).toBe(arena.i32[twin + SKB_TAIL]! - 2)
    a.free(twin)
    expect(a.available().smalls).toBe(64)
  })

  test('keeps room for headers when it becomes private, even when none is asked for', () => {
    const { arena, a, write } = makeSkbs()
    const skb = a.alloc(10, RX_HEADROOM)
    write(skb, [1, 2])
    const twin = a.clone(skb)
    expect(a.expandHead(skb, 0)).toBe(true)
    expect(arena.i32[skb + SKB_DATA]! - arena.i32[skb + SKB_HEAD]!).toBe(RX_HEADROOM)
    a.free(skb)
    a.free(twin)
  })

  test('becomes private, linear and roomy by expandHead, its frags gathered', () => {
    const { arena, a, write, read } = makeSkbs()
    const skb = a.alloc(10, 20)
    write(skb, [1, 2])
    arena.i32[skb + SKB_MARK] = 7
    arena.i32[skb + SKB_NETWORK] = arena.i32[skb + SKB_DATA]! + 1
    const frag = a.alloc(10, 0)
    write(frag, [3, 4, 5])
    a.addFrag(skb, 0, frag)
    const twin = a.clone(skb)
    expect(a.expandHead(skb, 300)).toBe(true)
    expect(read(skb)).toEqual([1, 2, 3, 4, 5])
    expect(read(twin)).toEqual([1, 2, 3, 4, 5])
    expect(a.isShared(skb)).toBe(false)
    expect(arena.i32[skb + SKB_MARK]).toBe(7)
    expect(arena.i32[skb + SKB_NETWORK]).toBe(arena.i32[skb + SKB_DATA]! + 1)
    a.push(skb, 300)
    a.free(skb)
    a.free(twin)
    expect(a.available()).toEqual({ skbs: 64, smalls: 64, larges: 4 })
  })

  const CARRIED = [
    SKB_HASH,
    SKB_MARK,
    SKB_IIF,
    SKB_FLAGS,
    SKB_STAGE,
    SKB_TRIED,
    SKB_PRIORITY,
    SKB_QUEUE_MAPPING,
    SKB_CT,
    SKB_TSTAMP,
    SKB_TSTAMP + 1,
    ...Array.from({ length: SKB_CB_WORDS }, (_, k) => SKB_CB + k),
  ]
  test.each(['clone', 'copy'] as const)(
    'a %s knows what the packet knew, and lies in no queue',
    (how) => {
      const { arena, a } = makeSkbs()
      const skb = a.alloc(10, 64)
      for (const word of CARRIED) arena.i32[skb + word] = 1000 + word
      for (const word of [SKB_NEXT, SKB_PREV, SKB_SK]) arena.i32[skb + word] = 7
      const twin = how === 'clone' ? a.clone(skb) : a.copy(skb, 64)
      for (const word of CARRIED)
        expect([word, arena.i32[twin + word]!]).toEqual([word, 1000 + word])
      for (const word of [SKB_NEXT, SKB_PREV, SKB_SK]) expect(arena.i32[twin + word]).toBe(0)
    }
  )

  test('the inner headers of a tunnel move with its bytes', () => {
    const { arena, a } = makeSkbs()
    const skb = a.alloc(10, 20)
    const inner = [SKB_INNER_MAC, SKB_INNER_NETWORK, SKB_INNER_TRANSPORT]
    inner.forEach((word, k) => {
      arena.i32[skb + word] = arena.i32[skb + SKB_DATA]! + k
    })
    arena.i32[skb + SKB_FLAGS] = SKB_F_ENCAPSULATION
    const offsets = (of: number) =>
      inner.map((word) => arena.i32[of + word]! - arena.i32[of + SKB_DATA]!)
    expect(offsets(a.copy(skb, 100))).toEqual([0, 1, 2])
    expect(a.expandHead(skb, 300)).toBe(true)
    expect(offsets(skb)).toEqual([0, 1, 2])
  })

  test('keeps the headers that were pulled off when its buffer changes', () => {
    const { arena, a, write } = makeSkbs()
    const { i32, u8 } = arena
    const skb = a.alloc(100, 64)
    write(skb, [14, 13, 20, 19, 8, 7])
    i32[skb + SKB_MAC] = i32[skb + SKB_DATA]!
    i32[skb + SKB_NETWORK] = i32[skb + SKB_DATA]! + 2
    a.pull(skb, 4)
    const frag = a.alloc(100, 0)
    write(frag, [6])
    a.addFrag(skb, 0, frag)
    const before = i32[skb + SKB_DATA]!
    expect(a.expandHead(skb, 0)).toBe(true)
    expect(i32[skb + SKB_DATA]).not.toBe(before)
    const mac = i32[skb + SKB_MAC]!
    expect(i32[skb + SKB_DATA]! - mac).toBe(4)
    expect([...u8.slice(mac, mac + 7)]).toEqual([14, 13, 20, 19, 8, 7, 6])
    expect(u8[i32[skb + SKB_NETWORK]!]).toBe(20)
    // an offset that was not set is not set by the move
    expect(i32[skb + SKB_TRANSPORT]).toBe(0)
    const twin = a.copy(skb, 2)
    expect([...u8.slice(i32[twin + SKB_MAC], i32[twin + SKB_MAC]! + 7)]).toEqual([
      14, 13, 20, 19, 8, 7, 6,
    ])
    a.free(twin)
    a.free(skb)
  })

  test('brings what is to be read in front: mayPull', () => {
    const { arena, a, write, read } = makeSkbs()
    const { i32 } = arena
    const skb = a.alloc(100, RX_HEADROOM)
    write(skb, [1, 2])
    const frag = a.alloc(100, 0)
    write(frag, [3, 4])
    a.addFrag(skb, 0, frag)
    const before = i32[skb + SKB_DATA]!
    expect([0, 1, 2, 3, 4].map((offset) => a.byteAt(skb, offset))).toEqual([1, 2, 3, 4, -1])
    expect(a.mayPull(skb, 2)).toBe(true)
    expect(i32[skb + SKB_DATA]).toBe(before)
    expect(a.mayPull(skb, 5)).toBe(false)
    expect(a.mayPull(skb, 3)).toBe(true)
    expect(i32[skb + SKB_TAIL]! - i32[skb + SKB_DATA]!).toBe(4)
    expect(read(skb)).toEqual([1, 2, 3, 4])
    a.free(skb)
  })

  test('leaves a large buffer for a small one that it fits, with its bytes and headers', () => {
    const { arena, a, write, read } = makeSkbs()
    const { i32 } = arena
    const before = a.available()
    const skb = a.alloc(60_000, RX_HEADROOM)
    write(skb, [1, 2, 3, 4])
    i32[skb + SKB_NETWORK] = i32[skb + SKB_DATA]! + 2
    a.copybreak(skb)
    expect(a.available()).toEqual({ ...before, skbs: before.skbs - 1, smalls: before.smalls - 1 })
    expect(read(skb)).toEqual([1, 2, 3, 4])
    expect(i32[skb + SKB_NETWORK]).toBe(i32[skb + SKB_DATA]! + 2)
    expect(i32[skb + SKB_DATA]! - i32[skb + SKB_HEAD]!).toBe(RX_HEADROOM)
    a.free(skb)
    expect(a.available()).toEqual(before)
  })

  test('stays in its large buffer when it is long, shared, in pieces, or there is no small one', () => {
    const { arena, a, write } = makeSkbs()
    const { i32 } = arena
    const stays = (skb: number): void => {
      const buf = i32[skb + SKB_BUF]
      a.copybreak(skb)
      expect(i32[skb + SKB_BUF]).toBe(buf)
    }
    const long = a.alloc(60_000, RX_HEADROOM)
    a.put(long, 2000)
    stays(long)
    a.free(long)
    const skb = a.alloc(60_000, RX_HEADROOM)
    write(skb, [1])
    const twin = a.clone(skb)
    stays(skb)
    a.free(twin)
    const frag = a.alloc(10, 0)
    a.addFrag(skb, 0, frag)
    stays(skb)
    a.free(frag)
    i32[skb + SKB_FRAGS] = 0
    // all small ones are taken
    i32[arena.layout.freeSmalls] = 0
    stays(skb)
  })
})
