/**
 * The network of a case: a client a, a router r and a server b (net/routed.ts), whose link from r to b is
 * the bottleneck and bad as the knobs say: netem of the router's devices, or the wire itself. `until` lets time pass and
 * watches that every flow gets on; `settle` is the end, when nothing may be left.
 */
import type { Impairment } from '../core/control/text/messages.ts'
import type { HostOptions, SimHost } from './net/net-sim.ts'
import { LONG_MS } from './net/routed.ts'
import { B6, routed6 } from './net/routed.ts'
import { quietMs } from './bounds.ts'
import { Fault } from './fault.ts'
import type { Flow } from './flow.ts'
import type { Knobs } from './knobs.ts'

export const CONTROLS = ['cubic', 'reno', 'dctcp'] as const
const B4 = '10.0.2.2'
const POOLS = { skbs: 4096, smallBuffers: 4096, largeBuffers: 128, socks: 1024 }
const FRAME = 1514
/** How often flows are looked after. */
const LOOK_MS = 500

/** Something that happens while flows run. */
export type Change = { atMs: number; act: () => Promise<unknown> }
export type World = Awaited<ReturnType<typeof createWorld>>
export type WorldOptions = Partial<Record<'a' | 'b' | 'router', Partial<HostOptions>>>
type UntilOptions = {
  /** How long a flow may take. */
  totalMs: number
  changes?: readonly Change[]
  /** Longer than losses explain, something may stand still. */
  patienceMs?: number
  /** Sees every moment. */
  look?: () => void
  /** All flows are there and nobody holds them up: from then on they are watched. */
  isAll?: () => boolean
}

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
  const startMs = sim.nowMs()
  const hosts = [a, b, r]
  const sysctl = (host: SimHost, name: string, value: number | string): Promise<void> =>
    host.must({ type: 'SYSCTL_SET', name, value })
  for (const host of [a, b]) {
    await sysctl(host, 'net.ipv4.tcp_congestion_control', CONTROLS[knobs.cc] ?? CONTROLS[0])
    await sysctl(host, 'net.ipv4.tcp_ecn', knobs.ecn === 1 ? 1 : 2)
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
      ...(knobs.wire === 1 && {
        loss: loss / 100,
        duplicate: duplicate / 100,
        reorder: reorder / 100,
        reorderUs: 1000 + 2000 * jitter,
      }),
    })
  }

  /** Whoever is not done must have got on lately, and be done within `limitMs` of its start. */
  const watch = (flows: readonly Flow[], limitMs: number, quiet: number): void => {
    const now = sim.nowMs()
    for (const [k, flow] of flows.entries()) {
      if (flow.isDone()) continue
      flow.look(now)
      if (now - flow.movedMs > quiet)
        throw new Fault('stalled', `flow ${k} stands still for ${quiet.toFixed()} ms: ${flow}`)
      if (now - flow.beganMs > limitMs)
        throw new Fault('stalled', `flow ${k} takes more than ${limitMs.toFixed()} ms: ${flow}`)
    }
  }
  /** Runs until all flows are done; changes come at their time from now. */
  const until = async (flows: readonly Flow[], options: UntilOptions): Promise<void> => {
    const { totalMs, changes = [], look = () => {}, isAll = () => true, patienceMs = 0 } = options
    const quiet = quietMs(knobs) + patienceMs
    const from = sim.nowMs()
    const done = (): boolean => {
      look()
      return isAll() && flows.every((flow) => flow.isDone())
    }
    for (const { atMs, act } of changes.toSorted((x, y) => x.atMs - y.atMs)) {
      if (sim.run(from + atMs - sim.nowMs(), done)) break
      if (isAll()) watch(flows, totalMs, quiet)
      await act()
    }
    while (!sim.run(LOOK_MS, done)) watch(flows, totalMs, quiet)
    for (const flow of flows) flow.check()
  }

  /** Everything has ended: what runs out runs out, and nothing is left. How long it all took. */
  const settle = (): number => {
    sim.run(2 * LONG_MS)
    const left = hosts.flatMap((host) => host.leaks().map((each) => `${host.name}: ${each}`))
    if (left.length > 0) throw new Fault('leak', left.join(', '))
    return sim.nowMs() - startMs
  }
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
    until,
    settle,
  }
}
