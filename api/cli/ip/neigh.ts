/** `ip neigh`: show, add, replace, change, delete, get, flush. iproute2: ip/ipneigh.c. */
import type { FamilyName, NeighItem, NudState } from '../../../core/control/text/messages.ts'
import { parseAddr } from '../../../core/wire/text.ts'
import {
  neighBrief,
  neighBriefJson,
  type NeighShow,
  neighJson,
  neighText,
} from '../../iproute2/neigh.ts'
import { NUD_STATES } from '../../schemas/link.ts'
import type { Cli } from '../cli.ts'
import {
  getItems,
  getJson,
  incomplete,
  printJson,
  printLines,
  segment,
  send,
  UsageError,
} from '../cli.ts'
import type { IpObject, IpOptions } from './object.ts'
import { type Master, slavesOf, takeMaster } from './vrf.ts'
import { checkFamily } from '../prefix.ts'
import { garbage, matchWord, unknownCommand, type Words } from '../words.ts'

const HELP = `Usage: softnet ip neigh { add | replace | change } ADDR lladdr LLADDR dev DEV [ nud STATE ] [ router ] [ proxy ]
       softnet ip neigh delete [ proxy ] ADDR dev DEV
       softnet ip neigh get [ proxy ] ADDR dev DEV
       softnet ip neigh { show | flush } [ proxy ] [ to ADDR ] [ dev DEV ] [ nud STATE ] [ master DEV ] [ vrf NAME ]
`

/** What `ip neigh flush` leaves alone unless it is told the state. */
const KEPT_BY_FLUSH: readonly NudState[] = ['PERMANENT', 'NOARP']

const readState = (word: string): NudState[] => {
  if (word === 'all') return [...NUD_STATES]
  const state = NUD_STATES.find((name) => name === word.toUpperCase())
  if (state === undefined)
    throw new UsageError(`Error: argument "${word}" is wrong: nud state is bad`)
  return [state]
}

const readSelection = (words: Words, family: FamilyName | undefined) => {
  let dev: string | undefined
  let dst: string | undefined
  let state: NudState[] | undefined
  let master: Master | undefined
  let isProxy = false
  while (!words.isEmpty()) {
    const found = takeMaster(words)
    if (found !== undefined) {
      master = found
      continue
    }
    const word = words.next()
    if (word === 'dev') dev = words.next()
    else if (word === 'nud') state = [...(state ?? []), ...readState(words.next())]
    else if (word === 'proxy') isProxy = true
    else if (word === 'to') dst = checkFamily(words.next(), family)
    else if (word !== 'all') dst = checkFamily(word, family)
  }
  return { dev, dst, state, master, isProxy }
}

const show = async (words: Words, options: IpOptions, cli: Cli): Promise<number> => {
  const { dev, dst, state, master, isProxy } = readSelection(words, options.family)
  const isSlave = await slavesOf(master, cli)
  const neighs = await getItems<NeighItem>(cli, '/v1/neighs', {
    dev,
    dst,
    state: state?.join(','),
    family: options.family,
    proxy: isProxy ? '1' : undefined,
  })
  // ip shows what it knows nothing of only when asked for.
  const shown = neighs.filter(
    (neigh) =>
      isSlave(neigh.dev) &&
      (state !== undefined || !neigh.state.some((s) => s === 'NONE' || s === 'NOARP'))
  )
  const how: NeighShow = { stats: options.stats, omitDev: dev !== undefined }
  const json = options.brief ? neighBriefJson : neighJson
  const text = options.brief ? neighBrief : neighText
  if (options.json)
    printJson(
      cli,
      shown.map((neigh) => json(neigh, how)),
      options.pretty
    )
  else
    printLines(
      cli,
      shown.map((neigh) => text(neigh, how))
    )
  return 0
}

const change = async (
  verb: 'add' | 'replace' | 'change' | 'delete' | 'get',
  words: Words,
  options: IpOptions,
  cli: Cli
): Promise<number> => {
  let dst: string | undefined
  let dev: string | undefined
  const neigh: { lladdr?: string; state?: NudState; flags?: string[] } = {}
  while (!words.isEmpty()) {
    const word = words.next()
    if (word === 'dev') dev = words.next()
    else if (word === 'lladdr') neigh.lladdr = words.next()
    else if (word === 'nud') neigh.state = readState(words.next())[0]!
    else if (word === 'router' || word === 'proxy') neigh.flags = [...(neigh.flags ?? []), word]
    else if (word === 'to') dst = words.next()
    else if (dst === undefined) dst = word
    else throw garbage(word, 'to')
  }
  if (dst === undefined) throw incomplete()
  if (dev === undefined) throw new UsageError('Device and destination are required arguments.')
  if (parseAddr(dst) === null)
    throw new UsageError(`Error: any valid address is expected rather than "${dst}".`)
  const path = `/v1/links/${segment(dev)}/neighs/${segment(dst)}`
  const either = neigh.flags?.includes('proxy') ? `${path}?proxy=1` : path
  if (verb === 'delete') await send(cli, 'DELETE', either)
  else if (verb === 'get') {
    const found = await getJson<NeighItem>(cli, either)
    const how: NeighShow = { stats: options.stats }
    if (options.json) printJson(cli, [neighJson(found, how)], options.pretty)
    else printLines(cli, [neighText(found, how)])
  } else if (verb === 'add') await send(cli, 'POST', '/v1/neighs', { dev, dst, ...neigh })
  else await send(cli, 'PUT', path, neigh, { mustExist: verb === 'change' })
  return 0
}

const flush = async (words: Words, options: IpOptions, cli: Cli): Promise<number> => {
  if (words.isEmpty()) throw new UsageError('Flush requires arguments.')
  const { dev, dst, state, isProxy } = readSelection(words, options.family)
  await send(cli, 'POST', '/v1/neighs:flush', {
    ...(dev && { dev }),
    ...(dst && { dst }),
    ...(options.family && { family: options.family }),
    ...(isProxy && { proxy: true }),
    state: state ?? NUD_STATES.filter((name) => !KEPT_BY_FLUSH.includes(name)),
  })
  return 0
}

export const ipNeigh: IpObject = async (words, options, cli) => {
  if (words.isEmpty()) return show(words, options, cli)
  const word = words.next()
  const verb = matchWord(word, [
    'add',
    'change',
    'chg',
    'replace',
    'delete',
    'get',
    'show',
    'lst',
    'list',
    'flush',
    'help',
  ])
  switch (verb) {
    case 'show':
    case 'list':
    case 'lst':
      return show(words, options, cli)
    case 'chg':
      return change('change', words, options, cli)
    case 'add':
    case 'change':
    case 'replace':
    case 'delete':
    case 'get':
      return change(verb, words, options, cli)
    case 'flush':
      return flush(words, options, cli)
    case 'help':
      cli.out(HELP)
      return 0
    default:
      throw unknownCommand(word, 'neigh')
  }
}
