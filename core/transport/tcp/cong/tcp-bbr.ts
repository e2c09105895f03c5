/**
 * BBR: sends at the bandwidth of the path, measured, and keeps in flight what the path holds at its least round trip; losses
 * and queues are not what it goes by. Startup doubles the rate each round until it no longer rises, Drain empties the queue
 * which that has made, ProbeBW goes up and down by a quarter around the bandwidth to find more and to give way, ProbeRTT
 * keeps four segments in flight for a fifth of a second every ten seconds to see the round trip without a queue. Its socket is
 * paced (snd/tcp-pacing.ts). On the worker. Linux: net/ipv4/tcp_bbr.c; Cardwell et al., "BBR: Congestion-Based Congestion
 * Control", ACM Queue 2016; draft-ietf-ccwg-bbr.
 */
import { TIME_MS, TIME_US } from '../../../base/time.ts'
import {
  PACING_NEEDED,
  TCP_CA_LOSS,
  TCP_CA_RECOVERY,
  TP_APP_LIMITED,
  TP_CA_STATE,
  TP_DELIVERED,
  TP_DELIVERED_US,
  TP_MSS_CACHE,
  TP_PACING,
  TP_PACING_RATE,
  TP_SND_CWND,
  TP_SND_SSTHRESH,
  TP_SRTT_US,
} from '../sock/tcp-sock.ts'
import { packetsInFlight } from './tcp-cwnd.ts'
import { TCP_INFINITE_SSTHRESH, TCP_INIT_CWND } from '../sock/tcp-constants.ts'
import { resetMax, runningMax } from './tcp-bbr-filter.ts'
import { createBbrPolicer } from './tcp-bbr-policer.ts'
import {
  bandwidth,
  BW_FILTER,
  BW_UNIT,
  bytesPerSecond,
  createBbrModel,
  CWND_GAIN,
  CYCLE_IDX,
  CYCLE_STAMP_US,
  DRAIN,
  EPOCH_ACKED,
  EPOCH_STAMP_US,
  EXTRA_ACKED,
  EXTRA_IDX,
  EXTRA_ROUNDS,
  FULL_BW,
  FULL_BW_CNT,
  FULL_BW_REACHED,
  hasFlag,
  HAS_SEEN_RTT,
  HIGH_GAIN,
  IDLE_RESTART,
  LT_USE_BW,
  maxBw,
  MIN_RTT_STAMP,
  MIN_RTT_US,
  MODE,
  NEXT_ROUND_DELIVERED,
  PACING_GAIN,
  PACKET_CONSERVATION,
  PREV_CA_STATE,
  PRIOR_CWND,
  PROBE_BW,
  PROBE_RTT,
  PROBE_RTT_DONE,
  PROBE_RTT_ROUND_DONE,
  ROUND_START,
  ROUNDS,
  setFlag,
  STARTUP,
  UNIT,
} from './tcp-bbr-words.ts'
import { CA_EVENT_TX_START, type CongestionControl } from './tcp-cong.ts'
import {
  RS_ACKED_SACKED,
  RS_DELIVERED,
  RS_INTERVAL_US,
  RS_IS_ACK_DELAYED,
  RS_IS_APP_LIMITED,
  RS_LOSSES,
  RS_PRIOR_DELIVERED,
  RS_PRIOR_IN_FLIGHT,
  RS_RTT_US,
} from '../ack/tcp-rate.ts'
import { minRtt, NO_RTT } from '../ack/tcp-rtt.ts'

/** Gains of ProbeBW's phases, a round trip each: more, then less, then what there is. */
const CYCLE_GAINS = [(UNIT * 5) / 4, (UNIT * 3) / 4, UNIT, UNIT, UNIT, UNIT, UNIT, UNIT]
/** It begins in any phase but that of less. */
const CYCLE_RANDOM = 7
const DRAIN_GAIN = ((UNIT * 1000) / 2885) | 0
/** Room for delayed acknowledgements. */
const CWND_GAIN_PROBE_BW = UNIT * 2
/** Rounds that bandwidth is remembered. */
const BW_ROUNDS = 10
const MIN_RTT_WINDOW_MS = 10_000
const PROBE_RTT_MS = 200
const MIN_CWND = 4
/** The path is full when bandwidth has not risen by a quarter in three rounds. */
const FULL_BW_ROUNDS = 3
const EXTRA_WINDOW_ROUNDS = 5
/** An epoch of so many segments is over. */
const EPOCH_ACKED_MAX = 1 << 20

export const bbr: CongestionControl = {
  name: 'bbr',
  info: (i32, sk) => ({
    bw: Math.floor((bandwidth(i32, sk) * i32[sk + TP_MSS_CACHE] * 8e6) / BW_UNIT),
    mrtt: i32[sk + MIN_RTT_US] === NO_RTT ? 0 : i32[sk + MIN_RTT_US] / 1000,
    pacing_gain: i32[sk + PACING_GAIN] / UNIT,
    cwnd_gain: i32[sk + CWND_GAIN] / UNIT,
  }),
  create: (deps) => {
    const { i32, time, random } = deps
    const model = createBbrModel(deps)
    const isFull = (sk: number): boolean => hasFlag(i32, sk, FULL_BW_REACHED)

    // ---- the pace

    const setRate = (sk: number, rate: number): void => {
      i32[sk + TP_PACING_RATE] = Math.max(1, Math.min(rate, 0xffffffff))
    }
    /** As fast as slow start would be: before there is a sample. */
    const rateFromRtt = (sk: number): void => {
      const srtt = i32[sk + TP_SRTT_US]
      if (srtt !== 0) setFlag(i32, sk, HAS_SEEN_RTT, true)
      const rttUs = srtt === 0 ? 1000 : Math.max(srtt >> 3, 1)
      const bw = Math.floor((i32[sk + TP_SND_CWND] * BW_UNIT) / rttUs)
      setRate(sk, bytesPerSecond(i32, sk, bw, HIGH_GAIN))
    }
    const setPacingRate = (sk: number, bw: number, gain: number): void => {
      const rate = bytesPerSecond(i32, sk, bw, gain)
      if (!hasFlag(i32, sk, HAS_SEEN_RTT) && i32[sk + TP_SRTT_US] !== 0) rateFromRtt(sk)
      if (isFull(sk) || rate > i32[sk + TP_PACING_RATE] >>> 0) setRate(sk, rate)
    }

    // ---- modes

    const enterProbeBw = (sk: number): void => {
      i32[sk + MODE] = PROBE_BW
      i32[sk + CYCLE_IDX] = CYCLE_GAINS.length - 1 - ((random() >>> 0) % CYCLE_RANDOM)
      advancePhase(sk)
    }
    const advancePhase = (sk: number): void => {
      i32[sk + CYCLE_IDX] = (i32[sk + CYCLE_IDX] + 1) % CYCLE_GAINS.length
      i32[sk + CYCLE_STAMP_US] = i32[sk + TP_DELIVERED_US]
    }
    const policer = createBbrPolicer(i32, enterProbeBw)
    const isPhaseOver = (sk: number, sample: Int32Array): boolean => {
      const elapsed = (i32[sk + TP_DELIVERED_US] - i32[sk + CYCLE_STAMP_US]) | 0
      const isLong = elapsed > i32[sk + MIN_RTT_US]
      const gain = i32[sk + PACING_GAIN]
      if (gain === UNIT) return isLong
      const inFlight = model.inNetAtDeparture(sk, sample[RS_PRIOR_IN_FLIGHT])
      const wanted = model.inflightFor(sk, maxBw(i32, sk), Math.max(gain, UNIT))
      // more was tried when it is under way, or when that was too much
      if (gain > UNIT) return isLong && (sample[RS_LOSSES] > 0 || inFlight >= wanted)
      return isLong || inFlight <= wanted
    }
    const checkFull = (sk: number, sample: Int32Array): void => {
      if (isFull(sk) || !hasFlag(i32, sk, ROUND_START) || sample[RS_IS_APP_LIMITED] !== 0) return
      const bw = maxBw(i32, sk)
      if (bw >= Math.floor(((i32[sk + FULL_BW] >>> 0) * 5) / 4)) {
        i32[sk + FULL_BW] = bw
        i32[sk + FULL_BW_CNT] = 0
        return
      }
      if (++i32[sk + FULL_BW_CNT] >= FULL_BW_ROUNDS) setFlag(i32, sk, FULL_BW_REACHED, true)
    }
    const checkDrain = (sk: number): void => {
      const held = model.inflightFor(sk, maxBw(i32, sk), UNIT)
      if (i32[sk + MODE] === STARTUP && isFull(sk)) {
        i32[sk + MODE] = DRAIN
        i32[sk + TP_SND_SSTHRESH] = held
      }
      if (i32[sk + MODE] !== DRAIN) return
      if (model.inNetAtDeparture(sk, packetsInFlight(i32, sk)) <= held) enterProbeBw(sk)
    }

    // ---- the model

    const updateBandwidth = (sk: number, sample: Int32Array): void => {
      setFlag(i32, sk, ROUND_START, false)
      const delivered = sample[RS_DELIVERED]
      if (delivered < 0 || sample[RS_INTERVAL_US] <= 0) return
      if (((sample[RS_PRIOR_DELIVERED] - i32[sk + NEXT_ROUND_DELIVERED]) | 0) >= 0) {
        i32[sk + NEXT_ROUND_DELIVERED] = i32[sk + TP_DELIVERED]
        i32[sk + ROUNDS]++
        setFlag(i32, sk, ROUND_START, true)
        setFlag(i32, sk, PACKET_CONSERVATION, false)
      }
      const isAppLimited = sample[RS_IS_APP_LIMITED] !== 0
      policer.sample(sk, sample[RS_LOSSES], isAppLimited)
      const bw = Math.min(Math.floor((delivered * BW_UNIT) / sample[RS_INTERVAL_US]), 0xffffffff)
      // what the application made says nothing of the path, unless it is more than was known
      if (!isAppLimited || bw >= maxBw(i32, sk))
        runningMax(i32, sk + BW_FILTER, BW_ROUNDS, i32[sk + ROUNDS], bw)
    }
    /** How much more comes at once than the bandwidth would deliver: acknowledgements are held back and come together. */
    const updateAggregation = (sk: number, sample: Int32Array): void => {
      const acked = sample[RS_ACKED_SACKED]
      if (acked <= 0 || sample[RS_DELIVERED] < 0 || sample[RS_INTERVAL_US] <= 0) return
      if (hasFlag(i32, sk, ROUND_START) && ++i32[sk + EXTRA_ROUNDS] >= EXTRA_WINDOW_ROUNDS) {
        i32[sk + EXTRA_ROUNDS] = 0
        i32[sk + EXTRA_IDX] ^= 1
        i32[sk + EXTRA_ACKED + i32[sk + EXTRA_IDX]] = 0
      }
      const now = i32[sk + TP_DELIVERED_US]
      const epochUs = (now - i32[sk + EPOCH_STAMP_US]) >>> 0
      let expected = Math.floor((bandwidth(i32, sk) * epochUs) / BW_UNIT)
      const soFar = i32[sk + EPOCH_ACKED]
      if (soFar <= expected || soFar + acked >= EPOCH_ACKED_MAX) {
        i32[sk + EPOCH_ACKED] = 0
        i32[sk + EPOCH_STAMP_US] = now
        expected = 0
      }
      i32[sk + EPOCH_ACKED] = Math.min(EPOCH_ACKED_MAX - 1, i32[sk + EPOCH_ACKED] + acked)
      const extra = Math.min(i32[sk + EPOCH_ACKED] - expected, i32[sk + TP_SND_CWND])
      const at = sk + EXTRA_ACKED + i32[sk + EXTRA_IDX]
      if (extra > i32[at]) i32[at] = extra
    }
    const updateMinRtt = (sk: number, sample: Int32Array): void => {
      const now = time[TIME_MS]
      const isStale = ((now - i32[sk + MIN_RTT_STAMP] - MIN_RTT_WINDOW_MS) | 0) > 0
      const rtt = sample[RS_RTT_US]
      if (
        rtt >= 0 &&
        (rtt <= i32[sk + MIN_RTT_US] || (isStale && sample[RS_IS_ACK_DELAYED] === 0))
      ) {
        i32[sk + MIN_RTT_US] = rtt
        i32[sk + MIN_RTT_STAMP] = now
      }
      if (isStale && !hasFlag(i32, sk, IDLE_RESTART) && i32[sk + MODE] !== PROBE_RTT) {
        i32[sk + MODE] = PROBE_RTT
        saveCwnd(sk)
        i32[sk + PROBE_RTT_DONE] = 0
      }
      if (i32[sk + MODE] === PROBE_RTT) probeRtt(sk)
      if (sample[RS_DELIVERED] > 0) setFlag(i32, sk, IDLE_RESTART, false)
    }
    const probeRtt = (sk: number): void => {
      // such samples are no measure of the bandwidth
      i32[sk + TP_APP_LIMITED] = (i32[sk + TP_DELIVERED] + packetsInFlight(i32, sk)) | 0 || 1
      if (i32[sk + PROBE_RTT_DONE] !== 0) {
        if (hasFlag(i32, sk, ROUND_START)) setFlag(i32, sk, PROBE_RTT_ROUND_DONE, true)
        if (hasFlag(i32, sk, PROBE_RTT_ROUND_DONE)) checkProbeRttDone(sk)
      } else if (packetsInFlight(i32, sk) <= MIN_CWND) {
        i32[sk + PROBE_RTT_DONE] = (time[TIME_MS] + PROBE_RTT_MS) | 0 || 1
        setFlag(i32, sk, PROBE_RTT_ROUND_DONE, false)
        i32[sk + NEXT_ROUND_DELIVERED] = i32[sk + TP_DELIVERED]
      }
    }
    const checkProbeRttDone = (sk: number): void => {
      const done = i32[sk + PROBE_RTT_DONE]
      if (done === 0 || ((time[TIME_MS] - done) | 0) <= 0) return
      i32[sk + MIN_RTT_STAMP] = time[TIME_MS]
      i32[sk + TP_SND_CWND] = Math.max(i32[sk + TP_SND_CWND], i32[sk + PRIOR_CWND])
      if (isFull(sk)) enterProbeBw(sk)
      else i32[sk + MODE] = STARTUP
    }
    const setGains = (sk: number, pacing: number, cwnd: number): void => {
      i32[sk + PACING_GAIN] = pacing
      i32[sk + CWND_GAIN] = cwnd
    }
    const updateGains = (sk: number): void => {
      switch (i32[sk + MODE]) {
        case STARTUP:
          return setGains(sk, HIGH_GAIN, HIGH_GAIN)
        case DRAIN:
          return setGains(sk, DRAIN_GAIN, HIGH_GAIN)
        case PROBE_RTT:
          return setGains(sk, UNIT, UNIT)
        default: {
          const isPoliced = hasFlag(i32, sk, LT_USE_BW)
          setGains(sk, isPoliced ? UNIT : CYCLE_GAINS[i32[sk + CYCLE_IDX]], CWND_GAIN_PROBE_BW)
        }
      }
    }

    // ---- the window

    /** The last window that was good, before recovery or ProbeRTT cut it. */
    const saveCwnd = (sk: number): void => {
      const cwnd = i32[sk + TP_SND_CWND]
      const isGood = i32[sk + PREV_CA_STATE] < TCP_CA_RECOVERY && i32[sk + MODE] !== PROBE_RTT
      i32[sk + PRIOR_CWND] = isGood ? cwnd : Math.max(i32[sk + PRIOR_CWND], cwnd)
    }
    /** In the first round of recovery as much goes as arrives; after it the window is what it was. -1: neither. */
    const conserved = (sk: number, losses: number, acked: number): number => {
      const before = i32[sk + PREV_CA_STATE]
      const state = i32[sk + TP_CA_STATE]
      const inFlight = packetsInFlight(i32, sk)
      let cwnd = i32[sk + TP_SND_CWND]
      if (losses > 0) cwnd = Math.max(cwnd - losses, 1)
      if (state === TCP_CA_RECOVERY && before !== TCP_CA_RECOVERY) {
        setFlag(i32, sk, PACKET_CONSERVATION, true)
        i32[sk + NEXT_ROUND_DELIVERED] = i32[sk + TP_DELIVERED]
        cwnd = inFlight + acked
      } else if (before >= TCP_CA_RECOVERY && state < TCP_CA_RECOVERY) {
        cwnd = Math.max(cwnd, i32[sk + PRIOR_CWND])
        setFlag(i32, sk, PACKET_CONSERVATION, false)
      }
      i32[sk + PREV_CA_STATE] = state
      i32[sk + TP_SND_CWND] = cwnd
      return hasFlag(i32, sk, PACKET_CONSERVATION) ? Math.max(cwnd, inFlight + acked) : -1
    }
    const cwndFor = (sk: number, sample: Int32Array, bw: number): number => {
      const acked = sample[RS_ACKED_SACKED]
      if (acked <= 0) return i32[sk + TP_SND_CWND]
      const held = conserved(sk, sample[RS_LOSSES], acked)
      if (held >= 0) return held
      const path = model.bdp(sk, bw, i32[sk + CWND_GAIN]) + model.aggregationCwnd(sk)
      const target = model.withBudget(sk, path)
      let cwnd = i32[sk + TP_SND_CWND]
      if (isFull(sk)) cwnd = Math.min(cwnd + acked, target)
      else if (cwnd < target || i32[sk + TP_DELIVERED] < TCP_INIT_CWND) cwnd += acked
      return Math.max(cwnd, MIN_CWND)
    }

    return {
      init(sk) {
        i32[sk + TP_SND_SSTHRESH] = TCP_INFINITE_SSTHRESH
        i32[sk + MIN_RTT_US] = minRtt(i32, sk)
        i32[sk + MIN_RTT_STAMP] = time[TIME_MS]
        resetMax(i32, sk + BW_FILTER, 0, 0)
        rateFromRtt(sk)
        policer.resetSampling(sk)
        updateGains(sk)
        i32[sk + EPOCH_STAMP_US] = time[TIME_US]
        i32[sk + TP_PACING] = PACING_NEEDED
      },
      congControl(sk, _ack, sample) {
        updateBandwidth(sk, sample)
        updateAggregation(sk, sample)
        if (i32[sk + MODE] === PROBE_BW && isPhaseOver(sk, sample)) advancePhase(sk)
        checkFull(sk, sample)
        checkDrain(sk)
        updateMinRtt(sk, sample)
        updateGains(sk)
        const bw = bandwidth(i32, sk)
        setPacingRate(sk, bw, i32[sk + PACING_GAIN])
        const cwnd = cwndFor(sk, sample, bw)
        i32[sk + TP_SND_CWND] = i32[sk + MODE] === PROBE_RTT ? Math.min(cwnd, MIN_CWND) : cwnd
      },
      ssthresh(sk) {
        saveCwnd(sk)
        return i32[sk + TP_SND_SSTHRESH]
      },
      congAvoid() {},
      setState(sk, state) {
        if (state !== TCP_CA_LOSS) return
        i32[sk + PREV_CA_STATE] = TCP_CA_LOSS
        i32[sk + FULL_BW] = 0
        setFlag(i32, sk, ROUND_START, true)
        policer.sample(sk, 1, false)
      },
      cwndEvent(sk, event) {
        if (event !== CA_EVENT_TX_START || i32[sk + TP_APP_LIMITED] === 0) return
        setFlag(i32, sk, IDLE_RESTART, true)
        i32[sk + EPOCH_STAMP_US] = time[TIME_US]
        i32[sk + EPOCH_ACKED] = 0
        // no more than the path takes is needed after a pause
        if (i32[sk + MODE] === PROBE_BW) setPacingRate(sk, bandwidth(i32, sk), UNIT)
        else if (i32[sk + MODE] === PROBE_RTT) checkProbeRttDone(sk)
      },
      undoCwnd(sk) {
        i32[sk + FULL_BW] = 0
        i32[sk + FULL_BW_CNT] = 0
        policer.resetSampling(sk)
        return i32[sk + TP_SND_CWND]
      },
      minTsoSegs: model.minTsoSegs,
      sndbufExpand: 3,
    }
  },
}
