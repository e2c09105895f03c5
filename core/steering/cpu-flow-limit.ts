/**
 * The flow limits of all CPUs, as one producing thread keeps them: on for the CPUs of
 * net.core.flow_limit_cpu_bitmap. Linux: skb_flow_limit() in enqueue_to_backlog(), flow_limit_cpu_sysctl().
 */
import type { Arena } from '../shm/arena.ts'
import { Sysctl } from '../shm/sysctl.ts'
import { createFlowLimit, FLOW_LIMIT_HISTORY, type FlowLimit } from './flow-limit.ts'

export type CpuFlowLimit = ReturnType<typeof createCpuFlowLimit>

export const createCpuFlowLimit = ({ i32, layout }: Arena) => {
  const bitmap = layout.sysctl + Sysctl.flow_limit_cpu_bitmap
  const maxBacklog = layout.sysctl + Sysctl.netdev_max_backlog
  const tableLen = layout.sysctl + Sysctl.flow_limit_table_len
  const limits: (FlowLimit | null)[] = Array(layout.config.workers).fill(null)
  /** The limit of a CPU whose bit was set: of the size that tables have now, and with nothing behind it. */
  const switchOn = (cpu: number): FlowLimit => {
    const limit = createFlowLimit({
      history: new Uint16Array(FLOW_LIMIT_HISTORY),
      buckets: new Uint16Array(i32[tableLen]),
    })
    limits[cpu] = limit
    return limit
  }
  /** True when the packet's flow owns too much of CPU's long queue. */
  return (cpu: number, hash: number, qlen: number): boolean => {
    const limit = limits[cpu]
    if ((i32[bitmap] & (1 << cpu)) === 0) {
      if (limit !== null) limits[cpu] = null
      return false
    }
    return (limit ?? switchOn(cpu)).isOverLimit(hash, qlen, i32[maxBacklog])
  }
}
