/**
 * The flows a worker has seen of late: a direct-mapped table in shared memory that the worker writes and the API
 * reads, so that one can see which CPU owns which flow. A packet of a known flow costs a compare and a count; a new
 * flow takes over its slot (the table forgets, it never grows).
 */
import { hash32, log2 } from '../base/u32.ts'
import type { Arena } from '../shm/arena.ts'
import { FLOW_WORDS } from '../shm/layout.ts'
import { SKB_DATA, SKB_DEV, SKB_HASH, SKB_LEN } from '../skb/skb.ts'
import type { FlowDissector } from '../steering/flow-dissect.ts'

export const FLOW_HASH = 0
/** Low and high byte: IP protocol; ethertype in the upper half. */
export const FLOW_PROTO = 1
export const FLOW_SRC = 2
export const FLOW_DST = 6
/** Source port in the upper half, destination port in the lower. */
export const FLOW_PORTS = 10
export const FLOW_DEV = 11
export const FLOW_PACKETS = 12
/** Jiffy of the last packet. */
export const FLOW_LAST = 13

type FlowTableDeps = {
  arena: Arena
  worker: number
  /** Time, as time[TIME_MS]. */
  time: Int32Array
} & Pick<FlowDissector, 'dissect' | 'keys'>

export type FlowTable = ReturnType<typeof createFlowTable>

export const createFlowTable = ({ arena, worker, time, dissect, keys }: FlowTableDeps) => {
  const { i32, layout } = arena
  const { flows } = layout.config
  const base = layout.flows + worker * flows * FLOW_WORDS
  const bits = log2(flows)

  /** Counts a received frame against its flow; frames without a hash have none. */
  const record = (skb: number): void => {
    const hash = i32[skb + SKB_HASH]
    if (hash === 0) return
    // Toeplitz is linear: of neighbouring ports a few low bits may differ in nothing
    const row = base + hash32(hash, bits) * FLOW_WORDS
    if (i32[row + FLOW_HASH] !== hash) adopt(row, skb, hash)
    i32[row + FLOW_PACKETS]++
    i32[row + FLOW_LAST] = time[0]
  }
  const adopt = (row: number, skb: number, hash: number): void => {
    i32[row + FLOW_HASH] = 0 // readers skip a row that is being written
    dissect(i32[skb + SKB_DATA], i32[skb + SKB_LEN])
    i32[row + FLOW_PROTO] = (keys[0] << 16) | keys[1]
    for (let k = 0; k < 8; k++) i32[row + FLOW_SRC + k] = keys[2 + k]
    i32[row + FLOW_PORTS] = (keys[10] << 16) | keys[11]
    i32[row + FLOW_DEV] = i32[skb + SKB_DEV]
    i32[row + FLOW_PACKETS] = 0
    i32[row + FLOW_HASH] = hash
  }
  return { record }
}
