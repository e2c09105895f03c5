/** What addresses are, and where packets to them go: the tables that the families of a stack ask. */
import { createAddrType } from '../inet/addr-type.ts'
import { createFibReader } from '../inet/fib.ts'
import { createRoute } from '../inet/route.ts'
import { INIT_NET } from '../netdev/netdev.ts'
import { createDst } from './dst.ts'
import type { Machine } from './machine.ts'

export type Routing = ReturnType<typeof createRouting>

export const createRouting = (machine: Machine) => {
  const fib = createFibReader(machine.arena, INIT_NET)
  const { routeInput, routeOutput } = createRoute({ arena: machine.arena, fib })
  return { ...createAddrType(machine.arena, fib), routeInput, ...createDst(machine, routeOutput) }
}
