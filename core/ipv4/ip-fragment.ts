/**
 * IPv4 reassembly. Fragments of a datagram for this host wait, sorted, until it is whole; it is then copied into one
 * buffer behind the first fragment's headers. Bounded in datagrams and memory, the oldest datagram gives way; 30
 * seconds, then time exceeded. Overlaps end a datagram (RFC 5722's reasoning). On the worker that the addresses hash
 * to. Linux: net/ipv4/ip_fragment.c, inet_fragment.c; RFC 791, 815, 3168 section 5.3.
 */
import type { Time } from '../base/time.ts'
import { TIME_MS } from '../base/time.ts'
import type { TimerWheel } from '../base/timer-wheel.ts'
import type { Arena } from '../shm/arena.ts'
import { counterBank, Mib } from '../shm/counters.ts'
import { Holder } from '../skb/budget.ts'
import type { ConsumeFn, DropFn } from '../skb/drop.ts'
import { Drop } from '../skb/drop.ts'
import type { Skbs } from '../skb/skb.ts'
import {
  RX_HEADROOM,
  SKB_CB,
  SKB_DATA,
  SKB_DEV,
  SKB_FRAGS,
  SKB_IIF,
  SKB_LEN,
  SKB_MAC,
  SKB_MARK,
  SKB_NETWORK,
  SKB_NEXT,
  SKB_PKT_TYPE,
  SKB_PROTOCOL,
  SKB_TRANSPORT,
} from '../skb/skb.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import { IPCB_FLAGS, IPCB_TYPE, IPSKB_REASSEMBLED } from '../inet/inet-constants.ts'
import type { Icmp } from './icmp.ts'

type IpDefragDeps = {
  arena: Arena
  skbs: Skbs
  drop: DropFn
  consume: ConsumeFn
  time: Time
  wheel: TimerWheel
  random: () => number
  /** First of TIMER_WORDS zero words of this thread. */
  timer: number
} & Pick<Icmp, 'icmpSend'>

export type IpDefrag = ReturnType<typeof createIpDefrag>

/** ipfrag_time. */
const TIMEOUT_MS = 30_000
const QUEUES = 256
const BUCKETS = 256
// Words of a queue; number 0 is none. HEAD and TAIL chain the fragments by offset.
const Q_SADDR = 0
const Q_DADDR = 1
const Q_ID_PROTO = 2
const Q_HEAD = 4
const Q_TAIL = 5
/** End of what is known; the datagram's length once the last fragment is there. */
const Q_LEN = 6
/** Bytes that are there. */
const Q_MEAT = 7
const Q_FLAGS = 8
const Q_EXPIRES = 9
const Q_NEXT = 10
/** By age: the queues all live equally long. */
const Q_OLDER = 11
const Q_NEWER = 12
const Q_COUNT = 13
const Q_ECN = 14
const Q_WORDS = 16
const FIRST_IN = 1
const LAST_IN = 2
/** Offset of a waiting fragment's bytes in its datagram (the word of the control block that IP does not use). */
const CB_OFFSET = SKB_CB + 3

// What was seen of the ECN field: a bit for each of its values.
const ECN_NOT_ECT = 1
const ECN_CE = 8
const INET_ECN_CE = 3

export const createIpDefrag = (deps: IpDefragDeps) => {
  const { arena, skbs, drop, consume, time, wheel, random, timer, icmpSend } = deps
  const { i32, u8, f64 } = arena
  const count = counterBank(arena, skbs.thread)
  const q = new Int32Array((QUEUES + 1) * Q_WORDS)
  const buckets = new Int32Array(BUCKETS)
  const seed = random()
  const { budget } = skbs
  let held = 0
  let free = 0
  let oldest = 0
  let newest = 0
  for (let n = QUEUES; n > 0; n--) {
    q[n * Q_WORDS + Q_NEXT] = free
    free = n * Q_WORDS
  }

  const bucketOf = (saddr: number, daddr: number, idProto: number): number => {
    let h = Math.imul(saddr ^ seed, 0x85ebca6b)
    h = Math.imul((h ^ (h >>> 15)) + daddr, 0xc2b2ae35)
    h = Math.imul((h ^ (h >>> 13)) + idProto, 0x27d4eb2f)
    return (h >>> 16) & (BUCKETS - 1)
  }
  const find = (saddr: number, daddr: number, idProto: number): number => {
    let queue = buckets[bucketOf(saddr, daddr, idProto)]
    while (
      queue !== 0 &&
      (q[queue + Q_SADDR] !== saddr ||
        q[queue + Q_DADDR] !== daddr ||
        q[queue + Q_ID_PROTO] !== idProto)
    )
      queue = q[queue + Q_NEXT]
    return queue
  }
  const open = (saddr: number, daddr: number, idProto: number): number => {
    if (free === 0) end(oldest, Drop.FRAG_REASM_TIMEOUT)
    const queue = free
    free = q[queue + Q_NEXT]
    q.fill(0, queue, queue + Q_WORDS)
    const bucket = bucketOf(saddr, daddr, idProto)
    q[queue + Q_SADDR] = saddr
    q[queue + Q_DADDR] = daddr
    q[queue + Q_ID_PROTO] = idProto
    q[queue + Q_NEXT] = buckets[bucket]
    buckets[bucket] = queue
    q[queue + Q_EXPIRES] = (time[TIME_MS] + TIMEOUT_MS) | 0
    q[queue + Q_OLDER] = newest
    if (newest !== 0) q[newest + Q_NEWER] = queue
    else oldest = queue
    newest = queue
    if (!wheel.isArmed(timer)) wheel.arm(timer, TIMEOUT_MS, onTimer)
    return queue
  }
  /** Takes a queue out of its chains; its fragments are the caller's. */
  const close = (queue: number): void => {
    const bucket = bucketOf(q[queue + Q_SADDR], q[queue + Q_DADDR], q[queue + Q_ID_PROTO])
    if (buckets[bucket] === queue) buckets[bucket] = q[queue + Q_NEXT]
    else {
      let before = buckets[bucket]
      while (q[before + Q_NEXT] !== queue) before = q[before + Q_NEXT]
      q[before + Q_NEXT] = q[queue + Q_NEXT]
    }
    const older = q[queue + Q_OLDER]
    const newer = q[queue + Q_NEWER]
    if (older !== 0) q[older + Q_NEWER] = newer
    else oldest = newer
    if (newer !== 0) q[newer + Q_OLDER] = older
    else newest = older
    held -= q[queue + Q_COUNT]
    q[queue + Q_NEXT] = free
    free = queue
  }
  /** Gives a datagram up. */
  const end = (queue: number, reason: Drop): void => {
    f64[count + Mib.IpReasmFails]++
    let skb = q[queue + Q_HEAD]
    close(queue)
    while (skb !== 0) {
      const next = i32[skb + SKB_NEXT]
      i32[skb + SKB_NEXT] = 0
      drop(skb, reason)
      skb = next
    }
  }
  const onTimer = wheel.register(() => {
    while (oldest !== 0 && ((q[oldest + Q_EXPIRES] - time[TIME_MS]) | 0) <= 0) {
      f64[count + Mib.IpReasmTimeout]++
      // without the first fragment nobody could tell what the error is about (RFC 792)
      if ((q[oldest + Q_FLAGS] & FIRST_IN) !== 0)
        icmpSend(q[oldest + Q_HEAD], icmp.ICMP_TIME_EXCEEDED, icmp.ICMP_EXC_FRAGTIME, 0)
      end(oldest, Drop.FRAG_REASM_TIMEOUT)
    }
    if (oldest !== 0) wheel.arm(timer, (q[oldest + Q_EXPIRES] - time[TIME_MS]) | 0, onTimer)
  })

  /**
   * Takes a fragment over, data at its IP header; answers the whole datagram, which has no link header, or 0.
   */
  const ipDefrag = (skb: number): number => {
    f64[count + Mib.IpReasmReqds]++
    if (i32[skb + SKB_FRAGS] !== 0 && !skbs.expandHead(skb, RX_HEADROOM))
      return refuse(skb, Drop.NOMEM)
    const at = i32[skb + SKB_NETWORK]
    const idProto = (ipv4.id(u8, at) << 8) | ipv4.protocol(u8, at)
    const saddr = ipv4.src(u8, at)
    const daddr = ipv4.dst(u8, at)
    while (!budget.mayHold(skb, Holder.reasm)) {
      if (oldest === 0) return refuse(skb, Drop.NOMEM)
      end(oldest, Drop.FRAG_REASM_TIMEOUT)
    }
    const known = find(saddr, daddr, idProto)
    return insert(known === 0 ? open(saddr, daddr, idProto) : known, skb, at)
  }
  const refuse = (skb: number, reason: Drop): number => {
    f64[count + Mib.IpReasmFails]++
    drop(skb, reason)
    return 0
  }
  /** The fragment contradicts the others: all go. */
  const discard = (queue: number, skb: number): number => {
    end(queue, Drop.DUP_FRAG)
    drop(skb, Drop.DUP_FRAG)
    return 0
  }

  const insert = (queue: number, skb: number, at: number): number => {
    const offset = ipv4.fragmentOffset(u8, at)
    const isMore = ipv4.moreFragments(u8, at)
    const headerLen = ipv4.headerLen(u8, at)
    let len = i32[skb + SKB_LEN] - headerLen
    // all but the last are multiples of eight
    if (isMore && (len & 7) !== 0) len &= ~7
    const stop = offset + len
    const known = q[queue + Q_LEN]
    const lastIn = (q[queue + Q_FLAGS] & LAST_IN) !== 0
    if (len <= 0 || stop + headerLen > ipv4.MAX_TOTAL_LENGTH) return discard(queue, skb)
    if (isMore ? lastIn && stop > known : stop < known || (lastIn && stop !== known))
      return discard(queue, skb)
    skbs.pull(skb, headerLen)
    skbs.trim(skb, len)
    i32[skb + CB_OFFSET] = offset
    const verdict = place(queue, skb, offset, stop)
    if (verdict !== 0) {
      if (verdict === DUPLICATE) drop(skb, Drop.DUP_FRAG)
      else discard(queue, skb)
      return 0
    }
    budget.hold(skb, Holder.reasm)
    if (stop > known) q[queue + Q_LEN] = stop
    if (!isMore) q[queue + Q_FLAGS] |= LAST_IN
    if (offset === 0) q[queue + Q_FLAGS] |= FIRST_IN
    q[queue + Q_MEAT] += len
    q[queue + Q_COUNT]++
    q[queue + Q_ECN] |= 1 << (u8[at + 1] & 3)
    held++
    const isWhole =
      q[queue + Q_FLAGS] === (FIRST_IN | LAST_IN) && q[queue + Q_MEAT] === q[queue + Q_LEN]
    return isWhole ? assemble(queue) : 0
  }

  const DUPLICATE = 1
  const OVERLAP = 2
  /** Puts the fragment where its offset is; most come in order, so the tail is tried first. */
  const place = (queue: number, skb: number, offset: number, stop: number): number => {
    const tail = q[queue + Q_TAIL]
    let before = 0
    if (tail !== 0 && i32[tail + CB_OFFSET] <= offset) before = tail
    else {
      for (let other = q[queue + Q_HEAD]; other !== 0 && i32[other + CB_OFFSET] <= offset; ) {
        before = other
        other = i32[other + SKB_NEXT]
      }
    }
    const after = before === 0 ? q[queue + Q_HEAD] : i32[before + SKB_NEXT]
    if (before !== 0 && i32[before + CB_OFFSET] + i32[before + SKB_LEN] > offset)
      return i32[before + CB_OFFSET] + i32[before + SKB_LEN] >= stop ? DUPLICATE : OVERLAP
    if (after !== 0 && stop > i32[after + CB_OFFSET]) return OVERLAP
    i32[skb + SKB_NEXT] = after
    if (before === 0) q[queue + Q_HEAD] = skb
    else i32[before + SKB_NEXT] = skb
    if (after === 0) q[queue + Q_TAIL] = skb
    return 0
  }

  /** ECN of the whole (RFC 3168 section 5.3): CE when any had it; not both capable and not. */
  const isEcnMixed = (seen: number): boolean => (seen & ECN_NOT_ECT) !== 0 && seen !== ECN_NOT_ECT

  const assemble = (queue: number): number => {
    const first = q[queue + Q_HEAD]
    const header = i32[first + SKB_NETWORK]
    const headerLen = ipv4.headerLen(u8, header)
    const total = headerLen + q[queue + Q_LEN]
    if (isEcnMixed(q[queue + Q_ECN]) || total > ipv4.MAX_TOTAL_LENGTH) {
      end(queue, Drop.NOT_SPECIFIED)
      return 0
    }
    const whole = skbs.alloc(total, RX_HEADROOM + ethernet.ETH_HLEN)
    if (whole === 0) {
      end(queue, Drop.NOMEM)
      return 0
    }
    const at = skbs.put(whole, total)
    u8.copyWithin(at, header, header + headerLen)
    i32[whole + SKB_MAC] = at
    i32[whole + SKB_NETWORK] = at
    i32[whole + SKB_TRANSPORT] = at + headerLen
    i32[whole + SKB_PROTOCOL] = i32[first + SKB_PROTOCOL]
    i32[whole + SKB_DEV] = i32[first + SKB_DEV]
    i32[whole + SKB_IIF] = i32[first + SKB_DEV]
    i32[whole + SKB_MARK] = i32[first + SKB_MARK]
    i32[whole + SKB_PKT_TYPE] = i32[first + SKB_PKT_TYPE]
    i32[whole + IPCB_TYPE] = i32[first + IPCB_TYPE]
    i32[whole + IPCB_FLAGS] = IPSKB_REASSEMBLED
    if ((q[queue + Q_ECN] & ECN_CE) !== 0) ipv4.setTos(u8, at, ipv4.tos(u8, at) | INET_ECN_CE)
    ipv4.setTotalLength(u8, at, total)
    ipv4.setFragment(u8, at, 0, 0)
    ipv4.setChecksum(u8, at)
    close(queue)
    gather(first, at + headerLen)
    f64[count + Mib.IpReasmOKs]++
    return whole
  }
  /** Copies the fragments' bytes to where they belong and frees them. */
  const gather = (first: number, to: number): void => {
    for (let skb = first; skb !== 0; ) {
      const next = i32[skb + SKB_NEXT]
      const from = i32[skb + SKB_DATA]
      u8.copyWithin(to + i32[skb + CB_OFFSET], from, from + i32[skb + SKB_LEN])
      i32[skb + SKB_NEXT] = 0
      consume(skb)
      skb = next
    }
  }
  /** Fragments that wait here. */
  const fragmentsHeld = (): number => held

  return { ipDefrag, fragmentsHeld }
}
