/**
 * Routing of a packet: routeInput for one that was received (route-input.ts), routeOutput for one that is made here (route-output.ts).
 * Any thread, no allocation, no lock: reads the forwarding tries, the device and the address rows. Key and result are a
 * flowi. Linux: net/ipv4/route.c (ip_route_input_slow, ip_route_output_key_hash_rcu), net/ipv6/route.c.
 *
 * Answers are 0 or, as Linux's: -EINVAL a martian or blackhole, -EXDEV refused by rp_filter, -ENETUNREACH no
 * route, -EHOSTUNREACH an unreachable route or forwarding is off, -EACCES a prohibit route.
 */
import { createSourceSelection } from '../addr/source.ts'
import { createMcTable } from '../mc/mc-table.ts'
import type { FibReader } from './fib.ts'
import { createValidateSource } from './fib-validate-source.ts'
import { createFlowHash } from './multipath/flow-hash.ts'
import { createMultipath } from './multipath/multipath.ts'
import { createRouteInput } from './route-input.ts'
import { createRouteOutput } from './route-output.ts'
import { createRouteResult } from './route-result.ts'

export type Route = ReturnType<typeof createRoute>

type RouteDeps = Omit<Parameters<typeof createMultipath>[0], 'flowHash'> & { fib: FibReader }

export const createRoute = ({ fib, ...deps }: RouteDeps) => {
  const { arena } = deps
  const flowHash = createFlowHash(arena)
  const parts = {
    arena,
    fib,
    ...fib,
    ...createMultipath({ ...deps, flowHash }),
    ...createRouteResult(arena),
  }
  const source = createSourceSelection(arena)
  const validateSource = createValidateSource({ ...parts, ...source })
  const input = createRouteInput({ ...parts, ...createMcTable(arena), ...validateSource })
  const { routeOutput } = createRouteOutput({ ...parts, ...source })
  return { ...input, routeOutput, flowHash }
}
