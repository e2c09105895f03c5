/**
 * Receive offload (GRO): frames of a flow that follow one another are put together into one super-frame, which then is
 * steered, routed and handed over once. It runs on the thread that reads the device, before steering, and keeps frames
 * only until the batch ends. What leaves again is cut into the very frames that came in (dev/gso.ts, or the device).
 * The bytes are copied into a large buffer: a copy of a segment costs a tenth of a system call for it.
 * Linux: net/core/gro.c napi_gro_receive(), dev_gro_receive(), skb_gro_receive(), napi_gro_complete().
 */
import {
  DEV_FEATURES,
  DevStat,
  deviceStats,
  NETIF_F_GRO,
  NETIF_F_GRO_UDP_FWD,
} from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import { DEV_STATS, DEVICE_WORDS } from '../shm/layout.ts'
import type { ConsumeFn } from '../skb/drop.ts'
import type { Skbs } from '../skb/skbs.ts'
import {
  CHECKSUM_PARTIAL,
  SKB_DATA,
  SKB_DEV,
  SKB_END,
  SKB_GSO_SEGS,
  SKB_IP_SUMMED,
  SKB_LEN,
  SKB_TAIL,
} from '../skb/skb.ts'
import { ETH_HLEN } from '../wire/ethernet.ts'
import { IPPROTO_TCP } from '../wire/ipproto.ts'
import * as ipv4 from '../wire/ipv4.ts'
import { CB_COUNT, CB_PROTOCOL, CB_SIZE, CB_TRANSPORT } from './gro-constants.ts'
import {
  createGroNetwork,
  LOOK_ODD,
  LOOK_OTHER,
  SEEN_PAYLOAD,
  SEEN_PAYLOAD_LEN,
  SEEN_TRANSPORT,
} from './gro-network.ts'
import { createGroTcp } from './gro-tcp.ts'
import { createGroUdp } from './gro-udp.ts'

type GroDeps = {
  arena: Arena
  skbs: Skbs
  consume: ConsumeFn
  /** Where frames go on, put together or not: netifRx on the nic thread, link.ts: steerFrame on a worker. */
  handOn: (skb: number) => void
}

/** Flows whose frames are kept at a time (MAX_GRO_SKBS). */
const MAX_HELD = 8
/** A super-frame is one IP packet. */
const MAX_FRAME = ETH_HLEN + ipv4.MAX_TOTAL_LENGTH
const TCP_FEATURES = NETIF_F_GRO
const UDP_FEATURES = NETIF_F_GRO | NETIF_F_GRO_UDP_FWD

export const createGro = ({ arena, skbs, consume, handOn }: GroDeps) => {
  const { i32, u8, f64, layout } = arena
  const network = createGroNetwork(arena)
  const { seen } = network
  const groTcp = createGroTcp(arena, network)
  const groUdp = createGroUdp(arena, network)
  const stats = deviceStats(arena, skbs.thread, 0)
  // what is held, the oldest first
  const held = new Int32Array(MAX_HELD)
  let count = 0

  /** A frame that was read from a device; takes it over. */
  const receive = (skb: number): void => {
    const protocol = network.look(skb)
    if (protocol === LOOK_ODD) return passAll(skb)
    if (protocol === LOOK_OTHER || !isOn(skb, protocol)) return handOn(skb)
    if (protocol === IPPROTO_TCP) groTcp.look(skb)
    else groUdp.look(skb)
    const index = count === 0 ? -1 : find(skb)
    if (index < 0) return begin(skb, protocol)
    if (append(held[index], skb, protocol)) return consumeInto(index, skb, protocol)
    complete(index)
    begin(skb, protocol)
  }
  const isOn = (skb: number, protocol: number): boolean => {
    const features = i32[layout.devices + i32[skb + SKB_DEV] * DEVICE_WORDS + DEV_FEATURES]
    const needed = protocol === IPPROTO_TCP ? TCP_FEATURES : UDP_FEATURES
    return (features & needed) === needed
  }
  /** A frame of a flow that may be among those that are held: it overtakes none. */
  const passAll = (skb: number): void => {
    flush()
    handOn(skb)
  }
  const find = (skb: number): number => {
    for (let k = 0; k < count; k++) if (network.isFlowOf(skb, held[k])) return k
    return -1
  }

  /** Keeps the frame that was looked at if others may follow. */
  const begin = (skb: number, protocol: number): void => {
    if (seen[SEEN_PAYLOAD_LEN] === 0) return handOn(skb)
    const isTcp = protocol === IPPROTO_TCP
    if (!(isTcp ? groTcp.canStart(skb) : groUdp.canStart(skb))) return handOn(skb)
    i32[skb + CB_COUNT] = 1
    i32[skb + CB_SIZE] = seen[SEEN_PAYLOAD_LEN]
    i32[skb + CB_TRANSPORT] = seen[SEEN_TRANSPORT] - i32[skb + SKB_DATA]
    i32[skb + CB_PROTOCOL] = protocol
    if (isTcp) groTcp.start(skb)
    if (count === MAX_HELD) complete(0)
    held[count++] = skb
  }

  /** Puts the payload of the frame that was looked at behind that of `first`; false when it does not belong there. */
  const append = (first: number, skb: number, protocol: number): boolean => {
    const len = seen[SEEN_PAYLOAD_LEN]
    if (len === 0 || len > i32[first + CB_SIZE] || i32[first + SKB_LEN] + len > MAX_FRAME)
      return false
    const isTcp = protocol === IPPROTO_TCP
    const segments = i32[first + CB_COUNT]
    if (
      !(isTcp ? groTcp.continues(skb, first, segments) : groUdp.continues(skb, first, segments)) ||
      !skbs.expandTail(first, roomFor(first, len))
    )
      return false
    const from = seen[SEEN_PAYLOAD]
    u8.copyWithin(skbs.put(first, len), from, from + len)
    i32[first + CB_COUNT] = segments + 1
    if (isTcp) groTcp.append(first)
    return true
  }
  /** A second segment may be the second of many. */
  const roomFor = (first: number, len: number): number =>
    i32[first + SKB_END] - i32[first + SKB_TAIL] >= len ? len : MAX_FRAME - i32[first + SKB_LEN]
  /** Frees the frame, whose payload is in what is held at `index`; nothing may follow one that is short. */
  const consumeInto = (index: number, skb: number, protocol: number): void => {
    const first = held[index]
    const isShort = seen[SEEN_PAYLOAD_LEN] < i32[first + CB_SIZE]
    if (isShort || (protocol === IPPROTO_TCP ? groTcp.isLast() : groUdp.isLast(first)))
      complete(index)
    consume(skb)
  }

  /** Hands on what is held at `index`. */
  const complete = (index: number): void => {
    const skb = held[index]
    count--
    for (let k = index; k < count; k++) held[k] = held[k + 1]
    if (i32[skb + CB_COUNT] > 1) finish(skb)
    handOn(skb)
  }
  /** The batch has ended. */
  const flush = (): void => {
    while (count !== 0) complete(0)
  }
  /** Makes a super-frame of what was put together: as from a device that segments. */
  const finish = (skb: number): void => {
    network.complete(skb)
    if (i32[skb + CB_PROTOCOL] === IPPROTO_TCP) groTcp.complete(skb)
    else groUdp.complete(skb)
    i32[skb + SKB_GSO_SEGS] = i32[skb + CB_COUNT]
    i32[skb + SKB_IP_SUMMED] = CHECKSUM_PARTIAL
    const bank = stats + i32[skb + SKB_DEV] * DEV_STATS
    f64[bank + DevStat.rx_gro_skbs]++
    f64[bank + DevStat.rx_gro_packets] += i32[skb + CB_COUNT]
  }

  return { receive, flush }
}
