/**
 * The transmit half of every kind of device that a worker can send on: DEV_KIND picks start_xmit from this table.
 * Made once for each stack, when it starts.
 */
import { createLoopbackXmit } from '../../core/dev/kinds/loopback.ts'
import type { StartXmit } from '../../core/netdev/netdev.ts'
import { DevKind, NETDEV_TX_OK } from '../../core/netdev/netdev.ts'
import { createPortXmit } from '../../core/dev/kinds/port.ts'
import type { Arena } from '../../core/shm/arena.ts'
import { Drop } from '../../core/skb/drop.ts'
import type { DriverEnv } from '../../core/stack.ts'
import { createFdDriver } from './fd.ts'
import { createPcapXmit } from './pcap.ts'

export const createDrivers = (
  arena: Arena,
  { skbs, drop, kick, netifRx, deviceFailed }: DriverEnv
): StartXmit[] => {
  const discard = (skb: number): void => drop(skb, Drop.DEV_READY)
  const { loXmit, vethXmit } = createLoopbackXmit({ arena, skbs, netifRx, discard })
  const fd = createFdDriver(arena, skbs, drop)
  const table: StartXmit[] = []
  const none: StartXmit = (skb) => {
    drop(skb, Drop.DEV_READY)
    return NETDEV_TX_OK
  }
  for (let kind = 0; kind < 16; kind++) table[kind] = none
  table[DevKind.lo] = loXmit
  table[DevKind.veth] = vethXmit
  table[DevKind.tap] = fd.startXmit
  table[DevKind.packet] = fd.startXmit
  table[DevKind.port] = createPortXmit(arena, skbs, kick)
  table[DevKind.pcap] = createPcapXmit(arena, skbs, drop, deviceFailed)
  return table
}
