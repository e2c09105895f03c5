/**
 * Which TCP segments receive offload puts together: those with text and without anything that only one segment may say,
 * each right behind the one before and like it in all but what a super-frame can tell.
 * Linux: net/ipv4/tcp_offload.c tcp_gro_receive(), tcp_gro_complete(); RFC 9768 for CWR.
 */
import * as csum from '../base/checksum.ts'
import type { Arena } from '../shm/arena.ts'
import {
  GSO_ACCECN,
  GSO_TCPV4,
  GSO_TCPV6,
  SKB_CSUM_OFFSET,
  SKB_CSUM_START,
  SKB_DATA,
  SKB_GSO_SIZE,
  SKB_GSO_TYPE,
  SKB_TAIL,
} from '../skb/skb.ts'
import { ETH_HLEN } from '../wire/ethernet.ts'
import { IPPROTO_TCP } from '../wire/ipproto.ts'
import * as tcp from '../wire/tcp.ts'
import { CB_NEXT_SEQ, CB_SIZE, CB_TRANSPORT } from './gro-constants.ts'
import type { GroNetwork } from './gro-network.ts'
import { SEEN_END, SEEN_PAYLOAD, SEEN_PAYLOAD_LEN, SEEN_TRANSPORT } from './gro-network.ts'

/** Flags in the fourth word of a TCP header that may differ: they belong to one segment. CWR does not, with AccECN. */
const FLAGS_OF_ONE = (tcp.TCP_FIN | tcp.TCP_PSH) << 8
/** Flags of a segment that is never put together with others. */
const FLAGS_ALONE = tcp.TCP_SYN | tcp.TCP_RST | tcp.TCP_URG
/** Flags of the last. */
const FLAGS_LAST = tcp.TCP_PSH | tcp.TCP_FIN

export const createGroTcp = ({ i32, u8 }: Arena, network: GroNetwork) => {
  const { seen, isSumOk, isHeaderOk, pseudo } = network

  /** Finds the text. A super-frame stays what it is. */
  const look = (skb: number): void => {
    const transport = seen[SEEN_TRANSPORT]
    const headerLen = tcp.headerLen(u8, transport)
    const len = seen[SEEN_END] - transport - headerLen
    const isPlain = headerLen >= tcp.MIN_HEADER && len > 0 && i32[skb + SKB_GSO_SIZE] === 0
    seen[SEEN_PAYLOAD] = transport + headerLen
    seen[SEEN_PAYLOAD_LEN] = isPlain ? len : 0
  }
  const flags = (): number => tcp.flags(u8, seen[SEEN_TRANSPORT])
  const nextSeq = (): number => (tcp.seq(u8, seen[SEEN_TRANSPORT]) + seen[SEEN_PAYLOAD_LEN]) | 0

  /** Others may be put behind it. */
  const canStart = (skb: number): boolean =>
    (flags() & (FLAGS_ALONE | FLAGS_LAST | tcp.TCP_ACK)) === tcp.TCP_ACK &&
    isHeaderOk() &&
    isSumOk(skb, IPPROTO_TCP)

  const continues = (skb: number, held: number, segments: number): boolean =>
    (flags() & (FLAGS_ALONE | tcp.TCP_ACK)) === tcp.TCP_ACK &&
    tcp.seq(u8, seen[SEEN_TRANSPORT]) === i32[held + CB_NEXT_SEQ] &&
    network.continues(held, segments) &&
    isLike(seen[SEEN_TRANSPORT] >> 2, (i32[held + SKB_DATA] + i32[held + CB_TRANSPORT]) >> 2) &&
    isSumOk(skb, IPPROTO_TCP)
  /** Same acknowledgement, window, urgent pointer and options (words of both headers). */
  const isLike = (a: number, b: number): boolean => {
    if (i32[a + 2] !== i32[b + 2] || ((i32[a + 3] ^ i32[b + 3]) & ~FLAGS_OF_ONE) !== 0) return false
    if ((i32[a + 4] ^ i32[b + 4]) >>> 16 !== 0) return false
    for (let k = 5, words = (seen[SEEN_PAYLOAD] >> 2) - a; k < words; k++)
      if (i32[a + k] !== i32[b + k]) return false
    return true
  }

  /** The frame that was looked at is the first of a super-frame, or the next. */
  const start = (skb: number): void => {
    i32[skb + CB_NEXT_SEQ] = nextSeq()
  }
  const append = (held: number): void => {
    i32[held + CB_NEXT_SEQ] = nextSeq()
    const last = flags() & FLAGS_LAST
    if (last === 0) return
    const transport = i32[held + SKB_DATA] + i32[held + CB_TRANSPORT]
    tcp.setFlags(u8, transport, tcp.flags(u8, transport) | last)
  }
  /** Nothing may follow it. */
  const isLast = (): boolean => (flags() & FLAGS_LAST) !== 0

  /** As from a device that segments: the checksum field has the pseudo header's sum. */
  const complete = (skb: number): void => {
    const at = i32[skb + SKB_DATA] + ETH_HLEN
    const transport = i32[skb + SKB_DATA] + i32[skb + CB_TRANSPORT]
    const hasCwr = (tcp.flags(u8, transport) & tcp.TCP_CWR) !== 0
    i32[skb + SKB_GSO_SIZE] = i32[skb + CB_SIZE]
    i32[skb + SKB_GSO_TYPE] = (u8[at] === 0x45 ? GSO_TCPV4 : GSO_TCPV6) | (hasCwr ? GSO_ACCECN : 0)
    const sum = csum.fold(pseudo(at, IPPROTO_TCP, i32[skb + SKB_TAIL] - transport))
    tcp.putChecksum(u8, transport, sum)
    i32[skb + SKB_CSUM_START] = transport
    i32[skb + SKB_CSUM_OFFSET] = tcp.CHECKSUM
  }

  return { look, canStart, continues, start, append, isLast, complete }
}
