// A worker without packets: its socket layer over fake protocols, its services, its app port.
import { createFakeTcp, createFakeUdp } from './fake-proto.ts'
import { seeded } from './random.ts'
import { createArena, type Arena } from '../../core/shm/arena.ts'
import { SMALL_ARENA, type ArenaConfig } from '../../core/shm/layout.ts'
import { setSysctlDefaults } from '../../core/shm/sysctl.ts'
import { IPPROTO_TCP, IPPROTO_UDP } from '../../core/wire/ipproto.ts'
import { SOCK_DGRAM, SOCK_STREAM } from '../../core/socket/sock.ts'
import { createMachine } from '../../core/stack/machine.ts'
import { createSocketLayer, noRoutes } from '../../core/stack/sockets.ts'

export const fakeArena = (config: Partial<ArenaConfig> = {}): Arena => {
  const size = { ...SMALL_ARENA, ...config }
  const arena = createArena(size)
  setSysctlDefaults(arena)
  return arena
}

export type FakeWorkerOptions = {
  worker?: number
  seed?: number
  rcvbuf?: number
  sndbuf?: number
  wakeApp?: (app: number) => void
}

export const createFakeWorker = (arena: Arena, options: FakeWorkerOptions = {}) => {
  const { worker = 0, seed = 1, wakeApp = () => {}, rcvbuf, sndbuf } = options
  const random = seeded(seed)
  const wake = (thread: number): void => wakeApp(thread - arena.layout.appThread)
  const machine = createMachine({ arena, thread: worker, nowUs: () => 0, random, wake })
  const { skbs, consume } = machine
  const {
    slab,
    sockets,
    services,
    appPort: port,
  } = createSocketLayer(machine, noRoutes(machine), wake)
  const fakes = { arena, slab, sockEvents: sockets.sockEvents, random, rcvbuf, sndbuf }
  const tcp = createFakeTcp(fakes)
  const udp = createFakeUdp(fakes)
  sockets.registerProto(SOCK_STREAM, IPPROTO_TCP, tcp.proto)
  sockets.registerProto(SOCK_DGRAM, IPPROTO_UDP, udp.proto)
  /** One turn of the loop. */
  const turn = (): number => {
    skbs.reclaim()
    const did = port.poll() + sockets.runEvents()
    port.flush()
    skbs.flush()
    return did
  }
  return { skbs, slab, sockets, tcp, udp, services, port, turn, random, consume }
}
export type FakeWorker = ReturnType<typeof createFakeWorker>
