/**
 * `kind: tap`: a TAP device. One descriptor read by the nic thread, or, when the daemon steers by device queue, one for
 * each worker. `data.netns` names a namespace of the kernel whose interface is the other end, and whose only way out this is:
 * one that the daemon holds, or else one that is made for the device and ends with it. Control thread.
 */
import type { KindEnv, LinkOps } from '../../core/dev/kinds/link-kind.ts'
import { createFdXmit } from '../drivers/fd-tx.ts'
import { packetCarrier } from '../os/packet.ts'
import type { Namespace } from '../os/netns.ts'
import type { Tap } from '../os/tap.ts'
import { openTap, tapCarrier, TunOffload } from '../os/tap.ts'
import { refusal } from './answers.ts'
import { closeAll, createFdDevices, fillFdRow } from './fd-device.ts'
import type { HostEnv, HostKind } from './host-kind.ts'

/** The interface in the namespace: its name there, its addresses and the gateway. */
type Inside = { netns: string; ifname?: string; addresses: string[]; gateway?: string }
const asText = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : undefined
/** `peer` is as `ip link add ... peer name eth0 netns NAME` has it; null where no namespace is named. */
const readInside = (data: Record<string, unknown> = {}): Inside | null => {
  const { peer, addresses = [], gateway } = data
  const { name, netns = data['netns'] } =
    typeof peer === 'object' && peer !== null ? (peer as Record<string, unknown>) : { name: peer }
  if (typeof netns !== 'string') return null
  const [ifname, via] = [asText(name), asText(gateway)]
  return {
    netns,
    ...(ifname !== undefined && { ifname }),
    addresses: [addresses].flat().map(String),
    ...(via !== undefined && { gateway: via }),
  }
}

const linkOps = ({ arena, queues, namespaces, openNamespace }: KindEnv & HostEnv): LinkOps => {
  const devices = createFdDevices()
  /** Those whose descriptors are a namespace's, which closes them. */
  const adopted = new Set<number>()
  /** Namespaces that were made for a device. */
  const own = new Map<number, Namespace>()
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
  const adopt = (ifindex: number, { device, fds, name }: Namespace) => {
    if (device === undefined)
      return refusal(`Cannot find network namespace "${name}"`, 'ENOENT', 'data.netns')
    const isSocket = device.kind === 'packet'
    const offload = isSocket ? 0 : TunOffload.USO4
    fillFdRow(arena, ifindex, fds, { isSocket, offload })
    devices.add(ifindex, fds, isSocket ? packetCarrier : tapCarrier)
    adopted.add(ifindex)
    return { error: 0 as const, data: { netns: name, type: device.kind, peer: device.ifname } }
  }
  const adoptNew = async (ifindex: number, inside: Inside) => {
    const { netns: name, addresses: extraAddresses, ...more } = inside
    let namespace: Namespace
    try {
      namespace = await openNamespace({ name, extraAddresses, ...more, queues: count })
    } catch (error) {
      return refusal(error, 'EIO', 'data.netns')
    }
    own.set(ifindex, namespace)
    const answer = adopt(ifindex, namespace)
    const { addresses, gateway } = inside
    const said = { ...(addresses.length > 0 && { addresses }), ...(gateway && { gateway }) }
    return 'data' in answer ? { ...answer, data: { ...answer.data, ...said } } : answer
  }

  return {
    newlink({ ifindex, spec }) {
      const inside = readInside(spec.data)
      if (inside !== null) {
        const held = namespaces.get(inside.netns)
        return held === undefined ? adoptNew(ifindex, inside) : adopt(ifindex, held)
      }
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
    async dellink(ifindex) {
      const fds = devices.remove(ifindex)
      if (!adopted.delete(ifindex)) closeAll(fds)
      const namespace = own.get(ifindex)
      own.delete(ifindex)
      await namespace?.close()
    },
    carrier: devices.carrier,
    failed: devices.failed,
  }
}

export const tap: HostKind<'tap'> = {
  name: 'tap',
  data: ['netns', 'type', 'multi_queue', 'vnet_hdr', 'peer', 'addresses', 'gateway'],
  linkOps,
  startXmit: createFdXmit,
}
