/**
 * dummy: a device that is always there and goes nowhere: what is sent on it is counted and freed, and nothing is ever
 * received. For addresses that belong to the host and to no wire, and to try routes. Linux: drivers/net/dummy.c.
 */
import { DEV_FLAGS, IFF_MULTICAST, IFF_NOARP, NETDEV_TX_OK } from '../../netdev/netdev.ts'
import { fillSoftFeatures } from './forward-skb.ts'
import type { LinkKind } from './link-kind.ts'

export const dummy: LinkKind<'dummy'> = {
  name: 'dummy',
  data: [],
  linkOps: ({ arena: { i32 } }) => ({
    newlink({ row }) {
      fillSoftFeatures(i32, row)
      i32[row + DEV_FLAGS] = (i32[row + DEV_FLAGS] | IFF_NOARP) & ~IFF_MULTICAST
      return { error: 0 }
    },
    dellink() {},
    carrier: () => 'unknown',
  }),
  startXmit:
    ({ skbs }) =>
    (skb) => {
      skbs.free(skb)
      return NETDEV_TX_OK
    },
}
