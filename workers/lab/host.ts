/**
 * A simulated host of the demo: one link on a segment, the small services. Lab thread.
 */
import { createHost, type Host } from '../library/host.ts'
import { monotonicUs } from '../os/clock.ts'
import { random } from '../random.ts'
import type { HostSpec } from './lab-data.ts'
import type { Segment } from './segment.ts'

export type LabHost = Host & { ifindex: number }

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
  await host.configure(spec.config)
  return Object.assign(host, { ifindex: await host.ifindexOf(spec.config.link![0].ifname) })
}
