/**
 * What a packet socket gets: frames of its device and protocol, whole (SOCK_RAW) or from the network header on
 * (SOCK_DGRAM), as its filter cuts them. `look` is a tap's, for all protocols and both ways; `packetRcv` a protocol's handler,
 * which has what comes in. On a worker: a socket sees the frames of its worker. Linux: net/packet/af_packet.c packet_rcv().
 */
import type { Ptype } from '../dev/ptype.ts'
import { DEV_TYPE, deviceRow } from '../netdev/netdev.ts'
import type { Arena } from '../shm/arena.ts'
import { Holder } from '../skb/budget.ts'
import type { ConsumeFn } from '../skb/drop.ts'
import {
  CHECKSUM_PARTIAL,
  CHECKSUM_UNNECESSARY,
  GSO_ACCECN,
  GSO_ECN,
  GSO_TCPV4,
  GSO_TCPV6,
  PACKET_LOOPBACK,
  PACKET_OUTGOING,
  SKB_CB,
  SKB_DATA,
  SKB_DEV,
  SKB_F_TRACE,
  SKB_FLAGS,
  SKB_GSO_TYPE,
  SKB_IP_SUMMED,
  SKB_LEN,
  SKB_MAC,
  SKB_NETWORK,
  SKB_PKT_TYPE,
  SKB_PROTOCOL,
  SKB_SK,
  SKB_VLAN,
} from '../skb/skb.ts'
import type { Skbs } from '../skb/skbs.ts'
import type { Datagram } from '../socket/datagram.ts'
import { SK_BOUND_DEV, SK_DROPS, SK_TYPE, SOCK_DGRAM } from '../socket/sock.ts'
import type { SkFilter } from '../socket/sk-filter.ts'
import {
  PEER_ADDR,
  PEER_AUX,
  PEER_PORT,
  PEER_WORDS,
  PEER_ZONE,
  SLL_ADDR_HI,
  SLL_ADDR_LO,
  SLL_HATYPE,
  SLL_PKTTYPE,
  TP_STATUS_CSUM_VALID,
  TP_STATUS_CSUMNOTREADY,
  TP_STATUS_GSO_TCP,
  TP_STATUS_USER,
  TP_STATUS_VLAN_TPID_VALID,
  TP_STATUS_VLAN_VALID,
} from '../socket/socket-constants.ts'
import * as ethernet from '../wire/ethernet.ts'
import {
  PK_DROPS,
  PK_F_AUXDATA,
  PK_F_IGNORE_OUTGOING,
  PK_FLAGS,
  PK_PACKETS,
} from './packet-constants.ts'

type PacketRcvDeps = {
  arena: Arena
  skbs: Skbs
  consume: ConsumeFn
  filter: Pick<SkFilter, 'runFrom' | 'skTrim'>
  datagram: Pick<Datagram, 'isFull' | 'mayHold' | 'makeRoom' | 'append' | 'onLost'>
} & Pick<Ptype, 'tapClone'>
export type PacketRcv = ReturnType<typeof createPacketRcv>

/** Octets there were before the filter; a word of who holds the packet. */
const CB_LEN = SKB_CB
const NO_VLAN = -1

export const createPacketRcv = (deps: PacketRcvDeps) => {
  const { arena, skbs, consume, tapClone, filter, datagram } = deps
  const { i32, u8 } = arena
  const { budget } = skbs
  const peer = new Int32Array(PEER_WORDS)

  /** Of its device, and one that it asked for. */
  const isFor = (sk: number, skb: number, pktType: number): boolean => {
    const dev = i32[sk + SK_BOUND_DEV]
    if (dev !== 0 && dev !== i32[skb + SKB_DEV]) return false
    if (pktType === PACKET_LOOPBACK) return false
    if (pktType !== PACKET_OUTGOING) return true
    // what it sent itself it does not hear
    return i32[skb + SKB_SK] !== sk && (i32[sk + PK_FLAGS] & PK_F_IGNORE_OUTGOING) === 0
  }
  const lose = (sk: number): void => {
    i32[sk + PK_DROPS]++
    i32[sk + SK_DROPS]++
  }
  datagram.onLost(Holder.tap, (sk) => {
    i32[sk + PK_DROPS]++
  })
  /** Where the socket's view of a frame begins. */
  const viewOf = (sk: number, skb: number, mac: number): number =>
    i32[sk + SK_TYPE] === SOCK_DGRAM ? i32[skb + SKB_NETWORK] : mac

  /** A frame that begins at `mac` and stays the caller's. */
  const look = (sk: number, skb: number, mac: number, pktType: number): void => {
    if (!isFor(sk, skb, pktType)) return
    const len = filter.runFrom(sk, skb, viewOf(sk, skb, mac), pktType)
    if (len === 0) return
    if (datagram.isFull(sk)) return lose(sk)
    if (!budget.mayHold(skb, Holder.tap)) datagram.makeRoom(sk, skb, Holder.tap)
    const twin = tapClone(skb, mac, pktType)
    if (twin === 0) lose(sk)
    else keep(sk, twin, len)
  }
  /** A packet that came in, data at its network header; it is taken over. */
  const packetRcv = (sk: number, skb: number): void => {
    const mac = i32[skb + SKB_MAC]
    const pktType = i32[skb + SKB_PKT_TYPE]
    const len = isFor(sk, skb, pktType) ? filter.runFrom(sk, skb, viewOf(sk, skb, mac), pktType) : 0
    if (len === 0) return consume(skb)
    if (datagram.isFull(sk) || !datagram.mayHold(sk, skb, Holder.tap)) {
      lose(sk)
      return consume(skb)
    }
    i32[skb + SKB_FLAGS] &= ~SKB_F_TRACE
    skbs.push(skb, i32[skb + SKB_DATA] - mac)
    keep(sk, skb, len)
  }
  /** The socket's own, data at its link header. */
  const keep = (sk: number, skb: number, len: number): void => {
    if (i32[sk + SK_TYPE] === SOCK_DGRAM)
      skbs.pull(skb, i32[skb + SKB_NETWORK] - i32[skb + SKB_DATA])
    i32[skb + CB_LEN] = i32[skb + SKB_LEN]
    if (!filter.skTrim(skb, len)) {
      lose(sk)
      return consume(skb)
    }
    i32[sk + PK_PACKETS]++
    datagram.append(sk, skb, Holder.tap)
  }

  /** Notes where a packet is from, in the words of sockaddr_ll, and what AUXDATA tells of it. */
  const notePeer = (sk: number, skb: number): void => {
    const mac = i32[skb + SKB_MAC]
    peer[PEER_ADDR + SLL_ADDR_HI] = ethernet.srcHi(u8, mac)
    peer[PEER_ADDR + SLL_ADDR_LO] = ethernet.srcLo(u8, mac)
    peer[PEER_ADDR + SLL_PKTTYPE] = i32[skb + SKB_PKT_TYPE]
    peer[PEER_ADDR + SLL_HATYPE] = i32[deviceRow(arena, i32[skb + SKB_DEV]) + DEV_TYPE]
    peer[PEER_PORT] = i32[skb + SKB_PROTOCOL]
    peer[PEER_ZONE] = i32[skb + SKB_DEV]
    peer.fill(0, PEER_AUX)
    if ((i32[sk + PK_FLAGS] & PK_F_AUXDATA) === 0) return
    const tag = i32[skb + SKB_VLAN]
    peer[PEER_AUX] = statusOf(skb)
    peer[PEER_AUX + 1] = i32[skb + CB_LEN]
    peer[PEER_AUX + 2] = tag === NO_VLAN ? 0 : tag | (ethernet.ETH_P_8021Q << 16)
  }
  const statusOf = (skb: number): number => {
    let status = TP_STATUS_USER
    const summed = i32[skb + SKB_IP_SUMMED]
    if (summed === CHECKSUM_PARTIAL) status |= TP_STATUS_CSUMNOTREADY
    else if (summed === CHECKSUM_UNNECESSARY && i32[skb + SKB_PKT_TYPE] !== PACKET_OUTGOING)
      status |= TP_STATUS_CSUM_VALID
    const gso = i32[skb + SKB_GSO_TYPE] & ~(GSO_ECN | GSO_ACCECN)
    if (gso === GSO_TCPV4 || gso === GSO_TCPV6) status |= TP_STATUS_GSO_TCP
    if (i32[skb + SKB_VLAN] !== NO_VLAN) status |= TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID
    return status
  }
  return { look, packetRcv, notePeer, peer }
}
