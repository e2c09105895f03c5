/**
 * The socket layer of a stack: the socket calls over whatever protocols register themselves, the services in the worker,
 * and the rings to applications in other threads.
 */
import { createAppPort } from '../socket/app-port.ts'
import { createCmsg } from '../socket/msg/cmsg.ts'
import { createDatagram } from '../socket/datagram.ts'
import { createErrQueue } from '../socket/msg/errqueue.ts'
import { createRxPmtu } from '../socket/msg/rx-pmtu.ts'
import { createRecvError } from '../socket/msg/recv-error.ts'
import { createServices } from '../socket/services/services.ts'
import { createSkFilter, createSkPrograms } from '../socket/sk-filter.ts'
import { sockSlab } from '../socket/sock.ts'
import { createSockets } from '../socket/sockets.ts'
import { createDgramTstamp } from '../transport/dgram-tstamp.ts'
import { createOwnedFlows } from '../transport/owned-flows.ts'
import { Errno } from '../base/errno.ts'
import { RTN_UNICAST } from '../base/flowi.ts'
import { bpfCheck } from '../bpf/bpf-check.ts'
import { createBpf } from '../bpf/bpf.ts'
import { createMcMembers } from '../inet/mc/mc-members.ts'
import { createIpOptionsSock } from '../ipv4/options/ip-options-sock.ts'
import { createInetSockopt } from '../socket/sockopt/inet-sockopt.ts'
import { createIpCmsg, type PacketOptions } from '../socket/msg/ip-cmsg.ts'
import { createIpcm } from '../socket/msg/ipcm.ts'
import { createTimestamp } from '../socket/msg/timestamp.ts'
import { createMcSockopt } from '../socket/sockopt/mc-sockopt.ts'
import type { Inet } from './inet.ts'
import type { Machine } from './machine.ts'

/** What sockets ask of the layer below: which groups they are in, and by which device a group is reached. */
type Routes = Pick<Inet, 'members' | 'routeOutput' | 'addrType'> & { ipOptions: PacketOptions }
/** Of sockets without that layer: those of a transport alone, in tests and benches. */
export const noRoutes = (machine: Machine): Routes => ({
  members: createMcMembers(machine),
  routeOutput: () => -Errno.ENETUNREACH,
  addrType: () => RTN_UNICAST,
  ipOptions: { specDst: () => 0, echo: () => 0, replyAt: 0 },
})

export type SocketLayer = ReturnType<typeof createSocketLayer>

/** `wake` rings the doorbell of a sleeping thread. */
export const createSocketLayer = (
  machine: Machine,
  { members, routeOutput, addrType, ipOptions: options }: Routes,
  wake: (thread: number) => void
) => {
  const { arena, thread, steer } = machine
  const slab = sockSlab(arena, thread, true)
  const mc = createMcSockopt({ arena, members, routeOutput })
  const errqueue = createErrQueue({ ...arena, ...machine, budget: machine.skbs.budget })
  const inet = createInetSockopt({ arena, errqueue, routeOutput })
  const { recordFlow } = steer
  const programs = createSkPrograms()
  const { runFilter } = createBpf({ arena, skbs: machine.skbs, programs })
  const filter = createSkFilter({ ...machine, programs, runFilter, isSound: bpfCheck })
  const ipOptions = createIpOptionsSock(arena)
  const firstSock = slab.first
  const cmsg = createCmsg()
  const ipcm = createIpcm({ arena, addrType })
  const timestamp = createTimestamp({ ...machine, cmsg })
  const { ipCmsgRecv, ipCmsgOfError } = createIpCmsg({ arena, cmsg, options })
  const recvError = createRecvError({ ...machine, cmsg, errqueue, timestamp, ipCmsgOfError })
  const rxPmtu = createRxPmtu({ arena, cmsg })
  const parts = { mc, inet, filter, ipOptions, rxPmtu }
  const sockets = createSockets({ arena, firstSock, recordFlow, cmsg, ipcm, recvError, ...parts })
  const owned = createOwnedFlows(machine)
  const services = createServices({ ...machine, sockets })
  const wakeApp = (app: number): void => wake(arena.layout.appThread + app)
  const appPort = createAppPort({ ...machine, sockets, wakeApp })
  const { sockEvents } = sockets
  const queues = { slab, filter, errqueue, cmsg, timestamp, sockEvents }
  const datagram = createDatagram({ ...machine, ...queues })
  const stamped = createDgramTstamp({ ...machine, errqueue, ipcm: ipcm.words, sockEvents })
  const { localRxpmtu } = rxPmtu
  const told = { errqueue, cmsg, ipcm, ipCmsgRecv, timestamp, localRxpmtu, ...stamped }
  return { slab, sockets, mc, owned, services, appPort, filter, datagram, ...told }
}
