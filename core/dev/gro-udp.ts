/**
 * Which datagrams receive offload puts together where a device is told to (rx-udp-gro-forwarding): those of one flow and
 * one length, the last of which may be shorter. Sockets get them cut again.
 * Linux: net/ipv4/udp_offload.c udp_gro_receive_segment(), udp_gro_complete_segment().
 */
import * as csum from '../base/checksum.ts'
import type { Arena } from '../shm/arena.ts'
import {
  GSO_UDP_L4,
  SKB_CSUM_OFFSET,
  SKB_CSUM_START,
  SKB_DATA,
  SKB_GSO_SIZE,
  SKB_GSO_TYPE,
  SKB_TAIL,
} from '../skb/skb.ts'
import { ETH_HLEN } from '../wire/ethernet.ts'
import { IPPROTO_UDP } from '../wire/ipproto.ts'
import * as udp from '../wire/udp.ts'
import { CB_COUNT, CB_SIZE, CB_TRANSPORT } from './gro-constants.ts'
import type { GroNetwork } from './gro-network.ts'
import { SEEN_END, SEEN_PAYLOAD, SEEN_PAYLOAD_LEN, SEEN_TRANSPORT } from './gro-network.ts'

/** UDP_GRO_CNT_MAX. */
const MOST = 64

export const createGroUdp = ({ i32, u8 }: Arena, network: GroNetwork) => {
  const { seen, isSumOk, isHeaderOk, pseudo } = network

  /** Finds the payload. One that has no checksum would get one: it stays as it is. */
  const look = (skb: number): void => {
    const transport = seen[SEEN_TRANSPORT]
    const len = seen[SEEN_END] - transport
    const isPlain =
      len > udp.MIN_HEADER &&
      udp.length(u8, transport) === len &&
      udp.hasChecksum(u8, transport) &&
      i32[skb + SKB_GSO_SIZE] === 0
    seen[SEEN_PAYLOAD] = transport + udp.MIN_HEADER
    seen[SEEN_PAYLOAD_LEN] = isPlain ? len - udp.MIN_HEADER : 0
  }
  const canStart = (skb: number): boolean => isHeaderOk() && isSumOk(skb, IPPROTO_UDP)
  const continues = (skb: number, held: number, segments: number): boolean =>
    network.continues(held, segments) && isSumOk(skb, IPPROTO_UDP)
  /** `held` has all that it may. */
  const isLast = (held: number): boolean => i32[held + CB_COUNT] === MOST

  const complete = (skb: number): void => {
    const at = i32[skb + SKB_DATA] + ETH_HLEN
    const transport = i32[skb + SKB_DATA] + i32[skb + CB_TRANSPORT]
    const len = i32[skb + SKB_TAIL] - transport
    i32[skb + SKB_GSO_SIZE] = i32[skb + CB_SIZE]
    i32[skb + SKB_GSO_TYPE] = GSO_UDP_L4
    udp.setLength(u8, transport, len)
    udp.putChecksum(u8, transport, csum.fold(pseudo(at, IPPROTO_UDP, len)))
    i32[skb + SKB_CSUM_START] = transport
    i32[skb + SKB_CSUM_OFFSET] = udp.CHECKSUM
  }

  return { look, canStart, continues, isLast, complete }
}
