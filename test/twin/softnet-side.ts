// softnet's half of the twin test: a simulated host, configured through the command line's own words, whose wires end
// here. Its time goes on as the kernel's does.

import { Mib } from '../../core/shm/counters.ts'
import { seeded } from '../support/random.ts'
import { createSimCli } from '../support/sim-cli.ts'
import { createSimHost } from '../../sim/net/sim-host.ts'
import { dumped } from '../support/control-plane.ts'
import { linkName } from './case.ts'
import type { SetUp, Side } from './side.ts'

const START_US = 1_000_000_000

export const createSoftnetSide = async (setUp: SetUp): Promise<Side> => {
  const start = performance.now()
  const nowUs = (): number => START_US + Math.floor((performance.now() - start) * 1000)
  const world = { nowUs, random: seeded(1) }
  const host = await createSimHost(world, 'twin', {
    config: { ifaddrs: 64, neighbours: 1024 },
    services: { discard: true },
    setup: {
      link: [
        { ifname: 'lo', up: true },
        ...setUp.links.map(({ mac, mtu }, k) => ({
          ifname: linkName(k + 1),
          kind: 'pipe',
          address: mac,
          mtu,
          up: true,
        })),
      ],
      // addresses are those that are configured, at once
      sysctl: {
        'net.ipv6.conf.default.accept_dad': 0,
        'net.ipv6.conf.default.addr_gen_mode': 1,
      },
    },
  })
  const ends = setUp.links.map((_, k) => host.end(host.ifindex(linkName(k + 1))))
  let out: Uint8Array[][] = ends.map(() => [])
  for (const k of ends.keys()) {
    const filter = (frame: Uint8Array): boolean => {
      if (setUp.ignores?.(frame) !== true) out[k]!.push(frame.slice())
      return false
    }
    host.wires[host.ifindex(linkName(k + 1))] = {
      wire: { options: { filter }, send: () => {} },
      side: 0,
    }
  }
  const cli = createSimCli(host)
  const settle = (): void => {
    while (host.turn() > 0);
    host.control.poll()
  }
  const run = async (line: string): Promise<string> => {
    const said = await cli(line)
    settle()
    return said
  }
  return {
    name: 'softnet',
    run,
    inject: (link, bytes) => {
      const end = ends[link - 1]!
      end.arrive(end.takeBytes(bytes))
      settle()
    },
    drain: () => {
      settle()
      const sent = out
      out = ends.map(() => [])
      return sent
    },
    counters: () =>
      new Map(
        Object.keys(Mib).map((name): [string, number] => [name, host.mib(name as keyof typeof Mib)])
      ),
    forget: async () => {
      const known = dumped(host.control, { type: 'RTM_GETNEIGH' })
      // in the order of the lines that the kernel's ip prints
      known.sort((a, b) => (`${a.dst} ` < `${b.dst} ` ? -1 : 1))
      for (const { dev, dst, state } of known)
        if (!state.includes('PERMANENT') && !state.includes('NOARP'))
          await host.request({ type: 'RTM_DELNEIGH', neigh: { dev, dst } })
      settle()
    },
    close: () => {},
  }
}
