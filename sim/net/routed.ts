// Two hosts with a router between them, in both families: addresses are 10.0.N.1 and 2001:db8:N::1 for the first, .2 and ::2
// for the second host of network N, .254 and ::ff for the router. Neighbours find each other.

import { createSim, type HostOptions, type Sim, type SimHost, type WireOptions } from './net-sim.ts'

export const MAC = {
  a: '02:00:00:00:00:0a',
  b: '02:00:00:00:00:0b',
  r1: '02:00:00:00:00:11',
  r2: '02:00:00:00:00:12',
}
/** Until hosts have said twice which groups they are in. */
export const GREETINGS_MS = 3000
/** After what happened, everything runs out and comes home: timers, TIME_WAIT, neighbours, fragments. */
export const LONG_MS = 400_000

/** Longer than any wire is. */
const WIRE_MS = 1000

/** Hosts on new links say which groups they are in; what they have once that has arrived is what they have at rest. */
export const greet = (sim: Sim, hosts: readonly SimHost[]): void => {
  sim.run(GREETINGS_MS)
  sim.run(WIRE_MS, () => sim.inFlight() === 0)
  for (const host of hosts) host.rest()
}

type Options = {
  seed?: number
  wire?: WireOptions
  a?: Partial<HostOptions>
  b?: Partial<HostOptions>
}
type RoutedOptions = Options & { router?: Partial<HostOptions>; mtu?: number; narrow?: number }

const lo = { ifname: 'lo', up: true }
const eth = (ifname: string, address: string, cidrs: readonly string[], mtu = 1500) => ({
  ifname,
  kind: 'pipe',
  address,
  mtu,
  addresses: [...cidrs],
  up: true,
})

export const A6 = '2001:db8:1::1'
export const B6 = '2001:db8:2::2'
/** Addresses of the links, as they come of the MACs. */
export const LINK = {
  a: 'fe80::ff:fe00:a',
  b: 'fe80::ff:fe00:b',
  r1: 'fe80::ff:fe00:11',
  r2: 'fe80::ff:fe00:12',
}
export const R6 = { left: '2001:db8:1::ff', right: '2001:db8:2::ff' }

/**
 * a 2001:db8:1::1, 10.0.1.1 - router - 2001:db8:2::2, 10.0.2.2 b; `mtu` is that of the router's second link and of b's,
 * `narrow` the router's alone.
 */
export const routed6 = async (options: RoutedOptions = {}) => {
  const { seed = 1, wire = {}, a, b, router, mtu = 1500, narrow = mtu } = options
  const sim = createSim(seed)
  const hostA = await sim.host('a', {
    setup: {
      link: [lo, eth('eth0', MAC.a, [`${A6}/64`, '10.0.1.1/24'])],
      route: [
        { dst: '::/0', gateway: R6.left },
        { dst: 'default', gateway: '10.0.1.254' },
      ],
    },
    ...a,
  })
  const hostB = await sim.host('b', {
    setup: {
      link: [lo, eth('eth0', MAC.b, [`${B6}/64`, '10.0.2.2/24'], mtu)],
      route: [
        { dst: '::/0', gateway: R6.right },
        { dst: 'default', gateway: '10.0.2.254' },
      ],
    },
    ...b,
  })
  const r = await sim.host('r', {
    setup: {
      link: [
        lo,
        eth('eth1', MAC.r1, [`${R6.left}/64`, '10.0.1.254/24']),
        eth('eth2', MAC.r2, [`${R6.right}/64`, '10.0.2.254/24'], narrow),
      ],
    },
    ...router,
  })
  const left = sim.wire([hostA, 'eth0'], [r, 'eth1'])
  const right = sim.wire([r, 'eth2'], [hostB, 'eth0'])
  // addresses are tried on a good wire
  sim.run(GREETINGS_MS)
  Object.assign(left, wire)
  Object.assign(right, wire)
  return { sim, a: hostA, b: hostB, r, left, right }
}
