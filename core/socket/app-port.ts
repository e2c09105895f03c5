/**
 * The worker's end of the rings to applications in other threads. The loop calls `poll` once a batch (before
 * sockets.runEvents), `flush` after it, and asks `pending` before it sleeps. Worker only. Counterpart of
 * app-rings.ts; Linux: io_uring's submission side, run by the CPU that owns the sockets.
 */
import { appRing } from '../shm/arena.ts'
import type { Arena } from '../shm/arena.ts'
import { APP_BLOCK_WORDS, APP_PAIR_WORDS, APP_RECORD_WORDS, APP_RING_WORDS } from '../shm/layout.ts'
import {
  ringAdoptHead,
  ringPublish,
  ringReadable,
  ringRelease,
  ringTakeRecord,
} from '../shm/ring.ts'
import type { ConsumeFn } from '../skb/drop.ts'
import type { Skbs } from '../skb/skbs.ts'
import { createAppChannel } from './app-channel.ts'
import { createAppCompletions } from './app-completions.ts'
import { APP_EPOCH, E_SKB, E_TAG, PAIR_EPOCH } from './app-constants.ts'
import { createTakeSkb } from './app-skb.ts'
import { createAppSubmit } from './app-submit.ts'
import type { Sockets } from './sockets.ts'

type AppPortDeps = {
  arena: Arena
  worker: number
  skbs: Skbs
  sockets: Sockets
  consume: ConsumeFn
  /** core/stack/sockets.ts: rings the doorbell of application `app` (0..apps-1), which lives in an event loop. */
  wakeApp: (app: number) => void
}

/** Both incarnations in one word, never 0. */
export const appTag = (appEpoch: number, workerEpoch: number): number =>
  (appEpoch << 16) | (workerEpoch & 0xffff)

/** Records taken from an application before the packets have their turn again. */
const BUDGET = 256

export const createAppPort = (deps: AppPortDeps) => {
  const { arena, worker, skbs, consume, sockets, wakeApp } = deps
  const { i32, layout } = arena
  const { apps, workers } = layout.config
  const completions = createAppCompletions({ arena, worker, wakeApp, budget: skbs.budget })
  const channel = createAppChannel({ arena, skbs, sockets, consume, completions })
  const takeSkb = createTakeSkb(arena, worker)
  const { submit } = createAppSubmit({
    arena,
    skbs,
    sockets,
    channel,
    completions,
    takeSkb,
    consume,
  })
  const submissions = Int32Array.from({ length: apps }, (_, app) => appRing(layout, app, worker))
  const pairs = Int32Array.from(
    { length: apps },
    (_, app) => layout.appPairs + (app * workers + worker) * APP_PAIR_WORDS
  )
  const tags = new Int32Array(apps)
  for (let app = 0; app < apps; app++) {
    // this worker may be a restarted one: what its forerunner had taken or posted stays so, under the old tag
    ringAdoptHead(i32, submissions[app], APP_RECORD_WORDS)
    ringPublish(i32, submissions[app] + APP_RING_WORDS)
    Atomics.store(i32, pairs[app] + PAIR_EPOCH, (i32[pairs[app] + PAIR_EPOCH] % 0x7fff) + 1)
    // one that waits for nothing but its connections would not hear otherwise that they are gone
    completions.wake(app)
  }
  const tagNow = (app: number): number => {
    const epoch = Atomics.load(i32, layout.appBlocks + app * APP_BLOCK_WORDS + APP_EPOCH)
    return epoch === 0 ? 0 : appTag(epoch, i32[pairs[app] + PAIR_EPOCH])
  }
  /** A record of somebody dead: only what it carries is taken care of. */
  const discard = (at: number): void => {
    const skb = i32[at + E_SKB]
    if (skb !== 0 && takeSkb(skb)) consume(skb)
  }
  const pollApp = (app: number): number => {
    const ring = submissions[app]
    // the ring before the epoch: a record of a new incarnation is never judged by the old one's tag
    const ready = ringReadable(i32, ring)
    const tag = tagNow(app)
    if (tag !== tags[app]) {
      tags[app] = tag
      channel.reset(app, tag)
    }
    channel.retry(app)
    const records = Math.min(BUDGET, (ready / APP_RECORD_WORDS) | 0)
    for (let k = 0; k < records; k++) {
      const at = ringTakeRecord(i32, ring, APP_RECORD_WORDS)
      if (i32[at + E_TAG] === tag) submit(app, at)
      else discard(at)
    }
    if (records > 0) ringRelease(i32, ring)
    return records
  }

  /** Does what applications have asked for; returns how many records that were. */
  const poll = (): number => {
    let records = 0
    for (let app = 0; app < apps; app++) records += pollApp(app)
    return records
  }
  /** Shows applications their completions. After the batch's events. */
  const flush = (): void => {
    channel.putBack()
    for (let app = 0; app < apps; app++) completions.flush(app)
  }
  /** True when an application waits for this worker. */
  const pending = (): boolean => {
    for (let app = 0; app < apps; app++) {
      if (ringReadable(i32, submissions[app]) > 0 || tagNow(app) !== tags[app]) return true
      if (channel.canRetry(app)) return true
    }
    return false
  }
  /** Sockets of an application here. */
  const { count } = channel

  return { poll, flush, pending, count }
}
