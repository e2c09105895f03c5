/**
 * Cuts a packet that is too big for its way into fragments (RFC 791 section 3.2). Called by IP output for what is
 * made here and what is forwarded without DF. Options marked "copied" go into every fragment, the others into the
 * first. On the worker that sends. Linux: net/ipv4/ip_output.c ip_do_fragment(), ip_options.c.
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
import * as ipv4 from '../../wire/ipv4.ts'

type IpFragmentationDeps = {
  arena: Arena
  skbs: Skbs
  drop: DropFn
  consume: ConsumeFn
}
export type IpFragmentation = ReturnType<typeof createIpFragmentation>

const IPOPT_COPIED = 0x80
const IPOPT_NOOP = 1
const IPOPT_END = 0

export const createIpFragmentation = ({ arena, skbs, drop, consume }: IpFragmentationDeps) => {
  const { i32, u8, f64 } = arena
  const count = counterBank(arena, skbs.thread)

  /** Cuts the packet, gives each fragment to `output` and takes the packet over: 0, or -errno. */
  const ipFragment = (skb: number, mtu: number, output: (skb: number) => number): number => {
    const at = i32[skb + SKB_NETWORK]
    if (i32[skb + SKB_LEN] <= mtu) return output(skb)
    if (ipv4.dontFragment(u8, at)) return fail(skb, Drop.PKT_TOO_BIG, -Errno.EMSGSIZE)
    const headerLen = ipv4.headerLen(u8, at)
    const room = (mtu - headerLen) & ~7
    if (room < 8) return fail(skb, Drop.PKT_TOO_BIG, -Errno.EMSGSIZE)
    if (!completeChecksum(skb)) return fail(skb, Drop.NOMEM, -Errno.ENOMEM)
    const payload = i32[skb + SKB_LEN] - headerLen
    let result = 0
    for (let from = 0; from < payload; from += room) {
      const piece = cut(skb, headerLen, from, Math.min(room, payload - from))
      if (piece === 0) return fail(skb, Drop.NOMEM, -Errno.ENOMEM)
      f64[count + Mib.IpFragCreates]++
      result = output(piece) || result
    }
    f64[count + Mib.IpFragOKs]++
    consume(skb)
    return result
  }
  const fail = (skb: number, reason: Drop, errno: number): number => {
    f64[count + Mib.IpFragFails]++
    drop(skb, reason)
    return errno
  }

  /** A checksum over the whole cannot be left to a device that sees only pieces. */
  const completeChecksum = (skb: number): boolean => {
    if (i32[skb + SKB_IP_SUMMED] !== CHECKSUM_PARTIAL) return true
    if (i32[skb + SKB_FRAGS] !== 0 && !skbs.expandHead(skb, 0)) return false
    const start = i32[skb + SKB_CSUM_START]
    const end = i32[skb + SKB_DATA] + i32[skb + SKB_LEN]
    const sum = csum.finish(csum.sumBytes(u8, start, end - start, 0))
    bytes.putU16(u8, start + i32[skb + SKB_CSUM_OFFSET], sum === 0 ? 0xffff : sum)
    i32[skb + SKB_IP_SUMMED] = CHECKSUM_NONE
    return true
  }

  /** The fragment of `n` bytes at `from` of the payload. The packet may be a fragment itself. */
  const cut = (skb: number, headerLen: number, from: number, n: number): number => {
    const piece = skbs.alloc(headerLen + n, MAX_HEADER)
    if (piece === 0) return 0
    const to = skbs.put(piece, headerLen + n)
    skbs.copyBits(skb, 0, to, headerLen)
    skbs.copyBits(skb, headerLen + from, to + headerLen, n)
    skbs.inherit(skb, piece)
    // who hears of when it went hears of the first
    if (i32[skb + SKB_SENDER] !== 0) skbs.moveSender(skb, piece)
    i32[piece + SKB_NETWORK] = to
    i32[piece + SKB_TRANSPORT] = to + headerLen
    const old = ipv4.fragment(u8, to)
    // those of a later fragment have been chosen already
    if (from !== 0 && (old & ipv4.IP_OFFSET) === 0) dropOptions(to, headerLen)
    const isLast = headerLen + from + n === i32[skb + SKB_LEN]
    const more = isLast ? old & ipv4.IP_MF : ipv4.IP_MF
    ipv4.setFragment(u8, to, more, ((old & ipv4.IP_OFFSET) << 3) + from)
    ipv4.setTotalLength(u8, to, headerLen + n)
    ipv4.setChecksum(u8, to)
    return piece
  }
  /** Options that are not to be copied become no-operations (ip_options_fragment). */
  const dropOptions = (at: number, headerLen: number): void => {
    for (let p = at + ipv4.MIN_HEADER; p < at + headerLen; ) {
      const kind = u8[p]
      if (kind === IPOPT_END) return
      const len = kind === IPOPT_NOOP ? 1 : u8[p + 1]
      if (len < 1 || p + len > at + headerLen) return
      if ((kind & IPOPT_COPIED) === 0) u8.fill(IPOPT_NOOP, p, p + len)
      p += len
    }
  }
  return { ipFragment }
}
