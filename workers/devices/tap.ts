/**
 * `kind: tap`: a TAP device. One descriptor read by the nic thread, or, when the daemon steers by device queue, one for
 * each worker. `data.netns` names a namespace of the daemon's own whose interface is the other end. Control thread.
 */
import type { LinkDriver } from '../../core/control/links.ts'
import { DevKind } from '../../core/netdev/netdev.ts'
import type { Arena } from '../../core/shm/arena.ts'
import type { Namespace } from '../os/netns.ts'
import { packetCarrier } from '../os/packet.ts'
import type { Tap } from '../os/tap.ts'
import { openTap, tapCarrier, TunOffload } from '../os/tap.ts'
import { refusal } from './answers.ts'
import { closeAll, createFdDevices, fillFdRow } from './fd-device.ts'

export type TapDriverDeps = {
  arena: Arena
  /** Workers that read a queue of each new device themselves; null: the nic thread reads its only one. */
  queues: number | null
  /** Namespaces that the daemon holds, by name. */
  namespaces: ReadonlyMap<string, Namespace>
}

export const createTapDriver = ({ arena, queues, namespaces }: TapDriverDeps): LinkDriver => {
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
    const kind = device.kind === 'tap' ? DevKind.tap : DevKind.packet
    fillFdRow(arena, ifindex, kind, namespace.fds, device.kind === 'tap' ? TunOffload.USO4 : 0)
    devices.add(ifindex, namespace.fds, device.kind === 'tap' ? tapCarrier : packetCarrier)
    adopted.add(ifindex)
    return { error: 0 as const, data: { netns: name, type: device.kind, peer: device.ifname } }
  }

  return {
    data: ['netns', 'type', 'multi_queue', 'vnet_hdr', 'peer'],
    create({ ifindex, spec }) {
      const netns = spec.data?.['netns']
      if (typeof netns === 'string') return adopt(ifindex, netns)
      try {
        const taps = openQueues(spec.ifname)
        const fds = taps.map(({ fd }) => fd)
        fillFdRow(arena, ifindex, DevKind.tap, fds, taps[0].offload, queues !== null)
        devices.add(ifindex, fds, tapCarrier)
        return {
          error: 0,
          data: { type: 'tap', multi_queue: count > 1, vnet_hdr: true, peer: taps[0].name },
        }
      } catch (error) {
        return refusal(error, 'EIO', 'ifname')
      }
    },
    destroy(ifindex) {
      const fds = devices.remove(ifindex)
      if (!adopted.delete(ifindex)) closeAll(fds)
    },
    carrier: devices.carrier,
    failed: devices.failed,
  }
}
