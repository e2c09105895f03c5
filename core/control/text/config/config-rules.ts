/**
 * Rules of a configuration, without those that a net begins with. Control thread.
 */
import type { RuleItem, RuleSpec } from '../messages.ts'
import { isRefused } from '../names.ts'
import { readRule } from '../rule.ts'
import { ADD, type Dump, type Steps, add, del, drain } from './config-steps.ts'

/** Does the wanted rule say what the running one is? Both ways of writing a network are one. */
const isRule = (wanted: RuleSpec, running: RuleItem): boolean => {
  const [a, b] = [readRule(wanted), readRule(running)]
  if (isRefused(a) || isRefused(b)) return false
  return JSON.stringify({ ...a, priority: a.priority ?? b.priority }) === JSON.stringify(b)
}

export const createRuleConfig = (dump: Dump) => {
  const running = (): RuleItem[] =>
    drain(dump({ type: 'RTM_GETRULE' })).filter(({ protocol }) => protocol !== 'kernel')
  const get = (): RuleSpec[] =>
    running().map(({ iif_detached: _i, oif_detached: _o, ...rule }) => rule)

  const steps = (wanted: readonly RuleSpec[]): Steps => {
    const now = running()
    const isWanted = (rule: RuleItem): boolean => wanted.some((one) => isRule(one, rule))
    const gone = now
      .filter((rule) => !isWanted(rule))
      .map(({ iif_detached: _i, oif_detached: _o, ...rule }) => del({ type: 'RTM_DELRULE', rule }))
    const come = wanted.flatMap((rule, index) =>
      now.some((one) => isRule(rule, one))
        ? []
        : [add({ type: 'RTM_NEWRULE', flags: ADD, rule }, `rule[${index}]`)]
    )
    return { gone, come }
  }

  return { get, steps }
}
