/** Multicast routes and the devices through which multicast passes, as requests say them. */
import { z } from 'zod'
import { address, familyName, ifname } from './common.ts'

/** A source, or any. */
export const mrouteSource = z.union([z.literal('any'), address])
const oif = z.strictObject({ dev: ifname, ttl: z.int().min(1).max(255).optional() })
export const mrouteSpec = z.strictObject({
  src: mrouteSource.optional(),
  dst: address,
  iif: ifname,
  oifs: z.array(oif).max(48).optional(),
})
export const mrouteFilter = { family: familyName.optional() }
export const mvifRole = z.enum(['none', 'static', 'downstream', 'upstream'])
export const mvifBody = z.strictObject({
  family: familyName.optional(),
  role: mvifRole,
})
