/**
 * `kind: tap`: a TAP device. One descriptor read by the nic thread, or, when the daemon steers by device queue, one for
 * each worker. `data.netns` names a namespace of the daemon's own whose interface is the other end. Control thread.
 */
import type { KindEnv, LinkOps } from '../../core/dev/kinds/link-kind.ts'
import { createFdXmit } from '../drivers/fd-tx.ts'
import { packetCarrier } from '../os/packet.ts'
import type { Tap } from '../os/tap.ts'
import { openTap, tapCarrier, TunOffload } from '../os/tap.ts'
import { refusal } from './answers.ts'
import { closeAll, createFdDevices, fillFdRow } from './fd-device.ts'
import type { HostEnv, HostKind } from './host-kind.ts'

const linkOps = ({ arena, queues, namespaces }: KindEnv & HostEnv): LinkOps => {
  const devices = createFdDevices()
  /** Those whose descriptors are a namespace's, which closes them. */
  const adopted = new Set<number>()
  const count = queues ?? 1

  const openQueues = (name: string): Tap[] => {
    const taps: Tap[] = []
    try {
      for (let queue = 0; queue < count; queue++)
        taps.push(
          openTap({ name, multiQueue: count > 1, ...(queue === 0 ? { link: { up: true } } : {}) })
        )
      return taps
    } catch (error) {
      closeAll(taps.map(({ fd }) => fd))
      throw error
    }
  }
  /** Takes over the descriptors of a namespace's interface. */
  const adopt = (ifindex: number, name: string) => {
    const namespace = namespaces.get(name)
    const device = namespace?.device
    if (namespace === undefined || device === undefined)
      return refusal(`Cannot find network namespace "${name}"`, 'ENOENT', 'data.netns')
    const isSocket = device.kind === 'packet'
    const offload = isSocket ? 0 : TunOffload.USO4
    fillFdRow(arena, ifindex, namespace.fds, { isSocket, offload })
    devices.add(ifindex, namespace.fds, isSocket ? packetCarrier : tapCarrier)
    adopted.add(ifindex)
    return { error: 0 as const, data: { netns: name, type: device.kind, peer: device.ifname } }
  }

  return {
    newlink({ ifindex, spec }) {
      const netns = spec.data?.['netns']
      if (typeof netns === 'string') return adopt(ifindex, netns)
      try {
        const taps = openQueues(spec.ifname)
        const fds = taps.map(({ fd }) => fd)
        const { offload } = taps[0]
        fillFdRow(arena, ifindex, fds, { isSocket: false, offload, isNapi: queues !== null })
        devices.add(ifindex, fds, tapCarrier)
        return {
          error: 0,
          data: { type: 'tap', multi_queue: count > 1, vnet_hdr: true, peer: taps[0].name },
        }
      } catch (error) {
        return refusal(error, 'EIO', 'ifname')
      }
    },
    dellink(ifindex) {
      const fds = devices.remove(ifindex)
      if (!adopted.delete(ifindex)) closeAll(fds)
    },
    carrier: devices.carrier,
    failed: devices.failed,
  }
}

export const tap: HostKind<'tap'> = {
  name: 'tap',
  data: ['netns', 'type', 'multi_queue', 'vnet_hdr', 'peer'],
  linkOps,
  startXmit: createFdXmit,
}
