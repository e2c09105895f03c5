/** What ethtool tells of a link. */
import { z } from 'zod'
import type {
  ChannelsItem,
  DrvinfoItem,
  FeatureItem,
  FlowHashItem,
  RingsItem,
  RpsItem,
  RssItem,
} from '../../../core/control/text/messages.ts'
import { count, type Shape } from './shape.ts'

const ifname = z.string()
const hashFunction = z.strictObject({
  toeplitz: z.boolean(),
  xor: z.boolean(),
  crc32: z.boolean(),
} satisfies Shape<RssItem['rss-hash-function']>)
export const rssItem = z.strictObject({
  ifname,
  'rss-indirection-table': z.array(count),
  'rss-hash-key': z.string(),
  'rss-hash-function': hashFunction,
} satisfies Shape<RssItem>)
export const channelsItem = z.strictObject({
  ifname,
  'combined-max': count,
  combined: count,
  'rx-max': count,
  rx: count,
  'tx-max': count,
  tx: count,
} satisfies Shape<ChannelsItem>)
const feature = z.strictObject({
  active: z.boolean(),
  fixed: z.boolean(),
  requested: z.boolean(),
} satisfies Shape<FeatureItem>)
export const featuresItem = z
  .object({ ifname })
  .catchall(feature)
  .meta({ description: 'each feature by its name' })
export const ringsItem = z.strictObject({
  ifname,
  rx: count,
  'rx-max': count,
  tx: count,
  'tx-max': count,
} satisfies Shape<RingsItem>)
export const rpsItem = z.strictObject({
  ifname,
  rps_cpus: z.string(),
  rps_flow_cnt: count,
} satisfies Shape<RpsItem>)
export const statsItem = z.record(z.string(), z.number())
export const drvinfoItem = z.strictObject({
  ifname,
  driver: z.string(),
  version: z.string(),
  'bus-info': z.string(),
} satisfies Shape<DrvinfoItem>)
export const flowHashItem = z.strictObject({
  ifname,
  'flow-type': z.string(),
  fields: z.array(z.string()),
} satisfies Shape<FlowHashItem>)
