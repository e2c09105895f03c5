/** Policy rules as `ip rule` prints them, and `ip -j rule`. iproute2: ip/iprule.c (print_rule). */
import type { RuleItem } from '../../core/control/text/messages.ts'

type RuleShow = { readonly details?: boolean }

/** Printed where somebody is named, or for -d. */
const isProtocolShown = (protocol: string, { details }: RuleShow): boolean =>
  details === true || (protocol !== 'unspec' && protocol !== 'kernel')

export const ruleJson = (rule: RuleItem, show: RuleShow = {}): Record<string, unknown> => {
  const { family: _, protocol, ...rest } = rule
  return { ...rest, ...(isProtocolShown(protocol, show) && { protocol }) }
}

const networkText = (addr: string, len: number | undefined): string =>
  len === undefined ? addr : `${addr}/${len}`

const portText = (
  name: string,
  one: number | undefined,
  first: number | undefined,
  last: number | undefined
): string[] =>
  one !== undefined ? [`${name} ${one}`] : first === undefined ? [] : [`${name} ${first}-${last}`]

const deviceText = (name: 'iif' | 'oif', rule: RuleItem): string[] => {
  const device = rule[name]
  if (device === undefined) return []
  return [`${name} ${device}`, ...(`${name}_detached` in rule ? ['[detached]'] : [])]
}

const actionText = (rule: RuleItem): string[] => {
  const { table, suppress_prefixlen: plen, goto: target, nop, action } = rule
  if (target !== undefined) return [`goto ${target}`]
  if (nop !== undefined) return ['nop']
  if (action !== undefined) return [action]
  const lookup = table === undefined ? [] : [`lookup ${table}`]
  return [...lookup, ...(plen === undefined ? [] : [`suppress_prefixlength ${plen}`])]
}

export const ruleText = (rule: RuleItem, show: RuleShow = {}): string => {
  const { tos, fwmark, fwmask, ipproto, protocol } = rule
  const words = [
    ...(rule.not === undefined ? [] : ['not']),
    `from ${networkText(rule.src, rule.srclen)}`,
    ...(rule.dst === undefined ? [] : [`to ${networkText(rule.dst, rule.dstlen)}`]),
    ...(tos === undefined ? [] : [`tos ${tos}`]),
    ...(fwmark === undefined
      ? []
      : [`fwmark ${fwmark}${fwmask === undefined ? '' : `/${fwmask}`}`]),
    ...deviceText('iif', rule),
    ...deviceText('oif', rule),
    ...(rule.l3mdev === undefined ? [] : ['lookup [l3mdev-table]']),
    ...(ipproto === undefined ? [] : [`ipproto ${ipproto}`]),
    ...portText('sport', rule.sport, rule.sport_start, rule.sport_end),
    ...portText('dport', rule.dport, rule.dport_start, rule.dport_end),
    ...actionText(rule),
    ...(isProtocolShown(protocol, show) ? [`proto ${protocol}`] : []),
  ]
  return `${rule.priority}:\t${words.join(' ')}`
}
