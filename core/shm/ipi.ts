/**
 * Calls from one thread to another: eight words on a ring of the pair, run by the receiver between batches
 * (Linux: smp_call_function_single, and what netlink does on its way to a CPU). Control uses them for what
 * the owner of a row must do itself; workers use them for neighbour events.
 */
import { ipiRing } from './arena.ts'
import type { Arena } from './arena.ts'
import { IPI_SLOT_WORDS, THREAD_SLEEPING, THREAD_WORDS } from './layout.ts'
import { ringPublish, ringPush, ringReadable, ringRelease, ringTake, ringWritable } from './ring.ts'

/** What can be asked of another thread. */
export const Ipi = {
  /** worker 0: resolve (family words..., dev) for worker `from`. a0 ifindex, a1..a4 address. */
  NEIGH_RESOLVE: 1,
  /** worker 0: entry row a0 was used while STALE: start DELAY. */
  NEIGH_USED: 2,
  /** workers: entry row a0 changed: send or drop what waits for it. */
  NEIGH_UPDATE: 3,
  /** worker 0, from control: set entry. a0 ifindex, a1..a4 address, a5 state | flags << 16, a6 request id;
   *  the MAC follows in NEIGH_SET_MAC, which comes first. */
  NEIGH_SET: 4,
  NEIGH_SET_MAC: 5,
  /** worker 0, from control: delete entry. a0 ifindex, a1..a4 address, a6 request id. */
  NEIGH_DEL: 6,
  /** worker: destroy socket row a0 with generation a1; a6 request id. */
  SOCK_DESTROY: 7,
  /** worker: throw an error now (tests of supervision). */
  DEBUG_THROW: 8,
  /** control: answer to request id a0 with result a1 (0, or -errno). */
  REPLY: 9,
  /** workers and nic: ifindex a0 is going away: forget what refers to it. */
  DEV_DOWN: 10,
  /** worker: the path MTU to address a1..a4 is a5 (an ICMP error reached another worker). */
  PMTU_UPDATE: 11,
  /** control, from any: a notification for watchers. a0 Notify.*, a1 1 when it is gone, a2.. as the kind says. */
  NOTIFY: 12,
} as const

/** Kinds of Ipi.NOTIFY. */
export const Notify = {
  /** a2 ifindex, a3..a6 address. */
  NEIGH: 1,
} as const

export type IpiHandler = (
  from: number,
  a0: number,
  a1: number,
  a2: number,
  a3: number,
  a4: number,
  a5: number,
  a6: number
) => void

export type IpiSystem = ReturnType<typeof createIpi>

/** `wake(thread)` rings a sleeping thread's doorbell; it is the operating system's part. */
export const createIpi = (arena: Arena, thread: number, wake: (thread: number) => void) => {
  const { i32, layout } = arena
  const { threads } = layout
  const out = Int32Array.from({ length: threads }, (_, t) => ipiRing(layout, t, thread))
  const into = Int32Array.from({ length: threads }, (_, t) => ipiRing(layout, thread, t))
  const handlers: IpiHandler[] = []
  for (let op = 0; op < 32; op++) handlers[op] = () => {}

  /** Registers what `op` does here; at boot. */
  const on = (op: number, handler: IpiHandler): void => {
    handlers[op] = handler
  }
  /** Wakes `to` when it sleeps. */
  const kick = (to: number): void => {
    if (Atomics.load(i32, layout.threadBlocks + to * THREAD_WORDS + THREAD_SLEEPING) !== 0) wake(to)
  }
  /** Sends a call; false when the ring is full. A call to oneself runs at once. */
  const send = (
    to: number,
    op: number,
    a0 = 0,
    a1 = 0,
    a2 = 0,
    a3 = 0,
    a4 = 0,
    a5 = 0,
    a6 = 0
  ): boolean => {
    if (to === thread) {
      handlers[op](thread, a0, a1, a2, a3, a4, a5, a6)
      return true
    }
    const ring = out[to]
    if (!ringWritable(i32, ring, IPI_SLOT_WORDS)) return false
    ringPush(i32, ring, op)
    ringPush(i32, ring, a0)
    ringPush(i32, ring, a1)
    ringPush(i32, ring, a2)
    ringPush(i32, ring, a3)
    ringPush(i32, ring, a4)
    ringPush(i32, ring, a5)
    ringPush(i32, ring, a6)
    ringPublish(i32, ring)
    kick(to)
    return true
  }
  const take = (ring: number): number => ringTake(i32, ring)

  /** Runs the calls that have come in; returns how many. */
  const run = (): number => {
    let ran = 0
    for (let from = 0; from < threads; from++) {
      if (from === thread) continue
      const ring = into[from]
      const calls = ringReadable(i32, ring) >> 3
      for (let k = 0; k < calls; k++) {
        const op = take(ring)
        const a0 = take(ring)
        const a1 = take(ring)
        const a2 = take(ring)
        const a3 = take(ring)
        const a4 = take(ring)
        const a5 = take(ring)
        const a6 = take(ring)
        // released before the call, so that a handler that throws is not run again
        ringRelease(i32, ring)
        handlers[op & 31](from, a0, a1, a2, a3, a4, a5, a6)
      }
      ran += calls
    }
    return ran
  }
  /** True when a call waits (asked before sleeping). */
  const pending = (): boolean => {
    for (let from = 0; from < threads; from++)
      if (from !== thread && ringReadable(i32, into[from]) > 0) return true
    return false
  }
  return { on, send, run, pending, kick }
}
