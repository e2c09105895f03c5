/**
 * veth: two devices at once, as `ip link add A type veth peer name B`. What one sends the other receives, and each has
 * carrier while the other is up. The other may be in another net (`peer name B netns NAME`), which only who runs both can reach:
 * what he passes in is a Far. Linux: drivers/net/veth.c.
 */
import { Errno } from '../../base/errno.ts'
import {
  DEV_FLAGS,
  DEV_PEER,
  DEV_PRIV,
  deviceRow,
  IFF_UP,
  NETDEV_TX_OK,
  type StartXmit,
} from '../../netdev/netdev.ts'
import type { OtherEnd } from '../../control/rtnetlink.ts'
import { Drop } from '../../skb/drop.ts'
import { parseMac } from '../../wire/text.ts'
import { createForwardSkb, fillSoftFeatures } from './forward-skb.ts'
import type {
  Carrier,
  KindEnv,
  LinkAnswer,
  LinkKind,
  LinkRefusal,
  MoveAnswer,
  NewLink,
  PathKind,
  XmitEnv,
} from './link-kind.ts'

/** What is said of a peer, in words: it is made where they are read, and is down (veth_open: nobody is at its other end yet). */
type PeerSpec = { name: string; address?: string; mtu?: number }
export type FarPeer = PeerSpec & { netns: string }

/** The ends of pairs in other nets, for the control of this one. */
export type FarNets = {
  /** Makes the other end of a new device here, whose row it marks (VETH_FAR). */
  join(near: NewLink, peer: FarPeer): Promise<LinkRefusal | { error: 0 }>
  /** The device here is going away, and the other end with it, unless it has another by now. */
  leave(ifindex: number): void | Promise<void>
  /** Makes a device there in the place of the one here: what it was joined to is joined to that. */
  move(ifindex: number, peer: FarPeer): Promise<MoveAnswer>
  carrier(ifindex: number): Carrier
  /** Flags or the name of the device here have changed. */
  changed(ifindex: number): void | Promise<void>
  otherEnd(ifindex: number): OtherEnd | undefined
}
export type Far = {
  nets: (env: KindEnv) => FarNets
  /** Sends to the other net. */
  startXmit: (env: XmitEnv) => StartXmit
} & Pick<PathKind, 'receive'>

/** Word of the device row: not 0 where the other end is in another net; its owner's meaning (ports.ts: PORT_PEER). */
export const VETH_FAR = DEV_PRIV + 1

/** The peer as it was given: a name, or an object that has it; null: neither. */
const readPeer = (given: unknown): (PeerSpec & { netns?: string }) | null => {
  if (typeof given === 'string') return { name: given }
  if (typeof given !== 'object' || given === null) return null
  const { name, netns, address, mtu, ...odd } = given as Record<string, unknown>
  const isRight =
    typeof name === 'string' &&
    (netns === undefined || typeof netns === 'string') &&
    (address === undefined || (typeof address === 'string' && parseMac(address) !== null)) &&
    (mtu === undefined || typeof mtu === 'number') &&
    Object.keys(odd).length === 0
  return isRight ? (given as PeerSpec) : null
}
/** iproute2's words (iplink_parse). */
export const noSuchNet = (netns: string, field: string): LinkRefusal => ({
  error: Errno.EINVAL,
  message: `Error: argument "${netns}" is wrong: Invalid "netns" value`,
  field,
})

const linkOps =
  (far: Far | null): LinkKind['linkOps'] =>
  (env) => {
    const { arena, checkName, freeName, reserve, isUp } = env
    const { i32 } = arena
    const nets = far?.nets(env)
    const isFar = (ifindex: number): boolean => i32[deviceRow(arena, ifindex) + VETH_FAR] !== 0
    const newFar = async (near: NewLink, peer: FarPeer): Promise<LinkAnswer> => {
      if (nets === undefined) return noSuchNet(peer.netns, 'data.peer')
      fillSoftFeatures(i32, near.row)
      return nets.join(near, peer)
    }
    return {
      newlink(link) {
        const { ifindex, row, spec } = link
        const given = spec.data?.peer
        const peer = given === undefined ? { name: freeName('veth') } : readPeer(given)
        if (peer === null) {
          const extack = 'The peer is named by its name'
          return { error: Errno.EINVAL, extack, field: 'data.peer' }
        }
        const { name, netns, address, mtu } = peer
        if (netns !== undefined) return newFar(link, { ...peer, netns })
        const wrong = checkName(name, 'data.peer')
        if (wrong) return wrong
        const second = reserve(name)
        if (second === 0) return { error: Errno.ENOBUFS }
        const peerRow = deviceRow(arena, second)
        fillSoftFeatures(i32, row)
        fillSoftFeatures(i32, peerRow)
        i32[row + DEV_PEER] = second
        i32[peerRow + DEV_PEER] = ifindex
        const secondChange = {
          ifname: name,
          flags: 0,
          change: 0,
          ...(mtu !== undefined && { mtu }),
          ...(address !== undefined && { mac: parseMac(address)! }),
        }
        return { error: 0, second, secondChange }
      },
      dellink: (ifindex) => (isFar(ifindex) ? nets?.leave(ifindex) : undefined),
      carrier: (ifindex) => {
        if (isFar(ifindex)) return nets!.carrier(ifindex)
        return isUp(i32[deviceRow(arena, ifindex) + DEV_PEER]) ? 'up' : 'lowerlayerdown'
      },
      changed: (ifindex) => (isFar(ifindex) ? nets?.changed(ifindex) : undefined),
      otherEnd: (ifindex) => (isFar(ifindex) ? nets?.otherEnd(ifindex) : undefined),
      async move(ifindex, { netns, ...peer }) {
        if (nets === undefined) return noSuchNet(netns, 'netns')
        return nets.move(ifindex, { netns, ...peer })
      },
    }
  }

const startXmit =
  (far: Far | null): PathKind['startXmit'] =>
  (env) => {
    const { arena, drop } = env
    const { i32 } = arena
    const forward = createForwardSkb(env)
    const toFar = far?.startXmit(env)
    return (skb, dev) => {
      const peer = i32[dev + DEV_PEER]
      if (peer === 0 && toFar !== undefined && i32[dev + VETH_FAR] !== 0) return toFar(skb, dev)
      if (peer === 0 || (i32[deviceRow(arena, peer) + DEV_FLAGS] & IFF_UP) === 0) {
        drop(skb, Drop.DEV_READY)
        return NETDEV_TX_OK
      }
      return forward(skb, peer)
    }
  }

/** With ends in other nets, where there are some. */
export const vethOf = (far: Far | null): LinkKind<'veth'> => ({
  name: 'veth',
  data: ['peer'],
  pair: 'peer',
  linkOps: linkOps(far),
  startXmit: startXmit(far),
  ...(far?.receive && { receive: far.receive }),
})
export const veth = vethOf(null)
