/**
 * netem: makes a link bad on purpose. Loss, duplication, corruption, reordering, delay and jitter, by the words of the
 * device's row; delayed packets wait in a bounded heap of this worker, ordered by time. dev_queue_xmit calls
 * `impair` for a device whose DEV_IMPAIRED is set; the loop's netTxAction and a timer call `release`.
 * Linux: net/sched/sch_netem.c.
 */
import { Errno } from '../base/errno.ts'
import type { Time } from '../base/time.ts'
import { TIME_US } from '../base/time.ts'
import type { TimerWheel } from '../base/timer-wheel.ts'
import {
  DEV_CORRUPT,
  DEV_DELAY,
  DEV_DUPLICATE,
  DEV_JITTER,
  DEV_LIMIT,
  DEV_LOSS,
  DEV_REORDER,
  DevStat,
  deviceStats,
} from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import { DEV_STATS, DEVICE_WORDS } from '../shm/layout.ts'
import { Holder } from '../skb/budget.ts'
import type { DropFn } from '../skb/drop.ts'
import { Drop } from '../skb/drop.ts'
import type { Skbs } from '../skb/skbs.ts'
import {
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  RX_HEADROOM,
  SKB_DATA,
  SKB_DEV,
  SKB_IP_SUMMED,
  SKB_LEN,
} from '../skb/skb.ts'

export type NetemDeps = {
  arena: Arena
  skbs: Skbs
  drop: DropFn
  time: Time
  wheel: TimerWheel
  random: () => number
  /** First of TIMER_WORDS zero words of this thread. */
  timer: number
  /** Sends on: what dev_queue_xmit does with a packet that is not held up (dev/dev-queue-xmit.ts). */
  transmit: (skb: number) => number
  /** Completes a checksum that was left to the device; false without memory (dev/dev-queue-xmit.ts). */
  checksumHelp: (skb: number) => boolean
}

/** Packets that wait on one worker, all devices together. */
const CAPACITY = 4096
/** tc's default limit. */
const DEFAULT_LIMIT = 1000
const MILLION = 1_000_000

export type Netem = ReturnType<typeof createNetem>

export const createNetem = (deps: NetemDeps) => {
  const { arena, skbs, drop, time, wheel, random, timer, transmit, checksumHelp } = deps
  const { i32, u8, f64, layout } = arena
  const { devices } = layout
  const { budget } = skbs
  // a binary heap of (due, order, skb); order keeps packets due together in sequence
  const heap = new Int32Array((CAPACITY + 1) * 3)
  const waiting = new Int32Array(layout.config.devices)
  const stats = deviceStats(arena, skbs.thread, 0)
  // what a stack before this one held is gone
  for (let ifindex = 0; ifindex < layout.config.devices; ifindex++)
    f64.fill(
      0,
      stats + ifindex * DEV_STATS + DevStat.netem_qlen,
      stats + ifindex * DEV_STATS + DevStat.netem_backlog + 1
    )
  let size = 0
  let order = 0

  const below = (bound: number): number => (random() >>> 0) % bound
  const happens = (partsPerMillion: number): boolean =>
    partsPerMillion !== 0 && below(MILLION) < partsPerMillion

  /** Takes a packet over and loses, doubles, spoils, delays or sends it. One that `joins` another is of the same super-frame. */
  const impair = (skb: number, joins: boolean): number => {
    const dev = devices + i32[skb + SKB_DEV] * DEVICE_WORDS
    if (happens(i32[dev + DEV_DUPLICATE])) {
      const twin = skbs.copy(skb, RX_HEADROOM)
      if (twin !== 0) queue(twin, dev, joins)
    }
    if (happens(i32[dev + DEV_LOSS])) {
      discard(skb, Drop.LINK_IMPAIRED)
      return 0
    }
    // a clone's bytes may change under us while it waits (its owner retransmits)
    if (skbs.isShared(skb) && !skbs.expandHead(skb, RX_HEADROOM)) {
      discard(skb, Drop.NOMEM)
      return 0
    }
    if (happens(i32[dev + DEV_CORRUPT]) && !spoil(skb)) {
      discard(skb, Drop.NOMEM)
      return 0
    }
    return queue(skb, dev, joins)
  }
  const bankOf = (skb: number): number => stats + i32[skb + SKB_DEV] * DEV_STATS
  const discard = (skb: number, reason: Drop): void => {
    f64[bankOf(skb) + DevStat.netem_drops]++
    drop(skb, reason)
  }
  const send = (skb: number): number => {
    const bank = bankOf(skb)
    f64[bank + DevStat.netem_packets]++
    f64[bank + DevStat.netem_bytes] += i32[skb + SKB_LEN]
    return transmit(skb)
  }
  /** Turns over one bit behind the link header's addresses, after the sum was made: the receiver is to notice. */
  const spoil = (skb: number): boolean => {
    if (!skbs.mayPull(skb, i32[skb + SKB_LEN])) return false
    if (i32[skb + SKB_IP_SUMMED] === CHECKSUM_PARTIAL && !checksumHelp(skb)) return false
    i32[skb + SKB_IP_SUMMED] = CHECKSUM_NONE
    const head = Math.min(12, i32[skb + SKB_LEN] - 1)
    u8[i32[skb + SKB_DATA] + head + below(i32[skb + SKB_LEN] - head)] ^= 1 << below(8)
    return true
  }

  const queue = (skb: number, dev: number, joins: boolean): number => {
    const delay = delayOf(dev)
    if (delay === 0 && waiting[i32[skb + SKB_DEV]] === 0) return send(skb)
    const isLong = !joins && waiting[i32[skb + SKB_DEV]] >= limitOf(dev)
    if (isLong || size === CAPACITY || !mayQueue(budget.slotsOf(skb))) {
      discard(skb, Drop.QDISC_DROP)
      return -Errno.ENOBUFS
    }
    // on a link of its own length nobody waits for it to have gone (skb_orphan_partial)
    skbs.orphan(skb)
    waiting[i32[skb + SKB_DEV]]++
    f64[bankOf(skb) + DevStat.netem_qlen]++
    f64[bankOf(skb) + DevStat.netem_backlog] += i32[skb + SKB_LEN]
    budget.hold(skb, Holder.netem)
    insert((time[TIME_US] + delay) | 0, skb)
    armTimer()
    return 0
  }
  /** Within what this worker may hold, together with the frames that wait for a driver. */
  const mayQueue = (slots: number): boolean => budget.hasRoom(Holder.netem, slots)
  const limitOf = (dev: number): number =>
    i32[dev + DEV_LIMIT] === 0 ? DEFAULT_LIMIT : i32[dev + DEV_LIMIT]
  /** Whether a packet of so many frames, which hold `slots`, would find no room. */
  const isFull = (skb: number, frames: number, slots: number): boolean => {
    const ifindex = i32[skb + SKB_DEV]
    const limit = limitOf(devices + ifindex * DEVICE_WORDS)
    return waiting[ifindex] >= limit || size + frames > CAPACITY || !mayQueue(slots)
  }
  /** Microseconds; a packet chosen to be reordered overtakes those that wait. */
  const delayOf = (dev: number): number => {
    const delay = i32[dev + DEV_DELAY]
    const jitter = i32[dev + DEV_JITTER]
    if (happens(i32[dev + DEV_REORDER])) return 0
    if (jitter === 0) return delay
    return Math.max(0, delay - jitter + below(2 * jitter + 1))
  }

  const isBefore = (a: number, b: number): boolean => {
    const gap = (heap[a * 3] - heap[b * 3]) | 0
    return gap < 0 || (gap === 0 && ((heap[a * 3 + 1] - heap[b * 3 + 1]) | 0) < 0)
  }
  const swap = (a: number, b: number): void => {
    for (let w = 0; w < 3; w++) {
      const word = heap[a * 3 + w]
      heap[a * 3 + w] = heap[b * 3 + w]
      heap[b * 3 + w] = word
    }
  }
  const insert = (due: number, skb: number): void => {
    let at = size++
    heap[at * 3] = due
    heap[at * 3 + 1] = order = (order + 1) | 0
    heap[at * 3 + 2] = skb
    while (at > 0 && isBefore(at, (at - 1) >> 1)) {
      swap(at, (at - 1) >> 1)
      at = (at - 1) >> 1
    }
  }
  const takeFirst = (): number => {
    const skb = heap[2]
    swap(0, --size)
    for (let at = 0; ; ) {
      let least = at
      if (2 * at + 1 < size && isBefore(2 * at + 1, least)) least = 2 * at + 1
      if (2 * at + 2 < size && isBefore(2 * at + 2, least)) least = 2 * at + 2
      if (least === at) return skb
      swap(at, least)
      at = least
    }
  }

  /** Sends what is due; returns how many packets that were. */
  const release = (): number => {
    let sent = 0
    while (size !== 0 && ((heap[0] - time[TIME_US]) | 0) <= 0) {
      const skb = takeFirst()
      waiting[i32[skb + SKB_DEV]]--
      f64[bankOf(skb) + DevStat.netem_qlen]--
      f64[bankOf(skb) + DevStat.netem_backlog] -= i32[skb + SKB_LEN]
      budget.release(skb)
      send(skb)
      sent++
    }
    if (sent !== 0) armTimer()
    return sent
  }
  const armTimer = (): void => {
    if (size === 0) wheel.cancel(timer)
    else wheel.arm(timer, Math.ceil(((heap[0] - time[TIME_US]) | 0) / 1000), onTimer)
  }
  const onTimer = wheel.register(() => {
    release()
    if (size !== 0) armTimer()
  })

  return { impair, isFull, release, held: () => size }
}
