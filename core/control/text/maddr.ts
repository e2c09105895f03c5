/**
 * Multicast addresses of devices between words and numbers, as `ip maddress` reads and prints them (ip/ipmaddr.c).
 */
import { Errno } from '../../base/errno.ts'
import { AF_INET, AF_INET6, familyOf } from '../../base/family.ts'
import { MC_REPORT_LAST, MC_REPORT_TIMER } from '../../inet/mc/mc-constants.ts'
import { formatMac, formatWords, type Mac, parseMac, type Words } from '../../wire/text.ts'
import type * as numbers from '../rtnetlink.ts'
import type { MaddrAddress, MaddrItem, MaddrSpec, Refused } from './messages.ts'
import type { DeviceNames } from './names.ts'
import { familyName, refuseAs } from './names.ts'

export const readMaddr = (
  { dev, link }: MaddrSpec,
  names: DeviceNames
): { ifindex: number; mac: Mac } | Refused => {
  const ifindex = names.ifindexOf(dev)
  if (ifindex === 0) return refuseAs(Errno.ENODEV, 'ioctl: No such device', 'dev')
  const mac = parseMac(link)
  return mac === null
    ? refuseAs(Errno.EINVAL, `"${link}" is invalid lladdr.`, 'link')
    : { ifindex, mac }
}

const FAMILIES = [AF_INET, AF_INET6]
const familyOfWords = (words: Words): number => familyOf(Int32Array.from(words), 0)

const writeGroup = (group: numbers.MaddrGroup): MaddrAddress => {
  const { words, users, sources, version, report, dueMs } = group
  return {
    family: familyName(familyOfWords(words)),
    address: formatWords(...words),
    users,
    version,
    ...((report & MC_REPORT_TIMER) !== 0 && { report_ms: dueMs }),
    ...((report & MC_REPORT_LAST) !== 0 && { reporter: true }),
    ...(sources.length > 0 && {
      sources: sources.map(({ words, included, excluded }) => ({
        address: formatWords(...words),
        included,
        excluded,
      })),
    }),
  }
}
const writeLink = ({ mac, users, isStatic }: numbers.MaddrLink): MaddrItem['links'][number] => ({
  link: formatMac(mac.hi, mac.lo),
  users,
  static: isStatic,
})
/** Those of one family, or all with the link's own. */
export const writeMaddr = (
  { ifindex, links, groups }: numbers.MaddrInfo,
  names: DeviceNames,
  family?: number
): MaddrItem => {
  const of = (wanted: number): MaddrAddress[] =>
    groups.filter(({ words }) => familyOfWords(words) === wanted).map(writeGroup)
  return {
    ifindex,
    ifname: names.nameOf(ifindex),
    links: family === undefined ? links.map(writeLink) : [],
    groups: FAMILIES.filter((one) => family === undefined || one === family).flatMap(of),
  }
}
