/** Nexthop objects as `ip -d nexthop` prints them. */
import { z } from 'zod'
import type { NexthopItem, NexthopMember } from '../../../core/control/text/messages.ts'
import { familyName } from '../common.ts'
import { count, type Shape } from './shape.ts'

const member = z.strictObject({
  id: count,
  weight: count.optional(),
} satisfies Shape<NexthopMember>)

export const nexthopItem = z
  .strictObject({
    id: count,
    group: z.array(member).optional(),
    gateway: z.string().optional(),
    dev: z.string().optional(),
    scope: z.string(),
    blackhole: z.null().optional(),
    protocol: z.string(),
    flags: z.array(z.string()),
    family: familyName.optional(),
  } satisfies Shape<NexthopItem>)
  .meta({ ref: 'Nexthop' })
