/**
 * Words of a rule's row: which flows it is for, and what becomes of them (Linux: struct fib_rule, fib4_rule,
 * fib6_rule). Control writes a row before it is linked and changes after that only where it leads to: its table's root,
 * its goto's target, its devices' numbers, the next rule. A row's name is its word index.
 */

/** Row of the next rule, or 0. */
export const FR_NEXT = 0
/** FR_ACT_* */
export const FR_ACTION = 1
/** Root of the table's trie; 0 while there is no such table. */
export const FR_ROOT = 2
/** Row that a goto leads to; 0 while there is none. */
export const FR_TARGET = 3
/** FR_MATCH_*: what there is to compare. */
export const FR_MATCH = 4
/** Number of the device; -1 while there is none of that name. */
export const FR_IIF = 5
export const FR_OIF = 6
export const FR_MARK = 7
export const FR_MARK_MASK = 8
export const FR_TOS = 9
export const FR_PROTO = 10
/** First port in the upper half, last in the lower. */
export const FR_SPORT = 11
export const FR_DPORT = 12
/** Routes of a prefix this long or shorter do not count; -1: all do. */
export const FR_SUPPRESS_PLEN = 13
export const FR_SRC = 16
export const FR_SRC_MASK = 20
export const FR_DST = 24
export const FR_DST_MASK = 28

export const FR_MATCH_IIF = 1
export const FR_MATCH_OIF = 2
export const FR_MATCH_MARK = 4
export const FR_MATCH_TOS = 8
export const FR_MATCH_PROTO = 16
export const FR_MATCH_SPORT = 32
export const FR_MATCH_DPORT = 64
export const FR_MATCH_SRC = 128
export const FR_MATCH_DST = 256
/** `not`: the flows that do not match. */
export const FR_INVERT = 512
/** Flows of a VRF, whose table it leads to. */
export const FR_MATCH_L3MDEV = 1024

// include/uapi/linux/fib_rules.h
export const FR_ACT_TO_TBL = 1
export const FR_ACT_GOTO = 2
export const FR_ACT_NOP = 3
export const FR_ACT_BLACKHOLE = 6
export const FR_ACT_UNREACHABLE = 7
export const FR_ACT_PROHIBIT = 8

// Row 0 of the region: of each net and family where its rules begin.
export const FR_HEAD_WORDS = 4
/** Row of the first rule; 0: the rules are those that a net begins with, FR_HEAD_NONE: there are none. */
export const FR_HEAD_FIRST = 0
/** How many rules compare ports: packets are dissected for them alone. */
export const FR_HEAD_PORTS = 1
/** 1 once other rules were there than those that a net begins with (fib_has_custom_rules): control's. */
export const FR_HEAD_CUSTOM = 2
export const FR_HEAD_NONE = -1
