/** A policy rule as a request or the TOML file says it: the fields of `ip -j rule`, and the words that one types. */
import { z } from 'zod'
import type { RuleSpec } from '../../core/control/text/messages.ts'
import { destination, familyName, ifname, nameOrNumber, queryNumber, u32 } from './common.ts'

const network = z.union([z.enum(['all', 'any', 'default']), destination])
const port = z.int().min(0).max(65535)
const length = z.int().min(0).max(128)
const flag = z.union([z.null(), z.boolean()])

const fields = {
  family: familyName.optional(),
  priority: u32.optional(),
  not: flag.optional().meta({ description: 'the flows that do not match' }),
  src: network.optional(),
  srclen: length.optional(),
  dst: network.optional(),
  dstlen: length.optional(),
  from: network.optional().meta({ description: 'src, as one types it' }),
  to: network.optional().meta({ description: 'dst, as one types it' }),
  tos: nameOrNumber.optional(),
  fwmark: nameOrNumber.optional().meta({ description: 'a mark, or MARK/MASK' }),
  fwmask: nameOrNumber.optional(),
  iif: ifname.optional(),
  oif: ifname.optional(),
  ipproto: nameOrNumber.optional(),
  sport: port.optional(),
  sport_start: port.optional(),
  sport_end: port.optional(),
  dport: port.optional(),
  dport_start: port.optional(),
  dport_end: port.optional(),
  table: nameOrNumber.optional(),
  suppress_prefixlen: z.int().min(0).max(128).optional(),
  goto: u32.optional(),
  nop: flag.optional(),
  l3mdev: flag.optional().meta({ description: "each VRF's flows are led to its table" }),
  action: z.string().optional().meta({ description: 'blackhole, unreachable or prohibit' }),
  protocol: nameOrNumber.optional(),
}

/** Turns the typed words into the printed ones. */
const toSpec = ({ from, to, ...rest }: z.infer<z.ZodObject<typeof fields>>): RuleSpec => {
  const [mark, mask] = String(rest.fwmark ?? '').split('/')
  return {
    ...rest,
    ...(from !== undefined && { src: from }),
    ...(to !== undefined && { dst: to }),
    ...(mask !== undefined && { fwmark: mark!, fwmask: mask }),
  }
}
export const ruleSpec = z.strictObject(fields).transform(toSpec)

/** Words of a query that are numbers in a rule. */
const NUMBERS = [
  'priority',
  'srclen',
  'dstlen',
  'sport',
  'sport_start',
  'sport_end',
  'dport',
  'dport_start',
  'dport_end',
  'suppress_prefixlen',
  'goto',
] as const
/** The rule that a deletion means, in the query: as many of its words as tell it apart. */
export const ruleFields = {
  ...fields,
  ...(Object.fromEntries(NUMBERS.map((name) => [name, queryNumber.optional()])) as Record<
    (typeof NUMBERS)[number],
    z.ZodOptional<typeof queryNumber>
  >),
  not: z.string().optional(),
  nop: z.string().optional(),
  l3mdev: z.string().optional(),
}
export const ruleSelector = z.strictObject(ruleFields).transform(({ not, nop, l3mdev, ...rest }) =>
  toSpec({
    ...rest,
    ...(not !== undefined && { not: null }),
    ...(nop !== undefined && { nop: null }),
    ...(l3mdev !== undefined && { l3mdev: null }),
  })
)
export const ruleFilter = { family: familyName.optional() }
