/**
 * The round trip that an acknowledgement tells: one sample for the estimator (tcp-rtt.ts), and that of what was sent last for
 * the shortest round trip and the congestion control. Called by tcp-ack.ts on the worker. Linux: tcp_ack_update_rtt; RFC 6298
 * section 3 (Karn), RFC 7323 section 4.
 */
import { TIME_MS, type Time } from '../../../base/time.ts'
import { OPT_SEEN, OPT_TSECR, SEEN_TIMESTAMPS } from '../../../wire/tcp-options.ts'
import { rttEstimator, setRto, stampRttUs, updateMinRtt } from './tcp-rtt.ts'
import type { TcpSacktag } from './tcp-sacktag.ts'
import { TP_BACKOFF, TP_TS_OFFSET } from '../sock/tcp-sock.ts'
import { FLAG_ACKED, FLAG_RETRANS_DATA_ACKED } from './tcp-ack-constants.ts'
import {
  ACKED_FIRST_RTT_US,
  ACKED_LAST_RTT_US,
  type TcpCleanRtxQueue,
} from './tcp-clean-rtx-queue.ts'

export type TcpAckRtt = ReturnType<typeof createTcpAckRtt>
type TcpAckRttDeps = {
  i32: Int32Array
  time: Time
  sacktag: Pick<TcpSacktag, 'lastSackRtt'>
} & Pick<TcpCleanRtxQueue, 'acked'>

export const createTcpAckRtt = ({ i32, time, sacktag, acked }: TcpAckRttDeps) => {
  /** By the timestamp that is echoed; or -1. */
  const stampRtt = (sk: number, opts: Int32Array): number => {
    if ((opts[OPT_SEEN] & SEEN_TIMESTAMPS) === 0 || opts[OPT_TSECR] === 0) return -1
    return stampRttUs((time[TIME_MS] + i32[sk + TP_TS_OFFSET] - opts[OPT_TSECR]) | 0)
  }
  /**
   * A sample of what was never retransmitted, else by timestamp. Returns that of what was sent last of all that has come, or -1;
   * `sackRtt`: that of the first that a block reports, or -1.
   */
  const updateRtt = (sk: number, opts: Int32Array, flags: number, sackRtt: number): number => {
    const isAmbiguous = (flags & FLAG_RETRANS_DATA_ACKED) !== 0
    let sample = isAmbiguous ? -1 : acked[ACKED_FIRST_RTT_US]
    let last = isAmbiguous ? -1 : acked[ACKED_LAST_RTT_US]
    if (sackRtt >= 0) last = sacktag.lastSackRtt()
    if (sample < 0) sample = sackRtt
    if (sample < 0 && (flags & FLAG_ACKED) !== 0) sample = last = stampRtt(sk, opts)
    if (sample < 0) return last
    updateMinRtt(i32, sk, last)
    rttEstimator(i32, sk, sample)
    setRto(i32, sk)
    i32[sk + TP_BACKOFF] = 0
    return last
  }

  return { updateRtt }
}
