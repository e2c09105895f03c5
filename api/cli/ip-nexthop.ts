/** `ip nexthop`: show, add, replace, delete, get, flush. iproute2: ip/ipnexthop.c. */
import type {
  FamilyName,
  NexthopItem,
  NexthopMember,
  NexthopObjectSpec,
} from '../../core/control/text/messages.ts'
import { parseAddr } from '../../core/wire/text.ts'
import { nexthopJson, nexthopText } from '../iproute2/nexthop.ts'
import type { Cli } from './cli.ts'
import {
  getItems,
  getJson,
  printJson,
  printLines,
  Refused,
  segment,
  send,
  UsageError,
} from './cli.ts'
import type { IpObject, IpOptions } from './ip-object.ts'
import { matchWord, unknownCommand, type Words } from './words.ts'

const HELP = `Usage: softnet ip nexthop { list | flush } [ protocol ID ] SELECTOR
       softnet ip nexthop { add | replace } id ID NH [ protocol ID ]
       softnet ip nexthop { get | del } id ID
SELECTOR := [ id ID ] [ dev DEV ] [ groups ]
NH := { blackhole | [ via ADDRESS ] [ dev DEV ] [ onlink ] | group GROUP [ type mpath ] }
GROUP := [ <id[,weight]>/<id[,weight]>/... ]
`
const MAX_WEIGHT = 256

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
    else if (word === 'type') one.type = readType(words.next())
    else if (matchWord(word, ['protocol']) !== undefined) one.protocol = words.next()
    else throw wrong(word, '')
  }
  // 0 is any
  if (one.id === 0) delete one.id
  return one
}
const readType = (word: string): 'mpath' => {
  if (word !== 'mpath') throw wrong(word, '"type" value is invalid')
  return word
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
    case 'help':
      cli.out(HELP)
      return 0
    default:
      throw unknownCommand(word, 'nexthop')
  }
}
