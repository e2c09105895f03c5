/**
 * Names of numbers, as iproute2 reads and prints them (/etc/iproute2/rt_tables, rt_protos, rt_scopes), and the
 * words of errors: what strerror says, with iproute2's lead.
 */
import { Errno, errnoName } from '../../base/errno.ts'
import { AF_INET, AF_INET6 } from '../../base/family.ts'
import type { Addr } from '../../wire/text.ts'
import * as numbers from '../rtnl/answers.ts'
import type { FamilyName, Refused } from './messages.ts'

type Names = readonly (readonly [number: number, name: string])[]

const TABLES: Names = [
  [255, 'local'],
  [254, 'main'],
  [253, 'default'],
]
const PROTOCOLS: Names = [
  [0, 'unspec'],
  [1, 'redirect'],
  [2, 'kernel'],
  [3, 'boot'],
  [4, 'static'],
  [8, 'gated'],
  [9, 'ra'],
  [10, 'mrt'],
  [11, 'zebra'],
  [12, 'bird'],
  [13, 'dnrouted'],
  [14, 'xorp'],
  [15, 'ntk'],
  [16, 'dhcp'],
  [17, 'mrouted'],
  [18, 'keepalived'],
  [42, 'babel'],
  [186, 'bgp'],
  [187, 'isis'],
  [188, 'ospf'],
  [189, 'rip'],
  [192, 'eigrp'],
]
const SCOPES: Names = [
  [0, 'global'],
  [200, 'site'],
  [253, 'link'],
  [254, 'host'],
  [255, 'nowhere'],
]
const TYPES: Names = [
  [1, 'unicast'],
  [2, 'local'],
  [3, 'broadcast'],
  [4, 'anycast'],
  [5, 'multicast'],
  [6, 'blackhole'],
  [7, 'unreachable'],
  [8, 'prohibit'],
  [9, 'throw'],
]

/** /etc/protocols */
const IP_PROTOCOLS: Names = [
  [1, 'icmp'],
  [2, 'igmp'],
  [4, 'ipencap'],
  [6, 'tcp'],
  [17, 'udp'],
  [33, 'dccp'],
  [41, 'ipv6'],
  [47, 'gre'],
  [50, 'esp'],
  [51, 'ah'],
  [58, 'ipv6-icmp'],
  [89, 'ospf'],
  [103, 'pim'],
  [112, 'vrrp'],
  [132, 'sctp'],
  [136, 'udplite'],
]

const namer = (names: Names) => {
  const byNumber = new Map(names)
  const byName = new Map(names.map(([number, name]) => [name, number]))
  return {
    /** The name, or the number as text. */
    format: (number: number): string => byNumber.get(number) ?? String(number),
    /** The number of a name or of a number in digits up to `max`; null for anything else. */
    parse: (text: string | number, max = 255): number | null => {
      const known = byName.get(String(text))
      if (known !== undefined) return known
      const number = Number(text)
      return /^\d+$/.test(String(text)) && number <= max ? number : null
    },
  }
}

export const tableNames = namer(TABLES)
export const protocolNames = namer(PROTOCOLS)
export const scopeNames = namer([...SCOPES, [0, 'universe']].toReversed() as Names)
export const typeNames = namer(TYPES)
export const ipProtocolNames = namer(IP_PROTOCOLS)

const PHRASES: Record<number, string> = {
  [Errno.EPERM]: 'Operation not permitted',
  [Errno.ENOENT]: 'No such file or directory',
  [Errno.ESRCH]: 'No such process',
  [Errno.EIO]: 'Input/output error',
  [Errno.ENXIO]: 'No such device or address',
  [Errno.EAGAIN]: 'Resource temporarily unavailable',
  [Errno.ENOMEM]: 'Cannot allocate memory',
  [Errno.EACCES]: 'Permission denied',
  [Errno.EBUSY]: 'Device or resource busy',
  [Errno.EEXIST]: 'File exists',
  [Errno.EXDEV]: 'Invalid cross-device link',
  [Errno.ENODEV]: 'No such device',
  [Errno.EINVAL]: 'Invalid argument',
  [Errno.ENOSPC]: 'No space left on device',
  [Errno.ERANGE]: 'Numerical result out of range',
  [Errno.EMSGSIZE]: 'Message too long',
  [Errno.EOPNOTSUPP]: 'Operation not supported',
  [Errno.EAFNOSUPPORT]: 'Address family not supported by protocol',
  [Errno.EADDRINUSE]: 'Address already in use',
  [Errno.EADDRNOTAVAIL]: 'Cannot assign requested address',
  [Errno.ENETDOWN]: 'Network is down',
  [Errno.ENETUNREACH]: 'Network is unreachable',
  [Errno.ENOBUFS]: 'No buffer space available',
  [Errno.ETIMEDOUT]: 'Connection timed out',
  [Errno.EHOSTUNREACH]: 'No route to host',
}

export const strerror = (errno: number): string => PHRASES[errno] ?? errnoName(errno)

/** As of answers.ts, of what is in words. */
export const isRefused: (value: unknown) => value is Refused = numbers.isRefused as never

/** A refusal as iproute2 prints it, or ethtool. `device` is the name of the device that is not there. */
export const explain = (
  { error, extack, message, ...rest }: numbers.Refused,
  { device, lead = 'RTNETLINK answers' }: { device?: string | undefined; lead?: string } = {}
): Refused => {
  const isNoDevice = error === Errno.ENODEV && extack === null && device !== undefined
  const own = extack === null ? `${lead}: ${strerror(error)}` : `Error: ${extack}.`
  return {
    error,
    message: message ?? (isNoDevice ? `Cannot find device "${device}"` : own),
    ...rest,
  }
}

/** A refusal of what one has written, in iproute2's own words. */
export const refuseAs = (errno: number, message: string, field?: string): Refused => ({
  error: errno,
  message,
  ...(field === undefined ? {} : { field }),
})

export const noSuchDevice = (name: string, field = 'dev'): Refused =>
  refuseAs(Errno.ENODEV, `Cannot find device "${name}"`, field)

export const noSuchNetns = (name: string): Refused =>
  refuseAs(
    Errno.ENOENT,
    `Cannot open network namespace "${name}": ${strerror(Errno.ENOENT)}`,
    'name'
  )

/** "10.0.0.0/33" and the like. */
export const badPrefix = (text: string, field: string, family = 'inet'): Refused =>
  refuseAs(Errno.EINVAL, `Error: ${family} prefix is expected rather than "${text}".`, field)
export const badAddress = (text: string, field: string, family = 'inet'): Refused =>
  refuseAs(Errno.EINVAL, `Error: ${family} address is expected rather than "${text}".`, field)
export const wrong = (value: unknown, why: string, field: string): Refused =>
  refuseAs(Errno.EINVAL, `Error: argument "${value}" is wrong: ${why}`, field)

/** How the devices that a message names are found, and those it numbers named. */
export type DeviceNames = {
  ifindexOf: (name: string) => number
  nameOf: (ifindex: number) => string
}

export const familyOf = (addr: Addr): number => (addr.family === 4 ? AF_INET : AF_INET6)
export const familyName = (family: number): FamilyName => (family === AF_INET ? 'inet' : 'inet6')
export const familyNumber = (name: FamilyName): number => (name === 'inet' ? AF_INET : AF_INET6)
export const addrOf = (family: number, words: Addr['words']): Addr => ({
  family: family === AF_INET ? 4 : 6,
  words,
})
