/**
 * A simulated host of the demo: one link on a segment, a default route, the small services. Lab thread.
 */
import { createHost, type Host } from '../library/host.ts'
import { monotonicUs } from '../os/clock.ts'
import { random } from '../random.ts'
import type { HostSpec } from './lab-data.ts'
import type { Segment } from './segment.ts'

export type LabHost = Host & { ifindex: number }

const ETH0 = 'eth0'

/** `schedule` asks the lab for another turn. */
export const createLabHost = async (
  spec: HostSpec,
  segment: Segment,
  schedule: () => void
): Promise<LabHost> => {
  const host = createHost({
    name: spec.name,
    nowUs: monotonicUs,
    random,
    schedule,
    transmit: (skb) => segment.fromHost(host, skb),
    services: { echo: true, discard: true, chargen: true },
  })
  await host.configure({
    link: [{ ifname: ETH0, kind: 'wire', address: spec.mac, addresses: [spec.address] }],
    route: [{ dst: 'default', gateway: spec.gateway, dev: ETH0 }],
    sysctl: { 'net.ipv4.ip_forward': 0 },
  })
  return Object.assign(host, { ifindex: await host.ifindexOf(ETH0) })
}
