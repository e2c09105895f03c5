/**
 * The TOML file of `softnet up` and the body of PUT /v1/config, which is the part of it that can change while the
 * daemon runs. Words that one types (name, via, src) become the ones the control plane knows.
 */
import { z } from 'zod'
import type { StackConfig } from '../../core/control/text/messages.ts'
import { linkConfig, maddrSpec, neighSpec } from './link.ts'
import { mrouteSpec } from './mroute.ts'
import { netnsName } from './common.ts'
import { nexthopSpec } from './nexthop.ts'
import { routeSpec } from './route.ts'
import { ruleSpec } from './rule.ts'
import { sysctlValue } from './steering.ts'

const link = linkConfig
  .refine((link) => (link.name ?? link.ifname) !== undefined, {
    error: '"name" is required',
    path: ['name'],
  })
  .transform(({ name, ifname, ...rest }) => ({
    // A link that is written down is meant to be up.
    up: true,
    ...rest,
    ifname: (name ?? ifname)!,
  }))

const nexthop = nexthopSpec.refine(({ id }) => id !== undefined, {
  error: '"id" is required',
  path: ['id'],
})

const netFields = {
  link: z.array(link).optional(),
  route: z.array(routeSpec).optional(),
  rule: z.array(ruleSpec).optional(),
  nexthop: z.array(nexthop).optional(),
  neigh: z.array(neighSpec).optional(),
  maddr: z.array(maddrSpec).optional(),
  mroute: z.array(mrouteSpec).optional(),
  sysctl: z.record(z.string(), sysctlValue).optional(),
}
const netns = z
  .strictObject({ name: netnsName, ...netFields })
  .meta({ description: 'a network namespace, and what is in it' })
export const stackFields = { ...netFields, netns: z.array(netns).optional() }

export const stackConfig = z.strictObject(stackFields).meta({ ref: 'Config' })

export const SCOPES = ['read', 'write', 'capture'] as const
export type Scope = (typeof SCOPES)[number]

const api = z.strictObject({
  listen: z.array(z.string()).min(1).optional().meta({ description: 'unix:PATH or HOST:PORT' }),
  token: z.string().min(1).optional().meta({ description: 'bearer token with every scope' }),
  tokens: z
    .array(z.strictObject({ token: z.string().min(1), scope: z.enum(SCOPES) }))
    .optional()
    .meta({ description: 'bearer tokens with their scope: read < write < capture' }),
})

const services = z.strictObject({
  echo: z.boolean().optional().meta({ description: 'tcp and udp port 7' }),
  discard: z.boolean().optional().meta({ description: 'tcp and udp port 9' }),
  chargen: z.boolean().optional().meta({ description: 'tcp and udp port 19' }),
  http: z.boolean().optional().meta({ description: 'tcp port 80' }),
})

export const config = z.strictObject({
  workers: z.int().min(1).max(32).optional(),
  steering: z.enum(['rps', 'multiqueue']).optional(),
  pin: z.boolean().optional().meta({ description: 'pin worker i to CPU i' }),
  files: z.string().min(1).optional().meta({
    description:
      'folder in which links record and replay capture files, from this file; without it none may be named',
  }),
  api: api.optional(),
  services: services.optional(),
  ...stackFields,
})
export type Config = z.infer<typeof config>

/** The part of a file that is the stack's state, as the control plane takes it. */
export const stackPart = (config: Config): StackConfig => {
  const entries = Object.entries(config)
  return Object.fromEntries(
    entries.filter(([name, value]) => Object.hasOwn(stackFields, name) && value !== undefined)
  )
}

/** For `softnet up --schema`: what one may write. */
export const configJsonSchema = (): unknown =>
  z.toJSONSchema(config, { io: 'input', target: 'draft-2020-12' })
