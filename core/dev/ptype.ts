/**
 * ptype: which layer gets a received packet. The table of ethertypes is filled at boot by core/stack.ts and frozen; it
 * is how the link layer reaches up. Taps (packet sockets, capture) see every frame in and out, as clones with the
 * link header; they come and go at run time. On a worker.
 * Linux: net/core/dev.c, __netif_receive_skb_core(), dev_queue_xmit_nit(), ptype_base, ptype_all.
 */
import { DevStat, deviceStats } from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import { DEV_STATS } from '../shm/layout.ts'
import type { DropFn } from '../skb/drop.ts'
import { Drop } from '../skb/drop.ts'
import type { Skbs } from '../skb/skb.ts'
import { SKB_DATA, SKB_DEV, SKB_MAC, SKB_PKT_TYPE, SKB_PROTOCOL } from '../skb/skb.ts'

/** Takes the packet over. */
export type PacketHandler = (skb: number) => void

export type PtypeDeps = { arena: Arena; skbs: Skbs; drop: DropFn }

export type Ptype = ReturnType<typeof createPtype>

/** Linux's PTYPE_HASH_SIZE: the ethertypes that a stack speaks fall into different slots. */
const SLOTS = 16

export const createPtype = ({ arena, skbs, drop }: PtypeDeps) => {
  const { i32, f64 } = arena
  const stats = deviceStats(arena, skbs.thread, 0)
  const types = new Int32Array(SLOTS)
  const handlers: PacketHandler[] = []
  for (let slot = 0; slot < SLOTS; slot++) handlers[slot] = (skb) => drop(skb, Drop.UNHANDLED_PROTO)
  const taps: PacketHandler[] = []
  let tapped = false

  /** Registers the layer of an ethertype; at boot. */
  const devAddPack = (type: number, handler: PacketHandler): void => {
    const slot = type & (SLOTS - 1)
    if (types[slot] !== 0) throw new Error(`ptype: 0x${type.toString(16)} has no slot`)
    types[slot] = type
    handlers[slot] = handler
  }
  /** After this the table does not change. */
  const freeze = (): void => {
    Object.freeze(handlers)
  }

  /** Adds a tap; returns how to take it off. A tap owns the clone it gets and must not write its bytes. */
  const addTap = (tap: PacketHandler): (() => void) => {
    taps.push(tap)
    tapped = true
    return () => {
      const at = taps.indexOf(tap)
      if (at >= 0) taps.splice(at, 1)
      tapped = taps.length !== 0
    }
  }
  /** True when anyone listens: the one thing the path asks. */
  const isTapped = (): boolean => tapped

  /** Gives each tap a clone that starts at `mac`. A clone that cannot be had is a loss for the tap alone. */
  const deliverTaps = (skb: number, mac: number, pktType: number): void => {
    for (let k = 0; k < taps.length; k++) {
      const twin = skbs.clone(skb)
      if (twin === 0) return
      skbs.push(twin, i32[skb + SKB_DATA] - mac)
      i32[twin + SKB_MAC] = mac
      i32[twin + SKB_PKT_TYPE] = pktType
      taps[k](twin)
    }
  }

  /** Hands a packet, its Ethernet header taken off, to the taps and its layer. */
  const netifReceiveSkb = (skb: number): void => {
    if (tapped) deliverTaps(skb, i32[skb + SKB_MAC], i32[skb + SKB_PKT_TYPE])
    const type = i32[skb + SKB_PROTOCOL]
    const slot = type & (SLOTS - 1)
    if (types[slot] !== type) return unhandled(skb)
    handlers[slot](skb)
  }
  const unhandled = (skb: number): void => {
    const bank = stats + i32[skb + SKB_DEV] * DEV_STATS
    f64[bank + DevStat.rx_dropped]++
    f64[bank + DevStat.rx_nohandler]++
    drop(skb, Drop.UNHANDLED_PROTO)
  }
  return { devAddPack, freeze, addTap, isTapped, deliverTaps, netifReceiveSkb }
}
