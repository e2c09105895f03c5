/** What is measured, and sysctls. */
import { z } from 'zod'
import type {
  DropItem,
  MemoryItem,
  SkbItem,
  SysctlItem,
} from '../../../core/control/text/messages.ts'
import { SOFTNET_STAT } from '../../../core/shm/softnet-stat.ts'
import { count, type Shape } from './shape.ts'

export const workerItem = z
  .strictObject(
    Object.fromEntries(
      SOFTNET_STAT.map(({ name, type, help }) => [
        name,
        (type === 'flag' ? z.boolean() : z.number()).describe(help),
      ])
    )
  )
  .meta({ ref: 'Worker' })

export const nstatAnswer = z.strictObject({ kernel: z.record(z.string(), z.number()) })

const skb = {
  thread: z.number(),
  role: z.string(),
  skbs_free: count,
  small_free: count,
  large_free: count,
}
export const skbItem = z.strictObject(skb satisfies Shape<SkbItem>)
const holder = z.strictObject({
  holder: z.string(),
  bytes: count,
  bound: count,
  small: count,
  small_bound: count,
  large: count,
  large_bound: count,
  worker: z.array(count),
  within: z.string().optional(),
} satisfies Shape<MemoryItem['holders'][number]>)
const pool = z.strictObject({
  ...skb,
  skbs: count,
  small: count,
  large: count,
  small_reserve: count,
  large_reserve: count,
} satisfies Shape<MemoryItem['pools'][number]>)
const prefixes = z.strictObject({
  prefixes: count,
  bytes: count,
} satisfies Shape<MemoryItem['fib']['inet']>)
const fib = z.strictObject({
  bytes: count,
  bound: count,
  tables: count,
  tables_bound: count,
  nexthops: count,
  nexthops_bound: count,
  nexthop_buckets: count,
  nexthop_buckets_bound: count,
  inet: prefixes,
  inet6: prefixes,
} satisfies Shape<MemoryItem['fib']>)
const backlog = z.strictObject({
  packets: count,
  bound: count,
} satisfies Shape<MemoryItem['backlog']>)
export const memoryItem = z.strictObject({
  held: count,
  bound: count,
  holders: z.array(holder),
  backlog,
  pools: z.array(pool),
  fib,
} satisfies Shape<MemoryItem>)

const dropped = { count, worker: z.array(count) }
export const dropItem = z.strictObject({
  reason: z.string(),
  place: z.string(),
  ...dropped,
  devices: z.array(z.strictObject({ dev: z.string(), ...dropped })),
} satisfies Shape<DropItem>)
export const sysctlItem = z.strictObject({
  name: z.string(),
  value: z.union([z.number(), z.string()]),
} satisfies Shape<SysctlItem>)
