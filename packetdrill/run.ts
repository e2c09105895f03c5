/**
 * `softnet packetdrill`: plays scripts in packetdrill's language against a stack in this process, in virtual time.
 * README.md says what of the language there is.
 */
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { followWrapper } from '../workers/os/parent.ts'
import type { Mode } from './host.ts'
import { playFile, type Verdict } from './play-file.ts'

const USAGE = `Usage: softnet packetdrill [ OPTIONS ] FILE | DIR ...
   --ipv4 | --ipv6 | --mapped   over which the scripts are played (IPv4)
   --any-options                which options a SYN has, and in which order, is not compared
   --any-window                 neither are windows
   -D NAME=VALUE                a name that scripts use
   -v                           the packets of every script, not only of those that fail`

const OPTIONS = {
  ipv4: { type: 'boolean' },
  ipv6: { type: 'boolean' },
  mapped: { type: 'boolean' },
  'any-options': { type: 'boolean', default: false },
  'any-window': { type: 'boolean', default: false },
  define: { type: 'string', short: 'D', multiple: true, default: [] as string[] },
  verbose: { type: 'boolean', short: 'v', default: false },
  help: { type: 'boolean', short: 'h' },
} as const

const usage = (message: string): never => {
  console.error(message)
  process.exit(2)
}
const readArgs = () => {
  try {
    return parseArgs({ allowPositionals: true, options: OPTIONS })
  } catch (error) {
    return usage(`softnet packetdrill: ${(error as Error).message}\n${USAGE}`)
  }
}
followWrapper()
const { values, positionals } = readArgs()
if (values.help) {
  console.log(USAGE)
  process.exit()
}
if (positionals.length === 0) usage(USAGE)

const modes = (['ipv4', 'ipv6', 'mapped'] as Mode[]).filter((mode) => values[mode] === true)
if (modes.length > 1) usage('softnet packetdrill: one of --ipv4, --ipv6 and --mapped')
const definition = (text: string): [string, string] => {
  const at = text.indexOf('=')
  return at < 0 ? [text, '1'] : [text.slice(0, at), text.slice(at + 1)]
}
const settings = {
  mode: modes[0] ?? 'ipv4',
  anyOptions: values['any-options'],
  anyWindow: values['any-window'],
  defined: new Map(values.define.map(definition)),
}

/** Scripts in a folder, by name. */
const filesOf = (path: string): string[] => {
  if (!existsSync(path)) return usage(`softnet packetdrill: ${path}: there is no such file`)
  if (!statSync(path).isDirectory()) return [path]
  return [...new Bun.Glob('**/*.pkt').scanSync({ cwd: path })]
    .sort()
    .map((name) => join(path, name))
}
const show = (file: string, { result, reason, mode, trace, notes }: Verdict): void => {
  const how = mode === settings.mode ? '' : ` (${mode})`
  console.log(`${result} ${file}${how}${result === 'skipped' ? `: ${reason}` : ''}`)
  if (result === 'failed' || values.verbose) for (const line of trace) console.log(`    ${line}`)
  if (result !== 'failed') return
  console.log(`  ${reason}`)
  for (const note of notes) console.log(`  (${note})`)
}

const counts = { passed: 0, failed: 0, skipped: 0 }
for (const file of positionals.flatMap(filesOf)) {
  const verdict = playFile(file, settings)
  counts[verdict.result]++
  show(file, verdict)
}
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
process.exitCode = counts.failed === 0 ? 0 : 1
