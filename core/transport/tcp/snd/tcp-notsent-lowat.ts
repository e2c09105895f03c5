/**
 * TCP_NOTSENT_LOWAT: a bound on what was written and not sent. Asked by writers and by who wakes them.
 */
import { Sysctl } from '../../../shm/sysctl.ts'
import { TP_NOTSENT_LOWAT, TP_SND_NXT, TP_WRITE_SEQ } from '../sock/tcp-sock.ts'

/**
 * May a writer add to what has not been sent? To so much that its socket or the sysctl says; who is told that he may again
 * is told when half of that is left (__tcp_stream_memory_free: `wake` 1).
 */
export const mayQueueMore = (i32: Int32Array, sysctl: number, sk: number, wake: 0 | 1): boolean => {
  const lowat = (i32[sk + TP_NOTSENT_LOWAT] || i32[sysctl + Sysctl.tcp_notsent_lowat]) >>> 0
  const unsent = (i32[sk + TP_WRITE_SEQ] - i32[sk + TP_SND_NXT]) | 0
  return Math.max(0, unsent) * (wake + 1) < lowat
}
