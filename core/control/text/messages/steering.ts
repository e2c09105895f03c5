/** Who gets which flow, in the words of `ethtool` and of sysfs. */

export type RssItem = {
  ifname: string
  'rss-indirection-table': number[]
  'rss-hash-key': string
  'rss-hash-function': { toeplitz: boolean; xor: boolean; crc32: boolean }
}
export type RssSpec = {
  ifname: string
  equal?: number
  weight?: number[]
  default?: boolean
  hkey?: string
  'rss-indirection-table'?: number[]
}
export type ChannelsItem = {
  ifname: string
  'combined-max': number
  combined: number
  'rx-max': number
  rx: number
  'tx-max': number
  tx: number
}
export type FeatureItem = { active: boolean; fixed: boolean; requested: boolean }
export type FeaturesItem = { ifname: string } & Record<string, FeatureItem | string>
export type RingsItem = {
  ifname: string
  rx: number
  'rx-max': number
  tx: number
  'tx-max': number
}
/** Fields hashed for a flow type: 'ip-src' 'ip-dst' 'l4-src' 'l4-dst'. */
export type FlowHashItem = { ifname: string; 'flow-type': string; fields: string[] }
export type DrvinfoItem = { ifname: string; driver: string; version: string; 'bus-info': string }
export type RpsItem = { ifname: string; rps_cpus: string; rps_flow_cnt: number }
export type FlowItem = { worker: number } & { [word: string]: unknown }
