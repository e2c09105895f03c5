/**
 * Calls from one thread to another: slots of sixteen words on a ring of the pair, run by the receiver between batches
 * (Linux: smp_call_function_single, and what netlink does on its way to a CPU). Control uses them for what
 * the owner of a row must do itself; workers use them for neighbour events. A slot is the operation and up to twelve
 * words a0..a11, room for two addresses and what is said of them; a call that is answered has its request id in a6.
 */
import { ipiRing } from './arena.ts'
import type { Arena } from './arena.ts'
import { IPI_SLOT_WORDS, THREAD_SLEEPING, THREAD_WORDS } from './layout.ts'
import { ringPublish, ringReadable, ringRelease, ringReserve, ringTakeRecord } from './ring.ts'

/** What can be asked of another thread. */
export const Ipi = {
  /** worker 0: resolve (family words..., dev) for worker `from`. a0 ifindex, a1..a4 address. */
  NEIGH_RESOLVE: 1,
  /** worker 0: entry row a0 was used while STALE: start DELAY. */
  NEIGH_USED: 2,
  /** workers: entry row a0 changed: send or drop what waits for it. */
  NEIGH_UPDATE: 3,
  /** worker 0, from control: set entry. a0 ifindex, a1..a4 address, a5 state | flags << 16, a6 request id,
   *  a7 upper two bytes of the MAC (-1: it keeps the one it has), a8 lower four. */
  NEIGH_SET: 4,
  /** worker 0, from control: delete entry. a0 ifindex, a1..a4 address, a6 request id. */
  NEIGH_DEL: 6,
  /** worker: destroy socket row a0 with generation a1; a6 request id. */
  SOCK_DESTROY: 7,
  /** worker: throw an error now (tests of supervision). */
  DEBUG_THROW: 8,
  /** control: answer to request id a0 with result a1 (0, or -errno). */
  REPLY: 9,
  /** workers and nic: ifindex a0 is going away (a1 0): forget what refers to it; or has lost its carrier (a1 1): of
   *  its neighbours permanent ones stay. */
  DEV_DOWN: 10,
  /** worker 0: ifindex a0 speaks family a1 no longer: its neighbours of that go. */
  NEIGH_IFDOWN: 5,
  /** worker: the path MTU to address a1..a4 is a5 (an ICMP error reached another worker). */
  PMTU_UPDATE: 11,
  /** worker 0: ifindex a0 is up, or has another link address: its neighbours are told where that is asked for. */
  DEV_UP: 13,
  /** control, from any: a notification for watchers. a0 Notify.*, a1 1 when it is gone, a2.. as the kind says. */
  NOTIFY: 12,
  /** worker 0: a membership of group a1..a4 on ifindex a0 has come, changed or gone (inet/mc/mc-members.ts). */
  MC_CHANGED: 20,
  /** worker 0: a packet from a1..a4 to group a5..a8 came in by ifindex a0, and has no route. */
  MFC_MISS: 21,
  /** workers: multicast routes have been found. */
  MFC_FOUND: 22,
  /** control, from worker 0: something about addresses was found out. a0 Addrconf.*, a1.. as that says. */
  ADDRCONF: 23,
  /** worker: a router of ifindex a0 says that a1..a4 is reached by a5..a8 (worker 0 believes it). */
  REDIRECT: 24,
  /** workers, from control: forget what was learned of destinations of family a0; a6 request id. */
  RT_CACHE_FLUSH: 25,
} as const

/** Kinds of Ipi.ADDRCONF. */
export const Addrconf = {
  /** Nobody else has the address in row a1, whose serial is a2; or somebody has. */
  DAD_COMPLETED: 1,
  DAD_FAILED: 2,
  /** A router of ifindex a1 is at a2..a5 for a6 seconds, worth a7 (RFC 4191); a8 hops and MTU a9 hold there (0: it does not say). */
  RA_ROUTER: 3,
  /** On ifindex a1 is the prefix a2..a5, of a6 & 0xff bits and with PIO_* flags a6 >> 8, for a7 seconds, preferred for a8. */
  RA_PREFIX: 4,
  /** On ifindex a1 & 0xffff router a2..a5 leads to a6..a9 of (a1 >> 16) & 0xff bits for a10 seconds, worth a1 >> 24. */
  RA_ROUTE: 5,
} as const

/** Kinds of Ipi.NOTIFY. */
export const Notify = {
  /** a2 ifindex, a3..a6 address. */
  NEIGH: 1,
  /** a2 ifindex, a3 the row's generation, a4 errno: the thread has let the device go. */
  DEVICE: 2,
} as const

type IpiHandler = (
  from: number,
  a0: number,
  a1: number,
  a2: number,
  a3: number,
  a4: number,
  a5: number,
  a6: number,
  a7: number,
  a8: number,
  a9: number,
  a10: number,
  a11: number
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
    a6 = 0,
    a7 = 0,
    a8 = 0,
    a9 = 0,
    a10 = 0,
    a11 = 0
  ): boolean => {
    if (to === thread) {
      handlers[op](thread, a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11)
      return true
    }
    const ring = out[to]
    const slot = ringReserve(i32, ring, IPI_SLOT_WORDS)
    if (slot === 0) return false
    i32[slot] = op
    i32[slot + 1] = a0
    i32[slot + 2] = a1
    i32[slot + 3] = a2
    i32[slot + 4] = a3
    i32[slot + 5] = a4
    i32[slot + 6] = a5
    i32[slot + 7] = a6
    i32[slot + 8] = a7
    i32[slot + 9] = a8
    i32[slot + 10] = a9
    i32[slot + 11] = a10
    i32[slot + 12] = a11
    ringPublish(i32, ring)
    kick(to)
    return true
  }

  const runOne = (from: number, ring: number): void => {
    const slot = ringTakeRecord(i32, ring, IPI_SLOT_WORDS)
    const op = i32[slot]
    const a0 = i32[slot + 1]
    const a1 = i32[slot + 2]
    const a2 = i32[slot + 3]
    const a3 = i32[slot + 4]
    const a4 = i32[slot + 5]
    const a5 = i32[slot + 6]
    const a6 = i32[slot + 7]
    const a7 = i32[slot + 8]
    const a8 = i32[slot + 9]
    const a9 = i32[slot + 10]
    const a10 = i32[slot + 11]
    const a11 = i32[slot + 12]
    // released before the call, so that a handler that throws is not run again
    ringRelease(i32, ring)
    // filled with on(): stack.ts, stack/inet.ts, stack/dst.ts, neigh/, control/rtnl/calls.ts and control.ts
    handlers[op & 31](from, a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11)
  }
  /** Runs the calls that have come in; returns how many. */
  const run = (): number => {
    let ran = 0
    for (let from = 0; from < threads; from++) {
      if (from === thread) continue
      const ring = into[from]
      const calls = (ringReadable(i32, ring) / IPI_SLOT_WORDS) | 0
      for (let k = 0; k < calls; k++) {
        runOne(from, ring)
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
