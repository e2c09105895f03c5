/**
 * What every layer of a stack is given: the thread's memory, time, timers and calls, and the backlogs of all CPUs as
 * this one fills them. Made first, passed down whole. Linux: what is per-CPU.
 */
import { createTimerWheel, WHEEL_WORDS } from '../base/timer-wheel.ts'
import type { Arena } from '../shm/arena.ts'
import { counterBank, Softnet } from '../shm/counters.ts'
import { SCRATCH_WORDS } from '../shm/layout.ts'
import { Drop } from '../skb/drop.ts'
import { SKB_DEV, SKB_HASH, SKB_NETWORK, SKB_PROTOCOL, SKB_STAGE, SKB_TAIL } from '../skb/skb.ts'
import { sockSlab } from '../socket/sock.ts'
import { createSteering, type Steering } from './steering.ts'
import { createPacketThread, type PacketThread, type PacketThreadDeps } from './thread.ts'

/** `thread` is the worker's number: this stack's CPU. */
export type MachineDeps = PacketThreadDeps & {
  random: () => number
  /** Microseconds since 1970; without it the monotonic ones are. */
  realtimeUs?: () => number
  /** An earlier stack of this thread has died: what it left is freed first. */
  restarted?: boolean
}

export type Machine = ReturnType<typeof createMachine>

export const createMachine = (deps: MachineDeps) => {
  const { arena, thread, random, restarted } = deps
  const words = createWords(arena, thread)
  const own = createPacketThread(deps)
  const { time } = own
  const wheel = createTimerWheel(arena.i32, arena.layout.wheels + thread * WHEEL_WORDS, time)
  if (restarted) recover(own)
  const steering = createSteering(own)
  const passing = createPassing(own, steering)
  return {
    ...own,
    worker: thread,
    nowUs: deps.nowUs,
    realtimeUs: deps.realtimeUs ?? deps.nowUs,
    random,
    words,
    wheel,
    ...steering,
    ...passing,
  }
}

/** Words of this thread's own, zero: timers, keys. A forerunner's timers may lie there, linked. */
const createWords = ({ i32, layout }: Arena, thread: number) => {
  const start = layout.scratch + thread * SCRATCH_WORDS
  i32.fill(0, start, start + SCRATCH_WORDS)
  let next = start
  return (n: number): number => {
    const at = next
    next += n
    if (next > start + SCRATCH_WORDS) throw new Error('a thread has no scratch words left')
    return at
  }
}

/** Packets that go on at another CPU than the one that received them. */
const createPassing = ({ arena, thread }: PacketThread, { steer, backlog }: Steering) => {
  const { i32, f64 } = arena
  const count = counterBank(arena, thread)

  /** Gives a received packet to another CPU, where it goes on at `stage` (STAGE_*). */
  const steerTo = (cpu: number, skb: number, stage: number): void => {
    f64[count + Softnet.steered]++
    i32[skb + SKB_STAGE] = stage
    backlog.enqueueToBacklog(cpu, skb, i32[skb + SKB_HASH])
  }
  /** A reassembled datagram goes to the CPU of its ports, and on from `stage` there; false when that is this one. */
  const steerAgain = (skb: number, stage: number): boolean => {
    const at = i32[skb + SKB_NETWORK]
    const len = i32[skb + SKB_TAIL] - at
    const cpu = steer.steerPacket(i32[skb + SKB_DEV], i32[skb + SKB_PROTOCOL], at, len)
    i32[skb + SKB_HASH] = steer.hash()
    if (cpu === thread) return false
    steerTo(cpu, skb, stage)
    return true
  }
  return { steerTo, steerAgain }
}

/** Frees what a stack that died on this thread held, and says how much that was. */
const recover = ({ arena, thread, skbs, countDrop }: PacketThread) => {
  const count = counterBank(arena, thread)
  const lost = skbs.recover()
  for (let k = 0; k < lost; k++) countDrop(Drop.WORKER_RESTART)
  arena.f64[count + Softnet.skbs_recovered] += lost
  arena.f64[count + Softnet.sockets_lost] += sockSlab(arena, thread, false).live()
}
