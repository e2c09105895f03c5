/**
 * What an acknowledgement says of the peer's window, and how far it has come. Called by tcp-ack.ts on the worker.
 * Linux: tcp_ack_update_window, tcp_snd_una_update; RFC 9293 section 3.10.7.4.
 */
import type { Bytes } from '../../../base/bytes.ts'
import { add64 } from '../../../base/u64.ts'
import { SKB_TRANSPORT } from '../../../skb/skb.ts'
import * as tcp from '../../../wire/tcp.ts'
import { TCP_SYN } from '../../../wire/tcp.ts'
import { SK_FLAGS } from '../../../socket/sock.ts'
import type { TcpCwndValidate } from '../cong/tcp-cwnd-validate.ts'
import type { TcpMss } from '../snd/tcp-mss.ts'
import { SOCK_UNPREDICTED } from '../sock/sock-flags.ts'
import {
  TP_BYTES_ACKED,
  TP_MAX_WINDOW,
  TP_SEND_HEAD,
  TP_SND_UNA,
  TP_SND_WL1,
  TP_SND_WND,
  TP_SND_WSCALE,
} from '../sock/tcp-sock.ts'
import { mayUpdateWindow } from '../sock/tcp-wnd.ts'

export type TcpAckWindow = ReturnType<typeof createTcpAckWindow>
type TcpAckWindowDeps = {
  i32: Int32Array
  u8: Bytes
  mss: Pick<TcpMss, 'syncMss'>
  cwndValidate: Pick<TcpCwndValidate, 'cwndAfterIdle'>
}

export const createTcpAckWindow = (deps: TcpAckWindowDeps) => {
  const { i32, u8, mss } = deps
  const { cwndAfterIdle } = deps.cwndValidate

  const setWindow = (sk: number, wnd: number): void => {
    i32[sk + TP_SND_WND] = wnd
    i32[sk + SK_FLAGS] &= ~SOCK_UNPREDICTED
    if (wnd > i32[sk + TP_MAX_WINDOW]) {
      i32[sk + TP_MAX_WINDOW] = wnd
      mss.syncMss(sk)
    }
    // what waited for the window has waited long
    if (i32[sk + TP_SEND_HEAD] !== 0) cwndAfterIdle(sk)
  }
  /** True when the segment is newer than what last set the window. */
  const updateWindow = (sk: number, skb: number, ack: number, seq: number): boolean => {
    const th = i32[skb + SKB_TRANSPORT]
    const raw = tcp.window(u8, th)
    const wnd = (tcp.flags(u8, th) & TCP_SYN) !== 0 ? raw : raw << i32[sk + TP_SND_WSCALE]
    const acked = (ack - i32[sk + TP_SND_UNA]) | 0
    const may = acked > 0 || mayUpdateWindow(i32, sk, seq, wnd)
    if (may) {
      i32[sk + TP_SND_WL1] = seq
      if (i32[sk + TP_SND_WND] !== wnd) setWindow(sk, wnd)
    }
    add64(i32, sk + TP_BYTES_ACKED, acked)
    i32[sk + TP_SND_UNA] = ack
    return may
  }

  return { updateWindow }
}
