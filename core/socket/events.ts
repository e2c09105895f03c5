/**
 * Who is told what happened to a socket, and when. Protocols call `sockEvents` as often as they like while a batch
 * is processed; the bits gather per socket, and the loop calls `runEvents` once after the batch, which calls
 * each socket's handler once. So a handler sees one wake-up a batch (Linux: sk->sk_data_ready and friends), and
 * may itself cause events. Edge-triggered: a handler goes on until the protocol says EAGAIN. Worker only.
 */
import type { Arena } from '../shm/arena.ts'
import { SOCK_WORDS } from '../shm/layout.ts'
import { SK_GENERATION, SK_HANDLER, SK_USER } from './sock.ts'

type SockHandler = (sk: number, events: number, user: number) => void
export type Events = ReturnType<typeof createEvents>

/** Rounds of one run: what the handlers themselves cause is seen at once, but not for ever. */
const ROUNDS = 4

/** `firstSock` is the worker's first sock row; its slab's rows follow it. */
export const createEvents = (arena: Arena, firstSock: number) => {
  const { i32 } = arena
  const { socks } = arena.layout.config
  const handlers: SockHandler[] = [() => {}]
  const pendingBits = new Int32Array(socks)
  const pendingGeneration = new Int32Array(socks)
  // a socket is on the list once, so neither list overflows
  let list = new Int32Array(socks)
  let other = new Int32Array(socks)
  let count = 0
  const indexOf = (sk: number): number => ((sk - firstSock) / SOCK_WORDS) | 0

  /** Registers a handler; at boot. Its index goes into SK_HANDLER. */
  const registerHandler = (handler: SockHandler): number => handlers.push(handler) - 1

  /** Makes `handler` the one that hears of the socket; `user` comes back with each call. */
  const attach = (sk: number, handler: number, user: number): void => {
    i32[sk + SK_HANDLER] = handler
    i32[sk + SK_USER] = user
  }
  /** Nobody hears of the socket any more. */
  const detach = (sk: number): void => {
    i32[sk + SK_HANDLER] = 0
  }

  /** Called by a protocol, on the worker, when something happened to a socket. */
  const sockEvents = (sk: number, events: number): void => {
    if (i32[sk + SK_HANDLER] === 0) return
    const index = indexOf(sk)
    const bits = pendingBits[index]
    const generation = i32[sk + SK_GENERATION]
    // what waits may be a freed socket's, whose row this one has now: the place on the list serves both
    pendingBits[index] = pendingGeneration[index] === generation ? bits | events : events
    pendingGeneration[index] = generation
    if (bits === 0) list[count++] = sk
  }

  /** Calls the handlers of all sockets to which something happened; returns how many calls it made. */
  const runEvents = (): number => {
    let calls = 0
    for (let round = 0; round < ROUNDS && count > 0; round++) {
      const now = list
      const n = count
      list = other
      other = now
      count = 0
      for (let k = 0; k < n; k++) deliver(now[k])
      calls += n
    }
    return calls
  }
  const deliver = (sk: number): void => {
    const index = indexOf(sk)
    const events = pendingBits[index]
    pendingBits[index] = 0
    // the row was freed, and perhaps taken again, since
    if (pendingGeneration[index] !== i32[sk + SK_GENERATION]) return
    // filled with registerHandler: onEvent (app-port.ts) and those of services/
    handlers[i32[sk + SK_HANDLER]](sk, events, i32[sk + SK_USER])
  }
  /** True when events wait for the next run (asked before the worker sleeps). */
  const eventsPending = (): boolean => count > 0

  return { registerHandler, attach, detach, sockEvents, runEvents, eventsPending }
}
