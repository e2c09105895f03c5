/** Links and their addresses, as `ip -s -d link` and `ip addr` print them. */
import { z } from 'zod'
import type {
  AddressInfo,
  AddressItem,
  Impairment,
  LinkItem,
  LinkStats,
} from '../../../core/control/text/messages.ts'
import { DEV_STAT_ROWS } from '../../../core/netdev/netdev.ts'
import { familyName } from '../common.ts'
import { anything, count, type Shape } from './shape.ts'

const qdiscStats = z.strictObject({
  bytes: count,
  packets: count,
  drops: count,
  backlog: count,
  qlen: count,
})
export const netem = z.strictObject({
  loss: z.number().optional(),
  duplicate: z.number().optional(),
  reorder: z.number().optional(),
  corrupt: z.number().optional(),
  delay: z.number().optional(),
  jitter: z.number().optional(),
  limit: z.number().optional(),
} satisfies Shape<Impairment>)

/** The statistics that are told of one direction. */
const counted = (half: 'rx' | 'tx') =>
  Object.fromEntries(
    DEV_STAT_ROWS.flatMap((row) =>
      'stats64' in row && row.stats64[0] === half ? [[row.stats64[1], count]] : []
    )
  )
const rx = z.strictObject({ ...counted('rx'), over_errors: count })
const tx = z.strictObject({ ...counted('tx'), collisions: count })
const stats64 = z.strictObject({
  rx: rx as unknown as z.ZodType<LinkStats['rx']>,
  tx: tx as unknown as z.ZodType<LinkStats['tx']>,
} satisfies Shape<LinkStats>)

const linkinfo = z.strictObject({
  info_kind: z.string(),
  info_data: anything.optional(),
  info_xstats: anything.optional(),
  info_slave_kind: z.string().optional(),
  info_slave_data: anything.optional(),
} satisfies Shape<NonNullable<LinkItem['linkinfo']>>)

/** What a link and the head of its addresses share. */
const head = {
  ifindex: count,
  ifname: z.string(),
  flags: z.array(z.string()),
  mtu: count,
  qdisc: z.string(),
  master: z.string().optional().meta({ description: 'what it is enslaved to' }),
  operstate: z.string(),
  group: z.string(),
  txqlen: count,
  link_type: z.string(),
  address: z.string(),
  broadcast: z.string(),
  link: z.string().optional().meta({ description: 'the other end of a veth' }),
  link_index: count
    .optional()
    .meta({ description: 'its number, where it is in another namespace' }),
  link_netnsid: count.optional(),
  link_netns: z
    .string()
    .optional()
    .meta({ description: "that namespace; the daemon's own has no name" }),
}
export const linkItem = z
  .strictObject({
    ...head,
    linkmode: z.string(),
    min_mtu: count,
    max_mtu: count,
    carrier_changes: count,
    promiscuity: count,
    allmulti: count,
    num_tx_queues: count,
    num_rx_queues: count,
    inet6_addr_gen_mode: z.string(),
    gso_max_size: count,
    gso_max_segs: count,
    tso_max_size: count,
    tso_max_segs: count,
    gro_max_size: count,
    linkinfo: linkinfo.optional(),
    netem: netem.optional(),
    qdisc_stats: qdiscStats.optional(),
    stats64,
  } satisfies Shape<LinkItem>)
  .meta({ ref: 'Link' })
/** As `ip -j link` has it: fewer words, more of them with -d and -s. */
export const linkShown = linkItem
  .partial()
  .extend({ stats64: z.strictObject({ rx: rx.partial(), tx: tx.partial() }).optional() })

/** A flag that ip prints as a field which is true. */
const flag = z.boolean().optional()
export const addressInfo = z
  .strictObject({
    family: familyName,
    local: z.string(),
    prefixlen: count,
    broadcast: z.string().optional(),
    scope: z.string(),
    secondary: flag,
    temporary: flag,
    nodad: flag,
    optimistic: flag,
    dadfailed: flag,
    home: flag,
    deprecated: flag,
    tentative: flag,
    dynamic: flag,
    mngtmpaddr: flag,
    noprefixroute: flag,
    'stable-privacy': flag,
    label: z.string().optional(),
    valid_life_time: count,
    preferred_life_time: count,
  } satisfies Shape<AddressInfo>)
  .meta({ ref: 'Address' })
export const addressItem = z
  .strictObject({ ...head, addr_info: z.array(addressInfo) } satisfies Shape<AddressItem>)
  .meta({ ref: 'LinkAddresses' })
