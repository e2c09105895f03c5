/**
 * Windows: the right edge of the peer's, what is left of ours, and which segment moves the former. Linux: include/net/tcp.h.
 */
import { SKB_LEN } from '../../../skb/skb.ts'
import { CB_END_SEQ, CB_SEQ } from './tcp-cb.ts'
import {
  TP_RCV_NXT,
  TP_RCV_WND,
  TP_RCV_WUP,
  TP_SND_UNA,
  TP_SND_WL1,
  TP_SND_WND,
} from './tcp-sock.ts'

/** Right edge of the send window. */
export const wndEnd = (i32: Int32Array, sk: number): number =>
  (i32[sk + TP_SND_UNA] + i32[sk + TP_SND_WND]) | 0

/** There is room in the window for the skb, or its first segment, where a FIN takes an octet's (tcp_snd_wnd_test). */
export const fitsWindow = (i32: Int32Array, sk: number, skb: number, mss: number): boolean => {
  const end = i32[skb + SKB_LEN] > mss ? i32[skb + CB_SEQ] + mss : i32[skb + CB_END_SEQ]
  return ((end - wndEnd(i32, sk)) | 0) <= 0
}

/** RFC 9293 3.10.7.4: a segment that acknowledges nothing new sets the window if it is newer, or says more or none. */
export const mayUpdateWindow = (i32: Int32Array, sk: number, seq: number, wnd: number): boolean => {
  const after = (seq - i32[sk + TP_SND_WL1]) | 0
  return after > 0 || (after === 0 && (wnd > i32[sk + TP_SND_WND] || wnd === 0))
}

/** Room of the window that was last advertised. */
export const receiveWindow = (i32: Int32Array, sk: number): number => {
  const left = (i32[sk + TP_RCV_WUP] + i32[sk + TP_RCV_WND] - i32[sk + TP_RCV_NXT]) | 0
  return left < 0 ? 0 : left
}
