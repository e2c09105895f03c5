/**
 * DCTCP, for networks whose queues mark early: the window is reduced by the share of segments that were marked, so a
 * queue stays short without emptying. Without ECN it is Reno. The receiver's part, which echoes each mark, is
 * tcp-rcv-queue.ts's. On the worker. Linux: net/ipv4/tcp_dctcp.c; RFC 8257 section 3.
 */
import {
  ECN_MODE_ANY,
  TP_CA_PRIV,
  TP_DELIVERED,
  TP_DELIVERED_CE,
  TP_ECN,
  TP_SND_CWND,
  TP_SND_NXT,
  TP_SND_SSTHRESH,
  TP_SND_UNA,
  TCP_CA_RECOVERY,
  TP_CA_STATE,
} from '../sock/tcp-sock.ts'
import { CA_EVENT_LOSS, type CongestionControl } from './tcp-cong.ts'
import { reno } from './tcp-reno.ts'

// Private words.
/** The estimate of the share that is marked, in 1024ths. */
const ALPHA = TP_CA_PRIV
/** The window of observation: its end, and what had been delivered and marked when it began. */
const WINDOW_END = TP_CA_PRIV + 1
const OLD_DELIVERED = TP_CA_PRIV + 2
const OLD_DELIVERED_CE = TP_CA_PRIV + 3
/** The window at the last reduction. */
const LOSS_CWND = TP_CA_PRIV + 4

const ALPHA_MAX = 1024
/** Section 4.2: the estimate moves by a sixteenth of what is new. */
const SHIFT_G = 4

export const dctcp: CongestionControl = {
  name: 'dctcp',
  needsEcn: true,
  info: (i32, sk) => ({ alpha: i32[sk + ALPHA] }),
  create: (deps) => {
    const { i32 } = deps
    const { congAvoid } = reno.create(deps)

    const beginWindow = (sk: number): void => {
      i32[sk + WINDOW_END] = i32[sk + TP_SND_NXT]
      i32[sk + OLD_DELIVERED] = i32[sk + TP_DELIVERED]
      i32[sk + OLD_DELIVERED_CE] = i32[sk + TP_DELIVERED_CE]
    }
    /** Section 3.3: alpha = (1 - g) alpha + g F. */
    const updateAlpha = (sk: number): void => {
      const alpha = i32[sk + ALPHA]
      const delivered = Math.max(1, (i32[sk + TP_DELIVERED] - i32[sk + OLD_DELIVERED]) | 0)
      const marked = (i32[sk + TP_DELIVERED_CE] - i32[sk + OLD_DELIVERED_CE]) | 0
      // what is too small to shrink by a sixteenth goes at once
      const less = alpha - (alpha >> SHIFT_G || alpha)
      const more = ((marked * (ALPHA_MAX >> SHIFT_G)) / delivered) | 0
      i32[sk + ALPHA] = Math.min(less + more, ALPHA_MAX)
    }
    /** Section 3.5: a loss is one, marked or not. */
    const reactToLoss = (sk: number): void => {
      i32[sk + LOSS_CWND] = i32[sk + TP_SND_CWND]
      i32[sk + TP_SND_SSTHRESH] = Math.max(i32[sk + TP_SND_CWND] >> 1, 2)
    }

    return {
      init(sk) {
        // section 4.2: until more is known, as careful as Reno
        i32[sk + ALPHA] = ALPHA_MAX
        beginWindow(sk)
      },
      ssthresh(sk) {
        const cwnd = i32[sk + TP_SND_CWND]
        const alpha = (i32[sk + TP_ECN] & ECN_MODE_ANY) !== 0 ? i32[sk + ALPHA] : ALPHA_MAX
        i32[sk + LOSS_CWND] = cwnd
        return Math.max(cwnd - ((cwnd * alpha) >> 11), 2)
      },
      congAvoid,
      ackEvent(sk) {
        if (((i32[sk + TP_SND_UNA] - i32[sk + WINDOW_END]) | 0) < 0) return
        updateAlpha(sk)
        beginWindow(sk)
      },
      setState(sk, state) {
        if (state === TCP_CA_RECOVERY && i32[sk + TP_CA_STATE] !== state) reactToLoss(sk)
      },
      cwndEvent(sk, event) {
        if (event === CA_EVENT_LOSS) reactToLoss(sk)
      },
      undoCwnd: (sk) => Math.max(i32[sk + TP_SND_CWND], i32[sk + LOSS_CWND]),
    }
  },
}
