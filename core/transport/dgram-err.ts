/**
 * What sockets of datagrams are told of what went wrong: by ICMP, about a packet of theirs, and by ourselves, when one is too long.
 * With IP_RECVERR all of it waits in the error queue (keep-error.ts), for the next call as well; without it a connected socket's
 * next call is told what is hard. UDP's, raw sockets' and ping sockets'. Worker only.
 * Linux: the end of __udp4_lib_err(), raw_err() and ping_err(); ip_local_error() (net/ipv4/ip_sockglue.c).
 */
import { Errno } from '../base/errno.ts'
import { createFlowi, FL_DADDR, FL_FAMILY, type Flowi } from '../base/flowi.ts'
import type { PacketAddrs } from '../inet/packet-addrs.ts'
import type { Arena } from '../shm/arena.ts'
import type { ErrQueue, ExtendedErr } from '../socket/msg/errqueue.ts'
import type { Events } from '../socket/events.ts'
import { SK_ERR, SK_EVENT_ERROR, SK_STATE, TCP_ESTABLISHED } from '../socket/sock.ts'
import { SO_EE_ORIGIN_LOCAL } from '../socket/socket-constants.ts'
import type { KeepError } from './keep-error.ts'

type DgramErrDeps = {
  arena: Arena
  errqueue: Pick<ErrQueue, 'pushAbout'>
} & KeepError &
  Pick<PacketAddrs, 'loadAddrs'> &
  Pick<Events, 'sockEvents'>
export type DgramErr = ReturnType<typeof createDgramErr>

export const createDgramErr = (deps: DgramErrDeps) => {
  const { arena, errqueue, isRecvErr, keepError, loadAddrs, sockEvents } = deps
  const { i32 } = arena
  const fl = createFlowi()
  const error: ExtendedErr = { errno: 0, origin: 0, type: 0, code: 0, info: 0 }

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
    if (isRecvErr(sk, fl[FL_FAMILY])) keepError(sk, skb, errno, port, payload)
    else if (!isHard || i32[sk + SK_STATE] !== TCP_ESTABLISHED) return
    i32[sk + SK_ERR] = errno
    sockEvents(sk, SK_EVENT_ERROR)
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
  return { icmpError, mayHear, tooLong }
}
