/**
 * Questions for whom we stand in wait a random time, up to proxy_delay, so that who is asked may answer himself and proxies do
 * not answer together (RFC 4861 sections 7.2.7 and 7.2.8); then they are received anew. CPU 0; one for each family, by one timer.
 * Linux: pneigh_enqueue(), neigh_proxy_process(), pneigh_queue_purge() (net/core/neighbour.c).
 */
import { AF_INET6 } from '../base/family.ts'
import type { Time } from '../base/time.ts'
import { TIME_MS } from '../base/time.ts'
import type { TimerWheel } from '../base/timer-wheel.ts'
import { Conf4, Conf6, confRow } from '../shm/devconf.ts'
import type { Arena } from '../shm/arena.ts'
import { Holder } from '../skb/budget.ts'
import type { DropFn } from '../skb/drop.ts'
import { Drop } from '../skb/drop.ts'
import type { Skbs } from '../skb/skbs.ts'
import { SKB_DEV } from '../skb/skb.ts'

type ProxyQueueDeps = {
  arena: Arena
  skbs: Skbs
  drop: DropFn
  time: Time
  wheel: TimerWheel
  /** First of TIMER_WORDS zero words of this thread. */
  timer: number
  random: () => number
  family: number
  /** core/stack/neigh.ts: arpRcv (ipv4/arp/arp.ts), and core/stack/ipv6.ts: ndiscRcv. */
  redo: (skb: number) => void
}

export type ProxyQueue = ReturnType<typeof createProxyQueue>

/** Questions that may wait at a time, on all devices. */
const ROOM = 512
/** proxy_delay counts in hundredths of a second. */
const UNIT_MS = 10

export const createProxyQueue = (deps: ProxyQueueDeps) => {
  const { arena, skbs, drop, time, wheel, timer, random, family, redo } = deps
  const { i32 } = arena
  const { budget } = skbs
  const isV6 = family === AF_INET6
  const delayWord = isV6 ? Conf6.proxy_delay : Conf4.proxy_delay
  const qlenWord = isV6 ? Conf6.proxy_qlen : Conf4.proxy_qlen
  const waiting = new Int32Array(ROOM)
  const dueMs = new Int32Array(ROOM)
  const due = new Int32Array(ROOM)
  let length = 0
  let isRedone = false

  const delayOf = (dev: number): number => i32[confRow(arena, dev) + delayWord]
  const heldBy = (dev: number): number => {
    let held = 0
    for (let k = 0; k < length; k++) if (i32[waiting[k] + SKB_DEV] === dev) held++
    return held
  }
  /** Whether the question is to wait: it has not yet, and its device wants it. */
  const mustWait = (skb: number): boolean => !isRedone && delayOf(i32[skb + SKB_DEV]) !== 0

  const enqueue = (skb: number): void => {
    const dev = i32[skb + SKB_DEV]
    const isFull = length === ROOM || heldBy(dev) > i32[confRow(arena, dev) + qlenWord]
    if (isFull || !budget.mayHold(skb, Holder.proxy)) return drop(skb, Drop.NEIGH_QUEUEFULL)
    budget.hold(skb, Holder.proxy)
    waiting[length] = skb
    dueMs[length++] = (time[TIME_MS] + ((random() >>> 0) % (delayOf(dev) * UNIT_MS))) | 0
    arm()
  }
  /** For the question that is due first. */
  const arm = (): void => {
    if (length === 0) return wheel.cancel(timer)
    let first = dueMs[0]
    for (let k = 1; k < length; k++) if (((dueMs[k] - first) | 0) < 0) first = dueMs[k]
    wheel.arm(timer, Math.max(1, (first - time[TIME_MS]) | 0), onTimer)
  }
  /** Takes question k out; the others keep their order. */
  const take = (k: number): number => {
    const skb = waiting[k]
    waiting.copyWithin(k, k + 1, length)
    dueMs.copyWithin(k, k + 1, length)
    length--
    budget.release(skb)
    return skb
  }
  const onTimer = wheel.register(() => {
    let count = 0
    for (let k = 0; k < length; )
      if (((dueMs[k] - time[TIME_MS]) | 0) <= 0) due[count++] = take(k)
      else k++
    isRedone = true
    for (let k = 0; k < count; k++) redo(due[k])
    isRedone = false
    arm()
  })
  /** Nobody is answered by a device that is down. */
  const dropDevice = (dev: number): void => {
    for (let k = length - 1; k >= 0; k--)
      if (i32[waiting[k] + SKB_DEV] === dev) drop(take(k), Drop.NOT_SPECIFIED)
    arm()
  }
  return { mustWait, enqueue, dropDevice }
}
