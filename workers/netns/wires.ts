/**
 * What joins namespaces with one another and with the default net: wires, each with devices of namespaces on it, every one with
 * an arena of its own, and at most one port of the default net's. A frame goes where its destination address says, or to everyone
 * (a learning switch that knows all its ports from the start). Thread of the namespaces.
 */
import type { Arena } from '../../core/shm/arena.ts'
import { DEV_FLAGS, DEV_MAC, deviceRow, IFF_UP } from '../../core/netdev/netdev.ts'
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

/** Frames taken from one ring in a turn. */
const BATCH = 64

type WiresDeps = {
  /** The default net's. */
  router: Arena
  /** This thread's packet memory in it. */
  skbs: Skbs
  /** Wakes its nic thread. */
  kick: (thread: number) => void
}
/** A device of a namespace. */
type End = { readonly net: Pick<Host, 'arena' | 'skbs' | 'receive'>; readonly ifindex: number }
/** Rings from each thread of the default net, and the one there. */
type Port = { readonly incoming: readonly number[]; readonly outgoing: number }
type Wire = { readonly ends: End[]; readonly port: Port | null }

export type Wires = ReturnType<typeof createWires>

export const createWires = ({ router, skbs, kick }: WiresDeps) => {
  const { i32, u8, layout } = router
  const wires = new Set<Wire>()
  /** By namespace, and by the number of its device. */
  const byNet = new Map<End['net'], (Wire | undefined)[]>()

  const isUp = ({ net: { arena }, ifindex }: End): boolean =>
    (arena.i32[deviceRow(arena, ifindex) + DEV_FLAGS] & IFF_UP) !== 0
  const isFor = ({ net: { arena }, ifindex }: End, mem: Uint8Array, at: number): boolean =>
    isMulticast(mem, at) || sameMac(mem, at, arena.u8, (deviceRow(arena, ifindex) + DEV_MAC) << 2)
  /** A copy of the frame; who is not up hears nothing. */
  const give = (end: End, from: Arena, fromSkbs: Skbs, skb: number): void => {
    if (!isUp(end)) return
    const { net, ifindex } = end
    const twin = transferFrame(from, fromSkbs, skb, net.arena, net.skbs)
    if (twin !== 0) net.receive(twin, ifindex)
  }
  const toRouter = ({ outgoing }: Port, { arena, skbs: theirs }: End['net'], skb: number): void => {
    const twin = transferFrame(arena, theirs, skb, router, skbs)
    if (twin === 0) return
    i32[twin + SKB_OWNER] = layout.nicThread
    if (!ringPush(i32, outgoing, twin)) skbs.free(twin)
  }
  /** A frame of a namespace's: to the others it is for, and to the port unless one of them was its only goal. */
  const transmit = (net: End['net'], skb: number, ifindex: number): void => {
    const wire = byNet.get(net)?.[ifindex]
    if (wire === undefined) return
    const { u8: mem } = net.arena
    const at = net.arena.i32[skb + SKB_DATA]
    let isDelivered = false
    for (const end of wire.ends) {
      if ((end.net === net && end.ifindex === ifindex) || !isFor(end, mem, at)) continue
      give(end, net.arena, net.skbs, skb)
      isDelivered = !isMulticast(mem, at)
    }
    if (!isDelivered && wire.port !== null) toRouter(wire.port, net, skb)
  }
  const fromRouter = (ends: readonly End[], skb: number): void => {
    const at = i32[skb + SKB_DATA]
    for (const end of ends) if (isFor(end, u8, at)) give(end, router, skbs, skb)
    skbs.free(skb)
  }
  /** Takes what the default net's threads have sent; returns how much. */
  const poll = (): number => {
    let taken = 0
    for (const { ends, port } of wires)
      for (const ring of port?.incoming ?? []) {
        const readable = ringReadable(i32, ring)
        const n = readable < BATCH ? readable : BATCH
        for (let k = 0; k < n; k++) fromRouter(ends, ringTake(i32, ring))
        if (n !== 0) ringRelease(i32, ring)
        taken += n
      }
    return taken
  }
  /** Shows the default net what the namespaces have sent. Once a turn. */
  const flush = (): void => {
    for (const { port } of wires) {
      if (port === null || !ringUnpublished(i32, port.outgoing)) continue
      ringPublish(i32, port.outgoing)
      kick(layout.nicThread)
    }
  }

  const portOf = (port: number): Port => ({
    incoming: Array.from({ length: layout.threads }, (_, t) => portTxRing(router, port, t)),
    outgoing: portRxRing(router, port),
  })
  /** A new wire, with a port of the default net's on it. */
  const add = (port: number): Wire => {
    const wire: Wire = { ends: [], port: portOf(port) }
    wires.add(wire)
    return wire
  }
  const plug = (wire: Wire, net: End['net'], ifindex: number): void => {
    wire.ends.push({ net, ifindex })
    const plugs = byNet.get(net) ?? []
    byNet.set(net, plugs)
    plugs[ifindex] = wire
  }
  /** A namespace that goes hangs on nothing any more. */
  const unplug = (net: End['net']): void => {
    for (const { ends } of wires)
      for (let k = ends.length - 1; k >= 0; k--) if (ends[k].net === net) ends.splice(k, 1)
    byNet.delete(net)
  }
  return { transmit, poll, flush, add, plug, unplug }
}
