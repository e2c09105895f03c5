/**
 * `kind: packet`: a packet socket on an interface of the host, `data.ifname` (by default the link's own name): what
 * arrives there is received here, what is sent goes out there. For veths and real NICs, and where there is no TAP.
 * Control thread.
 */
import type { LinkDriver } from '../../core/control/links.ts'
import { DevKind } from '../../core/netdev/netdev.ts'
import type { Arena } from '../../core/shm/arena.ts'
import { openPacket, packetCarrier } from '../os/packet.ts'
import { refusal } from './answers.ts'
import { closeAll, createFdDevices, fillFdRow } from './fd-device.ts'

export type PacketDriverDeps = {
  arena: Arena
  /** Workers that read a socket of each new device themselves, its frames shared out by flow; null: the nic thread. */
  queues: number | null
}

export const createPacketDriver = ({ arena, queues }: PacketDriverDeps): LinkDriver => {
  const devices = createFdDevices()
  const count = queues ?? 1
  return {
    data: ['ifname'],
    create({ ifindex, spec }) {
      const fds: number[] = []
      const ifname = String(spec.data?.['ifname'] ?? spec.ifname)
      // a fanout group is the process's own by its number
      const fanout = ((process.pid << 6) ^ ifindex) & 0xffff
      try {
        for (let queue = 0; queue < count; queue++)
          fds.push(openPacket({ ifname, ...(count > 1 ? { fanout } : {}) }).fd)
        fillFdRow(arena, ifindex, DevKind.packet, fds, 0, queues !== null)
        devices.add(ifindex, fds, packetCarrier)
        return { error: 0, data: { ifname } }
      } catch (error) {
        closeAll(fds)
        return refusal(error, 'EIO', 'data.ifname')
      }
    },
    destroy(ifindex) {
      closeAll(devices.remove(ifindex))
    },
    carrier: devices.carrier,
    failed: devices.failed,
  }
}
