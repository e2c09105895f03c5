/**
 * The one writer of policy rules, on control: their order, and their rows in shared memory (fib-rules.ts reads them).
 * A change is one store that links or unlinks a row, so a reader walks the list as it was or as it is; a row is used
 * again after a grace period. Rules follow the tables and the devices that they name as those come and go.
 * Linux: fib_newrule, fib_delrule, attach_rules (net/core/fib_rules.c).
 */
import { AF_INET, AF_INET6 } from '../../../base/family.ts'
import { Errno } from '../../../base/errno.ts'
import type { Links } from '../../../control/links/links.ts'
import type { Publisher } from '../../../control/rtnl/publish.ts'
import type { Arena } from '../../../shm/arena.ts'
import { FIB_RULE_WORDS, G_GENERATION } from '../../../shm/layout.ts'
import type { Words } from '../../../wire/text.ts'
import { byFamily } from '../../af-ops.ts'
import * as fr from '../rules/fib-rule-constants.ts'
import type { FibRule, PortRange, RuleNetwork } from '../rules/fib-rule.ts'
import { ruleHead } from '../rules/fib-rules.ts'
import { fibRoot, type OnTable } from '../trie/fib-tables.ts'
import { maskWords } from './addr-prefix.ts'
import {
  RT_TABLE_DEFAULT,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RTPROT_KERNEL,
} from '../nexthop-constants.ts'

type Entry = { readonly rule: FibRule; readonly row: number }
/** The rules of one net's family, in order. */
type RuleList = { readonly net: number; readonly family: number; entries: Entry[] }

type FibRulesDeps = {
  arena: Arena
} & Pick<Publisher, 'retire' | 'reclaim'> &
  Pick<Links, 'ifindexOf'>
export type FibRulesWriter = ReturnType<typeof createFibRulesWriter>

const ANY_RULE = {
  isInverted: false,
  src: null,
  dst: null,
  iif: '',
  oif: '',
  mark: 0,
  markMask: 0,
  tos: 0,
  proto: 0,
  sport: null,
  dport: null,
  action: fr.FR_ACT_TO_TBL,
  target: 0,
  isL3mdev: false,
  suppressPlen: -1,
  protocol: RTPROT_KERNEL,
}
const plainRule = (family: number, priority: number, table: number): FibRule => ({
  ...ANY_RULE,
  family,
  priority,
  table,
})
/** What the first VRF brings (vrf_add_fib_rules). */
export const l3mdevRule = (family: number): FibRule => ({
  ...plainRule(family, 1000, 0),
  isL3mdev: true,
})
/** What a net begins with: IPv6 has no rule for the table default. */
const standing = byFamily(
  [
    plainRule(AF_INET, 0, RT_TABLE_LOCAL),
    plainRule(AF_INET, 32766, RT_TABLE_MAIN),
    plainRule(AF_INET, 32767, RT_TABLE_DEFAULT),
  ],
  [plainRule(AF_INET6, 0, RT_TABLE_LOCAL), plainRule(AF_INET6, 32766, RT_TABLE_MAIN)]
)

const matchOf = (rule: FibRule): number =>
  (rule.isInverted ? fr.FR_INVERT : 0) |
  (rule.iif === '' ? 0 : fr.FR_MATCH_IIF) |
  (rule.oif === '' ? 0 : fr.FR_MATCH_OIF) |
  (rule.markMask === 0 ? 0 : fr.FR_MATCH_MARK) |
  (rule.tos === 0 ? 0 : fr.FR_MATCH_TOS) |
  (rule.proto === 0 ? 0 : fr.FR_MATCH_PROTO) |
  (rule.sport === null ? 0 : fr.FR_MATCH_SPORT) |
  (rule.dport === null ? 0 : fr.FR_MATCH_DPORT) |
  (rule.src === null ? 0 : fr.FR_MATCH_SRC) |
  (rule.dst === null ? 0 : fr.FR_MATCH_DST) |
  (rule.isL3mdev ? fr.FR_MATCH_L3MDEV : 0)
const ALL_ONES: Words = [-1, -1, -1, -1]
/** The mask of a prefix; an IPv4 address is the last word of four, and the others are the same for all. */
const maskOf = byFamily<(plen: number) => Words>(
  (plen) => maskWords(ALL_ONES, 96 + plen),
  (plen) => maskWords(ALL_ONES, plen)
)
const rangeWord = ([first, last]: PortRange): number => (first << 16) | last
/** Does the rule do what one of the standing rules does? */
const isPlain = (rule: FibRule, as: FibRule): boolean =>
  matchOf(rule) === 0 &&
  rule.priority === as.priority &&
  rule.action === as.action &&
  rule.table === as.table &&
  rule.suppressPlen < 0

export const createFibRulesWriter = ({ arena, retire, reclaim, ifindexOf }: FibRulesDeps) => {
  const { i32, layout } = arena
  const { fibRules } = layout
  const free: number[] = []
  for (let k = layout.config.fibRules - 1; k > 0; k--) free.push(fibRules + k * FIB_RULE_WORDS)
  const lists: RuleList[] = []
  const listOf = (net: number, family: number): RuleList =>
    lists.find((list) => list.net === net && list.family === family)!

  const deviceOf = (name: string): number => (name === '' ? 0 : ifindexOf(name) || -1)
  const write = (net: number, row: number, rule: FibRule): void => {
    i32.fill(0, row, row + FIB_RULE_WORDS)
    i32[row + fr.FR_ACTION] = rule.action
    if (rule.action === fr.FR_ACT_TO_TBL)
      i32[row + fr.FR_ROOT] = fibRoot(arena, net, rule.family, rule.table)
    i32[row + fr.FR_MATCH] = matchOf(rule)
    i32[row + fr.FR_IIF] = deviceOf(rule.iif)
    i32[row + fr.FR_OIF] = deviceOf(rule.oif)
    i32[row + fr.FR_MARK] = rule.mark
    i32[row + fr.FR_MARK_MASK] = rule.markMask
    i32[row + fr.FR_TOS] = rule.tos
    i32[row + fr.FR_PROTO] = rule.proto
    if (rule.sport) i32[row + fr.FR_SPORT] = rangeWord(rule.sport)
    if (rule.dport) i32[row + fr.FR_DPORT] = rangeWord(rule.dport)
    i32[row + fr.FR_SUPPRESS_PLEN] = rule.suppressPlen
    writeNetwork(row + fr.FR_SRC, row + fr.FR_SRC_MASK, rule.family, rule.src)
    writeNetwork(row + fr.FR_DST, row + fr.FR_DST_MASK, rule.family, rule.dst)
  }
  const writeNetwork = (at: number, mask: number, family: number, to: RuleNetwork | null): void => {
    if (to === null) return
    i32.set(to.words, at)
    i32.set(maskOf(family)(to.plen), mask)
  }

  /** Puts what has changed about the list in force: the links first, then where it begins. */
  const link = (list: RuleList, isLess = false): void => {
    const { net, family, entries } = list
    // the rows' words are visible before any word that names them
    Atomics.add(i32, G_GENERATION, 0)
    for (const [k, { rule, row }] of entries.entries()) {
      if (rule.action === fr.FR_ACT_GOTO)
        i32[row + fr.FR_TARGET] = entries.find((to) => to.rule.priority === rule.target)?.row ?? 0
      Atomics.store(i32, row + fr.FR_NEXT, entries[k + 1]?.row ?? 0)
    }
    const usual = standing(family)
    const isUsual =
      entries.length === usual.length && entries.every(({ rule }, k) => isPlain(rule, usual[k]))
    const hasPorts = ({ rule }: Entry): boolean => rule.sport !== null || rule.dport !== null
    const head = ruleHead(arena, net, family)
    i32[head + fr.FR_HEAD_PORTS] = entries.filter(hasPorts).length
    // a net begins with one rule after another
    if (!isUsual && (isLess || entries.length > usual.length)) i32[head + fr.FR_HEAD_CUSTOM] = 1
    const first = entries[0]?.row ?? fr.FR_HEAD_NONE
    Atomics.store(i32, head + fr.FR_HEAD_FIRST, isUsual ? 0 : first)
  }

  /** Behind the rules of the same priority. 0, or -ENOBUFS and nothing has changed. */
  const insert = (net: number, rule: FibRule): number => {
    if (free.length === 0) reclaim()
    const row = free.pop()
    if (row === undefined) return -Errno.ENOBUFS
    write(net, row, rule)
    const list = listOf(net, rule.family)
    const at = list.entries.findIndex((other) => other.rule.priority > rule.priority)
    list.entries = list.entries.toSpliced(at < 0 ? list.entries.length : at, 0, { rule, row })
    link(list)
    return 0
  }
  const remove = (net: number, rule: FibRule): void => {
    const list = listOf(net, rule.family)
    const gone = list.entries.find((entry) => entry.rule === rule)!
    list.entries = list.entries.filter((entry) => entry !== gone)
    // its own next stays: a reader that stands on it goes on from there
    link(list, true)
    retire(() => free.push(gone.row))
  }
  const rules = (net: number, family: number): FibRule[] =>
    listOf(net, family).entries.map(({ rule }) => rule)

  const addNet = (net: number): void => {
    for (const family of [AF_INET, AF_INET6]) {
      lists.push({ net, family, entries: [] })
      for (const rule of standing(family))
        if (insert(net, rule) !== 0) throw new Error(`fib: no room for the rules of net ${net}`)
    }
  }
  /** A table has come, or goes (root 0). */
  const tableMoved: OnTable = (net, family, id, root) => {
    for (const { rule, row } of lists.find((l) => l.net === net && l.family === family)?.entries ??
      [])
      if (rule.action === fr.FR_ACT_TO_TBL && rule.table === id)
        Atomics.store(i32, row + fr.FR_ROOT, root)
  }
  /** Devices have come, gone or been renamed. */
  const devicesChanged = (): void => {
    for (const { entries } of lists)
      for (const { rule, row } of entries) {
        if (rule.iif !== '') Atomics.store(i32, row + fr.FR_IIF, deviceOf(rule.iif))
        if (rule.oif !== '') Atomics.store(i32, row + fr.FR_OIF, deviceOf(rule.oif))
      }
  }
  const available = (): number => free.length
  return { insert, remove, rules, addNet, tableMoved, devicesChanged, available }
}
