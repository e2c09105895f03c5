// The networks that the journeys are made in: two hosts on one wire; two hosts with a router between them; a station
// (frames made by hand) in the place of a host. Addresses are 10.0.N.1 for the first, .2 for the second host of network
// N, .254 for the router.

import * as arp from '../../core/wire/arp.ts'
import * as ethernet from '../../core/wire/ethernet.ts'
import * as ipv4 from '../../core/wire/ipv4.ts'
import { createSim, type HostOptions, type Sim, type WireOptions } from '../../sim/net/net-sim.ts'
import { GREETINGS_MS, MAC } from '../../sim/net/routed.ts'
import { arpFrame, etherFrame, ip, ipText, macText } from '../../sim/net/packets.ts'

export { GREETINGS_MS, LONG_MS, MAC } from '../../sim/net/routed.ts'

type Options = {
  seed?: number
  wire?: WireOptions
  a?: Partial<HostOptions>
  b?: Partial<HostOptions>
}

const lo = { ifname: 'lo', up: true }
const eth = (ifname: string, address: string, cidr: string, mtu = 1500) => ({
  ifname,
  kind: 'pipe',
  address,
  mtu,
  addresses: [cidr],
  up: true,
})

/** a 10.0.1.1 and b 10.0.1.2 on one wire. */
export const twoHosts = async ({ seed = 1, wire = {}, a, b }: Options = {}) => {
  const sim = createSim(seed)
  const hostA = await sim.host('a', {
    setup: { link: [lo, eth('eth0', MAC.a, '10.0.1.1/24')] },
    ...a,
  })
  const hostB = await sim.host('b', {
    setup: { link: [lo, eth('eth0', MAC.b, '10.0.1.2/24')] },
    ...b,
  })
  const options = sim.wire([hostA, 'eth0'], [hostB, 'eth0'])
  sim.run(GREETINGS_MS)
  Object.assign(options, wire)
  return { sim, a: hostA, b: hostB, wire: options }
}

type RoutedOptions = Options & { router?: Partial<HostOptions>; mtu?: number }

/** a 10.0.1.1 - 10.0.1.254 router 10.0.2.254 - 10.0.2.2 b; `mtu` is that of the router's second link. */
export const routed = async (options: RoutedOptions = {}) => {
  const { seed = 1, wire = {}, a, b, router, mtu = 1500 } = options
  const sim = createSim(seed)
  const hostA = await sim.host('a', {
    setup: {
      link: [lo, eth('eth0', MAC.a, '10.0.1.1/24')],
      route: [{ dst: 'default', gateway: '10.0.1.254' }],
    },
    ...a,
  })
  const hostB = await sim.host('b', {
    setup: {
      link: [lo, eth('eth0', MAC.b, '10.0.2.2/24')],
      route: [{ dst: 'default', gateway: '10.0.2.254' }],
    },
    ...b,
  })
  const r = await sim.host('r', {
    setup: {
      link: [lo, eth('eth1', MAC.r1, '10.0.1.254/24'), eth('eth2', MAC.r2, '10.0.2.254/24', mtu)],
      sysctl: { 'net.ipv4.ip_forward': 1 },
    },
    ...router,
  })
  const left = sim.wire([hostA, 'eth0'], [r, 'eth1'], { ...wire })
  const right = sim.wire([r, 'eth2'], [hostB, 'eth0'], { ...wire })
  return { sim, a: hostA, b: hostB, r, left, right }
}

export type IpStation = ReturnType<typeof ipStation>

/** A station that answers ARP for its address and keeps the IPv4 packets sent to it. */
export const ipStation = (sim: Sim, options: { mac: string; addr: string; gatewayMac: string }) => {
  const station = sim.station()
  const packets: Uint8Array[] = []
  station.on((frame) => {
    if (ethernet.type(frame, 0) === ethernet.ETH_P_ARP) answerArp(frame)
    if (ethernet.type(frame, 0) === ethernet.ETH_P_IP && macText(frame, 0) === options.mac)
      packets.push(frame.slice(ethernet.ETH_HLEN))
  })
  const answerArp = (frame: Uint8Array): void => {
    const at = ethernet.ETH_HLEN
    if (arp.operation(frame, at) !== arp.ARPOP_REQUEST) return
    if (arp.targetIp(frame, at) !== ip(options.addr)) return
    const asker = macText(frame, 6)
    station.send(
      arpFrame(
        { dst: asker, src: options.mac },
        {
          op: arp.ARPOP_REPLY,
          sha: options.mac,
          sip: options.addr,
          tha: asker,
          tip: ipText(arp.senderIp(frame, at)),
        }
      )
    )
  }
  return {
    station,
    packets,
    /** Sends an IPv4 packet to the gateway. */
    send: (packet: Uint8Array): void =>
      station.send(
        etherFrame({ dst: options.gatewayMac, src: options.mac }, ethernet.ETH_P_IP, packet)
      ),
    /** The last packet heard. */
    last: (): Uint8Array => packets[packets.length - 1]!,
  }
}

/** What a packet says of itself, for expectations. */
export const describePacket = (packet: Uint8Array) => ({
  src: ipText(ipv4.src(packet, 0)),
  dst: ipText(ipv4.dst(packet, 0)),
  ttl: ipv4.ttl(packet, 0),
  protocol: ipv4.protocol(packet, 0),
  length: ipv4.totalLength(packet, 0),
})
