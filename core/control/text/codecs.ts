/**
 * Each message's way from words to numbers and back, and what is said of it when it is refused. Names of devices are
 * looked up when a message is read: whoever holds the lock of changes reads it.
 */
import { Errno } from '../../base/errno.ts'
import * as answers from '../rtnl/answers.ts'
import type * as numbers from '../rtnetlink.ts'
import { NLM_F_CREATE } from '../nlm-flags.ts'
import { readAddress, readAddressKey, writeAddress } from './addr.ts'
import {
  readFeatures,
  readFields,
  readFlow,
  readRps,
  readRss,
  writeChannels,
  writeFeatures,
  writeFlowHash,
  writeRps,
  writeRss,
} from './ethtool.ts'
import { readDev, readLink, readQdisc, writeLink } from './link.ts'
import { readMaddr, writeMaddr } from './maddr.ts'
import { readMroute, readMrouteKey, readMvif, writeMroute, writeMvif } from './mroute.ts'
import type { Message, MessageOf, MessageType, Refused, Requests } from './messages.ts'
import type { DeviceNames } from './names.ts'
import { explain, familyNumber, isRefused, noSuchDevice, refuseAs, strerror } from './names.ts'
import { readNeigh, readNeighFilter, readNeighKey, writeNeigh } from './neigh.ts'
import { readNexthop, writeBucket, writeNexthop } from './nexthop.ts'
import { readCookie, writeSock } from './sock.ts'
import { readMatch, readQuery, readRoute, writeAnswer, writeRoute } from './route.ts'
import { readRule, readRuleMatch, writeRule } from './rule.ts'

/** A message's outcome in words. */
export type Outcome<Item = unknown> = { error: 0; item: Item } | Refused
/** Messages that numbers have too. */
type Spoken = Exclude<
  MessageType & numbers.MessageType,
  | 'SYSCTL_GET'
  | 'SYSCTL_SET'
  | 'WORKER_GET'
  | 'NSTAT_GET'
  | 'MEMORY_GET'
  | 'NETNS_NEW'
  | 'NETNS_DEL'
>
type Codec<T extends Spoken> = {
  read: (message: MessageOf<T>) => numbers.MessageOf<T> | Refused
  write: (item: numbers.ItemOf<{ type: T }>, message: MessageOf<T>) => Requests[T]['item']
  /** Name of the device that the message is about. */
  device?: (message: MessageOf<T>) => string | undefined
}
type Codecs = { [T in Spoken]: Codec<T> }

export const readIfname = (ifname: string, names: DeviceNames): { ifindex: number } | Refused => {
  const ifindex = names.ifindexOf(ifname)
  return ifindex === 0 ? noSuchDevice(ifname, 'ifname') : { ifindex }
}

export const createCodecs = (names: DeviceNames) => {
  /** The message that `read` made, or what is wrong with it. */
  const as = <R extends object | number, M>(
    read: R | Refused,
    make: (read: R) => M
  ): M | Refused => (isRefused(read) ? read : make(read))

  /** What asks of a device and nothing else. */
  const ofDevice = <T extends Spoken>({
    type,
    ifname,
  }: {
    type: T
    ifname: string
  }): { type: T; ifindex: number } | Refused => {
    const ifindex = names.ifindexOf(ifname)
    return ifindex === 0
      ? refuseAs(Errno.ENODEV, 'netlink error: No such device', 'ifname')
      : { type, ifindex }
  }

  const codecs: Codecs = {
    RTM_NEWROUTE: {
      read: ({ type, flags, route }) =>
        as(readRoute(route, names), (route) => ({ type, flags, route })),
      write: (route) => writeRoute(route, names),
      device: ({ route }) => route.dev,
    },
    RTM_DELROUTE: {
      read: ({ type, route }) => as(readMatch(route, names), (route) => ({ type, route })),
      write: (route) => writeRoute(route, names),
      device: ({ route }) => route.dev,
    },
    RTM_GETROUTE: {
      read: (message) =>
        as(readQuery(message, names), (query) => ({ type: 'RTM_GETROUTE' as const, query })),
      write: (answer, message) => writeAnswer(answer, message, names),
    },
    RTM_NEWRULE: {
      read: ({ type, flags, rule }) => as(readRule(rule), (rule) => ({ type, flags, rule })),
      write: (rule) => writeRule(rule, names.ifindexOf),
    },
    RTM_DELRULE: {
      read: ({ type, rule }) => as(readRuleMatch(rule), (match) => ({ type, ...match })),
      write: (rule) => writeRule(rule, names.ifindexOf),
    },
    RTM_NEWNEXTHOP: {
      read: ({ type, flags, nexthop }) =>
        as(readNexthop(nexthop, names), (nexthop) => ({ type, flags, nexthop })),
      write: (one) => writeNexthop(one, names),
    },
    RTM_DELNEXTHOP: { read: (message) => message, write: (one) => writeNexthop(one, names) },
    RTM_GETNEXTHOP: { read: (message) => message, write: (one) => writeNexthop(one, names) },
    RTM_GETNEXTHOPBUCKET: { read: (message) => message, write: writeBucket },
    RTM_NEWLINK: {
      read: ({ type, flags, link }) =>
        as(readLink(link, names), (change) =>
          (flags & NLM_F_CREATE) !== 0 &&
          change.kind === undefined &&
          names.ifindexOf(link.ifname) === 0
            ? refuseAs(Errno.EINVAL, 'Not enough information: "type" argument is required', 'kind')
            : { type, flags, link: change }
        ),
      write: (link) => writeLink(link, names.nameOf),
      device: ({ link }) => link.ifname,
    },
    RTM_DELLINK: {
      read: ({ type, ifname }) =>
        as(readIfname(ifname, names), (ifindex) => ({ type, ...ifindex })),
      write: (link) => writeLink(link, names.nameOf),
      device: ({ ifname }) => ifname,
    },
    RTM_GETLINK: {
      read: ({ type, ifname }) =>
        as(readIfname(ifname, names), (ifindex) => ({ type, ...ifindex })),
      write: (link) => writeLink(link, names.nameOf),
    },
    RTM_NEWQDISC: {
      read: ({ type, flags, qdisc }) =>
        as(readQdisc(qdisc, names), (qdisc) => ({ type, flags, ...qdisc })),
      write: (link) => writeLink(link, names.nameOf),
    },
    RTM_DELQDISC: {
      read: ({ type, dev }) => as(readDev(dev, names), (ifindex) => ({ type, ifindex })),
      write: (link) => writeLink(link, names.nameOf),
    },
    RTM_NEWADDR: {
      read: ({ type, flags, address }) =>
        as(readAddress(address, names), (address) => ({ type, flags, address })),
      write: (at) => writeAddress(at, names.nameOf(at.ifindex)),
      device: ({ address }) => address.dev,
    },
    RTM_DELADDR: {
      read: ({ type, address }) =>
        as(readAddressKey(address, names), (address) => ({ type, address })),
      write: (at) => writeAddress(at, names.nameOf(at.ifindex)),
      device: ({ address }) => address.dev,
    },
    RTM_NEWNEIGH: {
      read: ({ type, flags, neigh }) =>
        as(readNeigh(neigh, names), (neigh) => ({ type, flags, neigh })),
      write: (neigh) => writeNeigh(neigh, names),
      device: ({ neigh }) => neigh.dev,
    },
    RTM_DELNEIGH: {
      read: ({ type, neigh }) => as(readNeighKey(neigh, names), (neigh) => ({ type, neigh })),
      write: (item) => item,
      device: ({ neigh }) => neigh.dev,
    },
    RTM_GETNEIGH: {
      read: ({ type, neigh }) => as(readNeighKey(neigh, names), (neigh) => ({ type, neigh })),
      write: (neigh) => writeNeigh(neigh, names),
    },
    SOCK_GET: {
      read: ({ type, cookie }) => ({ type, cookie: readCookie(cookie) }),
      write: (sock) => writeSock(sock, names.nameOf),
    },
    SOCK_DESTROY: {
      read: ({ type, cookie }) => ({ type, cookie: readCookie(cookie) }),
      write: (item) => item,
    },
    ETHTOOL_MSG_RSS_GET: {
      read: ofDevice,
      write: (rss, { ifname }) => writeRss(rss, ifname),
    },
    ETHTOOL_MSG_RSS_SET: {
      read: ({ type, rss }) =>
        as(ofDevice({ type, ifname: rss.ifname }), ({ ifindex }) =>
          as(readRss(rss, ifindex), (rss) => ({ type, rss }))
        ),
      write: (item, { rss }) => writeRss(item, rss.ifname),
    },
    ETHTOOL_MSG_CHANNELS_GET: {
      read: ofDevice,
      write: (channels, { ifname }) => writeChannels(channels, ifname),
    },
    ETHTOOL_MSG_CHANNELS_SET: {
      read: (message) => as(ofDevice(message), (of) => ({ ...of, combined: message.combined })),
      write: (channels, { ifname }) => writeChannels(channels, ifname),
    },
    ETHTOOL_MSG_FEATURES_GET: {
      read: ofDevice,
      write: (features, { ifname }) => writeFeatures(features, ifname),
    },
    ETHTOOL_MSG_FEATURES_SET: {
      read: (message) =>
        as(ofDevice(message), (of) =>
          as(readFeatures(message.features), (features) => ({ ...of, features }))
        ),
      write: (features, { ifname }) => writeFeatures(features, ifname),
    },
    ETHTOOL_MSG_RINGS_GET: { read: ofDevice, write: (item) => item },
    ETHTOOL_MSG_RINGS_SET: { read: ofDevice, write: (item) => item },
    ETHTOOL_MSG_STATS_GET: { read: ofDevice, write: (item) => item },
    ETHTOOL_GRXFH: {
      read: (message) =>
        as(ofDevice(message), (of) =>
          as(readFlow(message['flow-type']), (flow) => ({ ...of, flow }))
        ),
      write: ({ fields }, { ifname, 'flow-type': type }) => writeFlowHash(fields, ifname, type),
    },
    ETHTOOL_SRXFH: {
      read: (message) =>
        as(ofDevice(message), (of) =>
          as(readFlow(message['flow-type']), (flow) =>
            as(readFields(message.fields), (fields) => ({ ...of, flow, fields }))
          )
        ),
      write: ({ fields }, { ifname, 'flow-type': type }) => writeFlowHash(fields, ifname, type),
    },
    ETHTOOL_GDRVINFO: {
      read: ofDevice,
      write: ({ kind }, { ifname }) => ({ ifname, driver: kind, version: '', 'bus-info': '' }),
    },
    RPS_GET: { read: ofDevice, write: (rps, { ifname }) => writeRps(rps, ifname) },
    RPS_SET: {
      read: (message) =>
        as(ofDevice(message), (of) => as(readRps(message), (rps) => ({ ...of, ...rps }))),
      write: (rps, { ifname }) => writeRps(rps, ifname),
    },
    RTM_NEWMULTICAST: {
      read: ({ type, maddr }) => as(readMaddr(maddr, names), (maddr) => ({ type, ...maddr })),
      write: (item) => writeMaddr(item, names),
      device: ({ maddr }) => maddr.dev,
    },
    RTM_DELMULTICAST: {
      read: ({ type, maddr }) => as(readMaddr(maddr, names), (maddr) => ({ type, ...maddr })),
      write: (item) => writeMaddr(item, names),
      device: ({ maddr }) => maddr.dev,
    },
    RTM_NEWMROUTE: {
      read: ({ type, mroute }) => as(readMroute(mroute, names), (route) => ({ type, route })),
      write: (item) => writeMroute(item, names),
    },
    RTM_DELMROUTE: {
      read: ({ type, mroute }) => as(readMrouteKey(mroute), (pair) => ({ type, ...pair })),
      write: (item) => writeMroute(item, names),
    },
    MVIF_SET: {
      read: ({ type, mvif }) => as(readMvif(mvif, names), (mvif) => ({ type, ...mvif })),
      write: (item) => writeMvif(item, names),
      device: ({ mvif }) => mvif.ifname,
    },
    RT_CACHE_FLUSH: {
      read: ({ type, family }) => ({ type, family: familyNumber(family) }),
      write: (item) => item,
    },
    NEIGH_FLUSH: {
      read: ({ type, filter }) =>
        as(readNeighFilter(filter, names), (filter) => ({ type, filter })),
      write: (item) => item,
    },
  }
  const codecOf = ({ type }: Message): Codec<'RTM_NEWROUTE'> | undefined =>
    (codecs as unknown as Record<string, Codec<'RTM_NEWROUTE'>>)[type]

  /** The message in numbers; what has names alone (sysctls, counters) is passed on as it is. */
  const read = (message: Message): numbers.Message | Refused =>
    codecOf(message)?.read(message as never) ?? (message as numbers.Message)
  const why = (message: Message, refused: answers.Refused): Refused => {
    const { type } = message
    if (type === 'SYSCTL_GET' || type === 'SYSCTL_SET') return whySysctl(message.name, refused)
    if (type === 'NETNS_NEW' || type === 'NETNS_DEL') return explain(whyNetns(message, refused))
    if (type === 'ETHTOOL_MSG_FEATURES_SET' && refused.index !== undefined) {
      const { index, ...rest } = refused
      const field = `features.${Object.keys(message.features)[index]}`
      return explain({ ...rest, field }, { lead: 'netlink error' })
    }
    if (type.endsWith('MULTICAST')) return explain(refused, { lead: 'ioctl' })
    if (type.startsWith('ETHTOOL_') || type.startsWith('RPS_'))
      return explain(refused, { lead: 'netlink error' })
    return explain(refused, { device: codecOf(message)?.device?.(message as never) })
  }
  const whySysctl = (name: string, refused: answers.Refused): Refused => {
    const path = `/proc/sys/${name.replaceAll('.', '/')}`
    const words = strerror(refused.error)
    const message =
      refused.error === Errno.ENOENT
        ? `sysctl: cannot stat ${path}: ${words}`
        : `sysctl: setting key "${name}": ${words}`
    return explain({ ...refused, message })
  }
  /** iproute2: ip/ipnetns.c. */
  const whyNetns = (
    { type, name }: MessageOf<'NETNS_NEW' | 'NETNS_DEL'>,
    { error, ...refused }: answers.Refused
  ): answers.Refused => {
    const verb = type === 'NETNS_NEW' ? 'create' : 'remove'
    const what =
      error === Errno.ENOSPC
        ? `Failed to create a new network namespace "${name}"`
        : `Cannot ${verb} namespace file "/run/netns/${name}"`
    const isInvalid = error === Errno.EINVAL
    const message = isInvalid ? `Invalid netns name "${name}"` : `${what}: ${strerror(error)}`
    return { message, ...refused, error }
  }
  const written = (
    message: Message,
    outcome: answers.Outcome<unknown> | answers.Reply
  ): Outcome => {
    if (answers.isRefused(outcome)) return why(message, outcome)
    const codec = codecOf(message)
    const { item } = outcome
    return { error: 0, item: codec ? codec.write(item as never, message as never) : item }
  }

  return { read, written, why }
}
