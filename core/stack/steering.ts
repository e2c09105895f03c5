/**
 * Receive and steer: which CPU a frame goes to, and the backlogs that lead there as this thread fills them. The nic thread
 * does it with what it reads; a worker with what comes back from lo and veth and by device queues of its own.
 * Linux: net/core/dev.c netif_rx(), get_rps_cpu(), enqueue_to_backlog().
 */
import { DEV_RPS_FLOW_CNT } from '../netdev/netdev.ts'
import { backlogRing } from '../shm/arena.ts'
import { ringTail } from '../shm/ring.ts'
import { SKB_DATA, SKB_DEV, SKB_HASH, SKB_TAIL } from '../skb/skb.ts'
import { createBacklog } from '../softnet/backlog.ts'
import { createCpuFlowLimit } from '../steering/cpu-flow-limit.ts'
import { createSteer } from '../steering/steer.ts'
import type { Thread } from './thread.ts'

export type Steering = ReturnType<typeof createSteering>

export const createSteering = ({ arena, thread, skbs, drop, ipi }: Thread) => {
  const { i32, layout } = arena
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
  /** Puts a frame on the backlog that steerSkb has said; false when it had no room. */
  const enqueueSteered = (cpu: number, skb: number): boolean => {
    const dev = i32[skb + SKB_DEV]
    if (!enqueueToBacklog(cpu, skb, steer.hash())) return false
    steer.saveTail(dev, ringTail(i32, backlogRing(layout, cpu, thread)))
    return true
  }
  /**
   * Puts a frame on the backlog that its flow hashes to (netif_rx), out of a large buffer that it does not need. What the two above do, in one function: as calls of
   * them it costs the nic thread a tenth more a frame (bench/forward-memory.ts).
   */
  const netifRx = (skb: number): void => {
    skbs.copybreak(skb)
    const dev = i32[skb + SKB_DEV]
    const at = i32[skb + SKB_DATA]
    const cpu = steer.steerFrame(dev, at, i32[skb + SKB_TAIL] - at)
    const hash = steer.hash()
    i32[skb + SKB_HASH] = hash
    if (enqueueToBacklog(cpu, skb, hash))
      steer.saveTail(dev, ringTail(i32, backlogRing(layout, cpu, thread)))
  }

  return { steer, backlog, steerSkb, enqueueSteered, netifRx }
}
