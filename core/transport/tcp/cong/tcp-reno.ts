/**
 * NewReno: half the window after a loss, one segment more each round trip. Linux: tcp_reno in net/ipv4/tcp_cong.c;
 * RFC 5681, RFC 6582.
 */
import { TP_PRIOR_CWND, TP_SND_CWND } from '../sock/tcp-sock.ts'
import type { CongestionControl } from './tcp-cong.ts'
import { congAvoidAi, inSlowStart, isCwndLimited, slowStart } from './tcp-cong-avoid.ts'

export const reno: CongestionControl = {
  name: 'reno',
  create: ({ i32 }) => ({
    ssthresh: (sk) => Math.max(i32[sk + TP_SND_CWND] >> 1, 2),
    congAvoid: (sk, _ack, acked) => {
      if (!isCwndLimited(i32, sk)) return
      const left = inSlowStart(i32, sk) ? slowStart(i32, sk, acked) : acked
      if (left > 0) congAvoidAi(i32, sk, i32[sk + TP_SND_CWND], left)
    },
    undoCwnd: (sk) => Math.max(i32[sk + TP_SND_CWND], i32[sk + TP_PRIOR_CWND]),
  }),
}
