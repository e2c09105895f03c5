/**
 * ptype: who gets a received packet. Layers register for an ethertype at boot, and that is how the link layer reaches
 * up; packet sockets come and go, for one ethertype or for all (ETH_P_ALL: taps, which see every frame in and
 * out, with its link header). All but the last that want a packet get a clone, a tap one when it asks for it. On a worker.
 * Linux: net/core/dev.c dev_add_pack(), ptype_base, ptype_all, deliver_skb(), dev_queue_xmit_nit().
 */
import type { Capture } from './capture.ts'
import { DevStat, deviceStats } from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import { DEV_STATS } from '../shm/layout.ts'
import { Holder } from '../skb/budget.ts'
import type { DropFn } from '../skb/drop.ts'
import { Drop } from '../skb/drop.ts'
import type { Skbs } from '../skb/skbs.ts'
import {
  SKB_DATA,
  SKB_DEV,
  SKB_F_TRACE,
  SKB_FLAGS,
  SKB_MAC,
  SKB_PKT_TYPE,
  SKB_PROTOCOL,
} from '../skb/skb.ts'
import { ETH_P_ALL } from '../wire/ethernet.ts'

/** Takes the packet over. What is a clone must not be written. */
type PacketHandler = (skb: number) => void
/** Looks at a frame that begins at `mac`, and keeps a copy (tapClone) if it wants it. The frame stays the caller's. */
type Tap = (skb: number, mac: number, pktType: number) => void
/** Goes on, at `stage`, with a packet that the layer had sent to this CPU; takes it over. */
type PacketResume = (skb: number, stage: number) => void

type PtypeDeps = { arena: Arena; skbs: Skbs; drop: DropFn } & Pick<
  Capture,
  'isCapturing' | 'capture'
>

export type Ptype = ReturnType<typeof createPtype>

/** Who wants an ethertype: a list that is replaced, never changed, as a handler may leave while it is called. */
type Handlers = readonly PacketHandler[]
const NOBODY: Handlers = []
const NO_TAPS: readonly Tap[] = []

export const createPtype = ({ arena, skbs, drop, isCapturing, capture }: PtypeDeps) => {
  const { i32, f64 } = arena
  const stats = deviceStats(arena, skbs.thread, 0)
  // by ethertype: where its handlers are in `handlers`; 0 is nobody
  const slots = new Uint16Array(0x10000)
  const handlers: Handlers[] = [NOBODY]
  const resumes: (PacketResume | undefined)[] = [undefined]
  let taps = NO_TAPS

  const slotOf = (type: number): number => {
    if (slots[type] === 0) {
      slots[type] = handlers.length
      handlers.push(NOBODY)
      resumes.push(undefined)
    }
    return slots[type]
  }
  const without = <T>(list: readonly T[], handler: T): readonly T[] => {
    const at = list.indexOf(handler)
    return at < 0 ? list : list.filter((_, k) => k !== at)
  }
  /**
   * Registers a handler of an ethertype, or with ETH_P_ALL a tap; returns how to take it off. A layer that sends
   * packets to other CPUs says how it goes on with one that comes from there.
   */
  const devAddPack = (
    type: number,
    handler: PacketHandler,
    resume?: PacketResume
  ): (() => void) => {
    if (type === ETH_P_ALL)
      return devAddTap((skb, mac, pktType) => {
        const twin = tapClone(skb, mac, pktType)
        if (twin !== 0) handler(twin)
      })
    const slot = slotOf(type)
    handlers[slot] = [...handlers[slot], handler]
    if (resume !== undefined) resumes[slot] = resume
    return () => {
      handlers[slot] = without(handlers[slot], handler)
    }
  }

  /** Registers who sees each frame that comes in or goes out; returns how to take it off. */
  const devAddTap = (tap: Tap): (() => void) => {
    taps = [...taps, tap]
    return () => {
      taps = without(taps, tap)
    }
  }

  /** True when anyone taps or captures: the one thing the path asks. */
  const isTapped = (): boolean => isCapturing() || taps.length !== 0

  /** Shows the frame to who captures, and to each tap. */
  const deliverTaps = (skb: number, mac: number, pktType: number): void => {
    if (isCapturing()) capture(skb, mac, pktType)
    const all = taps
    // filled with devAddTap: packet sockets (core/packet/packet-rcv.ts)
    for (let k = 0; k < all.length; k++) all[k](skb, mac, pktType)
  }
  /** A clone that starts at `mac`, held by taps; 0: they hold all that they may. */
  const tapClone = (skb: number, mac: number, pktType: number): number => {
    const twin = skbs.budget.mayHold(skb, Holder.tap) ? skbs.clone(skb) : 0
    if (twin === 0) {
      f64[stats + i32[skb + SKB_DEV] * DEV_STATS + DevStat.tap_missed]++
      return 0
    }
    // what becomes of the tap's is not the packet's way
    i32[twin + SKB_FLAGS] &= ~SKB_F_TRACE
    skbs.budget.hold(twin, Holder.tap)
    skbs.push(twin, i32[skb + SKB_DATA] - mac)
    i32[twin + SKB_MAC] = mac
    i32[twin + SKB_PKT_TYPE] = pktType
    return twin
  }

  /** Hands a packet, data at its network header, to whoever wants its ethertype. */
  const deliver = (skb: number): void => {
    const list = handlers[slots[i32[skb + SKB_PROTOCOL]]]
    // filled by core/stack/inet.ts: ipRcv (ipv4/ip-input.ts), arpRcv (ipv4/arp/arp.ts)
    if (list.length === 1) list[0](skb)
    else deliverEach(skb, list)
  }
  const deliverEach = (skb: number, list: Handlers): void => {
    if (list.length === 0) return unhandled(skb)
    for (let k = 1; k < list.length; k++) {
      const twin = skbs.clone(skb)
      if (twin !== 0) list[k](twin)
    }
    list[0](skb)
  }
  /** Nobody wants its ethertype. */
  const unhandled = (skb: number): void => {
    const bank = stats + i32[skb + SKB_DEV] * DEV_STATS
    f64[bank + DevStat.rx_dropped]++
    f64[bank + DevStat.rx_nohandler]++
    drop(skb, Drop.UNHANDLED_PROTO)
  }
  /** Hands a packet that came from another CPU back to its layer. */
  const resume: PacketResume = (skb, stage) => {
    const go = resumes[slots[i32[skb + SKB_PROTOCOL]]]
    if (go === undefined) return unhandled(skb)
    // filled by core/stack/inet.ts: ipResume (ipv4/ip-input.ts), arpRcv (ipv4/arp/arp.ts)
    go(skb, stage)
  }
  return { devAddPack, devAddTap, tapClone, isTapped, deliverTaps, deliver, resume, unhandled }
}
