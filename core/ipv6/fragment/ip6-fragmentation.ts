/**
 * Cuts a packet that is made here and too big for its way into fragments (RFC 8200 section 4.5): the headers that every
 * node on the way reads go into each, the fragment header stands behind them. Called by IP output; on the worker that
 * sends. Linux: net/ipv6/ip6_output.c ip6_fragment(), output_core.c ip6_find_1stfragopt(); RFC 7739 for the numbers.
 */
import * as bytes from '../../base/bytes.ts'
import * as csum from '../../base/checksum.ts'
import { Errno } from '../../base/errno.ts'
import type { Arena } from '../../shm/arena.ts'
import { counterBank, Mib } from '../../shm/counters.ts'
import type { ConsumeFn, DropFn } from '../../skb/drop.ts'
import { Drop } from '../../skb/drop.ts'
import type { Skbs } from '../../skb/skbs.ts'
import {
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  MAX_HEADER,
  SKB_CSUM_OFFSET,
  SKB_CSUM_START,
  SKB_DATA,
  SKB_FRAGS,
  SKB_IP_SUMMED,
  SKB_LEN,
  SKB_NETWORK,
  SKB_SENDER,
  SKB_TRANSPORT,
} from '../../skb/skb.ts'
import { IPPROTO_FRAGMENT } from '../../wire/ipproto.ts'
import * as ipv6 from '../../wire/ipv6.ts'
import {
  firstFragmentable,
  FRAGMENT_HEADER,
  putFragment,
  UNFRAG_FIELD,
  UNFRAG_LEN,
  UNFRAG_WORDS,
} from '../../wire/ipv6-ext.ts'

type Ip6FragmentationDeps = {
  arena: Arena
  skbs: Skbs
  drop: DropFn
  consume: ConsumeFn
  random: () => number
}
export type Ip6Fragmentation = ReturnType<typeof createIp6Fragmentation>

export const createIp6Fragmentation = (deps: Ip6FragmentationDeps) => {
  const { arena, skbs, drop, consume, random } = deps
  const { i32, u8, f64 } = arena
  const count = counterBank(arena, skbs.thread)
  const unfrag = new Int32Array(UNFRAG_WORDS)

  /** Cuts the packet, gives each fragment to `output` and takes the packet over: 0, or -errno. */
  const ip6Fragment = (skb: number, mtu: number, output: (skb: number) => number): number => {
    if (i32[skb + SKB_LEN] <= mtu) return output(skb)
    if (i32[skb + SKB_FRAGS] !== 0 && !skbs.expandHead(skb, 0)) return noMemory(skb)
    const at = i32[skb + SKB_NETWORK]
    firstFragmentable(u8, at, at + i32[skb + SKB_LEN], unfrag)
    const headerLen = unfrag[UNFRAG_LEN]
    const room = (mtu - headerLen - FRAGMENT_HEADER) & ~7
    if (room < 8) return fail(skb, Drop.PKT_TOO_BIG, -Errno.EMSGSIZE)
    completeChecksum(skb)
    // never the same twice in a row, and nothing that can be foretold
    const id = random() | 0
    const payload = i32[skb + SKB_LEN] - headerLen
    let result = 0
    for (let from = 0; from < payload; from += room) {
      const piece = cut(skb, headerLen, from, Math.min(room, payload - from), id)
      if (piece === 0) return noMemory(skb)
      f64[count + Mib.Ip6FragCreates]++
      result = output(piece) || result
    }
    f64[count + Mib.Ip6FragOKs]++
    consume(skb)
    return result
  }
  const noMemory = (skb: number): number => fail(skb, Drop.NOMEM, -Errno.ENOMEM)
  const fail = (skb: number, reason: Drop, errno: number): number => {
    f64[count + Mib.Ip6FragFails]++
    drop(skb, reason)
    return errno
  }

  /** A checksum over the whole cannot be left to a device that sees only pieces. */
  const completeChecksum = (skb: number): void => {
    if (i32[skb + SKB_IP_SUMMED] !== CHECKSUM_PARTIAL) return
    const start = i32[skb + SKB_CSUM_START]
    const end = i32[skb + SKB_DATA] + i32[skb + SKB_LEN]
    const sum = csum.finish(csum.sumBytes(u8, start, end - start, 0))
    bytes.putU16(u8, start + i32[skb + SKB_CSUM_OFFSET], sum === 0 ? 0xffff : sum)
    i32[skb + SKB_IP_SUMMED] = CHECKSUM_NONE
  }

  /** The fragment of `n` bytes at `from` of what can be cut. */
  const cut = (skb: number, headerLen: number, from: number, n: number, id: number): number => {
    const len = headerLen + FRAGMENT_HEADER + n
    const piece = skbs.alloc(len, MAX_HEADER)
    if (piece === 0) return 0
    const to = skbs.put(piece, len)
    const field = to + unfrag[UNFRAG_FIELD]
    skbs.copyBits(skb, 0, to, headerLen)
    skbs.copyBits(skb, headerLen + from, to + headerLen + FRAGMENT_HEADER, n)
    skbs.inherit(skb, piece)
    // who hears of when it went hears of the first
    if (i32[skb + SKB_SENDER] !== 0) skbs.moveSender(skb, piece)
    i32[piece + SKB_NETWORK] = to
    i32[piece + SKB_TRANSPORT] = to + headerLen
    const isMore = headerLen + from + n !== i32[skb + SKB_LEN]
    putFragment(u8, to + headerLen, u8[field], from, isMore, id)
    u8[field] = IPPROTO_FRAGMENT
    ipv6.setPayloadLength(u8, to, len - ipv6.HEADER)
    return piece
  }
  return { ip6Fragment }
}
