/**
 * Policy rules between text and numbers, with the fields of `ip -j rule` (ip/iprule.c) and its defaults.
 */
import { Errno } from '../../base/errno.ts'
import * as fr from '../../inet/fib/rules/fib-rule-constants.ts'
import type { FibRule, PortRange, RuleNetwork } from '../../inet/fib/rules/fib-rule.ts'
import { RT_TABLE_MAIN } from '../../inet/fib/nexthop-constants.ts'
import { addrLen, formatAddr, networkOf, parsePrefix } from '../../wire/text.ts'
import type { NewRule } from '../rtnetlink.ts'
import type { FamilyName, Refused, RuleItem, RuleSpec } from './messages.ts'
import {
  addrOf,
  badPrefix,
  familyName,
  familyNumber,
  familyOf,
  ipProtocolNames,
  isRefused,
  protocolNames,
  refuseAs,
  tableNames,
  wrong,
} from './names.ts'

const MAX_U32 = 0xffffffff
const ACTIONS: Readonly<Record<string, number>> = {
  blackhole: fr.FR_ACT_BLACKHOLE,
  unreachable: fr.FR_ACT_UNREACHABLE,
  prohibit: fr.FR_ACT_PROHIBIT,
}

/** A number in digits, decimal or 0x..., up to `max`; null for anything else. */
const readNumber = (value: string | number, max: number): number | null => {
  const text = String(value)
  const number = /^(?:0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : Number.NaN
  return number <= max ? number : null
}
const isAll = (text: string): boolean => ['all', 'any', 'default'].includes(text)

/** The network that the field names; null: all. */
const readNetwork = (
  text: string | undefined,
  len: number | undefined,
  family: number,
  field: 'src' | 'dst'
): RuleNetwork | null | Refused => {
  if (text === undefined || isAll(text)) return null
  const prefix = parsePrefix(len === undefined ? text : `${text}/${len}`)
  if (prefix === null) return badPrefix(text, field)
  if (familyOf(prefix) !== family)
    return refuseAs(
      Errno.EINVAL,
      `Error: Invalid ${field === 'src' ? 'source' : 'dest'} address.`,
      field
    )
  const { words, prefixlen } = networkOf(prefix)
  return prefixlen === 0 ? null : { words, plen: prefixlen }
}
const readPorts = (
  one: number | undefined,
  first: number | undefined,
  last: number | undefined
): PortRange | null =>
  one !== undefined ? [one, one] : first === undefined ? null : [first, last ?? first]

/** The family that a rule's own words say; inet where they say nothing. */
const familyOfSpec = ({ family, src, dst }: RuleSpec): FamilyName =>
  family ?? ([src, dst].some((text) => text?.includes(':')) ? 'inet6' : 'inet')

/** What a rule does: an action with its table or target. */
const readAction = (
  spec: RuleSpec
): Pick<FibRule, 'action' | 'table' | 'target' | 'isL3mdev'> | Refused => {
  const none = { table: 0, target: 0, isL3mdev: false }
  if (spec.l3mdev !== undefined && spec.table !== undefined)
    return refuseAs(Errno.EINVAL, 'Error: l3mdev and table are mutually exclusive.', 'l3mdev')
  if (spec.l3mdev !== undefined) return { ...none, action: fr.FR_ACT_TO_TBL, isL3mdev: true }
  if (spec.goto !== undefined) return { ...none, action: fr.FR_ACT_GOTO, target: spec.goto }
  if (spec.nop !== undefined) return { ...none, action: fr.FR_ACT_NOP }
  if (spec.action !== undefined && spec.action !== 'to_tbl') {
    const action = ACTIONS[spec.action]
    return action === undefined
      ? wrong(spec.action, 'Failed to parse rule type', 'action')
      : { ...none, action }
  }
  const table = spec.table === undefined ? RT_TABLE_MAIN : tableNames.parse(spec.table, MAX_U32)
  return table === null
    ? wrong(spec.table, 'invalid table ID', 'table')
    : { ...none, action: fr.FR_ACT_TO_TBL, table }
}

const readMark = ({ fwmark, fwmask }: RuleSpec): Pick<FibRule, 'mark' | 'markMask'> | Refused => {
  if (fwmark === undefined) return { mark: 0, markMask: 0 }
  const mark = readNumber(fwmark, MAX_U32)
  if (mark === null) return wrong(fwmark, 'fwmark value is invalid', 'fwmark')
  const mask = readNumber(fwmask ?? MAX_U32, MAX_U32)
  if (mask === null) return wrong(fwmask, 'fwmask value is invalid', 'fwmask')
  return { mark: mark | 0, markMask: mask | 0 }
}

/** A whole rule, defaults filled in. */
export const readRule = (spec: RuleSpec): NewRule | Refused => {
  const family = familyNumber(familyOfSpec(spec))
  const src = readNetwork(spec.src, spec.srclen, family, 'src')
  if (isRefused(src)) return src
  const dst = readNetwork(spec.dst, spec.dstlen, family, 'dst')
  if (isRefused(dst)) return dst
  const tos = readNumber(spec.tos ?? 0, 255)
  if (tos === null) return wrong(spec.tos, 'TOS value is invalid', 'tos')
  const proto = spec.ipproto === undefined ? 0 : ipProtocolNames.parse(spec.ipproto)
  if (proto === null) return wrong(spec.ipproto, 'Invalid "ipproto" value', 'ipproto')
  const protocol = spec.protocol === undefined ? 0 : protocolNames.parse(spec.protocol)
  if (protocol === null) return wrong(spec.protocol, '"protocol" value is invalid', 'protocol')
  const mark = readMark(spec)
  if (isRefused(mark)) return mark
  const action = readAction(spec)
  if (isRefused(action)) return action
  return {
    family,
    isInverted: spec.not !== undefined && spec.not !== false,
    src,
    dst,
    iif: spec.iif ?? '',
    oif: spec.oif ?? '',
    ...mark,
    tos,
    proto,
    sport: readPorts(spec.sport, spec.sport_start, spec.sport_end),
    dport: readPorts(spec.dport, spec.dport_start, spec.dport_end),
    ...action,
    suppressPlen: spec.suppress_prefixlen ?? -1,
    protocol,
    ...(spec.priority !== undefined && { priority: spec.priority }),
  }
}

/** The fields of a rule that each word of a spec says. */
const SAYS: Readonly<Record<string, readonly (keyof FibRule)[]>> = {
  not: ['isInverted'],
  src: ['src'],
  dst: ['dst'],
  iif: ['iif'],
  oif: ['oif'],
  fwmark: ['mark', 'markMask'],
  tos: ['tos'],
  ipproto: ['proto'],
  sport: ['sport'],
  sport_start: ['sport'],
  dport: ['dport'],
  dport_start: ['dport'],
  table: ['action', 'table'],
  l3mdev: ['action', 'isL3mdev'],
  goto: ['action', 'target'],
  nop: ['action'],
  action: ['action'],
  suppress_prefixlen: ['suppressPlen'],
  protocol: ['protocol'],
  priority: ['priority'],
}
/** What a deletion names: what it leaves out matches anything. */
export const readRuleMatch = (
  spec: RuleSpec
): { family: number; match: Partial<FibRule> } | Refused => {
  const rule = readRule(spec)
  if (isRefused(rule)) return rule
  const said = Object.keys(spec).flatMap((word) => SAYS[word] ?? [])
  const match = Object.fromEntries(said.map((field) => [field, rule[field as keyof NewRule]]))
  return { family: rule.family, match }
}

const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`
const writeNetwork = (
  family: number,
  { words, plen }: RuleNetwork,
  field: 'src' | 'dst'
): Partial<RuleItem> => {
  const addr = addrOf(family, words)
  const len = plen === addrLen(addr.family) ? {} : { [`${field}len`]: plen }
  return { [field]: formatAddr(addr), ...len }
}
const writePorts = (range: PortRange, field: 'sport' | 'dport'): Partial<RuleItem> =>
  range[0] === range[1]
    ? { [field]: range[0] }
    : { [`${field}_start`]: range[0], [`${field}_end`]: range[1] }
const writeAction = ({ action, table, target, isL3mdev }: FibRule): Partial<RuleItem> => {
  if (isL3mdev) return {}
  if (action === fr.FR_ACT_TO_TBL) return { table: tableNames.format(table) }
  if (action === fr.FR_ACT_GOTO) return { goto: target }
  if (action === fr.FR_ACT_NOP) return { nop: null }
  return { action: Object.keys(ACTIONS).find((name) => ACTIONS[name] === action)! }
}
/** In the order of `ip -j rule`; a device that is not there is detached. */
export const writeRule = (rule: FibRule, ifindexOf: (name: string) => number): RuleItem => {
  const { family, iif, oif, suppressPlen, sport, dport } = rule
  return {
    priority: rule.priority,
    ...(rule.isInverted && { not: null }),
    src: 'all',
    ...(rule.src && writeNetwork(family, rule.src, 'src')),
    ...(rule.dst && writeNetwork(family, rule.dst, 'dst')),
    ...(rule.tos !== 0 && { tos: hex(rule.tos) }),
    ...(rule.markMask !== 0 && { fwmark: hex(rule.mark) }),
    ...(rule.markMask !== 0 && rule.markMask !== -1 && { fwmask: hex(rule.markMask) }),
    ...(iif !== '' && { iif, ...(ifindexOf(iif) === 0 && { iif_detached: null }) }),
    ...(oif !== '' && { oif, ...(ifindexOf(oif) === 0 && { oif_detached: null }) }),
    ...(rule.isL3mdev && { l3mdev: null }),
    ...(rule.proto !== 0 && { ipproto: ipProtocolNames.format(rule.proto) }),
    ...(sport && writePorts(sport, 'sport')),
    ...(dport && writePorts(dport, 'dport')),
    ...writeAction(rule),
    ...(suppressPlen >= 0 && { suppress_prefixlen: suppressPlen }),
    protocol: protocolNames.format(rule.protocol),
    family: familyName(family),
  }
}
