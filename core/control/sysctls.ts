/**
 * sysctl: reads and writes the values of core/shm/sysctl.ts by their Linux names, those of several numbers
 * (tcp_rmem, ip_local_port_range) as one. Control thread.
 */
import { Errno } from '../base/errno.ts'
import type { Arena } from '../shm/arena.ts'
import { SYSCTLS } from '../shm/sysctl.ts'
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

export const createSysctls = ({ i32, layout }: Arena) => {
  const scalars = new Map(SYSCTLS.map(([name, index, , min, max]) => [name, { index, min, max }]))
  const inVector = new Set(Object.values(VECTORS).flat())
  const names = [...scalars.keys()]
    .filter((name) => !inVector.has(name))
    .concat(Object.keys(VECTORS))
    .sort()
  const wordOf = (name: string): number => layout.sysctl + scalars.get(name)!.index
  const partsOf = (name: string): readonly string[] | undefined =>
    VECTORS[name] ?? (scalars.has(name) ? [name] : undefined)

  const item = (name: string): SysctlItem => {
    // none is negative, and a mask has 32 bits
    const values = partsOf(name)!.map((part) => i32[wordOf(part)] >>> 0)
    return { name, value: values.length === 1 ? values[0] : values.join('\t') }
  }
  const unknown = refuse(Errno.ENOENT, null, 'name')

  const get = ({ name }: MessageOf<'SYSCTL_GET'>): Outcome<SysctlItem> =>
    partsOf(name) === undefined ? unknown : told(item(name))

  const set = ({ name, value }: MessageOf<'SYSCTL_SET'>): Outcome<SysctlItem> => {
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
