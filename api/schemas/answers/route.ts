/** Routes, the way of a packet, and policy rules, as `ip route` and `ip rule` print them. */
import { z } from 'zod'
import type {
  NexthopSpec,
  RouteItem,
  RouteLookup,
  RouteMetrics,
  RuleItem,
} from '../../../core/control/text/messages.ts'
import { familyName } from '../common.ts'
import { METRICS, ROUTE_TYPES } from '../route.ts'
import { count, type Shape } from './shape.ts'

const type = z.enum(ROUTE_TYPES)
const via = z.strictObject({ family: familyName, host: z.string() })
const metric = z.number().optional()
const metrics = z.strictObject({
  mtu: metric,
  window: metric,
  rtt: metric,
  rttvar: metric,
  ssthresh: metric,
  advmss: metric,
  hoplimit: metric,
  initcwnd: metric,
  rto_min: metric,
  initrwnd: metric,
  quickack: metric,
  lock: z.array(z.enum(METRICS)).optional(),
} satisfies Shape<RouteMetrics>)
const nexthop = z.strictObject({
  gateway: z.string().optional(),
  via: via.optional(),
  dev: z.string().optional(),
  weight: count.optional(),
  flags: z.array(z.string()).optional(),
} satisfies Shape<NexthopSpec>)

export const routeItem = z
  .strictObject({
    type,
    dst: z.string(),
    nhid: count.optional(),
    gateway: z.string().optional(),
    via: via.optional(),
    dev: z.string().optional(),
    table: z.string(),
    protocol: z.string(),
    scope: z.string().optional(),
    prefsrc: z.string().optional(),
    metric: count.optional(),
    tos: count.optional(),
    flags: z.array(z.string()),
    expires: count.optional().meta({ description: 'seconds until it ends by itself' }),
    metrics: z.array(metrics).optional(),
    pref: z.string().optional(),
    nexthops: z.array(nexthop).optional(),
    family: familyName,
  } satisfies Shape<RouteItem>)
  .meta({ ref: 'Route' })

export const routeLookup = z
  .strictObject({
    type: type.optional(),
    dst: z.string(),
    from: z.string().optional(),
    gateway: z.string().optional(),
    via: via.optional(),
    dev: z.string(),
    iif: z.string().optional(),
    table: z.string(),
    protocol: z.string().optional(),
    prefsrc: z.string().optional(),
    metric: count.optional(),
    flags: z.array(z.string()),
    pref: z.string().optional(),
    mark: count.optional(),
    expires: count.optional().meta({ description: 'seconds until what was learned of it ends' }),
    metrics: z.array(metrics).optional(),
    uid: count.optional(),
    cache: z.array(z.string()),
  } satisfies Shape<RouteLookup>)
  .meta({ ref: 'RouteLookup' })

/** What a change of many routes answers of each line, with ?atomic=1 left out. */
export const batchAnswer = z.looseObject({
  line: count,
  status: count,
  revision: count.optional(),
  detail: z.string().optional(),
})
export const atomicAnswer = z.strictObject({
  applied: count,
  revision: count,
  applied_by: z.array(count),
})

const port = z.number().optional()
const nameOrNumber = z.union([z.string(), z.number()])
/** ip prints a word that says nothing more as a field that is null. */
const word = z.union([z.null(), z.boolean()]).optional()
export const ruleItem = z
  .strictObject({
    priority: count,
    not: word,
    src: z.string(),
    srclen: count.optional(),
    dst: z.string().optional(),
    dstlen: count.optional(),
    tos: nameOrNumber.optional(),
    fwmark: nameOrNumber.optional(),
    fwmask: nameOrNumber.optional(),
    iif: z.string().optional(),
    iif_detached: z.null().optional(),
    oif: z.string().optional(),
    oif_detached: z.null().optional(),
    ipproto: nameOrNumber.optional(),
    sport: port,
    sport_start: port,
    sport_end: port,
    dport: port,
    dport_start: port,
    dport_end: port,
    table: nameOrNumber.optional(),
    suppress_prefixlen: count.optional(),
    goto: count.optional(),
    nop: word,
    l3mdev: word,
    action: z.string().optional(),
    protocol: z.string(),
    family: familyName,
  } satisfies Shape<RuleItem>)
  .meta({ ref: 'Rule' })
