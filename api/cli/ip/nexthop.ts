/** `ip nexthop`: show, add, replace, delete, get, flush, and buckets of resilient groups. iproute2: ip/ipnexthop.c. */
import type {
  BucketItem,
  FamilyName,
  NexthopItem,
  NexthopMember,
  NexthopObjectSpec,
  ResilientSpec,
} from '../../../core/control/text/messages.ts'
import { parseAddr } from '../../../core/wire/text.ts'
import { bucketJson, bucketText, nexthopJson, nexthopText } from '../../iproute2/nexthop.ts'
import type { Cli } from '../cli.ts'
import {
  getItems,
  getJson,
  printJson,
  printLines,
  Refused,
  segment,
  send,
  UsageError,
} from '../cli.ts'
import type { IpObject, IpOptions } from './object.ts'
import { matchWord, unknownCommand, type Words } from '../words.ts'

const HELP = `Usage: softnet ip nexthop { list | flush } [ protocol ID ] SELECTOR
       softnet ip nexthop { add | replace } id ID NH [ protocol ID ]
       softnet ip nexthop { get | del } id ID
       softnet ip nexthop bucket list [ id ID ] [ dev DEV ] [ nhid ID ]
       softnet ip nexthop bucket get id ID index INDEX
SELECTOR := [ id ID ] [ dev DEV ] [ groups ]
NH := { blackhole | [ via ADDRESS ] [ dev DEV ] [ onlink ] | group GROUP [ type TYPE [ TYPE_ARGS ] ] }
GROUP := [ <id[,weight]>/<id[,weight]>/... ]
TYPE := { mpath | resilient }
TYPE_ARGS := [ buckets BUCKETS ] [ idle_timer IDLE ] [ unbalanced_timer UNBALANCED ]
`
const MAX_WEIGHT = 256
const MAX_U16 = 0xffff
/** Seconds that are sent as hundredths of them. */
const MAX_TIMER = Math.floor(0xffffffff / 100) - 1

const wrong = (word: string, why: string): UsageError =>
  new UsageError(`Error: argument "${word}" is wrong: ${why}`)

const number = (word: string, why: string): number => {
  const value = /^(?:0x[0-9a-f]+|\d+)$/i.test(word) ? Number(word) : Number.NaN
  if (!(value <= 0xffffffff)) throw wrong(word, why)
  return value
}
const readId = (words: Words): number => number(words.next(), 'invalid id value')

const readMember = (text: string): NexthopMember => {
  const [id = '', weight] = text.split(',')
  const member = { id: number(id, 'invalid id value') }
  if (weight === undefined) return member
  const value = number(weight, '"weight" is invalid')
  if (value < 1 || value > MAX_WEIGHT) throw wrong(weight, '"weight" is invalid')
  return { ...member, weight: value }
}
const readVia = (words: Words): Pick<NexthopObjectSpec, 'gateway' | 'family'> => {
  let word = words.next()
  const family = word === 'inet' || word === 'inet6' ? word : undefined
  if (family !== undefined) word = words.next()
  if (parseAddr(word) === null)
    throw new UsageError(`Error: any valid address is expected rather than "${word}".`)
  return { gateway: word }
}

const readNexthop = (words: Words, family: FamilyName | undefined): NexthopObjectSpec => {
  const one: NexthopObjectSpec = { ...(family && { family }) }
  while (!words.isEmpty()) {
    const word = words.next()
    if (word === 'id') one.id = readId(words)
    else if (word === 'dev') one.dev = words.next()
    else if (word === 'via') Object.assign(one, readVia(words))
    else if (word === 'blackhole') one.blackhole = null
    else if (word === 'onlink') one.flags = ['onlink']
    else if (word === 'group') one.group = words.next().split('/').map(readMember)
    else if (word === 'type') readType(one, words)
    else if (matchWord(word, ['protocol']) !== undefined) one.protocol = words.next()
    else throw wrong(word, '')
  }
  // 0 is any
  if (one.id === 0) delete one.id
  return one
}
const numberUpTo = (words: Words, max: number, why: string): number => {
  const word = words.next()
  const value = number(word, why)
  if (value > max) throw wrong(word, why)
  return value
}
/** Its arguments stand right behind the type. */
const readType = (one: NexthopObjectSpec, words: Words): void => {
  const word = words.next()
  if (word !== 'mpath' && word !== 'resilient') throw wrong(word, '"type" value is invalid')
  one.type = word
  if (word === 'mpath') return
  const args: ResilientSpec = {}
  for (;;) {
    if (words.take('buckets')) args.buckets = numberUpTo(words, MAX_U16, 'invalid buckets value')
    else if (words.take('idle_timer'))
      args.idle_timer = numberUpTo(words, MAX_TIMER, 'invalid idle timer value')
    else if (words.take('unbalanced_timer'))
      args.unbalanced_timer = numberUpTo(words, MAX_TIMER, 'invalid unbalanced timer value')
    else break
  }
  one.resilient_args = args
}

const change = async (verb: 'add' | 'replace', words: Words, options: IpOptions, cli: Cli) => {
  const one = readNexthop(words, options.family)
  await send(cli, verb === 'add' ? 'POST' : 'PUT', '/v1/nexthops', one)
  return 0
}

/** The id, which is all that these take. */
const onlyId = (words: Words): number | undefined => {
  let id: number | undefined
  while (words.take('id')) id = readId(words)
  return words.isEmpty() ? id : undefined
}
const remove = async (words: Words, cli: Cli): Promise<number> => {
  const isSaid = !words.isEmpty()
  const id = onlyId(words)
  if (id === undefined)
    throw new UsageError(
      isSaid ? 'Error: Unknown attribute type.' : 'Error: Nexthop id is missing.'
    )
  await send(cli, 'DELETE', `/v1/nexthops/${segment(id)}`)
  return 0
}

type Selection = Record<string, string | number | undefined>
const readSelection = (words: Words, family: FamilyName | undefined): Selection => {
  const chosen: Selection = { family }
  while (!words.isEmpty()) {
    const word = words.next()
    if (word === 'id') chosen.id = readId(words)
    else if (word === 'dev') chosen.dev = words.next()
    else if (word === 'groups') chosen.groups = 1
    else if (matchWord(word, ['protocol']) !== undefined) chosen.protocol = words.next()
    else throw unknownCommand(word, 'nexthop')
  }
  return chosen
}

const print = (found: readonly NexthopItem[], options: IpOptions, cli: Cli): void => {
  if (options.json)
    printJson(
      cli,
      found.map((one) => nexthopJson(one, options)),
      options.pretty
    )
  else
    printLines(
      cli,
      found.map((one) => nexthopText(one, options))
    )
}
const show = async (words: Words, options: IpOptions, cli: Cli): Promise<number> => {
  const chosen = readSelection(words, options.family)
  print(await getItems<NexthopItem>(cli, '/v1/nexthops', chosen), options, cli)
  return 0
}
const get = async (words: Words, options: IpOptions, cli: Cli): Promise<number> => {
  const id = onlyId(words)
  if (id === undefined) throw new UsageError(HELP.trimEnd())
  print([await getJson<NexthopItem>(cli, `/v1/nexthops/${segment(id)}`)], options, cli)
  return 0
}
const flush = async (words: Words, options: IpOptions, cli: Cli): Promise<number> => {
  const chosen = readSelection(words, options.family)
  const found = await getItems<NexthopItem>(cli, '/v1/nexthops', chosen)
  for (const { id } of found)
    await send(cli, 'DELETE', `/v1/nexthops/${id}`).catch((error: unknown) => {
      // one takes groups along
      if (!(error instanceof Refused && error.status === 404)) throw error
    })
  cli.out(found.length === 0 ? 'Nothing to flush\n' : `Flushed ${found.length} nexthops\n`)
  return 0
}

// ---- buckets

const printBuckets = (found: readonly BucketItem[], options: IpOptions, cli: Cli): void => {
  if (options.json) printJson(cli, found.map(bucketJson), options.pretty)
  else printLines(cli, found.map(bucketText))
}
const showBuckets = async (words: Words, options: IpOptions, cli: Cli): Promise<number> => {
  const chosen: Selection = { family: options.family }
  while (!words.isEmpty()) {
    const word = words.next()
    if (word === 'id') chosen.id = readId(words)
    else if (word === 'nhid') chosen.nhid = readId(words)
    else if (matchWord(word, ['dev']) !== undefined) chosen.dev = words.next()
    else throw wrong(word, '')
  }
  try {
    printBuckets(await getItems<BucketItem>(cli, '/v1/nexthop-buckets', chosen), options, cli)
    return 0
  } catch (error) {
    if (!(error instanceof Refused) || chosen.id === undefined) throw error
    // ip says nothing of a group that is not there
    throw new Refused(
      error.status === 404 ? 'Dump terminated' : `${error.message}\nDump terminated`,
      error.status
    )
  }
}
const getBucket = async (words: Words, options: IpOptions, cli: Cli): Promise<number> => {
  let id: number | undefined
  let index: number | undefined
  while (!words.isEmpty()) {
    if (words.take('id')) id = readId(words)
    else if (words.take('index')) index = numberUpTo(words, MAX_U16, 'invalid bucket index value')
    else throw new UsageError(HELP.trimEnd())
  }
  if (!id || index === undefined) throw new UsageError(HELP.trimEnd())
  const path = `/v1/nexthops/${segment(id)}/buckets/${segment(index)}`
  printBuckets([await getJson<BucketItem>(cli, path)], options, cli)
  return 0
}
const bucket = (words: Words, options: IpOptions, cli: Cli): Promise<number> | number => {
  if (words.isEmpty()) return showBuckets(words, options, cli)
  const word = words.next()
  switch (matchWord(word, ['list', 'show', 'lst', 'get', 'help'])) {
    case 'list':
    case 'show':
    case 'lst':
      return showBuckets(words, options, cli)
    case 'get':
      return getBucket(words, options, cli)
    case 'help':
      cli.out(HELP)
      return 0
    default:
      throw unknownCommand(word, 'nexthop')
  }
}

export const ipNexthop: IpObject = async (words, options, cli) => {
  if (words.isEmpty()) return show(words, options, cli)
  const word = words.next()
  const verb = matchWord(word, [
    'add',
    'replace',
    'delete',
    'list',
    'show',
    'lst',
    'get',
    'flush',
    'bucket',
    'help',
  ])
  switch (verb) {
    case 'list':
    case 'show':
    case 'lst':
      return show(words, options, cli)
    case 'get':
      return get(words, options, cli)
    case 'add':
    case 'replace':
      return change(verb, words, options, cli)
    case 'delete':
      return remove(words, cli)
    case 'flush':
      return flush(words, options, cli)
    case 'bucket':
      return bucket(words, options, cli)
    case 'help':
      cli.out(HELP)
      return 0
    default:
      throw unknownCommand(word, 'nexthop')
  }
}
