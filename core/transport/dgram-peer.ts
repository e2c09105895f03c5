/**
 * Whom a received datagram is from, as recvfrom tells it (PEER_*): its source address, and the device where the address is one of
 * a link; and what the socket wants to be told beside that (socket/msg/ip-cmsg.ts). Worker only. Linux: what udp_recvmsg(), raw_recvmsg(), ping_recvmsg() put into msg_name.
 */
import { needsZone, V4_MAPPED } from '../base/family.ts'
import type { Arena } from '../shm/arena.ts'
import { SKB_DEV, SKB_NETWORK } from '../skb/skb.ts'
import type { IpCmsg } from '../socket/msg/ip-cmsg.ts'
import { SK_CMSG } from '../socket/inet-sock.ts'
import { PEER_PORT, PEER_WORDS, PEER_ZONE } from '../socket/socket-constants.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as ipv6 from '../wire/ipv6.ts'

type DgramPeerDeps = { arena: Arena } & Pick<IpCmsg, 'ipCmsgRecv'>

export const createDgramPeer = ({ arena, ipCmsgRecv }: DgramPeerDeps) => {
  const { i32, u8 } = arena
  const peer = new Int32Array(PEER_WORDS)
  const notePeer = (sk: number, skb: number, port: number): void => {
    const at = i32[skb + SKB_NETWORK]
    const is4 = ipv4.version(u8, at) === 4
    peer[0] = is4 ? 0 : ipv6.src0(u8, at)
    peer[1] = is4 ? 0 : ipv6.src1(u8, at)
    peer[2] = is4 ? V4_MAPPED : ipv6.src2(u8, at)
    peer[3] = is4 ? ipv4.src(u8, at) : ipv6.src3(u8, at)
    peer[PEER_PORT] = port
    peer[PEER_ZONE] = needsZone(peer, 0) ? i32[skb + SKB_DEV] : 0
    if (i32[sk + SK_CMSG] !== 0) ipCmsgRecv(sk, skb)
  }
  return { peer, notePeer }
}
