/**
 * A stack's routes as transports use them: the lookup, the path MTUs and next hops learned of what lies behind
 * it, and the route that a sock keeps. A path MTU goes to all CPUs, since the flows to one destination are spread over them.
 */
import type { Flowi } from '../base/flowi.ts'
import { createPmtu } from '../inet/dst/pmtu.ts'
import { createRedirects } from '../inet/dst/redirects.ts'
import { createSkDst } from '../inet/dst/sk-dst.ts'
import { Ipi } from '../shm/ipi.ts'
import type { Machine } from './machine.ts'

/** `lookup` is the route lookup without what was learned (inet/fib/route.ts). */
export const createDst = (machine: Machine, lookup: (fl: Flowi) => number) => {
  const { arena, thread, time, random, ipi } = machine
  const { workers } = arena.layout.config
  const tellOthers = (l3mdev: number, a: Int32Array, at: number, mtu: number): void => {
    for (let cpu = 0; cpu < workers; cpu++)
      if (cpu !== thread)
        ipi.send(cpu, Ipi.PMTU_UPDATE, l3mdev, a[at], a[at + 1], a[at + 2], a[at + 3], mtu)
  }
  const pmtu = createPmtu({ arena, thread, time, random, routeOutput: lookup, tellOthers })
  const { updatePmtu } = pmtu
  const redirects = createRedirects({ ...machine, routeOutput: pmtu.routeOutput })
  const { routeOutput, learnRedirect } = redirects
  const pmtuSerial = (): number => pmtu.pmtuSerial() + redirects.redirectSerial()
  const address = new Int32Array(4)
  ipi.on(Ipi.PMTU_UPDATE, (_from, l3mdev, a1, a2, a3, a4, mtu) => {
    address[0] = a1
    address[1] = a2
    address[2] = a3
    address[3] = a4
    pmtu.pmtuLearned(l3mdev, address, 0, mtu)
  })
  ipi.on(Ipi.RT_CACHE_FLUSH, (from, family, _a1, _a2, _a3, _a4, _a5, request) => {
    pmtu.flushPmtu(family)
    redirects.flushRedirects(family)
    ipi.send(from, Ipi.REPLY, request, 0)
  })
  const skDst = createSkDst({ arena, time, routeOutput, pmtuSerial })
  return { routeOutput, updatePmtu, learnRedirect, pmtuSerial, skDst }
}
