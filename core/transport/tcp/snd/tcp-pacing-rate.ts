/**
 * The rate that a socket sends at: as the acknowledgements have it, or the congestion control, and no more than
 * SO_MAX_PACING_RATE. tcp-pacing.ts goes by it, tcp-mss.ts and tcp-tsq.ts measure by it. Linux: sk_pacing_rate.
 */
import { Sysctl } from '../../../shm/sysctl.ts'
import {
  TP_MAX_PACING_RATE,
  TP_MSS_CACHE,
  TP_PACING_RATE,
  TP_PACKETS_OUT,
  TP_SND_CWND,
  TP_SND_SSTHRESH,
  TP_SRTT_US,
} from '../sock/tcp-sock.ts'

/** SO_MAX_PACING_RATE, octets a second. */
export const maxPacingRate = (i32: Int32Array, sk: number): number =>
  i32[sk + TP_MAX_PACING_RATE] === 0
    ? Number.POSITIVE_INFINITY
    : ~i32[sk + TP_MAX_PACING_RATE] >>> 0

/** Octets a second that it could send (sk_pacing_rate); no limit before the first round trip is known. */
export const pacingRate = (i32: Int32Array, sk: number): number =>
  Math.min(i32[sk + TP_PACING_RATE] >>> 0 || Number.POSITIVE_INFINITY, maxPacingRate(i32, sk))

/**
 * An acknowledgement has said how long the round trip is and what the window: that each round trip and somewhat more, twice as
 * much while it opens. It stays so until the next, whatever becomes of the window meanwhile (tcp_update_pacing_rate).
 */
export const updatePacingRate = (i32: Int32Array, sysctl: number, sk: number): void => {
  const srtt = i32[sk + TP_SRTT_US]
  if (srtt === 0) return
  const cwnd = i32[sk + TP_SND_CWND]
  const isOpening = cwnd < i32[sk + TP_SND_SSTHRESH] >> 1
  const ratio = i32[sysctl + (isOpening ? Sysctl.tcp_pacing_ss_ratio : Sysctl.tcp_pacing_ca_ratio)]
  const window = Math.max(cwnd, i32[sk + TP_PACKETS_OUT]) * i32[sk + TP_MSS_CACHE]
  const rate = Math.min((window * 8e4 * ratio) / srtt, 0xffffffff)
  i32[sk + TP_PACING_RATE] = Math.max(1, rate)
}
