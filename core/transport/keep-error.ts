/**
 * A message of ICMP about a packet of a socket's waits in its error queue, with what is quoted of the payload: of sockets of
 * datagrams (dgram-err.ts), and of a stream whose connection was refused (tcp/rcv/tcp-ipv.ts). Worker only.
 * Linux: ip_icmp_error() (net/ipv4/ip_sockglue.c), ipv6_icmp_error() (net/ipv6/datagram.c).
 */
import * as bytes from '../base/bytes.ts'
import { createFlowi, FL_DADDR, FL_FAMILY } from '../base/flowi.ts'
import type { AfOpsOf } from '../inet/af-ops.ts'
import { IPCB_OUTER } from '../inet/inet-constants.ts'
import type { PacketAddrs } from '../inet/packet-addrs.ts'
import type { Arena } from '../shm/arena.ts'
import { Holder } from '../skb/budget.ts'
import type { ConsumeFn } from '../skb/drop.ts'
import { SKB_DATA, SKB_F_TRACE, SKB_FLAGS, SKB_LEN } from '../skb/skb.ts'
import type { Skbs } from '../skb/skbs.ts'
import type { ErrQueue, ExtendedErr } from '../socket/msg/errqueue.ts'
import { SK_INET_FLAGS } from '../socket/inet-sock.ts'
import { INET_RECVERR, SO_EE_ORIGIN_ICMP } from '../socket/socket-constants.ts'
import { ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, ICMP_PARAMETERPROB } from '../wire/icmp.ts'
import { ICMPV6_ADDR_UNREACH, ICMPV6_DEST_UNREACH } from '../wire/icmpv6.ts'

type KeepErrorDeps = {
  arena: Arena
  skbs: Skbs
  consume: ConsumeFn
  afOps: AfOpsOf
  errqueue: Pick<ErrQueue, 'hasRoom' | 'pushAbout'>
} & Pick<PacketAddrs, 'loadAddrs'>
export type KeepError = ReturnType<typeof createKeepError>

export const createKeepError = (deps: KeepErrorDeps) => {
  const { arena, skbs, consume, afOps, errqueue, loadAddrs } = deps
  const { i32, u8 } = arena
  const { budget } = skbs
  const fl = createFlowi()
  const error: ExtendedErr = { errno: 0, origin: 0, type: 0, code: 0, info: 0 }

  /** Does it want to be told all that is said about its packets of a family (IP_RECVERR, IPV6_RECVERR)? */
  const isRecvErr = (sk: number, family: number): boolean =>
    (i32[sk + SK_INET_FLAGS] & (INET_RECVERR << afOps(family).index)) !== 0

  /**
   * Puts the message on the error queue, if there is a place for it, and memory: it spoke of a packet to `port`, whose payload
   * is quoted from `payload` on.
   */
  const keepError = (
    sk: number,
    skb: number,
    errno: number,
    port: number,
    payload: number
  ): void => {
    if (!errqueue.hasRoom(sk) || !budget.mayHold(skb, Holder.sock_queue)) return
    const room = i32[skb + SKB_DATA] + i32[skb + SKB_LEN] - payload
    const twin = room < 0 ? 0 : skbs.clone(skb)
    if (twin === 0) return
    i32[twin + SKB_FLAGS] &= ~SKB_F_TRACE
    skbs.pull(twin, payload - i32[skb + SKB_DATA])
    budget.hold(twin, Holder.sock_queue)
    loadAddrs(skb, fl)
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

  return { isRecvErr, keepError }
}
