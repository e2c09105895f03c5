/**
 * Fast Open of listeners: a SYN with a cookie that we gave makes a connection at once, with the text that came with it, and
 * the application may answer before the handshake is over. Until then the row counts as its own request: the retransmission
 * timer sends the SYN-ACK again and nothing else, and segments are checked as a request's are. tcp-listen.ts calls it with
 * SYNs, tcp-states.ts with what follows, on the worker. Linux: net/ipv4/tcp_fastopen.c, tcp_rcv_synrecv_state_fastopen.
 */
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import type { ConsumeFn } from '../../../skb/drop.ts'
import { Drop, type DropFn } from '../../../skb/drop.ts'
import { SKB_TRANSPORT } from '../../../skb/skb.ts'
import type { Skbs } from '../../../skb/skbs.ts'
import { TCP_ACK, TCP_RST, TCP_SYN } from '../../../wire/tcp.ts'
import * as tcp from '../../../wire/tcp.ts'
import {
  OPT_FASTOPEN_AT,
  OPT_FASTOPEN_LEN,
  OPT_SEEN,
  OPT_TSECR,
  SEEN_FASTOPEN,
  SEEN_FASTOPEN_EXP,
  SEEN_TIMESTAMPS,
} from '../../../wire/tcp-options.ts'
import type { TcpPaws } from '../rcv/tcp-paws.ts'
import type { TcpDataQueue } from '../rcv/tcp-data-queue.ts'
import type { TcpPrune } from '../rcv/tcp-prune.ts'
import type { TcpCaState } from '../rec/tcp-ca-state.ts'
import type { TcpUndo } from '../rec/tcp-undo.ts'
import type { TcpReply } from '../snd/tcp-reply.ts'
import type { TcpTransmit } from '../snd/tcp-transmit.ts'
import type { TcpXmitTimer } from '../timer/tcp-xmit-timer.ts'
import { COOKIE_LEN, type FastopenKeys, KEY_BACKUP, KEY_NONE } from './tcp-fastopen-keys.ts'
import type { FastopenQueue } from './tcp-fastopen-queue.ts'
import type { TcpLifecycle } from '../sock/tcp-lifecycle.ts'
import {
  FO_NO_COOKIE,
  FO_SYN_DATA_ACKED,
  OPT_TIMESTAMPS,
  TCP_CA_LOSS,
  TP_CA_STATE,
  TP_DATA_SEGS_IN,
  TP_FASTOPEN,
  TP_FO_MAX_QLEN,
  TP_OPTS,
  TP_PACKETS_OUT,
  TP_RCV_ISN,
  TP_RCV_NXT,
  TP_RCV_WUP,
  TP_RETRANSMITS,
  TP_SRTT_US,
} from '../sock/tcp-sock.ts'
import { CB_END_SEQ, CB_FLAGS, CB_SEQ } from '../sock/tcp-cb.ts'
import { TFO_SERVER_COOKIE_NOT_REQD, TFO_SERVER_ENABLE } from '../sock/tcp-constants.ts'
import type { TcpSynack } from '../listen/tcp-synack.ts'

export type TcpFastopen = ReturnType<typeof createTcpFastopen>
type TcpFastopenDeps = {
  arena: Arena
  bank: number
  skbs: Skbs
  drop: DropFn
  consume: ConsumeFn
  transmit: TcpTransmit
  xmitTimer: TcpXmitTimer
  prune: Pick<TcpPrune, 'mayHold'>
  dataQueue: Pick<TcpDataQueue, 'takeNext'>
  life: TcpLifecycle
  paws: TcpPaws
  synack: TcpSynack
  fastopenKeys: FastopenKeys
  fastopenQueue: FastopenQueue
} & Pick<TcpReply, 'sendReset'> &
  Pick<TcpUndo, 'tryUndoRecovery'> &
  Pick<TcpCaState, 'cleanRetransStamp'>

export const createTcpFastopen = (deps: TcpFastopenDeps) => {
  const { bank, skbs, drop, consume, transmit, xmitTimer, prune, dataQueue, life } = deps
  const { synack, fastopenKeys, fastopenQueue, sendReset, tryUndoRecovery, cleanRetransStamp } =
    deps
  const { options: opts, pawsRejects, storeTsRecent } = deps.paws
  const { i32, u8, f64, layout } = deps.arena
  const { sysctl } = layout
  const { synCookie } = transmit

  const hasText = (skb: number): boolean => ((i32[skb + CB_END_SEQ] - i32[skb + CB_SEQ]) | 0) > 1
  const needsCookie = (listener: number): boolean =>
    (i32[sysctl + Sysctl.tcp_fastopen] & TFO_SERVER_COOKIE_NOT_REQD) === 0 &&
    (i32[listener + TP_FASTOPEN] & FO_NO_COOKIE) === 0
  const hasPlace = (listener: number): boolean => {
    if (i32[listener + TP_FO_MAX_QLEN] === 0) return false
    if (!fastopenQueue.isFull(listener)) return true
    f64[bank + Mib.TcpExtTCPFastOpenListenOverflow]++
    return false
  }
  /** The cookie that the SYN should have had goes into the SYN-ACK. */
  const tellCookie = (listener: number, req: number): void => {
    fastopenKeys.makeCookie(listener, req, synCookie.bytes)
    synCookie.len = COOKIE_LEN
    synCookie.isExp = (opts[OPT_SEEN] & SEEN_FASTOPEN_EXP) !== 0
  }
  /** Section 4.1.2 of RFC 7413: is the SYN's cookie ours? */
  const isCookieGood = (listener: number, req: number, len: number): boolean => {
    if (len < 0) return false
    const key =
      len === 0 ? KEY_NONE : fastopenKeys.checkCookie(listener, req, u8, opts[OPT_FASTOPEN_AT], len)
    if (key === KEY_NONE || key === KEY_BACKUP) tellCookie(listener, req)
    if (key === KEY_BACKUP) f64[bank + Mib.TcpExtTCPFastOpenPassiveAltKey]++
    if (len !== 0 && key === KEY_NONE) f64[bank + Mib.TcpExtTCPFastOpenPassiveFail]++
    return key !== KEY_NONE
  }
  /**
   * May the SYN, whose options are parsed, open a connection for `req`, which has its addresses? What the SYN-ACK is to say
   * of it lies ready in either case.
   */
  const mayOpen = (listener: number, req: number, skb: number): boolean => {
    synCookie.len = -1
    const len = (opts[OPT_SEEN] & SEEN_FASTOPEN) !== 0 ? opts[OPT_FASTOPEN_LEN] : -1
    if (len === 0) f64[bank + Mib.TcpExtTCPFastOpenCookieReqd]++
    const asks = hasText(skb) || len >= 0
    if (!asks || (i32[sysctl + Sysctl.tcp_fastopen] & TFO_SERVER_ENABLE) === 0) return false
    if (!hasPlace(listener)) return false
    if (needsCookie(listener) && !isCookieGood(listener, req, len)) return false
    if (!hasText(skb) || prune.mayHold(req, skb)) return true
    f64[bank + Mib.TcpExtTCPFastOpenPassiveFail]++
    return false
  }

  /** `child` is a connection. The skb is taken over. */
  const open = (listener: number, child: number, skb: number): void => {
    f64[bank + Mib.TcpExtTCPFastOpenPassive]++
    fastopenQueue.enter(listener, child)
    if (!hasText(skb)) {
      consume(skb)
      return
    }
    takeText(child, skb)
    i32[child + TP_RCV_WUP] = i32[child + TP_RCV_NXT]
  }
  /** The text of a SYN, or of a SYN-ACK, is the first of the connection (tcp_fastopen_add_skb). The skb is taken over. */
  const takeText = (sk: number, skb: number): void => {
    skbs.pull(skb, tcp.headerLen(u8, i32[skb + SKB_TRANSPORT]))
    i32[skb + CB_SEQ] = i32[sk + TP_RCV_NXT]
    i32[skb + CB_FLAGS] &= ~TCP_SYN
    i32[sk + TP_DATA_SEGS_IN] = 1
    i32[sk + TP_FASTOPEN] |= FO_SYN_DATA_ACKED
    dataQueue.takeNext(sk, skb)
  }

  /**
   * A segment for a connection whose SYN-ACK is not answered yet; true when it may be looked at further, false when it is
   * gone. One that is spoofed must not end it: of those in the window only a RST does.
   */
  const check = (sk: number, skb: number): boolean => {
    const flags = i32[skb + CB_FLAGS]
    const seq = i32[skb + CB_SEQ]
    const stamped =
      (opts[OPT_SEEN] & SEEN_TIMESTAMPS) !== 0 && (i32[sk + TP_OPTS] & OPT_TIMESTAMPS) !== 0
    const paws = stamped && (flags & TCP_RST) === 0 && pawsRejects(sk)
    if (
      seq === i32[sk + TP_RCV_ISN] &&
      (flags & (TCP_SYN | TCP_ACK | TCP_RST)) === TCP_SYN &&
      !paws
    ) {
      // the SYN again: our answer was lost
      if (synack.mayAnswer(sk, skb)) synack.retransmitSynAck(sk)
      consume(skb)
      return false
    }
    if (paws || !synack.inWindow(sk, skb)) {
      if ((flags & TCP_RST) === 0 && synack.mayAnswer(sk, skb)) transmit.sendAck(sk)
      if (paws) f64[bank + Mib.TcpExtPAWSEstab]++
      drop(skb, paws ? Drop.TCP_RFC7323_PAWS : Drop.TCP_INVALID_SEQUENCE)
      return false
    }
    if (stamped && ((seq - i32[sk + TP_RCV_NXT]) | 0) <= 0) storeTsRecent(sk)
    if ((flags & (TCP_RST | TCP_SYN)) === 0) return true
    f64[bank + Mib.TcpAttemptFails]++
    if ((flags & TCP_RST) === 0) {
      sendReset(skb)
      drop(skb, Drop.TCP_INVALID_SYN)
      return false
    }
    fastopenQueue.remove(sk, true)
    life.reset(sk)
    drop(skb, Drop.TCP_RESET)
    return false
  }

  const echoedStamp = (): number => ((opts[OPT_SEEN] & SEEN_TIMESTAMPS) !== 0 ? opts[OPT_TSECR] : 0)
  /** The handshake is over: from here on it is a connection as any. */
  const done = (sk: number): void => {
    if (i32[sk + TP_SRTT_US] === 0) synack.sampleRtt(sk, opts)
    if (i32[sk + TP_CA_STATE] === TCP_CA_LOSS && i32[sk + TP_PACKETS_OUT] === 0)
      tryUndoRecovery(sk, echoedStamp())
    i32[sk + TP_RETRANSMITS] = 0
    // a SYN-ACK sent again has set it, and recovery may have begun since
    cleanRetransStamp(sk)
    fastopenQueue.remove(sk, false)
    // what was sent meanwhile is waited for from now on
    xmitTimer.rearmRto(sk)
  }

  return { hasText, mayOpen, open, takeText, check, done }
}
