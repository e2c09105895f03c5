/**
 * Making one segment and handing it to IP: header, options, window, checksum offload. tcp-output.ts calls it for
 * data, everything else for pure acknowledgements and resets. What it sends of the write queue is a clone: the
 * headers go into the headroom that the clone shares with the original, which nobody else may be using then.
 * Linux: __tcp_transmit_skb, tcp_send_ack, tcp_send_active_reset in net/ipv4/tcp_output.c.
 */
import { putI32, putU16 } from '../../../base/bytes.ts'
import { pseudoSumWords } from '../../../base/checksum.ts'
import { Errno } from '../../../base/errno.ts'
import type { Time } from '../../../base/time.ts'
import { TIME_MS, TIME_US } from '../../../base/time.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import {
  CHECKSUM_PARTIAL,
  MAX_HEADER,
  SKB_CSUM_OFFSET,
  SKB_CSUM_START,
  SKB_GSO_SEGS,
  SKB_GSO_SIZE,
  SKB_GSO_TYPE,
  SKB_IP_SUMMED,
  SKB_LEN,
  SKB_MARK,
  SKB_TRANSPORT,
  GSO_ACCECN,
  GSO_ECN,
} from '../../../skb/skb.ts'
import type { Skbs } from '../../../skb/skbs.ts'
import { SK_DADDR, SK_DPORT, SK_FAMILY, SK_MARK, SK_NUM, SK_SADDR } from '../../../socket/sock.ts'
import { CHECKSUM, TCP_ACK, TCP_CWR, TCP_PSH, TCP_RST, TCP_SYN } from '../../../wire/tcp.ts'
import * as options from '../../../wire/tcp-options.ts'
import type { TcpTstamp } from './tcp-tstamp.ts'
import { MD5_LEN } from '../../../base/md5.ts'
import type { TcpMd5 } from '../sock/tcp-md5.ts'
import type { TcpCong } from '../cong/tcp-cong.ts'
import { accecnSend, isAccecn } from '../ecn/tcp-accecn.ts'
import type { TcpAccecnOption } from '../ecn/tcp-accecn-option.ts'
import { ecnSend } from '../ecn/tcp-ecn.ts'
import {
  ACK_SCHED,
  ECN_MODE_ACCECN,
  OPT_SACK,
  OPT_TIMESTAMPS,
  OPT_WSCALE,
  TP_ACK_PENDING,
  TP_ADVMSS,
  TP_ATO,
  TP_BYTES_SENT,
  TP_DATA_SEGS_OUT,
  TP_DSACK,
  TP_DSACK_END,
  TP_DSACK_START,
  TP_ECN,
  TP_LRCVTIME,
  TP_LAST_OOW_ACK,
  TP_LSNDTIME,
  TP_COMPRESSED_ACK,
  TP_NUM_SACKS,
  TP_OOW_ACKED,
  TP_OPTS,
  TP_PACING,
  TP_PINGPONG,
  TP_QUICK,
  TP_RCV_NXT,
  TP_RCV_WND,
  TP_RCV_WSCALE,
  TP_SACKS,
  TP_SAW_ACCECN_OPT,
  TP_TOTAL_RETRANS,
  TP_SEGS_OUT,
  TP_SND_NXT,
  TP_SND_UNA,
  TP_TS_OFFSET,
  TP_TS_RECENT,
  TP_MD5,
  TP_URG_OUT,
  TP_WSTAMP_US,
} from '../sock/tcp-sock.ts'
import { add64 } from '../../../base/u64.ts'
import {
  CB_END_SEQ,
  CB_FLAGS,
  CB_SEQ,
  CB_TIME,
  CBF_TCP_FLAGS,
  CBF_TX_FRAME,
} from '../sock/tcp-cb.ts'
import { TCP_ATO_MIN, TCP_DELACK_MAX } from '../sock/tcp-constants.ts'
import { wndEnd } from '../sock/tcp-wnd.ts'
import type { TcpPacing } from './tcp-pacing.ts'
import { putUrgent, urgMode } from './tcp-urgent.ts'
import type { TcpTimers } from '../timer/tcp-timers.ts'
import type { AfOpsOf } from '../../../inet/af-ops.ts'
import type { TcpWindow } from '../rcv/tcp-window.ts'

const HEADER = 20
const IPPROTO_TCP = 6

/** Takes the skb (data at the TCP header) over in every case; 0 or -errno. */

export type TcpTransmit = ReturnType<typeof createTcpTransmit>
type TcpTransmitDeps = {
  arena: Arena
  bank: number
  time: Time
  skbs: Skbs
  timers: TcpTimers
  pacing: TcpPacing
  window: TcpWindow
  afOps: AfOpsOf
  cong: TcpCong
  accecn: TcpAccecnOption
  tstamp: Pick<TcpTstamp, 'passOn'>
  md5: Pick<TcpMd5, 'optionLen' | 'sign'>
}

export const createTcpTransmit = (deps: TcpTransmitDeps) => {
  const { skbs, timers, window, afOps, time, bank, cong, pacing, tstamp, md5, accecn } = deps
  const { i32, u8, f64, layout } = deps.arena
  const { sysctl } = layout
  /** The option of Fast Open that the next SYN has, and no other: a cookie; 0 octets ask for one, -1 are no option. */
  const synCookie = { len: -1, isExp: false, bytes: new Uint8Array(options.FASTOPEN_MAX_COOKIE) }

  /** Our timestamp clock: milliseconds behind a per-connection offset (RFC 7323 5.4, 7.1). */
  const tsval = (sk: number): number => (time[TIME_MS] + i32[sk + TP_TS_OFFSET]) | 0

  /** SACK blocks that the next segment carries. */
  const sackBlocks = (sk: number): number => {
    const count = i32[sk + TP_NUM_SACKS] + i32[sk + TP_DSACK]
    if (count === 0) return 0
    const most = (i32[sk + TP_OPTS] & OPT_TIMESTAMPS) !== 0 ? 3 : 4
    if (i32[sk + TP_MD5] !== 0 && md5.optionLen(sk) !== 0)
      return Math.min(count, most === 3 ? 0 : 2)
    return count > most ? most : count
  }
  const optionsLen = (sk: number): number => {
    const blocks = sackBlocks(sk)
    const stamps = (i32[sk + TP_OPTS] & OPT_TIMESTAMPS) !== 0 ? options.TIMESTAMPS_ALIGNED : 0
    const len =
      md5.optionLen(sk) + stamps + (blocks !== 0 ? options.SACK_BASE_ALIGNED + (blocks << 3) : 0)
    return i32[sk + TP_SAW_ACCECN_OPT] === 0 ? len : accecn.fitEstablished(sk, len, blocks)
  }
  /**
   * With the option of Fast Open, where the next SYN has it, and that of AccECN, which a SYN-ACK has (`isAnswer`) that goes
   * for the first time (RFC 9768 section 3.2.3.2.2).
   */
  const synOptionsLen = (sk: number, isAnswer = false): number => {
    const len = plainSynLen(sk)
    if (!isAnswer || !isAccecn(i32[sk + TP_ECN]) || i32[sk + TP_TOTAL_RETRANS] !== 0)
      return accecn.fitNone(len)
    const opts = i32[sk + TP_OPTS] & (OPT_SACK | OPT_TIMESTAMPS | OPT_WSCALE)
    const nops = (opts & ~OPT_WSCALE) === OPT_SACK ? 2 : (opts & OPT_WSCALE) !== 0 ? 1 : 0
    return accecn.fitSynAck(len, nops)
  }
  const plainSynLen = (sk: number): number => {
    const opts = i32[sk + TP_OPTS]
    const stamps = (opts & OPT_TIMESTAMPS) !== 0
    let len: number = options.MSS_ALIGNED + md5.optionLen(sk)
    if (stamps) len += options.TIMESTAMPS_ALIGNED
    else if ((opts & OPT_SACK) !== 0) len += options.SACK_PERM_ALIGNED
    if ((opts & OPT_WSCALE) !== 0) len += options.WSCALE_ALIGNED
    if (synCookie.len < 0) return len
    const withCookie = len + options.fastopenAligned(synCookie.len, synCookie.isExp)
    if (withCookie <= options.MAX_OPTIONS) return withCookie
    synCookie.len = -1
    return len
  }

  const putSynOptions = (sk: number, start: number): void => {
    const opts = i32[sk + TP_OPTS]
    let at = options.putMss(u8, start, i32[sk + TP_ADVMSS])
    if ((opts & OPT_TIMESTAMPS) !== 0)
      at =
        (opts & OPT_SACK) !== 0
          ? options.putSackPermittedTimestamps(u8, at, tsval(sk), i32[sk + TP_TS_RECENT])
          : options.putTimestamps(u8, at, tsval(sk), i32[sk + TP_TS_RECENT])
    const own = at
    at += accecn.len()
    if ((opts & (OPT_TIMESTAMPS | OPT_SACK)) === OPT_SACK) at = options.putSackPermitted(u8, at)
    if ((opts & OPT_WSCALE) !== 0) at = options.putWscale(u8, at, i32[sk + TP_RCV_WSCALE])
    if (synCookie.len >= 0)
      options.putFastopen(u8, at, synCookie.bytes, synCookie.len, synCookie.isExp)
    synCookie.len = -1
    accecn.put(sk, own)
  }
  const putSacks = (sk: number, start: number, blocks: number): void => {
    let at = options.putSackHeader(u8, start, blocks)
    let left = blocks
    if (i32[sk + TP_DSACK] !== 0) {
      at = options.putSackBlock(u8, at, i32[sk + TP_DSACK_START], i32[sk + TP_DSACK_END])
      i32[sk + TP_DSACK] = 0
      left--
    }
    for (let b = 0; b < left; b++)
      at = options.putSackBlock(u8, at, i32[sk + TP_SACKS + b * 2], i32[sk + TP_SACKS + b * 2 + 1])
  }
  const putOptions = (sk: number, start: number, blocks: number): void => {
    const at = putStamps(sk, start)
    if (blocks !== 0) putSacks(sk, at, blocks)
  }
  /** With AccECN's, as it was fitted; its end may lie over the NOPs in front of SACK's. */
  const putAccecnOptions = (sk: number, start: number): void => {
    const own = putStamps(sk, start)
    if (accecn.sackBlocks() !== 0) putSacks(sk, own + accecn.len(), accecn.sackBlocks())
    accecn.put(sk, own)
  }
  const putStamps = (sk: number, start: number): number =>
    (i32[sk + TP_OPTS] & OPT_TIMESTAMPS) !== 0
      ? options.putTimestamps(u8, start, tsval(sk), i32[sk + TP_TS_RECENT])
      : start

  /** Leaves the pseudo header's sum in the checksum field: the device, or dev_queue_xmit, completes it. */
  const putPartialChecksum = (skb: number, at: number, sk: number): void => {
    const sum = pseudoSumWords(i32, sk + SK_SADDR, sk + SK_DADDR, IPPROTO_TCP, i32[skb + SKB_LEN])
    putU16(u8, at + CHECKSUM, sum)
    i32[skb + SKB_IP_SUMMED] = CHECKSUM_PARTIAL
    i32[skb + SKB_CSUM_START] = at
    i32[skb + SKB_CSUM_OFFSET] = CHECKSUM
  }

  /** ECN's flags besides those that the segment was made with. */
  const ecnOf = (sk: number, skb: number, payload: number, syn: boolean): number => {
    if ((i32[sk + TP_ECN] & ECN_MODE_ACCECN) !== 0) return accecnSend(i32, sk, skb, syn)
    return syn ? 0 : ecnSend(i32, sk, skb, payload, cong.needsEcn(sk))
  }
  /** Whose CWR it is: the first segment's, or part of a number in all of them. */
  const gsoCwr = (ecn: number): number => ((ecn & ECN_MODE_ACCECN) === 0 ? GSO_ECN : GSO_ACCECN)
  /** Pushes the header of the segment that the control block describes, and hands it to IP. */
  const sendSegment = (sk: number, skb: number): number => {
    const payload = i32[skb + SKB_LEN]
    const segs = i32[skb + SKB_GSO_SEGS] > 1 ? i32[skb + SKB_GSO_SEGS] : 1
    // a super-frame ends a burst: nothing is gained by waiting for what follows it
    let flags = (i32[skb + CB_FLAGS] & CBF_TCP_FLAGS) | (segs > 1 ? TCP_PSH : 0)
    const syn = (flags & TCP_SYN) !== 0
    if (i32[sk + TP_ECN] !== 0) flags |= ecnOf(sk, skb, payload, syn)
    const isAnswer = (flags & TCP_ACK) !== 0
    const headerLen = HEADER + (syn ? synOptionsLen(sk, isAnswer) : optionsLen(sk))
    const signature = i32[sk + TP_MD5] === 0 ? 0 : md5.optionLen(sk)
    const at = skbs.push(skb, headerLen)
    i32[skb + SKB_TRANSPORT] = at
    putU16(u8, at, i32[sk + SK_NUM])
    putU16(u8, at + 2, i32[sk + SK_DPORT])
    putI32(u8, at + 4, i32[skb + CB_SEQ])
    putI32(u8, at + 8, (flags & TCP_ACK) !== 0 ? i32[sk + TP_RCV_NXT] : 0)
    putU16(u8, at + 12, (headerLen << 10) | flags)
    putU16(u8, at + 14, syn ? Math.min(i32[sk + TP_RCV_WND], 65535) : window.selectWindow(sk))
    putU16(u8, at + 18, 0)
    if (i32[sk + TP_URG_OUT] !== 0 && urgMode(i32, sk))
      putUrgent(i32, u8, sk, i32[skb + CB_SEQ], at)
    if (syn) putSynOptions(sk, at + HEADER + signature)
    else if (i32[sk + TP_SAW_ACCECN_OPT] !== 0) putAccecnOptions(sk, at + HEADER + signature)
    else putOptions(sk, at + HEADER + signature, sackBlocks(sk))
    if (signature !== 0) {
      const end = options.putMd5(u8, at + HEADER)
      md5.sign(sk, at, i32[skb + SKB_LEN], end - MD5_LEN)
    }
    putPartialChecksum(skb, at, sk)
    i32[skb + SKB_MARK] = i32[sk + SK_MARK]
    const ops = afOps(i32[sk + SK_FAMILY])
    if (i32[skb + SKB_GSO_SIZE] !== 0)
      i32[skb + SKB_GSO_TYPE] =
        (flags & TCP_CWR) === 0 ? ops.tsoType : ops.tsoType | gsoCwr(i32[sk + TP_ECN])
    if (i32[sk + TP_PACING] === 0) i32[sk + TP_WSTAMP_US] = time[TIME_US]
    if ((flags & TCP_ACK) !== 0) eventAckSent(sk)
    if (payload !== 0) eventDataSent(sk, payload, segs)
    i32[sk + TP_SEGS_OUT] += segs
    f64[bank + Mib.TcpOutSegs] += segs
    // filled by ipv4/af-inet.ts: ipQueueXmit (ipv4/ip-output.ts)
    return ops.queueXmit(skb, sk)
  }

  /** Of those that are not delayed, it is one, if it acknowledges something new (tcp_dec_quickack_mode). */
  const eventAckSent = (sk: number): void => {
    const quick = i32[sk + TP_QUICK]
    if (quick !== 0 && (i32[sk + TP_ACK_PENDING] & ACK_SCHED) !== 0) {
      i32[sk + TP_QUICK] = quick - 1
      if (quick === 1) i32[sk + TP_ATO] = TCP_ATO_MIN
    }
    timers.clearDelackTimer(sk)
    if (i32[sk + TP_COMPRESSED_ACK] !== 0) compressedAckSent(sk)
  }
  /** It tells of all that wait. */
  const compressedAckSent = (sk: number): void => {
    f64[bank + Mib.TcpExtTCPAckCompressed] += i32[sk + TP_COMPRESSED_ACK]
    i32[sk + TP_COMPRESSED_ACK] = 0
    timers.clearCompressedAckTimer(sk)
  }
  /** Data soon after data makes the session interactive: acknowledgements ride on answers. */
  const eventDataSent = (sk: number, payload: number, segs: number): void => {
    const now = time[TIME_MS]
    i32[sk + TP_LSNDTIME] = now
    if (((now - i32[sk + TP_LRCVTIME]) | 0) < i32[sk + TP_ATO]) i32[sk + TP_PINGPONG] = 1
    i32[sk + TP_DATA_SEGS_OUT] += segs
    add64(i32, sk + TP_BYTES_SENT, payload)
  }

  /**
   * Sends an skb of the write queue, which keeps it. A clone is enough while nobody else holds its bytes; else
   * (a retransmission overtakes the original in a queue below) it must be a copy.
   */
  const transmitClone = (sk: number, skb: number): number => {
    const twin = skbs.isShared(skb) ? skbs.copy(skb, MAX_HEADER) : skbs.clone(skb)
    if (twin === 0) return -Errno.ENOBUFS
    skbs.setSender(twin, sk)
    if ((i32[skb + CB_FLAGS] & CBF_TX_FRAME) !== 0) tstamp.passOn(skb, twin)
    i32[skb + CB_TIME] = time[TIME_US]
    if (i32[sk + TP_PACING] !== 0) return sendPaced(sk, twin)
    return sendSegment(sk, twin)
  }
  const sendPaced = (sk: number, twin: number): number => {
    const len = i32[twin + SKB_LEN]
    const due = pacing.departure(sk)
    const err = sendSegment(sk, twin)
    if (err >= 0) pacing.departed(sk, len, due)
    return err
  }

  /** An empty skb with `flags` at sequence `seq`; 0 when out of memory. */
  const emptySegment = (seq: number, flags: number): number => {
    const skb = skbs.alloc(0, MAX_HEADER)
    if (skb === 0) return 0
    i32[skb + CB_SEQ] = seq
    i32[skb + CB_END_SEQ] = seq
    i32[skb + CB_FLAGS] = flags
    return skb
  }

  /** Sequence that a segment without data may use even when the window has shrunk, by more than its scale rounds. */
  const acceptableSeq = (sk: number): number => {
    const end = wndEnd(i32, sk)
    const next = i32[sk + TP_SND_NXT]
    const beyond = (next - end) | 0
    if (beyond <= 0) return next
    const isScaled = (i32[sk + TP_OPTS] & OPT_WSCALE) !== 0
    return isScaled && beyond < 1 << i32[sk + TP_RCV_WSCALE] ? next : end
  }

  const sendAck = (sk: number): void => sendAckWith(sk, 0)
  /** With these flags as well. */
  const sendAckWith = (sk: number, flags: number): void => {
    const skb = emptySegment(acceptableSeq(sk), TCP_ACK | flags)
    if (skb === 0) {
      i32[sk + TP_ACK_PENDING] |= ACK_SCHED
      timers.resetDelackTimer(sk, (time[TIME_MS] + TCP_DELACK_MAX) | 0)
      return
    }
    sendSegment(sk, skb)
  }

  /**
   * A segment that makes the peer answer: an old sequence number (keepalive, zero window probe), or, with what is urgent to
   * point at (`urgent` 1), the first that is not acknowledged (tcp_xmit_probe_skb).
   */
  const sendProbe = (sk: number, urgent: 0 | 1 = 0): number => {
    const skb = emptySegment((i32[sk + TP_SND_UNA] - 1 + urgent) | 0, TCP_ACK)
    return skb === 0 ? -Errno.ENOBUFS : sendSegment(sk, skb)
  }

  const sendActiveReset = (sk: number): void => {
    f64[bank + Mib.TcpOutRsts]++
    const skb = emptySegment(acceptableSeq(sk), TCP_ACK | TCP_RST)
    if (skb === 0) f64[bank + Mib.TcpExtTCPAbortFailed]++
    else sendSegment(sk, skb)
  }

  /**
   * RFC 5961 section 7: true when the segment, which is out of place, is not to be answered now. What carries text or a FIN
   * is no part of a storm of acknowledgements, and always answered.
   */
  const oowRateLimited = (sk: number, skb: number, mib: number): boolean => {
    const isEmpty = i32[skb + CB_SEQ] === i32[skb + CB_END_SEQ]
    return (isEmpty || (i32[skb + CB_FLAGS] & TCP_SYN) !== 0) && answersLimited(sk, mib)
  }
  /** The same for any segment. */
  const answersLimited = (sk: number, mib: number): boolean => {
    const now = time[TIME_MS]
    if (i32[sk + TP_OOW_ACKED] !== 0) {
      const elapsed = (now - i32[sk + TP_LAST_OOW_ACK]) | 0
      if (elapsed >= 0 && elapsed < i32[sysctl + Sysctl.tcp_invalid_ratelimit]) {
        f64[bank + mib]++
        return true
      }
    }
    i32[sk + TP_LAST_OOW_ACK] = now
    i32[sk + TP_OOW_ACKED] = 1
    return false
  }

  return {
    synCookie,
    synOptionsLen,
    tsval,
    sackBlocks,
    optionsLen,
    sendSegment,
    transmitClone,
    emptySegment,
    acceptableSeq,
    sendAck,
    sendAckWith,
    sendProbe,
    sendActiveReset,
    oowRateLimited,
    answersLimited,
  }
}
