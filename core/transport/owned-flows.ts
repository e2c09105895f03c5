/**
 * Which worker owns a flow that the steering sent elsewhere: after the RSS table has changed, or from a device queue
 * that the kernel chose. Each worker counts its sockets' flows by their whole 32-bit hash in a table of its own in shared
 * memory; a worker that has no socket for a packet looks into the others' tables and passes the packet on to one that
 * has it, so a connection outlives every change of steering. Linux gets this from sharing one socket table.
 *
 * A hash has two buckets of eight entries, a cache line each, and lies in one of them; the table is twice as large as
 * there can be flows. Entries are written in place, so a reader sees a whole one or none.
 */
import { mix32 } from '../base/u32.ts'
import type { Arena } from '../shm/arena.ts'
import { OWNED_FLOW_BUCKET_WORDS } from '../shm/layout.ts'
import { SKB_TRIED, STAGE_SOCKET } from '../skb/skb.ts'
import type { Machine } from '../stack/machine.ts'

export type OwnedFlows = ReturnType<typeof createOwnedFlows>

type OwnedFlowsDeps = {
  arena: Arena
  worker: number
} & Pick<Machine, 'steerTo'>

/** Entries of a bucket: eight hashes, then how many sockets have each. */
const WAYS = OWNED_FLOW_BUCKET_WORDS / 2

export const createOwnedFlows = ({ arena, worker, steerTo }: OwnedFlowsDeps) => {
  const { i32, layout } = arena
  const { workers } = layout.config
  const { ownedFlows, ownedFlowWords, ownedFlowBuckets } = layout
  const mask = ownedFlowBuckets - 1
  const tableOf = (cpu: number): number => ownedFlows + cpu * ownedFlowWords
  /** Word behind the buckets: flows that neither of their buckets had room for. */
  const spilledOf = (cpu: number): number =>
    tableOf(cpu) + ownedFlowBuckets * OWNED_FLOW_BUCKET_WORDS
  const own = tableOf(worker)
  // a worker that starts over owns nothing; what was never written stays without memory
  for (let w = own; w < own + ownedFlowWords; w++) if (i32[w] !== 0) i32[w] = 0

  const firstBucket = (table: number, hash: number): number =>
    table + (hash & mask) * OWNED_FLOW_BUCKET_WORDS
  const secondBucket = (table: number, hash: number): number =>
    table + (mix32(hash ^ 0x5bd1e995) & mask) * OWNED_FLOW_BUCKET_WORDS

  /** Entry of a hash in a bucket, or 0. */
  const findIn = (bucket: number, hash: number): number => {
    for (let entry = bucket; entry < bucket + WAYS; entry++)
      if (i32[entry] === hash && i32[entry + WAYS] !== 0) return entry
    return 0
  }
  const find = (table: number, hash: number): number => {
    const entry = findIn(firstBucket(table, hash), hash)
    return entry !== 0 ? entry : findIn(secondBucket(table, hash), hash)
  }
  const used = (bucket: number): number => {
    let n = 0
    for (let entry = bucket; entry < bucket + WAYS; entry++) if (i32[entry + WAYS] !== 0) n++
    return n
  }

  const add = (hash: number): void => {
    const known = find(own, hash)
    if (known !== 0) {
      i32[known + WAYS]++
      return
    }
    const first = firstBucket(own, hash)
    const second = secondBucket(own, hash)
    const bucket = used(second) < used(first) ? second : first
    for (let entry = bucket; entry < bucket + WAYS; entry++) {
      if (i32[entry + WAYS] !== 0) continue
      i32[entry] = hash
      i32[entry + WAYS] = 1
      return
    }
    i32[spilledOf(worker)]++
  }
  const remove = (hash: number): void => {
    const entry = find(own, hash)
    if (entry !== 0) i32[entry + WAYS]--
    else i32[spilledOf(worker)]--
  }

  /** Has this worker the flow? What spilled may be any flow but a new one. */
  const mayOwn = (cpu: number, hash: number, isNew: boolean): boolean =>
    find(tableOf(cpu), hash) !== 0 || (!isNew && i32[spilledOf(cpu)] !== 0)
  /**
   * Passes a packet without a socket here to a worker that has one: true, and the packet is gone. It remembers who has
   * looked, as a socket may be gone when it arrives. `isNew`: it opens a flow (SYN), which the listener here may answer.
   */
  const passOn = (skb: number, hash: number, isNew: boolean): boolean => {
    const tried = i32[skb + SKB_TRIED] | (1 << worker)
    for (let cpu = 0; cpu < workers; cpu++) {
      if ((tried & (1 << cpu)) !== 0 || !mayOwn(cpu, hash, isNew)) continue
      i32[skb + SKB_TRIED] = tried
      steerTo(cpu, skb, STAGE_SOCKET)
      return true
    }
    return false
  }
  /** Passes on what is about a flow of another worker's, as ICMP's errors are, and not of this one's: true, and it is gone. */
  const handOver = (skb: number, hash: number): boolean =>
    hash !== 0 && !mayOwn(worker, hash, false) && passOn(skb, hash, false)
  return { add, remove, passOn, handOver }
}
