/**
 * What sockets of datagrams are told of what went wrong: by ICMP, about a packet of theirs, and by ourselves, when one is too long.
 * TCP keeps here as well what refused a connection.
 * With IP_RECVERR all of it waits in the error queue, for the next call as well; without it a connected socket's next call
 * is told what is hard. UDP's, raw sockets' and ping sockets'. Worker only.
 * Linux: the end of __udp4_lib_err(), raw_err() and ping_err(); ip_icmp_error(), ip_local_error() (net/ipv4/ip_sockglue.c).
 */
import * as bytes from '../base/bytes.ts'
import { Errno } from '../base/errno.ts'
import { createFlowi, FL_DADDR, FL_FAMILY, type Flowi } from '../base/flowi.ts'
import type { AfOpsOf } from '../inet/af-ops.ts'
import { IPCB_OUTER } from '../inet/inet-constants.ts'
import type { PacketAddrs } from '../inet/packet-addrs.ts'
import type { Arena } from '../shm/arena.ts'
import { Holder } from '../skb/budget.ts'
import type { ConsumeFn } from '../skb/drop.ts'
import { SKB_DATA, SKB_F_TRACE, SKB_FLAGS, SKB_LEN } from '../skb/skb.ts'
import type { Skbs } from '../skb/skbs.ts'
import type { ErrQueue, ExtendedErr } from '../socket/errqueue.ts'
import type { Events } from '../socket/events.ts'
import { SK_ERR, SK_EVENT_ERROR, SK_INET_FLAGS, SK_STATE, TCP_ESTABLISHED } from '../socket/sock.ts'
import { INET_RECVERR, SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_LOCAL } from '../socket/socket-constants.ts'
import { ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, ICMP_PARAMETERPROB } from '../wire/icmp.ts'
import { ICMPV6_ADDR_UNREACH, ICMPV6_DEST_UNREACH } from '../wire/icmpv6.ts'

type DgramErrDeps = {
  arena: Arena
  skbs: Skbs
  consume: ConsumeFn
  afOps: AfOpsOf
  errqueue: Pick<ErrQueue, 'hasRoom' | 'pushAbout'>
} & Pick<PacketAddrs, 'loadAddrs'> &
  Pick<Events, 'sockEvents'>
export type DgramErr = ReturnType<typeof createDgramErr>

export const createDgramErr = (deps: DgramErrDeps) => {
  const { arena, skbs, consume, afOps, errqueue, loadAddrs, sockEvents } = deps
  const { i32, u8 } = arena
  const { budget } = skbs
  const fl = createFlowi()
  const error: ExtendedErr = { errno: 0, origin: 0, type: 0, code: 0, info: 0 }

  /** Does it want to be told all that is said about its packets of a family (IP_RECVERR, IPV6_RECVERR)? */
  const isRecvErr = (sk: number, family: number): boolean =>
    (i32[sk + SK_INET_FLAGS] & (INET_RECVERR << afOps(family).index)) !== 0
  /** Is there anybody who may be told? */
  const mayHear = (sk: number, family: number): boolean =>
    i32[sk + SK_STATE] === TCP_ESTABLISHED || isRecvErr(sk, family)

  /**
   * ICMP spoke of a packet of the socket's, as ErrorHandler has it (inet/inet-protos.ts): it went to `port`, and what is quoted of
   * its payload begins at `payload`. `isHard`: a connected socket is told in any case.
   */
  const icmpError = (
    sk: number,
    skb: number,
    errno: number,
    isHard: boolean,
    port: number,
    payload: number
  ): void => {
    loadAddrs(skb, fl)
    if (isRecvErr(sk, fl[FL_FAMILY])) keep(sk, skb, errno, port, payload)
    else if (!isHard || i32[sk + SK_STATE] !== TCP_ESTABLISHED) return
    i32[sk + SK_ERR] = errno
    sockEvents(sk, SK_EVENT_ERROR)
  }
  /** Puts the message, which spoke of a packet to `port`, on the error queue (ip_icmp_error). */
  const keepError = (
    sk: number,
    skb: number,
    errno: number,
    port: number,
    payload: number
  ): void => {
    loadAddrs(skb, fl)
    keep(sk, skb, errno, port, payload)
  }
  /** If there is a place for it, and memory. */
  const keep = (sk: number, skb: number, errno: number, port: number, payload: number): void => {
    if (!errqueue.hasRoom(sk) || !budget.mayHold(skb, Holder.raw_rcv)) return
    const room = i32[skb + SKB_DATA] + i32[skb + SKB_LEN] - payload
    const twin = room < 0 ? 0 : skbs.clone(skb)
    if (twin === 0) return
    i32[twin + SKB_FLAGS] &= ~SKB_F_TRACE
    skbs.pull(twin, payload - i32[skb + SKB_DATA])
    budget.hold(twin, Holder.raw_rcv)
    readMessage(skb, errno)
    if (errqueue.pushAbout(sk, error, fl, FL_DADDR, port, twin)) return
    budget.release(twin)
    consume(twin)
  }
  /** What the message says, or would say: of a neighbour that does not answer IPv6's own senders hear without one (ip6-link-failure.ts). */
  const readMessage = (skb: number, errno: number): void => {
    const at = i32[skb + SKB_DATA]
    const isMessage = i32[skb + IPCB_OUTER] !== 0
    const { index } = afOps(fl[FL_FAMILY])
    error.errno = errno
    error.origin = SO_EE_ORIGIN_ICMP + index
    error.type = isMessage ? u8[at] : ICMPV6_DEST_UNREACH
    error.code = isMessage ? u8[at + 1] : ICMPV6_ADDR_UNREACH
    const rest = isMessage ? bytes.i32(u8, at + 4) : 0
    error.info = index === 1 ? rest : infoOf(error.type, error.code, rest)
  }
  /** Of ICMP for IPv4 only the MTU and the octet that was wrong (icmp_unreach). */
  const infoOf = (type: number, code: number, rest: number): number => {
    if (type === ICMP_PARAMETERPROB) return rest >>> 24
    return type === ICMP_DEST_UNREACH && code === ICMP_FRAG_NEEDED ? rest & 0xffff : 0
  }

  /** A packet along `flow` that the socket wanted to send is too long for `mtu`: tells it, and answers -EMSGSIZE. */
  const tooLong = (sk: number, flow: Flowi, port: number, mtu: number): number => {
    error.errno = Errno.EMSGSIZE
    error.origin = SO_EE_ORIGIN_LOCAL
    error.type = error.code = 0
    error.info = mtu
    if (isRecvErr(sk, flow[FL_FAMILY]) && errqueue.pushAbout(sk, error, flow, FL_DADDR, port, 0))
      sockEvents(sk, SK_EVENT_ERROR)
    return -Errno.EMSGSIZE
  }
  return { icmpError, isRecvErr, keepError, mayHear, tooLong }
}
