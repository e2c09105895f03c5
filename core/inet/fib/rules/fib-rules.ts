/**
 * Policy routing as a packet meets it: walks the rules of its family in order until one of them answers. While the rules
 * are those that a net begins with (local, main, default), fib.ts asks the tables directly and never comes here. Any
 * thread, no lock: rows are linked by single stores and reused after a grace period. The writer is fib-rules-writer.ts.
 * Linux: fib_rules_lookup (net/core/fib_rules.c), fib4_rule_match, fib4_rule_suppress, fib6_rule_*.
 */
import { isAnyAddr } from '../../../base/family.ts'
import { Errno } from '../../../base/errno.ts'
import type { Flowi } from '../../../base/flowi.ts'
import {
  FL_DADDR,
  FL_DPORT,
  FL_IIF,
  FL_L3MDEV,
  FL_MARK,
  FL_OIF,
  FL_PROTO,
  FL_SADDR,
  FL_SPORT,
  FL_TOS,
  RTN_THROW,
} from '../../../base/flowi.ts'
import type { Arena } from '../../../shm/arena.ts'
import { DEVICE_WORDS } from '../../../shm/layout.ts'
import { byFamily } from '../../af-ops.ts'
import * as fr from './fib-rule-constants.ts'
import { LOOPBACK_IFINDEX, NH_PLEN, NH_TYPE } from '../nexthop-constants.ts'

/** DSCP and what is left of TOS: all but the ECN bits. */
const DS_MASK = 0xfc

const headIndex = byFamily(0, 1)
/** Where the head of a family's rules is. */
export const ruleHead = ({ layout }: Arena, net: number, family: number): number =>
  layout.fibRules + (net * 2 + headIndex(family)) * fr.FR_HEAD_WORDS

type WalkDeps = {
  arena: Arena
  /** Word of a VRF's row where the family's root is. */
  vrfRoot: number
  /** Word of the trie at `root` for FL_DADDR: a nexthop row, or 0. */
  rowFor: (root: number, fl: Flowi) => number
  /** A sender that is not chosen yet is in no network (IPv6); in IPv4 it is the address 0. */
  needsSource: boolean
}

export const createFibRuleWalk = ({ arena, vrfRoot, rowFor, needsSource }: WalkDeps) => {
  const { i32, layout } = arena

  const isInNetwork = (fl: Flowi, at: number, row: number, net: number, mask: number): boolean =>
    (((fl[at] ^ i32[row + net]) & i32[row + mask]) |
      ((fl[at + 1] ^ i32[row + net + 1]) & i32[row + mask + 1]) |
      ((fl[at + 2] ^ i32[row + net + 2]) & i32[row + mask + 2]) |
      ((fl[at + 3] ^ i32[row + net + 3]) & i32[row + mask + 3])) ===
    0
  const isInRange = (port: number, range: number): boolean =>
    port >= range >>> 16 && port <= (range & 0xffff)
  /** A VRF stands for all of its devices. */
  const isOfVrf = (fl: Flowi, ifindex: number): boolean => ifindex > 0 && fl[FL_L3MDEV] === ifindex
  const agrees = (row: number, fl: Flowi, match: number): boolean => {
    if (match & fr.FR_MATCH_L3MDEV && fl[FL_L3MDEV] === 0) return false
    // what is made here comes from lo
    const iif = fl[FL_IIF] || LOOPBACK_IFINDEX
    if (match & fr.FR_MATCH_IIF && iif !== i32[row + fr.FR_IIF])
      if (fl[FL_IIF] === 0 || !isOfVrf(fl, i32[row + fr.FR_IIF])) return false
    if (match & fr.FR_MATCH_OIF && fl[FL_OIF] !== i32[row + fr.FR_OIF])
      if (fl[FL_IIF] !== 0 || !isOfVrf(fl, i32[row + fr.FR_OIF])) return false
    if (
      match & fr.FR_MATCH_MARK &&
      ((fl[FL_MARK] ^ i32[row + fr.FR_MARK]) & i32[row + fr.FR_MARK_MASK]) !== 0
    )
      return false
    if (match & fr.FR_MATCH_SRC) {
      if (needsSource && isAnyAddr(fl, FL_SADDR)) return false
      if (!isInNetwork(fl, FL_SADDR, row, fr.FR_SRC, fr.FR_SRC_MASK)) return false
    }
    if (match & fr.FR_MATCH_DST && !isInNetwork(fl, FL_DADDR, row, fr.FR_DST, fr.FR_DST_MASK))
      return false
    if (match & fr.FR_MATCH_TOS && (fl[FL_TOS] & DS_MASK) !== i32[row + fr.FR_TOS]) return false
    if (match & fr.FR_MATCH_PROTO && fl[FL_PROTO] !== i32[row + fr.FR_PROTO]) return false
    if (match & fr.FR_MATCH_SPORT && !isInRange(fl[FL_SPORT], i32[row + fr.FR_SPORT])) return false
    return !(match & fr.FR_MATCH_DPORT) || isInRange(fl[FL_DPORT], i32[row + fr.FR_DPORT])
  }
  const isMatch = (row: number, fl: Flowi): boolean => {
    const match = i32[row + fr.FR_MATCH]
    return match === 0 || agrees(row, fl, match) !== ((match & fr.FR_INVERT) !== 0)
  }

  /** The table that a rule leads to. */
  const rootOf = (row: number, fl: Flowi): number =>
    (i32[row + fr.FR_MATCH] & fr.FR_MATCH_L3MDEV) === 0
      ? i32[row + fr.FR_ROOT]
      : i32[layout.devices + fl[FL_L3MDEV] * DEVICE_WORDS + vrfRoot]
  /** What a rule's table has for the flow: a row, or 0 and the next rule is asked. */
  const fromTable = (row: number, fl: Flowi): number => {
    const root = rootOf(row, fl)
    if (root === 0) return 0
    const found = rowFor(root, fl)
    if (found === 0 || i32[found + NH_TYPE] === RTN_THROW) return 0
    const suppressed = i32[row + fr.FR_SUPPRESS_PLEN]
    return suppressed >= 0 && i32[found + NH_PLEN] <= suppressed ? 0 : found
  }

  /** The nexthop row for FL_DADDR by the rules from `first` on; or -errno. */
  const walk = (first: number, fl: Flowi): number => {
    let row = first === fr.FR_HEAD_NONE ? 0 : first
    while (row !== 0) {
      const action = isMatch(row, fl) ? i32[row + fr.FR_ACTION] : fr.FR_ACT_NOP
      if (action === fr.FR_ACT_TO_TBL) {
        const found = fromTable(row, fl)
        if (found !== 0) return found
      } else if (action === fr.FR_ACT_GOTO) {
        const target = i32[row + fr.FR_TARGET]
        if (target !== 0) {
          row = target
          continue
        }
      } else if (action === fr.FR_ACT_BLACKHOLE) return -Errno.EINVAL
      else if (action === fr.FR_ACT_UNREACHABLE) return -Errno.ENETUNREACH
      else if (action === fr.FR_ACT_PROHIBIT) return -Errno.EACCES
      row = i32[row + fr.FR_NEXT]
    }
    return -Errno.ENETUNREACH
  }
  return walk
}
