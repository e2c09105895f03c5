import type { Time } from '../../../base/time.ts'
import { TIME_MS } from '../../../base/time.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import type { ConsumeFn } from '../../../skb/drop.ts'
import { Drop, type DropFn } from '../../../skb/drop.ts'
import { SKB_TRANSPORT } from '../../../skb/skb.ts'
import { SK_NUM, SK_PARENT, TCP_SYN_RECV } from '../../../socket/sock.ts'
import { TCP_ACK, TCP_RST, TCP_SYN } from '../../../wire/tcp.ts'
import * as tcp from '../../../wire/tcp.ts'
import { OPT_SEEN, SEEN_TIMESTAMPS, OPT_TSECR } from '../../../wire/tcp-options.ts'
import type { Ports } from '../../ports.ts'
import type { TcpPaws } from '../rcv/tcp-paws.ts'
import type { TcpStates } from '../states/tcp-states.ts'
import type { TcpSynack } from './tcp-synack.ts'
import type { TcpLifecycle } from '../sock/tcp-lifecycle.ts'
import {
  TP_SEGS_OUT,
  ICSK_TIME_RETRANS,
  OPT_TIMESTAMPS,
  TP_DEFER_ACCEPT,
  TP_MAX_WINDOW,
  TP_OOW_ACKED,
  TP_OPTS,
  TP_RCV_ISN,
  TP_RCV_NXT,
  TP_REORDERING,
  TP_SND_SSTHRESH,
  TP_REQ_ACKED,
  TP_REQ_YOUNG,
  TP_RETRANSMITS,
  TP_SND_NXT,
  TP_SND_WND,
  TP_SND_WSCALE,
  TP_TS_OFFSET,
  TP_LRCVTIME,
  TP_LSNDTIME,
  TP_RETRANS_STAMP,
  TP_SND_ISN,
  TP_UNDO_MARKER,
  TP_SYN_RETRIES,
} from '../sock/tcp-sock.ts'
import { CB_END_SEQ, CB_FLAGS, CB_SEQ } from '../sock/tcp-cb.ts'
import { TCP_TIMEOUT_INIT, TCP_INFINITE_SSTHRESH } from '../sock/tcp-constants.ts'
import { rtoMax } from '../timer/tcp-sock-times.ts'
import type { TcpTimers } from '../timer/tcp-timers.ts'
import type { TcpMss } from '../snd/tcp-mss.ts'
import type { TcpTransmit } from '../snd/tcp-transmit.ts'
import type { TcpReply } from '../snd/tcp-reply.ts'
import type { SkFilter } from '../../../socket/sk-filter.ts'
import type { TcpListenQueues } from './tcp-listen-queues.ts'
import type { TcpRequest } from './tcp-request.ts'
import type { TcpPktoptions } from '../sock/tcp-pktoptions.ts'

export type TcpCheckReq = ReturnType<typeof createTcpCheckReq>
type TcpCheckReqDeps = {
  arena: Arena
  bank: number
  time: Time
  drop: DropFn
  consume: ConsumeFn
  ports: Ports
  timers: TcpTimers
  transmit: TcpTransmit
  paws: TcpPaws
  states: TcpStates
  life: TcpLifecycle
  synack: TcpSynack
  mss: Pick<TcpMss, 'syncMss'>
  listenQueues: TcpListenQueues
  pktoptions: Pick<TcpPktoptions, 'noteOpening'>
  filter: Pick<SkFilter, 'inherit'>
} & Pick<TcpReply, 'sendReset'> &
  Pick<TcpRequest, 'inheritNow' | 'isMixed' | 'synAgain'>

export const createTcpCheckReq = (deps: TcpCheckReqDeps) => {
  const { bank, time, drop, consume, ports, timers, transmit, states, life, mss, sendReset } = deps
  const { retransmitSynAck, inWindow, mayAnswer, sampleRtt } = deps.synack
  const { dropRequest, unlinkRequest, acceptQueueFull, enqueueAccept } = deps.listenQueues
  const { options: opts, parseOptions, pawsRejects, storeTsRecent } = deps.paws
  const { i32, u8, f64, layout } = deps.arena
  const { sysctl } = layout

  /** As the listener is set by now. */
  const synAckAgain = (req: number): void => {
    deps.inheritNow(i32[req + SK_PARENT], req)
    retransmitSynAck(req)
  }
  /** The SYN-ACK was not answered in time. */
  const requestTimer = (req: number): void => {
    const sent = i32[req + TP_RETRANSMITS]
    const deferred = i32[i32[req + SK_PARENT] + TP_DEFER_ACCEPT]
    const waitsForText = i32[req + TP_REQ_ACKED] !== 0 && sent < deferred
    const own = i32[i32[req + SK_PARENT] + TP_SYN_RETRIES]
    if (sent >= (own || i32[sysctl + Sysctl.tcp_synack_retries]) && !waitsForText) {
      dropRequest(req)
      return
    }
    if (sent === 0) i32[i32[req + SK_PARENT] + TP_REQ_YOUNG]--
    i32[req + TP_RETRANSMITS] = sent + 1
    // the last time asks once more for what makes it a connection (syn_ack_recalc)
    if (!waitsForText || sent >= deferred - 1) synAckAgain(req)
    armTimer(req)
  }
  const armTimer = (req: number): void => {
    const timeout = Math.min(TCP_TIMEOUT_INIT * 2 ** i32[req + TP_RETRANSMITS], rtoMax(i32, req))
    timers.resetXmitTimer(req, ICSK_TIME_RETRANS, timeout)
  }
  const embryonicReset = (req: number, skb: number, flags: number): void => {
    f64[bank + Mib.TcpExtEmbryonicRsts]++
    if ((flags & TCP_RST) === 0) sendReset(skb)
    dropRequest(req)
    drop(skb, Drop.TCP_RESET)
  }
  /** The SYN again: our answer was lost, and the new one is waited for from now on. */
  const repeatedSyn = (req: number, skb: number, flags: number): void => {
    if (deps.isMixed(req, skb)) {
      f64[bank + Mib.TcpAttemptFails]++
      embryonicReset(req, skb, flags)
      return
    }
    if (mayAnswer(req, skb)) {
      deps.synAgain(req, skb)
      synAckAgain(req)
      armTimer(req)
    }
    consume(skb)
  }
  /** A segment for a request, which takes the skb over; false: what it acknowledges is no SYN-ACK of ours, and it is the listener's. */
  const checkRequest = (req: number, skb: number): boolean => {
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
      repeatedSyn(req, skb, flags)
      return true
    }
    const th = i32[skb + SKB_TRANSPORT]
    const isReset = (flags & TCP_RST) !== 0
    if ((flags & TCP_ACK) !== 0 && !isReset && tcp.ack(u8, th) !== i32[req + TP_SND_NXT])
      return false
    const echo = !paws && stamped && echoesForeignStamp(req)
    if (paws || echo || !inWindow(req, skb)) {
      if (!isReset && mayAnswer(req, skb)) transmit.sendAck(req)
      if (paws) f64[bank + Mib.TcpExtPAWSEstab]++
      else if (echo) f64[bank + Mib.TcpExtTSEcrRejected]++
      drop(skb, paws || echo ? Drop.TCP_RFC7323_PAWS : Drop.TCP_INVALID_SEQUENCE)
      return true
    }
    if (isReset && seq !== i32[req + TP_RCV_NXT]) {
      // RFC 5961 3.2: a challenge, which text does not free of the limit
      if (!transmit.answersLimited(req, Mib.TcpExtTCPACKSkippedSynRecv)) transmit.sendAck(req)
      drop(skb, Drop.TCP_RESET)
    } else if (isReset || ((flags & TCP_SYN) !== 0 && seq !== i32[req + TP_RCV_ISN])) {
      // the SYN that made the request lies before the window: what has it once more is not looked at for that (tcp_check_req)
      f64[bank + Mib.TcpAttemptFails]++
      embryonicReset(req, skb, flags)
    } else if ((flags & TCP_ACK) === 0) drop(skb, Drop.TCP_FLAGS)
    else if (isDeferred(req, skb)) drop(skb, Drop.TCP_DEFER_ACCEPT)
    else {
      if (stamped && ((seq - i32[req + TP_RCV_NXT]) | 0) <= 0) storeTsRecent(req)
      promote(req, skb, flags)
    }
    return true
  }
  /** It echoes a stamp that lies not between those of our SYN-ACKs (RFC 7323 3.2, tcp_check_req). */
  const echoesForeignStamp = (req: number): boolean => {
    const echo = opts[OPT_TSECR]
    if (echo === 0) return false
    const last = i32[req + TP_LSNDTIME]
    const since = (last + i32[req + TP_TS_OFFSET] - echo) >>> 0
    return since > (last - i32[req + TP_LRCVTIME]) >>> 0
  }
  /** TCP_DEFER_ACCEPT: a listener that wants connections with text takes none on a bare ACK, for as long as it said. */
  const isDeferred = (req: number, skb: number): boolean => {
    if (i32[req + TP_RETRANSMITS] >= i32[i32[req + SK_PARENT] + TP_DEFER_ACCEPT]) return false
    if (i32[skb + CB_END_SEQ] !== i32[req + TP_RCV_NXT]) return false
    i32[req + TP_REQ_ACKED] = 1
    f64[bank + Mib.TcpExtTCPDeferAcceptDrop]++
    return true
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
    if (i32[req + TP_RETRANSMITS] !== 0) {
      // it may turn out to have been for nothing
      i32[req + TP_UNDO_MARKER] = i32[req + TP_SND_ISN] || 1
      i32[req + TP_RETRANS_STAMP] = i32[req + TP_LRCVTIME] || -1
    }
    i32[req + TP_RETRANSMITS] = 0
    i32[req + TP_OOW_ACKED] = 0
    life.setState(req, TCP_SYN_RECV)
    sampleRtt(req, opts)
    openChild(listener, req, skb)
  }
  /** A connection whose handshake `skb` ends. */
  const openChild = (listener: number, child: number, skb: number): void => {
    deps.inheritNow(listener, child)
    deps.filter.inherit(listener, child)
    deps.pktoptions.noteOpening(child, skb)
    // its SYN-ACK was the request's
    i32[child + TP_SEGS_OUT] = 0
    ports.hold(child, i32[child + SK_NUM])
    f64[bank + Mib.TcpPassiveOpens]++
    enqueueAccept(listener, child)
    // what the SYN offered was of the handshake (tcp_create_openreq_child)
    const window = tcp.window(u8, i32[skb + SKB_TRANSPORT]) << i32[child + TP_SND_WSCALE]
    i32[child + TP_SND_WND] = window
    i32[child + TP_MAX_WINDOW] = window
    // the acknowledgement may say how many segments came twice (tcp_v4_syn_recv_sock)
    mss.syncMss(child)
    i32[child + TP_LRCVTIME] = time[TIME_MS]
    // it may be accepted before it is one, when what ends the handshake is not taken
    i32[child + TP_SND_SSTHRESH] = TCP_INFINITE_SSTHRESH
    i32[child + TP_REORDERING] = i32[sysctl + Sysctl.tcp_reordering]
    states.rcvStateProcess(child, skb)
  }

  return { checkRequest, requestTimer, openChild }
}
