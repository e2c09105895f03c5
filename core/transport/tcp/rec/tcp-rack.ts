/**
 * RACK (RFC 8985): what was sent long enough before something that has arrived is lost, whatever its sequence number. So a
 * retransmission that is lost is seen too, and reordering is borne as long as it takes less than the reordering window, which
 * reports of duplicates widen. Called for each acknowledgement and by the reordering timer, on the worker.
 * Linux: net/ipv4/tcp_recovery.c.
 */
import type { Time } from '../../../base/time.ts'
import { TIME_US } from '../../../base/time.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { SKB_TIME_NEXT } from '../../../skb/skb.ts'
import type { TcpWriteQueue } from '../snd/tcp-write-queue.ts'
import {
  ICSK_TIME_REO_TIMEOUT,
  TCP_CA_RECOVERY,
  TP_CA_STATE,
  TP_DELIVERED,
  TP_MIN_RTT_US,
  TP_RACK_ADVANCED,
  TP_RACK_DSACK_SEEN,
  TP_RACK_END_SEQ,
  TP_RACK_LAST_DELIVERED,
  TP_RACK_MSTAMP_US,
  TP_RACK_REO_PERSIST,
  TP_RACK_REO_STEPS,
  TP_RACK_RTT_US,
  TP_REORD_SEEN,
  TP_REORDERING,
  TP_SACKED_OUT,
  TP_SENT_HEAD,
  TP_SRTT_US,
} from '../sock/tcp-sock.ts'
import { CB_END_SEQ, CB_FLAGS, CB_TIME, CBF_LOST, CBF_RETRANS } from '../sock/tcp-cb.ts'
import { TCP_TIMEOUT_MIN } from '../sock/tcp-constants.ts'
import type { TcpTimers } from '../timer/tcp-timers.ts'
import { sentAfter } from './tcp-rack-advance.ts'
import type { TcpSacktag } from '../ack/tcp-sacktag.ts'

// net.ipv4.tcp_recovery, bits.
/** The reordering window stays at a quarter of the least round trip. */
const RACK_STATIC_REO_WND = 2
/** Three reports of later segments say no more than one. */
const RACK_NO_DUPTHRESH = 4

/** A widened window narrows again after so many recoveries. */
const RECOVERY_THRESH = 16
const MAX_STEPS = 255

export type TcpRack = ReturnType<typeof createTcpRack>
type TcpRackDeps = {
  i32: Int32Array
  time: Time
  sysctl: number
  queue: TcpWriteQueue
  timers: TcpTimers
} & Pick<TcpSacktag, 'markLost'>

export const createTcpRack = ({ i32, time, sysctl, queue, timers, markLost }: TcpRackDeps) => {
  const policy = (): number => i32[sysctl + Sysctl.tcp_recovery]

  /** RFC 8985 section 6.2 step 4: how long what was sent later may arrive sooner, us. */
  const reoWnd = (sk: number): number => {
    if (i32[sk + TP_REORD_SEEN] === 0) {
      // nothing was ever out of order here: no time is lost in recovery, nor after three later ones
      if (i32[sk + TP_CA_STATE] >= TCP_CA_RECOVERY) return 0
      if (
        i32[sk + TP_SACKED_OUT] >= i32[sk + TP_REORDERING] &&
        (policy() & RACK_NO_DUPTHRESH) === 0
      )
        return 0
    }
    const steps = i32[sk + TP_RACK_REO_STEPS] || 1
    return Math.min((i32[sk + TP_MIN_RTT_US] >> 2) * steps, i32[sk + TP_SRTT_US] >> 3)
  }
  /** Microseconds until the skb is lost if it is not heard of; not positive is now. */
  const skbTimeout = (sk: number, skb: number, windowUs: number): number =>
    (i32[sk + TP_RACK_RTT_US] + windowUs - ((time[TIME_US] - i32[skb + CB_TIME]) | 0)) | 0

  /** Marks what is lost by now; returns when the next may be, us from now, or 0. */
  const detectLoss = (sk: number): number => {
    const windowUs = reoWnd(sk)
    let waitUs = 0
    for (let skb = i32[sk + TP_SENT_HEAD]; skb !== 0; ) {
      const next = i32[skb + SKB_TIME_NEXT]
      const flags = i32[skb + CB_FLAGS]
      if ((flags & CBF_LOST) === 0 || (flags & CBF_RETRANS) !== 0) {
        const isOlder = sentAfter(
          i32[sk + TP_RACK_MSTAMP_US],
          i32[skb + CB_TIME],
          i32[sk + TP_RACK_END_SEQ],
          i32[skb + CB_END_SEQ]
        )
        if (!isOlder) break
        const left = skbTimeout(sk, skb, windowUs)
        if (left <= 0) {
          markLost(sk, skb)
          queue.leaveOrder(sk, skb)
        } else if (left > waitUs) waitUs = left
      }
      skb = next
    }
    return waitUs
  }
  /**
   * After an acknowledgement that showed something new to have arrived. True when the timer runs until more may be lost
   * (tcp_rack_mark_lost).
   */
  const rackMarkLost = (sk: number): boolean => {
    if (i32[sk + TP_RACK_ADVANCED] === 0) return false
    i32[sk + TP_RACK_ADVANCED] = 0
    const waitUs = detectLoss(sk)
    if (waitUs === 0) return false
    timers.resetXmitTimer(sk, ICSK_TIME_REO_TIMEOUT, Math.ceil(waitUs / 1000) + TCP_TIMEOUT_MIN)
    return true
  }

  /**
   * The window widens by a step in each round in which a duplicate shows that a retransmission was not needed (RFC 8985
   * section 6.2 step 4). `priorDelivered`: what had been delivered when that was sent which has arrived now; 0: nothing has.
   */
  const updateReoWnd = (sk: number, priorDelivered: number): void => {
    if (priorDelivered === 0 || (policy() & RACK_STATIC_REO_WND) !== 0) return
    if (((priorDelivered - i32[sk + TP_RACK_LAST_DELIVERED]) | 0) < 0)
      i32[sk + TP_RACK_DSACK_SEEN] = 0
    if (i32[sk + TP_RACK_DSACK_SEEN] !== 0) {
      i32[sk + TP_RACK_REO_STEPS] = Math.min(MAX_STEPS, (i32[sk + TP_RACK_REO_STEPS] || 1) + 1)
      i32[sk + TP_RACK_DSACK_SEEN] = 0
      i32[sk + TP_RACK_LAST_DELIVERED] = i32[sk + TP_DELIVERED]
      i32[sk + TP_RACK_REO_PERSIST] = RECOVERY_THRESH
    } else if (i32[sk + TP_RACK_REO_PERSIST] === 0) i32[sk + TP_RACK_REO_STEPS] = 1
  }

  return { detectLoss, rackMarkLost, skbTimeout, updateReoWnd }
}
