/**
 * The part of a configuration that ethtool, sysfs and multicast routing set of a link: what is said of each that is not as it
 * came, and the messages that lead from that to what is wanted.
 */
import type { ControlPlane } from '../../control.ts'
import type { SteeringSet } from '../../rtnetlink.ts'
import {
  writeChangedFeatures,
  writeFlowHash,
  writeFlowType,
  writeRps,
  writeRss,
} from '../ethtool.ts'
import type { ConfigSteering, FamilyName, Message, MvifItem, MvifRole } from '../messages.ts'

const SECTIONS = ['channels', 'rss', 'features', 'rx-flow-hash', 'rps', 'mvif'] as const

const rssOf = ({ indirection, isDefault, key }: SteeringSet): ConfigSteering['rss'] => {
  const { 'rss-indirection-table': table, 'rss-hash-key': hkey } = writeRss(
    { indirection: indirection ?? [], key: key ?? new Uint8Array(0) },
    ''
  )
  return {
    ...(isDefault && { default: true }),
    ...(indirection && { 'rss-indirection-table': table }),
    ...(key && { hkey }),
  }
}
const isEmpty = (value: object | undefined): boolean =>
  value === undefined || Object.keys(value).length === 0

export const createSteeringConfig = ({
  steeringSet,
  ifindexOf,
}: Pick<ControlPlane, 'steeringSet' | 'ifindexOf'>) => {
  /** What is to be written down of a link; `all`: the defaults too. */
  const get = (ifname: string, mvifs: readonly MvifItem[], all: boolean): ConfigSteering => {
    const set = steeringSet(ifindexOf(ifname), all)
    const { rps_cpus, rps_flow_cnt } = writeRps(set.rps, ifname)
    const hash = set.hash.map(({ flow, fields }): [string, string[]] => {
      const type = writeFlowType(flow)
      return [type, writeFlowHash(fields, ifname, type).fields]
    })
    const roles = mvifs
      .filter((mvif) => mvif.ifname === ifname && (all || mvif.role !== 'none'))
      .map(({ family, role }): [FamilyName, MvifRole] => [family, role])
    const steering: ConfigSteering = {
      ...(set.combined !== undefined && { channels: { combined: set.combined } }),
      rss: rssOf(set),
      features: writeChangedFeatures(set.changed, set.active),
      'rx-flow-hash': Object.fromEntries(hash),
      ...((all || set.rps.cpus !== 0 || set.rps.flowCnt !== 0) && {
        rps: { rps_cpus, rps_flow_cnt },
      }),
      mvif: Object.fromEntries(roles),
    }
    const said = Object.entries(steering).filter(
      ([, value]) => !isEmpty(value as object | undefined)
    )
    return Object.fromEntries(said)
  }

  const changes = (ifname: string, wanted: ConfigSteering): Message[] => {
    const { channels, rss, features, rps, mvif } = wanted
    const messages: Message[] = []
    if (channels) messages.push({ type: 'ETHTOOL_MSG_CHANNELS_SET', ifname, ...channels })
    if (rss) messages.push({ type: 'ETHTOOL_MSG_RSS_SET', rss: { ifname, ...rss } })
    if (features) messages.push({ type: 'ETHTOOL_MSG_FEATURES_SET', ifname, features })
    for (const [flow, fields] of Object.entries(wanted['rx-flow-hash'] ?? {}))
      messages.push({ type: 'ETHTOOL_SRXFH', ifname, 'flow-type': flow, fields })
    if (rps) messages.push({ type: 'RPS_SET', ifname, ...rps })
    for (const [family, role] of Object.entries(mvif ?? {}) as [FamilyName, MvifRole][])
      messages.push({ type: 'MVIF_SET', mvif: { ifname, family, role } })
    return messages
  }
  /** What a section wants and is not so already. */
  const missing = (wanted: object, now: object): object | undefined => {
    const has = now as Record<string, unknown>
    const entries = Object.entries(wanted).filter(
      ([name, value]) => JSON.stringify(value) !== JSON.stringify(has[name])
    )
    return entries.length === 0 ? undefined : Object.fromEntries(entries)
  }
  /** The messages for what is not so already, each with the name of its section. */
  const steps = (
    ifname: string,
    wanted: ConfigSteering,
    now: ConfigSteering
  ): { section: string; message: Message }[] =>
    SECTIONS.flatMap((section) => {
      const left = missing(wanted[section] ?? {}, now[section] ?? {})
      if (left === undefined) return []
      return changes(ifname, { [section]: left }).map((message) => ({ section, message }))
    })
  return { get, steps }
}

/** Splits a link into what `ip link` says of it, and the rest. */
export const splitSteering = <L extends ConfigSteering>(
  link: L
): { steering: ConfigSteering; rest: Omit<L, keyof ConfigSteering> } => {
  const entries = Object.entries(link)
  const isSteering = ([name]: [string, unknown]): boolean =>
    (SECTIONS as readonly string[]).includes(name)
  return {
    steering: Object.fromEntries(entries.filter(isSteering)),
    rest: Object.fromEntries(entries.filter((entry) => !isSteering(entry))) as Omit<
      L,
      keyof ConfigSteering
    >,
  }
}
