/** `softnet ip`: iproute2's options and objects. Each object is a file of its own. */
import type { FamilyName } from '../../core/control/text/messages.ts'
import { runBatch } from './batch.ts'
import type { Cli, Command } from './cli.ts'
import { incomplete, inNetns, UsageError } from './cli.ts'
import { ipAddr } from './ip/addr.ts'
import type { IpObject, IpOptions } from './ip/object.ts'
import { ipLink } from './ip/link.ts'
import { ipMaddr } from './ip/maddr.ts'
import { ipMonitor } from './ip/monitor.ts'
import { ipMroute } from './ip/mroute.ts'
import { ipNeigh } from './ip/neigh.ts'
import { ipNetns } from './ip/netns.ts'
import { ipNexthop } from './ip/nexthop.ts'
import { ipRoute } from './ip/route.ts'
import { ipRule } from './ip/rule.ts'
import { ipVrf } from './ip/vrf.ts'
import { VERSION } from './version.ts'
import { createWords, matchWord } from './words.ts'

/** In iproute2's order, which decides what an abbreviation means; null is not here. */
const OBJECTS: ReadonlyArray<readonly [name: string, run: IpObject | null]> = [
  ['address', ipAddr],
  ['addrlabel', null],
  ['maddress', ipMaddr],
  ['route', ipRoute],
  ['rule', ipRule],
  ['neighbor', ipNeigh],
  ['neighbour', ipNeigh],
  ['ntable', null],
  ['link', ipLink],
  ['monitor', ipMonitor],
  ['mroute', ipMroute],
  ['netns', ipNetns],
  ['vrf', ipVrf],
  ['nexthop', ipNexthop],
]

const HELP = `Usage: softnet ip [ OPTIONS ] OBJECT { COMMAND | help }
where  OBJECT := { address | link | maddress | monitor | mroute | neighbour | netns |
                      nexthop | route | rule | vrf }
       OPTIONS := { -j[son] | -p[retty] | -s[tatistics] | -d[etails] | -o[neline] | -br[ief] | -4 | -6 |
                    -f[amily] { inet | inet6 } | -n[etns] NETNS |
                    -b[atch] FILE | -force | -V[ersion] }
`

type Read = {
  options: IpOptions
  netns: string | undefined
  batch: { file?: string; force: boolean }
  rest: string[]
}

/** In iproute2's order, which decides what an abbreviation means. */
const OPTIONS = [
  'family',
  'statistics',
  'stats',
  'details',
  'oneline',
  'Version',
  'force',
  'batch',
  'brief',
  'json',
  'color',
  'help',
  'netns',
  'numeric',
  'Numeric',
  'pretty',
] as const

const readFamily = (word: string | undefined): FamilyName => {
  if (word === undefined) throw incomplete()
  if (word === 'inet' || word === 'inet6') return word
  throw new UsageError(`Error: argument "${word}" is wrong: invalid protocol family`)
}

/** The options before the object; null where one of them is all that was asked. */
const readOptions = (args: readonly string[], cli: Cli): Read | null => {
  const on = new Set<string>()
  let family: FamilyName | undefined
  let statistics = 0
  const valued: Record<string, string | undefined> = {}
  let at = 0
  for (; args[at]?.startsWith('-'); at++) {
    const option = args[at]!.replace(/^-+/, '')
    if (option === '4' || option === '6') {
      family = option === '4' ? 'inet' : 'inet6'
      continue
    }
    const name = option === 'br' ? 'brief' : matchWord(option, OPTIONS)
    if (name === undefined) throw new UsageError(`Option "${args[at]}" is unknown, try "ip -help".`)
    if (name === 'family') family = readFamily(args[++at])
    else if (name === 'batch' || name === 'netns') {
      valued[name] = args[++at]
      if (valued[name] === undefined) throw incomplete()
    } else if (name === 'stats' || name === 'statistics') statistics++
    else on.add(name)
  }
  if (on.has('help')) cli.out(HELP)
  else if (on.has('Version')) cli.out(`ip utility, softnet ${VERSION}\n`)
  if (on.has('help') || on.has('Version')) return null
  const options: IpOptions = {
    json: cli.json || on.has('json'),
    pretty: on.has('pretty'),
    stats: statistics > 0,
    errors: statistics > 1,
    details: on.has('details'),
    oneline: on.has('oneline'),
    brief: on.has('brief'),
    ...(family && { family }),
  }
  const { batch: file, netns } = valued
  const batch = { force: on.has('force'), ...(file !== undefined && { file }) }
  return { options, netns, batch, rest: args.slice(at) }
}

const runObject = async (args: string[], options: IpOptions, cli: Cli) => {
  const [object, ...rest] = args
  if (object === undefined || object === 'help') {
    ;(object === undefined ? cli.err : cli.out)(HELP)
    return object === undefined ? 2 : 0
  }
  const name = matchWord(
    object,
    OBJECTS.map(([name]) => name)
  )
  const run = OBJECTS.find(([known]) => known === name)?.[1]
  if (run === undefined) throw new UsageError(`Object "${object}" is unknown, try "ip help".`)
  if (run === null)
    throw new UsageError(`Object "${name}" is not supported by softnet, try "ip help".`)
  const isHelp = rest[0] === '--help' || rest[0] === '-h'
  return run(createWords(isHelp ? ['help'] : rest), options, cli)
}

export const ip: Command = async (args, cli) => {
  const read = readOptions(args, cli)
  if (read === null) return 0
  const { options, netns, batch, rest } = read
  const { file, force } = batch
  const there = inNetns(cli, netns)
  if (file === undefined) return runObject(rest, options, there)
  return runBatch({ file, force }, cli, (words) => runObject(words, options, there))
}

/** What there is to ask of, by its longest name. */
export const IP_OBJECTS: readonly string[] = OBJECTS.filter(
  ([name, run]) => run !== null && name !== 'neighbor'
).map(([name]) => name)
