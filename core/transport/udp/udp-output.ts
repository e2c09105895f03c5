/**
 * UDP output: makes one datagram of bytes in the arena or of an application's array and gives it to IP. The checksum
 * is left to the device (CHECKSUM_PARTIAL). Called by udp-sock; on the socket's worker.
 * Linux: net/ipv4/udp.c udp_sendmsg(), udp_send_skb(); RFC 768.
 */
import { fold, pseudoSumWords } from '../../base/checksum.ts'
import { Errno } from '../../base/errno.ts'
import { FL_DADDR, FL_DPORT, FL_FAMILY, FL_MTU, FL_SADDR, FL_SPORT } from '../../base/flowi.ts'
import type { Arena } from '../../shm/arena.ts'
import { counterBank } from '../../shm/counters.ts'
import type { Skbs } from '../../skb/skbs.ts'
import {
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  GSO_UDP_L4,
  MAX_HEADER,
  SKB_CSUM_OFFSET,
  SKB_CSUM_START,
  SKB_GSO_SEGS,
  SKB_GSO_SIZE,
  SKB_GSO_TYPE,
  SKB_IP_SUMMED,
  SKB_TRANSPORT,
} from '../../skb/skb.ts'
import { SK_NUM } from '../../socket/sock.ts'
import { SK_INET_FLAGS, SK_IPOPT_LEN } from '../../socket/inet-sock.ts'
import type { AfOpsOf } from '../../inet/af-ops.ts'
import { INET_NO_CHECK, UDP_MAX_SEGMENTS } from '../../socket/socket-constants.ts'
import { IPPROTO_UDP } from '../../wire/ipproto.ts'
import * as udp from '../../wire/udp.ts'
import type { DgramFlow } from '../dgram-flow.ts'

/** What IP can carry. */
const IP_MAX_MTU = 0xffff

type UdpOutputDeps = { arena: Arena; skbs: Skbs; afOps: AfOpsOf; dgramFlow: DgramFlow }

export type UdpOutput = ReturnType<typeof createUdpOutput>

export const createUdpOutput = ({ arena, skbs, afOps, dgramFlow }: UdpOutputDeps) => {
  const { i32, u8, f64 } = arena
  const count = counterBank(arena, skbs.thread)
  const { flow: fl, segmentOf } = dgramFlow

  /** Routes the flow from a socket to an address; the result lies in `flow`. 0, or -errno. */
  const route = (sk: number, words: Int32Array, at: number, port: number): number =>
    dgramFlow.route(sk, words, at, IPPROTO_UDP, i32[sk + SK_NUM], port)

  /** Is it too much for the flow that `route` found? 0, or -errno. */
  const sizeError = (sk: number, len: number): number => {
    // udp_sendmsg looks at the length by itself, udpv6_sendmsg does not
    if (len > 0xffff && afOps(fl[FL_FAMILY]).index === 0) return -Errno.EMSGSIZE
    const size = segmentOf(sk)
    if (size !== 0) return segmentError(sk, len, size)
    return dgramFlow.sizeError(sk, udp.MIN_HEADER + len)
  }
  /** May so much be cut into datagrams of `size` octets, each of which the way takes whole (udp_send_skb)? 0, or -errno. */
  const segmentError = (sk: number, len: number, size: number): number => {
    const { index, headerLen, maxPayload } = afOps(fl[FL_FAMILY])
    if (udp.MIN_HEADER + len > maxPayload) return dgramFlow.sayTooLong(sk, IP_MAX_MTU)
    const headers = headerLen + udp.MIN_HEADER + (index === 0 ? i32[sk + SK_IPOPT_LEN] : 0)
    if (headers + Math.min(len, size) > fl[FL_MTU]) return -Errno.EMSGSIZE
    return len > size * UDP_MAX_SEGMENTS || !hasSum(sk) ? -Errno.EINVAL : 0
  }
  /** Room for a datagram of `len` bytes; 0 is no memory. */
  const allocDatagram = (len: number): number => skbs.alloc(udp.MIN_HEADER + len, MAX_HEADER)

  /** Sends `len` bytes of the arena along the flow that `route` found: len, or -errno. */
  const sendArena = (sk: number, from: number, len: number): number => {
    const skb = allocDatagram(len)
    if (skb === 0) return noMemory(len)
    const at = skbs.put(skb, udp.MIN_HEADER + len)
    u8.copyWithin(at + udp.MIN_HEADER, from, from + len)
    return finish(sk, skb, at, len)
  }
  /** The same for bytes of an application. */
  const sendArray = (sk: number, bytes: Uint8Array, from: number, len: number): number => {
    const skb = allocDatagram(len)
    if (skb === 0) return noMemory(len)
    const at = skbs.put(skb, udp.MIN_HEADER + len)
    const to = at + udp.MIN_HEADER
    for (let k = 0; k < len; k++) u8[to + k] = bytes[from + k]
    return finish(sk, skb, at, len)
  }
  /** As Linux without IP_RECVERR: a datagram lost for want of memory is counted, not reported. */
  const noMemory = (len: number): number => {
    f64[count + afOps(fl[FL_FAMILY]).udpMib.sndbufErrors]++
    return len
  }

  /** Sends a datagram whose `len` octets lie behind its header, which is at `at`: len, or -errno. */
  const finish = (sk: number, skb: number, at: number, len: number): number => {
    const total = udp.MIN_HEADER + len
    udp.setSrcPort(u8, at, fl[FL_SPORT])
    udp.setDstPort(u8, at, fl[FL_DPORT])
    udp.setLength(u8, at, total)
    if (hasSum(sk)) {
      const pseudo = pseudoSumWords(fl, FL_SADDR, FL_DADDR, IPPROTO_UDP, total)
      udp.putChecksum(u8, at, fold(pseudo))
      i32[skb + SKB_IP_SUMMED] = CHECKSUM_PARTIAL
      i32[skb + SKB_CSUM_START] = at
      i32[skb + SKB_CSUM_OFFSET] = udp.CHECKSUM
    } else {
      udp.putChecksum(u8, at, 0)
      i32[skb + SKB_IP_SUMMED] = CHECKSUM_NONE
    }
    i32[skb + SKB_TRANSPORT] = at
    setSegments(sk, skb, len)
    const error = dgramFlow.send(sk, skb, IPPROTO_UDP)
    if (error === -Errno.ENOBUFS) return noMemory(len)
    if (error !== 0) return error
    f64[count + afOps(fl[FL_FAMILY]).udpMib.outDatagrams]++
    return len
  }
  /** More than a datagram's octets go as a super-frame, which is cut where the device does not do it. */
  const setSegments = (sk: number, skb: number, len: number): void => {
    const size = segmentOf(sk)
    if (size === 0 || len <= size) return
    i32[skb + SKB_GSO_SIZE] = size
    i32[skb + SKB_GSO_TYPE] = GSO_UDP_L4
    i32[skb + SKB_GSO_SEGS] = Math.ceil(len / size)
  }
  /** Over IPv4 one need not have it (RFC 768). */
  const hasSum = (sk: number): boolean =>
    (i32[sk + SK_INET_FLAGS] & INET_NO_CHECK) === 0 || afOps(fl[FL_FAMILY]).needsUdpChecksum
  return { route, sizeError, allocDatagram, sendArena, sendArray, send: finish, flow: fl }
}
