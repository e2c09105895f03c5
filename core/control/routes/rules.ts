/**
 * RTM_*RULE: what the kernel checks of a policy rule before it takes it, in its order and its words, and which of them a
 * deletion means. Linux: fib_nl2rule, fib_newrule, fib_delrule (net/core/fib_rules.c), fib4_rule_configure,
 * fib6_rule_configure.
 */
import { AF_INET, AF_INET6 } from '../../base/family.ts'
import { Errno } from '../../base/errno.ts'
import { FR_ACT_GOTO, FR_ACT_TO_TBL } from '../../inet/fib/rules/fib-rule-constants.ts'
import type { FibRule, PortRange, RuleNetwork } from '../../inet/fib/rules/fib-rule.ts'
import { type FibRulesWriter, l3mdevRule } from '../../inet/fib/writer/fib-rules-writer.ts'
import type { Outcome } from '../rtnl/answers.ts'
import { changed, refuse } from '../rtnl/answers.ts'
import { NLM_F_EXCL } from '../nlm-flags.ts'
import type { MessageOf, NewRule, RuleFilter } from '../rtnetlink.ts'
import type { Rib } from '../rib/rib.ts'
import { sameWords } from '../rib/rib-route.ts'

const ECN_BITS = 3

type RulesDeps = Pick<Rib, 'tableIds'> & {
  net: number
  fibRules: Pick<FibRulesWriter, 'insert' | 'remove' | 'rules'>
  onEvent: (event: 'new' | 'del', rule: FibRule) => void
}

const sameNetwork = (a: RuleNetwork | null, b: RuleNetwork | null): boolean =>
  a === b || (a !== null && b !== null && a.plen === b.plen && sameWords(a.words, b.words))
const sameRange = (a: PortRange | null, b: PortRange | null): boolean =>
  a === b || (a !== null && b !== null && a[0] === b[0] && a[1] === b[1])
const same: { [F in keyof FibRule]?: (a: never, b: never) => boolean } = {
  src: sameNetwork,
  dst: sameNetwork,
  sport: sameRange,
  dport: sameRange,
}
/** Does the rule say all that `match` says? */
const isMeant = (rule: FibRule, match: Partial<FibRule>): boolean =>
  Object.entries(match).every(([field, value]) => {
    const now = rule[field as keyof FibRule]
    return same[field as keyof FibRule]?.(now as never, value as never) ?? now === value
  })
const isValidRange = (range: PortRange | null): boolean =>
  range === null || (range[0] > 0 && range[1] >= range[0] && range[1] < 0xffff)

export const createRules = ({ net, fibRules, tableIds, onEvent }: RulesDeps) => {
  /** What the next rule without a priority gets: just before the second of the list (fib_default_rule_pref). */
  const nextPriority = (family: number): number => {
    const [, second] = fibRules.rules(net, family)
    return second === undefined || second.priority === 0 ? 0 : second.priority - 1
  }
  /** The first table that nobody has (fib_empty_table). */
  const emptyTable = (family: number): number => {
    const named = fibRules.rules(net, family).map(({ table }) => table)
    const taken = new Set([...tableIds(family), ...named])
    let id = 1
    while (taken.has(id)) id++
    return id
  }

  const leadsNowhere = ({ action, table, isL3mdev }: NewRule): boolean =>
    action === FR_ACT_TO_TBL && table === 0 && !isL3mdev
  const check = (rule: FibRule): { error: number; words: string | null; field: string } | null => {
    const wrong = (words: string, field: string) => ({ error: Errno.EINVAL, words, field })
    if (!isValidRange(rule.sport)) return wrong('Invalid sport range', 'sport')
    if (!isValidRange(rule.dport)) return wrong('Invalid dport range', 'dport')
    if (rule.action === FR_ACT_GOTO && rule.target <= rule.priority)
      return wrong('Backward goto not supported', 'goto')
    if ((rule.tos & ECN_BITS) !== 0)
      return wrong('Invalid dsfield (tos): ECN bits must be 0', 'tos')
    if (leadsNowhere(rule) && rule.family === AF_INET6) return wrong('Invalid table', 'table')
    return null
  }

  const newRule = ({ rule: wanted, flags }: MessageOf<'RTM_NEWRULE'>): Outcome<FibRule> => {
    const { priority = nextPriority(wanted.family), ...rest } = wanted
    const isUnnamed = leadsNowhere(wanted) && wanted.family === AF_INET
    const rule = { ...rest, priority, table: isUnnamed ? emptyTable(rest.family) : rest.table }
    const wrong = check(rule)
    if (wrong !== null) return refuse(wrong.error, wrong.words, wrong.field)
    const known = fibRules.rules(net, rule.family).find((other) => isMeant(other, rule))
    if (known !== undefined)
      return (flags & NLM_F_EXCL) !== 0
        ? refuse(Errno.EEXIST, null, 'priority')
        : { error: 0, item: known, changed: false }
    if (fibRules.insert(net, rule) !== 0)
      return refuse(Errno.ENOBUFS, 'There is no room for another rule')
    onEvent('new', rule)
    return changed(rule)
  }
  let hasL3mdevRules = false
  /** The first VRF brings a rule of each family, which may be taken away, or put elsewhere (vrf_add_fib_rules). */
  const addL3mdevRules = (): void => {
    if (hasL3mdevRules) return
    hasL3mdevRules = true
    for (const family of [AF_INET, AF_INET6])
      newRule({ type: 'RTM_NEWRULE', flags: NLM_F_EXCL, rule: l3mdevRule(family) })
  }
  const delRule = ({ family, match }: MessageOf<'RTM_DELRULE'>): Outcome<FibRule> => {
    const rule = fibRules.rules(net, family).find((one) => isMeant(one, match))
    if (rule === undefined) return refuse(Errno.ENOENT, null, 'priority')
    fibRules.remove(net, rule)
    onEvent('del', rule)
    return changed(rule)
  }
  const dump = ({ family }: RuleFilter = { family: 0 }): FibRule[][] => [
    [AF_INET, AF_INET6]
      .filter((one) => family === 0 || family === one)
      .flatMap((one) => fibRules.rules(net, one)),
  ]
  return { newRule, delRule, addL3mdevRules, dump }
}
