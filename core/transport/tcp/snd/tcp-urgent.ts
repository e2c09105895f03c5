/**
 * Urgent data as it goes out: while what was sent with MSG_OOB is not acknowledged, segments up to it point behind it. On the
 * worker. Linux: tcp_urg_mode, tcp_mark_urg, __tcp_transmit_skb; RFC 9293 3.8.5, RFC 6093.
 */
import { TCP_URG } from '../../../wire/tcp.ts'
import * as tcp from '../../../wire/tcp.ts'
import { TP_SND_NXT, TP_SND_UNA, TP_SND_UP, TP_URG_OUT, TP_WRITE_SEQ } from '../sock/tcp-sock.ts'

/** As far as a pointer of 16 bits reaches. */
const FAR = 0xffff

/** All that was written so far is urgent. */
export const markUrgent = (i32: Int32Array, sk: number): void => {
  i32[sk + TP_SND_UP] = i32[sk + TP_WRITE_SEQ]
  i32[sk + TP_URG_OUT] = 1
}
/** Something urgent is not acknowledged. */
export const urgMode = (i32: Int32Array, sk: number): boolean => {
  if (i32[sk + TP_URG_OUT] === 0) return false
  if (((i32[sk + TP_SND_UP] - i32[sk + TP_SND_UNA]) | 0) > 0) return true
  i32[sk + TP_URG_OUT] = 0
  return false
}
/** The urgent pointer of a segment from `seq`, whose header is at `th`. */
export const putUrgent = (
  i32: Int32Array,
  mem: Uint8Array,
  sk: number,
  seq: number,
  th: number
): void => {
  const ahead = (i32[sk + TP_SND_UP] - seq) | 0
  if (ahead <= 0) return
  // beyond its reach it says so much, unless the segment is further from what was sent last than that
  if (ahead > FAR && ((seq + FAR - i32[sk + TP_SND_NXT]) | 0) <= 0) return
  tcp.setUrgent(mem, th, Math.min(ahead, FAR))
  tcp.setFlags(mem, th, tcp.flags(mem, th) | TCP_URG)
}
