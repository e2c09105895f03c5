/** What ethtool and sysctl set: RSS, channels, features, rings, flow hash, RPS. */
import { z } from 'zod'
import { u32 } from './common.ts'

const queue = z.int().min(0).max(255)

export const rssBody = z
  .strictObject({
    equal: z.int().min(1).max(255).optional(),
    weight: z.array(z.int().min(0)).min(1).optional(),
    default: z.literal(true).optional(),
    hkey: z
      .string()
      .regex(/^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2})+$/, { error: 'Invalid RSS hash key format' })
      .optional(),
    'rss-indirection-table': z.array(queue).min(1).optional(),
  })
  .refine((rss) => Object.keys(rss).length > 0, {
    error: 'one of equal, weight, default, hkey, rss-indirection-table is needed',
  })
export const channelsBody = z.strictObject({ combined: z.int().min(1).max(255) })
export const featuresBody = z.record(z.string(), z.boolean())
export const ringsBody = z.strictObject({ rx: u32.optional(), tx: u32.optional() })

export const FLOW_TYPES = ['tcp4', 'udp4', 'ip4', 'tcp6', 'udp6', 'ip6'] as const
export const flowType = z.enum(FLOW_TYPES)
export const hashFields = z.array(z.enum(['ip-src', 'ip-dst', 'l4-src', 'l4-dst']))
export const flowHashBody = z.strictObject({
  'flow-type': flowType,
  fields: hashFields,
})
export const rpsBody = z.strictObject({
  rps_cpus: z
    .string()
    .regex(/^[0-9a-fA-F]{1,8}$/, { error: 'expected a hexadecimal mask of CPUs' })
    .optional(),
  rps_flow_cnt: u32.optional(),
})
export const sysctlValue = z.union([z.int(), z.string().min(1)])
export const sysctlBody = z.strictObject({ value: sysctlValue })
