import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import { SKB_LEN, SKB_NEXT, SKB_PREV } from '../../../skb/skb.ts'
import type { TcpMss } from '../snd/tcp-mss.ts'
import {
  TCP_NAGLE_OFF,
  TP_PACKETS_OUT,
  TP_PENDING,
  TP_SEND_HEAD,
  TP_SND_NXT,
  TP_TLP_HIGH_SEQ,
  TP_TLP_RETRANS,
  TP_WQ_TAIL,
} from '../sock/tcp-sock.ts'
import { fitsWindow } from '../sock/tcp-wnd.ts'
import { PUSH_PROBE, type TcpOutput } from '../snd/tcp-output.ts'
import type { TcpRetransmit } from '../snd/tcp-retransmit.ts'
import type { TcpXmitTimer } from './tcp-xmit-timer.ts'
import type { TcpWriteQueue } from '../snd/tcp-write-queue.ts'

export type TcpLossProbe = ReturnType<typeof createTcpLossProbe>
type TcpLossProbeDeps = {
  arena: Arena
  bank: number
  queue: TcpWriteQueue
  mss: TcpMss
  xmitTimer: TcpXmitTimer
  output: TcpOutput
  retransmission: TcpRetransmit
}

export const createTcpLossProbe = (deps: TcpLossProbeDeps) => {
  const { queue, bank } = deps
  const { rearmRto } = deps.xmitTimer
  const { currentMss } = deps.mss
  const { writeXmit } = deps.output
  const { retransmission } = deps
  const { pcount, fragment } = queue
  const { i32, f64 } = deps.arena

  /**
   * The probe timer: the end of a flight was not heard of. New data is the best probe, else the last segment once more; one
   * probe at a time (RFC 8985 section 7.3, tcp_send_loss_probe).
   */
  const sendLossProbe = (sk: number): void => {
    if (i32[sk + TP_TLP_HIGH_SEQ] === 0 && probe(sk)) {
      i32[sk + TP_TLP_HIGH_SEQ] = i32[sk + TP_SND_NXT]
      f64[bank + Mib.TcpExtTCPLossProbes]++
      // the retransmission timer runs from now
      i32[sk + TP_PENDING] = 0
    }
    rearmRto(sk)
  }
  const probe = (sk: number): boolean => {
    i32[sk + TP_TLP_RETRANS] = 0
    const mss = currentMss(sk)
    const before = i32[sk + TP_PACKETS_OUT]
    const head = i32[sk + TP_SEND_HEAD]
    if (head !== 0 && fitsWindow(i32, sk, head, mss)) {
      writeXmit(sk, mss, TCP_NAGLE_OFF, PUSH_PROBE)
      return i32[sk + TP_PACKETS_OUT] > before
    }
    let skb = head === 0 ? i32[sk + TP_WQ_TAIL] : i32[head + SKB_PREV]
    if (skb === 0) return false
    const segs = pcount(skb)
    if (segs > 1 && i32[skb + SKB_LEN] > (segs - 1) * mss) {
      if (!queue.maySplit(skb, (segs - 1) * mss)) return false
      const front = fragment(sk, skb, (segs - 1) * mss, mss)
      if (front === 0) return false
      skb = i32[front + SKB_NEXT]
    }
    if (retransmission.probe(sk, skb) < 0) return false
    i32[sk + TP_TLP_RETRANS] = 1
    return true
  }

  return { sendLossProbe }
}
