/** `ip netns` and `ip rule`: what there is; neither is changed here. */
import type { NetnsItem } from '../endpoints/deps.ts'
import { getItems, printJson, printLines, UsageError } from './cli.ts'
import type { IpObject } from './ip-object.ts'
import { matchWord, unknownCommand } from './words.ts'

const NETNS_HELP = 'Usage: softnet ip netns [ list ]\n'
const RULE_HELP = 'Usage: softnet ip rule [ list ]\n'

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

export const ipRule: IpObject = async (words, options, cli) => {
  if (words.take('help')) {
    cli.out(RULE_HELP)
    return 0
  }
  const word = words.peek()
  if (word !== undefined && matchWord(word, ['add', 'delete'])) {
    throw new UsageError('Error: softnet has no policy rules to change.')
  }
  if (!isList(word)) throw unknownCommand(word!, 'rule')
  const rules = await getItems<{ priority: number; src: string; table: string }>(cli, '/v1/rules')
  if (options.json) printJson(cli, rules, options.pretty)
  else
    printLines(
      cli,
      rules.map((rule) => `${rule.priority}:\tfrom ${rule.src} lookup ${rule.table}`)
    )
  return 0
}
