/**
 * What a socket's congestion window and the segments in the network say. Linux: include/net/tcp.h.
 */
import {
  TCP_CA_CWR,
  TCP_CA_RECOVERY,
  TP_CA_STATE,
  TP_LOST_OUT,
  TP_PACKETS_OUT,
  TP_RETRANS_OUT,
  TP_SACKED_OUT,
  TP_SND_CWND,
  TP_SND_SSTHRESH,
} from '../sock/tcp-sock.ts'

/** Segments that the network holds now (RFC 6675's pipe, counted as Linux does). */
export const packetsInFlight = (i32: Int32Array, sk: number): number =>
  i32[sk + TP_PACKETS_OUT] -
  (i32[sk + TP_SACKED_OUT] + i32[sk + TP_LOST_OUT]) +
  i32[sk + TP_RETRANS_OUT]

/** The window is being reduced, a segment or none for each one delivered (tcp-prr.ts). */
export const inCwndReduction = (i32: Int32Array, sk: number): boolean =>
  i32[sk + TP_CA_STATE] === TCP_CA_CWR || i32[sk + TP_CA_STATE] === TCP_CA_RECOVERY

/** Slow start threshold that would stand for the window now (tcp_current_ssthresh). */
export const currentSsthresh = (i32: Int32Array, sk: number): number => {
  const cwnd = i32[sk + TP_SND_CWND]
  if (inCwndReduction(i32, sk)) return i32[sk + TP_SND_SSTHRESH]
  return Math.max(i32[sk + TP_SND_SSTHRESH], (cwnd >> 1) + (cwnd >> 2))
}
