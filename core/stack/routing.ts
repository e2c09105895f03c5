/** What addresses are, and where packets to them go: the tables that the families of a stack ask. */
import { createAddrType } from '../inet/addr-type.ts'
import { createDoRedirect } from '../inet/do-redirect.ts'
import { createFibReader } from '../inet/fib.ts'
import { createFlowKeys } from '../inet/flow-keys.ts'
import { createPacketAddrs } from '../inet/packet-addrs.ts'
import { createRoute } from '../inet/route.ts'
import { INIT_NET } from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import { SKB_NETWORK, SKB_PROTOCOL, SKB_TAIL } from '../skb/skb.ts'
import {
  createFlowDissector,
  DISSECT_OK,
  FLAG_ICMP_ERROR,
  KEY_DPORT,
  KEY_FLAGS,
  KEY_SPORT,
} from '../steering/flow-dissect.ts'
import { createDst } from './dst.ts'
import type { Machine } from './machine.ts'

export type Routing = ReturnType<typeof createRouting>

/** Fragments have no ports, nor has an ICMP error: what it quotes has some. */
const createPortDissector = ({ i32, u8 }: Arena) => {
  const { keys, dissectNetwork } = createFlowDissector(u8)
  return (skb: number): number => {
    const at = i32[skb + SKB_NETWORK]
    const read = dissectNetwork(i32[skb + SKB_PROTOCOL], at, i32[skb + SKB_TAIL] - at)
    if (read !== DISSECT_OK || (keys[KEY_FLAGS] & FLAG_ICMP_ERROR) !== 0) return 0
    return (keys[KEY_SPORT] << 16) | keys[KEY_DPORT]
  }
}

export const createRouting = (machine: Machine) => {
  const { arena } = machine
  const fib = createFibReader(arena, INIT_NET)
  const { routeInput, routeOutput } = createRoute({ ...machine, fib })
  return {
    ...createAddrType(arena, fib),
    ...createDoRedirect(arena, fib),
    ...createPacketAddrs(arena),
    routeInput,
    ...createFlowKeys({ ...machine, net: INIT_NET, dissectPorts: createPortDissector(arena) }),
    ...createDst(machine, routeOutput),
  }
}
