/**
 * Whether the congestion window was used: it may grow only when it was filled, and comes down when it was not. Told by
 * tcp-output.ts after it has sent, asked by sendmsg after an idle time. Linux: tcp_cwnd_validate, tcp_cwnd_restart;
 * RFC 2861, RFC 5681 4.1.
 */
import { initCwnd } from '../sock/tcp-metrics.ts'
import type { Time } from '../../../base/time.ts'
import { TIME_MS } from '../../../base/time.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { SK_FLAGS, SK_STATE, TCP_CLOSE_WAIT, TCP_ESTABLISHED } from '../../../socket/sock.ts'
import { CA_EVENT_CWND_RESTART, type TcpCong } from './tcp-cong.ts'
import { isCwndLimited } from './tcp-cong-avoid.ts'
import type { TcpChrono } from '../snd/tcp-chrono.ts'
import {
  CHRONO_SNDBUF,
  TCP_CA_OPEN,
  TP_CA_STATE,
  TP_CWND_USAGE_SEQ,
  TP_IS_CWND_LIMITED,
  TP_LSNDTIME,
  TP_MAX_PACKETS_OUT,
  TP_PACKETS_OUT,
  TP_RTO,
  TP_SEND_HEAD,
  TP_SND_CWND,
  TP_SND_CWND_STAMP,
  TP_SND_CWND_USED,
  TP_SND_NXT,
  TP_SND_SSTHRESH,
  TP_SND_UNA,
} from '../sock/tcp-sock.ts'
import { currentSsthresh } from './tcp-cwnd.ts'
import { SOCK_DEAD, SOCK_NOSPACE } from '../sock/sock-flags.ts'

export type TcpCwndValidate = ReturnType<typeof createTcpCwndValidate>
type TcpCwndValidateDeps = {
  arena: Arena
  time: Time
  cong: TcpCong
  chrono: TcpChrono
}

export const createTcpCwndValidate = (deps: TcpCwndValidateDeps) => {
  const { time, cong } = deps
  const { chronoStart } = deps.chrono
  const { i32, layout } = deps.arena
  const { sysctl } = layout

  /** RFC 9293 3.8.6.1: after an idle time the window of old says nothing (RFC 5681 4.1). */
  const cwndAfterIdle = (sk: number): void => {
    if (i32[sysctl + Sysctl.tcp_slow_start_after_idle] === 0 || i32[sk + TP_PACKETS_OUT] !== 0)
      return
    if (cong.ops(sk).congControl !== undefined) return
    let idle = (time[TIME_MS] - i32[sk + TP_LSNDTIME]) | 0
    const rto = i32[sk + TP_RTO]
    if (idle <= rto) return
    cong.cwndEvent(sk, CA_EVENT_CWND_RESTART)
    const restart = Math.min(initCwnd(i32, sk), i32[sk + TP_SND_CWND])
    i32[sk + TP_SND_SSTHRESH] = currentSsthresh(i32, sk)
    let cwnd = i32[sk + TP_SND_CWND]
    while ((idle -= rto) > 0 && cwnd > restart) cwnd >>= 1
    i32[sk + TP_SND_CWND] = Math.max(cwnd, restart)
    i32[sk + TP_SND_CWND_STAMP] = time[TIME_MS]
    i32[sk + TP_SND_CWND_USED] = 0
  }

  /** Remembers whether the window was filled: it may grow only when it was. */
  const validateCwnd = (sk: number, limited: boolean): void => {
    const packets = i32[sk + TP_PACKETS_OUT]
    if (
      ((i32[sk + TP_SND_UNA] - i32[sk + TP_CWND_USAGE_SEQ]) | 0) >= 0 ||
      limited ||
      (i32[sk + TP_IS_CWND_LIMITED] === 0 && packets > i32[sk + TP_MAX_PACKETS_OUT])
    ) {
      i32[sk + TP_IS_CWND_LIMITED] = limited ? 1 : 0
      i32[sk + TP_MAX_PACKETS_OUT] = packets
      i32[sk + TP_CWND_USAGE_SEQ] = i32[sk + TP_SND_NXT]
    }
    if (isCwndLimited(i32, sk)) {
      i32[sk + TP_SND_CWND_USED] = 0
      i32[sk + TP_SND_CWND_STAMP] = time[TIME_MS]
    } else starved(sk, packets)
  }
  /** Something else than the congestion window keeps the network from being fed. */
  const starved = (sk: number, packets: number): void => {
    if (packets > i32[sk + TP_SND_CWND_USED]) i32[sk + TP_SND_CWND_USED] = packets
    const since = (time[TIME_MS] - i32[sk + TP_SND_CWND_STAMP]) | 0
    const isValidated = i32[sysctl + Sysctl.tcp_slow_start_after_idle] !== 0
    if (isValidated && since >= i32[sk + TP_RTO] && cong.ops(sk).congControl === undefined)
      cwndApplicationLimited(sk)
    // all was sent, and whoever has more to write has no room for it
    const hasNoRoom = (i32[sk + SK_FLAGS] & SOCK_NOSPACE) !== 0
    const state = i32[sk + SK_STATE]
    const mayWrite = state === TCP_ESTABLISHED || state === TCP_CLOSE_WAIT
    if (i32[sk + TP_SEND_HEAD] === 0 && hasNoRoom && mayWrite) chronoStart(sk, CHRONO_SNDBUF)
  }
  /** RFC 7661, as RFC 2861 had it: a window that was not filled for an RTO comes down to what was used of it. */
  const cwndApplicationLimited = (sk: number): void => {
    const hasRoom = (i32[sk + SK_FLAGS] & (SOCK_NOSPACE | SOCK_DEAD)) === 0
    const used = Math.max(i32[sk + TP_SND_CWND_USED], initCwnd(i32, sk))
    if (i32[sk + TP_CA_STATE] === TCP_CA_OPEN && hasRoom) {
      if (used < i32[sk + TP_SND_CWND]) {
        i32[sk + TP_SND_SSTHRESH] = currentSsthresh(i32, sk)
        i32[sk + TP_SND_CWND] = (i32[sk + TP_SND_CWND] + used) >> 1
      }
      i32[sk + TP_SND_CWND_USED] = 0
    }
    i32[sk + TP_SND_CWND_STAMP] = time[TIME_MS]
  }

  return { cwndAfterIdle, validateCwnd }
}
