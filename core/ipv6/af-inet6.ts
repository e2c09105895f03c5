/**
 * IPv6's row of the family table (inet/af-ops.ts): there is no IPv6 input or output yet, so it holds the family's
 * numbers, and says EAFNOSUPPORT of everything that would have to be sent. Made by core/stack, on each worker.
 * Linux: ipv6_specific.
 */
import { Errno } from '../base/errno.ts'
import { AF_INET6_INFO, type AfOps } from '../inet/af-ops.ts'
import { Drop, type DropFn } from '../skb/drop.ts'

/** IPV6_DEFAULT_HOPLIMIT. */
const HOP_LIMIT = 64

export const createAfInet6 = ({ drop }: { drop: DropFn }): AfOps => {
  const refuse = (skb: number): number => {
    drop(skb, Drop.IP_OUTNOROUTES)
    return -Errno.EAFNOSUPPORT
  }
  return {
    ...AF_INET6_INFO,
    hopLimit: () => HOP_LIMIT,
    queueXmit: refuse,
    send: refuse,
    portUnreachable: () => {},
  }
}
