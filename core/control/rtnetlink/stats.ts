/** What is measured, and sysctls: these have names. */
import type { WorkerStat } from '../../shm/softnet-stat.ts'

export type SysctlItem = { name: string; value: number | string }
/** softnet_stat's columns, and ours. */
export type WorkerItem = WorkerStat
/** `worker` is what each worker has of it; nic threads drop too. */
type Dropped = { count: number; worker: number[] }
/** `devices`: where they were then; a packet may have none, or one that is gone. */
export type Drops = Dropped & { reason: string; devices: (Dropped & { ifindex: number })[] }
export type SkbItem = {
  thread: number
  role: string
  skbs_free: number
  small_free: number
  large_free: number
}
/** What one holder has of packet memory and may have, all workers together; bytes are truesize, small and large are slots. */
export type HolderItem = {
  holder: string
  bytes: number
  bound: number
  small: number
  small_bound: number
  large: number
  large_bound: number
  /** Bytes of each worker. */
  worker: number[]
  /** The holder whose bound this one shares. */
  within?: string
}
type PoolItem = SkbItem & {
  skbs: number
  small: number
  large: number
  /** What the holders together can never have. */
  small_reserve: number
  large_reserve: number
}
/** What the routes of one family have of control's memory, in bytes, for each prefix. */
type PrefixMemory = { prefixes: number; bytes: number }
/** What routes take: their tries and rows in shared memory, and how much of it they may have; rows are those of next hops. */
type FibMemory = {
  bytes: number
  bound: number
  tables: number
  tables_bound: number
  nexthops: number
  nexthops_bound: number
  nexthop_buckets: number
  nexthop_buckets_bound: number
  inet: PrefixMemory
  inet6: PrefixMemory
}
export type MemoryItem = {
  held: number
  bound: number
  holders: HolderItem[]
  /** Packets on their way from thread to thread, and how many of them one thread may have for another when memory is short. */
  backlog: { packets: number; bound: number }
  pools: PoolItem[]
  fib: FibMemory
}
