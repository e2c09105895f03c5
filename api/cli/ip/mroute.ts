/** `ip mroute show`. iproute2: ip/ipmroute.c; routes are set over the API, as Linux has daemons for it. */
import type { MrouteItem } from '../../../core/control/text/messages.ts'
import { type Addr, parseAddr, parsePrefix } from '../../../core/wire/text.ts'
import { type MrouteShow, mrouteJson, mrouteText } from '../../iproute2/mroute.ts'
import type { Cli } from '../cli.ts'
import { getItems, printJson, printLines, UsageError } from '../cli.ts'
import type { IpObject, IpOptions } from './object.ts'
import { matchWord, unknownCommand, type Words } from '../words.ts'

const HELP = `Usage: softnet ip mroute show [ [ to ] PREFIX ] [ from PREFIX ] [ iif DEVICE ]
                      [ table TABLE_ID ]
TABLE_ID := [ local | main | default | all | NUMBER ]
`

type Prefix = NonNullable<ReturnType<typeof parsePrefix>>
const readPrefix = (text: string): Prefix => {
  const prefix = parsePrefix(text)
  if (prefix === null)
    throw new UsageError(`Error: any valid prefix is expected rather than "${text}".`)
  return prefix
}
const isUnder = (address: string, prefix: Prefix | undefined): boolean => {
  if (prefix === undefined) return true
  const { family, words } = parseAddr(address) as Addr
  if (family !== prefix.family) return false
  const bits = prefix.prefixlen + (family === 4 ? 96 : 0)
  return words.every((word, k) => {
    const kept = bits - k * 32
    return kept <= 0 || ((word ^ prefix.words[k]!) & (kept >= 32 ? -1 : -1 << (32 - kept))) === 0
  })
}

const show = async (words: Words, options: IpOptions, cli: Cli): Promise<number> => {
  let to: Prefix | undefined
  let from: Prefix | undefined
  let iif: string | undefined
  let table: string | undefined
  while (!words.isEmpty()) {
    const word = words.next()
    if (word === 'from') from = readPrefix(words.next())
    else if (word === 'iif') iif = words.next()
    else if (word === 'table') table = words.next()
    else to = readPrefix(word === 'to' ? words.next() : word)
  }
  const family =
    options.family ?? ((to ?? from) ? ((to ?? from)!.family === 4 ? 'inet' : 'inet6') : undefined)
  const routes = (await getItems<MrouteItem>(cli, '/v1/mroutes', { family })).filter(
    (route) =>
      isUnder(route.dst, to) && isUnder(route.src, from) && (iif === undefined || route.iif === iif)
  )
  const how: MrouteShow = { stats: options.stats }
  const suffix = table === 'all' ? ' Table: default' : ''
  if (options.json)
    printJson(
      cli,
      routes.map((route) => mrouteJson(route, how)),
      options.pretty
    )
  else
    printLines(
      cli,
      routes.map((route) => mrouteText(route, how) + suffix)
    )
  return 0
}

export const ipMroute: IpObject = async (words, options, cli) => {
  if (words.isEmpty()) return show(words, options, cli)
  const word = words.next()
  switch (matchWord(word, ['show', 'lst', 'list', 'help'])) {
    case 'show':
    case 'lst':
    case 'list':
      return show(words, options, cli)
    case 'help':
      cli.out(HELP)
      return 0
  }
  throw unknownCommand(word, 'mroute')
}
