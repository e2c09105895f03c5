/**
 * The simulated hosts of a scene: namespaces of one link each, on LANs of which the router's end is a port, and what they say to each
 * other. Thread of the namespaces.
 */
import type { Nets } from '../netns/nets.ts'
import type { Wires } from '../netns/wires.ts'
import type { LabSpec } from './lab-data.ts'
import { type Place, startTraffic } from './traffic.ts'

export const buildLab = async (
  { lans, traffic }: LabSpec,
  nets: Pick<Nets, 'add'>,
  { add, plug, portOf, transmit }: Wires
): Promise<void> => {
  const places: Place[] = []
  for (const { port, near, mac, hosts } of lans) {
    const wire = add(portOf(port, near), false)
    for (const { name, config } of hosts) {
      const host = await nets.add(name, config)
      const ifindex = await host.ifindexOf(config.link![0].ifname)
      plug(wire, host, ifindex)
      places.push({ host, mac, send: (skb) => transmit(host, skb, ifindex) })
    }
  }
  startTraffic(places, traffic)
}
