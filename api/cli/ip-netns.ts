/** `ip netns`: what there is; it is not changed here. */
import type { NetnsItem } from '../endpoints/deps.ts'
import { getItems, printJson, printLines } from './cli.ts'
import type { IpObject } from './ip-object.ts'
import { matchWord, unknownCommand } from './words.ts'

const NETNS_HELP = 'Usage: softnet ip netns [ list ]\n'

const isList = (word: string | undefined): boolean =>
  word === undefined || matchWord(word, ['list', 'show', 'lst']) !== undefined

export const ipNetns: IpObject = async (words, options, cli) => {
  if (words.take('help')) {
    cli.out(NETNS_HELP)
    return 0
  }
  const word = words.peek()
  if (!isList(word)) throw unknownCommand(word!, 'netns')
  const items = await getItems<NetnsItem>(cli, '/v1/netns')
  if (options.json) printJson(cli, items, options.pretty)
  else
    printLines(
      cli,
      items.map((item) => item.name)
    )
  return 0
}
