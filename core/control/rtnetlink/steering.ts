/** What ethtool and sysfs set of a device. */

export type RssChange = {
  ifindex: number
  /** At most one of these four. */
  equal?: number
  weight?: readonly number[]
  isDefault?: boolean
  indirection?: readonly number[]
  key?: Uint8Array
}
export type Rss = { indirection: number[]; key: Uint8Array }
/** What of a device's steering is not as it came. */
export type SteeringSet = {
  combined?: number
  /** The table as it comes; else as it is. */
  isDefault?: boolean
  indirection?: number[]
  key?: Uint8Array
  /** Fields of the flow types that have others. */
  hash: { flow: number; fields: number }[]
  /** NETIF_F_* bits: changed, and of them those that are on. */
  changed: number
  active: number
  rps: Rps
}
export type Channels = { combinedMax: number; combined: number }
/** NETIF_F_* bits: those that are on, and those that the device can do. */
export type Features = { active: number; can: number }
/** Several bits stand for one word (tso: both families'): of those the device has what it can. */
export type FeatureChange = { bits: number; isOn: boolean }
export type Rps = {
  /** Bit i is worker i. */
  cpus: number
  flowCnt: number
}
