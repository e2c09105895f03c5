/**
 * The end of a handshake: what arrives in SYN_SENT (RFC 9293 3.10.7.3), where a SYN crosses ours too, and the
 * acknowledgement of our SYN in SYN_RECV. The beginning is tcp-connect.ts or tcp-listen.ts. Called by
 * tcp-states.ts with the options parsed, on the worker.
 * Linux: tcp_rcv_synsent_state_process, tcp_init_transfer; RFC 7323 2.2 and 3.2.
 */
import { initRto } from '../sock/tcp-metrics.ts'
import type { Time } from '../../../base/time.ts'
import { TIME_MS } from '../../../base/time.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { Mib } from '../../../shm/counters.ts'
import type { ConsumeFn } from '../../../skb/drop.ts'
import { Drop, type DropFn } from '../../../skb/drop.ts'
import { SKB_NETWORK, SKB_TRANSPORT } from '../../../skb/skb.ts'
import {
  SK_EVENT_CONNECT,
  SK_EVENT_WRITE,
  SK_FAMILY,
  SK_FLAGS,
  TCP_ESTABLISHED,
  TCP_SYN_RECV,
  SK_SHUTDOWN,
  SEND_SHUTDOWN,
} from '../../../socket/sock.ts'
import { TCP_ACK, TCP_RST, TCP_SYN } from '../../../wire/tcp.ts'
import * as tcp from '../../../wire/tcp.ts'
import {
  OPT_SEEN,
  OPT_TSECR,
  OPT_WSCALE as PARSED_WSCALE,
  SEEN_SACK,
  SEEN_SACK_PERM,
  SEEN_TIMESTAMPS,
  SEEN_WSCALE,
} from '../../../wire/tcp-options.ts'
import type { AfOpsOf } from '../../../inet/af-ops.ts'
import type { TcpAck } from '../ack/tcp-ack.ts'
import type { TcpCong } from '../cong/tcp-cong.ts'
import type { TcpMd5 } from '../sock/tcp-md5.ts'
import type { TcpLifecycle } from '../sock/tcp-lifecycle.ts'
import {
  accecnRcvSyn,
  accecnRcvSynAck,
  accecnSynAckFlags,
  accecnThirdAck,
  accecnThirdAckFlags,
  isAccecn,
  isAccecnPending,
} from '../ecn/tcp-accecn.ts'
import { noteOption, OPT_DEMAND } from '../ecn/tcp-accecn-bytes.ts'
import { ECN_MASK, ECN_OF_SYN, ECN_OF_SYNACK, ecnRcvSyn } from '../ecn/tcp-ecn.ts'
import type { TcpMss } from '../snd/tcp-mss.ts'
import type { TcpPaws } from '../rcv/tcp-paws.ts'
import type { TcpSndCheck } from '../snd/tcp-snd-check.ts'
import {
  OPT_SACK,
  ICSK_TIME_RETRANS,
  OPT_TIMESTAMPS,
  OPT_WSCALE,
  TP_ACCECN_OPT_DEMAND,
  TP_ADVMSS,
  TP_COPIED_SEQ,
  TP_DEFER_ACCEPT,
  TP_ECN,
  TP_HEADER_LEN,
  TP_LRCVTIME,
  FO_DEFER,
  FO_PASSIVE,
  FO_SYN,
  FO_SYN_DATA,
  TP_DELIVERED,
  TP_FASTOPEN,
  TP_LSNDTIME,
  TP_MAX_WINDOW,
  TP_MSS_CLAMP,
  TP_OPTS,
  TP_PUSHED_SEQ,
  TP_PINGPONG,
  TP_RCV_ISN,
  TP_RCV_NXT,
  TP_RCV_WSCALE,
  TP_RCV_WUP,
  TP_REORDERING,
  TP_RETRANS_STAMP,
  TP_RETRANSMITS,
  TP_SND_NXT,
  TP_SND_UNA,
  TP_SND_WL1,
  TP_SND_WND,
  TP_SND_WSCALE,
  TP_SRTT_US,
  TP_TS_OFFSET,
  TP_UNDO_MARKER,
  TP_WINDOW_CLAMP,
  TP_WQ_HEAD,
  TP_WRITE_SEQ,
} from '../sock/tcp-sock.ts'
import { updatePacingRate } from '../snd/tcp-pacing-rate.ts'
import {
  SOCK_KEEPOPEN,
  SOCK_SNDBUF_LOCK,
  SOCK_UNPREDICTED,
  SOCK_WRITE_PENDING,
} from '../sock/sock-flags.ts'
import { CB_FLAGS, CB_END_SEQ, CBF_AE, CBF_TCP_FLAGS, CB_SEQ } from '../sock/tcp-cb.ts'
import {
  TCP_TIMEOUT_MIN,
  TCP_DELACK_MAX,
  TCP_MAX_QUICKACKS,
  TCP_RTO_MAX,
} from '../sock/tcp-constants.ts'
import { keepaliveTime } from '../timer/tcp-sock-times.ts'
import type { TcpSynack } from '../listen/tcp-synack.ts'
import type { TcpFastopen } from '../fastopen/tcp-fastopen.ts'
import type { FastopenClient } from '../fastopen/tcp-fastopen-client.ts'
import type { TcpTimers } from '../timer/tcp-timers.ts'
import type { TcpMtuProbe } from '../snd/tcp-mtu-probe.ts'
import type { TcpTransmit } from '../snd/tcp-transmit.ts'
import { enterQuickack, scheduleAck } from '../rcv/tcp-quickack.ts'
import type { TcpWindow } from '../rcv/tcp-window.ts'
import type { TcpReply } from '../snd/tcp-reply.ts'

export type TcpHandshake = ReturnType<typeof createTcpHandshake>
type TcpHandshakeDeps = {
  arena: Arena
  bank: number
  time: Time
  drop: DropFn
  consume: ConsumeFn
  mss: TcpMss
  mtup: Pick<TcpMtuProbe, 'initMtuProbe'>
  window: TcpWindow
  timers: TcpTimers
  transmit: TcpTransmit
  ack: TcpAck
  life: TcpLifecycle
  paws: TcpPaws
  sndCheck: TcpSndCheck
  cong: TcpCong
  afOps: AfOpsOf
  md5: Pick<TcpMd5, 'optionLen'>
  fastopen: Pick<TcpFastopen, 'done'>
  synack: Pick<TcpSynack, 'sampleStamp'>
  /** core/transport/tcp/states/tcp-close.ts: endSending. */
  endSending: (sk: number) => void
  fastopenClient: Pick<FastopenClient, 'synAck'>
} & Pick<TcpReply, 'sendReset'>

export const createTcpHandshake = (deps: TcpHandshakeDeps) => {
  const {
    bank,
    time,
    drop,
    consume,
    mss,
    window,
    timers,
    transmit,
    life,
    sendReset,
    cong,
    md5,
    fastopen,
    synack,
    mtup,
    endSending,
    fastopenClient,
  } = deps
  const { tcpAck } = deps.ack
  const { raise, setState } = life
  const { options: opts, storeTsRecent } = deps.paws
  const { dataSndCheck, expandSndbuf } = deps.sndCheck
  const { i32, u8, f64, layout } = deps.arena
  const { sysctl } = layout

  /** A connection begins: buffers, windows and congestion control as of now. */
  const initTransfer = (sk: number): void => {
    mss.syncMss(sk)
    mtup.initMtuProbe(sk)
    window.initBufferSpace(sk)
    initRto(i32, sk)
    cong.init(sk)
    i32[sk + TP_REORDERING] = i32[sysctl + Sysctl.tcp_reordering]
    i32[sk + TP_PUSHED_SEQ] = i32[sk + TP_WRITE_SEQ]
    i32[sk + TP_LSNDTIME] = time[TIME_MS]
    if ((i32[sk + SK_FLAGS] & SOCK_SNDBUF_LOCK) === 0) expandSndbuf(sk)
    if ((i32[sk + SK_FLAGS] & SOCK_KEEPOPEN) !== 0)
      timers.resetKeepaliveTimer(sk, keepaliveTime(i32, sysctl, sk))
  }
  const markOf = (sk: number, skb: number): number =>
    deps.afOps(i32[sk + SK_FAMILY]).tosOf(u8, i32[skb + SKB_NETWORK]) & ECN_MASK
  /** RFC 3168 section 6.1.1.1: an ECN that the path spoils is not used. */
  const isEcnChecked = (): boolean => i32[sysctl + Sysctl.tcp_ecn_fallback] !== 0
  /** What the first segment after our SYN-ACK says of that; one of a crossed SYN is a SYN-ACK itself. */
  const takeThirdAck = (sk: number, skb: number): void => {
    if (!isAccecn(i32[sk + TP_ECN]) || (i32[skb + CB_FLAGS] & TCP_SYN) !== 0) return
    const isBare = i32[skb + CB_SEQ] === i32[skb + CB_END_SEQ] && (opts[OPT_SEEN] & SEEN_SACK) === 0
    noteOption(i32, u8, sk, opts)
    i32[sk + TP_ACCECN_OPT_DEMAND] = Math.max(i32[sk + TP_ACCECN_OPT_DEMAND], 1)
    accecnThirdAck(i32, sk, tcp.ace(u8, i32[skb + SKB_TRANSPORT]), isBare, isEcnChecked())
  }
  /** SYN_RECV: our SYN is acknowledged. */
  const handshakeDone = (sk: number, skb: number): void => {
    const th = i32[skb + SKB_TRANSPORT]
    // RFC 7323 2.2: the window of a segment with SYN, as of crossed ones, is not scaled
    const scale = (i32[skb + CB_FLAGS] & TCP_SYN) !== 0 ? 0 : i32[sk + TP_SND_WSCALE]
    i32[sk + TP_SND_UNA] = tcp.ack(u8, th)
    i32[sk + TP_SND_WND] = tcp.window(u8, th) << scale
    i32[sk + TP_SND_WL1] = i32[skb + CB_SEQ]
    i32[sk + TP_MAX_WINDOW] = Math.max(i32[sk + TP_MAX_WINDOW], i32[sk + TP_SND_WND])
    // the SYN-ACK is in no queue
    i32[sk + TP_DELIVERED]++
    if ((i32[sk + TP_OPTS] & OPT_TIMESTAMPS) !== 0) i32[sk + TP_ADVMSS] -= 12
    if ((i32[sk + TP_FASTOPEN] & FO_PASSIVE) === 0) {
      takeThirdAck(sk, skb)
      if (echoesFirstStamp(sk)) i32[sk + TP_UNDO_MARKER] = 0
      i32[sk + TP_RETRANS_STAMP] = 0
      // of SYNs that crossed, the ACK may say no more than that ours has come
      if (i32[sk + TP_SRTT_US] === 0) synack.sampleStamp(sk, opts)
      initTransfer(sk)
    } else {
      fastopen.done(sk)
      i32[sk + TP_LSNDTIME] = time[TIME_MS]
    }
    if (cong.ops(sk).congControl === undefined) updatePacingRate(i32, sysctl, sk)
    setState(sk, TCP_ESTABLISHED)
    raise(sk, SK_EVENT_CONNECT | SK_EVENT_WRITE)
    // shut down before
    if ((i32[sk + SK_SHUTDOWN] & SEND_SHUTDOWN) !== 0) endSending(sk)
  }

  /** SYN_SENT. */
  const synSent = (sk: number, skb: number): void => {
    if ((i32[sk + TP_FASTOPEN] & FO_DEFER) !== 0 && (i32[skb + CB_FLAGS] & TCP_ACK) === 0) {
      // no SYN of ours has gone that it could cross
      drop(skb, Drop.TCP_FLAGS)
      return
    }
    const th = i32[skb + SKB_TRANSPORT]
    const flags = i32[skb + CB_FLAGS]
    if ((flags & TCP_ACK) !== 0) {
      const ack = tcp.ack(u8, th)
      const stale =
        ((ack - i32[sk + TP_SND_UNA]) | 0) <= 0 || ((ack - i32[sk + TP_SND_NXT]) | 0) > 0
      if (stale || echoesForeignStamp(sk)) {
        // what answers an earlier connection may have been ended by it: our SYN is due again (RFC 9293 3.5.1)
        if (stale && i32[sk + TP_RETRANSMITS] === 0)
          timers.resetXmitTimer(sk, ICSK_TIME_RETRANS, TCP_TIMEOUT_MIN)
        if ((flags & TCP_RST) === 0) sendReset(skb)
        drop(skb, Drop.TCP_INVALID_SEQUENCE)
        return
      }
      if ((flags & TCP_RST) !== 0) {
        life.reset(sk)
        drop(skb, Drop.TCP_RESET)
        return
      }
      if ((flags & TCP_SYN) === 0) {
        drop(skb, Drop.TCP_FLAGS)
        return
      }
      synAckReceived(sk, skb, ack)
      return
    }
    if ((flags & TCP_RST) !== 0 || (flags & TCP_SYN) === 0) drop(skb, Drop.TCP_FLAGS)
    else crossedSyn(sk, skb)
  }
  const echoesForeignStamp = (sk: number): boolean => {
    if ((opts[OPT_SEEN] & SEEN_TIMESTAMPS) === 0 || opts[OPT_TSECR] === 0) return false
    const stamp = i32[sk + TP_RETRANS_STAMP]
    if (stamp === 0) return false
    const echo = (opts[OPT_TSECR] - i32[sk + TP_TS_OFFSET]) | 0
    if (((echo - stamp) | 0) >= 0 && ((time[TIME_MS] - echo) | 0) >= 0) return false
    f64[bank + Mib.TcpExtPAWSActive]++
    return true
  }
  /** What a SYN says of options: the lesser of both sides. */
  const takeSynOptions = (sk: number, skb: number): void => {
    const seen = opts[OPT_SEEN]
    const seq = i32[skb + CB_SEQ]
    i32[sk + TP_RCV_ISN] = seq
    i32[sk + TP_RCV_NXT] = (seq + 1) | 0
    i32[sk + TP_RCV_WUP] = (seq + 1) | 0
    i32[sk + TP_COPIED_SEQ] = (seq + 1) | 0
    i32[sk + TP_SND_WL1] = seq
    i32[sk + TP_SND_WND] = tcp.window(u8, i32[skb + SKB_TRANSPORT])
    i32[sk + TP_MAX_WINDOW] = i32[sk + TP_SND_WND]
    i32[sk + TP_MSS_CLAMP] = mss.peerMss(sk, opts)
    if ((seen & SEEN_SACK_PERM) === 0) i32[sk + TP_OPTS] &= ~OPT_SACK
    if ((seen & SEEN_WSCALE) !== 0 && (i32[sk + TP_OPTS] & OPT_WSCALE) !== 0)
      i32[sk + TP_SND_WSCALE] = opts[PARSED_WSCALE]
    else {
      i32[sk + TP_OPTS] &= ~OPT_WSCALE
      i32[sk + TP_SND_WSCALE] = 0
      i32[sk + TP_RCV_WSCALE] = 0
      i32[sk + TP_WINDOW_CLAMP] = Math.min(i32[sk + TP_WINDOW_CLAMP], 65535)
    }
    if ((seen & SEEN_TIMESTAMPS) !== 0 && (i32[sk + TP_OPTS] & OPT_TIMESTAMPS) !== 0) {
      i32[sk + TP_HEADER_LEN] = tcp.MIN_HEADER + 12 + md5.optionLen(sk)
      storeTsRecent(sk)
    } else {
      i32[sk + TP_OPTS] &= ~OPT_TIMESTAMPS
      i32[sk + TP_HEADER_LEN] = tcp.MIN_HEADER + md5.optionLen(sk)
    }
  }
  /** It answers our first SYN, or SYN-ACK: there was no need for another (tcp_try_undo_spurious_syn). */
  const echoesFirstStamp = (sk: number): boolean =>
    (i32[sk + TP_OPTS] & OPT_TIMESTAMPS) !== 0 &&
    ((opts[OPT_TSECR] - i32[sk + TP_TS_OFFSET]) | 0) === i32[sk + TP_RETRANS_STAMP]
  const takeSynAckEcn = (sk: number, skb: number): void => {
    const ace = tcp.ace(u8, i32[skb + SKB_TRANSPORT])
    accecnRcvSynAck(i32, sk, ace, markOf(sk, skb), isEcnChecked())
    if (isAccecn(i32[sk + TP_ECN]) && noteOption(i32, u8, sk, opts))
      i32[sk + TP_ACCECN_OPT_DEMAND] = OPT_DEMAND
  }
  const synAckReceived = (sk: number, skb: number, ack: number): void => {
    takeSynOptions(sk, skb)
    if ((i32[sk + TP_OPTS] & OPT_TIMESTAMPS) !== 0) i32[sk + TP_ADVMSS] -= 12
    if (isAccecnPending(i32[sk + TP_ECN])) takeSynAckEcn(sk, skb)
    else ecnRcvSyn(i32, sk, i32[skb + CB_FLAGS], ECN_OF_SYNACK)
    if (echoesFirstStamp(sk)) i32[sk + TP_UNDO_MARKER] = 0
    tcpAck(sk, skb, opts, i32[skb + CB_SEQ], ack, 0)
    if (i32[sk + TP_SND_WSCALE] !== 0) i32[sk + SK_FLAGS] |= SOCK_UNPREDICTED
    i32[sk + TP_RETRANS_STAMP] = 0
    initTransfer(sk)
    i32[sk + TP_LRCVTIME] = time[TIME_MS]
    mss.syncMss(sk)
    setState(sk, TCP_ESTABLISHED)
    raise(sk, SK_EVENT_CONNECT | SK_EVENT_WRITE)
    // who defers accepting on a socket that connects has text as well (tcp_rcv_synsent_state_process)
    const isPending =
      (i32[sk + SK_FLAGS] & SOCK_WRITE_PENDING) !== 0 ||
      (i32[sk + TP_DEFER_ACCEPT] | i32[sk + TP_PINGPONG]) !== 0
    i32[sk + SK_FLAGS] &= ~SOCK_WRITE_PENDING
    if ((i32[sk + TP_FASTOPEN] & (FO_SYN | FO_SYN_DATA)) === 0) consume(skb)
    else if (fastopenClient.synAck(sk, skb)) return
    // how the SYN-ACK came an acknowledgement alone can say (RFC 9768 section 3.2.2.1)
    if (isPending && !isAccecn(i32[sk + TP_ECN])) ackWithText(sk)
    else transmit.sendAckWith(sk, accecnThirdAckFlags(i32, sk))
    // text that could not go with the SYN
    dataSndCheck(sk)
  }
  /** Who waits for the connection has text for it, which will answer the SYN-ACK. */
  const ackWithText = (sk: number): void => {
    scheduleAck(i32, sk)
    enterQuickack(i32, sk, TCP_MAX_QUICKACKS)
    timers.resetDelackTimer(sk, (time[TIME_MS] + TCP_DELACK_MAX) | 0)
  }
  /** Simultaneous open: our SYN, sent before, is now a SYN-ACK. */
  const crossedSyn = (sk: number, skb: number): void => {
    takeSynOptions(sk, skb)
    const ace = tcp.ace(u8, i32[skb + SKB_TRANSPORT])
    if (!isAccecnPending(i32[sk + TP_ECN]) || !accecnRcvSyn(i32, sk, ace, markOf(sk, skb)))
      ecnRcvSyn(i32, sk, i32[skb + CB_FLAGS], ECN_OF_SYN)
    setState(sk, TCP_SYN_RECV)
    // as if no text had come for long: the first is acknowledged at once (icsk_ack.lrcvtime is none as yet)
    i32[sk + TP_LRCVTIME] = (time[TIME_MS] - TCP_RTO_MAX - 1) | 0
    mss.syncMss(sk)
    mss.narrowAdvmss(sk)
    const syn = i32[sk + TP_WQ_HEAD]
    consume(skb)
    if (syn === 0) return
    // what is known of the skb stays known: it lies in the order of sending
    i32[syn + CB_FLAGS] &= ~(CBF_TCP_FLAGS | CBF_AE)
    i32[syn + CB_FLAGS] |= TCP_SYN | TCP_ACK | accecnSynAckFlags(i32, sk)
    transmit.transmitClone(sk, syn)
  }

  return { synSent, handshakeDone, initTransfer }
}
