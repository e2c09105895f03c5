/**
 * sysctl: reads and writes the values of core/shm/sysctl.ts by their Linux names, those of several numbers
 * (tcp_rmem, ip_local_port_range) as one, those that are names (tcp_congestion_control) as text. Control thread.
 */
import { Errno } from '../base/errno.ts'
import type { Arena } from '../shm/arena.ts'
import { NAME_SYSCTLS, Sysctl, SYSCTLS } from '../shm/sysctl.ts'
import { CONGESTION_CONTROLS } from '../transport/tcp/rec/tcp-cong.ts'
import type { Outcome } from './answers.ts'
import { changed, chunks, refuse, told } from './answers.ts'
import type { MessageOf, SysctlItem } from './rtnetlink.ts'

/** Values that Linux shows as one line. */
const VECTORS: Record<string, readonly string[]> = {
  'net.ipv4.ip_local_port_range': [
    'net.ipv4.ip_local_port_range_min',
    'net.ipv4.ip_local_port_range_max',
  ],
  'net.ipv4.tcp_rmem': [
    'net.ipv4.tcp_rmem_min',
    'net.ipv4.tcp_rmem_default',
    'net.ipv4.tcp_rmem_max',
  ],
  'net.ipv4.tcp_wmem': [
    'net.ipv4.tcp_wmem_min',
    'net.ipv4.tcp_wmem_default',
    'net.ipv4.tcp_wmem_max',
  ],
}

/** Values that are names: a word chooses one of `names`, or has a bit for each; without a word they are just listed. */
type Named = { names: readonly string[]; word?: number; isMask?: true }
const CONGESTION = CONGESTION_CONTROLS.map(({ name }) => name)
const NAMED: Record<string, Named> = {
  'net.ipv4.tcp_congestion_control': { names: CONGESTION, word: Sysctl.tcp_congestion_control },
  'net.ipv4.tcp_available_congestion_control': { names: CONGESTION },
  'net.ipv4.tcp_allowed_congestion_control': {
    names: CONGESTION,
    word: Sysctl.tcp_allowed_congestion_control,
    isMask: true,
  },
}
const textOf = ({ names, isMask }: Named, value: number): string =>
  isMask ? names.filter((_, k) => (value >> k) & 1).join(' ') : names[value]

/** What each value is that nobody has set, as it is shown; vectors by their parts. */
export const sysctlDefaults = (): Map<string, number | string> =>
  new Map<string, number | string>([
    ...SYSCTLS.map(([name, , value]): [string, number] => [name, value]),
    ...NAME_SYSCTLS.map(([name, , value]): [string, string] => [name, textOf(NAMED[name], value)]),
  ])

export const createSysctls = ({ i32, layout }: Arena) => {
  const scalars = new Map(SYSCTLS.map(([name, index, , min, max]) => [name, { index, min, max }]))
  const inVector = new Set(Object.values(VECTORS).flat())
  const names = [...scalars.keys()]
    .filter((name) => !inVector.has(name))
    .concat(Object.keys(VECTORS), Object.keys(NAMED))
    .sort()
  const wordOf = (name: string): number => layout.sysctl + scalars.get(name)!.index
  const partsOf = (name: string): readonly string[] | undefined =>
    VECTORS[name] ?? (scalars.has(name) ? [name] : undefined)

  const namedItem = (name: string): SysctlItem => {
    const { names: all, word } = NAMED[name]
    const value =
      word === undefined ? all.join(' ') : textOf(NAMED[name], i32[layout.sysctl + word])
    return { name, value }
  }
  const item = (name: string): SysctlItem => {
    if (Object.hasOwn(NAMED, name)) return namedItem(name)
    // none is negative, and a mask has 32 bits
    const values = partsOf(name)!.map((part) => i32[wordOf(part)] >>> 0)
    return { name, value: values.length === 1 ? values[0] : values.join('\t') }
  }
  const unknown = refuse(Errno.ENOENT, null, 'name')

  const isKnown = (name: string): boolean =>
    partsOf(name) !== undefined || Object.hasOwn(NAMED, name)
  const get = ({ name }: MessageOf<'SYSCTL_GET'>): Outcome<SysctlItem> =>
    isKnown(name) ? told(item(name)) : unknown

  const setNamed = (name: string, value: string): Outcome<SysctlItem> => {
    const { names: all, word, isMask } = NAMED[name]
    if (word === undefined) return refuse(Errno.EACCES, null, 'value')
    const chosen = value.trim().split(/\s+/)
    const numbers = chosen.map((one) => all.indexOf(one))
    if (numbers.includes(-1)) return refuse(Errno.ENOENT, null, 'value')
    if (!isMask && numbers.length !== 1) return refuse(Errno.EINVAL, null, 'value')
    i32[layout.sysctl + word] = isMask
      ? numbers.reduce((mask, number) => mask | (1 << number), 0)
      : numbers[0]
    return changed(item(name))
  }

  const set = ({ name, value }: MessageOf<'SYSCTL_SET'>): Outcome<SysctlItem> => {
    if (Object.hasOwn(NAMED, name)) return setNamed(name, String(value))
    const parts = partsOf(name)
    if (parts === undefined) return unknown
    const numbers = String(value)
      .trim()
      .split(/[\s,]+/)
      .map(Number)
    const isValid =
      numbers.length === parts.length &&
      numbers.every((number, k) => {
        const { min, max } = scalars.get(parts[k])!
        return (
          Number.isInteger(number) &&
          number >= min &&
          number <= max &&
          (k === 0 || number >= numbers[k - 1])
        )
      })
    if (!isValid) return refuse(Errno.EINVAL, null, 'value')
    for (const [k, part] of parts.entries()) i32[wordOf(part)] = numbers[k]
    return changed(item(name))
  }
  const dump = (filter: { prefix?: string } = {}): Iterable<SysctlItem[]> =>
    chunks(names.filter((name) => name.startsWith(filter.prefix ?? '')).map(item))
  return { get, set, dump }
}
