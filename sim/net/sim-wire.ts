// Wires of a simulation (net-sim.ts): a heap of frames in flight, and what a bad wire does to them. A station is an end
// of a wire that is test code.

import type { Arena } from '../../core/shm/arena.ts'
import { SKB_DATA, SKB_LEN } from '../../core/skb/skb.ts'
import type { Skbs } from '../../core/skb/skbs.ts'
import * as ethernet from '../../core/wire/ethernet.ts'
import * as ipv4 from '../../core/wire/ipv4.ts'
import * as ipv6 from '../../core/wire/ipv6.ts'

const ECN_MASK = 3

export type WireOptions = {
  /** One way. */
  delayUs?: number
  /** Probabilities. */
  loss?: number
  duplicate?: number
  reorder?: number
  /** Longest extra delay of a frame that is reordered. */
  reorderUs?: number
  /** Megabits a second in each direction; without it a frame takes no time. */
  rate?: number
  /** Bytes that wait for it in each direction at most. */
  queue?: number
  /** Probability that a packet whose sender understands it (ECT) comes with CE. */
  mark?: number
  /** So does each that finds more bytes than this waiting. */
  markOver?: number
  /** Hears how many bytes wait before each frame. */
  queued?: (bytes: number) => void
  /** Sees each frame in its own memory, and the name of the host that sends it; false takes it off the wire. */
  filter?: (frame: Uint8Array, from: string) => boolean
  /** The drivers at both ends have no room. */
  busy?: boolean
}
export type End = {
  /** A copy of the frame on its way to this end; what carries it is opaque to the wire. */
  take: (from: Arena, skbs: Skbs, skb: number) => number
  takeBytes: (bytes: Uint8Array) => number
  /** The frame behind a handle, to be changed on its way. */
  bytes: (handle: number) => Uint8Array
  arrive: (handle: number) => void
}
type Flight = { at: number; order: number; end: End; handle: number }
export type Wire = {
  options: WireOptions
  /** `len` bytes go from one end: `carry` gives the other a copy. */
  send: (from: number, len: number, carry: (end: End) => number) => void
}

/** A router has marked the packet instead of dropping it (RFC 3168), if it can be marked. */
const markFrame = (frame: Uint8Array): void => {
  const type = ethernet.type(frame, 0)
  const at = ethernet.ETH_HLEN
  if (type === ethernet.ETH_P_IP && (ipv4.tos(frame, at) & ECN_MASK) !== 0) {
    if (!ipv4.isChecksumOk(frame, at)) return
    ipv4.setTos(frame, at, ipv4.tos(frame, at) | ECN_MASK)
    ipv4.setChecksum(frame, at)
  }
  if (type === ethernet.ETH_P_IPV6 && (ipv6.trafficClass(frame, at) & ECN_MASK) !== 0)
    ipv6.setCongested(frame, at)
}

/** The frames in flight of a simulation; `nowUs` is its clock, `random` its numbers. */
export const createWires = (nowUs: () => number, random: () => number) => {
  const heap: Flight[] = []
  let order = 0
  const chance = (p = 0): boolean => p > 0 && (random() >>> 0) / 0x100000000 < p

  const isBefore = (x: Flight, y: Flight): boolean =>
    x.at < y.at || (x.at === y.at && x.order < y.order)
  const push = (flight: Flight): void => {
    let k = heap.push(flight) - 1
    while (k > 0 && isBefore(heap[k]!, heap[(k - 1) >> 1]!)) {
      const up = (k - 1) >> 1
      ;[heap[k], heap[up]] = [heap[up]!, heap[k]!]
      k = up
    }
  }
  const pop = (): Flight => {
    const top = heap[0]!
    const last = heap.pop()!
    if (heap.length === 0) return top
    heap[0] = last
    for (let k = 0; ; ) {
      let least = k
      for (const child of [2 * k + 1, 2 * k + 2])
        if (child < heap.length && isBefore(heap[child]!, heap[least]!)) least = child
      if (least === k) return top
      ;[heap[k], heap[least]] = [heap[least]!, heap[k]!]
      k = least
    }
  }
  /** Joins two ends; ends[n] sends with `send(n, ...)`. */
  const makeWire = (ends: readonly [End, End], options: WireOptions): Wire => {
    /** Until when the wire is busy with what was sent in each direction. */
    const busyUntil = [0, 0]
    /** Bytes that have not left yet in a direction. */
    const waiting = (from: number): number =>
      (Math.max(0, busyUntil[from]! - nowUs()) * (options.rate ?? 0)) / 8
    /** When a frame has left. */
    const leaves = (from: number, len: number): number => {
      const { rate = 0 } = options
      if (rate === 0) return nowUs()
      return (busyUntil[from] = Math.max(nowUs(), busyUntil[from]!) + (len * 8) / rate)
    }
    const send = (from: number, len: number, carry: (end: End) => number): void => {
      const { queue = Infinity, markOver = Infinity } = options
      const end = ends[1 - from]!
      const before = waiting(from)
      options.queued?.(before)
      if (before > queue) return
      const left = leaves(from, len)
      const copies = chance(options.loss) ? 0 : chance(options.duplicate) ? 2 : 1
      for (let k = 0; k < copies; k++) {
        const handle = carry(end)
        if (handle === 0) continue
        if (chance(options.mark) || before > markOver) markFrame(end.bytes(handle))
        const late = chance(options.reorder) ? (random() >>> 0) % (options.reorderUs ?? 5000) : 0
        const at = Math.ceil(left) + (options.delayUs ?? 100) + late
        push({ at, order: order++, end, handle })
      }
    }
    return { options, send }
  }

  /** Delivers what is due; how many frames that were. */
  const deliver = (): number => {
    let arrived = 0
    while (heap.length > 0 && heap[0]!.at <= nowUs()) {
      const { end, handle } = pop()
      end.arrive(handle)
      arrived++
    }
    return arrived
  }
  return {
    makeWire,
    deliver,
    inFlight: (): number => heap.length,
    nextUs: (): number => (heap.length > 0 ? heap[0]!.at : Number.POSITIVE_INFINITY),
  }
}

export type Station = ReturnType<typeof createStation>

export const createStation = () => {
  const received: Uint8Array[] = []
  const frames: (Uint8Array | undefined)[] = [undefined]
  const handlers: ((frame: Uint8Array) => void)[] = []
  const takeBytes = (bytes: Uint8Array): number => frames.push(bytes.slice()) - 1
  const end: End = {
    take: (from, _skbs, skb) => {
      const at = from.i32[skb + SKB_DATA]!
      return takeBytes(from.u8.subarray(at, at + from.i32[skb + SKB_LEN]!))
    },
    takeBytes,
    bytes: (handle) => frames[handle]!,
    arrive: (handle) => {
      const frame = frames[handle]!
      frames[handle] = undefined
      received.push(frame)
      for (const handler of handlers) handler(frame)
    },
  }
  let plug: { wire: Wire; side: number } | undefined
  return {
    received,
    end,
    on: (handler: (frame: Uint8Array) => void): void => void handlers.push(handler),
    plugIn: (wire: Wire, side: number): void => {
      plug = { wire, side }
    },
    send: (bytes: Uint8Array): void =>
      plug!.wire.send(plug!.side, bytes.length, (to) => to.takeBytes(bytes)),
  }
}
