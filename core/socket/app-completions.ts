/**
 * The completion rings of a worker, one for each application: what the worker has to say, in order, whether or not the ring
 * has room at the moment. Used by app-channel.ts, its verbs and app-submit.ts. Worker only. io_uring's CQ and its overflow list.
 */
import { appRing } from '../shm/arena.ts'
import type { Arena } from '../shm/arena.ts'
import {
  APP_BLOCK_WORDS,
  APP_PAIR_WORDS,
  APP_RECORD_WORDS,
  APP_RING_RECORDS,
  APP_RING_WORDS,
} from '../shm/layout.ts'
import { ringPublish, ringReserve, ringUnpublished, ringWritable } from '../shm/ring.ts'
import { Holder, type SkbBudget } from '../skb/budget.ts'
import { createRingCharge } from '../skb/ring-charge.ts'
import { OWNER_IN_RING, SKB_OWNER } from '../skb/skb.ts'
import {
  APP_SLEEPING,
  E_ADDR,
  E_ARG0,
  E_LEN,
  E_LPORT,
  E_PORT,
  E_SKB,
  PAIR_STAGE,
  PAIR_STALLED,
} from './app-constants.ts'
import { putRecord } from './app-record.ts'
import { appOf, sidOf } from './app-sids.ts'
import { portOf } from './inet-sock.ts'
import { SK_DADDR, SK_DPORT, SK_SADDR } from './sock.ts'
import type { ConsumeFn } from '../skb/drop.ts'

type AppCompletionsDeps = {
  arena: Arena
  worker: number
  /** core/stack/sockets.ts: rings an application that sleeps. */
  wakeApp: (app: number) => void
  budget: SkbBudget
}
export type AppCompletions = ReturnType<typeof createAppCompletions>

export const createAppCompletions = ({ arena, worker, wakeApp, budget }: AppCompletionsDeps) => {
  const { i32, layout } = arena
  const { apps, workers } = layout.config
  const perApp = (make: (app: number) => number): Int32Array =>
    Int32Array.from({ length: apps }, (_, app) => make(app))
  const pairs = perApp((app) => layout.appPairs + (app * workers + worker) * APP_PAIR_WORDS)
  const rings = perApp((app) => appRing(layout, app, worker) + APP_RING_WORDS)
  const inRing = Array.from(rings, (ring) =>
    createRingCharge(
      i32,
      ring,
      Math.log2(APP_RING_RECORDS),
      Math.log2(APP_RECORD_WORDS),
      budget,
      Holder.app
    )
  )
  /** Completions that found their ring full, a record after the other. */
  const overflow: number[][] = Array.from({ length: apps }, () => [])
  /** 1 where some wait there. */
  const isFull = new Uint8Array(apps)
  /** Of both incarnations; 0 while there is nobody to be answered. */
  const tags = new Int32Array(apps)
  const posted = new Uint8Array(apps)
  /** Whose completion is being made, and where: in its ring, or at `stage` when that has no room. */
  let to = 0
  let record = 0
  let stage = 0

  /** Begins a completion: the index of a record, of which the caller may fill in more before `commit`, which follows. */
  const begin = (op: number, row: number, user: number, result: number): number =>
    beginFor(appOf(row), op, sidOf(row), user, result)
  const beginFor = (app: number, op: number, sid: number, user: number, result: number): number => {
    to = app
    stage = pairs[app] + PAIR_STAGE
    record = place(app)
    putRecord(i32, record, op, sid, user, tags[app])
    i32[record + E_LEN] = result
    return record
  }
  const place = (app: number): number => {
    if (tags[app] === 0 || isFull[app] !== 0) return stage
    return ringReserve(i32, rings[app], APP_RECORD_WORDS) || stage
  }
  const commit = (): void => {
    if (record === stage) return commitStage()
    posted[to] = 1
    const skb = i32[record + E_SKB]
    if (skb !== 0) inRing[to].charge(budget.slotsOf(skb))
  }
  /** Nobody is there, or there is no room: answers are as many as the application's questions, so this stays small. */
  const commitStage = (): void => {
    if (tags[to] === 0) return
    posted[to] = 1
    for (let w = 0; w < APP_RECORD_WORDS; w++) overflow[to].push(i32[stage + w])
    isFull[to] = 1
    stall(to)
  }
  /** Commits with an skb, which is on its way then. */
  const handOver = (skb: number): void => {
    i32[skb + SKB_OWNER] = OWNER_IN_RING
    i32[record + E_SKB] = skb
    commit()
  }
  const post = (op: number, row: number, user: number, result: number): void => {
    begin(op, row, user, result)
    commit()
  }
  /** Of a sid that may be none. */
  const refuse = (app: number, op: number, sid: number, user: number, error: number): void => {
    beginFor(app, op, sid, user, error)
    commit()
  }
  /** With both ends of the socket. */
  const postWithAddresses = (
    op: number,
    row: number,
    user: number,
    result: number,
    sk: number
  ): void => {
    const at = begin(op, row, user, result)
    for (let w = 0; w < 4; w++) {
      i32[at + E_ADDR + w] = i32[sk + SK_DADDR + w]
      i32[at + E_ARG0 + w] = i32[sk + SK_SADDR + w]
    }
    i32[at + E_PORT] = i32[sk + SK_DPORT]
    i32[at + E_LPORT] = portOf(i32, sk)
    commit()
  }

  /** True when one more finds room at once: in the ring, and in what applications may be on the way. */
  const hasRoom = (app: number): boolean =>
    isFull[app] === 0 &&
    ringWritable(i32, rings[app], APP_RECORD_WORDS) &&
    inRing[app].hasRoom(budget.oneOfEach)
  /** Asks the application to ring once it has taken completions or given skbs back. */
  const stall = (app: number): void => {
    Atomics.store(i32, pairs[app] + PAIR_STALLED, 1)
  }
  const isStalled = (app: number): boolean => i32[pairs[app] + PAIR_STALLED] !== 0
  /** Posts what found no room before. */
  const retry = (app: number): void => {
    inRing[app].settle()
    i32[pairs[app] + PAIR_STALLED] = 0
    const waiting = overflow[app]
    let taken = 0
    while (taken < waiting.length) {
      const at = ringReserve(i32, rings[app], APP_RECORD_WORDS)
      if (at === 0) break
      for (let w = 0; w < APP_RECORD_WORDS; w++) i32[at + w] = waiting[taken + w]
      taken += APP_RECORD_WORDS
      posted[app] = 1
    }
    overflow[app] = waiting.slice(taken)
    isFull[app] = overflow[app].length > 0 ? 1 : 0
    if (isFull[app] !== 0) stall(app)
  }
  /** True when a retry would get somewhere. */
  const canRetry = (app: number): boolean =>
    isFull[app] !== 0 && ringWritable(i32, rings[app], APP_RECORD_WORDS)

  /** Rings the application when it sleeps: something has been published for it. */
  const wake = (app: number): void => {
    const sleeping = layout.appBlocks + app * APP_BLOCK_WORDS + APP_SLEEPING
    if (Atomics.compareExchange(i32, sleeping, 1, 0) === 1) wakeApp(app)
  }
  /** Shows the application what was posted, and wakes it when it sleeps. Once a batch. */
  const flush = (app: number): void => {
    if (posted[app] === 0) return
    posted[app] = 0
    if (ringUnpublished(i32, rings[app])) ringPublish(i32, rings[app])
    wake(app)
  }
  /** Nobody is to be answered any more: what waits is freed. */
  const clear = (app: number, consume: ConsumeFn): void => {
    const waiting = overflow[app]
    tags[app] = 0
    for (let k = E_SKB; k < waiting.length; k += APP_RECORD_WORDS)
      if (waiting[k] !== 0) consume(waiting[k])
    overflow[app] = []
    isFull[app] = 0
    i32[pairs[app] + PAIR_STALLED] = 0
  }
  const setTag = (app: number, next: number): void => {
    tags[app] = next
  }
  return {
    begin,
    commit,
    handOver,
    post,
    refuse,
    postWithAddresses,
    hasRoom,
    stall,
    isStalled,
    retry,
    canRetry,
    wake,
    flush,
    clear,
    setTag,
  }
}
