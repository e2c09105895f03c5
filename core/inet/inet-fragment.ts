/**
 * Reassembly, for both families: fragments of a datagram for this host wait, sorted, until it is whole, and are then
 * copied into one buffer behind the first one's headers. Bounded in datagrams and memory, the oldest datagram gives way.
 * Overlaps end a datagram (RFC 5722, and RFC 8200 section 4.5: exact duplicates do not). What a fragment is, and what
 * is said of one that lacks the others, are the family's (ipv4/fragment/ip-fragment.ts, ipv6/fragment/ip6-reassembly.ts). On the worker that
 * the addresses hash to. Linux: net/ipv4/inet_fragment.c; RFC 815, 3168 section 5.3.
 */
import type { Time } from '../base/time.ts'
import { TIME_MS } from '../base/time.ts'
import type { TimerWheel } from '../base/timer-wheel.ts'
import { mix32, mixIn } from '../base/u32.ts'
import type { Arena } from '../shm/arena.ts'
import { FRAG_FAMILIES } from '../shm/layout.ts'
import { counterBank } from '../shm/counters.ts'
import { Holder } from '../skb/budget.ts'
import type { ConsumeFn, DropFn } from '../skb/drop.ts'
import { Drop } from '../skb/drop.ts'
import type { Skbs } from '../skb/skbs.ts'
import {
  RX_HEADROOM,
  SKB_CB,
  SKB_DATA,
  SKB_DEV,
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
import { ETH_HLEN } from '../wire/ethernet.ts'
import { IPCB_FLAGS, IPCB_FRAG_MAX, IPCB_TYPE, IPSKB_REASSEMBLED } from './inet-constants.ts'

type InetFragDeps = {
  arena: Arena
  skbs: Skbs
  drop: DropFn
  consume: ConsumeFn
  time: Time
  wheel: TimerWheel
  random: () => number
  /** First of TIMER_WORDS zero words of this thread. */
  timer: number
}

/** What a family does its own way; counters are indices of the bank. */
type FragFamily = Readonly<{
  /** Words of the seconds that a datagram's fragments wait, and of what all may hold. */
  timeout: number
  highThresh: number
  fails: number
  timeouts: number
  /** Tells the sender that a datagram whose first fragment this is was given up. */
  timeExceeded: (first: number) => void
}>

export type InetFrag = ReturnType<typeof createInetFrag>

const QUEUES = 256
const BUCKETS = 256
/** Words of a key: source, destination, identification, and what else tells datagrams of the family apart. */
export const FRAG_SADDR = 0
export const FRAG_DADDR = 4
export const FRAG_ID = 8
export const FRAG_ELSE = 9
export const FRAG_KEY_WORDS = 10
// Words of a queue behind its key; number 0 is none. HEAD and TAIL chain the fragments by offset.
const Q_FAMILY = 10
const Q_HEAD = 11
const Q_TAIL = 12
/** End of what is known; the datagram's length once the last fragment is there. */
const Q_LEN = 13
/** Bytes that are there. */
const Q_MEAT = 14
const Q_FLAGS = 15
const Q_EXPIRES = 16
const Q_NEXT = 17
/** By age. */
const Q_OLDER = 18
const Q_NEWER = 19
const Q_COUNT = 20
const Q_ECN = 21
/** Packet memory that its fragments hold. */
const Q_MEMORY = 22
/** How many fragments its sender's host had sent when the last one of it came (qp->rid). */
const Q_RID = 23
/** Octets of the largest fragment, headers and all. */
const Q_MAX_SIZE = 24
const Q_WORDS = 25
const FIRST_IN = 1
const LAST_IN = 2
/** Offset of a waiting fragment's bytes in its datagram (a word of the control block that IP does not use). */
const CB_OFFSET = SKB_CB + 3

// What was seen of the ECN field: a bit for each of its values.
const ECN_NOT_ECT = 1
const ECN_CE = 8

/** What a queue knows by its fragments. */
const OF_FRAGMENTS = [
  Q_HEAD,
  Q_TAIL,
  Q_LEN,
  Q_MEAT,
  Q_FLAGS,
  Q_COUNT,
  Q_ECN,
  Q_MEMORY,
  Q_MAX_SIZE,
] as const

const DUPLICATE = 1
const OVERLAP = 2

export const createInetFrag = (deps: InetFragDeps) => {
  const { arena, skbs, drop, consume, time, wheel, random, timer } = deps
  const { i32, u8, f64, layout } = arena
  const count = counterBank(arena, skbs.thread)
  const { budget } = skbs
  const { workers } = layout.config
  const memory = layout.fragMemory + skbs.thread * FRAG_FAMILIES
  i32.fill(0, memory, memory + FRAG_FAMILIES)
  const q = new Int32Array((QUEUES + 1) * Q_WORDS)
  const buckets = new Int32Array(BUCKETS)
  const seed = random()
  const families: FragFamily[] = []
  let held = 0
  let free = 0
  let oldest = 0
  let newest = 0
  let due = 0
  for (let n = QUEUES; n > 0; n--) {
    q[n * Q_WORDS + Q_NEXT] = free
    free = n * Q_WORDS
  }

  /** Makes a family known, at boot; its number for `find`. */
  const addFamily = (family: FragFamily): number => families.push(family) - 1

  const bucketOf = (words: Int32Array, at: number, family: number): number => {
    let h = seed ^ family
    for (let w = 0; w < FRAG_KEY_WORDS; w++) h = mixIn(h, words[at + w])
    return mix32(h) & (BUCKETS - 1)
  }
  const isKey = (queue: number, key: Int32Array): boolean => {
    for (let w = 0; w < FRAG_KEY_WORDS; w++) if (q[queue + w] !== key[w]) return false
    return true
  }
  /** All workers hold more than they may (inet_frag_find). */
  const isOverThresh = (family: number): boolean => {
    const most = i32[families[family].highThresh]
    let held = 0
    for (let worker = 0; worker < workers; worker++)
      held += i32[layout.fragMemory + worker * FRAG_FAMILIES + family]
    return most === 0 || held > most
  }
  /** The datagram's queue, a new one when it has none yet; 0: nothing more is taken. */
  const find = (family: number, key: Int32Array): number => {
    if (isOverThresh(family)) return 0
    const bucket = bucketOf(key, 0, family)
    for (let queue = buckets[bucket]; queue !== 0; queue = q[queue + Q_NEXT])
      if (q[queue + Q_FAMILY] === family && isKey(queue, key)) return queue
    return open(family, key, bucket)
  }
  const open = (family: number, key: Int32Array, bucket: number): number => {
    if (free === 0) end(oldest, Drop.FRAG_REASM_TIMEOUT)
    const queue = free
    free = q[queue + Q_NEXT]
    q.fill(0, queue, queue + Q_WORDS)
    for (let w = 0; w < FRAG_KEY_WORDS; w++) q[queue + w] = key[w]
    q[queue + Q_FAMILY] = family
    q[queue + Q_NEXT] = buckets[bucket]
    buckets[bucket] = queue
    q[queue + Q_OLDER] = newest
    if (newest !== 0) q[newest + Q_NEWER] = queue
    else oldest = queue
    newest = queue
    wait(queue)
    return queue
  }
  const wait = (queue: number): void => {
    const seconds = i32[families[q[queue + Q_FAMILY]].timeout]
    q[queue + Q_EXPIRES] = (time[TIME_MS] + seconds * 1000) | 0
    armBy(q[queue + Q_EXPIRES])
  }
  /** Families wait for different times, so the oldest is not always the first that has waited long enough. */
  const armBy = (expires: number): void => {
    if (wheel.isArmed(timer)) {
      if (((expires - due) | 0) >= 0) return
      wheel.cancel(timer)
    }
    due = expires
    wheel.arm(timer, Math.max(1, (expires - time[TIME_MS]) | 0), onTimer)
  }
  /** Takes a queue out of its chains; its fragments are the caller's. */
  const close = (queue: number): void => {
    const bucket = bucketOf(q, queue, q[queue + Q_FAMILY])
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
    uncharge(queue)
    q[queue + Q_NEXT] = free
    free = queue
  }
  const uncharge = (queue: number): void => {
    held -= q[queue + Q_COUNT]
    i32[memory + q[queue + Q_FAMILY]] -= q[queue + Q_MEMORY]
  }
  /** Gives a datagram up. */
  const end = (queue: number, reason: Drop): void => {
    f64[count + families[q[queue + Q_FAMILY]].fails]++
    const first = q[queue + Q_HEAD]
    close(queue)
    dropAll(first, reason)
  }
  /**
   * The sender's host has sent its `rid`th fragment, which is of this datagram. After more than `most` others the identification
   * may be another datagram's: it begins anew (ip_frag_too_far, ip_frag_reinit).
   */
  const reached = (queue: number, rid: number, most: number): void => {
    const isTooFar = q[queue + Q_HEAD] !== 0 && ((rid - q[queue + Q_RID]) | 0) > most
    q[queue + Q_RID] = rid
    if (!isTooFar) return
    f64[count + families[q[queue + Q_FAMILY]].fails]++
    uncharge(queue)
    dropAll(q[queue + Q_HEAD], Drop.FRAG_TOO_FAR)
    for (const word of OF_FRAGMENTS) q[queue + word] = 0
    wait(queue)
  }
  const dropAll = (first: number, reason: Drop): void => {
    for (let skb = first; skb !== 0; ) {
      const next = i32[skb + SKB_NEXT]
      i32[skb + SKB_NEXT] = 0
      drop(skb, reason)
      skb = next
    }
  }
  const onTimer = wheel.register(() => {
    for (let queue = oldest; queue !== 0; ) {
      const newer = q[queue + Q_NEWER]
      if (((q[queue + Q_EXPIRES] - time[TIME_MS]) | 0) <= 0) expire(queue)
      queue = newer
    }
    for (let queue = oldest; queue !== 0; queue = q[queue + Q_NEWER]) armBy(q[queue + Q_EXPIRES])
  })
  const expire = (queue: number): void => {
    const { timeouts, timeExceeded } = families[q[queue + Q_FAMILY]]
    f64[count + timeouts]++
    // without the first fragment nobody could tell what the error is about (RFC 792, 8200 section 4.5)
    if ((q[queue + Q_FLAGS] & FIRST_IN) !== 0) timeExceeded(q[queue + Q_HEAD])
    end(queue, Drop.FRAG_REASM_TIMEOUT)
  }

  /** Makes room for a fragment; false when even without the others there is none. */
  const makeRoom = (skb: number): boolean => {
    while (!budget.mayHold(skb, Holder.reasm)) {
      if (oldest === 0) return false
      end(oldest, Drop.FRAG_REASM_TIMEOUT)
    }
    return true
  }
  /** The fragment contradicts the others: all go. */
  const discard = (queue: number, skb: number): void => {
    end(queue, Drop.DUP_FRAG)
    drop(skb, Drop.DUP_FRAG)
  }

  /**
   * Takes over a linear fragment whose `len` octets of the datagram, from `offset` on, lie `headerLen` behind data: true
   * when the datagram is whole. Nothing at all, and what contradicts the others, ends the datagram. `ecn` is its IP
   * header's ECN field.
   */
  const insert = (
    queue: number,
    skb: number,
    headerLen: number,
    offset: number,
    len: number,
    isMore: boolean,
    ecn: number
  ): boolean => {
    const stop = offset + len
    const known = q[queue + Q_LEN]
    const lastIn = (q[queue + Q_FLAGS] & LAST_IN) !== 0
    const contradicts = isMore ? lastIn && stop > known : stop < known || (lastIn && stop !== known)
    const size = i32[skb + SKB_DATA] - i32[skb + SKB_NETWORK] + headerLen + len
    skbs.pull(skb, headerLen)
    skbs.trim(skb, len)
    i32[skb + CB_OFFSET] = offset
    const isWrong = len <= 0 || contradicts
    if (!isWrong) {
      // a duplicate may be the first to say where the end is
      if (stop > known) q[queue + Q_LEN] = stop
      if (!isMore) q[queue + Q_FLAGS] |= LAST_IN
    }
    const verdict = isWrong ? OVERLAP : place(queue, skb, offset, stop)
    if (verdict !== 0) {
      if (verdict === DUPLICATE) drop(skb, Drop.DUP_FRAG)
      else discard(queue, skb)
      return false
    }
    budget.hold(skb, Holder.reasm)
    const truesize = budget.truesize(skb)
    q[queue + Q_MEMORY] += truesize
    i32[memory + q[queue + Q_FAMILY]] += truesize
    if (offset === 0) q[queue + Q_FLAGS] |= FIRST_IN
    q[queue + Q_MEAT] += len
    q[queue + Q_COUNT]++
    if (size > q[queue + Q_MAX_SIZE]) q[queue + Q_MAX_SIZE] = size
    q[queue + Q_ECN] |= 1 << ecn
    held++
    return q[queue + Q_FLAGS] === (FIRST_IN | LAST_IN) && q[queue + Q_MEAT] === q[queue + Q_LEN]
  }
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
      return isThere(before, stop) ? DUPLICATE : OVERLAP
    if (after !== 0 && stop > i32[after + CB_OFFSET]) return OVERLAP
    i32[skb + SKB_NEXT] = after
    if (before === 0) q[queue + Q_HEAD] = skb
    else i32[before + SKB_NEXT] = skb
    if (after === 0) q[queue + Q_TAIL] = skb
    return 0
  }

  /** Is everything there up to `stop`, from this fragment on and without a gap? */
  const isThere = (skb: number, stop: number): boolean => {
    let end = i32[skb + CB_OFFSET]
    for (let other = skb; other !== 0 && i32[other + CB_OFFSET] === end && end < stop; ) {
      end += i32[other + SKB_LEN]
      other = i32[other + SKB_NEXT]
    }
    return end >= stop
  }

  const firstOf = (queue: number): number => q[queue + Q_HEAD]
  const lengthOf = (queue: number): number => q[queue + Q_LEN]
  /** ECN of the whole (RFC 3168 section 5.3): CE when any had it; not both capable and not. */
  const isEcnMixed = (queue: number): boolean =>
    (q[queue + Q_ECN] & ECN_NOT_ECT) !== 0 && q[queue + Q_ECN] !== ECN_NOT_ECT
  const isCongested = (queue: number): boolean => (q[queue + Q_ECN] & ECN_CE) !== 0

  /**
   * The whole datagram behind the first `headerLen` octets of its first fragment's headers, data at the network header,
   * without a link header; 0 when there is no memory or the fragments do not agree. The queue is gone either way.
   */
  const assemble = (queue: number, headerLen: number): number => {
    const first = q[queue + Q_HEAD]
    const total = headerLen + q[queue + Q_LEN]
    if (isEcnMixed(queue)) return giveUp(queue, Drop.NOT_SPECIFIED)
    const whole = skbs.alloc(total, RX_HEADROOM + ETH_HLEN)
    if (whole === 0) return giveUp(queue, Drop.NOMEM)
    const at = skbs.put(whole, total)
    const header = i32[first + SKB_NETWORK]
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
    i32[whole + IPCB_FRAG_MAX] = q[queue + Q_MAX_SIZE]
    close(queue)
    gather(first, at + headerLen)
    return whole
  }
  const giveUp = (queue: number, reason: Drop): number => {
    end(queue, reason)
    return 0
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

  return {
    addFamily,
    find,
    makeRoom,
    discard,
    insert,
    firstOf,
    lengthOf,
    isCongested,
    assemble,
    end,
    reached,
    fragmentsHeld,
  }
}
