import { SKB_WORDS } from '../../../core/shm/layout.ts'
import {
  RX_HEADROOM,
  SKB_BUF,
  SKB_CB,
  SKB_DATA,
  SKB_FRAGS,
  SKB_OWNER,
  SKB_USERS,
} from '../../../core/skb/skb.ts'
import { makeSkbs } from '../../support/skbs.ts'
import { describe, expect, test } from 'bun:test'

describe('an skb', () => {
  test('takes the large class only when the small one is too small', () => {
    const { arena, a } = makeSkbs()
    const small = a.alloc(1900, 130)
    const large = a.alloc(65535, 130)
    expect(a.available()).toEqual({ skbs: 62, smalls: 63, larges: 3 })
    expect(arena.i32[large + SKB_DATA]).toBeGreaterThan(arena.layout.largeBytes)
    a.free(small)
    a.free(large)
    expect(a.available()).toEqual({ skbs: 64, smalls: 64, larges: 4 })
  })

  test('shows nothing of the packet whose row it got', () => {
    const { arena, a } = makeSkbs()
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

  test('is its pool’s own while nobody else has the bytes', () => {
    const { a, b } = makeSkbs()
    const skb = a.alloc(10, 64)
    expect([a.isOwn(skb), b.isOwn(skb)]).toEqual([true, false])
    const clone = a.clone(skb)
    expect([a.isOwn(skb), a.isOwn(clone)]).toEqual([false, false])
    a.free(clone)
    expect(a.isOwn(skb)).toBe(true)
    a.free(skb)
  })

  test('made of a buffer that was armed is one as any; one that was not needed goes back', () => {
    const { arena, a, write, read } = makeSkbs()
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

  test('freed by another thread comes home when its owner reclaims', () => {
    const { a, b } = makeSkbs()
    const skb = a.alloc(10, 64)
    b.free(skb)
    expect(a.available().skbs).toBe(63)
    b.flush()
    expect(a.available()).toEqual({ skbs: 64, smalls: 64, larges: 4 })
  })

  test('freed twice is caught', () => {
    const { a } = makeSkbs()
    const skb = a.alloc(10, 64)
    a.free(skb)
    expect(() => a.free(skb)).toThrow('freed twice')
  })

  test('is not given when the pool is empty, and is again when one is freed', () => {
    const { a } = makeSkbs()
    const all: number[] = []
    for (let skb = a.alloc(1, 0); skb !== 0; skb = a.alloc(1, 0)) all.push(skb)
    expect(all.length).toBe(64)
    a.free(all.pop()!)
    expect(a.alloc(1, 0)).not.toBe(0)
  })

  test('is found again when the thread that owned it starts over', () => {
    const { arena, a, b } = makeSkbs()
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
    const { arena, a } = makeSkbs()
    const skb = a.alloc(10, 64)
    const twin = a.clone(skb)
    expect(a.expandHead(twin, 64)).toBe(true)
    a.free(skb)
    expect(a.recover()).toBe(1)
    expect(a.available()).toEqual({ skbs: 64, smalls: 64, larges: 4 })
    expect(arena.i32[twin + SKB_OWNER]).toBe(0)
  })
})
