/**
 * The SYN-ACK and what it waits for: for request sockets (tcp-check-req.ts), and for connections that their SYN alone has made
 * (tcp-fastopen.ts). On the worker. Linux: tcp_v4_send_synack, tcp_rtx_synack, tcp_check_req.
 */
import type { Time } from '../../../base/time.ts'
import { TIME_MS, TIME_US } from '../../../base/time.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import { SK_CREATED } from '../../../socket/sock.ts'
import { TCP_ACK, TCP_SYN } from '../../../wire/tcp.ts'
import { OPT_SEEN, OPT_TSECR, SEEN_TIMESTAMPS } from '../../../wire/tcp-options.ts'
import { accecnSynAckFlags } from '../ecn/tcp-accecn.ts'
import { rttEstimator, setRto, stampRttUs, updateMinRtt } from '../ack/tcp-rtt.ts'
import type { TcpTransmit } from '../snd/tcp-transmit.ts'
import {
  OPT_TIMESTAMPS,
  TP_BACKOFF,
  TP_OPTS,
  TP_LSNDTIME,
  TP_RCV_NXT,
  TP_RCV_WND,
  TP_SND_ISN,
  TP_TOTAL_RETRANS,
} from '../sock/tcp-sock.ts'
import { CB_END_SEQ, CB_SEQ } from '../sock/tcp-cb.ts'

/** Some of it lies in the window, or it is empty at its edge (tcp_in_window). */
export const isWithin = (seq: number, end: number, next: number, window: number): boolean => {
  if (seq === next) return true
  const edge = (next + window) | 0
  if (((end - next) | 0) > 0 && ((seq - edge) | 0) < 0) return true
  return seq === edge && seq === end
}

export type TcpSynack = ReturnType<typeof createTcpSynack>
type TcpSynackDeps = { arena: Arena; bank: number; time: Time; transmit: TcpTransmit }

export const createTcpSynack = ({ arena, bank, time, transmit }: TcpSynackDeps) => {
  const { i32, f64 } = arena

  const sendSynAck = (req: number): void => {
    const flags = TCP_SYN | TCP_ACK | accecnSynAckFlags(i32, req)
    const skb = transmit.emptySegment(i32[req + TP_SND_ISN], flags)
    i32[req + TP_LSNDTIME] = time[TIME_MS]
    if (skb !== 0) transmit.sendSegment(req, skb)
  }
  const retransmitSynAck = (req: number): void => {
    f64[bank + Mib.TcpRetransSegs]++
    f64[bank + Mib.TcpExtTCPSynRetrans]++
    i32[req + TP_TOTAL_RETRANS]++
    sendSynAck(req)
  }

  const inWindow = (req: number, skb: number): boolean =>
    isWithin(i32[skb + CB_SEQ], i32[skb + CB_END_SEQ], i32[req + TP_RCV_NXT], i32[req + TP_RCV_WND])
  const mayAnswer = (req: number, skb: number): boolean =>
    !transmit.oowRateLimited(req, skb, Mib.TcpExtTCPACKSkippedSynRecv)

  /** The round trip from the SYN-ACK to its ACK, by the stamp that this echoes when there was more than one (Karn). */
  const sampleRtt = (req: number, opts: Int32Array): void => {
    if (i32[req + TP_TOTAL_RETRANS] !== 0) sampleStamp(req, opts)
    else noteRtt(req, (time[TIME_US] - i32[req + SK_CREATED]) | 0)
  }
  /** By the stamp alone, if there is one (tcp_synack_rtt_meas). */
  const sampleStamp = (sk: number, opts: Int32Array): void => {
    const isStamped =
      (i32[sk + TP_OPTS] & OPT_TIMESTAMPS) !== 0 && (opts[OPT_SEEN] & SEEN_TIMESTAMPS) !== 0
    if (!isStamped || opts[OPT_TSECR] === 0) return
    const us = stampRttUs((transmit.tsval(sk) - opts[OPT_TSECR]) | 0)
    if (us >= 0) noteRtt(sk, us)
  }
  const noteRtt = (sk: number, us: number): void => {
    updateMinRtt(i32, sk, us)
    rttEstimator(i32, sk, us)
    setRto(i32, sk)
    i32[sk + TP_BACKOFF] = 0
  }

  return { sendSynAck, retransmitSynAck, inWindow, mayAnswer, sampleRtt, sampleStamp }
}
