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
  mode: Mode
  /** The packets so far, as tcpdump prints them. */
  trace: string[]
  /** Settings of the script that the stack does not have. */
  notes: string[]
}

const COMMON = { MSS: '1460' }
/** Cookies of the addresses (host.ts) under the key a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4, and under that of zeros. */
const NAMES_V4 = {
  CODE: 'host_unreachable',
  TOO_BIG: 'unreachable frag_needed',
  MTU_1300: '1300',
  TFO_COOKIE: '3021b9d889017eeb',
  TFO_COOKIE_ZERO: 'b7c12350a90dc8f5',
}
/** Names that scripts take from whoever runs them, for IPv4 and IPv6. */
const PREDEFINED: Record<Mode, Record<string, string>> = {
  ipv4: { ...COMMON, ...NAMES_V4, CMSG_LEVEL_IP: 'SOL_IP', CMSG_TYPE_RECVERR: 'IP_RECVERR' },
  mapped: { ...COMMON, ...NAMES_V4, CMSG_LEVEL_IP: 'SOL_IPV6', CMSG_TYPE_RECVERR: 'IPV6_RECVERR' },
  ipv6: {
    ...COMMON,
    CODE: 'address_unreachable',
    TOO_BIG: 'packet_too_big',
    // its header is longer
    MTU_1300: '1320',
    TFO_COOKIE: 'c1d1e9742a47a9bc',
    TFO_COOKIE_ZERO: '82af1a8f9a205c34',
    CMSG_LEVEL_IP: 'SOL_IPV6',
    CMSG_TYPE_RECVERR: 'IPV6_RECVERR',
  },
}

/** What names addresses of IPv4 is seen by an IPv6 socket in one way only. */
const IPV4_NAMED = /^--(?:local|remote)_ip=\d+\./m
const modeOf = (text: string, mode: Mode): Mode =>
  mode === 'ipv6' && IPV4_NAMED.test(text) ? 'mapped' : mode

export const playText = (text: string, folder: string, settings: Settings): Verdict => {
  const trace: string[] = []
  const notes = new Set<string>()
  const mode = modeOf(text, settings.mode)
  if (mode !== settings.mode) notes.add('it names addresses of IPv4: played over IPv4, mapped')
  const verdict = (result: Verdict['result'], reason = ''): Verdict => ({
    result,
    reason,
    mode,
    trace,
    notes: [...notes],
  })
  const defined = new Map([...Object.entries(PREDEFINED[mode]), ...settings.defined])
  try {
    const script = parseScript(preprocess(text, defined))
    const host = createHost(mode, script.options)
    const commands = createCommands(host, folder, (note) => notes.add(note))
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
