/**
 * The wire of one simulated LAN: on one side a port of the router's arena, on the other the hosts, each with an arena of
 * its own. A frame goes where its destination address says, or to everyone (a learning switch that knows all
 * its ports from the start). Lab thread.
 */
import type { Arena } from '../../core/shm/arena.ts'
import { DEV_MAC, deviceRow } from '../../core/netdev/netdev.ts'
import { portRxRing, portTxRing } from '../../core/dev/kinds/port.ts'
import { transferFrame } from '../../core/dev/transfer.ts'
import {
  ringPublish,
  ringPush,
  ringReadable,
  ringRelease,
  ringTake,
  ringUnpublished,
} from '../../core/shm/ring.ts'
import type { Skbs } from '../../core/skb/skb.ts'
import { SKB_DATA, SKB_OWNER } from '../../core/skb/skb.ts'
import { isMulticast, sameMac } from '../../core/wire/ethernet.ts'
import type { Host } from '../library/host.ts'
import type { LabHost } from './host.ts'

/** Frames taken from one ring in a turn. */
const BATCH = 64

type SegmentDeps = {
  router: Arena
  /** The lab's own packet memory in the router's arena. */
  skbs: Skbs
  port: number
  /** Wakes the router's nic thread. */
  kick: (thread: number) => void
}

export type Segment = ReturnType<typeof createSegment>

export const createSegment = ({ router, skbs, port, kick }: SegmentDeps) => {
  const { i32, u8, layout } = router
  const hosts: LabHost[] = []
  const incoming = Array.from({ length: layout.threads }, (_, t) => portTxRing(router, port, t))
  const outgoing = portRxRing(router, port)
  const macAt = (host: LabHost): number => (deviceRow(host.arena, host.ifindex) + DEV_MAC) << 2
  const isFor = (host: LabHost, mem: Uint8Array, at: number): boolean =>
    isMulticast(mem, at) || sameMac(mem, at, host.arena.u8, macAt(host))

  /** A frame of the router's. */
  const fromRouter = (skb: number): void => {
    const at = i32[skb + SKB_DATA]
    for (const host of hosts) {
      if (!isFor(host, u8, at)) continue
      const twin = transferFrame(router, skbs, skb, host.arena, host.skbs)
      if (twin !== 0) host.receive(twin, host.ifindex)
    }
    skbs.free(skb)
  }
  /** Takes what the router's threads have sent; returns how much. */
  const poll = (): number => {
    let taken = 0
    for (const ring of incoming) {
      const readable = ringReadable(i32, ring)
      const n = readable < BATCH ? readable : BATCH
      for (let k = 0; k < n; k++) fromRouter(ringTake(i32, ring))
      if (n !== 0) ringRelease(i32, ring)
      taken += n
    }
    return taken
  }

  /** A frame of a host's: to the other hosts it is for, and to the router unless one of them was its only goal. */
  const fromHost = (sender: Host, skb: number): void => {
    const { arena } = sender
    const at = arena.i32[skb + SKB_DATA]
    let isDelivered = false
    for (const host of hosts) {
      if (host === sender || !isFor(host, arena.u8, at)) continue
      const twin = transferFrame(arena, sender.skbs, skb, host.arena, host.skbs)
      if (twin !== 0) host.receive(twin, host.ifindex)
      isDelivered = !isMulticast(arena.u8, at)
    }
    if (isDelivered) return
    const twin = transferFrame(arena, sender.skbs, skb, router, skbs)
    if (twin === 0) return
    i32[twin + SKB_OWNER] = layout.nicThread
    if (!ringPush(i32, outgoing, twin)) skbs.free(twin)
  }
  /** Shows the router what the hosts have sent. Once a turn. */
  const flush = (): void => {
    if (!ringUnpublished(i32, outgoing)) return
    ringPublish(i32, outgoing)
    kick(layout.nicThread)
  }
  const addHost = (host: LabHost): void => {
    hosts.push(host)
  }
  return { poll, flush, fromHost, addHost }
}
