/**
 * What a sender waits for, and for how long in all: it is busy, and then for the peer's window or for room in its own buffer.
 * What is more telling hides what is less. Called by sendmsg, by output and as acknowledgements make room, on the worker;
 * ss and TCP_INFO show the totals. Linux: tcp_chrono_start(), tcp_chrono_stop().
 */
import type { Time } from '../../../base/time.ts'
import { TIME_US } from '../../../base/time.ts'
import {
  CHRONO_BUSY,
  CHRONO_NONE,
  TP_CHRONO,
  TP_CHRONO_BUSY,
  TP_CHRONO_START,
  TP_WQ_HEAD,
} from '../sock/tcp-sock.ts'

const TOTALS = TP_CHRONO_BUSY - CHRONO_BUSY

export type TcpChrono = ReturnType<typeof createTcpChrono>

export const createTcpChrono = (i32: Int32Array, time: Time) => {
  const set = (sk: number, kind: number): void => {
    const old = i32[sk + TP_CHRONO]
    if (old === kind) return
    const now = time[TIME_US]
    if (old !== CHRONO_NONE) i32[sk + TOTALS + old] += (now - i32[sk + TP_CHRONO_START]) | 0
    i32[sk + TP_CHRONO] = kind
    i32[sk + TP_CHRONO_START] = now
  }
  const chronoStart = (sk: number, kind: number): void => {
    if (kind > i32[sk + TP_CHRONO]) set(sk, kind)
  }
  const chronoStop = (sk: number, kind: number): void => {
    if (i32[sk + TP_WQ_HEAD] === 0) set(sk, CHRONO_NONE)
    else if (kind === i32[sk + TP_CHRONO]) set(sk, CHRONO_BUSY)
  }
  return { chronoStart, chronoStop }
}
