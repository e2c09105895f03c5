/**
 * Packet memory of TCP on one worker, within the budget (skb/budget.ts): what a queued skb is charged as, how far queues
 * may grow, and the minimum that every socket gets when memory is short. Each of the two lines, for receiving and
 * for sending, keeps its last quarter for sockets that hold little, so that others go on where some that nobody reads hold
 * all the rest, and the last eighth for those below tcp_rmem[0] or tcp_wmem[0]; whoever asks for his minimum when even
 * that is gone waits for those who get on, or has the worst of the others trimmed for him (tcp-oom.ts). Above its minimum a socket that sends may
 * hold some times what is free, of either kind of buffer (dynamic thresholds, by which switches share their memory:
 * Choudhury, Hahne 1998): whoever holds more gets nothing until enough is acknowledged, so all that want memory come
 * to hold the same, and something is always left for one who begins. Called by everything that queues.
 * Linux: tcp_mem, sk_mem_charge(), tcp_under_memory_pressure(), sk_forced_mem_schedule().
 */
import type { Arena } from '../../../shm/arena.ts'
import { LARGE_BYTES, SMALL_BYTES } from '../../../shm/layout.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { Holder, largesOf, smallsOf, TRUESIZE_LARGE, TRUESIZE_SMALL } from '../../../skb/budget.ts'
import { MAX_HEADER, SKB_BUF, SKB_LEN } from '../../../skb/skb.ts'
import type { Skbs } from '../../../skb/skbs.ts'
import { SK_RMEM } from '../../../socket/sock.ts'
import { TP_PACKETS_OUT, TP_WQ_LARGES, TP_WQ_SMALLS } from './tcp-sock.ts'

/** Payload that a small or a large buffer of ours holds behind the headers' room. */
export const SMALL_PAYLOAD = SMALL_BYTES - MAX_HEADER
export const LARGE_PAYLOAD = LARGE_BYTES - MAX_HEADER
/**
 * What a sent skb costs the socket beside its bytes: as much as Linux's, so that a buffer of so many octets holds as much
 * (SKB_TRUESIZE of an skb with room for headers alone, SKB_SMALL_HEAD_SIZE).
 */
const SEND_OVERHEAD = 832
/** A socket's share is so many times what is free: one alone gets four fifths. */
const SHARE = 4
/** A socket holds little when it has less than an eighth of what is left for such ones. */
const REST_SHIFT = 3
/** Who has so much to write waits for a large buffer when it has its share of them, and does not go on in small ones. */
const BULK = LARGE_PAYLOAD >> 1

export type TcpMem = ReturnType<typeof createTcpMem>

export const createTcpMem = (arena: Arena, skbs: Skbs) => {
  const { i32, layout } = arena
  const { smalls, config, sysctl } = layout
  const { budget } = skbs
  const { bounds, slotsOf, truesize, hold, release, smallHeld, largeHeld, hasLarges } = budget
  const bound = (holder: Holder, large: 0 | 1): number => bounds[holder * 2 + large]
  /** Three quarters: the last one is for sockets that hold little, and half of that for minimums alone. */
  const most = (n: number): number => n - (n >> 2)
  const rest = (n: number): number => n - (n >> 3)
  const rcvSmall = bound(Holder.tcp_rcv, 0)
  const rcvLarge = bound(Holder.tcp_rcv, 1)
  const ofoSmall = bound(Holder.tcp_ofo, 0)
  const ofoLarge = bound(Holder.tcp_ofo, 1)
  const sndSmall = bound(Holder.tcp_snd, 0)
  const sndLarge = bound(Holder.tcp_snd, 1)
  /** What is left of the line to SYNs and FINs, which data must not keep from being sent. */
  const sndData = sndSmall - (sndSmall >> 4)
  /** Largest buffer one socket may grow to by itself. */
  const sockLimit = (config.smallBuffers * SMALL_BYTES + config.largeBuffers * LARGE_BYTES) >> 3

  const isLarge = (skb: number): boolean => i32[skb + SKB_BUF] >= smalls

  // Receiving.

  const charge = (sk: number, skb: number, holder: Holder): void => {
    hold(skb, holder)
    i32[sk + SK_RMEM] += truesize(skb)
  }
  /** Into the receive queue, or the out-of-order queue. */
  const chargeRcv = (sk: number, skb: number): void => charge(sk, skb, Holder.tcp_rcv)
  const chargeOfo = (sk: number, skb: number): void => charge(sk, skb, Holder.tcp_ofo)
  const unchargeRcv = (sk: number, skb: number): void => {
    release(skb)
    i32[sk + SK_RMEM] -= truesize(skb)
  }
  const smallsIn = (): number => smallHeld(Holder.tcp_rcv) + smallHeld(Holder.tcp_ofo)
  const largesIn = (): number => largeHeld(Holder.tcp_rcv) + largeHeld(Holder.tcp_ofo)
  const underPressure = (): boolean =>
    smallsIn() > most(most(rcvSmall)) || largesIn() > most(most(rcvLarge))
  /** False when the worker holds too much, of either kind; a socket below its minimum may have the rest too. */
  const mayCharge = (sk: number, skb: number): boolean => {
    const slots = slotsOf(skb)
    const small = smallsIn() + smallsOf(slots)
    const large = largesIn() + largesOf(slots)
    if (!hasLarges(Holder.tcp_rcv, largesOf(slots))) return false
    if (small <= most(rcvSmall) && large <= most(rcvLarge)) return true
    const isLow = hasLessThanMinimum(sk) || i32[sk + SK_RMEM] < leftFor(slots) >> REST_SHIFT
    return isLow && small <= rcvSmall && large <= rcvLarge
  }
  /** What is left for such sockets, bytes, of the kinds in `slots`. */
  const leftFor = (slots: number): number =>
    Math.min(
      smallsOf(slots) === 0 ? sockLimit : (rest(rcvSmall) - smallsIn()) * TRUESIZE_SMALL,
      largesOf(slots) === 0 ? sockLimit : (rest(rcvLarge) - largesIn()) * TRUESIZE_LARGE
    )
  const hasLessThanMinimum = (sk: number): boolean =>
    i32[sk + SK_RMEM] < i32[sysctl + Sysctl.tcp_rmem_min]
  /** As mayCharge, for a segment out of order. */
  const mayChargeOfo = (sk: number, skb: number): boolean => {
    const slots = slotsOf(skb)
    return (
      smallHeld(Holder.tcp_ofo) + smallsOf(slots) <= ofoSmall &&
      largeHeld(Holder.tcp_ofo) + largesOf(slots) <= ofoLarge &&
      mayCharge(sk, skb)
    )
  }
  /** Whether a large buffer may be used for received text (to copy small ones into). */
  const mayTakeLarge = (): boolean => largesIn() < most(rcvLarge) && hasLarges(Holder.tcp_rcv, 1)
  const maxRcvbuf = (): number => Math.min(i32[sysctl + Sysctl.tcp_rmem_max], sockLimit)
  /** What it may become by SO_RCVBUF as well: the scale of the window is chosen for that (tcp_select_initial_window). */
  const mostRcvbuf = (): number =>
    Math.min(Math.max(i32[sysctl + Sysctl.tcp_rmem_max], i32[sysctl + Sysctl.rmem_max]), sockLimit)

  // Sending.

  const maxSndbuf = (): number => Math.min(i32[sysctl + Sysctl.tcp_wmem_max], sockLimit)
  const sendCharge = (skb: number): number => i32[skb + SKB_LEN] + SEND_OVERHEAD
  /** Into the socket's write queue, and out of it. */
  const holdSend = (sk: number, skb: number): void => {
    hold(skb, Holder.tcp_snd)
    i32[sk + (isLarge(skb) ? TP_WQ_LARGES : TP_WQ_SMALLS)]++
  }
  const releaseSend = (sk: number, skb: number): void => {
    release(skb)
    i32[sk + (isLarge(skb) ? TP_WQ_LARGES : TP_WQ_SMALLS)]--
  }
  const freeSmalls = (): number => most(sndSmall) - smallHeld(Holder.tcp_snd)
  const freeLarges = (): number => most(sndLarge) - largeHeld(Holder.tcp_snd)
  const plentyOfLarges = (): boolean => freeLarges() > 0 && hasLarges(Holder.tcp_snd, 1)
  const mayQueueSmall = (sk: number): boolean => i32[sk + TP_WQ_SMALLS] < SHARE * freeSmalls()
  const mayQueueLarge = (sk: number): boolean =>
    i32[sk + TP_WQ_LARGES] < SHARE * freeLarges() && hasLarges(Holder.tcp_snd, 1)
  /** Whether text may be cut off to be sent beside what flies, which is what the small buffers of that are for. */
  const mayCut = (sk: number): boolean =>
    i32[sk + TP_PACKETS_OUT] < Math.max(1, SHARE * freeSmalls())
  /** Its minimum, or its part of what is kept for minimums. */
  const mayHaveRest = (sk: number): boolean => {
    const left = (rest(sndSmall) - smallHeld(Holder.tcp_snd)) * TRUESIZE_SMALL
    const held = i32[sk + TP_WQ_SMALLS] * TRUESIZE_SMALL + i32[sk + TP_WQ_LARGES] * TRUESIZE_LARGE
    return held < Math.max(i32[sysctl + Sysctl.tcp_wmem_min], left >> REST_SHIFT)
  }
  const small = (): number => skbs.alloc(SMALL_PAYLOAD, MAX_HEADER)
  /**
   * An skb for `size` bytes of stream data, or for fewer when memory is short; 0 when the socket has to wait. -1 when it
   * has less than its minimum and the line is full: somebody is to be trimmed.
   */
  const allocSend = (sk: number, size: number): number => {
    if (size > SMALL_PAYLOAD && plentyOfLarges()) {
      if (mayQueueLarge(sk)) {
        const skb = skbs.alloc(LARGE_PAYLOAD, MAX_HEADER)
        if (skb !== 0) return skb
      } else if (size > BULK) return 0
    }
    if (mayQueueSmall(sk)) return small()
    if (!mayHaveRest(sk)) return 0
    return maySplitSmall() ? small() : -1
  }
  const maySplitSmall = (): boolean => smallHeld(Holder.tcp_snd) < sndData
  /** An skb for `len` bytes that a queued one is split by; 0 when the line has no room for it. */
  const allocSplit = (len: number): number => {
    const fits =
      len <= SMALL_PAYLOAD
        ? maySplitSmall()
        : largeHeld(Holder.tcp_snd) < sndLarge && hasLarges(Holder.tcp_snd, 1)
    return fits ? skbs.alloc(len, MAX_HEADER) : 0
  }
  /** Whether a SYN or a FIN may be queued. */
  const mayQueueFlag = (): boolean => smallHeld(Holder.tcp_snd) < sndSmall
  /** The write queues hold all that they may: orphans give way (tcp_out_of_memory). */
  const isSendFull = (): boolean => smallHeld(Holder.tcp_snd) >= most(sndSmall)

  return {
    truesize,
    isLarge,
    chargeRcv,
    chargeOfo,
    unchargeRcv,
    underPressure,
    mayCharge,
    mayChargeOfo,
    hasLessThanMinimum,
    mayTakeLarge,
    maxRcvbuf,
    mostRcvbuf,
    maxSndbuf,
    sendCharge,
    holdSend,
    releaseSend,
    plentyOfLarges,
    mayCut,
    mayQueueLarge,
    allocSend,
    maySplitSmall,
    allocSplit,
    mayQueueFlag,
    isSendFull,
    sockLimit,
  }
}
