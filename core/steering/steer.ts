/**
 * Which CPU a packet goes to: netif_rx's and the nic loop's question, answered from the device's RSS and RPS
 * state. Also asked by a worker that opens a connection: which CPU will the replies come to?
 * One instance a thread; private tables are made when a device is first seen. Linux: get_rps_cpu() (net/core/dev.c).
 */
import type { Flowi } from '../base/flowi.ts'
import { FL_DADDR, FL_DPORT, FL_IIF, FL_PROTO, FL_SADDR, FL_SPORT } from '../base/flowi.ts'
import { backlogRing } from '../shm/arena.ts'
import type { Arena } from '../shm/arena.ts'
import { DEVICE_WORDS, RPS_MAP_OFFSET, RSS_WORDS, SOCK_FLOWS } from '../shm/layout.ts'
import { ringHead } from '../shm/ring.ts'
import {
  createFlowDissector,
  DISSECT_NOT_IP,
  FLAG_ICMP_ERROR,
  KEY_DPORT,
  KEY_FLAGS,
  KEY_SPORT,
} from './flow-dissect.ts'
import { Sysctl } from '../shm/sysctl.ts'
import { NO_CPU, RPS_MAP_WORDS, createDevFlows, createRps, recordSockFlow } from './rps.ts'
import { createRssReader } from './rss.ts'

export type Steer = ReturnType<typeof createSteer>

/** `rpsFlowCount` is the word of a device row that holds rps_flow_cnt (netdev.ts). */
export const createSteer = (arena: Arena, thread: number, rpsFlowCount: number) => {
  const { i32, u8, layout } = arena
  const { workers, devices } = layout.config
  const dissector = createFlowDissector(u8)
  const { keys, dissect, dissectNetwork } = dissector
  const view = (at: number, words: number): Int32Array =>
    new Int32Array(arena.buffer, at << 2, words)
  const sockFlows = view(layout.sockFlows, SOCK_FLOWS)

  /** Packets that have left CPU's ring from this thread. */
  const queueHead = (cpu: number): number => ringHead(i32, backlogRing(layout, cpu, thread))
  const isOnline = (cpu: number): boolean => cpu >= 0 && cpu < workers

  const deviceSteering = (ifindex: number) => {
    const state = layout.rss + ifindex * RSS_WORDS
    const entries = i32[layout.devices + ifindex * DEVICE_WORDS + rpsFlowCount]
    const reader = createRssReader(view(state, RPS_MAP_OFFSET))
    const rps = createRps({
      map: view(state + RPS_MAP_OFFSET, RPS_MAP_WORDS),
      sockFlows: entries > 0 ? sockFlows : new Int32Array(0),
      devFlows: createDevFlows(entries),
      queueHead,
      isOnline,
    })
    return { reader, rps, entries }
  }
  const known: (ReturnType<typeof deviceSteering> | undefined)[] = Array(devices).fill(undefined)
  const of = (ifindex: number) => {
    const found = known[ifindex]
    if (found !== undefined) return found
    const made = deviceSteering(ifindex)
    known[ifindex] = made
    return made
  }
  const rfsEntries = layout.sysctl + Sysctl.rps_sock_flow_entries
  let lastHash = 0

  /** Takes over what control has changed. Once a batch. */
  const refresh = (): void => {
    for (let ifindex = 1; ifindex < devices; ifindex++) {
      const steering = known[ifindex]
      if (steering === undefined) continue
      steering.reader.refresh()
      if (steering.entries !== i32[layout.devices + ifindex * DEVICE_WORDS + rpsFlowCount])
        known[ifindex] = undefined
    }
  }

  const pick = (ifindex: number): number => {
    const { reader, rps } = of(ifindex)
    const hash = reader.hash(keys)
    lastHash = hash
    const cpu = rps.getRpsCpu(hash)
    return cpu !== NO_CPU ? cpu : reader.queueFor(hash) % workers
  }

  /** CPU of a received Ethernet frame. What has no flow (ARP) goes to CPU 0. */
  const steerFrame = (ifindex: number, at: number, len: number): number => {
    if (dissect(at, len) === DISSECT_NOT_IP) {
      lastHash = 0
      return 0
    }
    return pick(ifindex)
  }
  /** CPU of a packet from its network header on (a reassembled datagram). */
  const steerPacket = (ifindex: number, protocol: number, at: number, len: number): number => {
    dissectNetwork(protocol, at, len)
    return pick(ifindex)
  }
  /** Hash of the packet steered last. */
  const hash = (): number => lastHash

  /** Did the packet steered last have ports of its own? Fragments, ICMP and its errors have none. */
  const hasPorts = (): boolean =>
    (keys[KEY_SPORT] | keys[KEY_DPORT]) !== 0 && (keys[KEY_FLAGS] & FLAG_ICMP_ERROR) === 0

  /** RFS: notes the tail of the queue the last packet was put on. */
  const saveTail = (ifindex: number, tail: number): void => of(ifindex).rps.saveTail(tail)

  /** An application on this CPU reads the flow of this hash: RFS is to bring its packets here. */
  const recordFlow = (flowHash: number): void => {
    if (i32[rfsEntries] !== 0 && flowHash !== 0) recordSockFlow(sockFlows, flowHash, thread)
  }

  /** CPU to which packets of this flow come when they arrive on device FL_IIF. */
  const steerFlow = (fl: Flowi): number => {
    const { reader, rps } = of(fl[FL_IIF])
    lastHash = reader.flowHash(
      fl[FL_PROTO],
      fl[FL_SADDR],
      fl[FL_SADDR + 1],
      fl[FL_SADDR + 2],
      fl[FL_SADDR + 3],
      fl[FL_DADDR],
      fl[FL_DADDR + 1],
      fl[FL_DADDR + 2],
      fl[FL_DADDR + 3],
      fl[FL_SPORT],
      fl[FL_DPORT]
    )
    const cpu = rps.wouldBe(lastHash)
    return cpu !== NO_CPU ? cpu : reader.queueFor(lastHash) % workers
  }

  return {
    refresh,
    steerFrame,
    steerPacket,
    steerFlow,
    saveTail,
    recordFlow,
    hash,
    hasPorts,
    dissect,
    keys,
  }
}
