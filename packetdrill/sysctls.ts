/** Commands of scripts: those that set sysctls, by the names and bounds of core/shm/sysctl.ts; device.ts has others. */
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseFastopenKeys } from '../core/shm/fastopen-key.ts'
import { SYSCTLS, type SysctlRow } from '../core/shm/sysctl.ts'
import { CONGESTION_CONTROLS } from '../core/transport/tcp/rec/tcp-cong-controls.ts'
import { runDeviceCommand } from './device.ts'
import type { Host } from './host.ts'
import { Unsupported } from './script.ts'

const product = (text: string): number =>
  text.split('*').reduce((value, factor) => value * Number(factor), 1)

const wordsOf = (row: SysctlRow, value: string): number[] => {
  if (row.isKey) return parseFastopenKeys(value) ?? [Number.NaN]
  if (row.names !== undefined) return [CONGESTION_CONTROLS.findIndex(({ name }) => name === value)]
  return value.trim().split(/\s+/).map(Number)
}

/** `note` is told what was left out. */
export const createCommands = (host: Pick<Host, 'path' | 'setFull'>, folder: string, note: (text: string) => void) => {
  const { arena } = host.path
  const set = (name: string, value: string): void => {
    const row = SYSCTLS.find((known) => known.name === name)
    if (row === undefined) return note(`there is no sysctl ${name}`)
    const values = wordsOf(row, value)
    if (values.some((word, k) => !(word >= Math.min(0, row.words[k]![1]))))
      return note(`${name} cannot be "${value}"`)
    for (const [k, word] of values.entries())
      arena.i32[arena.layout.sysctl + row.first + k] = Math.min(word, row.words[k]?.[2] ?? word)
  }
  /** `sysctl -q a=1 b="2 3"`: the settings of a line. */
  const settings = (line: string): void => {
    const text = line.replaceAll(/\$\(\(([\d*]+)\)\)/g, (_, sum: string) => `${product(sum)}`)
    for (const [, name, quoted, plain] of text.matchAll(/([\w./-]+)=(?:"([^"]*)"|(\S+))/g))
      set(name!.replace('/proc/sys/', '').replaceAll('/', '.'), quoted ?? plain!)
  }
  const SETS = /^(?:sysctl\b|\S*set_sysctls\.py\b)/
  /** A file of commands, such as a folder's defaults; what is not a sysctl of it concerns a kernel's device. */
  const source = (file: string): void => {
    for (const line of readFileSync(file, 'utf8').split('\n'))
      if (SETS.test(line.trim())) settings(line)
  }

  /** Runs the text between backticks. */
  const run = (text: string): void => {
    for (const part of text.replaceAll(/\\\s*\n/g, ' ').split(/\n|;/)) {
      const line = part.trim()
      if (line === '' || line.startsWith('#') || line.startsWith('//')) continue
      // every script has a host of its own, so there is nothing to put back
      if (line.startsWith('/tmp/sysctl_restore_')) continue
      const file = resolve(folder, line.split(/\s/)[0]!)
      if (SETS.test(line)) settings(line)
      else if (line.includes('/') && file.endsWith('.sh') && existsSync(file)) source(file)
      else if (line.includes('>') && line.includes('/sys/module/')) note(`not done: ${line}`)
      else if (!runDeviceCommand(line, host)) throw new Unsupported(`the command "${line}"`)
    }
  }
  return { run }
}
