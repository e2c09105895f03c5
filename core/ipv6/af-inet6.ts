/**
 * IPv6's row of the family table (inet/af-ops.ts). Made by core/stack, on each worker.
 * Linux: ipv6_specific, inet6_init().
 */
import { AF_INET6_INFO, type AfOps } from '../inet/af-ops.ts'
import type { Arena } from '../shm/arena.ts'
import { CONF_ALL, Conf6, confRow } from '../shm/devconf.ts'
import { SKB_NETWORK } from '../skb/skb.ts'
import { ICMPV6_DEST_UNREACH, ICMPV6_PORT_UNREACH } from '../wire/icmpv6.ts'
import * as ipv6 from '../wire/ipv6.ts'
import type { Icmpv6 } from './icmpv6.ts'
import type { Ip6Output } from './ip6-output.ts'

type AfInet6Deps = {
  arena: Arena
  output: Pick<Ip6Output, 'ip6Xmit' | 'ip6Send' | 'ip6SendHeader'>
} & Pick<Icmpv6, 'icmpv6Send' | 'icmpv6Out'>

/** The two bits of the traffic class that are ECN's (RFC 3168). */
const ECN_MASK = 3

export const createAfInet6 = ({ arena, output, icmpv6Send, icmpv6Out }: AfInet6Deps): AfOps => {
  const { i32, u8 } = arena
  const hopLimit = confRow(arena, CONF_ALL) + Conf6.hop_limit
  return {
    ...AF_INET6_INFO,
    hopLimit: () => arena.i32[hopLimit],
    queueXmit: output.ip6Xmit,
    send: output.ip6Send,
    sendHeader: output.ip6SendHeader,
    icmpOut: icmpv6Out,
    reply: (skb, fl, proto, request) =>
      output.ip6Send(
        skb,
        fl,
        proto,
        ipv6.trafficClass(u8, i32[request + SKB_NETWORK]) & ~ECN_MASK,
        0
      ),
    portUnreachable: (skb) => icmpv6Send(skb, ICMPV6_DEST_UNREACH, ICMPV6_PORT_UNREACH, 0),
  }
}
