/**
 * The next hop of an IPv6 packet does not answer: the host it came from is told by ICMPv6, our own transport at once.
 * Called by the neighbour layer; on a worker. Linux: net/ipv6/ndisc.c ndisc_error_report(), route.c ip6_link_failure().
 */
import { Errno } from '../base/errno.ts'
import { RTN_LOCAL } from '../base/flowi.ts'
import type { AddrType } from '../inet/addr/addr-type.ts'
import { IPCB_OUTER, NO_MTU } from '../inet/inet-constants.ts'
import type { InetProtos } from '../inet/inet-protos.ts'
import type { Arena } from '../shm/arena.ts'
import { SKB_NETWORK, SKB_TAIL, SKB_TRANSPORT, SKB_DEV } from '../skb/skb.ts'
import * as icmpv6 from '../wire/icmpv6.ts'
import * as ipv6 from '../wire/ipv6.ts'
import { EXT_PROTOCOL, EXT_TRANSPORT, EXT_WORDS, walk, WALK_OK } from '../wire/ipv6-ext.ts'
import type { Icmpv6 } from './icmp/icmpv6.ts'

type Ip6LinkFailureDeps = {
  arena: Arena
  protos: InetProtos
} & Pick<AddrType, 'addrType'> &
  Pick<Icmpv6, 'icmpv6Send'>

/** Octets of a transport header that an error handler reads. */
const QUOTED = 8

export const createIp6LinkFailure = (deps: Ip6LinkFailureDeps) => {
  const { arena, protos, addrType, icmpv6Send } = deps
  const { i32, u8 } = arena
  const source = new Int32Array(4)
  const chain = new Int32Array(EXT_WORDS)

  /** The packet, data at its IPv6 header, stays the caller's. */
  const linkFailure = (skb: number): void => {
    const at = i32[skb + SKB_NETWORK]
    source[0] = ipv6.src0(u8, at)
    source[1] = ipv6.src1(u8, at)
    source[2] = ipv6.src2(u8, at)
    source[3] = ipv6.src3(u8, at)
    if (addrType(source, 0, i32[skb + SKB_DEV]) !== RTN_LOCAL)
      return icmpv6Send(skb, icmpv6.ICMPV6_DEST_UNREACH, icmpv6.ICMPV6_ADDR_UNREACH, 0)
    const end = i32[skb + SKB_TAIL]
    if (walk(u8, at, end, chain) !== WALK_OK || chain[EXT_TRANSPORT] + QUOTED > end) return
    i32[skb + SKB_TRANSPORT] = chain[EXT_TRANSPORT]
    i32[skb + IPCB_OUTER] = 0
    // filled by core/stack.ts: tcpErr (tcp/sock/tcp-proto.ts), udpErr (udp/udp-input.ts)
    protos.errors[chain[EXT_PROTOCOL]](skb, Errno.EHOSTUNREACH, false, NO_MTU)
  }
  return { linkFailure }
}
