import { makeSkbs } from '../../support/skbs.ts'
import { describe, expect, test } from 'bun:test'

describe('the bytes of an skb', () => {
  test('grows and shrinks at both ends and keeps its bytes', () => {
    const { arena, a, write, read } = makeSkbs()
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
    const { a } = makeSkbs()
    const skb = a.alloc(100, 16)
    expect(() => a.push(skb, 17)).toThrow('skb_under_panic')
    expect(() => a.put(skb, 2048)).toThrow('skb_over_panic')
    a.free(skb)
  })
})
