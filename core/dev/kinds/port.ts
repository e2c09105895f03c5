/**
 * port: a device whose other end is a program in another thread of this process (a LAN of simulated hosts, a peer
 * written in TypeScript); `data.peer` is that thread, which the daemon names for its namespaces.
 */
import { Errno } from '../../base/errno.ts'
import { deviceRow } from '../../netdev/netdev.ts'
import { fillSoftFeatures } from './forward-skb.ts'
import type { KindEnv, LinkKind, LinkOps } from './link-kind.ts'
import { createPortReceive, createPortXmit, PORT_PEER } from './ports.ts'

const linkOps = ({ arena, hasEnded, ports }: KindEnv): LinkOps => {
  const { i32, layout } = arena
  /** By ifindex. */
  const portOf = new Map<number, number>()
  return {
    newlink({ ifindex, row, spec }) {
      const peer = Number(spec.data?.peer)
      if (!(peer >= layout.appThread && peer < layout.controlThread)) {
        const message = 'Error: a port needs the thread of its peer.'
        return { error: Errno.EINVAL, message, field: 'data.peer' }
      }
      const port = ports.take()
      if (port < 0) return { error: Errno.ENOSPC }
      fillSoftFeatures(i32, row)
      ports.fill(row, port, peer)
      portOf.set(ifindex, port)
      return { error: 0, data: { port, peer } }
    },
    dellink(ifindex) {
      ports.release(portOf.get(ifindex)!)
      portOf.delete(ifindex)
    },
    carrier: (ifindex) => (hasEnded(i32[deviceRow(arena, ifindex) + PORT_PEER]) ? 'gone' : 'up'),
  }
}

export const port: LinkKind<'port'> = {
  name: 'port',
  data: ['peer', 'port'],
  linkOps,
  startXmit: createPortXmit,
  receive: createPortReceive,
}
