/** A nexthop object as a request or the TOML file says it: the fields of `ip -j nexthop`, and the words that one types. */
import { z } from 'zod'
import type { NexthopObjectSpec } from '../../core/control/text/messages.ts'
import {
  address,
  familyName,
  ifname,
  nameOrNumber,
  nexthopId,
  queryFlag,
  queryNumber,
} from './common.ts'

const member = z.strictObject({ id: nexthopId, weight: z.int().min(1).max(256).optional() })

/** Seconds; netlink has them in hundredths, in 32 bits. */
const timer = z.number().min(0).max(42_949_671).optional()
const resilientArgs = z.strictObject({
  buckets: z.int().min(0).max(65_535).optional(),
  idle_timer: timer,
  unbalanced_timer: timer,
})

const fields = {
  family: familyName.optional(),
  gateway: address.optional(),
  via: address.optional().meta({ description: 'gateway, as one types it' }),
  dev: ifname.optional(),
  flags: z.array(z.string()).optional(),
  blackhole: z.union([z.null(), z.boolean()]).optional(),
  group: z.array(member).min(1).max(256).optional(),
  type: z.enum(['mpath', 'resilient']).optional(),
  resilient_args: resilientArgs.optional(),
  protocol: nameOrNumber.optional(),
}
/** Turns the typed words into the printed ones. */
const toSpec = ({
  via,
  ...rest
}: { id?: number | undefined } & z.infer<z.ZodObject<typeof fields>>): NexthopObjectSpec => ({
  ...(rest as NexthopObjectSpec),
  ...(via !== undefined && { gateway: via }),
})

export const nexthopSpec = z.strictObject({ id: nexthopId.optional(), ...fields }).transform(toSpec)
/** Body of PUT /nexthops/{id}: the path says the rest. */
export const nexthopBody = z.strictObject(fields).transform(toSpec)

export const nexthopFilter = {
  family: familyName.optional(),
  id: queryNumber.optional(),
  dev: ifname.optional(),
  groups: queryFlag.optional(),
  protocol: z.string().optional(),
}

export const bucketFilter = {
  family: familyName.optional(),
  id: queryNumber.optional(),
  dev: ifname.optional(),
  nhid: queryNumber.optional(),
}
