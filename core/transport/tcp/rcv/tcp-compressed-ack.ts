/**
 * Acknowledgements of what lies behind a hole, once the first three have told of it: they wait a twentieth of the round trip for one
 * another, so that the sender, who goes by them, hears of more at a time. Where that is less than timers tell apart they wait until
 * the worker has nothing else to do: what has come together is told of together. Called by tcp-snd-check.ts, tcp-data-queue.ts, the
 * timer and the loop; on the worker. Linux: __tcp_ack_snd_check(), tcp_sack_compress_send_ack(), tcp_compressed_ack_kick().
 */
import type { Arena } from '../../../shm/arena.ts'
import type { Slab } from '../../../shm/slab.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { SK_GENERATION } from '../../../socket/sock.ts'
import type { TcpTransmit } from '../snd/tcp-transmit.ts'
import { TCP_FASTRETRANS_THRESH, TCP_SACK_BLOCKS_EXPECTED } from '../sock/tcp-constants.ts'
import {
  OPT_SACK,
  TP_COMPRESSED_ACK,
  TP_COMPRESSED_ACK_RCV_NXT,
  TP_DUP_ACK_COUNTER,
  TP_OPTS,
  TP_RCV_NXT,
  TP_RCV_RTT_US,
  TP_SRTT_US,
} from '../sock/tcp-sock.ts'
import type { TcpTimers } from '../timer/tcp-timers.ts'
import { scheduleAck } from './tcp-quickack.ts'
import { sackBlockOf } from './tcp-sack.ts'

/** Part of a round trip that it may take. */
const SHARE = 20

export type TcpCompressedAck = ReturnType<typeof createTcpCompressedAck>
type TcpCompressedAckDeps = {
  arena: Arena
  slab: Slab
  timers: Pick<TcpTimers, 'resetCompressedAckTimer' | 'clearCompressedAckTimer'>
  transmit: Pick<TcpTransmit, 'sendAck'>
}

export const createTcpCompressedAck = (deps: TcpCompressedAckDeps) => {
  const { arena, slab, timers, transmit } = deps
  const { i32, layout } = arena
  const { sysctl } = layout
  // those that wait for a turn without work: as long as they ever had to be, and no longer than there are sockets
  const waiting: number[] = []
  const generations: number[] = []
  let count = 0

  /** In ticks of the wheel; what is nearer to none than to one of them is 0. */
  const delayMs = (sk: number): number => {
    // both times eight
    const peer = i32[sk + TP_RCV_RTT_US]
    const own = i32[sk + TP_SRTT_US]
    const rtt = own !== 0 && own < peer ? own : peer
    const most = i32[sysctl + Sysctl.tcp_comp_sack_delay_ns] / 1e6
    return Math.round(Math.min(most, rtt / 8 / SHARE / 1000))
  }
  /** Whether the acknowledgement that is due waits for others, and its timer has been told. */
  const waits = (sk: number): boolean => {
    if ((i32[sk + TP_OPTS] & OPT_SACK) === 0) return false
    if (i32[sk + TP_COMPRESSED_ACK] >= i32[sysctl + Sysctl.tcp_comp_sack_nr]) return false
    if (i32[sk + TP_COMPRESSED_ACK_RCV_NXT] !== i32[sk + TP_RCV_NXT]) {
      i32[sk + TP_COMPRESSED_ACK_RCV_NXT] = i32[sk + TP_RCV_NXT]
      i32[sk + TP_DUP_ACK_COUNTER] = 0
    }
    if (i32[sk + TP_DUP_ACK_COUNTER] < TCP_FASTRETRANS_THRESH) {
      i32[sk + TP_DUP_ACK_COUNTER]++
      return false
    }
    const delay = delayMs(sk)
    if (delay === 0 && i32[sk + TP_COMPRESSED_ACK] === 0 && !waitForRest(sk)) return false
    i32[sk + TP_COMPRESSED_ACK]++
    // there may be no rest
    timers.resetCompressedAckTimer(sk, Math.max(1, delay))
    return true
  }
  const waitForRest = (sk: number): boolean => {
    if (count === slab.rows) return false
    waiting[count] = sk
    generations[count++] = i32[sk + SK_GENERATION]
    return true
  }
  /** The worker has nothing else to do: what waited for that goes. Returns how many did. */
  const sendCompressed = (): number => {
    const all = count
    count = 0
    for (let k = 0; k < all; k++)
      if (i32[waiting[k] + SK_GENERATION] === generations[k]) kick(waiting[k])
    return all
  }
  /** One goes for all that wait, if any do. */
  const kick = (sk: number): void => {
    if (i32[sk + TP_COMPRESSED_ACK] === 0) return
    timers.clearCompressedAckTimer(sk)
    i32[sk + TP_COMPRESSED_ACK]--
    transmit.sendAck(sk)
  }
  /**
   * [seq, end) comes behind a hole: a block that what waits could not count on telling of goes before. That leaves the new one to be
   * told of (RFC 2018 section 4), which the kernel forgets until another segment comes.
   */
  const makeRoom = (sk: number, seq: number, end: number): void => {
    if (i32[sk + TP_COMPRESSED_ACK] === 0) return
    if (sackBlockOf(i32, sk, seq, end) < TCP_SACK_BLOCKS_EXPECTED) return
    kick(sk)
    scheduleAck(i32, sk)
  }
  return { waits, kick, makeRoom, sendCompressed }
}
