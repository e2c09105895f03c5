/** Queueing disciplines, as they are answered, and as `tc -j qdisc` prints them. */
import { z } from 'zod'
import type { QdiscItem } from '../../iproute2/qdisc.ts'
import { netem } from './link.ts'
import { anything, count, type Shape } from './shape.ts'

const stats = {
  bytes: count,
  packets: count,
  drops: count,
  overlimits: count,
  requeues: count,
  backlog: count,
  qlen: count,
}
const head = { kind: z.string(), handle: z.string(), root: z.boolean(), refcnt: count }

export const qdiscItem = z
  .strictObject({ ...head, dev: z.string(), options: netem, ...stats } satisfies Shape<QdiscItem>)
  .meta({ ref: 'Qdisc' })
export const qdiscShown = z.strictObject({
  ...head,
  dev: z.string().optional(),
  options: anything,
  ...z.object(stats).partial().shape,
})
