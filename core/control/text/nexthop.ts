/** Nexthop objects between text and numbers, with the fields of `ip -j nexthop` (ip/ipnexthop.c) and its defaults. */
import { Errno } from '../../base/errno.ts'
import { AF_INET } from '../../base/family.ts'
import {
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RTNH_F_ONLINK,
} from '../../inet/fib/nexthop-constants.ts'
import { formatAddr, parseAddr } from '../../wire/text.ts'
import type { Bucket } from '../routes/nexthop-buckets.ts'
import type { NexthopObject, SeenNexthop, WantedNexthop } from '../routes/nexthop-store.ts'
import type * as numbers from '../rtnetlink.ts'
import type {
  BucketFilter,
  BucketItem,
  NexthopFilter,
  NexthopItem,
  NexthopObjectSpec,
  Refused,
} from './messages.ts'
import type { DeviceNames } from './names.ts'
import {
  addrOf,
  badAddress,
  familyName,
  familyNumber,
  familyOf,
  isRefused,
  noSuchDevice,
  protocolNames,
  refuseAs,
  scopeNames,
  wrong,
} from './names.ts'

const readGateway = (text: string | undefined): NexthopObject['gateway'] | Refused => {
  if (text === undefined) return null
  const addr = parseAddr(text)
  return addr === null ? badAddress(text, 'gateway') : { family: familyOf(addr), words: addr.words }
}
const readDevice = (dev: string | undefined, names: DeviceNames): number | Refused => {
  const ifindex = dev === undefined ? 0 : names.ifindexOf(dev)
  return dev !== undefined && ifindex === 0 ? noSuchDevice(dev) : ifindex
}
const isSet = (flag: null | boolean | undefined): boolean => flag === null || flag === true

/** The family of what names no gateway: none of what says nothing but an id. */
const familyOfSpec = ({ family, dev, blackhole }: NexthopObjectSpec): number =>
  family !== undefined ? familyNumber(family) : dev !== undefined || isSet(blackhole) ? AF_INET : 0

/** Netlink's unit of timers is a hundredth of a second (USER_HZ). */
const toMs = (seconds: number): number => Math.round(seconds * 100) * 10
const toSeconds = (ms: number): number => Math.floor(ms / 10) / 100

const readResilience = (spec: NexthopObjectSpec): WantedNexthop['resilient'] | Refused => {
  const { group, type, resilient_args: args = {} } = spec
  if (group === undefined) return null
  if (type === 'resilient')
    return {
      ...(args.buckets !== undefined && { buckets: args.buckets }),
      ...(args.idle_timer !== undefined && { idleMs: toMs(args.idle_timer) }),
      ...(args.unbalanced_timer !== undefined && { unbalancedMs: toMs(args.unbalanced_timer) }),
    }
  return spec.resilient_args === undefined
    ? null
    : refuseAs(
        Errno.EINVAL,
        'Error: No other attributes can be set in nexthop groups.',
        'resilient_args'
      )
}

/** A whole object, defaults filled in; whether it makes sense is for nexthops.ts. */
export const readNexthop = (
  spec: NexthopObjectSpec,
  names: DeviceNames
): WantedNexthop | Refused => {
  const gateway = readGateway(spec.gateway)
  if (isRefused(gateway)) return gateway
  const dev = readDevice(spec.dev, names)
  if (isRefused(dev)) return dev
  const protocol = spec.protocol === undefined ? 0 : protocolNames.parse(spec.protocol)
  if (protocol === null) return wrong(spec.protocol, '"protocol" value is invalid', 'protocol')
  const resilient = readResilience(spec)
  if (isRefused(resilient)) return resilient
  const { id = 0, group, flags } = spec
  return {
    id,
    family: gateway?.family ?? familyOfSpec(spec),
    protocol,
    dev,
    gateway,
    flags: flags?.includes('onlink') ? RTNH_F_ONLINK : 0,
    isBlackhole: isSet(spec.blackhole),
    members: group?.map(({ id, weight = 1 }) => ({ id, weight })) ?? null,
    resilient,
  }
}

const scopeOf = ({ members, isBlackhole, family, gateway }: NexthopObject): number => {
  if (members !== null || isBlackhole) return RT_SCOPE_UNIVERSE
  return family === AF_INET && gateway === null ? RT_SCOPE_HOST : RT_SCOPE_LINK
}
/** In the order of `ip -j nexthop`. */
export const writeNexthop = (one: SeenNexthop, names: DeviceNames): NexthopItem => {
  const { members, gateway, dev, isBlackhole, family, resilient, unbalancedTimeMs = 0 } = one
  return {
    id: one.id,
    ...(members && {
      group: members.map(({ id, weight }) => ({ id, ...(weight !== 1 && { weight }) })),
    }),
    ...(resilient && {
      type: 'resilient',
      resilient_args: {
        buckets: resilient.buckets,
        idle_timer: toSeconds(resilient.idleMs),
        unbalanced_timer: toSeconds(resilient.unbalancedMs),
        unbalanced_time: toSeconds(unbalancedTimeMs),
      },
    }),
    ...(gateway && { gateway: formatAddr(addrOf(gateway.family, gateway.words)) }),
    ...(members === null && !isBlackhole && { dev: names.nameOf(dev) }),
    scope: scopeNames.format(scopeOf(one)),
    ...(isBlackhole && { blackhole: null }),
    protocol: protocolNames.format(one.protocol),
    flags: (one.flags & RTNH_F_ONLINK) !== 0 ? ['onlink'] : [],
    ...(family !== 0 && { family: familyName(family) }),
  }
}

export const readNexthopFilter = (
  { family, id, dev, groups, protocol }: NexthopFilter,
  names: DeviceNames
): numbers.NexthopFilter | Refused => {
  const read: numbers.NexthopFilter = { family: family ? familyNumber(family) : 0 }
  const ifindex = readDevice(dev, names)
  if (isRefused(ifindex)) return ifindex
  if (dev !== undefined) read.dev = ifindex
  if (id !== undefined) read.id = id
  if (groups === true) read.groups = true
  if (protocol === undefined) return read
  const number = protocolNames.parse(protocol)
  return number === null
    ? wrong(protocol, 'invalid protocol value', 'protocol')
    : { ...read, protocol: number }
}

/** In the order of `ip -j nexthop bucket`. */
export const writeBucket = ({ id, index, nhid, idleMs }: Bucket): BucketItem => ({
  id,
  bucket: { index, idle_time: toSeconds(idleMs), nhid },
  flags: [],
})
export const readBucketFilter = (
  { family, id, dev, nhid }: BucketFilter,
  names: DeviceNames
): numbers.BucketFilter | Refused => {
  const ifindex = readDevice(dev, names)
  if (isRefused(ifindex)) return ifindex
  return {
    family: family ? familyNumber(family) : 0,
    ...(id !== undefined && { id }),
    ...(dev !== undefined && { dev: ifindex }),
    ...(nhid !== undefined && { nhid }),
  }
}
