/**
 * A port: a device whose other end is a program in another thread of this process (a simulated host, a peer
 * written in TypeScript). Frames cross as skbs of this arena over rings: one from each thread that may send to the
 * peer, one from the peer to the nic thread. The peer is a thread of the arena with a pool of its own.
 */
import type { Arena } from '../../shm/arena.ts'
import { ringPublish, ringPush } from '../../shm/ring.ts'
import type { Skbs } from '../../skb/skb.ts'
import { SKB_OWNER } from '../../skb/skb.ts'
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

/** ndo_start_xmit of ports, for one thread. */
export const createPortXmit = (arena: Arena, skbs: Skbs, kick: (thread: number) => void) => {
  const { i32 } = arena
  return (skb: number, dev: number): number => {
    const peer = i32[dev + PORT_PEER]
    const ring = portTxRing(arena, i32[dev + PORT_NUMBER], skbs.thread)
    if (!skbs.unshare(skb)) return NETDEV_TX_BUSY
    if (!ringPush(i32, ring, skb)) return NETDEV_TX_BUSY
    i32[skb + SKB_OWNER] = peer
    ringPublish(i32, ring)
    kick(peer)
    return NETDEV_TX_OK
  }
}
