/**
 * A policy rule as control has it, in numbers; fib-rules-writer.ts makes rows of it. Linux: struct fib_rule.
 */
import type { Words } from '../../../wire/text.ts'

export type RuleNetwork = { words: Words; plen: number }
export type PortRange = readonly [first: number, last: number]
export type FibRule = {
  family: number
  priority: number
  isInverted: boolean
  /** Null: all. */
  src: RuleNetwork | null
  dst: RuleNetwork | null
  /** Names of devices, which need not be there; '': any. */
  iif: string
  oif: string
  mark: number
  /** 0: no mark is asked for. */
  markMask: number
  tos: number
  /** IPPROTO_*; 0: any. */
  proto: number
  sport: PortRange | null
  dport: PortRange | null
  /** FR_ACT_* */
  action: number
  /** Of FR_ACT_TO_TBL. */
  table: number
  /** Priority that FR_ACT_GOTO leads to. */
  target: number
  /** It leads each VRF's flows to that VRF's table. */
  isL3mdev: boolean
  /** -1: nothing is suppressed. */
  suppressPlen: number
  /** RTPROT_* */
  protocol: number
}
