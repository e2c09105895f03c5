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
  NETIF_F_GRO,
  NETIF_F_GRO_UDP_FWD,
  sumDeviceStat,
} from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import { DEV_FLOWS, RPS_MAP_OFFSET, RSS_WORDS } from '../shm/layout.ts'
import { RPS_MAP_WORDS, rpsCpus, setRpsCpus } from '../steering/rps.ts'
import { RSS_FLOW_TYPES } from '../steering/rss.ts'
import { createRssControl } from '../steering/rss-control.ts'
import { RSS_KEY_LEN } from '../steering/toeplitz.ts'
import type { Outcome, Refused } from './rtnl/answers.ts'
import { changed, refuse, told } from './rtnl/answers.ts'
import type { Links } from './links/links.ts'
import type { Channels, Features, MessageOf, Rps, Rss, SteeringSet } from './rtnetlink.ts'

export const createEthtool = (deps: { arena: Arena; links: Links; random: () => number }) => {
  const { arena, links, random } = deps
  const { i32, layout } = arena
  const { workers } = layout.config
  /** Features that each device can have: those it came with, and what is off until somebody asks. */
  const hardware = new Map<number, number>()
  /** How each device came: its features and channels; and those whose key somebody has set. */
  const came = new Map<number, { features: number; channels: number }>()
  const ownKeys = new Set<number>()

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
    const features = i32[deviceRow(arena, ifindex) + DEV_FEATURES]
    const hasGro = (features & NETIF_F_GRO) !== 0
    hardware.set(ifindex, features | (hasGro ? NETIF_F_GRO_UDP_FWD : 0))
    came.set(ifindex, { features, channels })
    ownKeys.delete(ifindex)
  }

  const invalid = (field: string, errno: number = Errno.EINVAL): Refused =>
    refuse(errno, null, field)
  /** Runs `fn` on the device. */
  const on = <T>(ifindex: number, fn: (row: number) => Outcome<T>): Outcome<T> =>
    links.isDevice(ifindex) ? fn(deviceRow(arena, ifindex)) : refuse(Errno.ENODEV, null, 'ifname')

  // ---- -x, -X

  const rssItem = (ifindex: number): Rss => {
    const rss = rssOf(ifindex)
    return { indirection: rss.indirection(), key: rss.key() }
  }
  const rssGet = ({ ifindex }: MessageOf<'ETHTOOL_MSG_RSS_GET'>) =>
    on(ifindex, () => told(rssItem(ifindex)))
  const rssSet = ({ rss: wanted }: MessageOf<'ETHTOOL_MSG_RSS_SET'>) =>
    on<Rss>(wanted.ifindex, () => {
      const { ifindex, equal, weight, indirection, key } = wanted
      const isDefault = wanted.isDefault || undefined
      const rss = rssOf(ifindex)
      if (key !== undefined && key.length !== RSS_KEY_LEN) return invalid('hkey')
      const ways = [equal, weight, isDefault, indirection].filter((way) => way !== undefined)
      if (ways.length > 1) return invalid('rss-indirection-table')
      if (equal !== undefined && !rss.setEqual(equal)) return invalid('equal')
      if (weight !== undefined && !rss.setWeights(weight)) return invalid('weight')
      if (indirection !== undefined && !rss.setIndirection(indirection))
        return invalid('rss-indirection-table')
      if (isDefault) rss.setDefault()
      if (key !== undefined) {
        rss.setKey(key)
        ownKeys.add(ifindex)
      }
      return changed(rssItem(ifindex))
    })

  // ---- -l, -L

  const channelsItem = (ifindex: number): Channels => ({
    combinedMax: workers,
    combined: rssOf(ifindex).channels(),
  })
  const channelsGet = ({ ifindex }: MessageOf<'ETHTOOL_MSG_CHANNELS_GET'>) =>
    on(ifindex, () => told(channelsItem(ifindex)))
  const channelsSet = ({ ifindex, combined }: MessageOf<'ETHTOOL_MSG_CHANNELS_SET'>) =>
    on<Channels>(ifindex, () =>
      combined <= workers && rssOf(ifindex).setChannels(combined)
        ? changed(channelsItem(ifindex))
        : invalid('combined')
    )

  // ---- -k, -K

  const featuresItem = (ifindex: number): Features => {
    const active = i32[deviceRow(arena, ifindex) + DEV_FEATURES]
    return { active, can: hardware.get(ifindex) ?? active }
  }
  const featuresGet = ({ ifindex }: MessageOf<'ETHTOOL_MSG_FEATURES_GET'>) =>
    on(ifindex, () => told(featuresItem(ifindex)))
  const featuresSet = ({ ifindex, features }: MessageOf<'ETHTOOL_MSG_FEATURES_SET'>) =>
    on<Features>(ifindex, (row) => {
      let { active, can } = featuresItem(ifindex)
      for (const [index, { bits, isOn }] of features.entries()) {
        if (isOn && (can & bits) === 0) return { ...refuse(Errno.EOPNOTSUPP), index }
        active = isOn ? active | (can & bits) : active & ~bits
      }
      i32[row + DEV_FEATURES] = active
      return changed(featuresItem(ifindex))
    })

  // ---- -n, -N

  const flowHashGet = ({ ifindex, flow }: MessageOf<'ETHTOOL_GRXFH'>) =>
    on(ifindex, () => told({ fields: rssOf(ifindex).hashFields(flow) }))
  const flowHashSet = ({ ifindex, flow, fields }: MessageOf<'ETHTOOL_SRXFH'>) =>
    on<{ fields: number }>(ifindex, () =>
      rssOf(ifindex).setHashFields(flow, fields) ? changed({ fields }) : invalid('fields')
    )

  // ---- -g, -S, -i

  const noRings = ({ ifindex }: { ifindex: number }) =>
    on<never>(ifindex, () => invalid('ifname', Errno.EOPNOTSUPP))
  const statsGet = ({ ifindex }: MessageOf<'ETHTOOL_MSG_STATS_GET'>) =>
    on(ifindex, () =>
      told(
        Object.fromEntries(
          Object.entries(DevStat).map(([name, at]) => [name, sumDeviceStat(arena, ifindex, at)])
        )
      )
    )
  const drvinfo = ({ ifindex }: MessageOf<'ETHTOOL_GDRVINFO'>) =>
    on(ifindex, () => told({ kind: links.kindOf(ifindex) }))

  // ---- rps_cpus, rps_flow_cnt

  const rpsItem = (ifindex: number): Rps => ({
    cpus: rpsCpus(rpsMapOf(ifindex)).reduce((mask, cpu) => mask + 2 ** cpu, 0),
    flowCnt: i32[deviceRow(arena, ifindex) + DEV_RPS_FLOW_CNT],
  })
  const rpsGet = ({ ifindex }: MessageOf<'RPS_GET'>) => on(ifindex, () => told(rpsItem(ifindex)))
  const rpsSet = ({ ifindex, cpus, flowCnt }: MessageOf<'RPS_SET'>) =>
    on<Rps>(ifindex, (row) => {
      const count = flowCnt ?? 0
      if (cpus !== undefined && !(cpus >= 0 && cpus < 2 ** workers)) return invalid('rps_cpus')
      const isCount = Number.isInteger(count) && count >= 0 && count <= DEV_FLOWS
      if (!isCount) return invalid('rps_flow_cnt')
      if (cpus !== undefined)
        setRpsCpus(
          rpsMapOf(ifindex),
          Array.from({ length: workers }, (_, cpu) => cpu).filter(
            (cpu) => Math.floor(cpus / 2 ** cpu) % 2 === 1
          )
        )
      if (flowCnt !== undefined) {
        // the kernel rounds up to a power of two
        const entries = count === 0 ? 0 : 2 ** Math.ceil(Math.log2(count))
        i32[row + DEV_RPS_FLOW_CNT] = entries
      }
      return changed(rpsItem(ifindex))
    })

  /** What a configuration has to say to make another device like this one; `all`: to make this one so again. */
  const steeringSet = (ifindex: number, all: boolean): SteeringSet => {
    const rss = rssOf(ifindex)
    const { active, can } = featuresItem(ifindex)
    const { features, channels } = came.get(ifindex) ?? { features: active, channels: workers }
    const hash = Array.from({ length: RSS_FLOW_TYPES }, (_, flow) => ({
      flow,
      fields: rss.hashFields(flow),
    })).filter(({ flow, fields }) => all || fields !== rss.fieldsAtFirst(flow))
    return {
      ...((all || rss.channels() !== channels) && { combined: rss.channels() }),
      ...(rss.isDefault() ? all && { isDefault: true } : { indirection: rss.indirection() }),
      ...((all || ownKeys.has(ifindex)) && { key: rss.key() }),
      hash,
      changed: all ? can : active ^ features,
      active,
      rps: rpsItem(ifindex),
    }
  }

  return {
    initSteering,
    steeringSet,
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
