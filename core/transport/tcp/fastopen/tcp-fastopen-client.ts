/**
 * Fast Open of those who connect: the SYN asks for a cookie, or has one and text with it, and what its SYN-ACK says of both
 * is remembered. The text lies behind the SYN in the write queue as a segment of its own, so what is sent again is a plain
 * SYN, and what is not acknowledged with it goes at once when that is answered. connect/ calls it with SYNs,
 * tcp-handshake.ts with SYN-ACKs, on the worker. Linux: tcp_send_syn_data, tcp_rcv_fastopen_synack; RFC 7413 section 4.
 */
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import type { ConsumeFn } from '../../../skb/drop.ts'
import { SKB_DATA, SKB_END, SKB_LEN, SKB_TAIL } from '../../../skb/skb.ts'
import type { Skbs } from '../../../skb/skbs.ts'
import { extHdrLen } from '../../../socket/inet-sock.ts'
import { SK_FAMILY, SK_MTU } from '../../../socket/sock.ts'
import { MIN_HEADER, TCP_ACK, TCP_PSH } from '../../../wire/tcp.ts'
import {
  fastopenAligned,
  MAX_OPTIONS,
  OPT_FASTOPEN_AT,
  OPT_FASTOPEN_LEN,
  OPT_MSS,
  OPT_SEEN,
  SEEN_FASTOPEN,
  SEEN_FASTOPEN_EXP,
  SEEN_MSS,
} from '../../../wire/tcp-options.ts'
import type { AfOpsOf } from '../../../inet/af-ops.ts'
import type { TcpPaws } from '../rcv/tcp-paws.ts'
import type { TcpPrune } from '../rcv/tcp-prune.ts'
import type { TcpRate } from '../ack/tcp-rate.ts'
import type { TcpSimpleRetransmit } from '../rec/tcp-simple-retransmit.ts'
import type { TcpChrono } from '../snd/tcp-chrono.ts'
import type { TcpMss } from '../snd/tcp-mss.ts'
import type { TcpRetransmit } from '../snd/tcp-retransmit.ts'
import type { TcpTransmit } from '../snd/tcp-transmit.ts'
import type { TcpWriteQueue } from '../snd/tcp-write-queue.ts'
import type { FastopenActive } from './tcp-fastopen-active.ts'
import type { TcpMem } from '../sock/tcp-mem.ts'
import {
  type TcpMetricsCache,
  TM_COOKIE_EXP,
  TM_COOKIE_LEN,
  TM_MSS,
  TM_SYN_LOSS,
  TM_TRY_EXP,
} from './tcp-metrics-cache.ts'
import {
  CHRONO_BUSY,
  FO_CONNECT,
  FO_NO_COOKIE,
  FO_SYN,
  FO_SYN_DATA,
  FO_SYN_DATA_ACKED,
  FO_SYN_EXP,
  TP_ADVMSS,
  TP_DELIVERED,
  TP_FASTOPEN,
  TP_MSS_CLAMP,
  TP_PACKETS_OUT,
  TP_SEND_HEAD,
  TP_SND_NXT,
  TP_TOTAL_RETRANS,
  TP_USER_MSS,
  TP_WRITE_SEQ,
} from '../sock/tcp-sock.ts'
import { CB_END_SEQ, CB_FLAGS, CB_SEQ, CB_TIME } from '../sock/tcp-cb.ts'
import { TFO_CLIENT_NO_COOKIE } from '../sock/tcp-constants.ts'
import type { TcpFastopen } from './tcp-fastopen.ts'

/** Every segment of the queue is lost, whatever its size. */
const ALL = -1

export type FastopenClient = ReturnType<typeof createFastopenClient>
type FastopenClientDeps = {
  arena: Arena
  bank: number
  skbs: Skbs
  consume: ConsumeFn
  mem: TcpMem
  mss: TcpMss
  transmit: TcpTransmit
  queue: TcpWriteQueue
  rate: TcpRate
  retransmission: Pick<TcpRetransmit, 'xmitRetransmitQueue'>
  chrono: TcpChrono
  simple: Pick<TcpSimpleRetransmit, 'simpleRetransmit'>
  paws: TcpPaws
  prune: Pick<TcpPrune, 'mayHold'>
  fastopen: Pick<TcpFastopen, 'hasText' | 'takeText'>
  fastopenActive: FastopenActive
  metrics: TcpMetricsCache
  afOps: AfOpsOf
}

export const createFastopenClient = (deps: FastopenClientDeps) => {
  const { bank, skbs, mem, mss, transmit, queue, rate, simple, metrics, afOps } = deps
  const { fastopenActive, fastopen, prune, consume } = deps
  const { options: opts } = deps.paws
  const { chronoStart } = deps.chrono
  const { i32, u8, f64, layout } = deps.arena
  const { sysctl } = layout
  const { synCookie } = transmit

  const needsNoCookie = (sk: number): boolean =>
    (i32[sysctl + Sysctl.tcp_fastopen] & TFO_CLIENT_NO_COOKIE) !== 0 ||
    (i32[sk + TP_FASTOPEN] & FO_NO_COOKIE) !== 0
  const hasCookie = (sk: number): boolean => {
    const e = metrics.find(sk)
    return e >= 0 && metrics.table[e + TM_COOKIE_LEN] !== 0
  }
  /** May the SYN have text (tcp_fastopen_cookie_check)? */
  const maySendText = (sk: number): boolean =>
    !fastopenActive.isDisabled(sk) && (needsNoCookie(sk) || hasCookie(sk))
  /** TCP_FASTOPEN_CONNECT: connect() leaves the SYN to the first write. */
  const mayDefer = (sk: number): boolean =>
    (i32[sk + TP_FASTOPEN] & FO_CONNECT) !== 0 && maySendText(sk)

  /** The cookie for the SYN, or the wish for one; none where none is needed, or where it is not to be used now. */
  const loadCookie = (sk: number): void => {
    synCookie.len = -1
    if (fastopenActive.isDisabled(sk) || needsNoCookie(sk)) return
    const e = metrics.find(sk)
    const len = e < 0 ? 0 : metrics.table[e + TM_COOKIE_LEN]
    const tryExp = e >= 0 && len === 0 && metrics.table[e + TM_TRY_EXP] === 1
    const isExp = tryExp || (e >= 0 && metrics.table[e + TM_COOKIE_EXP] !== 0)
    if (transmit.synOptionsLen(sk) + fastopenAligned(len, isExp) > MAX_OPTIONS) return
    synCookie.len = len
    synCookie.isExp = isExp
    for (let k = 0; k < len; k++) synCookie.bytes[k] = metrics.cookies[metrics.cookieAt(e) + k]
    i32[sk + TP_FASTOPEN] |= isExp ? FO_SYN | FO_SYN_EXP : FO_SYN
  }
  /**
   * What goes into a SYN: by the segments that the peer took last, the path, and TCP_MAXSEG, with room for options that the
   * way may add.
   */
  const roomInSyn = (sk: number): number => {
    const e = metrics.find(sk)
    const known = e < 0 ? 0 : metrics.table[e + TM_MSS]
    const user = i32[sk + TP_USER_MSS]
    const clamp = known !== 0 ? known : i32[sk + TP_ADVMSS]
    i32[sk + TP_MSS_CLAMP] = user !== 0 && user < clamp ? user : clamp
    mss.syncMss(sk)
    const path = i32[sk + SK_MTU] - afOps(i32[sk + SK_FAMILY]).headerLen - MIN_HEADER
    return Math.min(path, i32[sk + TP_MSS_CLAMP]) - extHdrLen(i32, sk) - MAX_OPTIONS
  }

  /** Sends `syn`, which lies in the queue, with the option. */
  const sendSyn = (sk: number, syn: number): void => {
    loadCookie(sk)
    transmit.transmitClone(sk, syn)
  }
  /**
   * As sendSyn, with what fits of `len` octets, which `copy(to, n)` brings; how many went with it. Where they may not, the
   * SYN asks for a cookie.
   */
  const sendSynData = (
    sk: number,
    syn: number,
    len: number,
    copy: (to: number, n: number) => void
  ): number => {
    const data = len !== 0 && maySendText(sk) ? textSegment(sk, syn, len) : 0
    if (data === 0) {
      sendSyn(sk, syn)
      return 0
    }
    const n = i32[data + SKB_LEN]
    copy(i32[data + SKB_DATA], n)
    loadCookie(sk)
    rate.rateSent(sk, data)
    i32[sk + TP_PACKETS_OUT]++
    i32[sk + TP_SEND_HEAD] = 0
    const err = transmit.transmitClone(sk, data)
    i32[syn + CB_TIME] = i32[data + CB_TIME]
    // the queue has the SYN as a segment of its own
    i32[data + CB_SEQ]++
    i32[data + CB_FLAGS] = TCP_ACK | TCP_PSH
    if (err < 0) {
      // it did not go: the SYN alone is tried, and this is new once that is answered
      i32[sk + TP_PACKETS_OUT]--
      i32[sk + TP_SEND_HEAD] = data
      sendSyn(sk, syn)
      return n
    }
    queue.sentLast(sk, data)
    i32[sk + TP_SND_NXT] = i32[sk + TP_WRITE_SEQ]
    i32[sk + TP_FASTOPEN] |= FO_SYN_DATA
    f64[bank + Mib.TcpExtTCPOrigDataSent]++
    chronoStart(sk, CHRONO_BUSY)
    return n
  }
  /** A segment behind the SYN, looking like it, as long as what goes; 0 when there is no memory. */
  const textSegment = (sk: number, syn: number, len: number): number => {
    const wanted = Math.min(len, roomInSyn(sk))
    if (wanted <= 0) return 0
    const data = mem.allocSend(sk, wanted)
    if (data <= 0) return 0
    const n = Math.min(wanted, i32[data + SKB_END] - i32[data + SKB_TAIL])
    skbs.put(data, n)
    i32[data + CB_SEQ] = i32[syn + CB_SEQ]
    i32[data + CB_END_SEQ] = (i32[syn + CB_END_SEQ] + n) | 0
    i32[data + CB_FLAGS] = i32[syn + CB_FLAGS]
    queue.setTsoSegs(data, n)
    queue.append(sk, data)
    i32[sk + TP_WRITE_SEQ] = i32[data + CB_END_SEQ]
    return data
  }

  /** What the SYN-ACK, whose options are parsed, tells of Fast Open to its peer (RFC 7413 section 4.1.3). */
  const remember = (sk: number, isUnacked: boolean): void => {
    const { table, cookies } = metrics
    const flags = i32[sk + TP_FASTOPEN]
    const e = metrics.entryFor(sk)
    const isAnswered = (opts[OPT_SEEN] & SEEN_FASTOPEN) !== 0
    if ((opts[OPT_SEEN] & SEEN_MSS) !== 0 && opts[OPT_MSS] !== 0) table[e + TM_MSS] = opts[OPT_MSS]
    const asked = (flags & FO_SYN) !== 0
    if (asked && isAnswered && opts[OPT_FASTOPEN_LEN] > 0) {
      const len = opts[OPT_FASTOPEN_LEN]
      table[e + TM_COOKIE_LEN] = len
      table[e + TM_COOKIE_EXP] = (opts[OPT_SEEN] & SEEN_FASTOPEN_EXP) !== 0 ? 1 : 0
      for (let k = 0; k < len; k++) cookies[metrics.cookieAt(e) + k] = u8[opts[OPT_FASTOPEN_AT] + k]
    } else if (
      asked &&
      !isAnswered &&
      i32[sk + TP_TOTAL_RETRANS] === 0 &&
      (flags & FO_SYN_DATA) === 0 &&
      table[e + TM_COOKIE_LEN] === 0
    ) {
      // the old number of the option is tried once
      const tried = (flags & FO_SYN_EXP) !== 0 ? 2 : 1
      table[e + TM_TRY_EXP] = Math.max(table[e + TM_TRY_EXP], tried)
    }
    const isLost = asked && i32[sk + TP_TOTAL_RETRANS] !== 0 && !isAnswered && isUnacked
    table[e + TM_SYN_LOSS] = isLost ? table[e + TM_SYN_LOSS] + 1 : 0
  }
  /**
   * The SYN-ACK, which is taken over, is that of a SYN with the option, or with text. True when text of ours was not
   * acknowledged: it has gone again, and that answers. Else what text the SYN-ACK has is the connection's first.
   */
  const synAck = (sk: number, skb: number): boolean => {
    const hadText = (i32[sk + TP_FASTOPEN] & FO_SYN_DATA) !== 0
    const isUnacked = hadText && queue.rtxHead(sk) !== 0
    remember(sk, isUnacked)
    if (isUnacked) {
      simple.simpleRetransmit(sk, ALL)
      deps.retransmission.xmitRetransmitQueue(sk)
      f64[bank + Mib.TcpExtTCPFastOpenActiveFail]++
      consume(skb)
      return true
    }
    if (hadText) {
      i32[sk + TP_FASTOPEN] |= FO_SYN_DATA_ACKED
      f64[bank + Mib.TcpExtTCPFastOpenActive]++
      // SYN and text were one segment
      if (i32[sk + TP_DELIVERED] > 1) i32[sk + TP_DELIVERED]--
    }
    if (fastopen.hasText(skb) && prune.mayHold(sk, skb)) fastopen.takeText(sk, skb)
    else consume(skb)
    return false
  }

  return { mayDefer, sendSyn, sendSynData, synAck }
}
