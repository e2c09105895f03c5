/**
 * What a lookup needs to know of a received packet beyond its header: its ports. Called by IP
 * input of both families before routeInput, on any thread; dissects only when a rule or the choice among next hops asks.
 * Linux: fib4_rules_early_flow_dissect, fib6_rules_early_flow_dissect.
 */
import { AF_INET, AF_INET6 } from '../base/family.ts'
import type { Flowi } from '../base/flowi.ts'
import { FL_DPORT, FL_FAMILY, FL_SPORT } from '../base/flowi.ts'
import type { Arena } from '../shm/arena.ts'
import { SKB_FRAGS, SKB_LEN, type Skbs } from '../skb/skb.ts'
import { byFamily } from './af-ops.ts'
import { HASH_POLICY_L4, hashPolicyWord } from './multipath.ts'
import { FR_HEAD_PORTS } from './fib-rule-constants.ts'
import { ruleHead } from './fib-rules.ts'

export type FlowKeys = ReturnType<typeof createFlowKeys>
type FlowKeysDeps = {
  arena: Arena
  skbs: Pick<Skbs, 'mayPull'>
  net: number
  /** Source port in the upper half, destination port in the lower; 0 of what has none. By core/stack/routing.ts. */
  dissectPorts: (skb: number) => number
}

/** So far from the network header on ports are looked for. */
const LOOK = 128

export const createFlowKeys = ({ arena, skbs, net, dissectPorts }: FlowKeysDeps) => {
  const { i32 } = arena
  const policyAt = hashPolicyWord(arena)
  const comparing = byFamily(
    ruleHead(arena, net, AF_INET) + FR_HEAD_PORTS,
    ruleHead(arena, net, AF_INET6) + FR_HEAD_PORTS
  )
  /**
   * Fills FL_SPORT and FL_DPORT of a packet, data at its network header, where rules of its family compare ports, or flows
   * are told apart by them. It may move the buffer.
   */
  const flowPorts = (skb: number, fl: Flowi): void => {
    const family = fl[FL_FAMILY]
    if (i32[comparing(family)] === 0 && i32[policyAt(family)] !== HASH_POLICY_L4) return
    if (i32[skb + SKB_FRAGS] !== 0) skbs.mayPull(skb, Math.min(LOOK, i32[skb + SKB_LEN]))
    const ports = dissectPorts(skb)
    fl[FL_SPORT] = ports >>> 16
    fl[FL_DPORT] = ports & 0xffff
  }
  return { flowPorts }
}
