/**
 * IPv6's row of the family table (inet/af-ops.ts). Made by core/stack, on each worker.
 * Linux: ipv6_specific, inet6_init().
 */
import { AF_INET6_INFO, type AfOps } from '../inet/af-ops.ts'
import type { Arena } from '../shm/arena.ts'
import { CONF_ALL, Conf6, confRow } from '../shm/devconf.ts'
import { ICMPV6_DEST_UNREACH, ICMPV6_PORT_UNREACH } from '../wire/icmpv6.ts'
import type { Icmpv6 } from './icmp/icmpv6.ts'
import type { Ip6Output } from './ip6-output.ts'

type AfInet6Deps = {
  arena: Arena
  output: Pick<Ip6Output, 'ip6Xmit' | 'ip6Send' | 'ip6SendReply' | 'ip6SendHeader'>
} & Pick<Icmpv6, 'icmpv6Send' | 'icmpv6Out'>

export const createAfInet6 = ({ arena, output, icmpv6Send, icmpv6Out }: AfInet6Deps): AfOps => {
  const hopLimit = confRow(arena, CONF_ALL) + Conf6.hop_limit
  return {
    ...AF_INET6_INFO,
    hopLimit: () => arena.i32[hopLimit],
    queueXmit: output.ip6Xmit,
    send: output.ip6Send,
    sendHeader: output.ip6SendHeader,
    icmpOut: icmpv6Out,
    reply: output.ip6SendReply,
    keepOptions: () => {},
    portUnreachable: (skb) => icmpv6Send(skb, ICMPV6_DEST_UNREACH, ICMPV6_PORT_UNREACH, 0),
  }
}
