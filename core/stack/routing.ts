/** What addresses are, and where packets to them go: the tables that the families of a stack ask. */
import { createAddrType } from '../inet/addr-type.ts'
import { createFibReader } from '../inet/fib.ts'
import { createPacketAddrs } from '../inet/packet-addrs.ts'
import { createRoute } from '../inet/route.ts'
import { INIT_NET } from '../netdev/netdev.ts'
import { createDst } from './dst.ts'
import type { Machine } from './machine.ts'

export type Routing = ReturnType<typeof createRouting>

export const createRouting = (machine: Machine) => {
  const { arena } = machine
  const fib = createFibReader(arena, INIT_NET)
  const { routeInput, routeOutput } = createRoute({ arena, fib })
  return {
    ...createAddrType(arena, fib),
    ...createPacketAddrs(arena),
    routeInput,
    ...createDst(machine, routeOutput),
  }
}
