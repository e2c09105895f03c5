/**
 * What an acknowledgement says of congestion marks, by either kind of ECN. Called by tcp-ack.ts on the worker.
 * Linux: tcp_ecn_rcv_ecn_echo, tcp_accecn_process, tcp_count_delivered_ce; RFC 3168 section 6.1.2, RFC 9768 section 3.2.2.
 */
import { Mib } from '../../../shm/counters.ts'
import { OPT_SEEN, OPT_TSVAL, SEEN_TIMESTAMPS } from '../../../wire/tcp-options.ts'
import { TCP_ECE, TCP_SYN } from '../../../wire/tcp.ts'
import { SK_STATE, TCP_SYN_RECV } from '../../../socket/sock.ts'
import { FLAG_DATA_SACKED, FLAG_ECE, FLAG_SND_UNA_ADVANCED } from '../ack/tcp-ack-constants.ts'
import { ACKED_SACKED_BYTES, type TcpCleanRtxQueue } from '../ack/tcp-clean-rtx-queue.ts'
import type { TcpAccecnAce } from './tcp-accecn-ace.ts'
import { isAccecn } from './tcp-accecn.ts'
import type { TcpSacktag } from '../ack/tcp-sacktag.ts'
import { CB_FLAGS } from '../sock/tcp-cb.ts'
import {
  ECN_MODE_RFC3168,
  ECN_NO_ACE,
  TP_DELIVERED_CE,
  TP_ECN,
  TP_SND_UNA,
  TP_TS_RECENT,
} from '../sock/tcp-sock.ts'

export type TcpAckEcn = ReturnType<typeof createTcpAckEcn>
type TcpAckEcnDeps = {
  i32: Int32Array
  f64: Float64Array
  bank: number
  accecn: TcpAccecnAce
  sacktag: Pick<TcpSacktag, 'sackBytes'>
} & Pick<TcpCleanRtxQueue, 'acked'>

export const createTcpAckEcn = (deps: TcpAckEcnDeps) => {
  const { i32, f64, bank, accecn, sacktag, acked } = deps

  /** The ACE field of the acknowledgement being processed is to be looked at; its stamp shows that it is newer than others. */
  let isAce = false
  let isNewer = false

  /** AccECN counts from the handshake on. */
  const hasAce = (sk: number, skb: number): boolean =>
    isAccecn(i32[sk + TP_ECN]) && (i32[skb + CB_FLAGS] & TCP_SYN) === 0
  const isStampNewer = (sk: number, opts: Int32Array): boolean =>
    (opts[OPT_SEEN] & SEEN_TIMESTAMPS) !== 0 && ((opts[OPT_TSVAL] - i32[sk + TP_TS_RECENT]) | 0) > 0
  /** A segment with an acknowledgement has come, however old; its stamp is not the socket's yet. */
  const beginEcn = (sk: number, skb: number, opts: Int32Array): void => {
    isAce = hasAce(sk, skb)
    if (!isAce) return
    accecn.received(sk, skb)
    isNewer = isStampNewer(sk, opts)
  }

  const countMarked = (sk: number, marked: number): void => {
    i32[sk + TP_DELIVERED_CE] += marked
    f64[bank + Mib.TcpExtTCPDeliveredCE] += marked
  }
  // `una`: snd_una before the acknowledgement; `segs`: how many segments it delivers. They return FLAG_ECE or 0.

  /**
   * What the ACE field says, if the acknowledgement is known to be newer than those before it: it says something new, or its
   * stamp does (RFC 9768 section 3.2.2.5.2). In that of our SYN-ACK it says something else.
   */
  const takeAce = (
    sk: number,
    skb: number,
    opts: Int32Array,
    una: number,
    flags: number,
    segs: number
  ): number => {
    if (!isAce) return 0
    if (!isNewer && (flags & (FLAG_SND_UNA_ADVANCED | FLAG_DATA_SACKED)) === 0) return 0
    if ((i32[sk + TP_ECN] & ECN_NO_ACE) !== 0 || i32[sk + SK_STATE] === TCP_SYN_RECV) return 0
    const sacked = (flags & FLAG_DATA_SACKED) !== 0 ? sacktag.sackBytes() : 0
    const bytes = ((i32[sk + TP_SND_UNA] - una) | 0) + sacked - acked[ACKED_SACKED_BYTES]
    const marked = accecn.marked(sk, skb, opts, segs, bytes)
    if (marked === 0) return 0
    countMarked(sk, marked)
    return FLAG_ECE
  }
  /** RFC 3168: a mark is echoed for all that is delivered until we have answered; a SYN's ECE is of the handshake. */
  const takeEce = (sk: number, skb: number, segs: number): number => {
    if ((i32[skb + CB_FLAGS] & (TCP_ECE | TCP_SYN)) !== TCP_ECE) return 0
    if ((i32[sk + TP_ECN] & ECN_MODE_RFC3168) === 0) return 0
    countMarked(sk, segs)
    return FLAG_ECE
  }

  /** Either. */
  const takeMarks = (
    sk: number,
    skb: number,
    opts: Int32Array,
    una: number,
    flags: number,
    segs: number
  ): number => (isAce ? takeAce(sk, skb, opts, una, flags, segs) : takeEce(sk, skb, segs))

  return { beginEcn, takeAce, takeMarks }
}
