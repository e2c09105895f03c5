/**
 * What joins namespaces with one another and with the default net: wires, each with devices of namespaces on it, every one with
 * an arena of its own, and at most one port of the default net's. Between two a frame goes to the other; on a LAN where its
 * destination address says, or to everyone (a learning switch that knows all its ports from the start). Thread of the namespaces.
 */
import type { Arena } from '../../core/shm/arena.ts'
import { DEV_FLAGS, DEV_MAC, deviceRow, IFF_UP } from '../../core/netdev/netdev.ts'
import { portRxRing, portTxRing } from '../../core/dev/kinds/ports.ts'
import { transferFrame } from '../../core/dev/transfer.ts'
import {
  ringPublish,
  ringPush,
  ringReadable,
  ringRelease,
  ringTake,
  ringUnpublished,
} from '../../core/shm/ring.ts'
import { Drop, type DropFn } from '../../core/skb/drop.ts'
import type { Skbs } from '../../core/skb/skbs.ts'
import { SKB_DATA, SKB_OWNER } from '../../core/skb/skb.ts'
import { isMulticast, sameMac } from '../../core/wire/ethernet.ts'
import type { Net } from './nets.ts'

/** Frames taken from one ring in a turn. */
const BATCH = 64

type WiresDeps = {
  /** The default net's. */
  router: Arena
  /** This thread's packet memory in it, and where its packets die. */
  skbs: Skbs
  drop: DropFn
  /** Wakes its nic thread. */
  kick: (thread: number) => void
}
/** A device of a namespace. */
type End = { readonly net: Net; readonly ifindex: number }
/** The device of the default net's, with rings from each thread there, and the one to it. */
type Port = {
  readonly number: number
  readonly near: { ifindex: number; name: string }
  readonly incoming: readonly number[]
  readonly outgoing: number
}
export type Wire = {
  readonly ends: End[]
  readonly port: Port | null
  /** It has two ends, and neither is without the other. */
  readonly isPair: boolean
}

export type Wires = ReturnType<typeof createWires>

export const createWires = ({ router, skbs, drop, kick }: WiresDeps) => {
  const { i32, u8, layout } = router
  const wires = new Set<Wire>()
  /** By namespace, and by the number of its device. */
  const byNet = new Map<Net, (Wire | undefined)[]>()

  const isUp = ({ net: { arena }, ifindex }: End): boolean =>
    (arena.i32[deviceRow(arena, ifindex) + DEV_FLAGS] & IFF_UP) !== 0
  const isPortUp = ({ near }: Port): boolean =>
    (i32[deviceRow(router, near.ifindex) + DEV_FLAGS] & IFF_UP) !== 0
  const isFor = (wire: Wire, end: End, mem: Uint8Array, at: number): boolean => {
    if (wire.isPair || isMulticast(mem, at)) return true
    const { arena } = end.net
    return sameMac(mem, at, arena.u8, (deviceRow(arena, end.ifindex) + DEV_MAC) << 2)
  }
  /** A copy of the frame; who is not up hears nothing. null, or why he has not got it. */
  const give = (end: End, from: Arena, fromSkbs: Skbs, skb: number): Drop | null => {
    if (!isUp(end)) return Drop.DEV_READY
    const { net, ifindex } = end
    const twin = transferFrame(from, fromSkbs, skb, net.arena, net.skbs)
    if (twin === 0) return Drop.NOMEM
    net.receive(twin, ifindex)
    return null
  }
  const toRouter = (port: Port, { arena, skbs: theirs }: Net, skb: number): Drop | null => {
    if (!isPortUp(port)) return Drop.DEV_READY
    const twin = transferFrame(arena, theirs, skb, router, skbs)
    if (twin === 0) return Drop.NOMEM
    i32[twin + SKB_OWNER] = layout.nicThread
    if (ringPush(i32, port.outgoing, twin)) return null
    skbs.free(twin)
    return Drop.CPU_BACKLOG
  }
  /**
   * A frame of a namespace's: to the others it is for, and to the port unless one of them was its only goal. null, or why
   * nobody got it.
   */
  const transmit = (net: Net, skb: number, ifindex: number): Drop | null => {
    const wire = byNet.get(net)?.[ifindex]
    if (wire === undefined) return Drop.DEV_READY
    const { u8: mem } = net.arena
    const at = net.arena.i32[skb + SKB_DATA]
    let why: Drop | null = Drop.DEV_READY
    let isDelivered = false
    for (const end of wire.ends) {
      if ((end.net === net && end.ifindex === ifindex) || !isFor(wire, end, mem, at)) continue
      const refused = give(end, net.arena, net.skbs, skb)
      why = why && refused
      isDelivered = !isMulticast(mem, at)
    }
    if (isDelivered || wire.port === null) return why
    const refused = toRouter(wire.port, net, skb)
    return why && refused
  }
  const fromRouter = (wire: Wire, skb: number): void => {
    const at = i32[skb + SKB_DATA]
    let why: Drop | null = Drop.DEV_READY
    for (const end of wire.ends) {
      if (!isFor(wire, end, u8, at)) continue
      const refused = give(end, router, skbs, skb)
      why = why && refused
    }
    // a LAN is there though nobody on it has the address
    if (why === null || !wire.isPair) skbs.free(skb)
    else drop(skb, why)
  }
  /** Takes what the default net's threads have sent; returns how much. */
  const poll = (): number => {
    let taken = 0
    for (const wire of wires)
      for (const ring of wire.port?.incoming ?? []) {
        const readable = ringReadable(i32, ring)
        const n = readable < BATCH ? readable : BATCH
        for (let k = 0; k < n; k++) fromRouter(wire, ringTake(i32, ring))
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

  const portOf = (number: number, near: Port['near']): Port => ({
    number,
    near,
    incoming: Array.from({ length: layout.threads }, (_, t) => portTxRing(router, number, t)),
    outgoing: portRxRing(router, number),
  })
  const add = (port: Port | null, isPair = true): Wire => {
    const wire: Wire = { ends: [], port, isPair }
    wires.add(wire)
    return wire
  }
  const plug = (wire: Wire, net: Net, ifindex: number): void => {
    wire.ends.push({ net, ifindex })
    const plugs = byNet.get(net) ?? []
    byNet.set(net, plugs)
    plugs[ifindex] = wire
  }
  const unplug = (net: Net, ifindex: number): void => {
    const wire = byNet.get(net)?.[ifindex]
    if (wire === undefined) return
    byNet.get(net)![ifindex] = undefined
    wire.ends.splice(
      wire.ends.findIndex((end) => end.net === net && end.ifindex === ifindex),
      1
    )
  }
  /** It carries nothing any more; what is on the way to it is freed. Its ends are still told by it. */
  const remove = (wire: Wire): void => {
    wires.delete(wire)
    for (const { net, ifindex } of wire.ends) byNet.get(net)![ifindex] = undefined
    for (const ring of wire.port?.incoming ?? []) {
      for (let n = ringReadable(i32, ring); n > 0; n--) skbs.free(ringTake(i32, ring))
      ringRelease(i32, ring)
    }
  }
  const at = (net: Net, ifindex: number): Wire | undefined => byNet.get(net)?.[ifindex]
  const atPort = (number: number): Wire | undefined =>
    [...wires].find(({ port }) => port?.number === number)
  const of = (net: Net): Wire[] =>
    [...wires].filter(({ ends }) => ends.some((end) => end.net === net))
  /** A namespace that goes hangs on nothing any more. */
  const forget = (net: Net): void => void byNet.delete(net)

  const traffic = { transmit, poll, flush }
  return { ...traffic, isUp, isPortUp, portOf, add, remove, plug, unplug, at, atPort, of, forget }
}
