/**
 * Raw output: bytes of an application as the payload of an IP packet of the socket's protocol, or as a whole packet with
 * its header (IP_HDRINCL). Called by raw-sock; on the socket's worker. Linux: raw_sendmsg() (net/ipv4/raw.c), rawv6_sendmsg().
 */
import { finish, pseudoSumWords, sumBytes } from '../../base/checksum.ts'
import { putU16 } from '../../base/bytes.ts'
import { Errno } from '../../base/errno.ts'
import { FL_DADDR, FL_DEV, FL_FAMILY, FL_PROTO, FL_SADDR } from '../../base/flowi.ts'
import type { AfOpsOf } from '../../inet/af-ops.ts'
import { DEV_MTU, deviceRow } from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import type { ConsumeFn } from '../../skb/drop.ts'
import { MAX_HEADER, SKB_DATA, SKB_LEN } from '../../skb/skb.ts'
import type { Skbs } from '../../skb/skbs.ts'
import { IPPROTO_UDP } from '../../wire/ipproto.ts'
import type { DgramFlow } from '../dgram-flow.ts'
import type { DgramTstamp } from '../dgram-tstamp.ts'
import { RAW_CHECKSUM, RAW_HDRINCL } from './raw-constants.ts'

type RawOutputDeps = {
  arena: Arena
  skbs: Skbs
  consume: ConsumeFn
  afOps: AfOpsOf
  dgramFlow: DgramFlow
} & Pick<DgramTstamp, 'markSent'>

export type RawOutput = ReturnType<typeof createRawOutput>

export const createRawOutput = (deps: RawOutputDeps) => {
  const { arena, skbs, consume, afOps, dgramFlow, markSent } = deps
  const { i32, u8 } = arena
  const { flow: fl } = dgramFlow

  /** Sends `len` bytes of the arena along the flow that was routed: len, or -errno. */
  const send = (sk: number, from: number, len: number): number => {
    const skb = skbs.alloc(len, MAX_HEADER)
    // as Linux without IP_RECVERR: what is lost for want of memory is not reported
    if (skb === 0) return len
    const at = skbs.put(skb, len)
    u8.copyWithin(at, from, from + len)
    return finishPacket(sk, skb) || len
  }
  /** The packet is whole: sends it along the flow. 0, or -errno. */
  const finishPacket = (sk: number, skb: number): number => {
    const isWhole = i32[sk + RAW_HDRINCL] !== 0
    const at = i32[skb + SKB_DATA]
    const len = i32[skb + SKB_LEN]
    if (i32[sk + RAW_CHECKSUM] !== 0 && i32[sk + RAW_CHECKSUM] > len - 1) {
      consume(skb)
      return -Errno.EINVAL
    }
    if (i32[sk + RAW_CHECKSUM] !== 0) putSum(at, len, at + i32[sk + RAW_CHECKSUM] - 1)
    const ops = afOps(fl[FL_FAMILY])
    if (fl[FL_PROTO] === ops.icmp.protocol && len !== 0) ops.icmpOut(u8[at])
    const error = isWhole ? sendWhole(sk, skb) : dgramFlow.send(sk, skb, fl[FL_PROTO])
    return error === -Errno.ENOBUFS ? 0 : error
  }
  const sendWhole = (sk: number, skb: number): number => {
    markSent(sk, skb)
    // filled by ipv4/af-inet.ts: ipSendHeader (ipv4/ip-local-out.ts), and ipv6/af-inet6.ts (ipv6/ip6-output.ts)
    return afOps(fl[FL_FAMILY]).sendHeader(skb, fl)
  }
  /** Is it too much for the flow? A packet with its header is not cut here (raw_send_hdrinc). 0, or -errno. */
  const sizeError = (sk: number, len: number): number => {
    if (i32[sk + RAW_HDRINCL] === 0) return dgramFlow.sizeError(sk, len)
    const mtu = i32[deviceRow(arena, fl[FL_DEV]) + DEV_MTU]
    return len > mtu ? dgramFlow.sayTooLong(sk, mtu) : 0
  }
  /** Whatever stands there is no part of it; a sum of zero is UDP's sign for none (RFC 8200 section 8.1). */
  const putSum = (at: number, len: number, place: number): void => {
    putU16(u8, place, 0)
    const pseudo = pseudoSumWords(fl, FL_SADDR, FL_DADDR, fl[FL_PROTO], len)
    const sum = finish(sumBytes(u8, at, len, pseudo))
    putU16(u8, place, sum === 0 && fl[FL_PROTO] === IPPROTO_UDP ? 0xffff : sum)
  }
  return { sizeError, send, finish: finishPacket }
}
