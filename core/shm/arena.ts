/**
 * An arena: the buffer that holds all of one stack's shared state, and the views over it.
 *
 * Control makes it with `createArena`, every other thread gets the buffer and the configuration once and calls
 * `attachArena`. Views are made here and nowhere else: they are constant, so JSC can fold their base.
 */
import type { Bytes } from '../base/bytes.ts'
import type { ArenaConfig } from './layout.ts'
import { type Layout, computeLayout } from './compute-layout.ts'
import {
  APP_RECORD_WORDS,
  APP_RING_RECORDS,
  APP_RING_WORDS,
  CAPTURE_WORDS,
  IPI_SLOT_WORDS,
  IPI_SLOTS,
  SKB_WORDS,
} from './layout.ts'
import { ringInit } from './ring.ts'

export type Arena = {
  readonly buffer: ArrayBufferLike
  readonly u8: Bytes
  readonly i32: Int32Array
  readonly f64: Float64Array
  readonly layout: Layout
}

const views = (buffer: ArrayBufferLike, layout: Layout): Arena => ({
  buffer,
  u8: new Uint8Array(buffer),
  i32: new Int32Array(buffer),
  f64: new Float64Array(buffer),
  layout,
})

/** Bytes that an arena of this configuration needs. */
export const arenaBytes = (config: ArenaConfig): number => computeLayout(config).totalBytes

/** Makes the arena's rings and free stacks over a zeroed buffer of at least arenaBytes(wanted). */
export const createArena = (
  wanted: ArenaConfig,
  buffer: ArrayBufferLike = new SharedArrayBuffer(arenaBytes(wanted))
): Arena => {
  const layout = computeLayout(wanted)
  const { config } = layout
  const arena = views(buffer, layout)
  const { i32 } = arena
  const { threads } = layout
  for (let i = 0; i < config.workers * threads; i++)
    ringInit(i32, layout.backlogRings + i * layout.backlogRingWords, config.backlog)
  for (let i = 0; i < threads * threads; i++) {
    ringInit(i32, layout.ipiRings + i * layout.ipiRingWords, IPI_SLOTS * IPI_SLOT_WORDS)
    ringInit(i32, layout.returnRings + i * layout.returnRingWords, layout.returnSlots)
  }
  for (let i = 0; i < config.apps * config.workers * 2; i++)
    ringInit(i32, layout.appRings + i * APP_RING_WORDS, APP_RING_RECORDS * APP_RECORD_WORDS)
  for (let t = 0; t < threads; t++) {
    fillStack(i32, layout.freeSkbs, t, config.skbs, (n) => layout.skbRows + n * SKB_WORDS)
    fillStack(i32, layout.freeSmalls, t, config.smallBuffers, (n) => n)
    fillStack(i32, layout.freeLarges, t, config.largeBuffers, (n) => layout.smalls + n)
  }
  i32.fill(1, layout.bufferRefs, layout.bufferRefs + layout.smalls + layout.larges)
  return arena
}

/** The views of another thread over an arena that control has made. */
export const attachArena = (config: ArenaConfig, buffer: ArrayBufferLike): Arena =>
  views(buffer, computeLayout(config))

/** Fills thread t's free stack so that the lowest item is on top. */
const fillStack = (
  i32: Int32Array,
  base: number,
  t: number,
  size: number,
  item: (n: number) => number
) => {
  const stack = base + t * (32 + size)
  i32[stack] = size
  for (let k = 0; k < size; k++) i32[stack + 32 + k] = item(t * size + (size - 1 - k))
}

/** Ring of skbs from `thread` into worker's backlog. */
export const backlogRing = (layout: Layout, worker: number, thread: number): number =>
  layout.backlogRings + (worker * layout.threads + thread) * layout.backlogRingWords

/** Ring of calls from `from` to `to`. */
export const ipiRing = (layout: Layout, to: number, from: number): number =>
  layout.ipiRings + (to * layout.threads + from) * layout.ipiRingWords

/** Ring on which `from` gives rows and buffers back to `home`. */
export const returnRing = (layout: Layout, home: number, from: number): number =>
  layout.returnRings + (home * layout.threads + from) * layout.returnRingWords

/** Submission ring of application `app` (0..apps-1) to `worker`; its completion ring follows it. */
export const appRing = (layout: Layout, app: number, worker: number): number =>
  layout.appRings + (app * layout.config.workers + worker) * 2 * APP_RING_WORDS

/** Row of a capture; and the ring by which a thread hands frames to who captures. */
export const captureRow = (layout: Layout, capture: number): number =>
  layout.captures + capture * CAPTURE_WORDS
export const captureRing = (layout: Layout, thread: number): number =>
  layout.captureRings + thread * layout.captureRingWords
