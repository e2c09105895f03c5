// Groups across whole networks: hosts behind a router get exactly the groups and sources that they have joined, by either
// family, from sources on any of its links, and nothing is sent where nobody wants it.

import { describe, expect, test } from 'bun:test'
import { AF_INET, AF_INET6 } from '../../core/base/family.ts'
import type { MvifRole } from '../../core/control/text/messages.ts'
import {
  IP_MULTICAST_IF,
  IP_MULTICAST_TTL,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_MULTICAST_HOPS,
  IPV6_MULTICAST_IF,
} from '../../core/socket/socket-constants.ts'
import { addrWords, joinOn, type JoinOptions } from '../support/groups.ts'
import { createSim, type SimHost } from '../../sim/net/net-sim.ts'
import { openUdp } from '../../sim/net/sim-apps.ts'
import { LONG_MS } from '../support/sim-topology.ts'

const FAMILIES = [
  { family: AF_INET, name: 'inet', group: '239.1.2.3', net: (n: number) => `10.${n}.0` },
  { family: AF_INET6, name: 'inet6', group: 'ff05::1:3', net: (n: number) => `fd00:${n}:` },
] as const
type Family = (typeof FAMILIES)[number]
const PORT = 5000

/** Host n on link n of a router: addresses 10.n.0.2 and fd00:n::2, the router's end in 1. Each host hears what it is sent. */
const network = async (workers: number, roles: MvifRole[]) => {
  const sim = createSim(7)
  const both = (n: number, host: number) => [`10.${n}.0.${host}/24`, `fd00:${n}::${host}/64`]
  const dev = (ifname: string, addresses: string[]) => ({
    ifname,
    kind: 'pipe',
    addresses,
    up: true,
  })
  const lo = { ifname: 'lo', up: true }
  const r = await sim.host('r', {
    workers,
    setup: { link: [lo, ...roles.map((_, k) => dev(`e${k + 1}`, both(k + 1, 1)))] },
  })
  const hosts: SimHost[] = []
  for (const [k] of roles.entries()) {
    const n = k + 1
    const host = await sim.host(`h${n}`, {
      workers,
      setup: {
        link: [lo, dev('eth0', both(n, 2))],
        route: [
          { dst: 'default', gateway: `10.${n}.0.1` },
          { dst: 'default', gateway: `fd00:${n}::1` },
        ],
        sysctl: { 'net.ipv4.ip_forward': 0, 'net.ipv6.conf.all.forwarding': 0 },
      },
    })
    sim.wire([r, `e${n}`], [host, 'eth0'])
    hosts.push(host)
  }
  for (const [k, role] of roles.entries())
    for (const { name } of FAMILIES)
      await r.must({ type: 'MVIF_SET', mvif: { ifname: `e${k + 1}`, family: name, role } })
  sim.run(5000)
  return { sim, r, hosts }
}
/** What is left over, but for timers: routers ask, and hosts answer them, as long as they are there. */
const left = (sim: ReturnType<typeof createSim>): string[] =>
  Object.values(sim.leaks())
    .flat()
    .filter((what) => !what.includes('timers'))
const wordsOf = (text: string): [Int32Array, number] => [Int32Array.from(addrWords(text)), 0]
const sender = (host: SimHost, { family, group }: Family) => {
  const end = openUdp(host, 0, 0, family)
  const { sockets } = host.stack
  const dev = host.ifindex('eth0')
  if (family === AF_INET) {
    sockets.setsockopt(end.sk, IPPROTO_IP, IP_MULTICAST_TTL, 8)
    const own = host.name.slice(1)
    sockets.setsockopt(end.sk, IPPROTO_IP, IP_MULTICAST_IF, addrWords(`10.${own}.0.2`)[3])
  } else {
    sockets.setsockopt(end.sk, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 8)
    sockets.setsockopt(end.sk, IPPROTO_IPV6, IPV6_MULTICAST_IF, dev)
  }
  const send = (text: string, to: string = group): void => {
    const bytes = new TextEncoder().encode(text)
    host.arena.u8.set(bytes, host.page)
    const sent = sockets.sendto(end.sk, host.page, bytes.length, ...wordsOf(to), PORT)
    expect(sent).toBe(bytes.length)
  }
  return { send, close: end.close }
}
const receiver = (host: SimHost, { family, group }: Family, worker = 0) => {
  const end = openUdp(host, PORT, worker, family)
  const dev = host.ifindex('eth0')
  const ask = (name: NonNullable<JoinOptions['name']>, source?: string): void => {
    const how = { dev, name, ...(source && { source }) }
    expect(joinOn(host.stacks[worker]!, end.sk, group, how)).toBe(0)
  }
  const heard = (): string[] =>
    end.heard
      .splice(0)
      .map(({ bytes }) => new TextDecoder().decode(bytes))
      .sort()
  return { ask, heard, close: end.close }
}

describe.each([1, 4])('with %d workers', (workers) => {
  test.each(FAMILIES)('$name: receivers get exactly what they joined', async (family) => {
    const { sim, r, hosts } = await network(workers, ['downstream', 'downstream', 'downstream'])
    const [h1, h2, h3] = hosts as [SimHost, SimHost, SimHost]
    const source = family.net(1) + (family.family === AF_INET ? '.2' : ':2')
    const [from1, from2] = [sender(h1, family), sender(h2, family)]
    const [at2, at3] = [receiver(h2, family), receiver(h3, family)]
    const both = (): void => {
      from1.send('one')
      from2.send('two')
      sim.run(100)
    }
    both()
    expect([at2.heard(), at3.heard()]).toEqual([[], []])
    at3.ask('MCAST_JOIN_GROUP')
    sim.run(100)
    both()
    expect([at2.heard(), at3.heard()]).toEqual([[], ['one', 'two']])
    // of one source, and on the link of the other
    at2.ask('MCAST_JOIN_SOURCE_GROUP', source)
    sim.run(100)
    both()
    expect([at2.heard(), at3.heard()]).toEqual([['one'], ['one', 'two']])
    at3.ask('MCAST_BLOCK_SOURCE', source)
    sim.run(5000)
    const before = h3.mib(family.family === AF_INET ? 'IpInReceives' : 'Ip6InReceives')
    both()
    expect([at2.heard(), at3.heard()]).toEqual([['one'], ['two']])
    // what is blocked does not even come there
    expect(h3.mib(family.family === AF_INET ? 'IpInReceives' : 'Ip6InReceives') - before).toBe(1)
    at3.close()
    sim.run(5000)
    both()
    expect(at2.heard()).toEqual(['one'])
    // it is asked after all the while, and answers
    sim.run(400_000)
    both()
    expect(at2.heard()).toEqual(['one'])
    for (const one of [at2, from1, from2]) one.close()
    sim.run(LONG_MS)
    expect(left(sim)).toEqual([])
    expect(r.restarts(0)).toBe(0)
  })

  test.each(FAMILIES)(
    '$name: through a proxy, that joins upstream what is wanted',
    async (family) => {
      const { sim, r, hosts } = await network(workers, ['upstream', 'downstream', 'downstream'])
      const [h1, h2, h3] = hosts as [SimHost, SimHost, SimHost]
      const [from1, from3] = [sender(h1, family), sender(h3, family)]
      const [at1, at2] = [receiver(h1, family), receiver(h2, family)]
      const groups = (): number =>
        [...r.control.dump({ type: 'RTM_GETMULTICAST' })]
          .flat()
          .find(({ ifname }) => ifname === 'e1')!
          .groups.filter(({ address }) => address === family.group).length
      expect(groups()).toBe(0)
      at2.ask('MCAST_JOIN_GROUP')
      at1.ask('MCAST_JOIN_GROUP')
      sim.run(100)
      expect(groups()).toBe(1)
      from1.send('down')
      from3.send('up and across')
      sim.run(100)
      expect(at2.heard()).toEqual(['down', 'up and across'])
      expect(at1.heard()).toEqual(['down', 'up and across'])
      at2.close()
      sim.run(5000)
      expect(groups()).toBe(0)
      for (const one of [at1, from1, from3]) one.close()
      sim.run(LONG_MS)
      expect(left(sim)).toEqual([])
    }
  )
})

test('a worker 0 that is started again knows the groups of its sockets, and hears of the others when it asks', async () => {
  const [family] = FAMILIES
  const { sim, r, hosts } = await network(2, ['downstream', 'downstream'])
  const [h1, h2] = hosts as [SimHost, SimHost]
  const from = sender(h1, family)
  const at = receiver(h2, family, 1)
  at.ask('MCAST_JOIN_GROUP')
  sim.run(3000)
  from.send('before')
  sim.run(100)
  expect(at.heard()).toEqual(['before'])
  for (const host of [h2, r]) host.throwAfter(0, 1)
  sim.run(20_000)
  expect([h2.restarts(0), r.restarts(0)]).toEqual([1, 1])
  from.send('after')
  sim.run(100)
  expect(at.heard()).toEqual(['after'])
  from.close()
  at.close()
})

test('a route that is set outlives worker 0', async () => {
  const [family] = FAMILIES
  const { sim, r, hosts } = await network(2, ['static', 'static'])
  const [h1, h2] = hosts as [SimHost, SimHost]
  await r.must({
    type: 'RTM_NEWMROUTE',
    mroute: { dst: family.group, src: '10.1.0.2', iif: 'e1', oifs: [{ dev: 'e2' }] },
  })
  r.throwAfter(0, 1)
  sim.run(1000)
  expect(r.restarts(0)).toBe(1)
  const from = sender(h1, family)
  const at = receiver(h2, family)
  at.ask('MCAST_JOIN_GROUP')
  from.send('still')
  sim.run(100)
  expect(at.heard()).toEqual(['still'])
  from.close()
  at.close()
})
