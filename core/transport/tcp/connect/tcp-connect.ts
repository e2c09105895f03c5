/**
 * Active open: what connect() answers, and the way of a closed socket to SYN_SENT. Called by the socket layer on the worker.
 * Linux: __inet_stream_connect, tcp_v4_connect, tcp_v6_connect.
 */
import { Errno } from '../../../base/errno.ts'
import { AF_INET, clearAddr, copyAddr, familyOf, isAnyAddr } from '../../../base/family.ts'
import { TIME_US, type Time } from '../../../base/time.ts'
import type { Arena } from '../../../shm/arena.ts'
import type { AddrType } from '../../../inet/addr/addr-type.ts'
import {
  SK_BOUND_DEV,
  SK_CREATED,
  SK_DADDR,
  SK_DPORT,
  SK_ERR,
  SK_FAMILY,
  SK_FLAGS,
  SK_REUSE,
  SK_SADDR,
  SK_STATE,
  TCP_CLOSE,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
} from '../../../socket/sock.ts'
import { SK_IPOPT_HOP } from '../../../socket/inet-sock.ts'
import { MAPPED } from '../../../socket/socket-constants.ts'
import { isGroupType, peerError } from '../../bind-addr.ts'
import type { FastopenClient } from '../fastopen/tcp-fastopen-client.ts'
import type { TcpTransmit } from '../snd/tcp-transmit.ts'
import { SOCK_CONNECTED, SOCK_CONNECTING, SOCK_DISCONNECTING } from '../sock/sock-flags.ts'
import type { TcpHash } from '../sock/tcp-hash.ts'
import type { TcpLifecycle } from '../sock/tcp-lifecycle.ts'
import { FO_CONNECT, FO_DEFER, TP_FASTOPEN } from '../sock/tcp-sock.ts'
import type { TcpDisconnect } from './tcp-disconnect.ts'
import type { TcpLocalPort } from './tcp-local-port.ts'
import type { TcpRouting } from './tcp-routing.ts'
import type { TcpSendSyn } from './tcp-send-syn.ts'

/** The first write is to send the SYN (TCP_FASTOPEN_CONNECT). */
export const isDeferred = (i32: Int32Array, sk: number): boolean =>
  (i32[sk + TP_FASTOPEN] & FO_DEFER) !== 0

export type TcpConnect = ReturnType<typeof createTcpConnect>
type TcpConnectDeps = {
  arena: Arena
  time: Time
  hash: TcpHash
  life: TcpLifecycle
  transmit: TcpTransmit
  routing: Pick<TcpRouting, 'routeSocket'>
  fastopenClient: Pick<FastopenClient, 'mayDefer' | 'sendSyn'>
} & Pick<AddrType, 'addrType'> &
  TcpLocalPort &
  TcpDisconnect &
  TcpSendSyn

export const createTcpConnect = (deps: TcpConnectDeps) => {
  const { time, hash, life, transmit, routing, fastopenClient, addrType } = deps
  const { chooseLocalPort, startAfresh, undoConnect, initSyn, queueSyn } = deps
  const { i32 } = deps.arena

  /** What the next call says of a connection that was begun, as one that waited would have said. */
  const finishConnect = (sk: number): number => {
    const state = i32[sk + SK_STATE]
    if (state === TCP_SYN_SENT || state === TCP_SYN_RECV)
      return isDeferred(i32, sk) ? -Errno.EISCONN : -Errno.EALREADY
    i32[sk + SK_FLAGS] &= ~SOCK_CONNECTING
    if (state !== TCP_CLOSE) {
      i32[sk + SK_FLAGS] |= SOCK_CONNECTED
      return 0
    }
    const err = i32[sk + SK_ERR] || Errno.ECONNABORTED
    startAfresh(sk)
    life.forgetUser(sk)
    undoConnect(sk)
    return -err
  }
  /** Takes a closed socket to SYN_SENT, with a route and a port; 0 or -errno. */
  const beginConnect = (sk: number, words: Int32Array, at: number, port: number): number => {
    const refused = peerError(i32, sk, words, at)
    if (refused !== 0) return refused
    // a source route leads to somebody (tcp_v4_connect)
    if (i32[sk + SK_IPOPT_HOP + 3] !== 0 && isAnyAddr(words, at)) return -Errno.EINVAL
    if (familyOf(words, at) !== i32[sk + SK_FAMILY]) {
      i32[sk + SK_FAMILY] = AF_INET
      i32[sk + SK_REUSE] |= MAPPED
    }
    // a stream does not come from a group that the socket was bound to (tcp_v4_connect)
    const bound = addrType(i32, sk + SK_SADDR, i32[sk + SK_BOUND_DEV])
    if (isGroupType(bound)) clearAddr(i32, sk + SK_SADDR)
    copyAddr(i32, sk + SK_DADDR, words, at)
    i32[sk + SK_DPORT] = port
    let err = routing.routeSocket(sk)
    if (err === 0) err = chooseLocalPort(sk)
    if (err < 0) {
      undoConnect(sk)
      return err
    }
    startAfresh(sk)
    i32[sk + SK_CREATED] = time[TIME_US]
    life.setState(sk, TCP_SYN_SENT)
    hash.hash(sk)
    i32[sk + SK_FLAGS] |= SOCK_CONNECTING
    initSyn(sk)
    return 0
  }
  /** -EINPROGRESS when the SYN is on its way, 0 when the first write will send it (TCP_FASTOPEN_CONNECT), else -errno. */
  const openActive = (sk: number, words: Int32Array, at: number, port: number): number => {
    const how = i32[sk + SK_FLAGS] & SOCK_DISCONNECTING
    if (how === SOCK_DISCONNECTING) return -Errno.EINVAL
    if (how === SOCK_CONNECTING) return finishConnect(sk)
    if (how === SOCK_CONNECTED || i32[sk + SK_STATE] !== TCP_CLOSE) return -Errno.EISCONN
    const err = beginConnect(sk, words, at, port)
    if (err !== 0) return err
    if (fastopenClient.mayDefer(sk)) {
      i32[sk + TP_FASTOPEN] |= FO_DEFER
      return 0
    }
    const syn = queueSyn(sk)
    if (syn !== 0) {
      if ((i32[sk + TP_FASTOPEN] & FO_CONNECT) !== 0) fastopenClient.sendSyn(sk, syn)
      else transmit.transmitClone(sk, syn)
    }
    return -Errno.EINPROGRESS
  }
  const connect = (sk: number, words: Int32Array, at: number, port: number): number => {
    const err = openActive(sk, words, at, port)
    life.flush()
    return err
  }

  return { connect, beginConnect }
}
