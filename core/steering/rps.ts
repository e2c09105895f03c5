/**
 * Receive packet steering and receive flow steering: which CPU (worker) a hashed packet goes to. A
 * thread that steers calls getRpsCpu() after RSS and saveTail() once the packet is on a backlog; workers
 * call recordSockFlow() where an application reads a socket. Linux counterpart: get_rps_cpu,
 * set_rps_cpu, rps_record_sock_flow (net/core/dev.c, include/net/rps.h).
 *
 * Shared are the map, which control writes, and the sock flow table, written by whichever worker owns
 * the flow. A device's flow table is private to each thread that steers its packets, as in Linux it is to each
 * receive queue: it remembers places in the rings that lead from this thread.
 */
import { reciprocalScale } from '../base/u32.ts'

/** rps_cpus of a device: a length, then that many CPU numbers. */
const MAP_LEN = 0
const MAP_CPUS = 1
const RPS_MAX_CPUS = 64
export const RPS_MAP_WORDS = MAP_CPUS + RPS_MAX_CPUS

/** rps_dev_flow: the CPU a flow goes to, and the tail of that CPU's queue at its last packet. */
const FLOW_CPU = 0
const FLOW_TAIL = 1
const FLOW_WORDS = 2

/** No CPU: an empty slot, and the answer of getRpsCpu when nothing steers the packet. */
export const NO_CPU = -1

/** The low bits of a sock flow entry name the CPU, the others repeat the hash's. */
const SOCK_CPU_MASK = RPS_MAX_CPUS - 1

/** The flow table of a device, empty; `entries` is rps_flow_cnt, a power of two or 0. */
export const createDevFlows = (entries: number): Int32Array =>
  new Int32Array(entries * FLOW_WORDS).fill(NO_CPU)

/**
 * Control thread: rps_cpus; no CPU turns RPS off. Readers may meet a change half done, which is
 * harmless: the length never covers a word that was not written.
 */
export const setRpsCpus = (map: Int32Array, cpus: readonly number[]): boolean => {
  const isValid = (cpu: number): boolean => Number.isInteger(cpu) && cpu >= 0 && cpu < RPS_MAX_CPUS
  if (cpus.length > RPS_MAX_CPUS || !cpus.every(isValid)) return false
  const kept = Math.min(Atomics.load(map, MAP_LEN), cpus.length)
  Atomics.store(map, MAP_LEN, kept)
  for (const [i, cpu] of cpus.entries()) Atomics.store(map, MAP_CPUS + i, cpu)
  Atomics.store(map, MAP_LEN, cpus.length)
  return true
}

export const rpsCpus = (map: Int32Array): number[] =>
  Array.from(map.slice(MAP_CPUS, MAP_CPUS + map[MAP_LEN]))

/** Control thread. Empty entries match no hash whose upper bits are not all ones; NO_CPU's CPU is offline. */
export const clearSockFlows = (sockFlows: Int32Array): void => {
  sockFlows.fill(NO_CPU)
}

/** A worker notes where the application of this flow runs; the word is written only on a change. */
export const recordSockFlow = (sockFlows: Int32Array, hash: number, cpu: number): void => {
  const slot = hash & (sockFlows.length - 1)
  const entry = (hash & ~SOCK_CPU_MASK) | cpu
  if (sockFlows[slot] !== entry) sockFlows[slot] = entry
}

type RpsDeps = {
  map: Int32Array
  /** rps_sock_flow_entries, a power of two; empty turns RFS off. */
  sockFlows: Int32Array
  /** rps_flow_cnt entries of two words, a power of two; empty turns RFS off for this device. */
  devFlows: Int32Array
  /** Packets that have left a CPU's input queue since boot, as an int32 that wraps (steer.ts). */
  queueHead: (cpu: number) => number
  /** Is there such a CPU? (steer.ts) */
  isOnline: (cpu: number) => boolean
}

/** One per device and thread that steers its packets. */
export const createRps = ({ map, sockFlows, devFlows, queueHead, isOnline }: RpsDeps) => {
  const hasRfs = sockFlows.length > 0 && devFlows.length > 0
  const sockMask = sockFlows.length - 1
  const flowMask = devFlows.length / FLOW_WORDS - 1
  /** The flow entry that the last getRpsCpu() steered by, NO_CPU when RFS had no say. */
  let lastFlow = NO_CPU

  /** RFS where the flow's application is known, else RPS by hash; NO_CPU where neither applies. */
  const getRpsCpu = (hash: number): number => {
    lastFlow = NO_CPU
    if (hash === 0) return NO_CPU
    const flowCpu = hasRfs ? rfsCpu(hash) : NO_CPU
    return flowCpu !== NO_CPU ? flowCpu : mapCpu(hash)
  }
  /** The same of a flow that has not come yet: asked, and nothing noted. */
  const wouldBe = (hash: number): number => {
    if (hash === 0) return NO_CPU
    const wanted = hasRfs ? wantedCpu(hash) : NO_CPU
    return wanted !== NO_CPU && isOnline(wanted) ? wanted : mapCpu(hash)
  }
  const mapCpu = (hash: number): number => {
    const len = map[MAP_LEN]
    if (len === 0) return NO_CPU
    const cpu = map[MAP_CPUS + reciprocalScale(hash, len)]
    return isOnline(cpu) ? cpu : NO_CPU
  }

  /** CPU on which an application reads the flow. */
  const wantedCpu = (hash: number): number => {
    const entry = sockFlows[hash & sockMask]
    return ((entry ^ hash) & ~SOCK_CPU_MASK) === 0 ? entry & SOCK_CPU_MASK : NO_CPU
  }
  /**
   * A flow moves to the CPU its application runs on only when all it had queued on the old CPU has
   * left that queue, so that its packets can't overtake each other.
   */
  const rfsCpu = (hash: number): number => {
    const wanted = wantedCpu(hash)
    if (wanted === NO_CPU) return NO_CPU
    const flow = (hash & flowMask) * FLOW_WORDS
    let cpu = devFlows[flow + FLOW_CPU]
    if (cpu !== wanted && (cpu === NO_CPU || !isOnline(cpu) || hasDrained(flow, cpu))) {
      cpu = wanted
      if (isOnline(cpu)) {
        devFlows[flow + FLOW_CPU] = cpu
        devFlows[flow + FLOW_TAIL] = queueHead(cpu)
      }
    }
    if (!isOnline(cpu)) return NO_CPU
    lastFlow = flow
    return cpu
  }

  const hasDrained = (flow: number, cpu: number): boolean =>
    ((queueHead(cpu) - devFlows[flow + FLOW_TAIL]) | 0) >= 0

  /** After the packet that getRpsCpu() steered was queued: tail counts packets ever queued there. */
  const saveTail = (tail: number): void => {
    if (lastFlow !== NO_CPU) devFlows[lastFlow + FLOW_TAIL] = tail
  }

  return { getRpsCpu, wouldBe, saveTail }
}
