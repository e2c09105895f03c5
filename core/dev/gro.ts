/**
 * Receive offload (GRO): frames of a TCP flow that follow one another are put together into one super-frame, which then is
 * steered, routed and handed over once. It runs on the thread that reads the device, before steering, and keeps frames
 * only until the batch ends. What leaves again is cut into the very frames that came in (dev/gso.ts, or the device).
 * The bytes are copied into a large buffer: a copy of a segment costs a tenth of a system call for it.
 * Linux: net/core/gro.c napi_gro_receive(), dev_gro_receive(), skb_gro_receive(), napi_gro_complete().
 */
import * as csum from '../base/checksum.ts'
import { DEV_FEATURES, DevStat, deviceStats, NETIF_F_GRO } from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import { DEV_STATS, DEVICE_WORDS } from '../shm/layout.ts'
import type { ConsumeFn } from '../skb/drop.ts'
import type { Skbs } from '../skb/skb.ts'
import {
  CHECKSUM_PARTIAL,
  GSO_ECN,
  GSO_TCPV4,
  GSO_TCPV6,
  SKB_CB,
  SKB_CSUM_OFFSET,
  SKB_CSUM_START,
  SKB_DATA,
  SKB_DEV,
  SKB_END,
  SKB_GSO_SEGS,
  SKB_GSO_SIZE,
  SKB_GSO_TYPE,
  SKB_IP_SUMMED,
  SKB_LEN,
  SKB_TAIL,
} from '../skb/skb.ts'
import { ETH_HLEN } from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as ipv6 from '../wire/ipv6.ts'
import * as tcp from '../wire/tcp.ts'
import { createGroHeader, NOT_TCP, TCP_ODD } from './gro-header.ts'

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

// Control block of a frame that is held (NAPI_GRO_CB): where its next segment starts, how many it has, bytes of payload of
// the first, and where the transport header is from the frame's start.
const CB_NEXT_SEQ = SKB_CB
const CB_COUNT = SKB_CB + 1
const CB_SIZE = SKB_CB + 2
const CB_TRANSPORT = SKB_CB + 3

export const createGro = ({ arena, skbs, consume, handOn }: GroDeps) => {
  const { i32, u8, f64, layout } = arena
  const header = createGroHeader(arena)
  const stats = deviceStats(arena, skbs.thread, 0)
  // what is held, the oldest first
  const held = new Int32Array(MAX_HELD)
  let count = 0

  /** A frame that was read from a device; takes it over. */
  const receive = (skb: number): void => {
    const kind = header.look(skb)
    if (kind === NOT_TCP || !isOn(skb)) return handOn(skb)
    if (kind === TCP_ODD) {
      // of a flow that may be among those: nothing overtakes
      flush()
      return handOn(skb)
    }
    const index = count === 0 ? -1 : find(skb)
    if (index >= 0) {
      if (append(held[index], skb)) {
        if (isLast(held[index])) complete(index)
        return consume(skb)
      }
      complete(index)
    }
    if (header.canStart(skb)) hold(skb)
    else handOn(skb)
  }
  const isOn = (skb: number): boolean =>
    (i32[layout.devices + i32[skb + SKB_DEV] * DEVICE_WORDS + DEV_FEATURES] & NETIF_F_GRO) !== 0
  const find = (skb: number): number => {
    for (let k = 0; k < count; k++) if (header.isFlowOf(skb, held[k])) return k
    return -1
  }

  const hold = (skb: number): void => {
    if (count === MAX_HELD) complete(0)
    i32[skb + CB_NEXT_SEQ] = header.nextSeq()
    i32[skb + CB_COUNT] = 1
    i32[skb + CB_SIZE] = header.payloadLen()
    i32[skb + CB_TRANSPORT] = header.transportOffset()
    held[count++] = skb
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

  /** Puts the text of the frame that was looked at behind that of `first`; false when it does not belong there. */
  const append = (first: number, skb: number): boolean => {
    const len = header.payloadLen()
    if (len > i32[first + CB_SIZE] || i32[first + SKB_LEN] + len > MAX_FRAME) return false
    if (!header.continues(skb, first, i32[first + CB_COUNT], i32[first + CB_NEXT_SEQ])) return false
    if (!skbs.expandTail(first, roomFor(first, len))) return false
    const from = header.payloadAt()
    u8.copyWithin(skbs.put(first, len), from, from + len)
    i32[first + CB_NEXT_SEQ] = header.nextSeq()
    i32[first + CB_COUNT]++
    const flags = header.flags() & (tcp.TCP_PSH | tcp.TCP_FIN)
    if (flags !== 0) addFlags(first, flags)
    return true
  }
  const addFlags = (first: number, flags: number): void => {
    const transport = i32[first + SKB_DATA] + i32[first + CB_TRANSPORT]
    tcp.setFlags(u8, transport, tcp.flags(u8, transport) | flags)
  }
  /** A second segment may be the second of many. */
  const roomFor = (first: number, len: number): number =>
    i32[first + SKB_END] - i32[first + SKB_TAIL] >= len ? len : MAX_FRAME - i32[first + SKB_LEN]
  /** Nothing may follow the segment that was put behind `first`: it is short, or says that it is the last. */
  const isLast = (first: number): boolean =>
    header.payloadLen() < i32[first + CB_SIZE] ||
    (header.flags() & (tcp.TCP_PSH | tcp.TCP_FIN)) !== 0

  /** Makes a super-frame of what was put together: as from a device that segments (tcp_gro_complete). */
  const finish = (skb: number): void => {
    const network = i32[skb + SKB_DATA] + ETH_HLEN
    const transport = i32[skb + SKB_DATA] + i32[skb + CB_TRANSPORT]
    const total = i32[skb + SKB_TAIL] - network
    const isV4 = u8[network] === 0x45
    if (isV4) {
      ipv4.setTotalLength(u8, network, total)
      ipv4.setChecksum(u8, network)
    } else ipv6.setPayloadLength(u8, network, total - ipv6.HEADER)
    const hasCwr = (tcp.flags(u8, transport) & tcp.TCP_CWR) !== 0
    i32[skb + SKB_GSO_SIZE] = i32[skb + CB_SIZE]
    i32[skb + SKB_GSO_TYPE] = (isV4 ? GSO_TCPV4 : GSO_TCPV6) | (hasCwr ? GSO_ECN : 0)
    i32[skb + SKB_GSO_SEGS] = i32[skb + CB_COUNT]
    const sum = csum.fold(header.pseudo(network, i32[skb + SKB_TAIL] - transport))
    tcp.putChecksum(u8, transport, sum)
    i32[skb + SKB_IP_SUMMED] = CHECKSUM_PARTIAL
    i32[skb + SKB_CSUM_START] = transport
    i32[skb + SKB_CSUM_OFFSET] = tcp.CHECKSUM
    const bank = stats + i32[skb + SKB_DEV] * DEV_STATS
    f64[bank + DevStat.rx_gro_skbs]++
    f64[bank + DevStat.rx_gro_packets] += i32[skb + CB_COUNT]
  }

  return { receive, flush }
}
