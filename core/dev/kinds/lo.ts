/**
 * lo: what is sent on it is received on it. There is one, it is up from the start, and it keeps its name, which
 * configurations and programs know it by, and its address, which is none. Linux: drivers/net/loopback.c.
 */
import { Errno } from '../../base/errno.ts'
import {
  ARPHRD_LOOPBACK,
  DEV_FLAGS,
  DEV_IFINDEX,
  DEV_MAC,
  DEV_MTU,
  DEV_TYPE,
  IFF_LOOPBACK,
} from '../../netdev/netdev.ts'
import { createForwardSkb, fillSoftFeatures } from './forward-skb.ts'
import type { LinkKind } from './link-kind.ts'

const MTU = 64 * 1024

export const lo: LinkKind<'lo'> = {
  name: 'lo',
  data: [],
  boot: ['lo'],
  maxMtu: MTU,
  linkOps: ({ arena: { i32, u8 } }) => ({
    newlink({ row }) {
      fillSoftFeatures(i32, row)
      i32[row + DEV_FLAGS] = IFF_LOOPBACK
      i32[row + DEV_TYPE] = ARPHRD_LOOPBACK
      i32[row + DEV_MTU] = MTU
      u8.fill(0, (row + DEV_MAC) << 2, ((row + DEV_MAC) << 2) + 6)
      return { error: 0 }
    },
    dellink() {},
    validate({ mac, newname, ifname }) {
      if (mac !== undefined) return { error: Errno.EOPNOTSUPP, field: 'address' }
      if (newname !== undefined && newname !== ifname)
        return { error: Errno.EOPNOTSUPP, field: 'newname' }
      return undefined
    },
    carrier: () => 'unknown',
  }),
  startXmit(env) {
    const { i32 } = env.arena
    const forward = createForwardSkb(env)
    return (skb, dev) => forward(skb, i32[dev + DEV_IFINDEX])
  },
}
