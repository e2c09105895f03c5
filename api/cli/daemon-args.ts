/** The command line of `softnet up` and `softnet demo`, and the TOML file it names. */
import { existsSync } from 'node:fs'
import { parsePrefix } from '../../core/wire/text.ts'
import { LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel } from '../../workers/log.ts'
import type { TapOption } from '../daemon-options.ts'
import { Problem } from '../problem.ts'
import { check } from '../schemas/check.ts'
import type { Config } from '../schemas/config.ts'
import { config as configSchema } from '../schemas/config.ts'
import { Refused, UsageError } from './cli.ts'
import { readText } from './files.ts'

export type DaemonArgs = {
  configFile?: string
  /** Folder in which changes are kept. */
  state?: string
  workers?: number
  steering?: 'rps' | 'multiqueue'
  api: string[]
  taps: TapOption[]
  /** Where each change has a line; - is standard error. */
  audit?: string
  logLevel: LogLevel
  logFormat: LogFormat
  /** Who it goes on as when all is open. */
  user?: string
  pidFile?: string
  readyFd?: number
  durationSec?: number
  pin: boolean
  debug: boolean
  schema: boolean
  help: boolean
  /** Of the demo: which, and --list and --print of them. */
  scene?: string
  list: boolean
  print: boolean
}

export const DAEMON_HELP = `Usage: softnet up [ -c FILE ] [ --state DIR ] [ --workers N ] [ --steering rps|multiqueue ] [ --api ADDR ]...
                  [ --tap NAME[=ADDR/LEN] ]... [ --audit FILE|- ] [ --log-level LEVEL ] [ --log-format text|json ]
                  [ --user NAME ] [ --pid-file FILE ] [ --ready-fd N ] [ --duration SECONDS ] [ --pin ] [ --debug ]
                  [ --schema ]
       softnet demo [ SCENE|FILE.toml ] [ --list ] [ --print ] [ --schema ] [ --workers N ] [ --api ADDR ]... [ --duration SECONDS ]
   ADDR := unix:PATH | HOST:PORT, by default $SOFTNET_API, [api] listen of FILE, or the default socket and 127.0.0.1:7777;
   over loopback anybody may look, a change needs the socket or the token in the file beside it
   --state DIR keeps every change before it is answered, and begins with what is there; FILE is where it begins at first
   --audit FILE gets a line of JSON for each change: when, by whom, what, its status, the revision since; - is the log
   LEVEL := err | warning | notice | info | debug, by default notice; the log is standard error, whose lines say how important they are
   where that is the journal; debug has every request
   --user NAME, for root: who the daemon is once devices, sockets and files are open; it keeps what opens more devices, and FILE and
   DIR have to be his to be read and written again
   --list names the scenes, --print writes one out as a beginning for your own (docs/scenes.md)
   --schema prints the JSON Schema of FILE, --debug adds endpoints that break things on purpose
`

const readNumber = (option: string, text: string, min: number, max: number): number => {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= min && value <= max)) {
    throw new UsageError(`softnet: ${option} takes a number from ${min} to ${max}, not "${text}"`)
  }
  return value
}

const readInteger = (option: string, text: string, min: number, max: number): number => {
  const value = readNumber(option, text, min, max)
  if (!Number.isInteger(value))
    throw new UsageError(`softnet: ${option} takes a whole number, not "${text}"`)
  return value
}

const readChoice = <Word extends string>(
  option: string,
  text: string,
  words: readonly Word[]
): Word => {
  const found = words.find((word) => word === text)
  if (found !== undefined) return found
  const choice = words.join(', ').replace(/, (?=[^,]*$)/, ' or ')
  throw new UsageError(`softnet: ${option} is ${choice}, not "${text}"`)
}

const readTap = (text: string): TapOption => {
  const [name, address] = text.split('=', 2) as [string, string | undefined]
  if (!/^[^\s/:]{1,15}$/.test(name))
    throw new UsageError(`softnet: --tap: "${name}" is no valid ifname`)
  if (address === undefined) return { name }
  if (!address.includes('/') || parsePrefix(address) === null) {
    throw new UsageError(
      `softnet: --tap ${name}: any valid prefix is expected rather than "${address}".`
    )
  }
  return { name, address }
}

/** What only the demo understands. */
const readSceneWord = (word: string, args: DaemonArgs): boolean => {
  if (word === '--list' || word === '--print') args[word === '--list' ? 'list' : 'print'] = true
  else if (!word.startsWith('-') && args.scene === undefined) args.scene = word
  else return false
  return true
}

/** `isDemo`: there are words and options of scenes. */
export const parseDaemonArgs = (argv: readonly string[], isDemo = false): DaemonArgs => {
  const args: DaemonArgs = {
    api: [],
    logLevel: 'notice',
    logFormat: 'text',
    taps: [],
    pin: false,
    debug: false,
    schema: false,
    help: false,
    list: false,
    print: false,
  }
  // --option=value is --option value.
  const words = argv.flatMap((word) => {
    const found = /^(--[a-z-]+)=(.*)$/s.exec(word)
    return found === null ? [word] : [found[1]!, found[2]!]
  })
  for (let i = 0; i < words.length; i++) {
    const option = words[i]!
    if (isDemo && readSceneWord(option, args)) continue
    const value = (): string => {
      const next = words[++i]
      if (next === undefined) throw new UsageError(`softnet: ${option} needs a value`)
      return next
    }
    switch (option) {
      case '-c':
      case '--config':
        args.configFile = value()
        break
      case '--state':
        args.state = value()
        break
      case '--workers':
        args.workers = readInteger(option, value(), 1, 32)
        break
      case '--steering':
        args.steering = readChoice(option, value(), ['rps', 'multiqueue'] as const)
        break
      case '--log-level':
        args.logLevel = readChoice(option, value(), LOG_LEVELS)
        break
      case '--log-format':
        args.logFormat = readChoice(option, value(), LOG_FORMATS)
        break
      case '--api':
        args.api.push(...value().split(','))
        break
      case '--tap':
        args.taps.push(readTap(value()))
        break
      case '--audit':
        args.audit = value()
        break
      case '--user':
        args.user = value()
        break
      case '--pid-file':
        args.pidFile = value()
        break
      case '--ready-fd':
        args.readyFd = readInteger(option, value(), 1, 1023)
        break
      case '--duration':
        args.durationSec = readNumber(option, value(), 0, 1e9)
        break
      case '--pin':
        args.pin = true
        break
      case '--debug':
        args.debug = true
        break
      case '--schema':
        args.schema = true
        break
      case '-h':
      case '--help':
        args.help = true
        break
      default:
        throw new UsageError(`softnet: unknown option "${option}", try "softnet up --help"`)
    }
  }
  return args
}

/**
 * Reads and checks the file; what is wrong with it is one line that names the field. `isRunning`: a stack runs that must
 * not be held up.
 */
export const readConfig = (file: string, isRunning = false): Config => {
  if (!existsSync(file)) throw new Refused(`softnet: ${file}: No such file or directory`)
  let value: unknown
  try {
    const text = readText(file, isRunning)
    value = file.endsWith('.json') ? JSON.parse(text) : Bun.TOML.parse(text)
  } catch (error) {
    if (error instanceof Refused) throw error
    throw new Refused(`softnet: ${file}: ${(error as Error).message}`)
  }
  try {
    return check(configSchema, value)
  } catch (error) {
    if (error instanceof Problem) throw new Refused(`softnet: ${file}: ${error.message}`)
    throw error
  }
}
