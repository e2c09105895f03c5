/** `ip addr`: show, add, replace, change, delete, flush. iproute2: ip/ipaddress.c. */
import type { AddressItem, FamilyName, LinkItem } from '../../../core/control/text/messages.ts'
import { addrLen, parsePrefix } from '../../../core/wire/text.ts'
import {
  addrBrief,
  addrBriefJson,
  addrJson,
  addrLines,
  type AddrShow,
  addrShown,
  addrText,
} from '../../iproute2/addr.ts'
import type { Cli } from '../cli.ts'
import { getItems, printJson, printLines, Refused, segment, send, UsageError } from '../cli.ts'
import type { IpObject, IpOptions } from './object.ts'
import { requireDevice } from './link.ts'
import { type Master, slavesOf, takeMaster } from './vrf.ts'
import { checkFamily, familyOfText } from '../prefix.ts'
import { garbage, matchWord, unknownCommand, type Words } from '../words.ts'

const HELP = `Usage: softnet ip address { add | replace | change } IFADDR dev DEV [ broadcast ADDR ] [ scope SCOPE ] [ label LABEL ]
               [ home | nodad | optimistic | mngtmpaddr | noprefixroute ]... [ valid_lft LFT ] [ preferred_lft LFT ]
       softnet ip address delete IFADDR dev DEV
       softnet ip address [ show [ dev DEV ] [ up ] [ scope SCOPE ] [ to PREFIX ] [ master DEV ] [ vrf NAME ] ]
       softnet ip address flush dev DEV [ scope SCOPE ]
`

type Selection = {
  dev?: string
  scope?: string
  to?: string
  master?: Master
  isUpOnly: boolean
}

const readSelection = (words: Words, family: FamilyName | undefined): Selection => {
  const chosen: Selection = { isUpOnly: false }
  while (!words.isEmpty()) {
    const master = takeMaster(words)
    if (master !== undefined) chosen.master = master
    else if (words.take('up')) chosen.isUpOnly = true
    else if (words.take('scope')) chosen.scope = words.next()
    else if (words.take('to')) chosen.to = checkFamily(words.next(), family)
    else if (words.take('dev')) chosen.dev = words.next()
    else if (chosen.dev !== undefined) throw garbage(words.next(), 'dev')
    else chosen.dev = words.next()
  }
  return chosen
}

const select = async (
  { dev, scope, to, master, isUpOnly }: Selection,
  options: IpOptions,
  cli: Cli
): Promise<AddressItem[]> => {
  if (dev !== undefined && !(await hasLink(cli, dev)))
    throw new Refused(`Device "${dev}" does not exist.`)
  const items = await getItems<AddressItem>(cli, '/v1/addresses', {
    dev,
    scope,
    to,
    family: options.family,
  })
  const isSlave = await slavesOf(master, cli)
  return items
    .filter(({ ifname, flags }) => isSlave(ifname) && (!isUpOnly || flags.includes('UP')))
    .map(addrJson)
}

const hasLink = async (cli: Cli, dev: string): Promise<boolean> =>
  (await getItems<LinkItem>(cli, '/v1/links')).some((link) => link.ifname === dev)

const show = async (words: Words, options: IpOptions, cli: Cli): Promise<number> => {
  const chosen = readSelection(words, options.family)
  const items = await select(chosen, options, cli)
  // With a filter, ip leaves out the links that have nothing to show.
  const isFiltered =
    options.family !== undefined || chosen.scope !== undefined || chosen.to !== undefined
  const shown = isFiltered ? items.filter((item) => item.addr_info.length > 0) : items
  const links = options.details || options.stats ? await getItems<LinkItem>(cli, '/v1/links') : []
  const family = chosen.to === undefined ? options.family : familyOfText(chosen.to)
  const showOf = ({ ifindex }: AddressItem): AddrShow => ({
    ...options,
    family,
    // one link is asked for by itself
    isOne: chosen.dev !== undefined,
    link: links.find((link) => link.ifindex === ifindex),
  })
  if (options.json) {
    const json = options.brief
      ? addrBriefJson
      : (item: AddressItem) => addrShown(item, showOf(item))
    printJson(cli, shown.map(json), options.pretty)
  } else if (options.brief) printLines(cli, shown.map(addrBrief))
  else if (options.oneline)
    printLines(
      cli,
      shown.flatMap((item) => addrLines(item, '\\'))
    )
  else
    printLines(
      cli,
      shown.map((item) => addrText(item, showOf(item)))
    )
  return 0
}

/** IFADDR: without a length it is the one address. */
const readPrefix = (text: string): { local: string; prefixlen: number } => {
  const found = parsePrefix(text)
  if (found === null)
    throw new UsageError(`Error: any valid prefix is expected rather than "${text}".`)
  return {
    local: text.split('/')[0]!,
    prefixlen: text.includes('/') ? found.prefixlen : addrLen(found.family),
  }
}

/** "brd +" is the highest address of the prefix, as ip works it out itself. */
const broadcastOf = (word: string, local: string, prefixlen: number): string | undefined => {
  if (word === '-') return undefined
  if (word !== '+') return word
  const words = parsePrefix(`${local}/${prefixlen}`)?.words
  if (words === undefined || local.includes(':')) return undefined
  const all = (words[3] | (prefixlen === 32 ? 0 : -1 >>> prefixlen)) >>> 0
  return [24, 16, 8, 0].map((shift) => (all >>> shift) & 255).join('.')
}

/** Words that stand for themselves. */
const FLAGS = ['home', 'nodad', 'optimistic', 'mngtmpaddr', 'noprefixroute']
const FOREVER = 4294967295
const readLifetime = (text: string, word: string): number => {
  if (text === 'forever') return FOREVER
  if (!/^\d+$/.test(text) || Number(text) > FOREVER)
    throw new UsageError(`Error: argument "${text}" is wrong: ${word} value`)
  return Number(text)
}

const change = async (
  verb: 'add' | 'replace' | 'change' | 'delete',
  words: Words,
  cli: Cli
): Promise<number> => {
  let prefix: string | undefined
  let dev: string | undefined
  let brd: string | undefined
  const more: {
    scope?: string
    label?: string
    flags?: string[]
    valid_life_time?: number
    preferred_life_time?: number
  } = {}
  while (!words.isEmpty()) {
    const word = words.next()
    if (word === 'dev') dev = words.next()
    else if (word === 'local') prefix = words.next()
    else if (matchWord(word, ['broadcast', 'brd']) && word.length > 1) brd = words.next()
    else if (word === 'scope') more.scope = words.next()
    else if (word === 'label') more.label = words.next()
    else if (word === 'valid_lft') more.valid_life_time = readLifetime(words.next(), word)
    else if (word === 'preferred_lft') more.preferred_life_time = readLifetime(words.next(), word)
    else if (FLAGS.includes(word)) more.flags = [...(more.flags ?? []), word]
    else if (prefix === undefined) prefix = word
    else throw garbage(word, 'local')
  }
  const device = requireDevice(dev)
  if (prefix === undefined)
    throw new UsageError('Not enough information: "local" argument is required.')
  const { valid_life_time: valid = FOREVER, preferred_life_time: preferred } = more
  if (valid === 0) throw new UsageError('valid_lft is zero')
  if (preferred !== undefined && preferred > valid)
    throw new UsageError('preferred_lft is greater than valid_lft')
  const { local, prefixlen } = readPrefix(prefix)
  const path = `/v1/links/${segment(device)}/addresses/${segment(local)}/${prefixlen}`
  if (verb === 'delete') {
    await send(cli, 'DELETE', path)
    return 0
  }
  const broadcast = brd === undefined ? undefined : broadcastOf(brd, local, prefixlen)
  const body = { ...more, ...(broadcast === undefined ? {} : { broadcast }) }
  if (verb === 'add')
    await send(cli, 'POST', '/v1/addresses', { dev: device, local, prefixlen, ...body })
  else await send(cli, 'PUT', path, body, { mustExist: verb === 'change' })
  return 0
}

const flush = async (words: Words, options: IpOptions, cli: Cli): Promise<number> => {
  if (words.isEmpty()) throw new UsageError('Flush requires arguments.')
  const items = await select(readSelection(words, options.family), options, cli)
  for (const { ifname, addr_info } of items) {
    // secondary addresses first: they would go with their primary one
    for (const { local, prefixlen } of addr_info.toReversed()) {
      await send(
        cli,
        'DELETE',
        `/v1/links/${segment(ifname)}/addresses/${segment(local)}/${prefixlen}`
      )
    }
  }
  return 0
}

export const ipAddr: IpObject = async (words, options, cli) => {
  if (words.isEmpty()) return show(words, options, cli)
  const word = words.next()
  const verb = matchWord(word, [
    'add',
    'change',
    'chg',
    'replace',
    'delete',
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
      return change('change', words, cli)
    case 'add':
    case 'replace':
    case 'change':
    case 'delete':
      return change(verb, words, cli)
    case 'flush':
      return flush(words, options, cli)
    case 'help':
      cli.out(HELP)
      return 0
    default:
      throw unknownCommand(word, 'address')
  }
}
