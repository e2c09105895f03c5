/**
 * A port: a device whose other end is a program in another thread of this process (a simulated host, a peer
 * written in TypeScript). Frames cross as skbs of this arena over rings: one from each thread that may send to the
 * peer, one from the peer to the nic thread. The peer is a thread of the arena with a pool of its own.
 */
import type { Arena } from '../../shm/arena.ts'
import { PORT_SLOTS, PORTS } from '../../shm/layout.ts'
import { ringBacklog, ringPublish, ringPush } from '../../shm/ring.ts'
import { Holder } from '../../skb/budget.ts'
import { createRingCharge, type RingCharge } from '../../skb/ring-charge.ts'
import type { IpiSystem } from '../../shm/ipi.ts'
import type { Skbs } from '../../skb/skb.ts'
import { SKB_BUF, SKB_OWNER } from '../../skb/skb.ts'
import { DEV_PRIV, NETDEV_TX_BUSY, NETDEV_TX_OK } from '../../netdev/netdev.ts'

/** Words of the device row: the port's number and the peer's thread. */
export const PORT_NUMBER = DEV_PRIV
export const PORT_PEER = DEV_PRIV + 1

/** Ring of frames that `thread` sends to the port's peer. */
export const portTxRing = (arena: Arena, port: number, thread: number): number =>
  arena.layout.portRings + (port * (arena.layout.threads + 1) + thread) * arena.layout.portRingWords

/** Ring of frames from the port's peer. */
export const portRxRing = (arena: Arena, port: number): number =>
  portTxRing(arena, port, arena.layout.threads)

/**
 * ndo_start_xmit of ports, for one thread. What it may have on the way to peers (Holder.port) is shared out by the ports
 * that it sends to: small frames are as many as the ring is long, large ones are counted.
 */
export const createPortXmit = (arena: Arena, skbs: Skbs, kick: IpiSystem['kick']) => {
  const { i32, layout } = arena
  const { smalls } = layout
  const { budget } = skbs
  const bound = budget.bounds[Holder.port * 2]
  const isKnown = new Int32Array(PORTS)
  const larges: RingCharge[] = []
  let ports = 0
  let most = 0

  /** Another port to share with. */
  const meet = (port: number, ring: number): void => {
    isKnown[port] = 1
    most = Math.max(1, Math.min(PORT_SLOTS, (bound / ++ports) | 0))
    larges[port] = createRingCharge(i32, ring, Math.log2(PORT_SLOTS), 0, budget, Holder.port)
  }
  const hasRoom = (skb: number, port: number, ring: number): boolean => {
    if (isKnown[port] === 0) meet(port, ring)
    if (ringBacklog(i32, ring, most) >= most) return false
    if (i32[skb + SKB_BUF] < smalls) return true
    if (!larges[port].hasRoom(budget.oneLarge)) return false
    larges[port].charge(budget.oneLarge)
    return true
  }
  return (skb: number, dev: number): number => {
    const peer = i32[dev + PORT_PEER]
    const port = i32[dev + PORT_NUMBER]
    const ring = portTxRing(arena, port, skbs.thread)
    if (!skbs.unshare(skb) || !hasRoom(skb, port, ring)) return NETDEV_TX_BUSY
    ringPush(i32, ring, skb)
    i32[skb + SKB_OWNER] = peer
    ringPublish(i32, ring)
    kick(peer)
    return NETDEV_TX_OK
  }
}
