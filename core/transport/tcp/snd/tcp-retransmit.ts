import { Errno } from '../../../base/errno.ts'
import type { Time } from '../../../base/time.ts'
import { TIME_MS } from '../../../base/time.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { SKB_GSO_SIZE, SKB_LEN, SKB_NEXT } from '../../../skb/skb.ts'
import { TCP_CWR, TCP_ECE, TCP_SYN } from '../../../wire/tcp.ts'
import type { TcpMss } from './tcp-mss.ts'
import type { TcpPacing } from './tcp-pacing.ts'
import {
  ICSK_TIME_PROBE0,
  ICSK_TIME_REO_TIMEOUT,
  TCP_CA_LOSS,
  TP_BYTES_RETRANS,
  TP_CA_STATE,
  TP_LOST_OUT,
  TP_MTUP_PROBE,
  TP_PENDING,
  TP_PRR_OUT,
  TP_RETRANS_OUT,
  TP_RETRANS_STAMP,
  TP_SEND_HEAD,
  TP_SND_CWND,
  TP_SND_UNA,
  TP_TOTAL_RETRANS,
  TP_UNDO_RETRANS,
  TP_WQ_HEAD,
  TP_MD5,
} from '../sock/tcp-sock.ts'
import { add64 } from '../../../base/u64.ts'
import { inCwndReduction, packetsInFlight } from '../cong/tcp-cwnd.ts'
import {
  CB_END_SEQ,
  CB_FLAGS,
  CB_SEQ,
  CBF_AE,
  CBF_EVER_RETRANS,
  CBF_LOST,
  CBF_RETRANS,
  CBF_SACKED,
} from '../sock/tcp-cb.ts'
import { wndEnd } from '../sock/tcp-wnd.ts'
import type { TcpTransmit } from './tcp-transmit.ts'
import type { TcpTsq } from './tcp-tsq.ts'
import { accecnKeepsAsking } from '../ecn/tcp-accecn.ts'
import type { TcpRate } from '../ack/tcp-rate.ts'
import type { TcpXmitTimer } from '../timer/tcp-xmit-timer.ts'
import type { TcpWriteQueue } from './tcp-write-queue.ts'

export type TcpRetransmit = ReturnType<typeof createTcpRetransmit>
type TcpRetransmitDeps = {
  arena: Arena
  bank: number
  time: Time
  queue: TcpWriteQueue
  mss: TcpMss
  pacing: TcpPacing
  transmit: TcpTransmit
  tsq: TcpTsq
  rate: TcpRate
  xmitTimer: TcpXmitTimer
}

export const createTcpRetransmit = (deps: TcpRetransmitDeps) => {
  const { queue, time, bank, tsq, rate } = deps
  const { rearmRto } = deps.xmitTimer
  const { narrowAdvmss, currentMss, tsoSegs } = deps.mss
  const { mustWait } = deps.pacing
  const { transmitClone } = deps.transmit
  const { pcount, setTsoSegs, countFewer } = queue
  const { i32, f64, layout } = deps.arena
  const { sysctl } = layout

  /** Sends `segs` segments of a sent skb, which is lost, again; 0 or -errno. */
  const retransmit = (sk: number, skb: number, segs: number): number => {
    const front = cutOut(sk, skb, segs)
    if (front < 0) {
      noteTried(sk, skb)
      return front
    }
    const err = resend(sk, front)
    if (err === 0) countAgain(sk, front)
    noteTried(sk, front)
    return err
  }
  /** It went again, or would have: what comes twice of all that was tried shows whether recovery was in vain. */
  const noteTried = (sk: number, skb: number): void => {
    if (i32[sk + TP_RETRANS_STAMP] === 0) i32[sk + TP_RETRANS_STAMP] = time[TIME_MS] || -1
    if (i32[sk + TP_UNDO_RETRANS] < 0) i32[sk + TP_UNDO_RETRANS] = 0
    i32[sk + TP_UNDO_RETRANS] += pcount(skb)
  }
  /** As retransmit, of a segment that nobody thinks lost: it is in flight once (__tcp_retransmit_skb). */
  const probe = (sk: number, skb: number): number => {
    const front = cutOut(sk, skb, 1)
    return front < 0 ? front : resend(sk, front)
  }
  const countAgain = (sk: number, skb: number): void => {
    if ((i32[skb + CB_FLAGS] & CBF_RETRANS) === 0) i32[sk + TP_RETRANS_OUT] += pcount(skb)
    i32[skb + CB_FLAGS] |= CBF_RETRANS
  }
  /** As much of the skb as may be sent again, as an skb of its own; or -errno. */
  const cutOut = (sk: number, skb: number, segs: number): number => {
    const mss = currentMss(sk)
    const una = i32[sk + TP_SND_UNA]
    // what a probe would have shown is not clear any more
    i32[sk + TP_MTUP_PROBE] = 0
    const stale = (una - i32[skb + CB_SEQ]) | 0
    if (stale > 0 && stale <= i32[skb + SKB_LEN])
      countFewer(sk, i32[skb + CB_FLAGS], queue.trimHead(sk, skb, stale, mss))
    const room = (wndEnd(i32, sk) - i32[skb + CB_SEQ]) | 0
    if (room <= 0 && i32[skb + CB_SEQ] !== una) return -Errno.EAGAIN
    let len = i32[sk + TP_MD5] === 0 ? mss * segs : mss
    if (room > 0 && len > room) len = room < mss ? room : room - (room % mss)
    else if (room <= 0) len = Math.min(len, mss)
    if (
      i32[skb + SKB_LEN] > len &&
      (queue.maySplit(skb, Math.min(len, mss)) || room < i32[skb + SKB_LEN])
    )
      return queue.peel(sk, skb, len, mss) || -Errno.ENOMEM
    retune(sk, skb, mss)
    collapse(sk, skb, room > 0 ? Math.min(room, mss) : mss)
    return skb
  }
  /** Small segments that follow one another go as one when they are sent again (tcp_retrans_try_collapse). */
  const collapse = (sk: number, skb: number, space: number): void => {
    if (i32[sysctl + Sysctl.tcp_retrans_collapse] === 0 || i32[skb + SKB_LEN] >= space) return
    if ((i32[skb + CB_FLAGS] & TCP_SYN) !== 0 || !queue.isOneSegment(skb)) return
    const end = i32[sk + TP_SEND_HEAD]
    for (let next = i32[skb + SKB_NEXT]; next !== end; next = i32[skb + SKB_NEXT]) {
      if (((i32[next + CB_END_SEQ] - wndEnd(i32, sk)) | 0) > 0) return
      if (!queue.collapse(sk, skb, space)) return
    }
  }
  /** The segment size may have changed since the skb was sent. */
  const retune = (sk: number, skb: number, mss: number): void => {
    const size = i32[skb + SKB_GSO_SIZE]
    if (i32[skb + SKB_LEN] <= mss ? size === 0 : size === mss) return
    const before = pcount(skb)
    setTsoSegs(skb, mss)
    countFewer(sk, i32[skb + CB_FLAGS], before - pcount(skb))
  }
  /** A SYN that was not answered; what it asked for is still taken if the first is answered late. */
  const askForLess = (sk: number, skb: number): void => {
    if (!accecnKeepsAsking(i32, sk)) i32[skb + CB_FLAGS] &= ~(TCP_ECE | TCP_CWR | CBF_AE)
  }
  const resend = (sk: number, skb: number): number => {
    const segs = pcount(skb)
    // RFC 3168 section 6.1.1.1: what drops a SYN that asks for ECN lets one through that does not
    if ((i32[skb + CB_FLAGS] & TCP_SYN) !== 0 && i32[sysctl + Sysctl.tcp_ecn_fallback] !== 0)
      askForLess(sk, skb)
    if ((i32[skb + CB_FLAGS] & TCP_SYN) !== 0) narrowAdvmss(sk)
    rate.rateSent(sk, skb)
    const err = transmitClone(sk, skb)
    i32[sk + TP_TOTAL_RETRANS] += segs
    add64(i32, sk + TP_BYTES_RETRANS, i32[skb + SKB_LEN])
    f64[bank + Mib.TcpRetransSegs] += segs
    if ((i32[skb + CB_FLAGS] & TCP_SYN) !== 0) f64[bank + Mib.TcpExtTCPSynRetrans]++
    if (err < 0) {
      f64[bank + Mib.TcpExtTCPRetransFail]++
      return err
    }
    queue.sentLast(sk, skb)
    i32[skb + CB_FLAGS] |= CBF_EVER_RETRANS
    return 0
  }

  /** Sends again what is marked lost, as the window allows. */
  const xmitRetransmitQueue = (sk: number): void => {
    const end = i32[sk + TP_SEND_HEAD]
    const most = tsoSegs(sk, currentMss(sk))
    let skb = i32[sk + TP_WQ_HEAD]
    while (skb !== 0 && skb !== end && i32[sk + TP_LOST_OUT] > i32[sk + TP_RETRANS_OUT]) {
      if (mustWait(sk)) return
      const quota = i32[sk + TP_SND_CWND] - packetsInFlight(i32, sk)
      if (quota <= 0) return
      const flags = i32[skb + CB_FLAGS]
      // what was sent again just now is passed by too; of one that was split the rest comes next
      if ((flags & (CBF_SACKED | CBF_RETRANS)) !== 0 || (flags & CBF_LOST) === 0) {
        skb = i32[skb + SKB_NEXT]
        continue
      }
      if (tsq.holdsUp(sk, skb, 1)) return
      const first = skb === i32[sk + TP_WQ_HEAD]
      const before = i32[sk + TP_RETRANS_OUT]
      if (retransmit(sk, skb, Math.min(quota, most)) < 0) return
      const isLoss = i32[sk + TP_CA_STATE] === TCP_CA_LOSS
      f64[bank + (isLoss ? Mib.TcpExtTCPSlowStartRetrans : Mib.TcpExtTCPFastRetrans)]++
      if (inCwndReduction(i32, sk)) i32[sk + TP_PRR_OUT] += i32[sk + TP_RETRANS_OUT] - before
      const pending = i32[sk + TP_PENDING]
      if (first && pending !== ICSK_TIME_PROBE0 && pending !== ICSK_TIME_REO_TIMEOUT) rearmRto(sk)
    }
  }

  return { retransmit, probe, xmitRetransmitQueue }
}
