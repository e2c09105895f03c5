import { describe, expect, test } from 'bun:test'
import { createArena } from '../../../core/shm/arena.ts'
import { SKB_WORDS, SMALL_ARENA } from '../../../core/shm/layout.ts'
import { createDrop, deviceDrops, Drop, DROP_COUNTERS } from '../../../core/skb/drop.ts'
import {
  RX_HEADROOM,
  SKB_BUF,
  SKB_CB,
  SKB_CB_WORDS,
  SKB_CT,
  SKB_DATA,
  SKB_DEV,
  SKB_F_ENCAPSULATION,
  SKB_FLAGS,
  SKB_FRAGS,
  SKB_HASH,
  SKB_HEAD,
  SKB_IIF,
  SKB_INNER_MAC,
  SKB_INNER_NETWORK,
  SKB_INNER_TRANSPORT,
  SKB_LEN,
  SKB_MAC,
  SKB_MARK,
  SKB_NETWORK,
  SKB_NEXT,
  SKB_OWNER,
  SKB_PREV,
  SKB_PRIORITY,
  SKB_QUEUE_MAPPING,
  SKB_SK,
  SKB_STAGE,
  SKB_TAIL,
  SKB_TRANSPORT,
  SKB_TRIED,
  SKB_TSTAMP,
  SKB_USERS,
} from '../../../core/skb/skb.ts'
import { createSkbs } from '../../../core/skb/skbs.ts'
import { counterBank } from '../../../core/shm/counters.ts'

const twoThreads = { ...SMALL_ARENA, workers: 2, skbs: 64, smallBuffers: 64, largeBuffers: 4 }

const setup = () => {
  const arena = createArena(twoThreads)
  const a = createSkbs(arena, 0)
  const b = createSkbs(arena, 1)
  const write = (skb: number, bytes: number[]) => {
    const at = a.put(skb, bytes.length)
    bytes.forEach((value, k) => {
      arena.u8[at + k] = value
    })
  }
  const read = (skb: number): number[] => {
    const to = arena.layout.largeBytes
    const len = arena.i32[skb + SKB_LEN]!
    a.copyBits(skb, 0, to, len)
    return [...arena.u8.slice(to, to + len)]
  }
  return { arena, a, b, write, read }
}

describe('an skb', () => {
  test('grows and shrinks at both ends and keeps its bytes', () => {
    const { arena, a, write, read } = setup()
    const skb = a.alloc(100, 64)
    write(skb, [1, 2, 3, 4])
    const front = a.push(skb, 2)
    arena.u8[front] = 9
    arena.u8[front + 1] = 8
    expect(read(skb)).toEqual([9, 8, 1, 2, 3, 4])
    a.pull(skb, 3)
    a.trim(skb, 2)
    expect(read(skb)).toEqual([2, 3])
    a.free(skb)
  })

  test('refuses to grow over either end of its buffer', () => {
    const { a } = setup()
    const skb = a.alloc(100, 16)
    expect(() => a.push(skb, 17)).toThrow('skb_under_panic')
    expect(() => a.put(skb, 2048)).toThrow('skb_over_panic')
    a.free(skb)
  })

  test('takes the large class only when the small one is too small', () => {
    const { arena, a } = setup()
    const small = a.alloc(1900, 130)
    const large = a.alloc(65535, 130)
    expect(a.available()).toEqual({ skbs: 62, smalls: 63, larges: 3 })
    expect(arena.i32[large + SKB_DATA]).toBeGreaterThan(arena.layout.largeBytes)
    a.free(small)
    a.free(large)
    expect(a.available()).toEqual({ skbs: 64, smalls: 64, larges: 4 })
  })

  test('shares its bytes with a clone until both are gone', () => {
    const { arena, a, write, read } = setup()
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
    const { arena, a, write } = setup()
    const skb = a.alloc(10, RX_HEADROOM)
    write(skb, [1, 2])
    const twin = a.clone(skb)
    expect(a.expandHead(skb, 0)).toBe(true)
    expect(arena.i32[skb + SKB_DATA]! - arena.i32[skb + SKB_HEAD]!).toBe(RX_HEADROOM)
    a.free(skb)
    a.free(twin)
  })

  test('becomes private, linear and roomy by expandHead, its frags gathered', () => {
    const { arena, a, write, read } = setup()
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

  test('shows nothing of the packet whose row it got', () => {
    const { arena, a } = setup()
    const first = a.alloc(10, 64)
    const clean = [...arena.i32.slice(first, first + SKB_CB)]
    const row = arena.i32.subarray(first, first + SKB_WORDS)
    const [users, buf, frags] = [row[SKB_USERS]!, row[SKB_BUF]!, row[SKB_FRAGS]!]
    row.fill(-1)
    row[SKB_USERS] = users
    row[SKB_BUF] = buf
    row[SKB_FRAGS] = frags
    a.free(first)
    expect(a.alloc(10, 64)).toBe(first)
    expect([...arena.i32.slice(first, first + SKB_CB)]).toEqual(clean)
    expect(clean.filter((word) => word !== 0)).toHaveLength(6)
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
      const { arena, a } = setup()
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
    const { arena, a } = setup()
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
    const { arena, a, write } = setup()
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
    const { arena, a, write, read } = setup()
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

  test('made of a buffer that was armed is one as any; one that was not needed goes back', () => {
    const { arena, a, write, read } = setup()
    const before = a.available()
    const [used, unused] = [a.arm(), a.arm()]
    expect(a.available().larges).toBe(before.larges - 2)
    arena.u8[a.headOf(used) + RX_HEADROOM] = 7
    const skb = a.build(used, RX_HEADROOM)
    expect(arena.i32[skb + SKB_DATA]).toBe(a.headOf(used) + RX_HEADROOM)
    a.put(skb, 1)
    write(skb, [8, 9])
    expect(read(skb)).toEqual([7, 8, 9])
    a.free(skb)
    a.unarm(unused)
    expect(a.available()).toEqual(before)
    const all = Array.from({ length: before.larges }, a.arm)
    expect(all).not.toContain(-1)
    expect(a.arm()).toBe(-1)
  })
  test('leaves a large buffer for a small one that it fits, with its bytes and headers', () => {
    const { arena, a, write, read } = setup()
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
    const { arena, a, write } = setup()
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
  test('freed by another thread comes home when its owner reclaims', () => {
    const { a, b } = setup()
    const skb = a.alloc(10, 64)
    b.free(skb)
    expect(a.available().skbs).toBe(63)
    b.flush()
    expect(a.available()).toEqual({ skbs: 64, smalls: 64, larges: 4 })
  })

  test('freed twice is caught', () => {
    const { a } = setup()
    const skb = a.alloc(10, 64)
    a.free(skb)
    expect(() => a.free(skb)).toThrow('freed twice')
  })

  test('is not given when the pool is empty, and is again when one is freed', () => {
    const { a } = setup()
    const all: number[] = []
    for (let skb = a.alloc(1, 0); skb !== 0; skb = a.alloc(1, 0)) all.push(skb)
    expect(all.length).toBe(64)
    a.free(all.pop()!)
    expect(a.alloc(1, 0)).not.toBe(0)
  })

  test('is found again when the thread that owned it starts over', () => {
    const { arena, a, b } = setup()
    const mine = a.alloc(10, 64)
    const theirs = a.alloc(10, 64)
    arena.i32[theirs + SKB_OWNER] = 1
    b.clone(theirs)
    expect(b.recover()).toBe(2)
    a.free(mine)
    expect(a.available()).toEqual({ skbs: 64, smalls: 64, larges: 4 })
    expect(b.available()).toEqual({ skbs: 64, smalls: 64, larges: 4 })
  })

  test('a thread that starts over frees nothing twice: not the row that lent its buffer', () => {
    const { arena, a } = setup()
    const skb = a.alloc(10, 64)
    const twin = a.clone(skb)
    expect(a.expandHead(twin, 64)).toBe(true)
    a.free(skb)
    expect(a.recover()).toBe(1)
    expect(a.available()).toEqual({ skbs: 64, smalls: 64, larges: 4 })
    expect(arena.i32[twin + SKB_OWNER]).toBe(0)
  })

  test('dropped is counted under its reason, at its device, and freed', () => {
    const { arena, a } = setup()
    const { drop } = createDrop(arena, a)
    const skb = a.alloc(10, 64)
    arena.i32[skb + SKB_DEV] = 3
    drop(skb, Drop.IP_CSUM)
    drop(a.alloc(10, 64), Drop.IP_CSUM)
    const at = (ifindex: number): number =>
      arena.f64[deviceDrops(arena, 0, ifindex) + Drop.IP_CSUM]!
    expect([0, 1, 2, 3, 4].map(at)).toEqual([1, 0, 0, 1, 0])
    expect(arena.f64[counterBank(arena, 0) + DROP_COUNTERS + Drop.IP_CSUM]).toBe(2)
    expect(a.available().skbs).toBe(64)
  })
})
