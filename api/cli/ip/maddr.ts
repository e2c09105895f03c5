/** `ip maddress`: show, add, delete. iproute2: ip/ipmaddr.c. */
import type { MaddrItem } from '../../../core/control/text/messages.ts'
import { parseAddr, parseMac } from '../../../core/wire/text.ts'
import { hasMaddrs, maddrJson, maddrText } from '../../iproute2/maddr.ts'
import type { Cli } from '../cli.ts'
import { getItems, printJson, printLines, segment, send, UsageError } from '../cli.ts'
import type { IpObject, IpOptions } from './object.ts'
import { matchWord, unknownCommand, type Words } from '../words.ts'

const HELP = `Usage: softnet ip maddr [ add | del ] MULTIADDR dev STRING
       softnet ip maddr show [ dev STRING ]
`

const show = async (words: Words, options: IpOptions, cli: Cli): Promise<number> => {
  let dev: string | undefined
  while (!words.isEmpty()) {
    words.take('dev')
    dev = words.next()
  }
  const maddrs = (
    await getItems<MaddrItem>(cli, '/v1/maddrs', { dev, family: options.family })
  ).filter(hasMaddrs)
  if (options.json) printJson(cli, maddrs.map(maddrJson), options.pretty)
  else
    printLines(
      cli,
      maddrs.map((one) => maddrText(one, options.oneline))
    )
  return 0
}

const change = async (isAdded: boolean, words: Words, cli: Cli): Promise<number> => {
  let dev: string | undefined
  let link: string | undefined
  while (!words.isEmpty()) {
    const word = words.next()
    if (word === 'dev') dev = words.next()
    else link = word === 'address' ? words.next() : word
  }
  if (dev === undefined) throw new UsageError('Not enough information: "dev" is required.')
  if (link === undefined || parseMac(link) === null) {
    const four = parseAddr(link ?? '')?.family === 4
    throw new UsageError(
      four
        ? 'Error: Invalid address length 4 - must be 6 bytes'
        : `"${link ?? ''}" is invalid lladdr.`
    )
  }
  if (isAdded) await send(cli, 'POST', '/v1/maddrs', { dev, link })
  else await send(cli, 'DELETE', `/v1/links/${segment(dev)}/maddrs/${segment(link)}`)
  return 0
}

export const ipMaddr: IpObject = async (words, options, cli) => {
  if (words.isEmpty()) return show(words, options, cli)
  const word = words.next()
  switch (matchWord(word, ['add', 'delete', 'show', 'lst', 'list', 'help'])) {
    case 'add':
      return change(true, words, cli)
    case 'delete':
      return change(false, words, cli)
    case 'show':
    case 'lst':
    case 'list':
      return show(words, options, cli)
    case 'help':
      cli.out(HELP)
      return 0
  }
  throw unknownCommand(word, 'maddr')
}
