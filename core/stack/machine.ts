/**
 * What every layer of a stack is given: the thread's memory, time, timers and calls, and the backlogs of all CPUs as
 * this one fills them. Made first, passed down whole. Linux: what is per-CPU, and net/core/dev.c's netif_rx().
 */
import { createTime, setTime } from '../base/time.ts'
import { createTimerWheel, WHEEL_WORDS } from '../base/timer-wheel.ts'
import { DEV_RPS_FLOW_CNT } from '../netdev/netdev.ts'
import { backlogRing } from '../shm/arena.ts'
import type { Arena } from '../shm/arena.ts'
import { counterBank, Softnet } from '../shm/counters.ts'
import { createIpi } from '../shm/ipi.ts'
import { SCRATCH_WORDS } from '../shm/layout.ts'
import { ringTail } from '../shm/ring.ts'
import { createDrop, Drop } from '../skb/drop.ts'
import {
  createSkbs,
  SKB_DATA,
  SKB_DEV,
  SKB_HASH,
  SKB_NETWORK,
  SKB_PROTOCOL,
  SKB_STAGE,
  SKB_TAIL,
} from '../skb/skb.ts'
import { sockSlab } from '../socket/sock.ts'
import { createBacklog } from '../softnet/backlog.ts'
import { createCpuFlowLimit } from '../steering/cpu-flow-limit.ts'
import { createSteer } from '../steering/steer.ts'

export type MachineDeps = {
  arena: Arena
  /** Worker number: this stack's CPU. */
  thread: number
  /** Monotonic microseconds. */
  nowUs: () => number
  random: () => number
  /** Rings the doorbell of a sleeping thread. */
  wake: (thread: number) => void
  /** An earlier stack of this thread has died: what it left is freed first. */
  restarted?: boolean
}

export type Machine = ReturnType<typeof createMachine>

export const createMachine = ({ arena, thread, nowUs, random, wake, restarted }: MachineDeps) => {
  const { i32, layout } = arena
  const words = createWords(arena, thread)
  const time = createTime()
  setTime(time, nowUs())
  const wheel = createTimerWheel(i32, layout.wheels + thread * WHEEL_WORDS, time)
  const skbs = createSkbs(arena, thread)
  const { drop, consume, countDrop } = createDrop(arena, skbs)
  const ipi = createIpi(arena, thread, wake)
  const machine = {
    arena,
    thread,
    worker: thread,
    random,
    words,
    time,
    wheel,
    skbs,
    drop,
    consume,
    ipi,
  }
  if (restarted) recover(arena, thread, skbs.recover(), countDrop)
  return { ...machine, ...createBacklogs(machine) }
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

type Core = {
  arena: Arena
  thread: number
  skbs: ReturnType<typeof createSkbs>
  drop: (skb: number, reason: Drop) => void
  ipi: ReturnType<typeof createIpi>
}

/** Steering, from a CPU's own point of view. */
const createBacklogs = ({ arena, thread, skbs, drop, ipi }: Core) => {
  const { i32, f64, layout } = arena
  const count = counterBank(arena, thread)
  const steer = createSteer(arena, thread, DEV_RPS_FLOW_CNT)
  const flowLimited = createCpuFlowLimit(arena)
  const backlog = createBacklog({ arena, skbs, drop, kick: ipi.kick, flowLimited })
  const { enqueueToBacklog } = backlog

  /** CPU of a frame; its hash is noted in it. */
  const steerSkb = (skb: number): number => {
    const at = i32[skb + SKB_DATA]
    const cpu = steer.steerFrame(i32[skb + SKB_DEV], at, i32[skb + SKB_TAIL] - at)
    i32[skb + SKB_HASH] = steer.hash()
    return cpu
  }
  /** Puts a frame on the backlog that steerSkb has said. */
  const enqueueSteered = (cpu: number, skb: number): void => {
    const dev = i32[skb + SKB_DEV]
    if (enqueueToBacklog(cpu, skb, steer.hash()))
      steer.saveTail(dev, ringTail(i32, backlogRing(layout, cpu, thread)))
  }
  /** Puts a frame on the backlog that its flow hashes to (netif_rx). */
  const netifRx = (skb: number): void => enqueueSteered(steerSkb(skb), skb)
  /** Gives a received packet to another CPU, where it goes on at `stage` (STAGE_*). */
  const steerTo = (cpu: number, skb: number, stage: number): void => {
    f64[count + Softnet.steered]++
    i32[skb + SKB_STAGE] = stage
    enqueueToBacklog(cpu, skb, i32[skb + SKB_HASH])
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
  return { steer, backlog, steerSkb, enqueueSteered, netifRx, steerTo, steerAgain }
}

/** Says how much was lost with a stack that died on this thread. */
const recover = (arena: Arena, thread: number, skbs: number, countDrop: (reason: Drop) => void) => {
  const { f64 } = arena
  const count = counterBank(arena, thread)
  for (let k = 0; k < skbs; k++) countDrop(Drop.WORKER_RESTART)
  f64[count + Softnet.skbs_recovered] += skbs
  f64[count + Softnet.sockets_lost] += sockSlab(arena, thread, false).live()
}
