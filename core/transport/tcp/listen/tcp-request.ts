/**
 * A request: the row that a SYN makes, or the cookie that stood for one, with what it has from its listener and what the
 * peer's options and sequence numbers say. It becomes the connection. On the worker. Linux: inet_reqsk_alloc,
 * tcp_openreq_init, tcp_create_openreq_child.
 */
import { initCwnd } from '../sock/tcp-metrics.ts'
import {
  FL_DADDR,
  FL_DPORT,
  FL_FAMILY,
  FL_IIF,
  FL_L3MDEV,
  FL_SADDR,
  FL_SPORT,
  type Flowi,
} from '../../../base/flowi.ts'
import type { Time } from '../../../base/time.ts'
import { TIME_MS, TIME_US } from '../../../base/time.ts'
import type { Arena } from '../../../shm/arena.ts'
import type { Slab } from '../../../shm/slab.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { Drop } from '../../../skb/drop.ts'
import { SKB_HASH, SKB_MARK, SKB_NETWORK, SKB_TRANSPORT } from '../../../skb/skb.ts'
import {
  SK_BOUND_DEV,
  SK_CREATED,
  SK_DADDR,
  SK_DPORT,
  SK_FAMILY,
  SK_FLAGS,
  SK_MARK,
  SK_NUM,
  SK_PARENT,
  SK_PROTOCOL,
  SK_RCVLOWAT,
  SK_RCVBUF,
  SK_REUSE,
  SK_RXHASH,
  SK_SADDR,
  SK_SHUTDOWN,
  SK_SNDBUF,
  SK_TOS,
  SK_TTL,
  SK_TYPE,
} from '../../../socket/sock.ts'
import {
  SK_UNICAST_IF,
  SK_SRC_PREFS,
  SK_MIN_TTL,
  SK_MC_FLAGS,
  SK_LOCAL_PORTS,
  SK_FRAG_SIZE,
  SK_CMSG,
  SK_INET_FLAGS,
  SK_PMTUDISC,
  SK_HOPS,
  SK_TCLASS,
} from '../../../socket/inet-sock.ts'
import * as tcp from '../../../wire/tcp.ts'
import {
  OPT_SEEN,
  OPT_TSVAL,
  OPT_WSCALE as PARSED_WSCALE,
  SEEN_SACK_PERM,
  SEEN_TIMESTAMPS,
  SEEN_WSCALE,
  TIMESTAMPS_ALIGNED,
} from '../../../wire/tcp-options.ts'
import type { AfOpsOf } from '../../../inet/af-ops.ts'
import type { TcpPaws } from '../rcv/tcp-paws.ts'
import type { TcpMd5 } from '../sock/tcp-md5.ts'
import type { TcpLifecycle } from '../sock/tcp-lifecycle.ts'
import type { TcpCong } from '../cong/tcp-cong.ts'
import type { TcpMss } from '../snd/tcp-mss.ts'
import {
  accecnAgree,
  accecnAnswers,
  accecnAsked,
  accecnIsMixed,
  accecnSynAgain,
  isAccecn,
} from '../ecn/tcp-accecn.ts'
import { ECN_MASK, ecnAgree, ecnAsked } from '../ecn/tcp-ecn.ts'
import {
  OPT_SACK,
  OPT_TIMESTAMPS,
  OPT_WSCALE,
  TP_ADVMSS,
  TP_COPIED_SEQ,
  TP_ECN,
  TP_HEADER_LEN,
  TP_KEEPALIVE_INTVL,
  TP_KEEPALIVE_PROBES,
  TP_KEEPALIVE_TIME,
  TP_LINGER,
  TP_LINGER2,
  TP_MAX_WINDOW,
  TP_MSS_CLAMP,
  TP_NONAGLE,
  TP_MAX_PACING_RATE,
  TP_NOTSENT_LOWAT,
  TP_PACING,
  TP_OPTS,
  TP_RCV_ISN,
  TP_RCV_NXT,
  TP_RCV_WUP,
  TP_SEGS_IN,
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
  TP_LRCVTIME,
  TP_PINGPONG,
  TP_SYN_RETRIES,
  TP_RTO_MIN,
  TP_RTO_MAX,
} from '../sock/tcp-sock.ts'
import {
  SOCK_CA_SETSOCKOPT,
  SOCK_KEEPOPEN,
  SOCK_LINGER,
  SOCK_RCVBUF_LOCK,
  SOCK_SNDBUF_LOCK,
  SOCK_ZEROCOPY,
  SOCK_URGINLINE,
} from '../sock/sock-flags.ts'
import { CB_FLAGS } from '../sock/tcp-cb.ts'
import { TCP_TIMEOUT_INIT } from '../sock/tcp-constants.ts'
import type { TcpWindow } from '../rcv/tcp-window.ts'
import type { TcpRouting } from '../connect/tcp-routing.ts'

import type { TcpListenQueues } from './tcp-listen-queues.ts'
import { MAPPED } from '../../../socket/socket-constants.ts'
/** What the request inherits from its listener. */
const INHERITED = [
  SK_TYPE,
  SK_PROTOCOL,
  SK_REUSE,
  SK_BOUND_DEV,
  SK_MARK,
  SK_RCVBUF,
  SK_SNDBUF,
  SK_TOS,
  SK_TCLASS,
  TP_WINDOW_CLAMP,
]
/** What the connection inherits that it becomes: what was set meanwhile as well (inet_csk_clone_lock). */
const INHERITED_LATE = [
  SK_SHUTDOWN,
  SK_TTL,
  SK_HOPS,
  SK_CMSG,
  SK_INET_FLAGS,
  SK_PMTUDISC,
  SK_PMTUDISC + 1,
  SK_RCVLOWAT,
  SK_MIN_TTL,
  SK_MIN_TTL + 1,
  SK_MC_FLAGS,
  SK_LOCAL_PORTS,
  SK_UNICAST_IF,
  SK_UNICAST_IF + 1,
  SK_FRAG_SIZE,
  SK_SRC_PREFS,
  TP_USER_MSS,
  TP_NONAGLE,
  TP_PINGPONG,
  TP_SYN_RETRIES,
  TP_LINGER,
  TP_LINGER2,
  TP_KEEPALIVE_TIME,
  TP_KEEPALIVE_INTVL,
  TP_KEEPALIVE_PROBES,
  TP_USER_TIMEOUT,
  TP_NOTSENT_LOWAT,
  TP_PACING,
  TP_MAX_PACING_RATE,
  TP_RTO_MIN,
  TP_RTO_MAX,
]
/** But where the SYN's are reflected. */
const TOS_WORDS = [SK_TOS, SK_TCLASS] as const
const INHERITED_FLAGS =
  SOCK_KEEPOPEN |
  SOCK_LINGER |
  SOCK_RCVBUF_LOCK |
  SOCK_SNDBUF_LOCK |
  SOCK_CA_SETSOCKOPT |
  SOCK_ZEROCOPY |
  SOCK_URGINLINE

export type TcpRequest = ReturnType<typeof createTcpRequest>
type TcpRequestDeps = {
  arena: Arena
  time: Time
  slab: Slab
  mss: TcpMss
  window: TcpWindow
  paws: TcpPaws
  cong: TcpCong
  life: TcpLifecycle
  md5: Pick<TcpMd5, 'inherit' | 'release' | 'optionLen'>
  listenQueues: TcpListenQueues
  afOps: AfOpsOf
} & Pick<TcpRouting, 'routeSocket' | 'secureTsOffset'>

export const createTcpRequest = (deps: TcpRequestDeps) => {
  const { time, slab, mss, window, cong, life, md5, routeSocket, secureTsOffset } = deps
  const { listenDrop } = deps.listenQueues
  const { options: opts } = deps.paws
  const { i32, u8, layout } = deps.arena
  const { sysctl } = layout

  const inherit = (listener: number, child: number): void => {
    for (const word of INHERITED) i32[child + word] = i32[listener + word]
    i32[child + SK_PARENT] = listener
    cong.inherit(listener, child)
    inheritLate(listener, child)
  }
  const inheritLate = (listener: number, child: number): void => {
    for (const word of INHERITED_LATE) i32[child + word] = i32[listener + word]
    i32[child + SK_FLAGS] &= ~INHERITED_FLAGS
    i32[child + SK_FLAGS] |= i32[listener + SK_FLAGS] & INHERITED_FLAGS
  }
  /** Before a SYN-ACK goes again, and when the request becomes a connection. */
  const inheritNow = (listener: number, child: number): void => {
    inheritLate(listener, child)
    if (i32[sysctl + Sysctl.tcp_reflect_tos] === 0)
      for (const word of TOS_WORDS) i32[child + word] = i32[listener + word]
    i32[child + TP_ADVMSS] = mss.advertisedMss(child)
  }
  const setAddresses = (sk: number, fl: Flowi): void => {
    // it is its listener's, but for what it speaks
    if (fl[FL_FAMILY] !== i32[i32[sk + SK_PARENT] + SK_FAMILY]) i32[sk + SK_REUSE] |= MAPPED
    i32[sk + SK_FAMILY] = fl[FL_FAMILY]
    for (let w = 0; w < 4; w++) {
      i32[sk + SK_SADDR + w] = fl[FL_DADDR + w]
      i32[sk + SK_DADDR + w] = fl[FL_SADDR + w]
    }
    i32[sk + SK_NUM] = fl[FL_DPORT]
    i32[sk + SK_DPORT] = fl[FL_SPORT]
    // a link-local peer is known on its link alone, any other in its domain (inet_request_bound_dev_if)
    if (fl[FL_SADDR] >>> 22 === 0x3fa) i32[sk + SK_BOUND_DEV] = fl[FL_IIF]
    else if (i32[sk + SK_BOUND_DEV] === 0) i32[sk + SK_BOUND_DEV] = fl[FL_L3MDEV]
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
   * but one of DCTCP, or of AccECN, whose flag says so.
   */
  const takeEcn = (req: number, skb: number): void => {
    const ace = tcp.ace(u8, i32[skb + SKB_TRANSPORT])
    if (ace === 0) return
    const mark = deps.afOps(i32[req + SK_FAMILY]).tosOf(u8, i32[skb + SKB_NETWORK]) & ECN_MASK
    const mode = i32[sysctl + Sysctl.tcp_ecn]
    const needed = cong.needsEcn(req)
    if (accecnAnswers(mode) && accecnAsked(ace)) accecnAgree(i32, req, mark, needed)
    else if (!ecnAsked(i32[skb + CB_FLAGS])) return
    else if (needed || (mode !== 0 && (mark === 0 || accecnAsked(ace)))) ecnAgree(i32, req, needed)
  }
  /** The SYN again asks for another kind of ECN. */
  const isMixed = (req: number, skb: number): boolean => {
    const ace = tcp.ace(u8, i32[skb + SKB_TRANSPORT])
    return ace !== 0 && accecnIsMixed(i32[req + TP_ECN], i32[sysctl + Sysctl.tcp_ecn], ace)
  }
  /** It asks for the same. */
  const synAgain = (req: number, skb: number): void => {
    if (!isAccecn(i32[req + TP_ECN])) return
    const mark = deps.afOps(i32[req + SK_FAMILY]).tosOf(u8, i32[skb + SKB_NETWORK]) & ECN_MASK
    accecnSynAgain(i32, req, tcp.ace(u8, i32[skb + SKB_TRANSPORT]), mark)
  }
  /** All but ECN, which is this connection's own. */
  const reflectTos = (req: number, skb: number): void => {
    const { sockTos, tosOf } = deps.afOps(i32[req + SK_FAMILY])
    const tos = tosOf(u8, i32[skb + SKB_NETWORK])
    const word = req + sockTos
    i32[word] = (tos & ~ECN_MASK) | (i32[word] & ECN_MASK)
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
    if (i32[req + SK_MARK] === 0 && i32[sysctl + Sysctl.tcp_fwmark_accept] !== 0)
      i32[req + SK_MARK] = i32[skb + SKB_MARK]
    setAddresses(req, fl)
    i32[req + SK_CREATED] = time[TIME_US]
    i32[req + SK_RXHASH] = i32[skb + SKB_HASH]
    deps.afOps(i32[req + SK_FAMILY]).keepOptions(req, skb)
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

  return {
    makeRequest,
    forget,
    takeOptions,
    takeEcn,
    isMixed,
    synAgain,
    reflectTos,
    setSequences,
    initRequest,
    inheritNow,
  }
}
