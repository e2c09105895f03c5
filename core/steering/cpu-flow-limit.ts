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
  /** The bitmap that the limits were made by. */
  let seen = 0
  /** One whose bit was set gets a limit of the size that tables have now, with nothing behind it. */
  const takeOver = (bits: number): void => {
    seen = bits
    for (let cpu = 0; cpu < limits.length; cpu++)
      limits[cpu] = (bits & (1 << cpu)) === 0 ? null : (limits[cpu] ?? create())
  }
  const create = (): FlowLimit =>
    createFlowLimit({
      history: new Uint16Array(FLOW_LIMIT_HISTORY),
      buckets: new Uint16Array(i32[tableLen]),
    })
  /** True when the packet's flow owns too much of CPU's long queue. */
  return (cpu: number, hash: number, qlen: number): boolean => {
    const bits = i32[bitmap]
    if (bits !== seen) takeOver(bits)
    if (bits === 0) return false
    return limits[cpu]?.isOverLimit(hash, qlen, i32[maxBacklog]) ?? false
  }
}
