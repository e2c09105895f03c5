/**
 * vrf: an L3 domain with a table of its own, as `ip link add NAME type vrf table ID`. Devices enslaved to it have their
 * routes there, and what comes in by them is routed there; sockets bound to it speak by all of them. It is the loopback
 * of its domain: what is sent on it is received on it. Linux: drivers/net/vrf.c, Documentation/networking/vrf.rst.
 */
import { Errno } from '../../base/errno.ts'
import {
  DEV_FLAGS,
  DEV_IFINDEX,
  DEV_L3MDEV,
  DEV_MTU,
  DEV_VRF_TABLE,
  deviceRow,
  IFF_LOOPBACK,
  IFF_MASTER,
  IFF_NOARP,
} from '../../netdev/netdev.ts'
import { createForwardSkb, fillSoftFeatures } from './forward-skb.ts'
import type { LinkKind } from './link-kind.ts'

/** Below it a device speaks no IPv6; IP6_MAX_MTU. */
const MIN_MTU = 1280
const MAX_MTU = 65575

const tableOf = (given: unknown): number => {
  const table = Number(given)
  return Number.isInteger(table) && table > 0 && table <= 0xffffffff ? table : 0
}

export const vrf: LinkKind<'vrf'> = {
  name: 'vrf',
  data: ['table'],
  minMtu: MIN_MTU,
  maxMtu: MAX_MTU,
  linkOps: ({ arena, l3MasterMade }) => {
    const { i32 } = arena
    return {
      newlink({ ifindex, row, spec }) {
        const given = spec.data?.table
        const table = tableOf(given)
        if (table === 0) {
          const extack = given === undefined ? 'VRF table id is missing' : 'Invalid VRF table id'
          return { error: Errno.EINVAL, extack, field: 'data.table' }
        }
        fillSoftFeatures(i32, row)
        i32[row + DEV_FLAGS] = IFF_MASTER | IFF_NOARP
        i32[row + DEV_MTU] = MAX_MTU
        i32[row + DEV_L3MDEV] = ifindex
        i32[row + DEV_VRF_TABLE] = table
        l3MasterMade(ifindex)
        return { error: 0, data: { table } }
      },
      dellink() {},
      slaveFault(slave) {
        const row = deviceRow(arena, slave)
        if ((i32[row + DEV_FLAGS] & IFF_LOOPBACK) !== 0)
          return { error: Errno.EOPNOTSUPP, extack: 'Can not enslave loopback device to a VRF' }
        if (i32[row + DEV_L3MDEV] === slave)
          return { error: Errno.EINVAL, extack: 'Can not enslave an L3 master device to a VRF' }
        return undefined
      },
    }
  },
  startXmit(env) {
    const { i32 } = env.arena
    const forward = createForwardSkb(env)
    return (skb, dev) => forward(skb, i32[dev + DEV_IFINDEX])
  },
}
