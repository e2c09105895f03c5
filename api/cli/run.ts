/** One command line, from its words to its exit status: 0 done, 1 refused, 2 usage. main.ts gives it the process. */
import type { Cli, Command } from './cli.ts'
import { Refused, UsageError } from './cli.ts'
import { isGone } from './connect.ts'
import { ethtool } from './ethtool.ts'
import { config } from './config.ts'
import { exec } from './exec.ts'
import { ip } from './ip.ts'
import { bench, packetdrill } from './programs.ts'
import { ss } from './ss.ts'
import { dropwatch, flows, memory, nstat, softnetStat, sysctl } from './stats.ts'
import { tcpdump } from './tcpdump.ts'
import { trace } from './trace.ts'
import { demo, up } from './up.ts'

/** `usage`: the options of a command that leaves its --help to this file. */
type Entry = readonly [run: Command, does: string, usage?: string]

const COMMANDS: Readonly<Record<string, Entry>> = {
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
  memory: [memory, 'who holds packet memory, against his bound', '[ -j ]'],
  flows: [flows, 'which worker owns which flow', '[ -j ]'],
  config: [config, 'the running state as a file, and a file as the state'],
  tcpdump: [tcpdump, 'frames as they go by, in words or as pcapng'],
  trace: [trace, 'the way of the next packets, or of a made-up one, stage by stage'],
  bench: [bench, 'what it costs and how fast it is, beside the kernel'],
  packetdrill: [packetdrill, 'plays scripts of packetdrill against a stack in this process'],
}

const help = (): string => {
  const lines = Object.entries(COMMANDS).map(([name, [, does]]) => `  ${name.padEnd(13)} ${does}`)
  return `Usage: softnet [ --api URL|unix:PATH ] [ --token TOKEN ] [ --netns NAME ] [ -j ] COMMAND [ ARGUMENTS ]\n${lines.join('\n')}\nWithout --api: $SOFTNET_API, or wherever a daemon of yours, or root's, is by default. A change over TCP needs its token:
$SOFTNET_TOKEN, or --token (which others see in ps), or the file beside the daemon's socket. COMMAND --help says more.\n`
}

export type Options = {
  api?: string
  token?: string
  netns?: string
  json: boolean
  version: boolean
  help: boolean
  rest: string[]
}

const TARGETS = ['api', 'token', 'netns'] as const

/** --api, --token and --netns, whose value may be the next word or follow a "=": how many words it took, 0 when it is neither. */
const readTarget = (words: readonly string[], at: number, options: Options): number => {
  for (const name of TARGETS) {
    const word = words[at]!
    if (word.startsWith(`--${name}=`)) {
      options[name] = word.slice(name.length + 3)
      return 1
    }
    if (word !== `--${name}`) continue
    const value = words[at + 1]
    if (value === undefined) throw new UsageError(`softnet: --${name} needs a value`)
    options[name] = value
    return 2
  }
  return 0
}

/**
 * Options before the command's name; --api, --token and --netns are understood after it too, where they say the same, but not
 * for the daemon.
 */
export const readOptions = (argv: readonly string[]): Options => {
  const options: Options = { json: false, version: false, help: false, rest: [] }
  let at = 0
  while (at < argv.length && argv[at]!.startsWith('-')) {
    const word = argv[at]!
    const taken = readTarget(argv, at, options)
    at += taken || 1
    if (taken > 0) continue
    if (word === '-j' || word === '--json') options.json = true
    else if (word === '-V' || word === '--version') options.version = true
    else if (word === '-h' || word === '--help') options.help = true
    else throw new UsageError(`softnet: unknown option "${word}", try "softnet --help"`)
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
    const taken = readTarget(rest, i, options)
    if (taken === 0) options.rest.push(rest[i]!)
    else i += taken - 1
  }
  // It asks the daemon itself, and then enters the namespace.
  if (command === 'exec' && options.netns !== undefined)
    options.rest.splice(1, 0, '--netns', options.netns)
  return options
}

/** One line on stderr for what went wrong, whatever it was. */
const complain = (error: unknown, cli: Cli): number => {
  if (error instanceof UsageError || error instanceof Refused) {
    cli.err(`${error.message}\n`)
    return error instanceof UsageError ? 2 : 1
  }
  cli.err(
    isGone(error)
      ? `softnet: no daemon answers at ${cli.endpoint} (start one with "softnet up", or say where with --api)\n`
      : `softnet: ${(error as Error).message.split('\n')[0]}\n`
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
