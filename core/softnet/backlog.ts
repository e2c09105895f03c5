/**
 * enqueue_to_backlog: the producer's side of softnet_data. A thread (nic, or another worker) puts an skb on the
 * ring that leads from it to a CPU; what it has pushed is published, and a sleeping CPU woken, once a batch.
 * Linux: net/core/dev.c, enqueue_to_backlog() and net_rps_send_ipi().
 */
import { backlogRing } from '../shm/arena.ts'
import type { Arena } from '../shm/arena.ts'
import { counterBank, Softnet } from '../shm/counters.ts'
import { ringBacklog, ringPublish, ringPush, ringUnpublished } from '../shm/ring.ts'
import { Sysctl } from '../shm/sysctl.ts'
import { computeBudget } from '../skb/budget.ts'
import type { DropFn } from '../skb/drop.ts'
import { Drop } from '../skb/drop.ts'
import type { Skbs } from '../skb/skbs.ts'
import { OWNER_IN_RING, SKB_OWNER } from '../skb/skb.ts'
import type { IpiSystem } from '../shm/ipi.ts'
import type { CpuFlowLimit } from '../steering/cpu-flow-limit.ts'

type BacklogDeps = {
  arena: Arena
  skbs: Skbs
  drop: DropFn
  flowLimited: CpuFlowLimit
} & Pick<IpiSystem, 'kick'>

export type Backlog = ReturnType<typeof createBacklog>

export const createBacklog = ({ arena, skbs, drop, kick, flowLimited }: BacklogDeps) => {
  const { i32, f64, layout } = arena
  const { thread } = skbs
  const { workers } = layout.config
  const rings = Int32Array.from({ length: workers }, (_, w) => backlogRing(layout, w, thread))
  const count = counterBank(arena, thread)
  const { backlog: share } = computeBudget(layout.config)
  const freeSmalls = layout.freeSmalls + thread * (32 + layout.config.smallBuffers)
  const low = layout.config.smallBuffers >> 2
  /** A CPU that stands still must not keep what the others live on: above its share, only while there is plenty. */
  const isShort = (): boolean => i32[freeSmalls] < low
  const maxBacklog = layout.sysctl + Sysctl.netdev_max_backlog

  /** A CPU has refused something since it was last asked. */
  let isCongested = false
  const takeCongestion = (): boolean => {
    const was = isCongested
    isCongested = false
    return was
  }

  /** Hands an skb to a CPU; over the limits it is dropped and counted against that CPU. */
  const enqueueToBacklog = (cpu: number, skb: number, hash: number): boolean => {
    const ring = rings[cpu]
    const limit = i32[maxBacklog]
    const half = limit >> 1
    const qlen = ringBacklog(i32, ring, half < share ? half : share)
    if (qlen >= limit || (qlen >= share && isShort()))
      return refuse(cpu, skb, Softnet.dropped, Drop.CPU_BACKLOG)
    if (flowLimited(cpu, hash, qlen))
      return refuse(cpu, skb, Softnet.flow_limit_count, Drop.CPU_BACKLOG)
    if (!skbs.unshare(skb)) return refuse(cpu, skb, Softnet.dropped, Drop.NOMEM)
    i32[skb + SKB_OWNER] = OWNER_IN_RING
    ringPush(i32, ring, skb)
    return true
  }
  /** Whether a CPU would take one more: asked by who can wait. */
  const hasRoom = (cpu: number): boolean => {
    const limit = i32[maxBacklog]
    const qlen = ringBacklog(i32, rings[cpu], Math.min(limit >> 1, share))
    return qlen < limit && (qlen < share || !isShort())
  }
  const refuse = (cpu: number, skb: number, counter: number, reason: Drop): boolean => {
    isCongested = true
    f64[count + counter + cpu]++
    drop(skb, reason)
    return false
  }

  /** Shows the CPUs what was enqueued, and wakes those that sleep. Once a batch. */
  const flush = (): void => {
    for (let cpu = 0; cpu < workers; cpu++) {
      const ring = rings[cpu]
      if (!ringUnpublished(i32, ring)) continue
      ringPublish(i32, ring)
      if (cpu !== thread) kick(cpu)
    }
  }
  return { enqueueToBacklog, hasRoom, flush, takeCongestion }
}
