/** RSS, channels, features, rings, statistics, flow hash and driver as ethtool prints them (ethtool 6.1). */
import type {
  ChannelsItem,
  DrvinfoItem,
  FeatureItem,
  FeaturesItem,
  FlowHashItem,
  RingsItem,
  RssItem,
} from '../../core/control/text/messages.ts'

/** ethtool -x: eight entries a line. */
export const rssText = (rss: RssItem): string => {
  const table = rss['rss-indirection-table']
  const rings = table.length === 0 ? 0 : Math.max(...table) + 1
  const lines = [`RX flow hash indirection table for ${rss.ifname} with ${rings} RX ring(s):`]
  for (let i = 0; i < table.length; i += 8) {
    const entries = table.slice(i, i + 8).map((queue) => ` ${String(queue).padStart(5)}`)
    lines.push(`${String(i).padStart(5)}: ${entries.join('')}`)
  }
  lines.push(
    'RSS hash key:',
    rss['rss-hash-key'] === '' ? 'Operation not supported' : rss['rss-hash-key']
  )
  lines.push('RSS hash function:')
  for (const [name, on] of Object.entries(rss['rss-hash-function'])) {
    lines.push(`    ${name}: ${on ? 'on' : 'off'}`)
  }
  return lines.join('\n')
}

const NA = 'n/a'
const param = (name: string, value: string | number): string =>
  `${name}:\t${name.length < 7 ? '\t' : ''}${value}`

/** ethtool -l. */
export const channelsText = (item: ChannelsItem): string =>
  [
    `Channel parameters for ${item.ifname}:`,
    'Pre-set maximums:',
    param('RX', item['rx-max'] || NA),
    param('TX', item['tx-max'] || NA),
    param('Other', NA),
    param('Combined', item['combined-max'] || NA),
    'Current hardware settings:',
    param('RX', item['rx-max'] ? item.rx : NA),
    param('TX', item['tx-max'] ? item.tx : NA),
    param('Other', NA),
    param('Combined', item['combined-max'] ? item.combined : NA),
  ].join('\n')

/** ethtool -g. */
export const ringsText = (item: RingsItem): string =>
  [
    `Ring parameters for ${item.ifname}:`,
    'Pre-set maximums:',
    param('RX', item['rx-max']),
    param('RX Mini', NA),
    param('RX Jumbo', NA),
    param('TX', item['tx-max']),
    'Current hardware settings:',
    param('RX', item.rx),
    param('RX Mini', NA),
    param('RX Jumbo', NA),
    param('TX', item.tx),
  ].join('\n')

/** Features that ethtool prints under their group's line. */
const GROUP_OF: ReadonlyArray<readonly [group: string, members: RegExp]> = [
  ['tx-checksumming', /^tx-checksum-/],
  ['scatter-gather', /^tx-scatter-gather/],
  ['tcp-segmentation-offload', /^tx-tcp\d*-(?:.*)segmentation$/],
]

/** Groups that are told as on when any of theirs is; they cannot be asked for themselves, which ethtool says with null. */
const SUMMED = { 'tcp-segmentation-offload': /^tx-tcp\d*-/ }
type Shown = { active: boolean; fixed: boolean | null; requested: boolean | null }
const isFeature = (entry: [string, unknown]): entry is [string, FeatureItem] =>
  typeof entry[1] === 'object'
/** All features, each group before its own. */
const withGroups = (item: FeaturesItem): [name: string, feature: Shown][] => {
  const features: [string, Shown][] = Object.entries(item).filter(isFeature)
  for (const [group, members] of Object.entries(SUMMED)) {
    const at = features.findIndex(([name]) => members.test(name))
    const active = features.some(([name, feature]) => members.test(name) && feature.active)
    if (at >= 0) features.splice(at, 0, [group, { active, fixed: null, requested: null }])
  }
  return features
}
/** `ethtool --json -k`. */
export const featuresJson = (item: FeaturesItem): object => ({
  ifname: item.ifname,
  ...Object.fromEntries(withGroups(item)),
})

const featureLine = (name: string, { active, fixed, requested }: Shown): string => {
  const wanted =
    fixed === false && requested !== active ? ` [requested ${requested ? 'on' : 'off'}]` : ''
  return `${name}: ${active ? 'on' : 'off'}${fixed ? ' [fixed]' : wanted}`
}

/** ethtool -k. */
export const featuresText = (item: FeaturesItem): string => {
  const features = withGroups(item)
  const groups = new Set(features.map(([name]) => name))
  const lines = features.map(([name, feature]) => {
    const isMember = GROUP_OF.some(([group, members]) => groups.has(group) && members.test(name))
    return (isMember ? '\t' : '') + featureLine(name, feature)
  })
  return [`Features for ${item.ifname}:`, ...lines].join('\n')
}

/** ethtool -S. */
export const statsText = (stats: Record<string, number>): string =>
  [
    'NIC statistics:',
    ...Object.entries(stats).map(([name, value]) => `     ${name}: ${value}`),
  ].join('\n')

/** ethtool -i. */
export const drvinfoText = (item: DrvinfoItem): string =>
  [
    `driver: ${item.driver}`,
    `version: ${item.version}`,
    'firmware-version: ',
    'expansion-rom-version: ',
    `bus-info: ${item['bus-info']}`,
    'supports-statistics: yes',
    'supports-test: no',
    'supports-eeprom-access: no',
    'supports-register-dump: no',
    'supports-priv-flags: no',
  ].join('\n')

const TRAFFIC: Readonly<Record<string, string>> = {
  tcp4: 'TCP over IPV4',
  udp4: 'UDP over IPV4',
  ip4: 'IPV4',
  tcp6: 'TCP over IPV6',
  udp6: 'UDP over IPV6',
  ip6: 'IPV6',
}
const HASHED: Readonly<Record<string, string>> = {
  'ip-src': 'IP SA',
  'ip-dst': 'IP DA',
  'l4-src': 'L4 bytes 0 & 1 [TCP/UDP src port]',
  'l4-dst': 'L4 bytes 2 & 3 [TCP/UDP dst port]',
}

/** ethtool -n DEV rx-flow-hash TYPE. */
export const flowHashText = (item: FlowHashItem): string => {
  const type = item['flow-type']
  const head = `${TRAFFIC[type] ?? type} flows use these fields for computing Hash flow key:`
  const fields = item.fields.map((field) => HASHED[field] ?? field)
  return [head, ...(fields.length === 0 ? ['None'] : fields), ''].join('\n')
}

/** ethtool -N's letters: s and d are addresses, f and n the ports. */
export const FLOW_LETTERS: Readonly<Record<string, string>> = {
  s: 'ip-src',
  d: 'ip-dst',
  f: 'l4-src',
  n: 'l4-dst',
}
