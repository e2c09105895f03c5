/** Neighbours, multicast addresses and multicast routes, as `ip neigh`, `ip maddress` and `ip mroute` print them. */
import { z } from 'zod'
import type {
  MaddrAddress,
  MaddrItem,
  MrouteItem,
  MvifItem,
  NeighItem,
} from '../../../core/control/text/messages.ts'
import { familyName } from '../common.ts'
import { NUD_STATES } from '../link.ts'
import { mvifRole } from '../mroute.ts'
import { count, type Shape } from './shape.ts'

const seconds = count.optional().meta({ description: 'seconds ago' })
export const neighItem = z
  .strictObject({
    dst: z.string(),
    dev: z.string(),
    lladdr: z.string().optional(),
    state: z.array(z.enum(NUD_STATES)),
    router: z.boolean().optional(),
    proxy: z.boolean().optional(),
    used: seconds,
    confirmed: seconds,
    updated: seconds,
    probes: count.optional(),
    refcnt: count.optional(),
    protocol: z.string().optional(),
  } satisfies Shape<NeighItem>)
  .meta({ ref: 'Neighbour' })

type Source = NonNullable<MaddrAddress['sources']>[number]
const source = z.strictObject({
  address: z.string(),
  included: count,
  excluded: count,
} satisfies Shape<Source>)
const group = z.strictObject({
  family: familyName,
  address: z.string(),
  users: count,
  version: count,
  report_ms: count.optional(),
  reporter: z.boolean().optional(),
  sources: z.array(source).optional(),
} satisfies Shape<MaddrAddress>)
const link = z.strictObject({
  link: z.string(),
  users: count,
  static: z.boolean(),
} satisfies Shape<MaddrItem['links'][number]>)
const device = { ifindex: count, ifname: z.string() }
export const maddrItem = z
  .strictObject({
    ...device,
    links: z.array(link),
    groups: z.array(group),
  } satisfies Shape<MaddrItem>)
  .meta({ ref: 'MulticastAddresses' })
/** As `ip -j maddress` has it: link-layer addresses and groups in one list. */
export const maddrShown = z.strictObject({
  ...device,
  maddr: z.array(
    z.strictObject({
      link: z.string().optional(),
      family: familyName.optional(),
      address: z.string().optional(),
      users: count.optional(),
      features: z.literal('static').optional(),
    })
  ),
})

const output = z.strictObject({
  oif: z.string(),
  ttl: count.optional(),
} satisfies Shape<MrouteItem['multipath'][number]>)
export const mrouteItem = z
  .strictObject({
    src: z.string(),
    dst: z.string(),
    family: familyName,
    iif: z.string(),
    multipath: z.array(output),
    state: z.enum(['resolved', 'unresolved']),
    protocol: z.enum(['static', 'mrouted']),
    packets: count,
    bytes: count,
    wrong_if: count,
    age_ms: count,
  } satisfies Shape<MrouteItem>)
  .meta({ ref: 'MulticastRoute' })
/** As `ip -j -s mroute` has it. */
export const mrouteShown = mrouteItem
  .omit({ age_ms: true, family: true, protocol: true })
  .extend({ expires: count })
  .partial()
export const mvifItem = z
  .strictObject({
    ...device,
    family: familyName,
    role: mvifRole,
    bytes_in: count,
    packets_in: count,
    bytes_out: count,
    packets_out: count,
  } satisfies Shape<MvifItem>)
  .meta({ ref: 'MulticastDevice' })
