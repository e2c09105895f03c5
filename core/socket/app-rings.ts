/**
 * The application's end of the rings to all workers: makes submissions, hands completions out, keeps the doorbell's
 * word. Pure: the thread's loop (workers/app) calls `poll` when rung and `flush` when it has asked for
 * something. Application thread only. Counterpart of app-port.ts.
 */
import { appRing } from '../shm/arena.ts'
import type { Arena } from '../shm/arena.ts'
import {
  APP_BLOCK_WORDS,
  APP_PAIR_WORDS,
  APP_RECORD_WORDS,
  APP_RING_WORDS,
  THREAD_SLEEPING,
  THREAD_WORDS,
} from '../shm/layout.ts'
import {
  ringAdoptHead,
  ringPublish,
  ringReadable,
  ringRelease,
  ringReserve,
  ringTakeRecord,
  ringUnpublished,
} from '../shm/ring.ts'
import type { ConsumeFn } from '../skb/drop.ts'
import { OWNER_IN_RING, SKB_OWNER } from '../skb/skb.ts'
import type { Skbs } from '../skb/skbs.ts'
import {
  APP_ALIVE,
  APP_EPOCH,
  APP_SIDS,
  APP_SLEEPING,
  APP_STAGE,
  E_SKB,
  E_TAG,
  PAIR_EPOCH,
  PAIR_STALLED,
} from './app-constants.ts'
import { putRecord } from './app-record.ts'
import { appTag } from './app-port.ts'

type AppRingsDeps = {
  arena: Arena
  /** Application number: its thread is layout.appThread + app. */
  app: number
  skbs: Skbs
  consume: ConsumeFn
  /** From outside of core: rings the doorbell of a sleeping worker. */
  wake: (thread: number) => void
  /** The application's: a completion, the record at `at`. An skb in it is the callee's from now on. */
  completion: (worker: number, at: number) => void
  /** The application's: the worker was restarted: its sockets are gone, its sids free. */
  workerLost: (worker: number) => void
}

export const createAppRings = (deps: AppRingsDeps) => {
  const { arena, app, skbs, consume, wake, completion, workerLost } = deps
  const { i32, layout } = arena
  const { workers } = layout.config
  const block = layout.appBlocks + app * APP_BLOCK_WORDS
  const thread = layout.appThread + app
  const submissions = Int32Array.from({ length: workers }, (_, w) => appRing(layout, app, w))
  const completions = submissions.map((ring) => ring + APP_RING_WORDS)
  const pairs = submissions.map((_, w) => layout.appPairs + (app * workers + w) * APP_PAIR_WORDS)
  const workerEpochs = new Int32Array(workers)
  const tags = new Int32Array(workers)
  /** Records that found their ring full, until there is room. */
  const overflow: number[][] = Array.from({ length: workers }, () => [])
  /** Free sids, the lowest on top; sids are the same for all workers. */
  const freeSids = Int32Array.from({ length: APP_SIDS - 1 }, (_, k) => APP_SIDS - 1 - k)
  let freeCount = freeSids.length

  // attaching: whatever a forerunner left in the rings carries its tag
  for (let w = 0; w < workers; w++) {
    ringPublish(i32, submissions[w])
    ringAdoptHead(i32, completions[w], APP_RECORD_WORDS)
  }
  const epoch = (i32[block + APP_EPOCH] % 0x7fff) + 1
  Atomics.store(i32, block + APP_SLEEPING, 0)
  Atomics.store(i32, block + APP_EPOCH, epoch)
  Atomics.store(i32, block + APP_ALIVE, 1)
  const learnEpoch = (w: number, workerEpoch: number): void => {
    workerEpochs[w] = workerEpoch
    tags[w] = appTag(epoch, workerEpoch)
  }
  for (let w = 0; w < workers; w++) learnEpoch(w, Atomics.load(i32, pairs[w] + PAIR_EPOCH))

  /** Where a record is made whose ring has no room, and where the one that is being made lies, for whom. */
  const stage = block + APP_STAGE
  let record = stage
  let to = 0
  let dirty = false

  /** A sid that no worker knows, or 0. */
  const allocSid = (): number => (freeCount === 0 ? 0 : freeSids[--freeCount])
  const freeSid = (sid: number): void => {
    freeSids[freeCount++] = sid
  }

  /** Begins a submission: the index of a record to fill in before `commit`, which follows. */
  const begin = (worker: number, op: number, sid: number, user: number): number => {
    to = worker
    const isFull = overflow[worker].length > 0
    record = (isFull ? 0 : ringReserve(i32, submissions[worker], APP_RECORD_WORDS)) || stage
    putRecord(i32, record, op, sid, user, tags[worker])
    return record
  }
  /** Puts the record on its way; the worker sees it after the next flush. */
  const commit = (): void => {
    const skb = i32[record + E_SKB]
    if (skb !== 0) i32[skb + SKB_OWNER] = OWNER_IN_RING
    dirty = true
    if (record !== stage) return
    // bounded: data has credit, and every other submission waits for its completion
    for (let w = 0; w < APP_RECORD_WORDS; w++) overflow[to].push(i32[stage + w])
  }
  const drainOverflow = (w: number): void => {
    const waiting = overflow[w]
    let taken = 0
    while (taken < waiting.length) {
      const at = ringReserve(i32, submissions[w], APP_RECORD_WORDS)
      if (at === 0) break
      for (let k = 0; k < APP_RECORD_WORDS; k++) i32[at + k] = waiting[taken + k]
      taken += APP_RECORD_WORDS
    }
    overflow[w] = waiting.slice(taken)
  }

  const kick = (w: number): void => {
    if (Atomics.load(i32, layout.threadBlocks + w * THREAD_WORDS + THREAD_SLEEPING) !== 0) wake(w)
  }
  /** Shows the workers what was asked for and which skbs are free again; wakes those that sleep. */
  const flush = (): void => {
    skbs.flush()
    dirty = false
    for (let w = 0; w < workers; w++) {
      if (overflow[w].length > 0) drainOverflow(w)
      if (ringUnpublished(i32, submissions[w])) {
        ringPublish(i32, submissions[w])
        kick(w)
      } else if (Atomics.load(i32, pairs[w] + PAIR_STALLED) !== 0) kick(w)
    }
  }
  /** True when something was submitted since the last flush, or still waits for room. */
  const unflushed = (): boolean => dirty || overflow.some((waiting) => waiting.length > 0)

  const lose = (w: number, workerEpoch: number): void => {
    for (let k = E_SKB; k < overflow[w].length; k += APP_RECORD_WORDS)
      if (overflow[w][k] !== 0) take(overflow[w][k])
    overflow[w] = []
    learnEpoch(w, workerEpoch)
    workerLost(w)
  }
  /** Makes an skb out of a ring this thread's, and frees it. */
  const take = (skb: number): void => {
    i32[skb + SKB_OWNER] = thread
    consume(skb)
  }
  const pollWorker = (w: number): number => {
    const ring = completions[w]
    // the ring before the epoch, as in app-port.ts
    const records = (ringReadable(i32, ring) / APP_RECORD_WORDS) | 0
    const workerEpoch = Atomics.load(i32, pairs[w] + PAIR_EPOCH)
    if (workerEpoch !== workerEpochs[w]) lose(w, workerEpoch)
    if (records > 1) skbs.prefetchRecords(ring, records, APP_RECORD_WORDS, E_SKB)
    for (let k = 0; k < records; k++) {
      const at = ringTakeRecord(i32, ring, APP_RECORD_WORDS)
      const skb = i32[at + E_SKB]
      if (i32[at + E_TAG] !== tags[w]) {
        if (skb !== 0) take(skb)
        continue
      }
      if (skb !== 0) i32[skb + SKB_OWNER] = thread
      completion(w, at)
    }
    if (records > 0) ringRelease(i32, ring)
    return records
  }
  /** Hands out the completions that have come; returns how many. */
  const poll = (): number => {
    let records = 0
    for (let w = 0; w < workers; w++) records += pollWorker(w)
    skbs.reclaim()
    return records
  }

  /** Says that the doorbell is listened to; false (and nothing said) when something has come meanwhile. */
  const sleep = (): boolean => {
    Atomics.store(i32, block + APP_SLEEPING, 1)
    for (let w = 0; w < workers; w++) {
      const came =
        ringReadable(i32, completions[w]) > 0 ||
        Atomics.load(i32, pairs[w] + PAIR_EPOCH) !== workerEpochs[w]
      if (!came) continue
      Atomics.store(i32, block + APP_SLEEPING, 0)
      return false
    }
    return true
  }
  /** Awake: workers need not ring. */
  const awake = (): void => {
    Atomics.store(i32, block + APP_SLEEPING, 0)
  }
  /** Leaves: the workers close all its sockets. */
  const detach = (): void => {
    endApp(arena, app)
    for (let w = 0; w < workers; w++) kick(w)
  }

  return {
    workers,
    allocSid,
    freeSid,
    begin,
    commit,
    flush,
    unflushed,
    poll,
    sleep,
    awake,
    detach,
    sidsInUse: () => freeSids.length - freeCount,
  }
}

/** The flag word of an application that is no more: set by itself, or by control when its thread died. */
export const endApp = (arena: Arena, app: number): void => {
  const block = arena.layout.appBlocks + app * APP_BLOCK_WORDS
  Atomics.store(arena.i32, block + APP_ALIVE, 0)
  Atomics.store(arena.i32, block + APP_EPOCH, (arena.i32[block + APP_EPOCH] % 0x7fff) + 1)
}
