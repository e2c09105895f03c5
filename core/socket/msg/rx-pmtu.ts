/**
 * IPV6_RECVPATHMTU (RFC 3542 section 11.3): what was not to be cut was too long for its way, and the next call that receives is told
 * how much that takes, by a message without octets. A socket keeps the last of these; transport/dgram-flow.ts says them, sockets.ts
 * asks. Worker only. Linux: ipv6_local_rxpmtu(), ipv6_recv_rxpmtu() (net/ipv6/datagram.c).
 */
import * as bytes from '../../base/bytes.ts'
import { AF_INET6, copyAddr, needsZone } from '../../base/family.ts'
import { FL_DADDR, FL_OIF, type Flowi } from '../../base/flowi.ts'
import type { Arena } from '../../shm/arena.ts'
import { IPPROTO_UDP } from '../../wire/ipproto.ts'
import { SK_CMSG, SK_RXPMTU, SK_RXPMTU_ADDR, SK_RXPMTU_ZONE } from '../inet-sock.ts'
import { SK_PROTOCOL, SK_TYPE, SOCK_RAW } from '../sock.ts'
import {
  CMSG_PATHMTU6,
  IPPROTO_IPV6,
  IPV6_PATHMTU,
  PEER_ADDR,
  PEER_WORDS,
  PEER_ZONE,
} from '../socket-constants.ts'
import type { Cmsg } from './cmsg.ts'

type RxPmtuDeps = { arena: Arena; cmsg: Cmsg }
export type RxPmtu = ReturnType<typeof createRxPmtu>

/** struct ip6_mtuinfo: a sockaddr_in6, and the MTU. */
export const IP6_MTUINFO = 32

export const createRxPmtu = ({ arena, cmsg }: RxPmtuDeps) => {
  const { i32 } = arena
  /** Whom what was too long was to. */
  const peer = new Int32Array(PEER_WORDS)

  const wantsRxpmtu = (sk: number): boolean => (i32[sk + SK_CMSG] & CMSG_PATHMTU6) !== 0
  /** The way of `fl` takes no more than `mtu`. */
  const localRxpmtu = (sk: number, fl: Flowi, mtu: number): void => {
    if (!wantsRxpmtu(sk)) return
    i32[sk + SK_RXPMTU] = mtu
    copyAddr(i32, sk + SK_RXPMTU_ADDR, fl, FL_DADDR)
    i32[sk + SK_RXPMTU_ZONE] = needsZone(fl, FL_DADDR) ? fl[FL_OIF] : 0
  }
  /** Is there anything to tell? Ping sockets are never told (ping_recvmsg). */
  const hasRxpmtu = (sk: number): boolean =>
    i32[sk + SK_RXPMTU] !== 0 &&
    wantsRxpmtu(sk) &&
    (i32[sk + SK_TYPE] === SOCK_RAW || i32[sk + SK_PROTOCOL] === IPPROTO_UDP)
  /** Tells it by `peer` and a control message. */
  const recvRxpmtu = (sk: number): void => {
    copyAddr(peer, PEER_ADDR, i32, sk + SK_RXPMTU_ADDR)
    peer[PEER_ZONE] = i32[sk + SK_RXPMTU_ZONE]
    const at = cmsg.put(IPPROTO_IPV6, IPV6_PATHMTU, IP6_MTUINFO)
    cmsg.octets[at << 2] = AF_INET6
    for (let w = 0; w < 4; w++) bytes.putI32(cmsg.octets, (at + 2 + w) << 2, peer[PEER_ADDR + w])
    cmsg.words[at + 6] = peer[PEER_ZONE]
    cmsg.words[at + 7] = i32[sk + SK_RXPMTU]
    i32[sk + SK_RXPMTU] = 0
  }
  return { localRxpmtu, hasRxpmtu, recvRxpmtu, peer }
}
