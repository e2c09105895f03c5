/**
 * Multicast routes between words and numbers, as `ip mroute` prints them (ip/ipmroute.c).
 */
import { Errno } from '../../base/errno.ts'
import {
  MC_ROLE_DOWNSTREAM,
  MC_ROLE_NONE,
  MC_ROLE_STATIC,
  MC_ROLE_UPSTREAM,
} from '../../inet/mc/mfc-constants.ts'
import type { MfcRoute } from '../../inet/mc/mfc-table.ts'
import { formatWords, mapIpv4, parseAddr, type Words } from '../../wire/text.ts'
import type * as numbers from '../rtnetlink.ts'
import type { MrouteItem, MrouteSpec, MvifItem, MvifRole, MvifSpec, Refused } from './messages.ts'
import type { DeviceNames } from './names.ts'
import { badPrefix, familyName, familyNumber, isRefused, noSuchDevice, refuseAs } from './names.ts'

const ROLES: Readonly<Record<MvifRole, number>> = {
  none: MC_ROLE_NONE,
  static: MC_ROLE_STATIC,
  downstream: MC_ROLE_DOWNSTREAM,
  upstream: MC_ROLE_UPSTREAM,
}
const ROLE_NAMES = Object.keys(ROLES) as MvifRole[]
const MOST_TTL = 255

/** Any source, of the group's family. */
const anySource = (group: Words): Words =>
  parseAddr(formatWords(...group))?.family === 4 ? mapIpv4(0) : [0, 0, 0, 0]
const readPair = ({
  src,
  dst,
}: Pick<MrouteSpec, 'src' | 'dst'>): { source: Words; group: Words } | Refused => {
  const group = parseAddr(dst)
  if (group === null) return badPrefix(dst, 'dst')
  if (src === undefined || src === 'any')
    return { source: anySource(group.words), group: group.words }
  const source = parseAddr(src)
  return source === null ? badPrefix(src, 'src') : { source: source.words, group: group.words }
}
export const readMrouteKey = readPair

export const readMroute = (spec: MrouteSpec, names: DeviceNames): MfcRoute | Refused => {
  const pair = readPair(spec)
  if (isRefused(pair)) return pair
  const iif = names.ifindexOf(spec.iif)
  if (iif === 0) return noSuchDevice(spec.iif, 'iif')
  const oifs: { ifindex: number; ttl: number }[] = []
  for (const [k, { dev, ttl = 1 }] of (spec.oifs ?? []).entries()) {
    const ifindex = names.ifindexOf(dev)
    if (ifindex === 0) return noSuchDevice(dev, `oifs[${k}].dev`)
    if (!(Number.isInteger(ttl) && ttl >= 1 && ttl <= MOST_TTL))
      return refuseAs(
        Errno.EINVAL,
        `Error: argument "${ttl}" is wrong: "ttl" value is invalid`,
        `oifs[${k}].ttl`
      )
    oifs.push({ ifindex, ttl })
  }
  return { ...pair, iif, oifs, isUnresolved: false }
}
export const writeMroute = (route: numbers.Mroute, names: DeviceNames): MrouteItem => ({
  src: formatWords(...route.source),
  dst: formatWords(...route.group),
  family: familyName(route.family),
  iif: route.isUnresolved ? 'unresolved' : names.nameOf(route.iif),
  multipath: route.oifs.map(({ ifindex, ttl }) => ({
    oif: names.nameOf(ifindex),
    ...(ttl > 1 && { ttl }),
  })),
  state: route.isUnresolved ? 'unresolved' : 'resolved',
  protocol: route.isSet ? 'static' : 'mrouted',
  packets: route.packets,
  bytes: route.bytes,
  wrong_if: route.wrongIf,
  age_ms: route.ageMs,
})

export const readMvif = (
  { ifname, family = 'inet', role }: MvifSpec,
  names: DeviceNames
): { ifindex: number; family: number; role: number } | Refused => {
  const ifindex = names.ifindexOf(ifname)
  if (ifindex === 0) return noSuchDevice(ifname, 'ifname')
  return { ifindex, family: familyNumber(family), role: ROLES[role] }
}
export const writeMvif = (vif: numbers.Mvif, names: DeviceNames): MvifItem => ({
  ifname: names.nameOf(vif.ifindex),
  ifindex: vif.ifindex,
  family: familyName(vif.family),
  role: ROLE_NAMES.find((name) => ROLES[name] === vif.role) ?? 'none',
  bytes_in: vif.bytesIn,
  packets_in: vif.packetsIn,
  bytes_out: vif.bytesOut,
  packets_out: vif.packetsOut,
})
