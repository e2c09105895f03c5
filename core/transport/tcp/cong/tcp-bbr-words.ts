/**
 * BBR's words of a row, and what is worked out of them alone: the bandwidth of the path, what is in flight where it is filled and
 * no queue stands, and the rate that a gain makes of it. Used by tcp-bbr.ts and its like, and by any thread that shows a socket.
 * Linux: struct bbr, bbr_bw(), bbr_bdp(), bbr_quantization_budget().
 */
import { TIME_US } from '../../../base/time.ts'
import { TP_CA_PRIV, TP_MSS_CACHE, TP_WSTAMP_US } from '../sock/tcp-sock.ts'
import { pacingRate } from '../snd/tcp-pacing-rate.ts'
import { TCP_INIT_CWND } from '../sock/tcp-constants.ts'
import type { CongestionDeps } from './tcp-cong.ts'
import { NO_RTT } from '../ack/tcp-rtt.ts'

/** Least round trip of ten seconds (us, NO_RTT is none), when that was seen, when ProbeRTT ends (jiffies; 0 is not yet). */
export const MIN_RTT_US = TP_CA_PRIV
export const MIN_RTT_STAMP = TP_CA_PRIV + 1
export const PROBE_RTT_DONE = TP_CA_PRIV + 2
/** The best three samples of bandwidth, each a round and a rate. */
export const BW_FILTER = TP_CA_PRIV + 3
/** Rounds so far, a round being what was in flight; it ends when this much is delivered. */
export const ROUNDS = TP_CA_PRIV + 9
export const NEXT_ROUND_DELIVERED = TP_CA_PRIV + 10
/** When this phase of ProbeBW began (us), and which it is. */
export const CYCLE_STAMP_US = TP_CA_PRIV + 11
export const CYCLE_IDX = TP_CA_PRIV + 12
export const MODE = TP_CA_PRIV + 13
/** TCP_CA_* at the last acknowledgement; BBR_* bits below. */
export const PREV_CA_STATE = TP_CA_PRIV + 14
export const FLAGS = TP_CA_PRIV + 15
/** Gains, in 256ths. */
export const PACING_GAIN = TP_CA_PRIV + 16
export const CWND_GAIN = TP_CA_PRIV + 17
/** The window before recovery or ProbeRTT. */
export const PRIOR_CWND = TP_CA_PRIV + 18
/** Bandwidth when it last rose by a quarter, and rounds since. */
export const FULL_BW = TP_CA_PRIV + 19
export const FULL_BW_CNT = TP_CA_PRIV + 20
/** Long-term sampling (tcp-bbr-policer.ts): its rate, rounds, and what had been delivered and lost when it began, and when (us). */
export const LT_BW = TP_CA_PRIV + 21
export const LT_ROUNDS = TP_CA_PRIV + 22
export const LT_DELIVERED = TP_CA_PRIV + 23
export const LT_LOST = TP_CA_PRIV + 24
export const LT_STAMP_US = TP_CA_PRIV + 25
/** Aggregation of acknowledgements: since when (us), segments in it; the most beyond what was due, of these rounds and those before. */
export const EPOCH_STAMP_US = TP_CA_PRIV + 26
export const EPOCH_ACKED = TP_CA_PRIV + 27
export const EXTRA_ACKED = TP_CA_PRIV + 28
export const EXTRA_ROUNDS = TP_CA_PRIV + 30
export const EXTRA_IDX = TP_CA_PRIV + 31

// MODE.
export const STARTUP = 0
export const DRAIN = 1
export const PROBE_BW = 2
export const PROBE_RTT = 3

// FLAGS.
export const ROUND_START = 1
export const PACKET_CONSERVATION = 2
export const IDLE_RESTART = 4
export const PROBE_RTT_ROUND_DONE = 8
export const FULL_BW_REACHED = 16
export const HAS_SEEN_RTT = 32
export const LT_IS_SAMPLING = 64
export const LT_USE_BW = 128

/** Rates are segments a microsecond, in 2^24ths (uint32); gains 256ths. */
export const BW_UNIT = 1 << 24
export const UNIT = 256
/** Two of ln 2: what fills the path as fast as slow start does. */
export const HIGH_GAIN = ((UNIT * 2885) / 1000 + 1) | 0

/** It aims a little below what the path takes: queues drain. */
const MARGIN = 0.99
/** Below this rate (octets a second) a super-frame is a single segment. */
const MIN_TSO_RATE = 1_200_000 / 8
const GSO_MAX = 65535 - 320
/** Most of what a burst of acknowledgements lets in beyond the path's content, us of its bandwidth. */
const EXTRA_MAX_US = 100_000

export const hasFlag = (i32: Int32Array, sk: number, flag: number): boolean =>
  (i32[sk + FLAGS] & flag) !== 0
export const setFlag = (i32: Int32Array, sk: number, flag: number, on: boolean): void => {
  if (on) i32[sk + FLAGS] |= flag
  else i32[sk + FLAGS] &= ~flag
}

/** The best bandwidth of the last ten rounds. */
export const maxBw = (i32: Int32Array, sk: number): number => i32[sk + BW_FILTER + 1] >>> 0
/** What it goes by: that, or what a policer lets through. */
export const bandwidth = (i32: Int32Array, sk: number): number =>
  hasFlag(i32, sk, LT_USE_BW) ? i32[sk + LT_BW] >>> 0 : maxBw(i32, sk)
/** Octets a second. */
export const bytesPerSecond = (i32: Int32Array, sk: number, bw: number, gain: number): number =>
  Math.floor((((bw * i32[sk + TP_MSS_CACHE] * gain) / UNIT) * 1e6 * MARGIN) / BW_UNIT)

export const createBbrModel = ({ i32, time }: CongestionDeps) => {
  const minTsoSegs = (sk: number): number => (pacingRate(i32, sk) < MIN_TSO_RATE ? 1 : 2)
  const tsoSegsGoal = (sk: number): number => {
    const bytes = Math.min(pacingRate(i32, sk) / 1024, GSO_MAX)
    return Math.min(Math.max((bytes / i32[sk + TP_MSS_CACHE]) | 0, minTsoSegs(sk)), 127)
  }
  /** Segments that the path holds at this bandwidth, rounded up. */
  const bdp = (sk: number, bw: number, gain: number): number => {
    const rtt = i32[sk + MIN_RTT_US]
    if (rtt === NO_RTT) return TCP_INIT_CWND
    return Math.ceil((bw * rtt * gain) / UNIT / BW_UNIT)
  }
  /** And one super-frame in the sender, one under way, one in the receiver; an even number, for delayed acknowledgements. */
  const withBudget = (sk: number, cwnd: number): number => {
    const even = (cwnd + 3 * tsoSegsGoal(sk) + 1) & ~1
    return i32[sk + MODE] === PROBE_BW && i32[sk + CYCLE_IDX] === 0 ? even + 2 : even
  }
  const inflightFor = (sk: number, bw: number, gain: number): number =>
    withBudget(sk, bdp(sk, bw, gain))
  /** Segments that will be in the network when pacing next lets some go. */
  const inNetAtDeparture = (sk: number, inFlight: number): number => {
    const waitUs = Math.max(0, (i32[sk + TP_WSTAMP_US] - time[TIME_US]) | 0)
    const delivered = Math.floor((bandwidth(i32, sk) * waitUs) / BW_UNIT)
    const then = inFlight + (i32[sk + PACING_GAIN] > UNIT ? tsoSegsGoal(sk) : 0)
    return Math.max(0, then - delivered)
  }
  /** What acknowledgements that come in bursts need beyond that. */
  const aggregationCwnd = (sk: number): number => {
    if (!hasFlag(i32, sk, FULL_BW_REACHED)) return 0
    const most = Math.floor((bandwidth(i32, sk) * EXTRA_MAX_US) / BW_UNIT)
    return Math.min(Math.max(i32[sk + EXTRA_ACKED], i32[sk + EXTRA_ACKED + 1]), most)
  }
  return { minTsoSegs, bdp, withBudget, inflightFor, inNetAtDeparture, aggregationCwnd }
}
