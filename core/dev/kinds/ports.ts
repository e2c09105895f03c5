/**
 * Ports: frames that cross to another thread of this process and back, as skbs of this arena over rings: one from each
 * thread that may send to the peer, one from the peer to the nic thread. The peer is a thread of the arena with a pool of its own.
 * What devices have ports is up to their kinds: port.ts, and veth.ts where the other end is in another net.
 */
import {
  DEV_IFINDEX,
  DEV_PRIV,
  DevStat,
  deviceStats,
  NETDEV_TX_BUSY,
  NETDEV_TX_OK,
} from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import { PORT_SLOTS, PORTS } from '../../shm/layout.ts'
import {
  ringBacklog,
  ringInit,
  ringPublish,
  ringPush,
  ringReadable,
  ringRelease,
  ringTake,
  ringUnpublished,
} from '../../shm/ring.ts'
import { Holder } from '../../skb/budget.ts'
import { createRingCharge, type RingCharge } from '../../skb/ring-charge.ts'
import { SKB_BUF, SKB_DEV, SKB_LEN, SKB_OWNER } from '../../skb/skb.ts'
import type { KindReceive, PortNumbers, ReceiveEnv, XmitEnv } from './link-kind.ts'

/** Words of the device row: the port's number and the peer's thread, which is never 0. */
const PORT_NUMBER = DEV_PRIV
export const PORT_PEER = DEV_PRIV + 1

/** Ring of frames that `thread` sends to the port's peer. */
export const portTxRing = (arena: Arena, port: number, thread: number): number =>
  arena.layout.portRings + (port * (arena.layout.threads + 1) + thread) * arena.layout.portRingWords

/** Ring of frames from the port's peer. */
export const portRxRing = (arena: Arena, port: number): number =>
  portTxRing(arena, port, arena.layout.threads)

/** Who has which; control's. */
export const createPorts = (arena: Arena): PortNumbers => {
  const { i32, layout } = arena
  const used = new Set<number>()
  /** Those whose rings are there: each takes a page of memory, and few daemons have ports. */
  const made = new Set<number>()
  const makeRings = (port: number): void => {
    if (made.has(port)) return
    made.add(port)
    for (let t = 0; t <= layout.threads; t++) ringInit(i32, portTxRing(arena, port, t), PORT_SLOTS)
  }
  const take = (): number => {
    let port = 0
    while (used.has(port)) port++
    if (port === PORTS) return -1
    used.add(port)
    makeRings(port)
    return port
  }
  const release = (port: number): void => void used.delete(port)
  const fill = (row: number, port: number, peer: number): void => {
    i32[row + PORT_NUMBER] = port
    Atomics.store(i32, row + PORT_PEER, peer)
  }
  return { take, release, fill }
}

/**
 * What a thread may have on the way to peers (Holder.port) is shared out by the ports
 * that it sends to: small frames are as many as the ring is long, large ones are counted. Peers see frames, and are woken, once a batch.
 */
export const createPortXmit = ({ arena, skbs, kick, onBatchEnd }: XmitEnv) => {
  const { i32, layout } = arena
  const { smalls } = layout
  const { budget } = skbs
  const bound = budget.bounds[Holder.port * 2]
  const isKnown = new Int32Array(PORTS)
  const larges: RingCharge[] = []
  let ports = 0
  let most = 0
  // Rings with frames of this batch that their peers do not see yet.
  const rings = new Int32Array(PORTS)
  const peers = new Int32Array(PORTS)
  let count = 0

  /** Another port to share with. */
  const meet = (port: number, ring: number): void => {
    isKnown[port] = 1
    // what a forerunner had pushed when it died is on its way all the same
    ringPublish(i32, ring)
    most = Math.max(1, Math.min(PORT_SLOTS, (bound / ++ports) | 0))
    larges[port] = createRingCharge(i32, ring, Math.log2(PORT_SLOTS), 0, budget, Holder.port)
  }
  const hasRoom = (skb: number, port: number, ring: number): boolean => {
    if (isKnown[port] === 0) meet(port, ring)
    if (ringBacklog(i32, ring, most) >= most) return false
    return i32[skb + SKB_BUF] < smalls || larges[port].hasRoom(budget.oneLarge)
  }
  onBatchEnd(() => {
    for (let k = 0; k < count; k++) {
      ringPublish(i32, rings[k])
      kick(peers[k])
    }
    count = 0
    return 0
  })
  return (skb: number, dev: number): number => {
    const peer = i32[dev + PORT_PEER]
    const port = i32[dev + PORT_NUMBER]
    const ring = portTxRing(arena, port, skbs.thread)
    if (!skbs.unshare(skb) || !hasRoom(skb, port, ring)) return NETDEV_TX_BUSY
    skbs.orphan(skb)
    if (!ringUnpublished(i32, ring)) {
      rings[count] = ring
      peers[count++] = peer
    }
    ringPush(i32, ring, skb)
    if (i32[skb + SKB_BUF] >= smalls) larges[port].charge(budget.oneLarge)
    i32[skb + SKB_OWNER] = peer
    return NETDEV_TX_OK
  }
}

/** Reads the rings of the devices that have a port. */
export const createPortReceive = ({ arena, skbs }: ReceiveEnv): KindReceive => {
  const { i32, f64 } = arena
  let ports: { ring: number; ifindex: number }[] = []
  const poll = (ring: number, ifindex: number, budget: number, deliver: (skb: number) => void) => {
    const readable = ringReadable(i32, ring)
    if (readable === 0) return 0
    const n = readable < budget ? readable : budget
    skbs.prefetch(ring, n)
    const stats = deviceStats(arena, skbs.thread, ifindex)
    for (let k = 0; k < n; k++) {
      const skb = ringTake(i32, ring)
      i32[skb + SKB_DEV] = ifindex
      f64[stats + DevStat.rx_packets]++
      f64[stats + DevStat.rx_bytes] += i32[skb + SKB_LEN]
      deliver(skb)
    }
    ringRelease(i32, ring)
    return n
  }
  /** What came for a device that is not up any more is nobody's: another may have the ring next. */
  const drain = (ring: number): void => {
    for (let n = ringReadable(i32, ring); n > 0; n--) skbs.free(ringTake(i32, ring))
    ringRelease(i32, ring)
  }
  return {
    refresh(rows) {
      const before = ports
      ports = rows
        .filter((row) => i32[row + PORT_PEER] !== 0)
        .map((row) => ({
          ring: portRxRing(arena, i32[row + PORT_NUMBER]),
          ifindex: i32[row + DEV_IFINDEX],
        }))
      for (const { ring } of before) if (!ports.some((port) => port.ring === ring)) drain(ring)
    },
    receive(budget, deliver) {
      let work = 0
      for (const { ring, ifindex } of ports) work += poll(ring, ifindex, budget, deliver)
      return work
    },
    pending() {
      for (const { ring } of ports) if (ringReadable(i32, ring) !== 0) return true
      return false
    },
  }
}
