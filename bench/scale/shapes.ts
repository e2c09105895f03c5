/** What the workers of a point are given to do, and by whom: the peers of each shape, their network, and what is counted. */
import type { StackConfig } from '../../core/control/text/messages.ts'
import { portRxRing, portTxRing } from '../../core/dev/kinds/ports.ts'
import { type Arena, backlogRing } from '../../core/shm/arena.ts'
import { counterBank, Mib } from '../../core/shm/counters.ts'
import { forwarding, type Router, startRouter } from './router.ts'
import type { PeerOptions, TcpPeerOptions } from './thread-data.ts'

/**
 * own, nic: forwarding. nic: one generator, whose frames the nic thread hashes to all workers. own: each worker's backlog is
 * filled by a peer of its own with the flows that hash to it, as by a queue of a multiqueue device. tcp, connections: each
 * worker has a host of its own, whose streams it discards, or whose connections it answers.
 */
export type Feed = 'own' | 'nic' | 'tcp' | 'connections'

type Shape = {
  peers: (workers: number) => number
  network: (peers: number[]) => StackConfig
  startPeers: (router: Router, workers: number, spins: boolean) => Promise<void>
  /** What a worker has done, in the units that are told. */
  done: (router: Router, worker: number) => number
  /** So much of it that the compiler is done. */
  warm: number
}

const PEER = new URL('./peer.ts', import.meta.url).href
const TCP_PEER = new URL('./tcp-peer.ts', import.meta.url).href
/** Frames under way to a worker: less than it may have in a port's ring. */
const WINDOW = 640
const WARM_PACKETS = 2_500_000

const each = <Value>(count: number, value: (k: number) => Value): Value[] =>
  Array.from({ length: count }, (_, k) => value(k))
const forwarded = ({ arena }: Router, worker: number): number =>
  arena.f64[counterBank(arena, worker) + Mib.IpForwDatagrams]!
/** Ring of what a worker sends by a port. */
const out = (arena: Arena, port: number, worker: number): number => portTxRing(arena, port, worker)

const own: Shape = {
  peers: (workers) => workers,
  network: forwarding,
  done: forwarded,
  warm: WARM_PACKETS,
  async startPeers(router, workers, spins) {
    const { arena } = router
    const { ifindex } = await router.linkOf('in')
    for (let peer = 0; peer < workers; peer++) {
      const ring = backlogRing(arena.layout, peer, arena.layout.appThread + peer)
      const into = { ring, kick: peer, onlyFor: peer }
      const options = { into, from: [out(arena, 1, peer)], ifindex, window: WINDOW, spins }
      await router.startPeer<PeerOptions>(peer, PEER, options)
    }
  },
}
const nic: Shape = {
  peers: () => 2,
  network: forwarding,
  done: forwarded,
  warm: WARM_PACKETS,
  async startPeers(router, workers, spins) {
    const { arena } = router
    const { ifindex } = await router.linkOf('in')
    const from = each(workers, (worker) => out(arena, 1, worker))
    const sink = { into: null, from, ifindex, window: 0, spins }
    await router.startPeer<PeerOptions>(1, PEER, sink)
    const into = { ring: portRxRing(arena, 0), kick: arena.layout.nicThread, onlyFor: null }
    const generator = { into, from: [], ifindex, window: WINDOW * workers, spins }
    await router.startPeer<PeerOptions>(0, PEER, generator)
  },
}

const addressOf = (worker: number, host: number): string => `10.${16 + worker}.0.${host}`
const macOf = (worker: number): string => `02:03:00:00:00:${(16 + worker).toString(16)}`
/** A port for each worker, with a host on it that is known. */
const hosts = (peers: number[]): StackConfig => ({
  link: peers.map((peer, worker) => ({
    ifname: `lan${worker}`,
    kind: 'port',
    data: { peer },
    addresses: [`${addressOf(worker, 1)}/24`],
    up: true,
  })),
  neigh: peers.map((_, worker) => ({
    dev: `lan${worker}`,
    dst: addressOf(worker, 2),
    lladdr: macOf(worker),
  })),
})
const clients = (load: TcpPeerOptions['load'], warm: number): Shape => {
  const counts = new Float64Array(new SharedArrayBuffer(32 * 8))
  return {
    peers: (workers) => workers,
    network: hosts,
    done: (_router, worker) => counts[worker]!,
    warm,
    async startPeers(router, workers, spins) {
      const { arena, control } = router
      for (let worker = 0; worker < workers; worker++) {
        const ifname = `lan${worker}`
        // all that comes by this port is this worker's
        const rss = { ifname, 'rss-indirection-table': Array(128).fill(worker) }
        await control.request({ type: 'ETHTOOL_MSG_RSS_SET', rss })
        const { ifindex, address: lladdr = '', linkinfo } = await router.linkOf(ifname)
        await router.startPeer<TcpPeerOptions>(worker, TCP_PEER, {
          load,
          worker,
          into: backlogRing(arena.layout, worker, arena.layout.appThread + worker),
          from: out(arena, Number(linkinfo?.info_data?.['port']), worker),
          ifindex,
          address: addressOf(worker, 2),
          mac: macOf(worker),
          gateway: addressOf(worker, 1),
          lladdr,
          counts,
          spins,
        })
      }
    },
  }
}

export const SHAPES: Record<Feed, Shape> = {
  own,
  nic,
  tcp: clients('tcp', 4_000_000),
  connections: clients('connections', 100_000),
}

const POOLS = { skbs: 16384, smallBuffers: 16384, largeBuffers: 128, socks: 1024 }
const STREAM_POOLS = { ...POOLS, skbs: 8192, smallBuffers: 4096, largeBuffers: 512 }

/** A router with the shape's network; its peers are not there yet. */
export const startShape = (feed: Feed, workers: number): Promise<Router> => {
  const { peers, network } = SHAPES[feed]
  return startRouter(workers, peers(workers), feed === 'tcp' ? STREAM_POOLS : POOLS, network)
}
