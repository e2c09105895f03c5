/**
 * A route as a request or the TOML file says it: iproute2's words. `via` may be a plain address, as one types it; it
 * is the gateway then.
 */
import { z } from 'zod'
import type { MetricName, RouteSpec } from '../../core/control/text/messages.ts'
import { parseAddr, parsePrefix } from '../../core/wire/text.ts'
import {
  address,
  destination,
  familyName,
  ifname,
  nameOrNumber,
  nexthopId,
  queryNumber,
  tos,
  u32,
} from './common.ts'

export const ROUTE_TYPES = [
  'unicast',
  'local',
  'broadcast',
  'anycast',
  'multicast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
] as const

const via = z.union([address, z.strictObject({ family: familyName, host: address })])
export const METRICS = [
  'mtu',
  'window',
  'rtt',
  'rttvar',
  'ssthresh',
  'advmss',
  'hoplimit',
  'initcwnd',
  'rto_min',
  'initrwnd',
  'quickack',
] as const satisfies readonly MetricName[]
const metrics = z.strictObject({
  ...(Object.fromEntries(METRICS.map((name) => [name, u32.optional()])) as Record<
    MetricName,
    z.ZodOptional<typeof u32>
  >),
  lock: z.array(z.enum(METRICS)).optional().meta({ description: 'metrics that are to stay' }),
})
const nexthop = z.strictObject({
  gateway: address.optional(),
  via: via.optional(),
  dev: ifname.optional(),
  weight: z.int().min(1).max(256).optional(),
  flags: z.array(z.string()).optional(),
})

const fields = {
  family: familyName.optional(),
  type: z.enum(ROUTE_TYPES).optional(),
  gateway: address.optional(),
  via: via.optional(),
  dev: ifname.optional(),
  table: nameOrNumber.optional(),
  protocol: nameOrNumber.optional(),
  scope: nameOrNumber.optional(),
  prefsrc: address.optional(),
  src: address.optional().meta({ description: 'prefsrc, as one types it' }),
  metric: u32.optional(),
  tos: tos.optional(),
  flags: z.array(z.string()).optional(),
  metrics: z.array(metrics).optional(),
  mtu: u32.optional().meta({ description: 'metrics[0].mtu, as one types it' }),
  pref: z.enum(['low', 'medium', 'high']).optional(),
  expires: u32.optional().meta({ description: 'seconds until an IPv6 route ends by itself' }),
  nexthops: z.array(nexthop).min(1).optional(),
  nhid: nexthopId.optional().meta({ description: 'the nexthop object that it goes by' }),
}

/** Drops what is undefined, and turns the typed words into the printed ones. */
const toSpec = (route: { dst: string } & z.infer<z.ZodObject<typeof fields>>): RouteSpec => {
  const { via, src, mtu, nexthops, ...rest } = route
  const spec: RouteSpec = { ...rest }
  if (typeof via === 'string') spec.gateway = via
  else if (via !== undefined) spec.via = via
  if (src !== undefined) spec.prefsrc = src
  if (mtu !== undefined) spec.metrics = [{ ...spec.metrics?.[0], mtu }]
  if (nexthops !== undefined) {
    spec.nexthops = nexthops.map(({ via, ...hop }) =>
      via === undefined
        ? hop
        : { ...hop, ...(typeof via === 'string' ? { gateway: via } : { via }) }
    )
  }
  return spec
}

const routeFields = z.strictObject({ dst: destination, ...fields })
export const routeSpec = routeFields.transform(toSpec)
/** Body of PUT /tables/{table}/routes/{addr}/{len}: the path says the rest. */
export const routeBody = z.strictObject(fields)
export const toRouteSpec = toSpec

/** Which of several routes to one prefix: the rest of a route's identity, in the query. */
export const routeSelector = z.strictObject({
  metric: queryNumber.optional(),
  tos: queryNumber.optional(),
  dev: ifname.optional(),
  gateway: address.optional(),
  nhid: queryNumber.optional(),
  type: z.enum(ROUTE_TYPES).optional(),
  protocol: z.string().optional(),
  scope: z.string().optional(),
})

export const routeFilter = {
  family: familyName.optional(),
  table: z.string().optional(),
  dst: destination.optional(),
  dev: ifname.optional(),
  type: z.enum(ROUTE_TYPES).optional(),
  protocol: z.string().optional(),
  scope: z.string().optional(),
}

const queryPort = queryNumber.pipe(z.number().max(0xffff))

/** Whose destinations are forgotten. */
export const routeCacheFlush = z.strictObject({ family: familyName })

export const routeLookup = z.strictObject({
  dst: address,
  src: address.optional(),
  iif: ifname.optional(),
  oif: ifname.optional(),
  tos: queryNumber.optional(),
  mark: queryNumber.optional(),
  ipproto: z.string().optional(),
  sport: queryPort.optional(),
  dport: queryPort.optional(),
})

/** A line of routes:batch. */
export const batchLine = z
  .strictObject({
    op: z.enum(['add', 'replace', 'change', 'append', 'del']).default('add'),
    dst: destination,
    ...fields,
  })
  .transform(({ op, ...route }) => ({ op, route: toSpec(route) }))
type BatchLine = z.infer<typeof batchLine>
type BatchOp = BatchLine['op']
const OPS: readonly unknown[] = ['add', 'replace', 'change', 'append', 'del'] satisfies BatchOp[]

/**
 * A line that says no more than what, by whom and where, as a full table's million lines do: as batchLine reads it, in a tenth of the
 * time. Null for any other, and for one with a fault, which batchLine then finds.
 */
export const plainLine = (value: unknown): BatchLine | null => {
  if (typeof value !== 'object' || value === null) return null
  for (const word in value)
    if (word !== 'dst' && word !== 'via' && word !== 'dev' && word !== 'op') return null
  const { op = 'add', dst, via, dev } = value as Record<string, unknown>
  if (!OPS.includes(op)) return null
  if (typeof dst !== 'string' || (dst !== 'default' && parsePrefix(dst) === null)) return null
  const route: RouteSpec = { dst }
  if (via !== undefined) {
    if (typeof via !== 'string' || parseAddr(via) === null) return null
    route.gateway = via
  }
  if (dev !== undefined) {
    if (!ifname.safeParse(dev).success) return null
    route.dev = dev as string
  }
  return { op: op as BatchOp, route }
}
