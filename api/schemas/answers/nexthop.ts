/** Nexthop objects as `ip -d nexthop` prints them. */
import { z } from 'zod'
import type { BucketItem, NexthopItem, NexthopMember } from '../../../core/control/text/messages.ts'
import { familyName } from '../common.ts'
import { count, type Shape } from './shape.ts'

const member = z.strictObject({
  id: count,
  weight: count.optional(),
} satisfies Shape<NexthopMember>)

const resilientArgs = z.strictObject({
  buckets: count,
  idle_timer: z.number(),
  unbalanced_timer: z.number(),
  unbalanced_time: z.number(),
} satisfies Shape<NonNullable<NexthopItem['resilient_args']>>)

export const nexthopItem = z
  .strictObject({
    id: count,
    group: z.array(member).optional(),
    type: z.literal('resilient').optional(),
    resilient_args: resilientArgs.optional(),
    gateway: z.string().optional(),
    dev: z.string().optional(),
    scope: z.string(),
    blackhole: z.null().optional(),
    protocol: z.string(),
    flags: z.array(z.string()),
    family: familyName.optional(),
  } satisfies Shape<NexthopItem>)
  .meta({ ref: 'Nexthop' })

export const bucketItem = z
  .strictObject({
    id: count,
    bucket: z.strictObject({ index: count, idle_time: z.number(), nhid: count } satisfies Shape<
      BucketItem['bucket']
    >),
    flags: z.array(z.string()),
  } satisfies Shape<BucketItem>)
  .meta({ ref: 'NexthopBucket' })
