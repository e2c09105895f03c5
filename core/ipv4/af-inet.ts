/**
 * IPv4's row of the family table (inet/af-ops.ts). Made by core/stack, on each worker.
 * Linux: ipv4_specific, inet_init().
 */
import { AF_INET_INFO, type AfOps } from '../inet/af-ops.ts'
import type { Arena } from '../shm/arena.ts'
import { Sysctl } from '../shm/sysctl.ts'
import { ICMP_DEST_UNREACH, ICMP_PORT_UNREACH } from '../wire/icmp.ts'
import type { IpLocalOut } from './ip-local-out.ts'
import type { Icmp } from './icmp/icmp.ts'
import type { IpOptionsEcho } from './options/ip-options-echo.ts'

type AfInetDeps = {
  arena: Arena
  output: Pick<IpLocalOut, 'ipQueueXmit' | 'ipSendSock' | 'ipSendHeader' | 'ipSendReply'>
  ipOptions: Pick<IpOptionsEcho, 'keepOptions'>
} & Pick<Icmp, 'icmpSend' | 'icmpOut'>

export const createAfInet = (deps: AfInetDeps): AfOps => {
  const { output, icmpSend, icmpOut, ipOptions } = deps
  const { i32, layout } = deps.arena
  const defaultTtl = layout.sysctl + Sysctl.ip_default_ttl
  return {
    ...AF_INET_INFO,
    hopLimit: () => i32[defaultTtl],
    queueXmit: output.ipQueueXmit,
    send: output.ipSendSock,
    sendHeader: output.ipSendHeader,
    icmpOut,
    reply: output.ipSendReply,
    keepOptions: ipOptions.keepOptions,
    portUnreachable: (skb) => icmpSend(skb, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0),
  }
}
