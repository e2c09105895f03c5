/**
 * Routes that move while flows run: there is a second cable between router and server, with a delay of its own, and each way
 * goes over one or the other, or for a while nowhere.
 */
import { sometimesMtuChanges } from '../changes.ts'
import { converse } from '../converse.ts'
import type { Draw } from '../draw.ts'
import type { SimHost } from '../net/net-sim.ts'
import { greet } from '../net/routed.ts'
import type { Scenario } from '../scenarios.ts'
import type { Change } from '../watch.ts'
import type { World } from '../world.ts'

const WITHIN_MS = 3000
/** Longest time that a way leads nowhere. */
const HOLE_MS = 1500
const NEW_OR_OTHER = 0x500
const NETS = {
  4: { prefix: 24, host: 32, router: '10.0.3.254', server: '10.0.3.2', all: 'default' },
  6: { prefix: 64, host: 128, router: '2001:db8:3::ff', server: '2001:db8:3::2', all: '::/0' },
} as const
const FIRST = { 4: '10.0.2.254', 6: '2001:db8:2::ff' } as const

const addCable = async ({ sim, b, r }: World, draw: Draw): Promise<void> => {
  const ends = [
    [r, 'eth3', '02:00:00:00:00:21', 'router'],
    [b, 'eth1', '02:00:00:00:00:22', 'server'],
  ] as const
  for (const [host, ifname, address, who] of ends) {
    const link = { ifname, kind: 'pipe', address, up: true }
    await host.must({ type: 'RTM_NEWLINK', flags: 0x600, link })
    for (const { prefix, ...net } of Object.values(NETS))
      await host.must({
        type: 'RTM_NEWADDR',
        flags: 0x600,
        address: { dev: ifname, local: net[who], prefixlen: prefix },
      })
  }
  sim.wire([r, 'eth3'], [b, 'eth1'], { delayUs: Math.round(draw.scale(50, 40_000)) })
  greet(sim, [r, b])
}

const routeChanges = ({ b, r, to, knobs }: World, draw: Draw): Change[] => {
  const family = knobs.family === 6 ? 6 : 4
  const net = NETS[family]
  const dst = `${to}/${net.host}`
  const route = (host: SimHost, more: { dst: string; gateway?: string; type?: 'blackhole' }) =>
    host.must({ type: 'RTM_NEWROUTE', flags: NEW_OR_OTHER, route: more })
  const there = (isSecond: boolean): Promise<unknown> =>
    isSecond
      ? route(r, { dst, gateway: net.server })
      : r.request({ type: 'RTM_DELROUTE', route: { dst } })
  const back = (isSecond: boolean): Promise<void> =>
    route(b, { dst: net.all, gateway: isSecond ? net.router : FIRST[family] })
  return Array.from({ length: knobs.changes }, (): Change[] => {
    const atMs = draw.scale(1, WITHIN_MS)
    const isSecond = draw.chance(0.5)
    const kind = draw.pick(['there', 'back', 'hole'])
    if (kind === 'there') return [{ atMs, act: () => there(isSecond) }]
    if (kind === 'back') return [{ atMs, act: () => back(isSecond) }]
    const hole: Change = { atMs, act: () => route(r, { dst, type: 'blackhole' }) }
    return [hole, { atMs: atMs + draw.scale(1, HOLE_MS), act: () => there(isSecond) }]
  }).flat()
}

export const routes: Scenario = {
  name: 'routes',
  does: 'routes that move while flows run',
  draw: (draw) => ({
    flows: draw.whole(1, 6),
    bytes: draw.scale(5000, 500_000) | 0,
    back: draw.scale(1, 200_000) | 0,
    rounds: draw.whole(1, 3),
    changes: draw.whole(1, 12),
  }),
  play: async (knobs, seed) => {
    const { finish } = await converse(knobs, seed, {
      prepare: addCable,
      changes: (world, draw) => [...routeChanges(world, draw), ...sometimesMtuChanges(world, draw)],
      patienceMs: 3 * (HOLE_MS + WITHIN_MS),
    })
    return finish()
  },
}
