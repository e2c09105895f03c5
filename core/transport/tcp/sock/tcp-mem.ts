/**
 * Packet memory that TCP holds on one worker: what a queued skb is charged as, and the bounds that keep a few
 * sockets from emptying the thread's pool (Linux: tcp_mem, sk_mem_charge, tcp_under_memory_pressure). Senders leave
 * half of the large and a quarter of the small buffers alone, receive queues hold at most a quarter: the rest is for
 * packets on their way, or two hosts that hold all they have could wait for each other.
 */
import type { Arena } from '../../../shm/arena.ts'
import { LARGE_BYTES, SMALL_BYTES } from '../../../shm/layout.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { MAX_HEADER, SKB_BUF, SKB_FRAGS, SKB_LEN, SKB_NEXT, type Skbs } from '../../../skb/skb.ts'
import { SK_RMEM } from '../../../socket/sock.ts'

/** Row beside the buffer. */
const ROW_BYTES = 128
export const TRUESIZE_SMALL = SMALL_BYTES + ROW_BYTES
export const TRUESIZE_LARGE = LARGE_BYTES + ROW_BYTES
/** Payload that a small or a large buffer of ours holds behind the headers' room. */
export const SMALL_PAYLOAD = SMALL_BYTES - MAX_HEADER
export const LARGE_PAYLOAD = LARGE_BYTES - MAX_HEADER
/** What a sent skb costs the socket beside its bytes. */
const SEND_OVERHEAD = 512

export type TcpMem = ReturnType<typeof createTcpMem>

export const createTcpMem = (arena: Arena, skbs: Skbs) => {
  const { i32, layout } = arena
  const { smalls, config } = layout
  const freeRows = layout.freeSkbs + skbs.thread * (32 + config.skbs)
  const freeSmalls = layout.freeSmalls + skbs.thread * (32 + config.smallBuffers)
  const freeLarges = layout.freeLarges + skbs.thread * (32 + config.largeBuffers)
  const poolBytes = config.smallBuffers * SMALL_BYTES + config.largeBuffers * LARGE_BYTES
  // Received packets come from a nic thread's pool, which the workers share, or from this thread's, which its
  // senders use too: three quarters of the one divided by the workers, or a quarter of the other.
  const rcvShare = Math.min(0.75 / config.workers, 0.25)
  const rcvLimit = (poolBytes * rcvShare) | 0
  const rcvPressure = (rcvLimit * 3) >> 2
  const largeLimit = Math.max(1, (config.largeBuffers * rcvShare) | 0)
  const largePressure = (largeLimit * 3) >> 2
  const rowReserve = config.skbs >> 2
  const smallReserve = config.smallBuffers >> 2
  const largeReserve = config.largeBuffers >> 1
  /** Largest buffer one socket may grow to by itself. */
  const sockLimit = poolBytes >> 3
  let rcvCharged = 0
  let rcvLarges = 0

  const oneTruesize = (skb: number): number =>
    i32[skb + SKB_BUF] < smalls ? TRUESIZE_SMALL : TRUESIZE_LARGE
  const truesize = (skb: number): number => {
    let size = oneTruesize(skb)
    for (let frag = i32[skb + SKB_FRAGS]; frag !== 0; frag = i32[frag + SKB_NEXT])
      size += oneTruesize(frag)
    return size
  }
  const isLarge = (skb: number): boolean => i32[skb + SKB_BUF] >= smalls

  const largesOf = (skb: number): number => {
    let n = isLarge(skb) ? 1 : 0
    for (let frag = i32[skb + SKB_FRAGS]; frag !== 0; frag = i32[frag + SKB_NEXT])
      if (isLarge(frag)) n++
    return n
  }
  const chargeRcv = (sk: number, skb: number): void => {
    const bytes = truesize(skb)
    i32[sk + SK_RMEM] += bytes
    rcvCharged += bytes
    rcvLarges += largesOf(skb)
  }
  const unchargeRcv = (sk: number, skb: number): void => {
    const bytes = truesize(skb)
    i32[sk + SK_RMEM] -= bytes
    rcvCharged -= bytes
    rcvLarges -= largesOf(skb)
  }
  const underPressure = (): boolean => rcvCharged > rcvPressure || rcvLarges > largePressure
  /** False when the worker holds too much, of bytes or of large buffers, and the socket has its minimum. */
  const mayCharge = (sk: number, skb: number): boolean =>
    (rcvCharged + truesize(skb) <= rcvLimit && rcvLarges + largesOf(skb) <= largeLimit) ||
    i32[sk + SK_RMEM] < i32[layout.sysctl + Sysctl.tcp_rmem_min]
  const maxRcvbuf = (): number => Math.min(i32[layout.sysctl + Sysctl.tcp_rmem_max], sockLimit)
  const maxSndbuf = (): number => Math.min(i32[layout.sysctl + Sysctl.tcp_wmem_max], sockLimit)

  const sendCharge = (skb: number): number => i32[skb + SKB_LEN] + SEND_OVERHEAD
  const plentyOfLarges = (): boolean => i32[freeLarges] > largeReserve
  /** An skb for `size` bytes of stream data, or for fewer when memory is short; 0 when it is shorter still. */
  const allocSend = (size: number): number => {
    if (i32[freeRows] <= rowReserve) skbs.reclaim()
    if (i32[freeRows] <= rowReserve) return 0
    if (size > SMALL_PAYLOAD && plentyOfLarges()) return skbs.alloc(LARGE_PAYLOAD, MAX_HEADER)
    if (i32[freeSmalls] <= smallReserve) return 0
    return skbs.alloc(SMALL_PAYLOAD, MAX_HEADER)
  }

  return {
    truesize,
    isLarge,
    chargeRcv,
    unchargeRcv,
    underPressure,
    mayCharge,
    maxRcvbuf,
    maxSndbuf,
    sendCharge,
    plentyOfLarges,
    allocSend,
    rcvCharged: () => rcvCharged,
    sockLimit,
  }
}
