/** tcp_syncookies: whether there is a place for the request or not. */
import { Errno } from '../../../base/errno.ts'
import { FL_DPORT, type Flowi } from '../../../base/flowi.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { type ConsumeFn, Drop } from '../../../skb/drop.ts'
import { SKB_TRANSPORT } from '../../../skb/skb.ts'
import * as tcp from '../../../wire/tcp.ts'
import {
  SK_FLAGS,
  SK_MAX_ACK_BACKLOG,
  SK_NUM,
  SK_STATE,
  TCP_CLOSE,
  TCP_LISTEN,
  TCP_NEW_SYN_RECV,
  TCP_SYN_RECV,
  TCP_TIME_WAIT,
} from '../../../socket/sock.ts'
import type { SkFilter } from '../../../socket/sk-filter.ts'
import type { Ports } from '../../ports.ts'
import type { TcpBind } from '../connect/tcp-bind.ts'
import type { TcpRouting } from '../connect/tcp-routing.ts'
import type { TcpFastopen } from '../fastopen/tcp-fastopen.ts'
import type { TcpPaws } from '../rcv/tcp-paws.ts'
import { SOCK_CONNECTED, SOCK_CONNECTING } from '../sock/sock-flags.ts'
import { CB_SEQ } from '../sock/tcp-cb.ts'
import {
  TCP_TIMEOUT_INIT,
  TFO_SERVER_ENABLE,
  TFO_SERVER_WO_SOCKOPT1,
} from '../sock/tcp-constants.ts'
import type { TcpHash } from '../sock/tcp-hash.ts'
import type { TcpLifecycle } from '../sock/tcp-lifecycle.ts'
import type { TcpPktoptions } from '../sock/tcp-pktoptions.ts'
import {
  ICSK_TIME_RETRANS,
  OPT_TIMESTAMPS,
  TP_FO_MAX_QLEN,
  TP_OPTS,
  TP_RCV_ISN,
  TP_REQ_HEAD,
  TP_SEGS_OUT,
} from '../sock/tcp-sock.ts'
import type { TcpHandshake } from '../states/tcp-handshake.ts'
import type { TcpTimers } from '../timer/tcp-timers.ts'
import type { TcpCheckReq } from './tcp-check-req.ts'
import type { TcpListenQueues } from './tcp-listen-queues.ts'
import type { TcpRequest } from './tcp-request.ts'
import type { TcpSynack } from './tcp-synack.ts'
import type { TcpSyncookies } from './tcp-syncookies.ts'

const SYNCOOKIES_ALWAYS = 2

export type TcpListen = ReturnType<typeof createTcpListen>
type TcpListenDeps = {
  arena: Arena
  bank: number
  consume: ConsumeFn
  hash: TcpHash
  ports: Ports
  timers: TcpTimers
  paws: TcpPaws
  life: TcpLifecycle
  synack: TcpSynack
  fastopen: TcpFastopen
  syncookies: TcpSyncookies
  handshake: Pick<TcpHandshake, 'initTransfer'>
  listenQueues: TcpListenQueues
  request: TcpRequest
  checkReq: TcpCheckReq
  pktoptions: Pick<TcpPktoptions, 'noteOpening'>
  filter: Pick<SkFilter, 'inherit'>
} & Pick<TcpRouting, 'secureSeq'> &
  Pick<TcpBind, 'bindPort'>

export const createTcpListen = (deps: TcpListenDeps) => {
  const { bank, consume, hash, ports, timers, life, secureSeq, fastopen, syncookies } = deps
  const { makeRequest, forget, takeOptions, takeEcn, reflectTos } = deps.request
  const { setSequences, initRequest } = deps.request
  const { openChild } = deps.checkReq
  const { linkRequest, dropRequest, enqueueAccept, dequeueAccept } = deps.listenQueues
  const { requestQueueFull, isLastQuarter, acceptQueueFull } = deps.listenQueues
  const { listenDrop, overflow } = deps.listenQueues
  const { sendSynAck } = deps.synack
  const { bindPort } = deps
  const { initTransfer } = deps.handshake
  const { parseOptions } = deps.paws
  const { i32, u8, f64, layout } = deps.arena
  const { sysctl } = layout

  /** A SYN for a listener; the skb is taken over. */
  const connRequest = (listener: number, skb: number, fl: Flowi): void => {
    const mode = i32[sysctl + Sysctl.tcp_syncookies]
    const wantsCookie = mode === SYNCOOKIES_ALWAYS || requestQueueFull(listener)
    if (wantsCookie && mode === 0) {
      overflow(skb, Mib.TcpExtTCPReqQFullDrop)
      return
    }
    if (wantsCookie) f64[bank + Mib.TcpExtTCPReqQFullDoCookies]++
    if (acceptQueueFull(listener)) {
      overflow(skb, Mib.TcpExtListenOverflows)
      return
    }
    if (mode === 0 && isLastQuarter(listener)) {
      listenDrop(skb, Drop.TCP_LISTEN_OVERFLOW)
      return
    }
    const req = makeRequest(listener, skb, fl)
    if (req === 0) return
    parseOptions(skb)
    if (wantsCookie) syncookies.dropOptions()
    takeOptions(req)
    if (i32[sysctl + Sysctl.tcp_reflect_tos] !== 0) reflectTos(req, skb)
    if (wantsCookie) answerByCookie(req, skb)
    else keepRequest(listener, req, skb)
  }
  const keepRequest = (listener: number, req: number, skb: number): void => {
    takeEcn(req, skb)
    setSequences(req, skb, i32[skb + CB_SEQ], secureSeq(req))
    initRequest(req)
    if (fastopen.mayOpen(listener, req, skb)) {
      openFast(listener, req, skb)
      return
    }
    i32[req + SK_STATE] = TCP_NEW_SYN_RECV
    hash.hash(req)
    linkRequest(listener, req)
    timers.resetXmitTimer(req, ICSK_TIME_RETRANS, TCP_TIMEOUT_INIT)
    consume(skb)
    sendSynAck(req)
  }
  /** The SYN-ACK says everything, and the request is forgotten. */
  const answerByCookie = (req: number, skb: number): void => {
    if ((i32[req + TP_OPTS] & OPT_TIMESTAMPS) !== 0) takeEcn(req, skb)
    i32[req + TP_RCV_ISN] = i32[skb + CB_SEQ]
    setSequences(req, skb, i32[skb + CB_SEQ], syncookies.makeCookie(req))
    initRequest(req)
    syncookies.stampOptions(req)
    syncookies.noteOverflow(i32[req + SK_NUM])
    f64[bank + Mib.TcpExtSyncookiesSent]++
    consume(skb)
    sendSynAck(req)
    forget(req)
  }

  /**
   * An ACK that no connection here explains: what it acknowledges may be a cookie of ours, and makes the connection. False:
   * it is none, and the skb stays the caller's.
   */
  const cookieAck = (listener: number, skb: number, fl: Flowi): boolean => {
    if (i32[sysctl + Sysctl.tcp_syncookies] === 0) return false
    if (!syncookies.hasRecentOverflow(fl[FL_DPORT])) return false
    const seq = (i32[skb + CB_SEQ] - 1) | 0
    const isn = (tcp.ack(u8, i32[skb + SKB_TRANSPORT]) - 1) | 0
    const clamp = syncookies.checkCookie(fl, seq, isn)
    if (clamp === 0) {
      f64[bank + Mib.TcpExtSyncookiesFailed]++
      return false
    }
    f64[bank + Mib.TcpExtSyncookiesRecv]++
    if (acceptQueueFull(listener)) {
      overflow(skb, Mib.TcpExtListenOverflows)
      return true
    }
    const child = makeRequest(listener, skb, fl)
    if (child === 0) return true
    parseOptions(skb)
    if (!syncookies.readOptions(child, clamp, tcp.ace(u8, i32[skb + SKB_TRANSPORT]))) {
      forget(child)
      return false
    }
    takeOptions(child)
    if (i32[sysctl + Sysctl.tcp_reflect_tos] !== 0) reflectTos(child, skb)
    setSequences(child, skb, seq, isn)
    initRequest(child)
    i32[child + SK_STATE] = TCP_SYN_RECV
    hash.hash(child)
    openChild(listener, child, skb)
    return true
  }

  /** Fast Open: the SYN has made a connection, which waits to be accepted while its SYN-ACK waits for an answer. */
  const openFast = (listener: number, child: number, skb: number): void => {
    i32[child + SK_STATE] = TCP_SYN_RECV
    hash.hash(child)
    ports.hold(child, i32[child + SK_NUM])
    f64[bank + Mib.TcpPassiveOpens]++
    timers.resetXmitTimer(child, ICSK_TIME_RETRANS, TCP_TIMEOUT_INIT)
    initTransfer(child)
    deps.filter.inherit(listener, child)
    deps.pktoptions.noteOpening(child, skb)
    fastopen.open(listener, child, skb)
    sendSynAck(child)
    // which is not its own (tcp_v4_send_synack)
    i32[child + TP_SEGS_OUT] = 0
    enqueueAccept(listener, child)
  }

  /** Starts listening, or changes the backlog; 0 or -errno. A socket without a port gets one. */
  const listen = (sk: number, backlog: number): number => {
    if ((i32[sk + SK_FLAGS] & (SOCK_CONNECTING | SOCK_CONNECTED)) !== 0) return -Errno.EINVAL
    if (i32[sk + SK_NUM] === 0) {
      const err = bindPort(sk)
      if (err < 0) return err
    }
    return startListening(sk, backlog)
  }
  const startListening = (sk: number, backlog: number): number => {
    const state = i32[sk + SK_STATE]
    if (state !== TCP_CLOSE && state !== TCP_LISTEN) return -Errno.EINVAL
    const most = Math.min(backlog >>> 0, i32[sysctl + Sysctl.somaxconn])
    i32[sk + SK_MAX_ACK_BACKLOG] = most
    if (state === TCP_LISTEN) return 0
    i32[sk + SK_STATE] = TCP_LISTEN
    if (ports.conflicts(sk, i32[sk + SK_NUM])) {
      i32[sk + SK_STATE] = TCP_CLOSE
      return -Errno.EADDRINUSE
    }
    hash.hash(sk)
    tuneFastopen(sk, most)
    return 0
  }
  /** Every listener takes Fast Open, if the sysctl says so and the socket has not said how many. */
  const tuneFastopen = (sk: number, backlog: number): void => {
    const bits = TFO_SERVER_ENABLE | TFO_SERVER_WO_SOCKOPT1
    if ((i32[sysctl + Sysctl.tcp_fastopen] & bits) === bits && i32[sk + TP_FO_MAX_QLEN] === 0)
      i32[sk + TP_FO_MAX_QLEN] = backlog
  }
  /** The oldest connection that waits, or 0. It may have failed meanwhile; recv says so. */
  const accept = (sk: number): number => {
    const child = dequeueAccept(sk)
    if (child !== 0) i32[child + SK_FLAGS] |= SOCK_CONNECTED
    return child
  }

  /** Ends a listener: requests are forgotten, connections not accepted are reset. */
  const stopListening = (sk: number, abortChild: (child: number) => void): void => {
    for (let req = i32[sk + TP_REQ_HEAD]; req !== 0; req = i32[sk + TP_REQ_HEAD]) dropRequest(req)
    for (let child = dequeueAccept(sk); child !== 0; child = dequeueAccept(sk))
      if (i32[child + SK_STATE] !== TCP_TIME_WAIT || !life.isDead(child)) abortChild(child)
  }

  return { connRequest, cookieAck, listen, accept, stopListening }
}
