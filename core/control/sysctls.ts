/**
 * sysctl: reads and writes the values of core/shm/sysctl.ts by their Linux names, those of several numbers
 * (tcp_rmem, ip_local_port_range) as one, those that are names (tcp_congestion_control) as text; devices' settings
 * (net.ipv4.conf.*) are in devconf.ts. Control thread.
 */
import { Errno } from '../base/errno.ts'
import type { Arena } from '../shm/arena.ts'
import { fastopenKeysText, parseFastopenKeys } from '../shm/fastopen-key.ts'
import { bitsText, countBits, parseBits, reservedPorts, reservePorts } from '../shm/bit-list.ts'
import { PORT_BITS_WORDS } from '../shm/layout.ts'
import { SYSCTLS, type SysctlRow } from '../shm/sysctl.ts'
import { parseAddr } from '../wire/text.ts'
import { CONGESTION_CONTROLS } from '../transport/tcp/cong/tcp-cong-controls.ts'
import type { Outcome } from './rtnl/answers.ts'
import { changed, chunks, refuse, told } from './rtnl/answers.ts'
import { type ConfItem, confDefaults, type createDevConf } from './devconf.ts'
import type { MessageOf, SysctlItem } from './rtnetlink.ts'

/** What there is to choose from, by the sysctl that lists it; nobody sets these. */
const LISTS: Readonly<Record<string, readonly string[]>> = {
  'net.ipv4.tcp_available_congestion_control': CONGESTION_CONTROLS.map(({ name }) => name),
}
const ROWS = new Map(SYSCTLS.map((row) => [row.name, row]))
const NAMES = [...ROWS.keys(), ...Object.keys(LISTS)]

/** A value as it is shown. */
const shown = (
  { names, isKey, isPorts, isBits }: SysctlRow,
  values: readonly number[]
): number | string => {
  // that of an arena: item()
  if (isPorts) return ''
  if (isKey) return fastopenKeysText(values)
  if (isBits) return bitsText(values)
  if (names?.many) return LISTS[names.of].filter((_, k) => (values[0] >> k) & 1).join(' ')
  if (names) return LISTS[names.of][values[0]]
  // none is negative, and a mask has 32 bits
  return values.length === 1 ? values[0] >>> 0 : values.map((value) => value >>> 0).join('\t')
}

/** What each value is that nobody has set, as it is shown; of devices' settings those of `all` and `default`. */
export const sysctlDefaults = (): Map<string, number | string> =>
  new Map([
    ...SYSCTLS.map((row): [string, number | string] => [
      row.name,
      shown(
        row,
        row.words.map(([value]) => value)
      ),
    ]),
    ...confDefaults(),
  ])

/** The words of a text, or the errno of what it is not: numbers within their bounds, in rising order. */
const parseNumbers = ({ words, only, mayBeEmpty }: SysctlRow, text: string): number[] | number => {
  const numbers = text.split(/[\s,]+/).map(Number)
  const isValid =
    text !== '' &&
    numbers.length === words.length &&
    numbers.every((number, k) => {
      const [, min, max] = words[k]
      return (
        Number.isInteger(number) &&
        number >= min &&
        number <= max &&
        (k === 0 || mayBeEmpty || number >= numbers[k - 1]) &&
        (only !== 'powers of two' || (number & (number - 1)) === 0)
      )
    })
  return isValid ? numbers : Errno.EINVAL
}
const parseNames = (
  { of, many }: NonNullable<SysctlRow['names']>,
  text: string
): number[] | number => {
  const numbers = text.split(/\s+/).map((word) => LISTS[of].indexOf(word))
  if (numbers.includes(-1)) return Errno.ENOENT
  if (many) return [numbers.reduce((mask, number) => mask | (1 << number), 0)]
  return numbers.length === 1 ? numbers : Errno.EINVAL
}

/** The words of a value, or the errno of what is none. */
const parseValue = (row: SysctlRow, text: string): number[] | number => {
  if (row.isKey) return parseFastopenKeys(text) ?? Errno.EINVAL
  if (row.isBits) {
    const bits = parseBits(text, row.words.length)
    return bits === null ? Errno.EINVAL : [...bits]
  }
  return row.names ? parseNames(row.names, text) : parseNumbers(row, text)
}

/** What may be more is unsigned. */
const MAX_INT = 2147483647

type SysctlsDeps = { arena: Arena; devConf: ReturnType<typeof createDevConf> }

export const createSysctls = ({ arena, devConf }: SysctlsDeps) => {
  const { i32, layout } = arena
  const item = (name: string): SysctlItem | undefined => {
    const conf = devConf.find(name)
    if (conf !== undefined) return { name, value: devConf.get(conf) }
    if (Object.hasOwn(LISTS, name)) return { name, value: LISTS[name].join(' ') }
    const row = ROWS.get(name)
    if (row?.isPorts) return { name, value: bitsText(reservedPorts(arena)) }
    return (
      row && {
        name,
        value: shown(
          row,
          row.words.map(([, , max], k) => {
            const word = i32[layout.sysctl + row.first + k]
            return max > MAX_INT ? word >>> 0 : word
          })
        ),
      }
    )
  }
  const unknown = refuse(Errno.ENOENT, null, 'name')

  const get = ({ name }: MessageOf<'SYSCTL_GET'>): Outcome<SysctlItem> => {
    const found = item(name)
    return found === undefined ? unknown : told(found)
  }
  const set = ({ name, value }: MessageOf<'SYSCTL_SET'>): Outcome<SysctlItem> => {
    if (Object.hasOwn(LISTS, name)) return refuse(Errno.EACCES, null, 'value')
    const conf = devConf.find(name)
    if (conf?.isAddress) return setAddress(conf, String(value).trim())
    if (conf !== undefined) return setConf(conf, Number(String(value).trim()))
    const row = ROWS.get(name)
    if (row === undefined) return unknown
    if (row.isPorts) return setPorts(row, String(value))
    const parsed = parseValue(row, String(value).trim())
    if (typeof parsed === 'number') return refuse(parsed, null, 'value')
    if (!keepsOrder(row, parsed[0])) return refuse(Errno.EINVAL, null, 'value')
    i32.set(parsed, layout.sysctl + row.first)
    return changed(item(name)!)
  }
  /** Of two sysctls one bounds the other. */
  const keepsOrder = ({ notBelow, notAbove }: SysctlRow, value: number): boolean =>
    (notBelow === undefined || value >= firstOf(notBelow)) &&
    (notAbove === undefined || value <= firstOf(notAbove))
  const firstOf = (name: string): number => i32[layout.sysctl + ROWS.get(name)!.first]
  const setPorts = (row: SysctlRow, text: string): Outcome<SysctlItem> => {
    const ports = parseBits(text.trim(), PORT_BITS_WORDS)
    if (ports === null) return refuse(Errno.EINVAL, null, 'value')
    reservePorts(arena, ports)
    i32[layout.sysctl + row.first] = countBits(ports)
    return changed(item(row.name)!)
  }
  const setConf = (conf: ConfItem, value: number): Outcome<SysctlItem> => {
    if (!Number.isInteger(value) || value < conf.min || value > conf.max)
      return refuse(Errno.EINVAL, null, 'value')
    if (devConf.lacksSecret(conf, value)) return refuse(Errno.EINVAL, null, 'value')
    devConf.set(conf, value)
    return changed({ name: conf.name, value })
  }
  const setAddress = (conf: ConfItem, text: string): Outcome<SysctlItem> => {
    const addr = parseAddr(text)
    if (addr?.family !== 6) return refuse(Errno.EINVAL, null, 'value')
    if (devConf.isSecretOfAll(conf, addr.words)) return refuse(Errno.EIO, null, 'value')
    devConf.setAddress(conf, addr.words)
    return changed(item(conf.name)!)
  }
  const dump = (filter: { prefix?: string } = {}): Iterable<SysctlItem[]> => {
    const names = [...NAMES, ...devConf.names()].sort()
    return chunks(
      names.filter((name) => name.startsWith(filter.prefix ?? '')).map((name) => item(name)!)
    )
  }
  return { get, set, dump }
}
