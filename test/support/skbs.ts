import { SMALL_ARENA } from '../../core/shm/layout.ts'
import { createArena } from '../../core/shm/arena.ts'
import { SKB_LEN } from '../../core/skb/skb.ts'
import { createSkbs } from '../../core/skb/skbs.ts'

const twoThreads = { ...SMALL_ARENA, workers: 2, skbs: 64, smallBuffers: 64, largeBuffers: 4 }

/** Packet memory of two threads, and bytes of an skb written and read. */
export const makeSkbs = () => {
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
