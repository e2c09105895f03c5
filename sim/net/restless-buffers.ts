// A test mode: with SOFTNET_TEST_BUFFERS=restless every packet's bytes lie elsewhere after each netfilter hook, and what
// comes in is cut into a frag list behind its headers. What the bytes left is spoiled, so an offset that was kept across a
// hook, or across anything that may move a buffer (expandHead, reassembly), reads rubbish. test/run.ts runs the tests
// of the packet path once more this way.

import {
  NF_ACCEPT,
  NF_INET_LOCAL_IN,
  NF_INET_NUMHOOKS,
  NF_INET_PRE_ROUTING,
} from '../../core/netfilter/nf-constants.ts'
import type { NfHooks } from '../../core/netfilter/hooks.ts'
import type { Arena } from '../../core/shm/arena.ts'
import { SKB_DATA, SKB_FRAGS, SKB_LEN, SKB_TAIL, SKB_TRANSPORT } from '../../core/skb/skb.ts'
import type { Skbs } from '../../core/skb/skbs.ts'

const isRestless = process.env.SOFTNET_TEST_BUFFERS === 'restless'

const RUBBISH = 0xdb
/** Bytes of the transport header that stay in front: none, some, about all. */
const KEPT = [0, 1, 8, 20, 28]

export const disturb = (arena: Arena, skbs: Skbs, nf: NfHooks): void => {
  if (isRestless) disturbAlways(arena, skbs, nf)
}

/** The same without asking the environment. */
export const disturbAlways = (arena: Arena, skbs: Skbs, nf: NfHooks): void => {
  const { i32, u8 } = arena
  let turns = 0

  const move = (skb: number): void => {
    const twin = skbs.clone(skb)
    if (twin === 0) return
    if (skbs.expandHead(skb, 0) && !skbs.isShared(twin))
      u8.fill(RUBBISH, i32[twin + SKB_DATA]! - 64, i32[twin + SKB_TAIL]!)
    skbs.free(twin)
  }
  const cut = (skb: number): void => {
    const keep = i32[skb + SKB_TRANSPORT]! + KEPT[turns++ % KEPT.length]!
    const n = i32[skb + SKB_TAIL]! - keep
    if (n <= 0 || i32[skb + SKB_FRAGS] !== 0) return
    const first = pieceOf(keep, n >> 1)
    const second = pieceOf(keep + (n >> 1), n - (n >> 1))
    if (first === 0 || second === 0) {
      for (const piece of [first, second]) if (piece !== 0) skbs.free(piece)
      return
    }
    i32[skb + SKB_TAIL] = keep
    i32[skb + SKB_LEN]! -= n
    skbs.addFrag(skb, 0, first)
    skbs.addFrag(skb, first, second)
    if (!skbs.isShared(skb)) u8.fill(RUBBISH, keep, keep + n)
  }
  const pieceOf = (at: number, n: number): number => {
    const piece = skbs.alloc(n, 0)
    if (piece !== 0) u8.copyWithin(skbs.put(piece, n), at, at + n)
    return piece
  }

  for (let hook = 0; hook < NF_INET_NUMHOOKS; hook++)
    nf.register({
      hook,
      priority: 0,
      fn: (skb) => {
        move(skb)
        if (hook === NF_INET_PRE_ROUTING || hook === NF_INET_LOCAL_IN) cut(skb)
        return NF_ACCEPT
      },
    })
  nf.publish()
}
