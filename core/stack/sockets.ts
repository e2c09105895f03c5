/**
 * The socket layer of a stack: the socket calls over whatever protocols register themselves, the services in the worker,
 * and the rings to applications in other threads.
 */
import { createAppPort } from '../socket/app-port.ts'
import { createServices } from '../socket/services/services.ts'
import { sockSlab } from '../socket/sock.ts'
import { createSockets } from '../socket/sockets.ts'
import { createOwnedFlows } from '../transport/owned-flows.ts'
import type { Machine } from './machine.ts'

export type SocketLayer = ReturnType<typeof createSocketLayer>

/** `wake` rings the doorbell of a sleeping thread. */
export const createSocketLayer = (machine: Machine, wake: (thread: number) => void) => {
  const { arena, thread, steer } = machine
  const slab = sockSlab(arena, thread, true)
  const sockets = createSockets({ arena, firstSock: slab.first, recordFlow: steer.recordFlow })
  const owned = createOwnedFlows(machine)
  const services = createServices({ ...machine, sockets })
  const wakeApp = (app: number): void => wake(arena.layout.appThread + app)
  const appPort = createAppPort({ ...machine, sockets, wakeApp })
  return { slab, sockets, owned, services, appPort }
}
