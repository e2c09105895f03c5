/**
 * UDP output: makes one datagram of bytes in the arena or of an application's array and gives it to IP. The checksum
 * is left to the device (CHECKSUM_PARTIAL). Called by udp-sock; on the socket's worker.
 * Linux: net/ipv4/udp.c udp_sendmsg(), udp_send_skb(); RFC 768.
 */
import {
  AF_INET,
  copyAddr,
  familyOf,
  isAnyAddr,
  isGroupAddr,
  V4_MAPPED,
} from '../../base/family.ts'
import { fold, pseudoSumWords } from '../../base/checksum.ts'
import { Errno } from '../../base/errno.ts'
import {
  createFlowi,
  FL_DADDR,
  FL_DPORT,
  FL_FAMILY,
  FL_MARK,
  FL_NO_LOOP,
  FL_OIF,
  FL_PROTO,
  FL_SADDR,
  FL_SPORT,
  FL_TOS,
  FL_TYPE,
  RTN_BROADCAST,
  RTN_MULTICAST,
} from '../../base/flowi.ts'
import type { Arena } from '../../shm/arena.ts'
import { counterBank } from '../../shm/counters.ts'
import type { Skbs } from '../../skb/skb.ts'
import {
  CHECKSUM_PARTIAL,
  MAX_HEADER,
  SKB_CSUM_OFFSET,
  SKB_CSUM_START,
  SKB_IP_SUMMED,
  SKB_TRANSPORT,
} from '../../skb/skb.ts'
import {
  SK_BOUND_DEV,
  SK_FLAGS,
  SK_MARK,
  SK_MC_ADDR,
  SK_NUM,
  SK_SADDR,
  SK_TOS,
  SK_TTL,
} from '../../socket/sock.ts'
import { NO_HOPS } from '../../inet/inet-constants.ts'
import type { AfOpsOf } from '../../inet/af-ops.ts'
import { IPPROTO_UDP } from '../../wire/ipproto.ts'
import * as udp from '../../wire/udp.ts'
import type { Pmtu } from '../../inet/pmtu.ts'
import type { McSockopt } from '../../socket/mc-sockopt.ts'

type UdpOutputDeps = {
  arena: Arena
  skbs: Skbs
  afOps: AfOpsOf
  mc: Pick<McSockopt, 'hopsOf' | 'isLooped' | 'deviceOf'>
} & Pick<Pmtu, 'routeOutput'>

export type UdpOutput = ReturnType<typeof createUdpOutput>

/** SK_FLAGS: SO_BROADCAST was set. */
export const UDP_BROADCAST = 1
/** SK_FLAGS: bound to a group's or a broadcast address. */
export const UDP_BOUND_GROUP = 2

export const createUdpOutput = ({ arena, skbs, routeOutput, afOps, mc }: UdpOutputDeps) => {
  const { i32, u8, f64 } = arena
  const count = counterBank(arena, skbs.thread)
  const fl = createFlowi()

  /** The flow from the socket to an address; family by the address. */
  const fillFlow = (sk: number, words: Int32Array, at: number, port: number): void => {
    fl.fill(0)
    fl[FL_FAMILY] = familyOf(words, at)
    fl[FL_OIF] = i32[sk + SK_BOUND_DEV]
    fl[FL_MARK] = i32[sk + SK_MARK]
    fl[FL_TOS] = i32[sk + SK_TOS]
    fl[FL_PROTO] = IPPROTO_UDP
    // what is received by a group's address is not sent from it
    if ((i32[sk + SK_FLAGS] & UDP_BOUND_GROUP) === 0) copyAddr(fl, FL_SADDR, i32, sk + SK_SADDR)
    copyAddr(fl, FL_DADDR, words, at)
    if (isGroupAddr(words, at)) aimAtGroup(sk)
    fl[FL_SPORT] = i32[sk + SK_NUM]
    fl[FL_DPORT] = port
  }
  /** To a group the socket may have a device, a source and no wish to hear itself. */
  const aimAtGroup = (sk: number): void => {
    const is6 = fl[FL_FAMILY] !== AF_INET
    if (fl[FL_OIF] === 0) fl[FL_OIF] = mc.deviceOf(sk, is6)
    fl[FL_NO_LOOP] = mc.isLooped(sk, is6) ? 0 : 1
    if (is6 || !isAnyAddr(fl, FL_SADDR) || i32[sk + SK_MC_ADDR] === 0) return
    fl[FL_SADDR + 2] = V4_MAPPED
    fl[FL_SADDR + 3] = i32[sk + SK_MC_ADDR]
  }
  /** Routes the flow from a socket to an address; the result lies in `flow`. 0, or -errno. */
  const route = (sk: number, words: Int32Array, at: number, port: number): number => {
    fillFlow(sk, words, at, port)
    const error = routeOutput(fl)
    if (error !== 0) return error
    if (fl[FL_TYPE] === RTN_BROADCAST && (i32[sk + SK_FLAGS] & UDP_BROADCAST) === 0)
      return -Errno.EACCES
    return 0
  }

  const tooLong = (len: number): boolean => len > afOps(fl[FL_FAMILY]).maxPayload - udp.MIN_HEADER
  /** Room for a datagram of `len` bytes; 0 is no memory. */
  const allocDatagram = (len: number): number => skbs.alloc(udp.MIN_HEADER + len, MAX_HEADER)

  /** Sends `len` bytes of the arena along the flow that `route` found: len, or -errno. */
  const sendArena = (sk: number, from: number, len: number): number => {
    if (tooLong(len)) return -Errno.EMSGSIZE
    const skb = allocDatagram(len)
    if (skb === 0) return noMemory(len)
    const at = skbs.put(skb, udp.MIN_HEADER + len)
    u8.copyWithin(at + udp.MIN_HEADER, from, from + len)
    return finish(sk, skb, at, len)
  }
  /** The same for bytes of an application. */
  const sendArray = (sk: number, bytes: Uint8Array, from: number, len: number): number => {
    if (tooLong(len)) return -Errno.EMSGSIZE
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

  const finish = (sk: number, skb: number, at: number, len: number): number => {
    const total = udp.MIN_HEADER + len
    udp.setSrcPort(u8, at, fl[FL_SPORT])
    udp.setDstPort(u8, at, fl[FL_DPORT])
    udp.setLength(u8, at, total)
    const pseudo = pseudoSumWords(fl, FL_SADDR, FL_DADDR, IPPROTO_UDP, total)
    udp.putChecksum(u8, at, fold(pseudo))
    i32[skb + SKB_IP_SUMMED] = CHECKSUM_PARTIAL
    i32[skb + SKB_CSUM_START] = at
    i32[skb + SKB_CSUM_OFFSET] = udp.CHECKSUM
    i32[skb + SKB_TRANSPORT] = at
    // filled by ipv4/af-inet.ts: ipSend (ipv4/ip-output.ts), and ipv6/af-inet6.ts: ip6Send (ipv6/ip6-output.ts)
    const error = afOps(fl[FL_FAMILY]).send(skb, fl, IPPROTO_UDP, i32[sk + SK_TOS], ttlOf(sk))
    if (error === -Errno.ENOBUFS) return noMemory(len)
    if (error !== 0) return error
    f64[count + afOps(fl[FL_FAMILY]).udpMib.outDatagrams]++
    return len
  }
  /** A multicast stays on its link unless its sender asked for more (RFC 1112 section 6.1). */
  const ttlOf = (sk: number): number => {
    if (fl[FL_TYPE] !== RTN_MULTICAST) return i32[sk + SK_TTL]
    return mc.hopsOf(sk, fl[FL_FAMILY] !== AF_INET) || NO_HOPS
  }

  return { route, sendArena, sendArray, flow: fl }
}
