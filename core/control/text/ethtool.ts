/**
 * What ethtool and sysfs say of a device, between words and numbers. ethtool: rxclass.c, rss.c, netlink/features.c.
 */
import { Errno } from '../../base/errno.ts'
import {
  NETIF_F_GRO,
  NETIF_F_GRO_UDP_FWD,
  NETIF_F_HW_CSUM,
  NETIF_F_RXCSUM,
  NETIF_F_TSO,
  NETIF_F_TSO6,
  NETIF_F_USO,
} from '../../netdev/netdev.ts'
import {
  RSS_IP4,
  RSS_IP6,
  RSS_TCP4,
  RSS_TCP6,
  RSS_UDP4,
  RSS_UDP6,
  RXH_IP_DST,
  RXH_IP_SRC,
  RXH_L4_B_0_1,
  RXH_L4_B_2_3,
} from '../../steering/rss.ts'
import type { Channels, FeatureChange, Features, Rps, Rss, RssChange } from '../rtnetlink.ts'
import type {
  ChannelsItem,
  FeatureItem,
  FeaturesItem,
  FlowHashItem,
  Refused,
  RpsItem,
  RssItem,
  RssSpec,
} from './messages.ts'
import { refuseAs } from './names.ts'

const FLOW_TYPES: Record<string, number> = {
  tcp4: RSS_TCP4,
  udp4: RSS_UDP4,
  ip4: RSS_IP4,
  tcp6: RSS_TCP6,
  udp6: RSS_UDP6,
  ip6: RSS_IP6,
}
const FIELDS: readonly (readonly [name: string, bit: number])[] = [
  ['ip-src', RXH_IP_SRC],
  ['ip-dst', RXH_IP_DST],
  ['l4-src', RXH_L4_B_0_1],
  ['l4-dst', RXH_L4_B_2_3],
]
const FEATURES: readonly (readonly [name: string, bit: number])[] = [
  ['rx-checksumming', NETIF_F_RXCSUM],
  ['tx-checksumming', NETIF_F_HW_CSUM],
  ['tx-tcp-segmentation', NETIF_F_TSO],
  ['tx-tcp6-segmentation', NETIF_F_TSO6],
  ['generic-receive-offload', NETIF_F_GRO],
  ['tx-udp-segmentation', NETIF_F_USO],
  ['rx-udp-gro-forwarding', NETIF_F_GRO_UDP_FWD],
]

const invalid = (field: string): Refused =>
  refuseAs(Errno.EINVAL, 'netlink error: Invalid argument', field)

const hex = (octet: number): string => octet.toString(16).padStart(2, '0')
const readKey = (text: string): Uint8Array | null => {
  const octets = text.split(':')
  const isHex = octets.every((octet) => /^[0-9a-fA-F]{2}$/.test(octet))
  return isHex ? Uint8Array.from(octets, (octet) => Number.parseInt(octet, 16)) : null
}
export const readRss = (spec: RssSpec, ifindex: number): RssChange | Refused => {
  const { equal, weight, hkey, default: isDefault, 'rss-indirection-table': indirection } = spec
  const key = hkey === undefined ? undefined : readKey(hkey)
  if (key === null) return invalid('hkey')
  return {
    ifindex,
    ...(equal !== undefined && { equal }),
    ...(weight !== undefined && { weight }),
    ...(isDefault !== undefined && { isDefault }),
    ...(indirection !== undefined && { indirection }),
    ...(key !== undefined && { key }),
  }
}
export const writeRss = ({ indirection, key }: Rss, ifname: string): RssItem => ({
  ifname,
  'rss-indirection-table': indirection,
  'rss-hash-key': Array.from(key, hex).join(':'),
  'rss-hash-function': { toeplitz: true, xor: false, crc32: false },
})

export const writeChannels = (
  { combined, combinedMax }: Channels,
  ifname: string
): ChannelsItem => ({
  ifname,
  'rx-max': 0,
  'tx-max': 0,
  'combined-max': combinedMax,
  rx: 0,
  tx: 0,
  combined,
})

/** tcp-segmentation-offload stands for both families, as `ethtool -K DEV tso off`. */
const bitsOf = (name: string): number =>
  name === 'tcp-segmentation-offload'
    ? NETIF_F_TSO | NETIF_F_TSO6
    : (FEATURES.find(([known]) => known === name)?.[1] ?? 0)
export const readFeatures = (features: Record<string, boolean>): FeatureChange[] | Refused => {
  const changes = Object.entries(features).map(([name, isOn]) => ({ bits: bitsOf(name), isOn }))
  const odd = changes.findIndex(({ bits }) => bits === 0)
  return odd < 0 ? changes : invalid(`features.${Object.keys(features)[odd]}`)
}
export const writeFeatures = ({ active, can }: Features, ifname: string): FeaturesItem => {
  const entries = FEATURES.map(([name, bit]): [string, FeatureItem] => {
    const isOn = (active & bit) !== 0
    return [name, { active: isOn, fixed: (can & bit) === 0, requested: isOn }]
  })
  return { ifname, ...Object.fromEntries(entries) }
}

/** Those of `changed` as they are now. */
export const writeChangedFeatures = (changed: number, active: number): Record<string, boolean> =>
  Object.fromEntries(
    FEATURES.filter(([, bit]) => (changed & bit) !== 0).map(([name, bit]) => [
      name,
      (active & bit) !== 0,
    ])
  )

export const writeFlowType = (flow: number): string =>
  Object.entries(FLOW_TYPES).find(([, type]) => type === flow)?.[0] ?? String(flow)
export const readFlow = (type: string): number | Refused => FLOW_TYPES[type] ?? invalid('flow-type')
export const readFields = (fields: readonly string[]): number | Refused => {
  let bits = 0
  for (const field of fields) {
    const bit = FIELDS.find(([name]) => name === field)?.[1]
    if (bit === undefined) return invalid('fields')
    bits |= bit
  }
  return bits
}
export const writeFlowHash = (fields: number, ifname: string, type: string): FlowHashItem => ({
  ifname,
  'flow-type': type,
  fields: FIELDS.filter(([, bit]) => (fields & bit) !== 0).map(([name]) => name),
})

/** As sysfs has masks of CPUs: hexadecimal, a comma between words. */
export const readRps = ({ rps_cpus, rps_flow_cnt }: Partial<RpsItem>): Partial<Rps> | Refused => {
  const digits = rps_cpus?.replaceAll(',', '')
  if (digits !== undefined && !/^[0-9a-fA-F]{1,8}$/.test(digits)) return invalid('rps_cpus')
  return {
    ...(digits !== undefined && { cpus: Number.parseInt(digits, 16) }),
    ...(rps_flow_cnt !== undefined && { flowCnt: rps_flow_cnt }),
  }
}
export const writeRps = ({ cpus, flowCnt }: Rps, ifname: string): RpsItem => ({
  ifname,
  rps_cpus: cpus.toString(16),
  rps_flow_cnt: flowCnt,
})
