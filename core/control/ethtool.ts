/**
 * What ethtool and sysfs ask of a device: RSS table, key and hash fields, channels, RPS, features, statistics.
 * Control thread; steering state is written through core/steering's writers alone.
 * Linux: net/ethtool, net/core/net-sysfs.c (rps_cpus, rps_flow_cnt).
 */
import { Errno } from '../base/errno.ts'
import {
  DEV_FEATURES,
  DEV_RPS_FLOW_CNT,
  DevStat,
  deviceRow,
  NETIF_F_HW_CSUM,
  NETIF_F_RXCSUM,
  NETIF_F_TSO,
  NETIF_F_TSO6,
  NETIF_F_USO,
  sumDeviceStat,
} from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import { DEV_FLOWS, RPS_MAP_OFFSET, RSS_WORDS } from '../shm/layout.ts'
import { RPS_MAP_WORDS, rpsCpus, setRpsCpus } from '../steering/rps.ts'
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
} from '../steering/rss.ts'
import { createRssControl } from '../steering/rss-control.ts'
import { RSS_KEY_LEN } from '../steering/toeplitz.ts'
import type { Outcome } from './answers.ts'
import { changed, told } from './answers.ts'
import type { Links } from './links.ts'
import type {
  ChannelsItem,
  DrvinfoItem,
  FeatureItem,
  FeaturesItem,
  FlowHashItem,
  MessageOf,
  Refused,
  RpsItem,
  RssItem,
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
  ['tx-udp-segmentation', NETIF_F_USO],
]

export const createEthtool = (deps: { arena: Arena; links: Links; random: () => number }) => {
  const { arena, links, random } = deps
  const { i32, layout } = arena
  const { workers } = layout.config
  /** Features each device came with: what can be switched on again. */
  const hardware = new Map<number, number>()

  const view = (at: number, words: number): Int32Array =>
    new Int32Array(arena.buffer, at << 2, words)
  const stateAt = (ifindex: number): number => layout.rss + ifindex * RSS_WORDS
  const rssOf = (ifindex: number) => createRssControl(view(stateAt(ifindex), RPS_MAP_OFFSET))
  const rpsMapOf = (ifindex: number): Int32Array =>
    view(stateAt(ifindex) + RPS_MAP_OFFSET, RPS_MAP_WORDS)

  /** A new device: a random key, the table spread over the channels, RPS off. */
  const initSteering = (ifindex: number, channels: number): void => {
    const key = Uint8Array.from({ length: RSS_KEY_LEN }, () => random() & 255)
    rssOf(ifindex).init(channels, key)
    setRpsCpus(rpsMapOf(ifindex), [])
    hardware.set(ifindex, i32[deviceRow(arena, ifindex) + DEV_FEATURES])
  }

  const invalid = (field: string, errno: number = Errno.EINVAL): Refused =>
    refuseAs(
      errno,
      `netlink error: ${errno === Errno.EINVAL ? 'Invalid argument' : 'Operation not supported'}`,
      field
    )
  /** Runs `fn` on the named device. */
  const on = <T>(ifname: string, fn: (ifindex: number) => Outcome<T>): Outcome<T> => {
    const ifindex = links.ifindexOf(ifname)
    return ifindex === 0
      ? refuseAs(Errno.ENODEV, 'netlink error: No such device', 'ifname')
      : fn(ifindex)
  }

  // ---- -x, -X

  const rssItem = (ifname: string, ifindex: number): RssItem => {
    const rss = rssOf(ifindex)
    return {
      ifname,
      'rss-indirection-table': rss.indirection(),
      'rss-hash-key': Array.from(rss.key(), (octet) => octet.toString(16).padStart(2, '0')).join(
        ':'
      ),
      'rss-hash-function': { toeplitz: true, xor: false, crc32: false },
    }
  }
  const parseKey = (text: string): Uint8Array | null => {
    const octets = text.split(':')
    const isHex = octets.every((octet) => /^[0-9a-fA-F]{2}$/.test(octet))
    return isHex ? Uint8Array.from(octets, (octet) => Number.parseInt(octet, 16)) : null
  }
  const rssGet = ({ ifname }: MessageOf<'ETHTOOL_MSG_RSS_GET'>) =>
    on(ifname, (n) => told(rssItem(ifname, n)))
  const rssSet = ({ rss: spec }: MessageOf<'ETHTOOL_MSG_RSS_SET'>) =>
    on<RssItem>(spec.ifname, (ifindex) => {
      const rss = rssOf(ifindex)
      const key = spec.hkey === undefined ? undefined : parseKey(spec.hkey)
      if (key === null || (key !== undefined && key.length !== RSS_KEY_LEN)) return invalid('hkey')
      const table = spec['rss-indirection-table']
      const ways = [spec.equal, spec.weight, spec.default || undefined, table].filter(
        (way) => way !== undefined
      )
      if (ways.length > 1) return invalid('rss-indirection-table')
      if (spec.equal !== undefined && !rss.setEqual(spec.equal)) return invalid('equal')
      if (spec.weight !== undefined && !rss.setWeights(spec.weight)) return invalid('weight')
      if (table !== undefined && !rss.setIndirection(table)) return invalid('rss-indirection-table')
      if (spec.default) rss.setDefault()
      if (key !== undefined) rss.setKey(key)
      return changed(rssItem(spec.ifname, ifindex))
    })

  // ---- -l, -L

  const channelsItem = (ifname: string, ifindex: number): ChannelsItem => ({
    ifname,
    'rx-max': 0,
    'tx-max': 0,
    'combined-max': workers,
    rx: 0,
    tx: 0,
    combined: rssOf(ifindex).channels(),
  })
  const channelsGet = ({ ifname }: MessageOf<'ETHTOOL_MSG_CHANNELS_GET'>) =>
    on(ifname, (n) => told(channelsItem(ifname, n)))
  const channelsSet = ({ ifname, combined }: MessageOf<'ETHTOOL_MSG_CHANNELS_SET'>) =>
    on<ChannelsItem>(ifname, (ifindex) =>
      combined <= workers && rssOf(ifindex).setChannels(combined)
        ? changed(channelsItem(ifname, ifindex))
        : invalid('combined')
    )

  // ---- -k, -K

  const featuresItem = (ifname: string, ifindex: number): FeaturesItem => {
    const active = i32[deviceRow(arena, ifindex) + DEV_FEATURES]
    const can = hardware.get(ifindex) ?? active
    const entries = FEATURES.map(([name, bit]): [string, FeatureItem] => {
      const isOn = (active & bit) !== 0
      return [name, { active: isOn, fixed: (can & bit) === 0, requested: isOn }]
    })
    return { ifname, ...Object.fromEntries(entries) }
  }
  const featuresGet = ({ ifname }: MessageOf<'ETHTOOL_MSG_FEATURES_GET'>) =>
    on(ifname, (n) => told(featuresItem(ifname, n)))
  /** tcp-segmentation-offload stands for both families, as `ethtool -K DEV tso off`. */
  const bitsOf = (name: string): number =>
    name === 'tcp-segmentation-offload'
      ? NETIF_F_TSO | NETIF_F_TSO6
      : (FEATURES.find(([known]) => known === name)?.[1] ?? 0)
  const featuresSet = ({ ifname, features }: MessageOf<'ETHTOOL_MSG_FEATURES_SET'>) =>
    on<FeaturesItem>(ifname, (ifindex) => {
      const row = deviceRow(arena, ifindex)
      let active = i32[row + DEV_FEATURES]
      const can = hardware.get(ifindex) ?? active
      for (const [name, wanted] of Object.entries(features)) {
        const bits = bitsOf(name)
        if (bits === 0) return invalid(`features.${name}`)
        if (wanted && (can & bits) === 0) return invalid(`features.${name}`, Errno.EOPNOTSUPP)
        active = wanted ? active | (can & bits) : active & ~bits
      }
      i32[row + DEV_FEATURES] = active
      return changed(featuresItem(ifname, ifindex))
    })

  // ---- -n, -N

  const flowHashItem = (ifname: string, type: string, fields: number): FlowHashItem => ({
    ifname,
    'flow-type': type,
    fields: FIELDS.filter(([, bit]) => (fields & bit) !== 0).map(([name]) => name),
  })
  const flowHashGet = ({ ifname, 'flow-type': type }: MessageOf<'ETHTOOL_GRXFH'>) =>
    on<FlowHashItem>(ifname, (ifindex) => {
      const at = FLOW_TYPES[type]
      return at === undefined
        ? invalid('flow-type')
        : told(flowHashItem(ifname, type, rssOf(ifindex).hashFields(at)))
    })
  const flowHashSet = ({ ifname, 'flow-type': type, fields }: MessageOf<'ETHTOOL_SRXFH'>) =>
    on<FlowHashItem>(ifname, (ifindex) => {
      const at = FLOW_TYPES[type]
      if (at === undefined) return invalid('flow-type')
      const bits = fields.map((field) => FIELDS.find(([name]) => name === field)?.[1])
      if (bits.includes(undefined)) return invalid('fields')
      const wanted = bits.reduce<number>((all, bit) => all | bit!, 0)
      if (!rssOf(ifindex).setHashFields(at, wanted)) return invalid('fields')
      return changed(flowHashItem(ifname, type, wanted))
    })

  // ---- -g, -S, -i

  const noRings = ({ ifname }: { ifname: string }) =>
    on<never>(ifname, () => invalid('ifname', Errno.EOPNOTSUPP))
  const statsGet = ({ ifname }: MessageOf<'ETHTOOL_MSG_STATS_GET'>) =>
    on(ifname, (ifindex) =>
      told(
        Object.fromEntries(
          Object.entries(DevStat).map(([name, at]) => [name, sumDeviceStat(arena, ifindex, at)])
        )
      )
    )
  const drvinfo = ({ ifname }: MessageOf<'ETHTOOL_GDRVINFO'>) =>
    on<DrvinfoItem>(ifname, (n) =>
      told({ ifname, driver: links.kindOf(n), version: '', 'bus-info': '' })
    )

  // ---- rps_cpus, rps_flow_cnt

  const rpsItem = (ifname: string, ifindex: number): RpsItem => ({
    ifname,
    rps_cpus: rpsCpus(rpsMapOf(ifindex))
      .reduce((mask, cpu) => mask + 2 ** cpu, 0)
      .toString(16),
    rps_flow_cnt: i32[deviceRow(arena, ifindex) + DEV_RPS_FLOW_CNT],
  })
  const rpsGet = ({ ifname }: MessageOf<'RPS_GET'>) => on(ifname, (n) => told(rpsItem(ifname, n)))
  const rpsSet = ({ ifname, rps_cpus, rps_flow_cnt }: MessageOf<'RPS_SET'>) =>
    on<RpsItem>(ifname, (ifindex) => {
      const mask = rps_cpus === undefined ? 0 : Number.parseInt(rps_cpus.replaceAll(',', ''), 16)
      const isHex =
        rps_cpus === undefined || /^[0-9a-fA-F]{1,8}$/.test(rps_cpus.replaceAll(',', ''))
      if (!isHex || mask >= 2 ** workers) return invalid('rps_cpus')
      const count = rps_flow_cnt ?? 0
      const isCount = Number.isInteger(count) && count >= 0 && count <= DEV_FLOWS
      if (!isCount) return invalid('rps_flow_cnt')
      if (rps_cpus !== undefined) {
        const cpus = Array.from({ length: workers }, (_, cpu) => cpu).filter(
          (cpu) => Math.floor(mask / 2 ** cpu) % 2 === 1
        )
        setRpsCpus(rpsMapOf(ifindex), cpus)
      }
      if (rps_flow_cnt !== undefined) {
        // the kernel rounds up to a power of two
        const entries = count === 0 ? 0 : 2 ** Math.ceil(Math.log2(count))
        i32[deviceRow(arena, ifindex) + DEV_RPS_FLOW_CNT] = entries
      }
      return changed(rpsItem(ifname, ifindex))
    })

  return {
    initSteering,
    rssGet,
    rssSet,
    channelsGet,
    channelsSet,
    featuresGet,
    featuresSet,
    flowHashGet,
    flowHashSet,
    noRings,
    statsGet,
    drvinfo,
    rpsGet,
    rpsSet,
  }
}
