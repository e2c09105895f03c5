/** One command line, from its words to its exit status: 0 done, 1 refused, 2 usage. main.ts gives it the process. */
import { bench } from './bench.ts'
import type { Cli, Command } from './cli.ts'
import { Refused, UsageError } from './cli.ts'
import { ethtool } from './ethtool.ts'
import { exec } from './exec.ts'
import { ip } from './ip.ts'
import { ss } from './ss.ts'
import { dropwatch, flows, nstat, softnetStat, sysctl } from './stats.ts'
import { demo, up } from './up.ts'

/** `usage`: the options of a command that leaves its --help to this file. */
type Entry = readonly [run: Command, does: string, usage?: string]

export const COMMANDS: Readonly<Record<string, Entry>> = {
  up: [up, 'run the daemon in the foreground'],
  demo: [demo, 'a router, hosts and traffic, with no privilege at all'],
  exec: [exec, 'run a program in a network whose only way out is the daemon'],
  ip: [ip, 'links, addresses, routes, neighbours, as iproute2'],
  ss: [ss, 'sockets'],
  ethtool: [ethtool, 'RSS, queues, offloads, rings, statistics of a link'],
  nstat: [
    nstat,
    'protocol counters',
    '[ -a ] [ -z ] [ -s ] [ -n ] [ -p ] [ -j ] [ PATTERN ]...\n   -z zeros too   -j JSON   -p pretty   (-a, -s, -n: there is no history to leave alone)',
  ],
  sysctl: [
    sysctl,
    'the switches',
    '[ -a | -w ] [ -n ] [ -q ] [ -j ] NAME[=VALUE]...\n   -a all   -w set   -n values alone   -q say nothing   -j JSON',
  ],
  'softnet-stat': [
    softnetStat,
    'what each worker did',
    '[ --raw | -j ]\n   --raw /proc/net/softnet_stat   -j JSON',
  ],
  dropwatch: [dropwatch, 'packets that died unused, by reason', '[ -j ]'],
  flows: [flows, 'which worker owns which flow', '[ -j ]'],
  bench: [bench, 'how fast it forwards, beside the kernel'],
}

const help = (): string => {
  const lines = Object.entries(COMMANDS).map(([name, [, does]]) => `  ${name.padEnd(13)} ${does}`)
  return `Usage: softnet [ --api URL|unix:PATH ] [ -j ] COMMAND [ ARGUMENTS ]\n${lines.join('\n')}\nWithout --api: $SOFTNET_API, or the default socket. COMMAND --help says more.\n`
}

export type Options = {
  api?: string
  json: boolean
  version: boolean
  help: boolean
  rest: string[]
}

/** Options before the command's name; --api is understood after it too, where it says the same, but not for the daemon. */
export const readOptions = (argv: readonly string[]): Options => {
  const options: Options = { json: false, version: false, help: false, rest: [] }
  let at = 0
  for (; at < argv.length && argv[at]!.startsWith('-'); at++) {
    const word = argv[at]!
    if (word === '-j' || word === '--json') options.json = true
    else if (word === '-V' || word === '--version') options.version = true
    else if (word === '-h' || word === '--help') options.help = true
    else if (word.startsWith('--api=')) options.api = word.slice('--api='.length)
    else if (word === '--api') {
      const value = argv[++at]
      if (value === undefined) throw new UsageError('softnet: --api needs a value')
      options.api = value
    } else throw new UsageError(`softnet: unknown option "${word}", try "softnet --help"`)
  }
  const command = argv[at]
  const rest = argv.slice(at)
  if (command === 'up' || command === 'demo') {
    // The daemon listens where its clients look.
    options.rest =
      options.api === undefined ? rest : [command, '--api', options.api, ...rest.slice(1)]
    return options
  }
  for (let i = 0; i < rest.length; i++) {
    // What follows -- belongs to the program that exec runs.
    if (rest[i] === '--') {
      options.rest.push(...rest.slice(i))
      break
    }
    if (rest[i] === '--api' && rest[i + 1] !== undefined) options.api = rest[++i]!
    else if (rest[i]!.startsWith('--api=')) options.api = rest[i]!.slice('--api='.length)
    else options.rest.push(rest[i]!)
  }
  return options
}

/** One line on stderr for what went wrong, whatever it was. */
const complain = (error: unknown, cli: Cli): number => {
  if (error instanceof UsageError || error instanceof Refused) {
    cli.err(`${error.message}\n`)
    return error instanceof UsageError ? 2 : 1
  }
  const { code, message } = error as { code?: string; message: string }
  const isGone = [
    'ConnectionRefused',
    'ECONNREFUSED',
    'ENOENT',
    'FailedToOpenSocket',
    'ECONNRESET',
    'ConnectionClosed',
  ].includes(code ?? '')
  cli.err(
    isGone
      ? `softnet: no daemon answers at ${cli.endpoint} (start one with "softnet up", or say where with --api)\n`
      : `softnet: ${message.split('\n')[0]}\n`
  )
  return 1
}

export const run = async (rest: readonly string[], cli: Cli): Promise<number> => {
  const [name, ...args] = rest
  try {
    if (name === undefined || name === 'help') {
      ;(name === undefined ? cli.err : cli.out)(help())
      return name === undefined ? 2 : 0
    }
    const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
    if (entry === undefined)
      throw new UsageError(`softnet: "${name}" is no command, try "softnet help"`)
    const [command, , usage] = entry
    if (usage !== undefined && (args[0] === '--help' || args[0] === '-h')) {
      cli.out(`Usage: softnet ${name} ${usage}\n`)
      return 0
    }
    return (await command(args, cli)) ?? 0
  } catch (error) {
    return complain(error, cli)
  }
}
