/** Links, their addresses and neighbours, as requests and the TOML file say them. */
import { z } from 'zod'
import { mvifRole } from './mroute.ts'
import { channelsBody, featuresBody, flowType, hashFields, rpsBody, rssBody } from './steering.ts'
import {
  address,
  familyName,
  ifname,
  lladdr,
  nameOrNumber,
  prefix,
  queryFlag,
  u32,
} from './common.ts'

const percent = z.number().min(0).max(100)

export const impairment = z
  .strictObject({
    loss: percent.optional(),
    duplicate: percent.optional(),
    reorder: percent.optional(),
    corrupt: percent.optional(),
    delay: u32.optional().meta({ description: 'microseconds' }),
    jitter: u32.optional().meta({ description: 'microseconds' }),
    limit: u32.optional().meta({ description: 'packets' }),
  })
  .meta({ description: "netem's words" })

const kindName = z.string().min(1).max(32)
const kindData = z.record(z.string(), z.unknown())

const linkFields = {
  kind: kindName.optional(),
  // Each device has bounds of its own, and the control plane knows them.
  mtu: u32.optional(),
  address: lladdr.optional(),
  txqlen: u32.optional(),
  up: z.boolean().optional(),
  promisc: z.boolean().optional(),
  allmulticast: z.boolean().optional(),
  arp: z.boolean().optional(),
  netem: impairment.optional(),
  master: ifname
    .nullable()
    .optional()
    .meta({ description: 'what to enslave it to; null: nothing' }),
  data: kindData.optional(),
}

const queues = z
  .int()
  .min(0)
  .max(4096)
  .meta({ description: 'one: steering says how many a device has' })

export const linkSpec = z.strictObject({
  ifname,
  ifindex: z.int().min(1).optional().meta({ description: 'of a new link; else the first free' }),
  num_tx_queues: queues.optional(),
  num_rx_queues: queues.optional(),
  ...linkFields,
})
export const linkBody = z.strictObject(linkFields)

/** A schema of links with the kinds that there are in its documentation: which a link may be, the control plane says. */
export const withKinds = <S extends z.ZodObject>(
  schema: S,
  kinds: readonly { readonly name: string; readonly data: readonly string[] }[]
) => {
  const names = kinds.map(({ name }) => name)
  const words = kinds
    .filter(({ data }) => data.length > 0)
    .map(({ name, data }) => `${name}: ${data.join(' ')}`)
  return schema.extend({
    kind: kindName.optional().meta({ description: `info_kind: ${names.join(' ')}` }),
    data: kindData.optional().meta({ description: `info_data of the kind (${words.join('; ')})` }),
  })
}
export const linkPatch = z.strictObject({
  ...linkFields,
  newname: ifname.optional(),
  netns: z.string().min(1).optional().meta({ description: 'network namespace to move it to' }),
})

export const linkFilter = {
  ifname: ifname.optional(),
  kind: z.string().optional(),
  master: ifname.optional(),
}

/** Seconds; the greatest is for ever. */
const lifetime = z.int().min(0).max(4294967295)
const addressFields = {
  broadcast: address.optional(),
  scope: nameOrNumber.optional(),
  label: z.string().min(1).max(15).optional(),
  flags: z.array(z.string()).optional(),
  valid_life_time: lifetime.optional(),
  preferred_life_time: lifetime.optional(),
}
const prefixlen = z.int().min(0).max(128)
export const addressSpec = z.strictObject({
  dev: ifname,
  local: address,
  prefixlen,
  ...addressFields,
})
export const addressBody = z.strictObject(addressFields)
export const addressFilter = {
  family: familyName.optional(),
  dev: ifname.optional(),
  scope: z.string().optional(),
  to: prefix.optional(),
}

export const NUD_STATES = [
  'INCOMPLETE',
  'REACHABLE',
  'STALE',
  'DELAY',
  'PROBE',
  'FAILED',
  'NOARP',
  'PERMANENT',
  'NONE',
] as const
const nudState = z.enum(NUD_STATES)

const neighFields = {
  lladdr: lladdr.optional(),
  state: nudState.optional(),
  flags: z.array(z.enum(['router', 'proxy'])).optional(),
}
export const neighSpec = z.strictObject({ dev: ifname, dst: address, ...neighFields })
export const neighBody = z.strictObject(neighFields)
/** In a query: states separated by commas. */
const nudStates = z
  .string()
  .transform((text) => text.toUpperCase().split(','))
  .pipe(z.array(nudState))
export const maddrSpec = z.strictObject({ dev: ifname, link: lladdr })
export const maddrFilter = { dev: ifname.optional(), family: familyName.optional() }
export const neighFilter = {
  family: familyName.optional(),
  dev: ifname.optional(),
  state: nudStates.optional(),
  dst: address.optional(),
  proxy: queryFlag.optional(),
}
export const neighFlush = z.strictObject({
  family: familyName.optional(),
  dev: ifname.optional(),
  state: z.array(nudState).optional(),
  dst: address.optional(),
  proxy: z.boolean().optional(),
})

/** What ethtool, sysfs and multicast routing set of a link, beside it. */
const steeringFields = {
  channels: channelsBody.optional(),
  rss: rssBody.optional(),
  features: featuresBody.optional(),
  'rx-flow-hash': z.partialRecord(flowType, hashFields).optional(),
  rps: rpsBody.optional(),
  mvif: z.partialRecord(familyName, mvifRole).optional(),
}
/** [[link]] of the TOML file: its name, and beside it its addresses and its steering. */
export const linkConfig = z.strictObject({
  name: ifname.optional(),
  ifname: ifname.optional(),
  ...linkFields,
  ...steeringFields,
  addresses: z.array(z.union([prefix, addressSpec.omit({ dev: true })])).optional(),
})
