/**
 * Without SACK, duplicate acknowledgements stand for segments that have arrived: the count of them is kept where that of
 * reported segments is. Called by tcp-recovery.ts, tcp-frto.ts and tcp-ack.ts, on the worker.
 * Linux: tcp_add_reno_sack, tcp_remove_reno_sacks, tcp_check_reno_reordering; RFC 6582 (window inflation).
 */
import { Mib } from '../../../shm/counters.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { FLAG_DSACKING_ACK, FLAG_NOT_DUP, FLAG_SND_UNA_ADVANCED } from '../ack/tcp-ack-constants.ts'
import {
  OPT_SACK,
  TP_DELIVERED,
  TP_LOST_OUT,
  TP_OPTS,
  TP_PACKETS_OUT,
  TP_REORDERING,
  TP_REORD_SEEN,
  TP_SACKED_OUT,
} from '../sock/tcp-sock.ts'

/** The connection has SACK (tcp_is_sack). */
export const isSack = (i32: Int32Array, sk: number): boolean => (i32[sk + TP_OPTS] & OPT_SACK) !== 0
/** The acknowledgement says nothing new, so what caused it has come out of order. `flags`: FLAG_*. */
export const isDupack = (flags: number): boolean =>
  (flags & (FLAG_SND_UNA_ADVANCED | FLAG_NOT_DUP | FLAG_DSACKING_ACK)) === 0

export type TcpRenoSack = ReturnType<typeof createTcpRenoSack>
type TcpRenoSackDeps = { i32: Int32Array; f64: Float64Array; bank: number; sysctl: number }

export const createTcpRenoSack = ({ i32, f64, bank, sysctl }: TcpRenoSackDeps) => {
  const countDelivered = (sk: number, n: number): void => {
    if (n <= 0) return
    i32[sk + TP_DELIVERED] += n
    f64[bank + Mib.TcpExtTCPDelivered] += n
  }
  /**
   * More duplicate ACKs than segments that could have caused them: the hole has filled meanwhile, so it was reordering;
   * `acked` segments are no longer in flight.
   */
  const checkRenoReordering = (sk: number, acked: number): void => {
    const packets = i32[sk + TP_PACKETS_OUT]
    const most = packets - Math.min(packets, Math.max(1, i32[sk + TP_LOST_OUT]))
    if (i32[sk + TP_SACKED_OUT] <= most) return
    i32[sk + TP_SACKED_OUT] = most
    i32[sk + TP_REORDERING] = Math.min(packets + acked, i32[sysctl + Sysctl.tcp_max_reordering])
    i32[sk + TP_REORD_SEEN]++
    f64[bank + Mib.TcpExtTCPRenoReorder]++
  }
  const addRenoSack = (sk: number): void => {
    const before = i32[sk + TP_SACKED_OUT]
    i32[sk + TP_SACKED_OUT]++
    checkRenoReordering(sk, 0)
    countDelivered(sk, i32[sk + TP_SACKED_OUT] - before)
  }
  /** `acked` segments are acknowledged: the duplicates that stood for them are, but one, which the hole was. */
  const removeRenoSacks = (sk: number, acked: number): void => {
    const sacked = i32[sk + TP_SACKED_OUT]
    if (acked > 0) {
      countDelivered(sk, Math.max(acked - sacked, 1))
      i32[sk + TP_SACKED_OUT] = Math.max(0, sacked - (acked - 1))
    }
    checkRenoReordering(sk, acked)
  }
  return { addRenoSack, removeRenoSacks }
}
