/**
 * What an acknowledgement does to the congestion window: it grows with what was delivered, or is on its way down, or the
 * algorithm has it all in its own hands. Called by tcp-ack.ts on the worker. Linux: tcp_cong_control, tcp_may_raise_cwnd.
 */
import { TIME_MS, type Time } from '../../../base/time.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import {
  FLAG_DATA_ACKED,
  FLAG_FORWARD_PROGRESS,
  FLAG_SND_UNA_ADVANCED,
} from '../ack/tcp-ack-constants.ts'
import { ACKED_PACKETS, type TcpCleanRtxQueue } from '../ack/tcp-clean-rtx-queue.ts'
import type { TcpCong } from './tcp-cong.ts'
import { inCwndReduction } from './tcp-cwnd.ts'
import type { TcpPrr } from '../rec/tcp-prr.ts'
import {
  RS_ACKED_SACKED,
  RS_IS_ACK_DELAYED,
  RS_LOSSES,
  RS_PRIOR_DELIVERED,
  RS_PRIOR_IN_FLIGHT,
  RS_RTT_US,
  type TcpRate,
} from '../ack/tcp-rate.ts'
import { updatePacingRate } from '../snd/tcp-pacing-rate.ts'
import {
  TCP_CA_OPEN,
  TP_CA_STATE,
  TP_DELIVERED,
  TP_MSS_CACHE,
  TP_REORDERING,
  TP_SND_CWND_STAMP,
  TP_SND_UNA,
} from '../sock/tcp-sock.ts'

export type TcpCongControl = ReturnType<typeof createTcpCongControl>
type TcpCongControlDeps = {
  i32: Int32Array
  sysctl: number
  time: Time
  cong: TcpCong
  prr: Pick<TcpPrr, 'cwndReduction'>
  rate: Pick<TcpRate, 'sample'>
} & Pick<TcpCleanRtxQueue, 'acked'>

export const createTcpCongControl = (deps: TcpCongControlDeps) => {
  const { i32, sysctl, time, cong, prr, acked } = deps
  const { sample } = deps.rate

  /** One segment that is not full, alone in flight: nobody has asked for an acknowledgement of it (FLAG_ACK_MAYBE_DELAYED). */
  const isMaybeDelayed = (sk: number, una: number): boolean =>
    acked[ACKED_PACKETS] === 1 &&
    ((i32[sk + TP_SND_UNA] - una) | 0) < i32[sk + TP_MSS_CACHE] &&
    ((sample[RS_PRIOR_DELIVERED] + 1) | 0) === i32[sk + TP_DELIVERED] &&
    i32[sk + TP_CA_STATE] === TCP_CA_OPEN
  /** The algorithm hears of it first; `una`: snd_una before it, `rttUs`: the round trip of what was sent last, or -1. */
  const congAcked = (sk: number, una: number, rttUs: number): void => {
    const ops = cong.ops(sk)
    sample[RS_RTT_US] = rttUs
    sample[RS_IS_ACK_DELAYED] = isMaybeDelayed(sk, una) ? 1 : 0
    const packets = acked[ACKED_PACKETS]
    if (packets !== 0) ops.pktsAcked?.(sk, packets, rttUs, sample[RS_PRIOR_IN_FLIGHT])
    ops.ackEvent?.(sk)
  }

  /** Where reordering is usual, reports alone are progress, as is that of a SYN. */
  const mayRaiseCwnd = (sk: number, flags: number): boolean => {
    const isUsual = i32[sk + TP_REORDERING] > i32[sysctl + Sysctl.tcp_reordering]
    return (flags & (isUsual ? FLAG_FORWARD_PROGRESS : FLAG_DATA_ACKED)) !== 0
  }
  /** What became of the acknowledgement, whose sample is made, is known: window and pace follow from it. */
  const congControl = (sk: number, ack: number, flags: number): void => {
    const ops = cong.ops(sk)
    if (ops.congControl !== undefined) return ops.congControl(sk, ack, sample)
    const delivered = sample[RS_ACKED_SACKED]
    if (inCwndReduction(i32, sk)) {
      const advanced = (flags & FLAG_SND_UNA_ADVANCED) !== 0
      prr.cwndReduction(sk, delivered, sample[RS_LOSSES], advanced)
    } else if (mayRaiseCwnd(sk, flags)) {
      ops.congAvoid(sk, ack, delivered)
      i32[sk + TP_SND_CWND_STAMP] = time[TIME_MS]
    }
    updatePacingRate(i32, sysctl, sk)
  }

  return { congAcked, congControl }
}
