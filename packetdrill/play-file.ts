/** One script file, played against a fresh host: whether it passed, and if not, why. */
import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { createHost, type Mode } from './host.ts'
import { parseScript, preprocess } from './parse.ts'
import { play, type Rules } from './player.ts'
import { Mismatch, SyntaxFault, Unsupported } from './script.ts'
import { createCommands } from './sysctls.ts'

export type Settings = Rules & { mode: Mode; defined: ReadonlyMap<string, string> }
export type Verdict = {
  result: 'passed' | 'failed' | 'skipped'
  /** Why, when it did not pass. */
  reason: string
  /** The packets so far, as tcpdump prints them. */
  trace: string[]
  /** Settings of the script that the stack does not have. */
  notes: string[]
}

/** Names that scripts take from whoever runs them, for IPv4 and IPv6. */
const PREDEFINED: Record<Mode, Record<string, string>> = {
  ipv4: { MSS: '1460', CODE: 'host_unreachable', TFO_COOKIE: '3021b9d889017eeb' },
  mapped: { MSS: '1460', CODE: 'host_unreachable', TFO_COOKIE: '3021b9d889017eeb' },
  ipv6: { MSS: '1460', CODE: 'address_unreachable', TFO_COOKIE: 'c1d1e9742a47a9bc' },
}

export const playText = (text: string, folder: string, settings: Settings): Verdict => {
  const trace: string[] = []
  const notes = new Set<string>()
  const verdict = (result: Verdict['result'], reason = ''): Verdict => ({
    result,
    reason,
    trace,
    notes: [...notes],
  })
  const defined = new Map([...Object.entries(PREDEFINED[settings.mode]), ...settings.defined])
  try {
    const script = parseScript(preprocess(text, defined))
    const host = createHost(settings.mode, script.options)
    const commands = createCommands(host.path.arena, folder, (note) => notes.add(note))
    for (const command of script.init) commands.run(command)
    play(script, host, commands.run, settings, (line) => trace.push(line))
    return verdict('passed')
  } catch (error) {
    if (error instanceof Unsupported) return verdict('skipped', `it needs ${error.message}`)
    if (error instanceof Mismatch || error instanceof SyntaxFault)
      return verdict('failed', error.message)
    throw error
  }
}
export const playFile = (file: string, settings: Settings): Verdict =>
  playText(readFileSync(file, 'utf8'), dirname(file), settings)
