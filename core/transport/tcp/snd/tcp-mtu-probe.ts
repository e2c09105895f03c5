/**
 * Packetization layer path MTU discovery: where ICMP says nothing a segment larger than others is sent now and then, and whether
 * it arrives tells what the path takes; the size lies between one that is known to pass and one that is not known to. After
 * timeouts a path is taken for a black hole, and what passes for less. Called by tcp-output.ts before it sends, by
 * tcp-ack.ts, tcp-simple-retransmit.ts and tcp-write-timeout.ts; on the worker. tcp-mss.ts goes by the sizes.
 * Linux: tcp_mtu_probe(), tcp_mtup_init(), tcp_mtu_probing(); RFC 4821, RFC 8899 for the words.
 */
import type { Time } from '../../../base/time.ts'
import { TIME_MS } from '../../../base/time.ts'
import { Mib } from '../../../shm/counters.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { SKB_LEN } from '../../../skb/skb.ts'
import {
  TCP_CA_OPEN,
  TP_CA_STATE,
  TP_DSACK,
  TP_MSS_CACHE,
  TP_MSS_CLAMP,
  TP_MTUP_ENABLED,
  TP_MTUP_HIGH,
  TP_MTUP_LOW,
  TP_MTUP_PROBE,
  TP_MTUP_PROBE_END,
  TP_MTUP_PROBE_START,
  TP_MTUP_STAMP,
  TP_NUM_SACKS,
  TP_PRIOR_SSTHRESH,
  TP_REORDERING,
  TP_SEND_HEAD,
  TP_SND_CWND,
  TP_SND_CWND_CNT,
  TP_SND_CWND_STAMP,
  TP_SND_NXT,
  TP_SND_SSTHRESH,
  TP_SND_UNA,
  TP_SND_WND,
  TP_WRITE_SEQ,
} from '../sock/tcp-sock.ts'
import { currentSsthresh, packetsInFlight } from '../cong/tcp-cwnd.ts'
import { CB_END_SEQ, CB_SEQ } from '../sock/tcp-cb.ts'
import { wndEnd } from '../sock/tcp-wnd.ts'
import type { TcpMss } from './tcp-mss.ts'
import type { TcpWriteQueue } from './tcp-write-queue.ts'

/** What sends a probe: it takes room of two segments, and losses near it must be told from its own. */
const MIN_CWND = 11

// What mtuProbe says.
/** There is none to send now: go on. */
export const PROBE_NONE = -1
/** One would be sent when there is room for it: wait. */
export const PROBE_WAIT = 0
/** The first unsent skb is one. */
export const PROBE_READY = 1

export type TcpMtuProbe = ReturnType<typeof createTcpMtuProbe>
type TcpMtuProbeDeps = {
  i32: Int32Array
  f64: Float64Array
  bank: number
  sysctl: number
  time: Time
  mss: TcpMss
  queue: TcpWriteQueue
}

export const createTcpMtuProbe = (deps: TcpMtuProbeDeps) => {
  const { i32, f64, bank, sysctl, time, mss, queue } = deps
  const { mtuToMss, mssToMtu } = mss

  /** A connection begins: from tcp_base_mss on, when it is always probed. */
  const initMtuProbe = (sk: number): void => {
    i32[sk + TP_MTUP_ENABLED] = i32[sysctl + Sysctl.tcp_mtu_probing] > 1 ? 1 : 0
    i32[sk + TP_MTUP_HIGH] = highest(sk)
    i32[sk + TP_MTUP_LOW] = mssToMtu(sk, i32[sysctl + Sysctl.tcp_base_mss])
    i32[sk + TP_MTUP_PROBE] = 0
    i32[sk + TP_MTUP_STAMP] = time[TIME_MS]
  }
  /** What the peer takes at most, without options. */
  const highest = (sk: number): number => mss.packetOf(sk, i32[sk + TP_MSS_CLAMP])

  /** Another search, when the last is long over: the path may take more by now (RFC 4821 section 7.7). */
  const checkReprobe = (sk: number, size: number): void => {
    const since = (time[TIME_MS] - i32[sk + TP_MTUP_STAMP]) | 0
    if (since < i32[sysctl + Sysctl.tcp_probe_interval] * 1000) return
    i32[sk + TP_MTUP_PROBE] = 0
    i32[sk + TP_MTUP_HIGH] = highest(sk)
    i32[sk + TP_MTUP_LOW] = mssToMtu(sk, size)
    i32[sk + TP_MTUP_STAMP] = time[TIME_MS]
  }
  const isProbing = (sk: number): boolean =>
    i32[sk + TP_MTUP_PROBE] === 0 &&
    i32[sk + TP_CA_STATE] === TCP_CA_OPEN &&
    i32[sk + TP_SND_CWND] >= MIN_CWND &&
    // options that come and go would be taken for what a path does
    i32[sk + TP_NUM_SACKS] === 0 &&
    i32[sk + TP_DSACK] === 0
  /** What every segment has of options beside its timestamps, and the probe as well: AccECN's. */
  let options = 0
  /** Cuts a probe from what waits, if one is to be sent now; `size` is a segment's. PROBE_*. */
  const mtuProbe = (sk: number, size: number): number => {
    if (i32[sk + TP_MTUP_ENABLED] === 0 || !isProbing(sk)) return PROBE_NONE
    const [low, high] = [i32[sk + TP_MTUP_LOW], i32[sk + TP_MTUP_HIGH]]
    options = i32[sk + TP_MSS_CACHE] - size
    const len = mtuToMss(sk, (low + high) >> 1) - options
    if (
      len > mtuToMss(sk, high) - options ||
      high - low < i32[sysctl + Sysctl.tcp_probe_threshold]
    ) {
      checkReprobe(sk, size + options)
      return PROBE_NONE
    }
    // enough must follow for a loss of the probe alone to be seen as that
    const needed = len + (i32[sk + TP_REORDERING] + 1) * i32[sk + TP_MSS_CACHE]
    if (((i32[sk + TP_WRITE_SEQ] - i32[sk + TP_SND_NXT]) | 0) < needed) return PROBE_NONE
    if (i32[sk + TP_SND_WND] < needed) return PROBE_NONE
    if (((i32[sk + TP_SND_NXT] + needed - wndEnd(i32, sk)) | 0) > 0) return PROBE_WAIT
    const inFlight = packetsInFlight(i32, sk)
    if (inFlight + 2 > i32[sk + TP_SND_CWND]) return inFlight === 0 ? PROBE_NONE : PROBE_WAIT
    return cut(sk, i32[sk + TP_SEND_HEAD], len) ? PROBE_READY : PROBE_NONE
  }
  /** False when no skb is that large: the probe would have to be put together. */
  const cut = (sk: number, skb: number, len: number): boolean => {
    if (i32[skb + SKB_LEN] < len) return false
    if (i32[skb + SKB_LEN] > len)
      return queue.maySplit(skb, len) && queue.fragment(sk, skb, len, len) !== 0
    queue.setTsoSegs(skb, len)
    return true
  }
  /** The probe `skb` has gone. It stands for two segments. */
  const probeSent = (sk: number, skb: number): void => {
    i32[sk + TP_SND_CWND]--
    i32[sk + TP_MTUP_PROBE] = mssToMtu(sk, i32[skb + SKB_LEN] + options)
    i32[sk + TP_MTUP_PROBE_START] = i32[skb + CB_SEQ]
    i32[sk + TP_MTUP_PROBE_END] = i32[skb + CB_END_SEQ]
  }

  /** snd_una has moved: has the probe arrived? Then segments are as large, and the window as many octets. */
  const probeAcked = (sk: number): void => {
    const size = i32[sk + TP_MTUP_PROBE]
    if (size === 0 || ((i32[sk + TP_MTUP_PROBE_END] - i32[sk + TP_SND_UNA]) | 0) > 0) return
    i32[sk + TP_PRIOR_SSTHRESH] = currentSsthresh(i32, sk)
    const octets = i32[sk + TP_SND_CWND] * mssToMtu(sk, i32[sk + TP_MSS_CACHE])
    i32[sk + TP_SND_CWND] = Math.max(1, (octets / size) | 0)
    i32[sk + TP_SND_CWND_CNT] = 0
    i32[sk + TP_SND_CWND_STAMP] = time[TIME_MS]
    i32[sk + TP_SND_SSTHRESH] = currentSsthresh(i32, sk)
    i32[sk + TP_MTUP_LOW] = size
    i32[sk + TP_MTUP_PROBE] = 0
    mss.syncMss(sk)
    f64[bank + Mib.TcpExtTCPMTUPSuccess]++
  }
  /** What is missing is the probe, and nothing else: the path does not take it, which is no congestion. False: it is not. */
  const probeLost = (sk: number): boolean => {
    const size = i32[sk + TP_MTUP_PROBE]
    if (size === 0 || i32[sk + TP_SND_UNA] !== i32[sk + TP_MTUP_PROBE_START]) return false
    i32[sk + TP_MTUP_HIGH] = size - 1
    i32[sk + TP_MTUP_PROBE] = 0
    i32[sk + TP_SND_CWND]++
    f64[bank + Mib.TcpExtTCPMTUPFail]++
    return true
  }

  /** Timeouts in a row: the path may swallow what is large and say nothing (RFC 4821 section 7.7). */
  const suspectBlackHole = (sk: number): void => {
    if (i32[sysctl + Sysctl.tcp_mtu_probing] === 0) return
    if (i32[sk + TP_MTUP_ENABLED] === 0) {
      i32[sk + TP_MTUP_ENABLED] = 1
      i32[sk + TP_MTUP_STAMP] = time[TIME_MS]
    } else {
      const half = mtuToMss(sk, i32[sk + TP_MTUP_LOW]) >> 1
      const least = Math.max(
        i32[sysctl + Sysctl.tcp_mtu_probe_floor],
        i32[sysctl + Sysctl.tcp_min_snd_mss]
      )
      const size = Math.max(Math.min(i32[sysctl + Sysctl.tcp_base_mss], half), least)
      i32[sk + TP_MTUP_LOW] = mssToMtu(sk, size)
    }
    mss.syncMss(sk)
  }
  return {
    initMtuProbe,
    mtuProbe,
    probeSent,
    probeAcked,
    probeLost,
    suspectBlackHole,
  }
}
