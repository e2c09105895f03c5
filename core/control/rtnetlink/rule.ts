/** Policy rules. */
import type { FibRule } from '../../inet/fib/rules/fib-rule.ts'

/** A rule as it is asked for. */
export type NewRule = Omit<FibRule, 'priority'> & { priority?: number }
export type RuleFilter = {
  /** 0 is every family. */
  family: number
}
