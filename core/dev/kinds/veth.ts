/**
 * veth: two devices at once, as `ip link add A type veth peer name B`. What one sends the other receives, and each has
 * carrier while the other is up. Linux: drivers/net/veth.c.
 */
import { Errno } from '../../base/errno.ts'
import { DEV_FLAGS, DEV_PEER, deviceRow, IFF_UP, NETDEV_TX_OK } from '../../netdev/netdev.ts'
import { Drop } from '../../skb/drop.ts'
import { createForwardSkb, fillSoftFeatures } from './forward-skb.ts'
import type { LinkKind } from './link-kind.ts'

/** The peer's name as it was given: a string, or an object that has it; null: neither. */
const peerName = (given: unknown): string | null => {
  const name =
    typeof given === 'object' && given !== null ? (given as { name?: unknown }).name : given
  return typeof name === 'string' ? name : null
}

export const veth: LinkKind<'veth'> = {
  name: 'veth',
  data: ['peer'],
  pair: 'peer',
  linkOps: ({ arena, checkName, freeName, reserve, isUp }) => {
    const { i32 } = arena
    return {
      newlink({ ifindex, row, spec }) {
        const given = spec.data?.peer
        const name = given === undefined ? freeName('veth') : peerName(given)
        if (name === null) {
          const extack = 'The peer is named by its name'
          return { error: Errno.EINVAL, extack, field: 'data.peer' }
        }
        const wrong = checkName(name, 'data.peer')
        if (wrong) return wrong
        const peer = reserve(name)
        if (peer === 0) return { error: Errno.ENOBUFS }
        const peerRow = deviceRow(arena, peer)
        fillSoftFeatures(i32, row)
        fillSoftFeatures(i32, peerRow)
        i32[row + DEV_PEER] = peer
        i32[peerRow + DEV_PEER] = ifindex
        return { error: 0, second: peer }
      },
      dellink() {},
      carrier: (ifindex) =>
        isUp(i32[deviceRow(arena, ifindex) + DEV_PEER]) ? 'up' : 'lowerlayerdown',
    }
  },
  startXmit(env) {
    const { arena, drop } = env
    const { i32 } = arena
    const forward = createForwardSkb(env)
    return (skb, dev) => {
      const peer = i32[dev + DEV_PEER]
      if (peer === 0 || (i32[deviceRow(arena, peer) + DEV_FLAGS] & IFF_UP) === 0) {
        drop(skb, Drop.DEV_READY)
        return NETDEV_TX_OK
      }
      return forward(skb, peer)
    }
  },
}
