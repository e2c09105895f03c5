/**
 * `softnet tc qdisc`: what holds packets up before a device (/v1/qdiscs). The one that can be set is netem, at the root.
 * iproute2: tc/tc.c, tc/tc_qdisc.c, tc/q_netem.c.
 */
import type { Impairment } from '../../core/control/text/messages.ts'
import { type QdiscItem, qdiscJson, type QdiscShow, qdiscText } from '../iproute2/qdisc.ts'
import { runBatch } from './batch.ts'
import type { Cli, Command } from './cli.ts'
import {
  getItems,
  inNetns,
  printJson,
  printLines,
  Refused,
  segment,
  send,
  UsageError,
} from './cli.ts'
import { VERSION } from './version.ts'
import { createWords, matchWord, type Words } from './words.ts'

const HELP = `Usage: softnet tc qdisc [ show [ dev DEV ] ]
       softnet tc qdisc { add | change | replace } dev DEV root netem [ limit PACKETS ] [ delay TIME [ JITTER ] ]
                        [ loss [ random ] PERCENT ] [ duplicate PERCENT ] [ corrupt PERCENT ] [ reorder PERCENT ]
       softnet tc qdisc delete dev DEV root
   OPTIONS := { -s[tatistics] | -d[etails] | -j[son] | -p[retty] | -n[etns] NETNS | -b[atch] FILE | -force | -V[ersion] }
   TIME := 10ms, 1.5s, 200us   PERCENT := 1.5%
`

type TcOptions = { json: boolean; pretty: boolean; stats: boolean }

const show = async (words: Words, { json, pretty, stats }: TcOptions, cli: Cli): Promise<void> => {
  let dev: string | undefined
  while (!words.isEmpty()) {
    const word = words.next()
    if (word === 'dev') dev = words.next()
    else if (word !== 'root' && word !== 'invisible')
      throw new UsageError(`What is "${word}"? Try "tc qdisc help".`)
  }
  const how: QdiscShow = { stats, omitDev: dev !== undefined }
  const items = await getItems<QdiscItem>(cli, '/v1/qdiscs', { dev }).catch((error: unknown) => {
    throw error instanceof Refused && error.status === 404
      ? new Refused(`Cannot find device "${dev}"`, 404)
      : error
  })
  if (json)
    printJson(
      cli,
      items.map((item) => qdiscJson(item, how)),
      pretty
    )
  else
    printLines(
      cli,
      items.map((item) => qdiscText(item, how))
    )
}

/** Microseconds in a unit; a bare number is of them. */
const UNITS: Readonly<Record<string, number>> = {
  s: 1_000_000,
  sec: 1_000_000,
  secs: 1_000_000,
  ms: 1000,
  msec: 1000,
  msecs: 1000,
  us: 1,
  usec: 1,
  usecs: 1,
  '': 1,
}
const timeOf = (word: string): number | undefined => {
  const [, digits, unit = ''] = /^(\d+(?:\.\d+)?)([a-z]*)$/.exec(word) ?? []
  const scale = UNITS[unit]
  return digits === undefined || scale === undefined
    ? undefined
    : Math.round(Number(digits) * scale)
}
const readTime = (word: string, what: string): number => {
  const us = timeOf(word)
  if (us === undefined) throw new UsageError(`Illegal "${what}"`)
  return us
}
const percentOf = (word: string): number | undefined => {
  const [, digits] = /^(\d+(?:\.\d+)?)%?$/.exec(word) ?? []
  return digits === undefined || Number(digits) > 100 ? undefined : Number(digits)
}
const readPercent = (words: Words, what: string): number => {
  const percent = percentOf(words.next())
  if (percent === undefined) throw new UsageError(`Illegal "${what}"`)
  if (!words.isEmpty() && percentOf(words.peek()!) !== undefined)
    throw new UsageError(`netem of softnet knows no correlation ("${words.peek()}")`)
  return percent
}

/** The chances by tc's words, with what it calls one that makes no sense. */
const CHANCES = {
  loss: 'loss percent',
  duplicate: 'duplicate',
  corrupt: 'corrupt',
  reorder: 'reorder',
} as const

const readDelay = (words: Words, netem: Impairment): void => {
  netem.delay = readTime(words.next(), 'latency')
  const jitter = words.isEmpty() ? undefined : timeOf(words.peek()!)
  if (jitter === undefined) return
  netem.jitter = jitter
  words.next()
}
const readNetem = (words: Words): Impairment => {
  const netem: Impairment = {}
  while (!words.isEmpty()) {
    const word = words.next()
    const name = matchWord(word, [
      'limit',
      'delay',
      'latency',
      'loss',
      'duplicate',
      'corrupt',
      'reorder',
      'gap',
    ])
    if (name === 'limit') netem.limit = words.number('limit')
    else if (name === 'delay' || name === 'latency') readDelay(words, netem)
    else if (name === 'gap') {
      if (words.number('gap') !== 1) throw new UsageError('netem of softnet takes gap 1 alone')
    } else if (name !== undefined) {
      if (name === 'loss') words.take('random')
      netem[name] = readPercent(words, CHANCES[name])
    } else throw new UsageError(`What is "${word}"? Try "tc qdisc help".`)
  }
  if (netem.reorder && !netem.delay)
    throw new UsageError('reordering not possible without specifying some delay')
  const { limit: _, ...rest } = netem
  if (!Object.values(rest).some((value) => value > 0))
    throw new UsageError('netem of softnet has to do something: delay, loss, duplicate, corrupt')
  return netem
}

type Verb = 'add' | 'change' | 'replace' | 'delete'
const change = async (verb: Verb, words: Words, cli: Cli): Promise<void> => {
  let dev: string | undefined
  let kind: string | undefined
  while (kind === undefined && !words.isEmpty()) {
    const word = words.next()
    if (word === 'dev') dev = words.next()
    else if (word === 'handle') words.next()
    else if (word === 'parent' || word === 'ingress' || word === 'clsact')
      throw new Refused('Error: softnet has qdiscs at the root alone.')
    else if (word !== 'root') kind = word
  }
  if (dev === undefined) throw new UsageError('Error: "dev" is required, try "tc qdisc help".')
  const path = `/v1/qdiscs/${segment(dev)}`
  if (verb === 'delete') return void (await send(cli, 'DELETE', path))
  if (kind !== 'netem') throw new Refused('Error: Specified qdisc kind is unknown.')
  const body = { kind, options: readNetem(words) }
  if (verb === 'add') await send(cli, 'POST', '/v1/qdiscs', { dev, ...body })
  else await send(cli, 'PUT', path, body, { mustExist: verb === 'change' })
}

const runObject = async (args: string[], options: TcOptions, cli: Cli): Promise<number> => {
  const words = createWords(args)
  const object = words.isEmpty() ? 'help' : words.next()
  if (matchWord(object, ['help']) || object === '-h' || object === '--help') {
    ;(args.length === 0 ? cli.err : cli.out)(HELP)
    return args.length === 0 ? 2 : 0
  }
  if (matchWord(object, ['qdisc']) === undefined)
    throw new UsageError(`Object "${object}" is unknown, try "tc help".`)
  const word = words.isEmpty() ? 'show' : words.take('-h', '--help') ? 'help' : words.next()
  const verb = matchWord(word, [
    'add',
    'change',
    'replace',
    'delete',
    'show',
    'list',
    'lst',
    'help',
  ])
  if (verb === undefined) throw new UsageError(`Command "${word}" is unknown, try "tc qdisc help".`)
  if (verb === 'help') cli.out(HELP)
  else if (verb === 'show' || verb === 'list' || verb === 'lst') await show(words, options, cli)
  else await change(verb, words, cli)
  return 0
}

/** In iproute2's order, which decides what an abbreviation means. */
const OPTIONS = [
  'statistics',
  'details',
  'Version',
  'help',
  'force',
  'batch',
  'netns',
  'json',
  'pretty',
] as const

export const tc: Command = async (args, cli) => {
  const on = new Set<string>()
  const valued: Record<string, string | undefined> = {}
  let at = 0
  for (; args[at]?.startsWith('-'); at++) {
    const name = matchWord(args[at]!.replace(/^-+/, ''), OPTIONS)
    if (name === undefined) throw new UsageError(`Option "${args[at]}" is unknown, try "tc -help".`)
    if (name === 'batch' || name === 'netns') valued[name] = args[++at]
    else on.add(name)
  }
  if (on.has('help')) cli.out(HELP)
  else if (on.has('Version')) cli.out(`tc utility, softnet ${VERSION}\n`)
  if (on.has('help') || on.has('Version')) return 0
  const options: TcOptions = {
    json: cli.json || on.has('json'),
    pretty: on.has('pretty'),
    stats: on.has('statistics'),
  }
  const there = inNetns(cli, valued['netns'])
  const { batch: file } = valued
  if (file === undefined) return runObject(args.slice(at), options, there)
  return runBatch({ file, force: on.has('force') }, cli, (words) =>
    runObject(words, options, there)
  )
}
