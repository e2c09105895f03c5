/** `ip rule`: show, add, delete, flush. iproute2: ip/iprule.c. */
import type { FamilyName, RuleItem, RuleSpec } from '../../../core/control/text/messages.ts'
import { parsePrefix } from '../../../core/wire/text.ts'
import { ruleJson, ruleText } from '../../iproute2/rule.ts'
import type { Cli } from '../cli.ts'
import { getItems, printJson, printLines, send, UsageError } from '../cli.ts'
import type { IpObject, IpOptions } from './object.ts'
import { matchWord, type Words } from '../words.ts'

const HELP = `Usage: softnet ip rule { add | del } SELECTOR ACTION
       softnet ip rule { flush | show } [ SELECTOR ] [ table TABLE ] [ proto PROTO ]
SELECTOR := [ not ] [ from PREFIX ] [ to PREFIX ] [ tos TOS ] [ fwmark FWMARK[/MASK] ] [ iif DEV ] [ oif DEV ] [ pref N ]
            [ ipproto PROTO ] [ sport N[-N] ] [ dport N[-N] ]
            [ l3mdev ]
ACTION := [ table TABLE [ suppress_prefixlength N ] | goto N | nop | blackhole | unreachable | prohibit ] [ proto PROTO ]
`
const ACTIONS = ['blackhole', 'unreachable', 'prohibit'] as const

const wrong = (word: string, why: string): UsageError =>
  new UsageError(`Error: argument "${word}" is wrong: ${why}`)

const isAll = (word: string): boolean => ['all', 'any', 'default'].includes(word)
const readNetwork = (word: string): string => {
  if (!isAll(word) && parsePrefix(word) === null)
    throw new UsageError(`Error: any valid prefix is expected rather than "${word}".`)
  return isAll(word) ? 'all' : word
}

const readPorts = (words: Words, field: 'sport' | 'dport'): Partial<RuleSpec> => {
  const word = words.next()
  const [, first, last] = /^(\d+)(?:-(\d+))?$/.exec(word) ?? []
  if (first === undefined) throw wrong(word, `invalid ${field}`)
  if (last === undefined) return { [field]: Number(first) }
  return { [`${field}_start`]: Number(first), [`${field}_end`]: Number(last) }
}

const readMark = (word: string): Pick<RuleSpec, 'fwmark' | 'fwmask'> => {
  const [mark = '', mask] = word.split('/')
  const isNumber = (text: string): boolean => /^(?:0x[0-9a-f]+|\d+)$/i.test(text)
  if (!isNumber(mark)) throw wrong(word, 'fwmark value is invalid')
  if (mask !== undefined && !isNumber(mask)) throw wrong(word, 'fwmask value is invalid')
  return { fwmark: mark, ...(mask !== undefined && { fwmask: mask }) }
}

const number = (words: Words, why: string): number => {
  const word = words.next()
  if (!/^(?:0x[0-9a-f]+|\d+)$/i.test(word)) throw wrong(word, `${why} value is invalid`)
  return Number(word)
}

const readRule = (words: Words, family: FamilyName | undefined): RuleSpec => {
  const rule: RuleSpec = { ...(family && { family }) }
  while (!words.isEmpty()) {
    const word = words.next()
    if (word === 'not') rule.not = null
    else if (word === 'from') rule.src = readNetwork(words.next())
    else if (word === 'to') rule.dst = readNetwork(words.next())
    else if (['preference', 'priority', 'order', 'pref', 'prio'].includes(word))
      rule.priority = number(words, 'preference')
    else if (word === 'tos' || word === 'dsfield') rule.tos = words.next()
    else if (word === 'fwmark') Object.assign(rule, readMark(words.next()))
    else if (word === 'table' || word === 'lookup') rule.table = words.next()
    else if (word === 'suppress_prefixlength' || word === 'sup_pl')
      rule.suppress_prefixlen = number(words, 'suppress_prefixlength')
    else if (word === 'dev' || word === 'iif') rule.iif = words.next()
    else if (word === 'oif') rule.oif = words.next()
    else if (word === 'ipproto') rule.ipproto = words.next()
    else if (word === 'sport' || word === 'dport') Object.assign(rule, readPorts(words, word))
    else if (word === 'protocol' || word === 'proto') rule.protocol = words.next()
    else if (word === 'goto') rule.goto = number(words, 'target')
    else if (word === 'nop') rule.nop = null
    else if (word === 'l3mdev') rule.l3mdev = null
    else {
      const action = matchWord(word === 'type' ? words.next() : word, ['unicast', ...ACTIONS])
      if (action === undefined) throw wrong(word, 'Failed to parse rule type')
      if (action !== 'unicast') rule.action = action
      else rule.table ??= 0
    }
  }
  return rule
}

const select = async (words: Words, { family }: IpOptions, cli: Cli): Promise<RuleItem[]> => {
  const wanted = readRule(words, undefined)
  const rules = await getItems<RuleItem>(cli, '/v1/rules', { family: family ?? 'inet' })
  return rules.filter((rule) =>
    Object.entries(wanted).every(
      ([word, value]) => String((rule as Record<string, unknown>)[word]) === String(value)
    )
  )
}

const show = async (words: Words, options: IpOptions, cli: Cli): Promise<number> => {
  const rules = await select(words, options, cli)
  if (options.json)
    printJson(
      cli,
      rules.map((rule) => ruleJson(rule, options)),
      options.pretty
    )
  else
    printLines(
      cli,
      rules.map((rule) => ruleText(rule, options))
    )
  return 0
}

const paramsOf = (rule: RuleSpec): Record<string, string | number | undefined> =>
  Object.fromEntries(
    Object.entries(rule).map(([word, value]) => [word, value === null ? '' : String(value)])
  )

const change = async (verb: 'add' | 'delete', words: Words, options: IpOptions, cli: Cli) => {
  if (words.isEmpty() && verb === 'delete')
    throw new UsageError('"ip rule del" requires arguments.')
  // iproute2 does not look at the addresses for a rule's family
  const rule = readRule(words, options.family ?? 'inet')
  if (verb === 'add') await send(cli, 'POST', '/v1/rules', rule)
  else await send(cli, 'DELETE', '/v1/rules', undefined, { params: paramsOf(rule) })
  return 0
}

/** All but those of priority 0. */
const flush = async (words: Words, options: IpOptions, cli: Cli): Promise<number> => {
  const rules = await select(words, options, cli)
  for (const { iif_detached: _i, oif_detached: _o, ...rule } of rules) {
    if (rule.priority === 0) continue
    await send(cli, 'DELETE', '/v1/rules', undefined, { params: paramsOf(rule) })
  }
  return 0
}

export const ipRule: IpObject = async (words, options, cli) => {
  if (words.isEmpty()) return show(words, options, cli)
  const word = words.next()
  switch (matchWord(word, ['list', 'show', 'lst', 'add', 'delete', 'flush', 'help'])) {
    case 'list':
    case 'show':
    case 'lst':
      return show(words, options, cli)
    case 'add':
      return change('add', words, options, cli)
    case 'delete':
      return change('delete', words, options, cli)
    case 'flush':
      return flush(words, options, cli)
    case 'help':
      cli.out(HELP)
      return 0
    default:
      throw new UsageError(`Command "${word}" is unknown, try "ip rule help".`)
  }
}
