/**
 * Passive open: a SYN makes a request socket, the ACK of the SYN-ACK makes it a connection in the accept queue of
 * its listener. A request is a row already, which the connection keeps: nothing is allocated at the second step, but for
 * requests that are not kept (tcp-syncookies.ts).
 * Called by tcp-ipv.ts and the socket layer. Linux: tcp_conn_request, tcp_check_req, inet_csk_accept,
 * reqsk_timer_handler.
 */
import { initCwnd } from '../sock/tcp-metrics.ts'
import { Errno } from '../../../base/errno.ts'
import {
  FL_DADDR,
  FL_DPORT,
  FL_FAMILY,
  FL_IIF,
  FL_SADDR,
  FL_SPORT,
  type Flowi,
} from '../../../base/flowi.ts'
import type { Time } from '../../../base/time.ts'
import { TIME_MS, TIME_US } from '../../../base/time.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import type { Slab } from '../../../shm/slab.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import type { ConsumeFn } from '../../../skb/drop.ts'
import { Drop, type DropFn } from '../../../skb/drop.ts'
import { SKB_HASH, SKB_NETWORK, SKB_TRANSPORT } from '../../../skb/skb.ts'
import {
  SK_ACCEPT_HEAD,
  SK_ACCEPT_NEXT,
  SK_ACCEPT_TAIL,
  SK_ACK_BACKLOG,
  SK_BOUND_DEV,
  SK_CREATED,
  SK_DADDR,
  SK_DPORT,
  SK_EVENT_ACCEPT,
  SK_FAMILY,
  SK_FLAGS,
  SK_MARK,
  SK_MAX_ACK_BACKLOG,
  SK_NUM,
  SK_PARENT,
  SK_PROTOCOL,
  SK_RCVBUF,
  SK_REUSE,
  SK_RXHASH,
  SK_SADDR,
  SK_SNDBUF,
  SK_STATE,
  SK_TOS,
  SK_TTL,
  SK_TYPE,
  TCP_CLOSE,
  TCP_LISTEN,
  TCP_NEW_SYN_RECV,
  TCP_SYN_RECV,
  TCP_TIME_WAIT,
} from '../../../socket/sock.ts'
import { TCP_ACK, TCP_RST, TCP_SYN } from '../../../wire/tcp.ts'
import * as tcp from '../../../wire/tcp.ts'
import {
  OPT_SEEN,
  OPT_TSVAL,
  OPT_WSCALE as PARSED_WSCALE,
  SEEN_SACK_PERM,
  SEEN_TIMESTAMPS,
  SEEN_WSCALE,
  OPT_TSECR,
  TIMESTAMPS_ALIGNED,
} from '../../../wire/tcp-options.ts'
import type { AfOpsOf } from '../../../inet/af-ops.ts'
import type { Ports } from '../../ports.ts'
import type { TcpHash } from '../sock/tcp-hash.ts'
import type { TcpPaws } from '../rcv/tcp-paws.ts'
import type { TcpFastopen } from './tcp-fastopen.ts'
import type { TcpHandshake } from './tcp-handshake.ts'
import type { TcpStates } from './tcp-states.ts'
import type { TcpSynack } from './tcp-synack.ts'
import type { TcpSyncookies } from './tcp-syncookies.ts'
import type { TcpMd5 } from '../sock/tcp-md5.ts'
import type { TcpLifecycle } from '../sock/tcp-lifecycle.ts'
import type { TcpCong } from '../rec/tcp-cong.ts'
import type { TcpMss } from '../snd/tcp-mss.ts'
import { ECN_MASK, ecnAgree, ecnAsked } from '../rec/tcp-ecn.ts'
import {
  CB_FLAGS,
  CB_SEQ,
  ICSK_TIME_RETRANS,
  OPT_SACK,
  OPT_TIMESTAMPS,
  OPT_WSCALE,
  SOCK_CA_SETSOCKOPT,
  SOCK_KEEPOPEN,
  SOCK_LINGER,
  SOCK_RCVBUF_LOCK,
  SOCK_SNDBUF_LOCK,
  SOCK_ZEROCOPY,
  SOCK_URGINLINE,
  TCP_RTO_MAX,
  TCP_TIMEOUT_INIT,
  TFO_SERVER_ENABLE,
  TFO_SERVER_WO_SOCKOPT1,
  TP_ADVMSS,
  TP_COPIED_SEQ,
  TP_FO_MAX_QLEN,
  TP_HEADER_LEN,
  TP_KEEPALIVE_INTVL,
  TP_KEEPALIVE_PROBES,
  TP_KEEPALIVE_TIME,
  TP_LINGER,
  TP_LINGER2,
  TP_MAX_WINDOW,
  TP_MIN_HOPCOUNT,
  TP_MIN_TTL,
  TP_MSS_CLAMP,
  TP_NONAGLE,
  TP_MAX_PACING_RATE,
  TP_NOTSENT_LOWAT,
  TP_OOW_ACKED,
  TP_PACING,
  TP_OPTS,
  TP_RCV_ISN,
  TP_RCV_NXT,
  TP_RCV_WUP,
  TP_SEGS_IN,
  TP_REQ_HEAD,
  TP_REQ_LEN,
  TP_REQ_NEXT,
  TP_REQ_PREV,
  TP_REQ_YOUNG,
  TP_RETRANSMITS,
  TP_RTO,
  TP_SND_CWND,
  TP_SND_ISN,
  TP_SND_NXT,
  TP_SND_UNA,
  TP_SND_WL1,
  TP_SND_WND,
  TP_SND_WSCALE,
  TP_TS_RECENT,
  TP_TS_RECENT_STAMP,
  TP_USER_MSS,
  TP_USER_TIMEOUT,
  TP_WINDOW_CLAMP,
  TP_WRITE_SEQ,
  TP_TS_OFFSET,
  TP_LRCVTIME,
  SOCK_CONNECTED,
  TP_TOTAL_RETRANS,
} from '../sock/tcp-sock.ts'
import type { TcpTimers } from '../sock/tcp-timers.ts'
import type { TcpTransmit } from '../snd/tcp-transmit.ts'
import type { TcpWindow } from '../rcv/tcp-window.ts'
import type { TcpRouting } from './tcp-connect.ts'
import type { TcpReply } from '../snd/tcp-reply.ts'

/** What a child inherits from its listener. */
const INHERITED = [
  SK_TYPE,
  SK_PROTOCOL,
  SK_REUSE,
  SK_BOUND_DEV,
  SK_MARK,
  SK_RCVBUF,
  SK_SNDBUF,
  SK_TOS,
  SK_TTL,
  TP_WINDOW_CLAMP,
  TP_USER_MSS,
  TP_NONAGLE,
  TP_LINGER,
  TP_LINGER2,
  TP_KEEPALIVE_TIME,
  TP_KEEPALIVE_INTVL,
  TP_KEEPALIVE_PROBES,
  TP_USER_TIMEOUT,
  TP_MIN_TTL,
  TP_MIN_HOPCOUNT,
  TP_NOTSENT_LOWAT,
  TP_PACING,
  TP_MAX_PACING_RATE,
]
const INHERITED_FLAGS =
  SOCK_KEEPOPEN |
  SOCK_LINGER |
  SOCK_RCVBUF_LOCK |
  SOCK_SNDBUF_LOCK |
  SOCK_CA_SETSOCKOPT |
  SOCK_ZEROCOPY |
  SOCK_URGINLINE

/** tcp_syncookies: whether there is a place for the request or not. */
const SYNCOOKIES_ALWAYS = 2

export type TcpListen = ReturnType<typeof createTcpListen>
type TcpListenDeps = {
  arena: Arena
  bank: number
  time: Time
  slab: Slab
  drop: DropFn
  consume: ConsumeFn
  hash: TcpHash
  ports: Ports
  timers: TcpTimers
  mss: TcpMss
  window: TcpWindow
  transmit: TcpTransmit
  paws: TcpPaws
  states: TcpStates
  cong: TcpCong
  life: TcpLifecycle
  synack: TcpSynack
  fastopen: TcpFastopen
  syncookies: TcpSyncookies
  md5: Pick<TcpMd5, 'inherit' | 'release' | 'optionLen'>
  handshake: Pick<TcpHandshake, 'initTransfer'>
  afOps: AfOpsOf
} & Pick<TcpRouting, 'routeSocket' | 'secureSeq' | 'secureTsOffset'> &
  Pick<TcpReply, 'sendReset'>

export const createTcpListen = (deps: TcpListenDeps) => {
  const {
    bank,
    time,
    slab,
    drop,
    consume,
    hash,
    ports,
    timers,
    mss,
    window,
    transmit,
    states,
    life,
    cong,
  } = deps
  const { routeSocket, secureSeq, secureTsOffset, sendReset, fastopen, syncookies, md5 } = deps
  const { sendSynAck, retransmitSynAck, inWindow, mayAnswer, sampleRtt } = deps.synack
  const { initTransfer } = deps.handshake
  const { i32, u8, f64, layout } = deps.arena
  const { sysctl } = layout
  const { options: opts, parseOptions, pawsRejects, storeTsRecent } = deps.paws

  /** Rows that requests may have, so that a flood leaves some for connections. */
  const mostRequests = Math.max(1, slab.rows >> 2)
  let requests = 0

  // Requests of a listener, doubly chained, the newest first.
  const linkRequest = (listener: number, req: number): void => {
    const first = i32[listener + TP_REQ_HEAD]
    i32[req + TP_REQ_NEXT] = first
    i32[req + TP_REQ_PREV] = 0
    if (first !== 0) i32[first + TP_REQ_PREV] = req
    requests++
    i32[listener + TP_REQ_HEAD] = req
    i32[listener + TP_REQ_LEN]++
    i32[listener + TP_REQ_YOUNG]++
  }
  const unlinkRequest = (req: number): void => {
    const listener = i32[req + SK_PARENT]
    const next = i32[req + TP_REQ_NEXT]
    const prev = i32[req + TP_REQ_PREV]
    if (prev === 0) i32[listener + TP_REQ_HEAD] = next
    else i32[prev + TP_REQ_NEXT] = next
    if (next !== 0) i32[next + TP_REQ_PREV] = prev
    requests--
    i32[listener + TP_REQ_LEN]--
    if (i32[req + TP_RETRANSMITS] === 0) i32[listener + TP_REQ_YOUNG]--
  }
  /** Forgets a request. */
  const dropRequest = (req: number): void => {
    unlinkRequest(req)
    i32[req + SK_PARENT] = 0
    life.destroyNow(req)
  }

  const acceptQueueFull = (listener: number): boolean =>
    i32[listener + SK_ACK_BACKLOG] > i32[listener + SK_MAX_ACK_BACKLOG]
  const requestQueueFull = (listener: number): boolean =>
    i32[listener + TP_REQ_LEN] > i32[listener + SK_MAX_ACK_BACKLOG] || requests >= mostRequests
  /** Without cookies the last quarter of tcp_max_syn_backlog is for peers that are known to be alive, and we know none. */
  const isLastQuarter = (listener: number): boolean => {
    const most = i32[sysctl + Sysctl.tcp_max_syn_backlog]
    return most - i32[listener + TP_REQ_LEN] < most >> 2
  }
  const listenDrop = (skb: number, reason: Drop): void => {
    f64[bank + Mib.TcpExtListenDrops]++
    drop(skb, reason)
  }
  const overflow = (skb: number, mib: number): void => {
    f64[bank + mib]++
    listenDrop(skb, Drop.TCP_LISTEN_OVERFLOW)
  }

  const inherit = (listener: number, child: number): void => {
    for (const word of INHERITED) i32[child + word] = i32[listener + word]
    i32[child + SK_FLAGS] = i32[listener + SK_FLAGS] & INHERITED_FLAGS
    i32[child + SK_PARENT] = listener
    cong.inherit(listener, child)
  }
  const setAddresses = (sk: number, fl: Flowi): void => {
    i32[sk + SK_FAMILY] = fl[FL_FAMILY]
    for (let w = 0; w < 4; w++) {
      i32[sk + SK_SADDR + w] = fl[FL_DADDR + w]
      i32[sk + SK_DADDR + w] = fl[FL_SADDR + w]
    }
    i32[sk + SK_NUM] = fl[FL_DPORT]
    i32[sk + SK_DPORT] = fl[FL_SPORT]
    // a link-local peer is known on its link alone
    if (fl[FL_SADDR] >>> 22 === 0x3fa) i32[sk + SK_BOUND_DEV] = fl[FL_IIF]
  }
  /** What the SYN offers and we take. */
  const takeOptions = (req: number): void => {
    const seen = opts[OPT_SEEN]
    let taken = 0
    if ((seen & SEEN_TIMESTAMPS) !== 0 && i32[sysctl + Sysctl.tcp_timestamps] !== 0) {
      taken |= OPT_TIMESTAMPS
      i32[req + TP_TS_RECENT] = opts[OPT_TSVAL]
      i32[req + TP_TS_RECENT_STAMP] = (time[TIME_MS] / 1000) | 0
    }
    if ((seen & SEEN_SACK_PERM) !== 0 && i32[sysctl + Sysctl.tcp_sack] !== 0) taken |= OPT_SACK
    if ((seen & SEEN_WSCALE) !== 0 && i32[sysctl + Sysctl.tcp_window_scaling] !== 0) {
      taken |= OPT_WSCALE
      i32[req + TP_SND_WSCALE] = opts[PARSED_WSCALE]
    }
    const signature = md5.optionLen(req)
    // both, and SACK, have no room beside one another (tcp_synack_options)
    if (signature !== 0 && (taken & OPT_SACK) !== 0) taken &= ~OPT_TIMESTAMPS
    i32[req + TP_OPTS] = taken
    i32[req + TP_HEADER_LEN] =
      tcp.MIN_HEADER + signature + ((taken & OPT_TIMESTAMPS) !== 0 ? 12 : 0)
    i32[req + TP_MSS_CLAMP] = mss.peerMss(req, opts)
  }
  /**
   * A SYN asks for ECN, and the sysctl lets us agree. One that is ECN-capable itself is not RFC 3168's (section 6.1.1),
   * but one of DCTCP.
   */
  const takeEcn = (req: number, skb: number): void => {
    if (!ecnAsked(i32[skb + CB_FLAGS])) return
    const tos = deps.afOps(i32[req + SK_FAMILY]).tosOf(u8, i32[skb + SKB_NETWORK])
    const needed = cong.needsEcn(req)
    if (needed || (i32[sysctl + Sysctl.tcp_ecn] !== 0 && (tos & ECN_MASK) === 0))
      ecnAgree(i32, req, needed)
  }
  /** All but ECN, which is this connection's own. */
  const reflectTos = (req: number, skb: number): void => {
    const tos = deps.afOps(i32[req + SK_FAMILY]).tosOf(u8, i32[skb + SKB_NETWORK])
    i32[req + SK_TOS] = (tos & ~ECN_MASK) | (i32[req + SK_TOS] & ECN_MASK)
  }
  /** `seq` is the peer's initial sequence number, `isn` ours. */
  const setSequences = (req: number, skb: number, seq: number, isn: number): void => {
    i32[req + TP_SEGS_IN] = 1
    i32[req + TP_RCV_ISN] = seq
    i32[req + TP_RCV_NXT] = (seq + 1) | 0
    i32[req + TP_RCV_WUP] = (seq + 1) | 0
    i32[req + TP_COPIED_SEQ] = (seq + 1) | 0
    i32[req + TP_SND_WL1] = seq
    i32[req + TP_SND_ISN] = isn
    i32[req + TP_SND_UNA] = (isn + 1) | 0
    i32[req + TP_SND_NXT] = (isn + 1) | 0
    i32[req + TP_WRITE_SEQ] = (isn + 1) | 0
    i32[req + TP_SND_WND] = tcp.window(u8, i32[skb + SKB_TRANSPORT])
    i32[req + TP_MAX_WINDOW] = i32[req + TP_SND_WND]
  }

  /** A row with the addresses of a segment, and the way back; 0 when there is none of either, and the skb is gone. */
  const makeRequest = (listener: number, skb: number, fl: Flowi): number => {
    const req = life.allocSock()
    if (req === 0) {
      listenDrop(skb, Drop.TCP_LISTEN_OVERFLOW)
      return 0
    }
    inherit(listener, req)
    setAddresses(req, fl)
    i32[req + SK_CREATED] = time[TIME_US]
    i32[req + SK_RXHASH] = i32[skb + SKB_HASH]
    if (routeSocket(req) < 0) {
      slab.free(req)
      listenDrop(skb, Drop.IP_OUTNOROUTES)
      return 0
    }
    if (!md5.inherit(listener, req)) {
      slab.free(req)
      listenDrop(skb, Drop.NOMEM)
      return 0
    }
    secureTsOffset(req)
    return req
  }
  /** Frees a row that was never more than that. */
  const forget = (req: number): void => {
    md5.release(req)
    slab.free(req)
  }
  /** What its options and sequence numbers make of the rest. */
  const initRequest = (req: number): void => {
    i32[req + TP_ADVMSS] = mss.advertisedMss(req)
    const opts = i32[req + TP_OPTS]
    const text = i32[req + TP_ADVMSS] - ((opts & OPT_TIMESTAMPS) !== 0 ? TIMESTAMPS_ALIGNED : 0)
    window.selectInitialWindow(req, text, (opts & OPT_WSCALE) !== 0)
    i32[req + TP_SND_CWND] = initCwnd(i32, req)
    i32[req + TP_RTO] = TCP_TIMEOUT_INIT
    // when the first stamp goes out
    i32[req + TP_LRCVTIME] = time[TIME_MS]
  }

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
    if (!syncookies.readOptions(child, clamp)) {
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
    fastopen.open(listener, child, skb)
    sendSynAck(child)
    enqueueAccept(listener, child)
  }

  /** The SYN-ACK was not answered in time. */
  const requestTimer = (req: number): void => {
    const sent = i32[req + TP_RETRANSMITS]
    if (sent >= i32[sysctl + Sysctl.tcp_synack_retries]) {
      dropRequest(req)
      return
    }
    if (sent === 0) i32[i32[req + SK_PARENT] + TP_REQ_YOUNG]--
    i32[req + TP_RETRANSMITS] = sent + 1
    retransmitSynAck(req)
    timers.resetXmitTimer(
      req,
      ICSK_TIME_RETRANS,
      Math.min(TCP_TIMEOUT_INIT * 2 ** (sent + 1), TCP_RTO_MAX)
    )
  }
  const embryonicReset = (req: number, skb: number, flags: number): void => {
    f64[bank + Mib.TcpExtEmbryonicRsts]++
    if ((flags & TCP_RST) === 0) sendReset(skb)
    dropRequest(req)
    drop(skb, Drop.TCP_RESET)
  }
  /** A segment for a request; the skb is taken over. */
  const checkRequest = (req: number, skb: number): void => {
    const flags = i32[skb + CB_FLAGS]
    const seq = i32[skb + CB_SEQ]
    parseOptions(skb)
    const stamped =
      (opts[OPT_SEEN] & SEEN_TIMESTAMPS) !== 0 && (i32[req + TP_OPTS] & OPT_TIMESTAMPS) !== 0
    const paws = stamped && pawsRejects(req)
    if (
      seq === i32[req + TP_RCV_ISN] &&
      (flags & (TCP_SYN | TCP_ACK | TCP_RST)) === TCP_SYN &&
      !paws
    ) {
      // the SYN again: our answer was lost
      if (mayAnswer(req, skb)) retransmitSynAck(req)
      consume(skb)
      return
    }
    const th = i32[skb + SKB_TRANSPORT]
    const isReset = (flags & TCP_RST) !== 0
    if ((flags & TCP_ACK) !== 0 && !isReset && tcp.ack(u8, th) !== i32[req + TP_SND_NXT]) {
      sendReset(skb)
      drop(skb, Drop.TCP_INVALID_SEQUENCE)
      return
    }
    const echo = !paws && stamped && echoesForeignStamp(req)
    if (paws || echo || !inWindow(req, skb)) {
      if (!isReset && mayAnswer(req, skb)) transmit.sendAck(req)
      if (paws) f64[bank + Mib.TcpExtPAWSEstab]++
      else if (echo) f64[bank + Mib.TcpExtTSEcrRejected]++
      drop(skb, paws || echo ? Drop.TCP_RFC7323_PAWS : Drop.TCP_INVALID_SEQUENCE)
      return
    }
    if (isReset && seq !== i32[req + TP_RCV_NXT]) {
      // RFC 5961 3.2
      if (mayAnswer(req, skb)) transmit.sendAck(req)
      drop(skb, Drop.TCP_RESET)
    } else if ((flags & (TCP_RST | TCP_SYN)) !== 0) {
      f64[bank + Mib.TcpAttemptFails]++
      embryonicReset(req, skb, flags)
    } else if ((flags & TCP_ACK) === 0) drop(skb, Drop.TCP_FLAGS)
    else {
      if (stamped && ((seq - i32[req + TP_RCV_NXT]) | 0) <= 0) storeTsRecent(req)
      promote(req, skb, flags)
    }
  }
  /** It echoes a stamp that no segment of ours has carried (RFC 7323 3.2). */
  const echoesForeignStamp = (req: number): boolean => {
    const echo = opts[OPT_TSECR]
    if (echo === 0) return false
    const first = (i32[req + TP_LRCVTIME] + i32[req + TP_TS_OFFSET]) | 0
    const now = transmit.tsval(req)
    return (now - echo) >>> 0 > (now - first) >>> 0
  }

  /** The handshake is complete: the request becomes a connection that waits to be accepted. */
  const promote = (req: number, skb: number, flags: number): void => {
    const listener = i32[req + SK_PARENT]
    if (acceptQueueFull(listener)) {
      f64[bank + Mib.TcpExtListenOverflows]++
      f64[bank + Mib.TcpExtListenDrops]++
      if (i32[sysctl + Sysctl.tcp_abort_on_overflow] !== 0) embryonicReset(req, skb, flags)
      else drop(skb, Drop.TCP_LISTEN_OVERFLOW)
      return
    }
    unlinkRequest(req)
    timers.clearAll(req)
    const retransmitted = i32[req + TP_TOTAL_RETRANS] !== 0
    i32[req + TP_RETRANSMITS] = 0
    i32[req + TP_OOW_ACKED] = 0
    life.setState(req, TCP_SYN_RECV)
    if (!retransmitted) sampleRtt(req)
    openChild(listener, req, skb)
  }
  /** A connection whose handshake `skb` ends. */
  const openChild = (listener: number, child: number, skb: number): void => {
    ports.hold(child, i32[child + SK_NUM])
    f64[bank + Mib.TcpPassiveOpens]++
    enqueueAccept(listener, child)
    states.rcvStateProcess(child, skb)
  }
  const enqueueAccept = (listener: number, child: number): void => {
    const tail = i32[listener + SK_ACCEPT_TAIL]
    i32[child + SK_ACCEPT_NEXT] = 0
    if (tail === 0) i32[listener + SK_ACCEPT_HEAD] = child
    else i32[tail + SK_ACCEPT_NEXT] = child
    i32[listener + SK_ACCEPT_TAIL] = child
    i32[listener + SK_ACK_BACKLOG]++
    life.raise(listener, SK_EVENT_ACCEPT)
  }
  const dequeueAccept = (listener: number): number => {
    const child = i32[listener + SK_ACCEPT_HEAD]
    if (child === 0) return 0
    const next = i32[child + SK_ACCEPT_NEXT]
    i32[listener + SK_ACCEPT_HEAD] = next
    if (next === 0) i32[listener + SK_ACCEPT_TAIL] = 0
    i32[listener + SK_ACK_BACKLOG]--
    i32[child + SK_ACCEPT_NEXT] = 0
    i32[child + SK_PARENT] = 0
    return child
  }

  /** Starts listening, or changes the backlog; 0 or -errno. The socket must hold a port. */
  const listen = (sk: number, backlog: number): number => {
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

  return {
    connRequest,
    cookieAck,
    checkRequest,
    requestTimer,
    dropRequest,
    listen,
    accept,
    stopListening,
  }
}
