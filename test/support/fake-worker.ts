// A worker without packets: its socket layer over fake protocols, its services, its app port.
import { createFakeTcp, createFakeUdp } from './fake-proto.ts'
import { seeded } from './random.ts'
import { createArena, type Arena } from '../../core/shm/arena.ts'
import { SMALL_ARENA, type ArenaConfig } from '../../core/shm/layout.ts'
import { setSysctlDefaults } from '../../core/shm/sysctl.ts'
import { createDrop } from '../../core/skb/drop.ts'
import { createSkbs } from '../../core/skb/skb.ts'
import { createAppPort } from '../../core/socket/app-port.ts'
import { sockSlab } from '../../core/socket/sock.ts'
import { createSockets, registerInet } from '../../core/socket/sockets.ts'
import { createServices } from '../../core/socket/services/services.ts'

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
  fresh?: boolean
}

export const createFakeWorker = (arena: Arena, options: FakeWorkerOptions = {}) => {
  const { worker = 0, seed = 1, wakeApp = () => {}, fresh = true, rcvbuf, sndbuf } = options
  const random = seeded(seed)
  const skbs = createSkbs(arena, worker)
  const { consume } = createDrop(arena, skbs)
  const slab = sockSlab(arena, worker, fresh)
  const sockets = createSockets({ arena, firstSock: slab.first })
  const fakes = { arena, slab, sockEvents: sockets.sockEvents, random, rcvbuf, sndbuf }
  const tcp = createFakeTcp(fakes)
  const udp = createFakeUdp(fakes)
  registerInet(sockets, tcp.proto, udp.proto)
  const services = createServices({ arena, skbs, sockets, consume, random })
  const port = createAppPort({ arena, worker, skbs, sockets, consume, wakeApp })
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
