/**
 * What tells flows apart, read from a packet where it lies and, where it carries another (IP in IP, GRE), from the innermost
 * of them. For inet/fib/multipath/flow-keys.ts, on any thread. Linux: skb_flow_dissect_flow_keys(), __skb_flow_dissect_gre()
 * (net/core/flow_dissector.c); RFC 2003, RFC 2784, RFC 2890.
 */
import { u16 } from '../base/bytes.ts'
import type { PacketKeys } from '../inet/fib/multipath/flow-keys.ts'
import type { Arena } from '../shm/arena.ts'
import {
  createFlowDissector,
  DISSECT_OK,
  FLAG_ICMP_ERROR,
  FLAG_IS_FRAG,
  KEY_DPORT,
  KEY_DST,
  KEY_FLAGS,
  KEY_IP_PROTO,
  KEY_N_PROTO,
  KEY_NHOFF,
  KEY_SPORT,
  KEY_SRC,
  KEY_THOFF,
} from '../steering/flow-dissect.ts'
import { ETH_HLEN, ETH_P_IP, ETH_P_IPV6 } from '../wire/ethernet.ts'
import { IPPROTO_GRE, IPPROTO_IPIP, IPPROTO_IPV6 } from '../wire/ipproto.ts'
import * as ipv6 from '../wire/ipv6.ts'

/** Packets in packets that are gone into, one after the other. */
const MAX_DEPTH = 4
const GRE_HEADER = 4
const GRE_CSUM = 0x8000
const GRE_KEY = 0x2000
const GRE_SEQ = 0x1000
/** The version, and what routing (RFC 1701) there is: such a packet is not gone into. */
const GRE_UNKNOWN = 0x4007
/** Ethernet in GRE. */
const ETH_P_TEB = 0x6558

export const createPacketKeys = ({ u8 }: Pick<Arena, 'u8'>): PacketKeys => {
  const { keys, dissectNetwork } = createFlowDissector(u8)
  // found by carries()
  let innerProto = 0
  let innerAt = 0

  const isKnown = (proto: number): boolean => proto === ETH_P_IP || proto === ETH_P_IPV6
  const carriesGre = (at: number, end: number): boolean => {
    if (at + GRE_HEADER > end) return false
    const flags = u16(u8, at)
    if ((flags & GRE_UNKNOWN) !== 0) return false
    innerProto = u16(u8, at + 2)
    innerAt = at + GRE_HEADER
    for (const flag of [GRE_CSUM, GRE_KEY, GRE_SEQ]) if ((flags & flag) !== 0) innerAt += 4
    if (innerProto !== ETH_P_TEB) return isKnown(innerProto)
    if (innerAt + ETH_HLEN > end) return false
    innerProto = u16(u8, innerAt + 12)
    innerAt += ETH_HLEN
    return isKnown(innerProto)
  }
  /** Is there another packet in the one that was read? A piece of a datagram is not gone into. */
  const carries = (end: number): boolean => {
    if ((keys[KEY_FLAGS] & (FLAG_IS_FRAG | FLAG_ICMP_ERROR)) !== 0) return false
    const proto = keys[KEY_IP_PROTO]
    innerAt = keys[KEY_THOFF]
    if (proto === IPPROTO_GRE) return carriesGre(innerAt, end)
    innerProto = proto === IPPROTO_IPIP ? ETH_P_IP : ETH_P_IPV6
    return proto === IPPROTO_IPIP || proto === IPPROTO_IPV6
  }
  const read = (proto: number, at: number, end: number): boolean =>
    dissectNetwork(proto, at, end - at) === DISSECT_OK
  const readInner = (end: number): boolean => {
    let depth = 0
    while (depth < MAX_DEPTH && carries(end)) {
      depth++
      if (!read(innerProto, innerAt, end)) break
    }
    return depth > 0
  }
  return {
    view: keys,
    src: KEY_SRC,
    dst: KEY_DST,
    isIpv4: () => keys[KEY_N_PROTO] === ETH_P_IP,
    protocol: () => keys[KEY_IP_PROTO],
    sport: () => keys[KEY_SPORT],
    dport: () => keys[KEY_DPORT],
    label: () => (keys[KEY_N_PROTO] === ETH_P_IPV6 ? ipv6.flowLabel(u8, keys[KEY_NHOFF]) : 0),
    isError: () => (keys[KEY_FLAGS] & FLAG_ICMP_ERROR) !== 0,
    transport: () => keys[KEY_THOFF],
    read,
    readInner,
  }
}
