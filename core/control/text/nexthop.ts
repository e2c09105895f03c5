/** Nexthop objects between text and numbers, with the fields of `ip -j nexthop` (ip/ipnexthop.c) and its defaults. */
import { AF_INET } from '../../base/family.ts'
import {
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RTNH_F_ONLINK,
} from '../../inet/nexthop-constants.ts'
import { formatAddr, parseAddr } from '../../wire/text.ts'
import type { NexthopObject } from '../nexthop-store.ts'
import type * as numbers from '../rtnetlink.ts'
import type { NexthopFilter, NexthopItem, NexthopObjectSpec, Refused } from './messages.ts'
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

/** A whole object, defaults filled in; whether it makes sense is for nexthops.ts. */
export const readNexthop = (
  spec: NexthopObjectSpec,
  names: DeviceNames
): NexthopObject | Refused => {
  const gateway = readGateway(spec.gateway)
  if (isRefused(gateway)) return gateway
  const dev = readDevice(spec.dev, names)
  if (isRefused(dev)) return dev
  const protocol = spec.protocol === undefined ? 0 : protocolNames.parse(spec.protocol)
  if (protocol === null) return wrong(spec.protocol, '"protocol" value is invalid', 'protocol')
  const { id = 0, group, flags } = spec
  return {
    id,
    family: group === undefined ? (gateway?.family ?? familyOfSpec(spec)) : 0,
    protocol,
    dev,
    gateway,
    flags: flags?.includes('onlink') ? RTNH_F_ONLINK : 0,
    isBlackhole: isSet(spec.blackhole),
    members: group?.map(({ id, weight = 1 }) => ({ id, weight })) ?? null,
  }
}

const scopeOf = ({ members, isBlackhole, family, gateway }: NexthopObject): number => {
  if (members !== null || isBlackhole) return RT_SCOPE_UNIVERSE
  return family === AF_INET && gateway === null ? RT_SCOPE_HOST : RT_SCOPE_LINK
}
/** In the order of `ip -j nexthop`. */
export const writeNexthop = (one: NexthopObject, names: DeviceNames): NexthopItem => {
  const { members, gateway, dev, isBlackhole, family } = one
  return {
    id: one.id,
    ...(members && {
      group: members.map(({ id, weight }) => ({ id, ...(weight !== 1 && { weight }) })),
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
