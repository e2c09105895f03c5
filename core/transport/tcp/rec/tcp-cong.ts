/**
 * Congestion control: the table of algorithms, and what all share (slow start, additive increase). An algorithm
 * keeps its state in TP_CA_PRIV of the row. tcp-ack.ts and tcp-recovery.ts call it. Reno is the first of the
 * table. Linux: net/ipv4/tcp_cong.c, tcp_congestion_ops; RFC 5681, RFC 3465 (bytes acknowledged are counted).
 */
import {
  TCP_CA_OPEN,
  TCP_INFINITE_SSTHRESH,
  TCP_INIT_CWND,
  TP_CA_OPS,
  TP_CA_PRIV,
  TP_CA_PRIV_WORDS,
  TP_CA_STATE,
  TP_IS_CWND_LIMITED,
  TP_MAX_PACKETS_OUT,
  TP_PRIOR_CWND,
  TP_SND_CWND,
  TP_SND_CWND_CNT,
  TP_SND_SSTHRESH,
} from '../sock/tcp-sock.ts'

export type CongestionOps = {
  readonly name: string
  /** Slow start threshold after a loss. */
  readonly ssthresh: (i32: Int32Array, sk: number) => number
  /** New window after `acked` segments were acknowledged. */
  readonly congAvoid: (i32: Int32Array, sk: number, ack: number, acked: number) => void
  /** Window to return to when the loss was none. */
  readonly undoCwnd: (i32: Int32Array, sk: number) => number
  readonly init: (i32: Int32Array, sk: number) => void
  /** Told of each change of TCP_CA_*. */
  readonly setState: (i32: Int32Array, sk: number, state: number) => void
}

const CWND_MAX = 1 << 20

export const inSlowStart = (i32: Int32Array, sk: number): boolean =>
  i32[sk + TP_SND_CWND] < i32[sk + TP_SND_SSTHRESH]

/** True when the window, not the application, bounds what is sent; else it must not grow (RFC 7661). */
export const isCwndLimited = (i32: Int32Array, sk: number): boolean =>
  i32[sk + TP_IS_CWND_LIMITED] !== 0 ||
  (inSlowStart(i32, sk) && i32[sk + TP_SND_CWND] < 2 * i32[sk + TP_MAX_PACKETS_OUT])

/** A segment for each one acknowledged, up to the threshold; returns those left over. */
export const slowStart = (i32: Int32Array, sk: number, acked: number): number => {
  const cwnd = i32[sk + TP_SND_CWND]
  const next = Math.min(cwnd + acked, i32[sk + TP_SND_SSTHRESH], CWND_MAX)
  i32[sk + TP_SND_CWND] = next
  return acked - (next - cwnd)
}

/** One segment for each `w` acknowledged. */
export const congAvoidAi = (i32: Int32Array, sk: number, w: number, acked: number): void => {
  let cwnd = i32[sk + TP_SND_CWND]
  let count = i32[sk + TP_SND_CWND_CNT]
  if (count >= w) {
    count = 0
    cwnd++
  }
  count += acked
  if (count >= w) {
    const delta = (count / w) | 0
    count -= delta * w
    cwnd += delta
  }
  i32[sk + TP_SND_CWND_CNT] = count
  i32[sk + TP_SND_CWND] = Math.min(cwnd, CWND_MAX)
}

const reno: CongestionOps = {
  name: 'reno',
  ssthresh: (i32, sk) => Math.max(i32[sk + TP_SND_CWND] >> 1, 2),
  congAvoid: (i32, sk, _ack, acked) => {
    if (!isCwndLimited(i32, sk)) return
    const left = inSlowStart(i32, sk) ? slowStart(i32, sk, acked) : acked
    if (left > 0) congAvoidAi(i32, sk, i32[sk + TP_SND_CWND], left)
  },
  undoCwnd: (i32, sk) => Math.max(i32[sk + TP_SND_CWND], i32[sk + TP_PRIOR_CWND]),
  init: () => {},
  setState: () => {},
}

/** By TP_CA_OPS. */
export const CONGESTION_OPS: readonly CongestionOps[] = [reno]

export const congestionOps = (i32: Int32Array, sk: number): CongestionOps =>
  CONGESTION_OPS[i32[sk + TP_CA_OPS]]

/** A fresh connection's window. */
export const initCongestion = (i32: Int32Array, sk: number): void => {
  i32[sk + TP_SND_CWND] = TCP_INIT_CWND
  i32[sk + TP_SND_SSTHRESH] = TCP_INFINITE_SSTHRESH
  i32[sk + TP_CA_STATE] = TCP_CA_OPEN
  i32.fill(0, sk + TP_CA_PRIV, sk + TP_CA_PRIV + TP_CA_PRIV_WORDS)
  congestionOps(i32, sk).init(i32, sk)
}

export const setCaState = (i32: Int32Array, sk: number, state: number): void => {
  congestionOps(i32, sk).setState(i32, sk, state)
  i32[sk + TP_CA_STATE] = state
}
