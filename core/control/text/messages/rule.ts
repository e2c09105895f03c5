/** Rules in the words of `ip rule`. */
import type { FamilyName } from './family.ts'

/** What names and describes a rule, with the fields of `ip -j rule`; an address may be a prefix as well. */
export type RuleSpec = {
  /** Needed only where no address tells it. */
  family?: FamilyName
  /** Just before the rules that are there, when not given. */
  priority?: number
  not?: null | boolean
  src?: string
  srclen?: number
  dst?: string
  dstlen?: number
  tos?: string | number
  fwmark?: string | number
  fwmask?: string | number
  iif?: string
  oif?: string
  ipproto?: string | number
  sport?: number
  sport_start?: number
  sport_end?: number
  dport?: number
  dport_start?: number
  dport_end?: number
  /** main when no action, goto or nop is given either. */
  table?: string | number
  suppress_prefixlen?: number
  goto?: number
  nop?: null | boolean
  /** Each VRF's flows are led to its table. */
  l3mdev?: null | boolean
  action?: string
  protocol?: string | number
}
/** As `ip -j rule` prints it, and its family. */
export type RuleItem = RuleSpec & {
  priority: number
  src: string
  iif_detached?: null
  oif_detached?: null
  protocol: string
  family: FamilyName
}
export type RuleFilter = { family?: FamilyName }
