/**
 * The network of a case: a client a, a router r and a server b (net/routed.ts), whose link from r to b is
 * the bottleneck and bad as the knobs say: netem of the router's devices, or the wire itself. `until` and `settle` are
 * watch.ts's.
 */
import type { Impairment } from '../core/control/text/messages.ts'
import type { HostOptions, SimHost } from './net/net-sim.ts'
import { B6, routed6 } from './net/routed.ts'
import type { Knobs } from './knobs.ts'
import { createWatch } from './watch.ts'

const CONTROLS = ['cubic', 'reno', 'dctcp', 'bbr'] as const
export const DCTCP = 2
export const BBR = 3
const B4 = '10.0.2.2'
export const POOLS = { skbs: 4096, smallBuffers: 4096, largeBuffers: 128, socks: 1024 }
const FRAME = 1514
export type World = Awaited<ReturnType<typeof createWorld>>
export type WorldOptions = Partial<Record<'a' | 'b' | 'router', Partial<HostOptions>>>
export const createWorld = async (knobs: Knobs, seed: number, options: WorldOptions = {}) => {
  const { workers, offload, mtu } = knobs
  const kind = { workers, offload: offload === 1, config: POOLS }
  const { sim, a, b, r, left, right } = await routed6({
    seed: seed * 31 + knobs.luck,
    a: { ...kind, ...options.a },
    b: { ...kind, ...options.b },
    router: { offload: kind.offload, config: POOLS, ...options.router },
    narrow: mtu,
  })
  const sysctl = (host: SimHost, name: string, value: number | string): Promise<void> =>
    host.must({ type: 'SYSCTL_SET', name, value })
  for (const host of [a, b]) {
    await sysctl(host, 'net.ipv4.tcp_congestion_control', CONTROLS[knobs.cc] ?? CONTROLS[0])
    await sysctl(host, 'net.ipv4.tcp_ecn', knobs.ecn === 0 ? 2 : knobs.ecn)
  }
  const link = (host: SimHost, ifname: string, change: { mtu?: number; netem?: Impairment }) =>
    host.must({ type: 'RTM_NEWLINK', flags: 0, link: { ifname, ...change } })

  /** The links are as bad as the knobs say from now on; before, hosts have met. */
  const impair = async (): Promise<void> => {
    const { loss, duplicate, reorder, corrupt, jitter } = knobs
    const bad = knobs.wire === 1 ? { corrupt } : { loss, duplicate, reorder, corrupt }
    // what netem chooses to reorder overtakes what it holds up
    const delay = jitter > 0 ? jitter : reorder > 0 ? 1 : 0
    const netem: Impairment = { ...bad, delay: delay * 1000, jitter: jitter * 1000 }
    if (Object.values(netem).some((value) => value > 0))
      for (const ifname of ['eth1', 'eth2']) await link(r, ifname, { netem })
    Object.assign(right, {
      delayUs: Math.round(knobs.delay * 1000),
      rate: knobs.rate,
      queue: knobs.queue * FRAME,
      mark: knobs.mark / 100,
      ...(knobs.threshold > 0 && { markOver: knobs.threshold * FRAME }),
      ...(knobs.wire === 1 && {
        loss: loss / 100,
        duplicate: duplicate / 100,
        reorder: reorder / 100,
        reorderUs: 1000 + 2000 * jitter,
      }),
    })
  }

  /** The links are good again. */
  const heal = async (): Promise<void> => {
    const none = { loss: 0, duplicate: 0, reorder: 0, corrupt: 0, delay: 0, jitter: 0 }
    for (const ifname of ['eth1', 'eth2']) await link(r, ifname, { netem: none })
    Object.assign(right, { mark: 0, loss: 0, duplicate: 0, reorder: 0 })
  }

  const watch = createWatch(sim, knobs)
  return {
    knobs,
    sim,
    a,
    b,
    r,
    left,
    right,
    /** The server's address in the family of the case. */
    to: knobs.family === 6 ? B6 : B4,
    link,
    sysctl,
    impair,
    heal,
    ...watch,
  }
}
