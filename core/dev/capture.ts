/**
 * Captures: frames that go by are shown to those who capture (G_CAPTURES), each with a filter of its own, and what one of
 * them wants is copied into this thread's ring, from which control takes it (control/diag/captures.ts). A ring without room
 * loses the frame and counts it, so nobody who captures slows the path. What dies is shown too where that is asked for, with
 * its reason. On every thread that handles packets. Linux: packet sockets, net/packet/af_packet.c tpacket_rcv().
 */
import type { Time } from '../base/time.ts'
import { TIME_US } from '../base/time.ts'
import { putU16, zero } from '../base/bytes.ts'
import type { Arena } from '../shm/arena.ts'
import { captureRing, captureRow } from '../shm/arena.ts'
import { CAPTURE_WORDS, G_CAPTURE_DROPS, G_CAPTURES, MAX_CAPTURES } from '../shm/layout.ts'
import type { Drop } from '../skb/drop.ts'
import type { Skbs } from '../skb/skbs.ts'
import {
  PACKET_HOST,
  PACKET_OUTGOING,
  SKB_DATA,
  SKB_DEV,
  SKB_HEAD,
  SKB_LEN,
  SKB_MAC,
  SKB_NETWORK,
  SKB_PKT_TYPE,
  SKB_PROTOCOL,
  SKB_TAIL,
  SKB_VLAN,
} from '../skb/skb.ts'
import { ETH_ALEN, ETH_HLEN, ETH_P_8021Q } from '../wire/ethernet.ts'
import { VLAN_HLEN } from '../wire/vlan.ts'
import {
  CAP_DEV,
  CAP_SNAPLEN,
  CAP_WAYS,
  CAPTURE_DROPPED,
  CAPTURE_IN,
  CAPTURE_OUT,
  CAPTURE_SLOTS,
  CR_CAPLEN,
  CR_DEV,
  CR_FRAME,
  CR_LEN,
  CR_REASON,
  CR_TIME_US,
  CR_WANTED,
  CR_WAY,
  CR_WORDS,
  RING_HEAD,
  RING_TAIL,
} from './capture-constants.ts'
import type { CaptureFilters } from './capture-filters.ts'

type CaptureDeps = { arena: Arena; skbs: Skbs; time: Time } & Pick<CaptureFilters, 'filterOf'>

export type Capture = ReturnType<typeof createCapture>

const NO_TAG = -1

export const createCapture = ({ arena, skbs, time, filterOf }: CaptureDeps) => {
  const { i32, u8, layout } = arena
  const ring = captureRing(layout, skbs.thread)
  const rows = layout.captures
  const lost = layout.captureLost + skbs.thread * MAX_CAPTURES
  const mask = layout.config.captureRing - 1
  // What the latest look has found.
  let wanted = 0
  let snapLen = 0

  /** Is anybody to be shown what goes by? */
  const isCapturing = (): boolean => i32[G_CAPTURES] !== 0

  /** Asks each of the captures about the frame of `len` octets at `from`; true when one wants it. */
  const ask = (
    captures: number,
    way: number,
    skb: number,
    from: number,
    end: number,
    len: number,
    type: number
  ): boolean => {
    let found = 0
    for (let left = captures; left !== 0; left &= left - 1) {
      const k = 31 - Math.clz32(left & -left)
      const row = rows + k * CAPTURE_WORDS
      if ((i32[row + CAP_WAYS] & way) === 0) continue
      const dev = i32[row + CAP_DEV]
      if (dev !== 0 && dev !== i32[skb + SKB_DEV]) continue
      const takes = filterOf(k, row)(skb, from, end, len, type)
      if (takes !== 0) found = alsoFor(found, k, Math.min(takes >>> 0, i32[row + CAP_SNAPLEN]))
    }
    return found !== 0
  }
  const alsoFor = (found: number, capture: number, octets: number): number => {
    snapLen = found === 0 ? octets : Math.max(snapLen, octets)
    wanted = found | (1 << capture)
    return wanted
  }

  /** Room for a record with so many octets of a frame, all of them in one place; -1: there is none. */
  const reserve = (octets: number): number => {
    const words = CR_FRAME + ((octets + 3) >> 2)
    const tail = i32[ring + RING_TAIL]
    const at = tail & mask
    const skipped = at + words > mask + 1 ? mask + 1 - at : 0
    const used = (tail - Atomics.load(i32, ring + RING_HEAD)) | 0
    if (used + skipped + words > mask + 1) return lose()
    if (skipped !== 0) {
      i32[ring + CAPTURE_SLOTS + at + CR_WORDS] = 0
      i32[ring + RING_TAIL] = (tail + skipped) | 0
    }
    const record = ring + CAPTURE_SLOTS + (i32[ring + RING_TAIL] & mask)
    i32[record + CR_WORDS] = words
    return record
  }
  const lose = (): number => {
    for (let k = 0; k < MAX_CAPTURES; k++) if ((wanted & (1 << k)) !== 0) i32[lost + k]++
    return -1
  }
  const publish = (record: number, skb: number, way: number, reason: number, len: number): void => {
    i32[record + CR_WANTED] = wanted
    i32[record + CR_TIME_US] = time[TIME_US]
    i32[record + CR_DEV] = i32[skb + SKB_DEV]
    i32[record + CR_WAY] = way
    i32[record + CR_REASON] = reason
    i32[record + CR_LEN] = len
    Atomics.store(i32, ring + RING_TAIL, (i32[ring + RING_TAIL] + i32[record + CR_WORDS]) | 0)
  }

  /** Shows a frame, whose link header is at `mac`; the skb stays the caller's. */
  const capture = (skb: number, mac: number, type: number): void =>
    show(i32[G_CAPTURES], skb, mac, type)
  /** Shows a packet that has come in to those alone who capture on another device than it came in by. */
  const captureOn = (skb: number, ifindex: number): void => {
    const mac = frameOf(skb)
    if (mac < 0) return
    let captures = i32[G_CAPTURES]
    for (let k = 0; k < MAX_CAPTURES; k++)
      if (i32[captureRow(layout, k) + CAP_DEV] !== ifindex) captures &= ~(1 << k)
    const iif = i32[skb + SKB_DEV]
    i32[skb + SKB_DEV] = ifindex
    show(captures, skb, mac, i32[skb + SKB_PKT_TYPE])
    i32[skb + SKB_DEV] = iif
  }
  const show = (captures: number, skb: number, mac: number, type: number): void => {
    const len = i32[skb + SKB_LEN] + i32[skb + SKB_DATA] - mac
    const way = type === PACKET_OUTGOING ? CAPTURE_OUT : CAPTURE_IN
    if (ask(captures, way, skb, mac, i32[skb + SKB_TAIL], len, type)) keep(skb, mac, way, len)
  }
  const keep = (skb: number, mac: number, way: number, len: number): void => {
    const isTagged = way === CAPTURE_IN && i32[skb + SKB_VLAN] !== NO_TAG
    const whole = isTagged ? len + VLAN_HLEN : len
    const kept = Math.min(whole, snapLen)
    const record = reserve(kept + VLAN_HLEN)
    if (record < 0) return
    const to = (record + CR_FRAME) << 2
    if (isTagged) copyTagged(skb, mac, to, kept)
    else copy(skb, mac, to, kept)
    i32[record + CR_CAPLEN] = kept
    publish(record, skb, way, 0, whole)
  }
  /** Octets of the packet from `from` on, which lies in front of its data or at it. */
  const copy = (skb: number, from: number, to: number, len: number): void => {
    const data = i32[skb + SKB_DATA]
    const front = Math.min(len, data - from)
    u8.copyWithin(to, from, from + front)
    if (len > front) skbs.copyBits(skb, 0, to + front, len - front)
  }
  /** With the tag that a driver took off put back where it was. */
  const copyTagged = (skb: number, mac: number, to: number, kept: number): void => {
    const addresses = 2 * ETH_ALEN
    copy(skb, mac, to, Math.min(kept, addresses))
    if (kept <= addresses + VLAN_HLEN) return
    putU16(u8, to + addresses, ETH_P_8021Q)
    putU16(u8, to + addresses + 2, i32[skb + SKB_VLAN])
    copy(skb, mac + addresses, to + addresses + VLAN_HLEN, kept - addresses - VLAN_HLEN)
  }

  /** Shows a packet that dies. One that has no link header gets an empty one. */
  const captureDrop = (skb: number, reason: Drop): void => {
    const captures = i32[G_CAPTURE_DROPS]
    if (captures === 0) return
    const from = frameOf(skb)
    const len = i32[skb + SKB_LEN] + i32[skb + SKB_DATA] - Math.abs(from)
    if (len < 0) return
    if (from < 0) captureHeadless(skb, -from, len, captures, reason)
    else if (ask(captures, CAPTURE_DROPPED, skb, from, i32[skb + SKB_TAIL], len, PACKET_HOST)) {
      const kept = Math.min(len, snapLen)
      const record = reserve(kept)
      if (record < 0) return
      copy(skb, from, (record + CR_FRAME) << 2, kept)
      i32[record + CR_CAPLEN] = kept
      publish(record, skb, CAPTURE_DROPPED, reason, len)
    }
  }
  /** Where its link header is; negative: where its network header is, without one in front. */
  const frameOf = (skb: number): number => {
    const data = i32[skb + SKB_DATA]
    const network = i32[skb + SKB_NETWORK]
    if (network === 0 || data < network) return data
    const mac = i32[skb + SKB_MAC]
    const isThere = mac >= i32[skb + SKB_HEAD] && mac + ETH_HLEN <= network && mac <= data
    return isThere ? mac : -network
  }
  const captureHeadless = (
    skb: number,
    network: number,
    len: number,
    captures: number,
    reason: Drop
  ): void => {
    wanted = captures
    const record = reserve(ETH_HLEN + len)
    if (record < 0) return
    const at = (record + CR_FRAME) << 2
    zero(u8, at, 2 * ETH_ALEN)
    putU16(u8, at + 2 * ETH_ALEN, i32[skb + SKB_PROTOCOL])
    copy(skb, network, at + ETH_HLEN, len)
    const whole = ETH_HLEN + len
    if (!ask(captures, CAPTURE_DROPPED, skb, at, at + whole, whole, PACKET_HOST)) return
    i32[record + CR_CAPLEN] = Math.min(whole, snapLen)
    publish(record, skb, CAPTURE_DROPPED, reason, whole)
  }
  /** Room in the ring for what these captures (bits) are to be told otherwise (trace.ts); -1: there is none. */
  const reserveFor = (captures: number, octets: number): number => {
    wanted = captures
    return reserve(octets)
  }
  return { isCapturing, capture, captureOn, captureDrop, reserveFor, publish, copy }
}
