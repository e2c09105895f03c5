/** Commands of scripts: those that set sysctls, by the names and bounds of core/shm/sysctl.ts; device.ts has others. */
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseFastopenKeys } from '../core/shm/fastopen-key.ts'
import { SYSCTLS, type SysctlRow } from '../core/shm/sysctl.ts'
import { CONGESTION_CONTROLS } from '../core/transport/tcp/cong/tcp-cong-controls.ts'
import { Mib, sumCounter } from '../core/shm/counters.ts'
import { runDeviceCommand } from './device.ts'
import type { Host } from './host.ts'
import { Mismatch, Unsupported } from './script.ts'

const product = (text: string): number =>
  text.split('*').reduce((value, factor) => value * Number(factor), 1)

const wordsOf = (row: SysctlRow, value: string): number[] => {
  if (row.isKey) return parseFastopenKeys(value) ?? [Number.NaN]
  if (row.names !== undefined) return [CONGESTION_CONTROLS.findIndex(({ name }) => name === value)]
  return value.trim().split(/\s+/).map(Number)
}

/** `note` is told what was left out. */
export const createCommands = (host: Host, folder: string, note: (text: string) => void) => {
  const { stack, disk } = host
  const { arena } = host.path
  const refuse = (text: string): false => {
    note(text)
    return false
  }
  const set = (name: string, value: string): boolean => {
    const row = SYSCTLS.find((known) => known.name === name)
    if (row === undefined) return refuse(`there is no sysctl ${name}`)
    const values = wordsOf(row, value)
    if (values.some((word, k) => !(word >= Math.min(0, row.words[k]![1]))))
      return refuse(`${name} cannot be "${value}"`)
    for (const [k, word] of values.entries())
      arena.i32[arena.layout.sysctl + row.first + k] = Math.min(word, row.words[k]?.[2] ?? word)
    return true
  }
  /** `sysctl -q a=1 b="2 3"`: the settings of a line; whether there are all of them. */
  const settings = (line: string): boolean => {
    let isDone = true
    const text = line.replaceAll(/\$\(\(([\d*]+)\)\)/g, (_, sum: string) => `${product(sum)}`)
    for (const [, name, quoted, plain] of text.matchAll(/([\w./-]+)=(?:"([^"]*)"|(\S+))/g))
      if (!set(name!.replace('/proc/sys/', '').replaceAll('/', '.'), quoted ?? plain!))
        isDone = false
    return isDone
  }
  const SETS = /^(?:sysctl\b|\S*set_sysctls\.py\b)/
  /** A file of commands, such as a folder's defaults; what is not a sysctl of it concerns a kernel's device. */
  const source = (file: string): void => {
    for (const line of readFileSync(file, 'utf8').split('\n'))
      if (SETS.test(line.trim())) settings(line)
  }

  /** What counters were when `nstat` was last asked. */
  let history = new Map<string, number>()
  const counters = (): Map<string, number> =>
    new Map(Object.entries(Mib).map(([name, index]) => [name, sumCounter(arena, index)]))
  /** `nstat` remembers; `nstat | grep NAME` is true when the counter has risen since. */
  const nstat = (name: string | undefined): boolean => {
    const now = counters()
    const isRisen = name === undefined || now.get(name) !== (history.get(name) ?? 0)
    history = now
    return isRisen
  }
  const DD = /^(?:\/bin\/)?dd bs=(\d+) count=(\d+) if=\/dev\/zero of=(\S+)/
  const RM = /^(?:\/bin\/)?rm -f (\S+)/
  /** What only looks at a kernel's tables, and fails only where there is none. */
  const LOOKS = /^grep [^>;]* \/proc\/net\/tcp/
  const NSTAT = /^nstat(?:\s*\|\s*grep (\w+))?\s*>\s*\/dev\/null$/

  /** Runs the text between backticks. */
  const run = (text: string): void => {
    for (const part of text.replaceAll(/\\\s*\n/g, ' ').split(/\n|;/)) runLine(part)
  }
  const runLine = (part: string): void => {
    // the first of several that does it
    for (const alternative of part.split('||')) if (runCommand(alternative.trim())) return
  }
  const runCommand = (line: string): boolean => {
    if (line === '' || line.startsWith('#') || line.startsWith('//')) return true
    // every script has a host of its own, so there is nothing to put back
    if (line.startsWith('/tmp/sysctl_restore_')) return true
    const file = resolve(folder, line.split(/\s/)[0]!)
    const counted = NSTAT.exec(line)
    const zeros = DD.exec(line)
    const removed = RM.exec(line)
    if (SETS.test(line)) return settings(line)
    if (counted !== null) {
      if (!nstat(counted[1])) throw new Mismatch(`${counted[1]} has not risen`)
    } else if (zeros !== null) disk.set(zeros[3]!, Number(zeros[1]) * Number(zeros[2]))
    else if (removed !== null) disk.delete(removed[1]!)
    else if (line.startsWith('ip tcp_metrics flush')) stack.tcp.flushMetrics()
    else if (line.includes('/') && file.endsWith('.sh') && existsSync(file)) source(file)
    else if (line.includes('>') && line.includes('/sys/module/')) note(`not done: ${line}`)
    else if (LOOKS.test(line)) note(`not done: ${line}`)
    else if (!runDeviceCommand(line, host)) throw new Unsupported(`the command "${line}"`)
    return true
  }
  return { run }
}
