/**
 * `kind: packet`: a packet socket on an interface of the host, `data.ifname` (by default the link's own name): what
 * arrives there is received here, what is sent goes out there. For veths and real NICs, and where there is no TAP.
 * Control thread.
 */
import type { KindEnv, LinkOps } from '../../core/dev/kinds/link-kind.ts'
import { createFdXmit } from '../drivers/fd-tx.ts'
import { openPacket, packetCarrier } from '../os/packet.ts'
import { refusal } from './answers.ts'
import { closeAll, createFdDevices, fillFdRow } from './fd-device.ts'
import type { HostEnv, HostKind } from './host-kind.ts'

/** Each of the workers that read reads a socket of its own; the kernel shares the frames out by flow. */
const linkOps = ({ arena, queues }: KindEnv & HostEnv): LinkOps => {
  const devices = createFdDevices()
  const count = queues ?? 1
  return {
    newlink({ ifindex, spec }) {
      const fds: number[] = []
      const ifname = String(spec.data?.['ifname'] ?? spec.ifname)
      // a fanout group is the process's own by its number
      const fanout = ((process.pid << 6) ^ ifindex) & 0xffff
      try {
        for (let queue = 0; queue < count; queue++)
          fds.push(openPacket({ ifname, ...(count > 1 ? { fanout } : {}) }).fd)
        fillFdRow(arena, ifindex, fds, { isSocket: true, isNapi: queues !== null })
        devices.add(ifindex, fds, packetCarrier)
        return { error: 0, data: { ifname } }
      } catch (error) {
        closeAll(fds)
        return refusal(error, 'EIO', 'data.ifname')
      }
    },
    dellink(ifindex) {
      closeAll(devices.remove(ifindex))
    },
    carrier: devices.carrier,
    failed: devices.failed,
  }
}

export const packet: HostKind<'packet'> = {
  name: 'packet',
  data: ['ifname'],
  linkOps,
  startXmit: createFdXmit,
}
