/**
 * `kind: port`: a device whose other end is a thread of this process (core/netdev/port.ts). `data.peer` is that
 * thread; only the daemon itself makes ports, for its simulated hosts. Control thread.
 */
import type { LinkDriver } from '../../core/control/links.ts'
import { Errno } from '../../core/base/errno.ts'
import {
  DEV_FEATURES,
  DEV_GSO_MAX,
  DEV_KIND,
  DevKind,
  deviceRow,
  NETIF_F_HW_CSUM,
  NETIF_F_RXCSUM,
  NETIF_F_TSO,
  NETIF_F_TSO6,
} from '../../core/netdev/netdev.ts'
import { PORT_NUMBER, PORT_PEER } from '../../core/dev/kinds/port.ts'
import type { Arena } from '../../core/shm/arena.ts'
import { PORTS } from '../../core/shm/layout.ts'

export type PortDriverDeps = {
  arena: Arena
  /** Has that thread come to its end? */
  hasEnded: (thread: number) => boolean
}

export const createPortDriver = ({
  arena,
  hasEnded,
}: PortDriverDeps): LinkDriver & { portOf(ifindex: number): number } => {
  const { i32, layout } = arena
  const ports = new Map<number, number>()
  return {
    data: ['peer', 'port'],
    create({ ifindex, row, spec }) {
      const peer = Number(spec.data?.['peer'])
      const used = new Set(ports.values())
      const port = Array.from({ length: PORTS }, (_, n) => n).find((n) => !used.has(n))
      if (!(peer >= layout.appThread && peer < layout.controlThread))
        return {
          error: Errno.EINVAL,
          message: 'Error: a port needs the thread of its peer.',
          field: 'data.peer',
        }
      if (port === undefined)
        return { error: Errno.ENOSPC, message: 'RTNETLINK answers: No space left on device' }
      i32[row + DEV_KIND] = DevKind.port
      i32[row + DEV_FEATURES] = NETIF_F_HW_CSUM | NETIF_F_RXCSUM | NETIF_F_TSO | NETIF_F_TSO6
      i32[row + DEV_GSO_MAX] = 65535
      i32[row + PORT_NUMBER] = port
      i32[row + PORT_PEER] = peer
      ports.set(ifindex, port)
      return { error: 0, data: { port, peer } }
    },
    destroy(ifindex) {
      ports.delete(ifindex)
    },
    carrier: (ifindex) => (hasEnded(i32[deviceRow(arena, ifindex) + PORT_PEER]) ? 'gone' : 'up'),
    portOf: (ifindex) => ports.get(ifindex)!,
  }
}
