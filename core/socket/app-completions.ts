/**
 * The completion ring of one (application, worker): what the worker has to say, in order, whether or not the ring has
 * room at the moment. Used by app-channel.ts and app-submit.ts. Worker only. io_uring's CQ and its overflow list.
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
import {
  APP_SLEEPING,
  E_ADDR,
  E_ARG0,
  E_LEN,
  E_LPORT,
  E_OP,
  E_PORT,
  E_SID,
  E_SKB,
  E_TAG,
  E_USER,
  PAIR_STAGE,
  PAIR_STALLED,
} from './app-constants.ts'
import { SK_DADDR, SK_DPORT, SK_NUM, SK_SADDR } from './sock.ts'
import type { ConsumeFn } from '../skb/drop.ts'

type AppCompletionsDeps = {
  arena: Arena
  worker: number
  app: number
  /** core/stack/sockets.ts: rings an application that sleeps. */
  wakeApp: (app: number) => void
  budget: SkbBudget
}
export type AppCompletions = ReturnType<typeof createAppCompletions>

export const createAppCompletions = ({
  arena,
  worker,
  app,
  wakeApp,
  budget,
}: AppCompletionsDeps) => {
  const { i32, layout } = arena
  const block = layout.appBlocks + app * APP_BLOCK_WORDS
  const pair = layout.appPairs + (app * layout.config.workers + worker) * APP_PAIR_WORDS
  const stage = pair + PAIR_STAGE
  const ring = appRing(layout, app, worker) + APP_RING_WORDS
  const inRing = createRingCharge(
    i32,
    ring,
    Math.log2(APP_RING_RECORDS),
    Math.log2(APP_RECORD_WORDS),
    budget,
    Holder.app
  )
  /** Completions that found the ring full, a record after the other. */
  let overflow: number[] = []
  /** Of both incarnations; 0 while there is nobody to be answered. */
  let tag = 0
  let posted = false

  /** Begins a completion; the caller may fill in more of `stage` before `commit`. */
  const begin = (op: number, sid: number, user: number, result: number): void => {
    i32.fill(0, stage, stage + APP_RECORD_WORDS)
    i32[stage + E_OP] = op
    i32[stage + E_SID] = sid
    i32[stage + E_USER] = user
    i32[stage + E_TAG] = tag
    i32[stage + E_LEN] = result
  }
  const commit = (): void => {
    if (tag === 0) return
    posted = true
    const isRoom = overflow.length === 0 && ringWritable(i32, ring, APP_RECORD_WORDS)
    if (isRoom) {
      const skb = i32[stage + E_SKB]
      if (skb !== 0) inRing.charge(budget.slotsOf(skb))
      const at = ringReserve(i32, ring, APP_RECORD_WORDS)
      i32.copyWithin(at, stage, stage + APP_RECORD_WORDS)
      return
    }
    // answers are as many as the application's questions, so this stays small
    for (let w = 0; w < APP_RECORD_WORDS; w++) overflow.push(i32[stage + w])
    stall()
  }
  const post = (op: number, sid: number, user: number, result: number): void => {
    begin(op, sid, user, result)
    commit()
  }
  /** With both ends of the socket. */
  const postWithAddresses = (
    op: number,
    sid: number,
    user: number,
    result: number,
    sk: number
  ): void => {
    begin(op, sid, user, result)
    for (let w = 0; w < 4; w++) {
      i32[stage + E_ADDR + w] = i32[sk + SK_DADDR + w]
      i32[stage + E_ARG0 + w] = i32[sk + SK_SADDR + w]
    }
    i32[stage + E_PORT] = i32[sk + SK_DPORT]
    i32[stage + E_LPORT] = i32[sk + SK_NUM]
    commit()
  }

  /** True when one more finds room at once: in the ring, and in what applications may be on the way. */
  const hasRoom = (): boolean =>
    overflow.length === 0 &&
    ringWritable(i32, ring, APP_RECORD_WORDS) &&
    inRing.hasRoom(budget.oneOfEach)
  /** Asks the application to ring once it has taken completions or given skbs back. */
  const stall = (): void => {
    Atomics.store(i32, pair + PAIR_STALLED, 1)
  }
  const isStalled = (): boolean => i32[pair + PAIR_STALLED] !== 0
  /** Posts what found no room before. */
  const retry = (): void => {
    inRing.settle()
    i32[pair + PAIR_STALLED] = 0
    let taken = 0
    while (taken < overflow.length) {
      const at = ringReserve(i32, ring, APP_RECORD_WORDS)
      if (at === 0) break
      for (let w = 0; w < APP_RECORD_WORDS; w++) i32[at + w] = overflow[taken + w]
      taken += APP_RECORD_WORDS
      posted = true
    }
    overflow = overflow.slice(taken)
    if (overflow.length > 0) stall()
  }
  /** True when a retry would get somewhere. */
  const canRetry = (): boolean => overflow.length > 0 && ringWritable(i32, ring, APP_RECORD_WORDS)

  /** Rings the application when it sleeps: something has been published for it. */
  const wake = (): void => {
    if (Atomics.compareExchange(i32, block + APP_SLEEPING, 1, 0) === 1) wakeApp(app)
  }
  /** Shows the application what was posted, and wakes it when it sleeps. Once a batch. */
  const flush = (): void => {
    if (!posted) return
    posted = false
    if (ringUnpublished(i32, ring)) ringPublish(i32, ring)
    wake()
  }
  /** Nobody is to be answered any more: what waits is freed. */
  const clear = (consume: ConsumeFn): void => {
    tag = 0
    for (let k = E_SKB; k < overflow.length; k += APP_RECORD_WORDS)
      if (overflow[k] !== 0) consume(overflow[k])
    overflow = []
    i32[pair + PAIR_STALLED] = 0
  }
  const setTag = (next: number): void => {
    tag = next
  }
  return {
    stage,
    begin,
    commit,
    post,
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
