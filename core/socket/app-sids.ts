/**
 * The sockets of all applications as a worker sees them: a row for each sid, of what it still has to send, of the credit it
 * has to receive, of what was asked for and is not answered yet. A row is named by the word index of its start, which tells
 * application and sid as well, and comes back with the socket's events (SK_USER). Used by the files that app-channel.ts
 * puts together. Worker only.
 */
import type { Arena } from '../shm/arena.ts'
import { APP_SIDS, SID_BITS } from './app-constants.ts'
import { SK_GENERATION } from './sock.ts'
import type { Sockets } from './sockets.ts'

// Words of a row: 16, a cache line.
/** The sock and its generation: 0 without one. */
const SID_SK = 0
const SID_GENERATION = 1
/** SID_* bits. */
export const SID_FLAGS = 2
/** Bytes that may be handed to the application yet. */
export const SID_CREDIT = 3
/** What waits to be sent: skbs chained by SKB_NEXT. */
export const SID_SEND_HEAD = 4
export const SID_SEND_TAIL = 5
// The user words of what waits for its completion.
export const SID_SHUT_USER = 6
export const SID_CLOSE_USER = 7
export const SID_CONNECT_USER = 8
export const SID_POLL_USER = 9
/** SK_EVENT_* bits waited for. */
export const SID_POLL_MASK = 10
/** A listener's children-to-be, rows that are chained; the user word is theirs. */
export const SID_ACCEPT_HEAD = 11
export const SID_ACCEPT_TAIL = 12
export const SID_ACCEPT_NEXT = 13
export const SID_ACCEPT_USER = 14
/** The listener of a child-to-be. */
export const SID_ACCEPT_OF = 15

// Bits of SID_FLAGS.
export const SID_STREAM = 1
export const SID_LISTENER = 2
export const SID_CONNECTING = 4
/** The application has been told of the end, or of the error: nothing more is read. */
export const SID_ENDED = 8
export const SID_SHUT_PENDING = 16
export const SID_CLOSE_PENDING = 32
/** On the list of those that wait for memory or for room in the ring. */
export const SID_STALLED = 64
/** A child-to-be: the listener SID_ACCEPT_OF has it in its chain. */
export const SID_AWAITING = 128
/** Its close waits for the peer (SO_LINGER). */
export const SID_LINGERING = 256

const ROW_SHIFT = 4
const ROW_WORDS = 1 << ROW_SHIFT
/** Most credit that is remembered of what an application grants: sums of it stay numbers of 31 bits. */
const MAX_CREDIT = 1 << 30

export const rowOf = (app: number, sid: number): number => ((app << SID_BITS) | sid) << ROW_SHIFT
export const appOf = (row: number): number => row >> (SID_BITS + ROW_SHIFT)
export const sidOf = (row: number): number => (row >> ROW_SHIFT) & (APP_SIDS - 1)

export const creditOf = (granted: number): number => Math.max(0, Math.min(granted, MAX_CREDIT))

type AppSidsDeps = {
  arena: Arena
  sockets: Pick<Sockets, 'attach' | 'isSame'>
  /** Index of app-channel's handler. */
  handler: number
}
export type AppSids = ReturnType<typeof createAppSids>

export const createAppSids = ({ arena, sockets, handler }: AppSidsDeps) => {
  const { i32, layout } = arena
  const { apps } = layout.config
  const rows = new Int32Array((apps * APP_SIDS) << ROW_SHIFT)
  /** The highest row of each application that was ever in use. */
  const high = Int32Array.from({ length: apps }, (_, app) => rowOf(app, 0))

  const note = (row: number): void => {
    const app = appOf(row)
    if (row > high[app]) high[app] = row
  }
  const adopt = (row: number, sk: number, bits: number, granted: number): void => {
    rows[row + SID_SK] = sk
    rows[row + SID_GENERATION] = i32[sk + SK_GENERATION]
    rows[row + SID_FLAGS] = bits
    rows[row + SID_CREDIT] = creditOf(granted)
    note(row)
    sockets.attach(sk, handler, row)
  }
  const forget = (row: number): void => {
    rows[row + SID_SK] = 0
    rows[row + SID_FLAGS] = 0
    rows[row + SID_POLL_MASK] = 0
  }
  /** The sock of a sid, or 0. */
  const sockOf = (row: number): number => {
    const sk = rows[row + SID_SK]
    return sk !== 0 && sockets.isSame(sk, rows[row + SID_GENERATION]) ? sk : 0
  }
  /** The application has not been told of this sid's end yet, so it names nothing new. */
  const isTaken = (row: number): boolean =>
    rows[row + SID_SK] !== 0 || (rows[row + SID_FLAGS] & SID_AWAITING) !== 0

  /** The application is gone, or another has come in its place: ends all it had. */
  const reset = (app: number, end: (row: number) => void): void => {
    const last = high[app]
    for (let row = rowOf(app, 1); row <= last; row += ROW_WORDS) {
      if (isTaken(row) || rows[row + SID_SEND_HEAD] !== 0) end(row)
      rows[row + SID_CREDIT] = 0
    }
    high[app] = rowOf(app, 0)
  }
  /** How many sockets of an application live here. */
  const count = (app: number): number => {
    let live = 0
    for (let row = rowOf(app, 1); row <= high[app]; row += ROW_WORDS)
      if (rows[row + SID_SK] !== 0) live++
    return live
  }
  return { rows, note, adopt, forget, sockOf, isTaken, reset, count }
}
