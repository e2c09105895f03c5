/**
 * The flow limits of all CPUs, as one producing thread keeps them: on for the CPUs of
 * net.core.flow_limit_cpu_bitmap. Linux: skb_flow_limit() in enqueue_to_backlog().
 */
import type { Arena } from '../shm/arena.ts'
import { Sysctl } from '../shm/sysctl.ts'
import { createFlowLimit, FLOW_LIMIT_BUCKETS, FLOW_LIMIT_HISTORY } from './flow-limit.ts'

export type CpuFlowLimit = ReturnType<typeof createCpuFlowLimit>

export const createCpuFlowLimit = ({ i32, layout }: Arena) => {
  const bitmap = layout.sysctl + Sysctl.flow_limit_cpu_bitmap
  const maxBacklog = layout.sysctl + Sysctl.netdev_max_backlog
  const limits = Array.from({ length: layout.config.workers }, () =>
    createFlowLimit({
      history: new Uint16Array(FLOW_LIMIT_HISTORY),
      buckets: new Uint16Array(FLOW_LIMIT_BUCKETS),
    })
  )
  /** True when the packet's flow owns too much of CPU's long queue. */
  return (cpu: number, hash: number, qlen: number): boolean =>
    (i32[bitmap] & (1 << cpu)) !== 0 && limits[cpu].isOverLimit(hash, qlen, i32[maxBacklog])
}
