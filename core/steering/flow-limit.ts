/**
 * Flow limit: when a CPU's backlog is more than half full, a flow that made up more than half of the
 * recent packets loses its next one first, so that one heavy flow can't starve the small ones. The
 * nic thread asks before it queues; one limit per CPU. Linux counterpart: skb_flow_limit
 * (net/core/dev.c; net.core.flow_limit_cpu_bitmap, flow_limit_table_len).
 */
import { hash32, log2 } from '../base/u32.ts'

/** Packets remembered (Linux's FLOW_LIMIT_HISTORY). */
export const FLOW_LIMIT_HISTORY = 128

type FlowLimitDeps = {
  /** Buckets of the last packets, FLOW_LIMIT_HISTORY long. */
  history: Uint16Array
  /** Packets of the history in each bucket; a power of two long. */
  buckets: Uint16Array
}

export type FlowLimit = ReturnType<typeof createFlowLimit>

export const createFlowLimit = ({ history, buckets }: FlowLimitDeps) => {
  const bits = log2(buckets.length)
  const mask = history.length - 1
  const limit = history.length >> 1
  let head = 0

  /** True when the packet is to be dropped (CPU_BACKLOG, counted in flow_limit_count). */
  const isOverLimit = (hash: number, queueLen: number, maxBacklog: number): boolean => {
    if (queueLen < maxBacklog >> 1) return false
    const bucket = bits === 0 ? 0 : hash32(hash, bits)
    const oldest = history[head]
    history[head] = bucket
    head = (head + 1) & mask
    // false only while the history still holds its initial zeros
    if (buckets[oldest] > 0) buckets[oldest] = buckets[oldest] - 1
    buckets[bucket] = buckets[bucket] + 1
    return buckets[bucket] > limit
  }

  return { isOverLimit }
}
