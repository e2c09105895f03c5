/**
 * An acknowledgement: the order in which what it says is taken. Window, queue, marks and round trip have parts of their own in
 * this room, in ecn/ and cong/; when it is no plain progress recovery is asked (rec/). Called once for each segment with ACK by
 * tcp-input.ts or tcp-states.ts, on the worker. Linux: tcp_ack; RFC 9293 3.10.7.4, 5681, 5961 section 5.
 */
import { TIME_MS, TIME_US, type Time } from '../../../base/time.ts'
import { read64 } from '../../../base/u64.ts'
import { OPT_SEEN, OPT_TSECR, SEEN_SACK, SEEN_TIMESTAMPS } from '../../../wire/tcp-options.ts'
import type { IpLocalOut } from '../../../ipv4/ip-local-out.ts'
import {
  SK_CONFIRMED,
  SK_ERR_SOFT,
  SK_STATE,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
} from '../../../socket/sock.ts'
import type { TcpCongControl } from '../cong/tcp-cong-control.ts'
import type { TcpAckEcn } from '../ecn/tcp-ack-ecn.ts'
import type { TcpPaws } from '../rcv/tcp-paws.ts'
import { packetsInFlight } from '../cong/tcp-cwnd.ts'
import type { TcpFrto } from '../rec/tcp-frto.ts'
import type { TcpRack } from '../rec/tcp-rack.ts'
import { RS_PRIOR_DELIVERED, RS_PRIOR_IN_FLIGHT, type TcpRate } from './tcp-rate.ts'
import type { TcpRecovery } from '../rec/tcp-recovery.ts'
import { isSack } from '../rec/tcp-reno-sack.ts'
import type { TcpSacktag } from './tcp-sacktag.ts'
import type { TcpTlpAck } from '../rec/tcp-tlp-ack.ts'
import type { TcpChallenge } from '../snd/tcp-challenge.ts'
import type { TcpChrono } from '../snd/tcp-chrono.ts'
import type { TcpMss } from '../snd/tcp-mss.ts'
import type { TcpOutput } from '../snd/tcp-output.ts'
import type { TcpProbe0 } from '../timer/tcp-probe0.ts'
import type { TcpRetransmit } from '../snd/tcp-retransmit.ts'
import type { TcpWriteQueue } from '../snd/tcp-write-queue.ts'
import type { TcpXmitTimer } from '../timer/tcp-xmit-timer.ts'
import { CB_TIME } from '../sock/tcp-cb.ts'
import {
  CHRONO_BUSY,
  TCP_CA_OPEN,
  TCP_NAGLE_OFF,
  TP_BYTES_ACKED,
  TP_CA_STATE,
  TP_DELIVERED,
  TP_ECN,
  TP_FACK,
  TP_HIGH_SEQ,
  TP_LOST,
  TP_MAX_WINDOW,
  TP_PACKETS_OUT,
  TP_PROBES_OUT,
  TP_RCV_TSTAMP,
  TP_RETRANSMITS,
  TP_SACKED_OUT,
  TP_SEND_HEAD,
  TP_SND_NXT,
  TP_SND_UNA,
  TP_TLP_HIGH_SEQ,
} from '../sock/tcp-sock.ts'
import {
  FLAG_ACKED,
  FLAG_DATA_SACKED,
  FLAG_DSACKING_ACK,
  FLAG_ECE,
  FLAG_NOT_DUP,
  FLAG_SND_UNA_ADVANCED,
  REXMIT_NEW,
  REXMIT_NONE,
} from './tcp-ack-constants.ts'
import type { TcpAckRtt } from './tcp-ack-rtt.ts'
import type { TcpAckWindow } from './tcp-ack-window.ts'
import type { TcpCleanRtxQueue } from './tcp-clean-rtx-queue.ts'

const CONFIRM_EVERY_MS = 1000

// What tcpAck returns.
export const ACK_OK = 1
/** Older than anything the peer could send: answered by a challenge, the segment is dropped. */
const ACK_TOO_OLD = -1
const ACK_UNSENT_DATA = -2
/** Old but plausible: the segment's text may still be used. */
const ACK_OLD = 0

export type TcpAck = ReturnType<typeof createTcpAck>
type TcpAckDeps = {
  i32: Int32Array
  time: Time
  queue: Pick<TcpWriteQueue, 'rtxHead'>
  mss: Pick<TcpMss, 'currentMss'>
  output: Pick<TcpOutput, 'pushPending'>
  retransmission: Pick<TcpRetransmit, 'xmitRetransmitQueue'>
  probe0: Pick<TcpProbe0, 'ackProbe'>
  chrono: Pick<TcpChrono, 'chronoStop'>
  xmitTimer: Pick<TcpXmitTimer, 'setXmitTimer'>
  sacktag: TcpSacktag
  recovery: Pick<TcpRecovery, 'fastretransAlert' | 'isTimerSet'>
  rack: Pick<TcpRack, 'updateReoWnd'>
  frto: Pick<TcpFrto, 'giveUpFrto'>
  tlpAck: TcpTlpAck
  rate: TcpRate
  rtxQueue: TcpCleanRtxQueue
  ackEcn: TcpAckEcn
} & TcpAckWindow &
  TcpAckRtt &
  TcpCongControl &
  Pick<TcpChallenge, 'sendChallengeAck'> &
  Pick<TcpPaws, 'replaceTsRecent'> &
  Pick<IpLocalOut, 'sockConfirm'>

// `una`: snd_una before the acknowledgement; `flags`: what it was, FLAG_*.
export const createTcpAck = (deps: TcpAckDeps) => {
  const { i32, time, queue, mss, output, sacktag, recovery, rack, frto, xmitTimer } = deps
  const { xmitRetransmitQueue } = deps.retransmission
  const { ackProbe } = deps.probe0
  const { chronoStop } = deps.chrono
  const { processTlpAck } = deps.tlpAck
  const { sample, rateBegin, rateGen } = deps.rate
  const { cleanRtxQueue, beginAcked } = deps.rtxQueue
  const { beginEcn, takeAce, takeMarks } = deps.ackEcn
  const { updateWindow, updateRtt, congAcked, congControl } = deps
  const { sendChallengeAck, sockConfirm, replaceTsRecent } = deps

  // Of the acknowledgement being processed: the timestamp that it echoes, or 0; the round trip of the first that it reports, or
  // -1; what had been delivered and lost before it.
  let tsecr = 0
  let sackRtt = -1
  let priorDelivered = 0
  let priorLost = 0

  const begin = (sk: number, opts: Int32Array): void => {
    tsecr = (opts[OPT_SEEN] & SEEN_TIMESTAMPS) !== 0 ? opts[OPT_TSECR] : 0
    sackRtt = -1
    priorDelivered = i32[sk + TP_DELIVERED]
    priorLost = i32[sk + TP_LOST]
    beginAcked(tsecr)
    rateBegin()
    sample[RS_PRIOR_IN_FLIGHT] = packetsInFlight(i32, sk)
  }
  const delivered = (sk: number): number => (i32[sk + TP_DELIVERED] - priorDelivered) | 0
  const hasBlocks = (sk: number, opts: Int32Array): boolean =>
    (opts[OPT_SEEN] & SEEN_SACK) !== 0 && isSack(i32, sk)

  const oldAck = (sk: number, skb: number, opts: Int32Array, ack: number, una: number): number => {
    // RFC 5961 section 5.2; nothing before our first octet was ever sent
    const oldest = Math.min(i32[sk + TP_MAX_WINDOW], read64(i32, sk + TP_BYTES_ACKED))
    if (((ack - (una - oldest)) | 0) < 0) {
      if (i32[sk + SK_STATE] !== TCP_SYN_RECV) sendChallengeAck(sk)
      return ACK_TOO_OLD
    }
    if (i32[sk + TP_ECN] !== 0) beginEcn(sk, skb, opts)
    if (hasBlocks(sk, opts)) {
      begin(sk, opts)
      const found = sacktag.sacktag(sk, opts, ack, una)
      xmitRecovery(sk, recovery.fastretransAlert(sk, una, found | FLAG_NOT_DUP, tsecr))
    }
    return ACK_OLD
  }
  /** Sends what the alert has said (tcp_xmit_recovery). */
  const xmitRecovery = (sk: number, rexmit: number): void => {
    // text that went with a SYN is dealt with once its SYN-ACK has been taken (tcp-fastopen-client.ts)
    if (rexmit === REXMIT_NONE || i32[sk + SK_STATE] === TCP_SYN_SENT) return
    if (rexmit === REXMIT_NEW) {
      output.pushPending(sk, mss.currentMss(sk), TCP_NAGLE_OFF)
      if (((i32[sk + TP_SND_NXT] - i32[sk + TP_HIGH_SEQ]) | 0) > 0) return
      frto.giveUpFrto(sk)
    }
    xmitRetransmitQueue(sk)
  }

  /**
   * Processes the ACK field `ack` of a segment at `seq` that carries `dataLen` bytes. `opts` are its parsed
   * options. Returns ACK_*.
   */
  const tcpAck = (
    sk: number,
    skb: number,
    opts: Int32Array,
    seq: number,
    ack: number,
    dataLen: number
  ): number => {
    const una = i32[sk + TP_SND_UNA]
    if (((ack - una) | 0) < 0) return oldAck(sk, skb, opts, ack, una)
    if (((ack - i32[sk + TP_SND_NXT]) | 0) > 0) return ACK_UNSENT_DATA
    const hasEcn = i32[sk + TP_ECN] !== 0
    if (hasEcn) beginEcn(sk, skb, opts)
    // what is sent from here on echoes it
    replaceTsRecent(sk, seq)
    const priorPackets = i32[sk + TP_PACKETS_OUT]
    const isNewWindow = updateWindow(sk, skb, ack, seq)
    let flags = isNewWindow || dataLen !== 0 ? FLAG_NOT_DUP : 0
    i32[sk + TP_RCV_TSTAMP] = time[TIME_MS]
    i32[sk + SK_ERR_SOFT] = 0
    i32[sk + TP_PROBES_OUT] = 0
    if (ack !== una) {
      flags |= FLAG_SND_UNA_ADVANCED
      i32[sk + TP_RETRANSMITS] = 0
    }
    begin(sk, opts)
    const fack = i32[sk + TP_SACKED_OUT] === 0 ? una : i32[sk + TP_FACK]
    if (hasBlocks(sk, opts)) flags |= takeBlocks(sk, opts, ack, una)
    if (priorPackets === 0) {
      if (hasEcn) takeAce(sk, skb, opts, una, flags, delivered(sk))
      return ackOfNothing(sk, una, ack, flags)
    }
    flags |= cleanRtxQueue(sk, fack)
    if (hasEcn) flags |= takeMarks(sk, skb, opts, una, flags, delivered(sk))
    congAcked(sk, una, updateRtt(sk, opts, flags, sackRtt))
    rack.updateReoWnd(sk, sample[RS_PRIOR_DELIVERED])
    if (i32[sk + TP_TLP_HIGH_SEQ] !== 0) processTlpAck(sk, ack, flags)
    if ((flags & FLAG_SND_UNA_ADVANCED) !== 0) confirmNeighbour(sk)
    if (i32[sk + TP_PACKETS_OUT] === 0 && i32[sk + TP_SEND_HEAD] === 0) chronoStop(sk, CHRONO_BUSY)
    const rexmit = alert(sk, una, flags)
    rateGen(sk, delivered(sk), (i32[sk + TP_LOST] - priorLost) | 0)
    congControl(sk, ack, flags)
    xmitRecovery(sk, rexmit)
    return ACK_OK
  }
  const takeBlocks = (sk: number, opts: Int32Array, ack: number, una: number): number => {
    const flags = sacktag.sacktag(sk, opts, ack, una)
    sackRtt = sacktag.sackRtt()
    sacktag.countDelivered(sk)
    return flags
  }
  /** Nothing was in flight: it may answer a probe of the window, or report that something came twice. */
  const ackOfNothing = (sk: number, una: number, ack: number, flags: number): number => {
    if ((flags & FLAG_DSACKING_ACK) !== 0) recovery.fastretransAlert(sk, una, flags, tsecr)
    ackProbe(sk)
    if (i32[sk + TP_TLP_HIGH_SEQ] !== 0) processTlpAck(sk, ack, flags)
    return ACK_OK
  }
  /** What is no plain progress is recovery's matter; REXMIT_*. The retransmission timer begins anew. */
  const alert = (sk: number, una: number, flags: number): number => {
    const mayReset = mayResetTimer(sk, flags)
    const isDubious =
      (flags & FLAG_NOT_DUP) === 0 ||
      (flags & (FLAG_DATA_SACKED | FLAG_DSACKING_ACK | FLAG_ECE)) !== 0 ||
      i32[sk + TP_CA_STATE] !== TCP_CA_OPEN
    const rexmit = isDubious ? recovery.fastretransAlert(sk, una, flags, tsecr) : REXMIT_NONE
    // unless the alert has set it, or the one of reordering
    if (mayReset && !(isDubious && recovery.isTimerSet())) xmitTimer.setXmitTimer(sk)
    return rexmit
  }
  /**
   * What was acknowledged, or reported though sent later than the head of the queue was, shows that the path is there: the
   * timer begins anew.
   */
  const mayResetTimer = (sk: number, flags: number): boolean => {
    if ((flags & FLAG_ACKED) !== 0) return true
    const head = queue.rtxHead(sk)
    return head !== 0 && sackRtt >= 0 && sackRtt > ((time[TIME_US] - i32[head + CB_TIME]) | 0)
  }
  /** New data was acknowledged, so the next hop works; telling it so once a second is enough. */
  const confirmNeighbour = (sk: number): void => {
    const now = time[TIME_MS]
    if (((now - i32[sk + SK_CONFIRMED]) | 0) < CONFIRM_EVERY_MS) return
    i32[sk + SK_CONFIRMED] = now
    sockConfirm(sk)
  }
  return { tcpAck }
}
