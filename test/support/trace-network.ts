// A router with a host known behind each of two links, whose packets are traced; and kinds of packets with what becomes of each.

import { madePacket } from '../../core/control/text/made-packet.ts'
import type { TracedPacket, TraceSpec, Tracing } from '../../core/control/text/messages.ts'
import { createSim } from '../../sim/net/net-sim.ts'
import { GREETINGS_MS } from './sim-topology.ts'

export const ROUTER = '02:00:00:00:01:01'
export const HOST = '02:00:00:00:00:77'
export const FAR = '02:00:00:00:02:77'
const OWN = { hi: 0x0200, lo: 0x0000_0101 }

/** eth1 10.1.0.254/24, eth2 10.2.0.254/24 with an MTU of 1400; a host is known behind each. */
export const network = async ({ workers = 1, captureRing = 1 << 15 } = {}) => {
  const sim = createSim(5)
  const eth = (n: number) => ({
    ifname: `eth${n}`,
    kind: 'pipe',
    address: `02:00:00:00:0${n}:01`,
    addresses: [`10.${n}.0.254/24`, `fd00:${n}::1/64`],
    mtu: n === 2 ? 1400 : 1500,
    up: true,
  })
  const r = await sim.host('r', {
    workers,
    config: { captureRing },
    setup: {
      link: [{ ifname: 'lo', up: true }, eth(1), eth(2)],
      route: [
        { dst: '10.9.0.0/16', gateway: '10.2.0.77', metric: 7 },
        { dst: '10.66.0.0/16', type: 'blackhole' },
        { dst: '10.67.0.0/16', type: 'prohibit' },
        { dst: '10.68.0.0/16', type: 'unreachable' },
      ],
      neigh: [
        { dev: 'eth1', dst: '10.1.0.77', lladdr: HOST },
        { dev: 'eth2', dst: '10.2.0.77', lladdr: FAR },
        { dev: 'eth1', dst: 'fd00:1::77', lladdr: HOST },
        { dev: 'eth2', dst: 'fd00:2::77', lladdr: FAR },
      ],
      sysctl: { 'net.ipv4.ip_forward': 1, 'net.ipv6.conf.all.forwarding': 1 },
    },
  })
  const near = sim.station()
  sim.wire(near, [r, 'eth1'])
  sim.wire(sim.station(), [r, 'eth2'])
  sim.run(GREETINGS_MS)
  const send = (text: string): void => {
    near.send(made(text))
    sim.run(5)
  }
  const dry = async (packet: string, dev = 'eth1'): Promise<TracedPacket> => {
    const traced = await r.control.traceDry({ dev, packet })
    if ('error' in traced) throw new Error(traced.message)
    return traced
  }
  /** A live trace, from when every worker has heard of it. */
  const trace = async (spec: Partial<TraceSpec> = {}) => {
    const seen: TracedPacket[] = []
    const tracing = r.control.trace({ packets: 100, ...spec }, (packet) => {
      seen.push(packet)
    }) as Tracing
    await r.must({ type: 'SYSCTL_SET', name: 'net.ipv4.ip_forward', value: 1 })
    await r.must({ type: 'SYSCTL_SET', name: 'net.ipv4.ip_forward', value: 1 })
    /** The packets that have come to their end. */
    const look = (ms = 200): TracedPacket[] => {
      tracing.poll()
      sim.run(ms)
      tracing.poll()
      return seen.splice(0)
    }
    return { ...tracing, look }
  }
  return { sim, r, send, dry, trace }
}
export const made = (text: string): Uint8Array => {
  const frame = madePacket(text, OWN)
  if ('mistake' in frame) throw new Error(frame.mistake)
  return frame
}
/** A packet's stages, a line each. */
export const lines = ({ stages, verdict }: TracedPacket): string[] => [
  ...stages.map(({ stage, answer, text }) => `${answer === true ? '> ' : ''}${stage}: ${text}`),
  verdict,
]

/** Kinds of packets, and what becomes of each. */
export const KINDS: readonly (readonly [packet: string, verdict: string])[] = [
  ['udp 10.1.0.77:4000 > 10.2.0.77:9', 'sent by eth2'],
  ['udp 10.1.0.77:4000 > 10.2.0.77:9 ttl 2 tos 184', 'sent by eth2'],
  ['tcp 10.1.0.77:4000 > 10.9.3.4:80', 'sent by eth2'],
  ['icmp 10.1.0.77 > 10.2.0.77', 'sent by eth2'],
  ['udp 10.1.0.77:4000 > 10.2.0.77:9 len 1450', 'sent by eth2'],
  ['udp 10.1.0.77:4000 > 10.2.0.77:9 len 1450 df', 'dropped: PKT_TOO_BIG'],
  ['udp 10.1.0.77:4000 > 10.2.0.77:9 ttl 1', 'dropped: TTL_EXCEEDED'],
  ['udp 10.1.0.77:4000 > 10.200.0.1:9', 'dropped: IP_INNOROUTES'],
  ['udp 10.1.0.77:4000 > 10.66.0.1:9', 'dropped: IP_INNOROUTES'],
  ['udp 10.1.0.77:4000 > 10.67.0.1:9', 'dropped: IP_INNOROUTES'],
  ['udp 10.1.0.77:4000 > 10.68.0.1:9', 'dropped: IP_INADDRERRORS'],
  ['udp 10.1.0.254:4000 > 10.2.0.77:9', 'dropped: IP_LOCAL_SOURCE'],
  ['udp 127.0.0.1:4000 > 10.2.0.77:9', 'dropped: IP_LOCALNET'],
  ['udp 224.0.0.9:4000 > 10.2.0.77:9', 'dropped: IP_INVALID_SOURCE'],
  ['udp 10.1.0.77:4000 > 0.0.0.0:9', 'dropped: IP_INVALID_DEST'],
  [`udp 10.1.0.77:4000 > 10.2.0.77:9 to ${FAR}`, 'dropped: OTHERHOST'],
  ['icmp 10.1.0.77 > 10.1.0.254', 'delivered: icmp'],
  ['icmp 10.1.0.77 > 10.2.0.254 ttl 1', 'delivered: icmp'],
  ['tcp 10.1.0.77:4000 > 10.1.0.254:80', 'dropped: NO_SOCKET'],
  ['tcp 10.1.0.77:4000 > 10.1.0.254:80 flags A', 'dropped: NO_SOCKET'],
  ['tcp 10.1.0.77:4000 > 10.1.0.254:80 flags R', 'dropped: NO_SOCKET'],
  ['udp 10.1.0.77:4000 > 10.1.0.254:99', 'dropped: NO_SOCKET'],
  ['udp 10.1.0.77:4000 > 255.255.255.255:99', 'dropped: NO_SOCKET'],
  ['udp 10.1.0.77:4000 > 10.1.0.255:99', 'dropped: NO_SOCKET'],
  ['udp 10.1.0.77:4000 > 224.0.0.1:99', 'dropped: NO_SOCKET'],
  ['udp 10.1.0.77:4000 > 224.1.2.3:99', 'dropped: NOT_SPECIFIED'],
  ['udp 0.0.0.0:68 > 255.255.255.255:67', 'dropped: NO_SOCKET'],
  ['icmp 10.1.0.77 > 10.1.0.255', 'dropped: INVALID_PROTO'],
  ['tcp 10.1.0.77:4000 > 255.255.255.255:80', 'dropped: NOT_SPECIFIED'],
  ['udp 10.1.0.77:4000 > 127.0.0.1:9', 'dropped: IP_LOCALNET'],
  ['udp 240.0.0.1:4000 > 10.2.0.77:9', 'sent by eth2'],
  ['icmp 10.1.0.77 > 10.2.0.77 ttl 1', 'dropped: TTL_EXCEEDED'],
  ['icmp 10.1.0.77 > 10.2.0.77 len 3000', 'sent by eth2'],
  [`icmp 10.1.0.77 > 10.1.0.254 to ff:ff:ff:ff:ff:ff`, 'delivered: icmp'],
  ['udp 10.1.0.77:4000 > 10.2.0.77:9 to ff:ff:ff:ff:ff:ff', 'dropped: OTHERHOST'],
  ['udp [fe80::77]:1 > [fd00:2::77]:9', 'dropped: IP_INADDRERRORS'],
  ['udp [::]:1 > [fd00:1::1]:99', 'dropped: NO_SOCKET'],
  ['udp [ff02::1]:1 > [fd00:1::1]:99', 'dropped: IP_INHDR'],
  ['udp [fd00:1::77]:1 > [ff02::1]:99', 'dropped: NO_SOCKET'],
  ['udp [::1]:1 > [fd00:1::1]:99', 'dropped: IP_INHDR'],
  ['icmp fd00:1::77 > ff02::1', 'delivered: ipv6-icmp'],
  ['icmp fd00:1::77 > ff05::99', 'dropped: NOT_SPECIFIED'],
  ['icmp fd00:1::77 > fd00:2::77', 'sent by eth2'],
  ['udp [fd00:1::77]:4000 > [fd00:2::77]:9', 'sent by eth2'],
  ['udp [fd00:1::77]:4000 > [fd00:2::77]:9 ttl 1', 'dropped: TTL_EXCEEDED'],
  ['udp [fd00:1::77]:4000 > [fd00:2::77]:9 len 1400', 'dropped: PKT_TOO_BIG'],
  ['udp [fd00:1::77]:4000 > [fd00:99::1]:9', 'dropped: IP_INNOROUTES'],
  ['icmp fd00:1::77 > fd00:1::1', 'delivered: ipv6-icmp'],
  ['tcp [fd00:1::77]:4000 > [fd00:1::1]:80', 'dropped: NO_SOCKET'],
  ['udp [fd00:1::77]:4000 > [fd00:1::1]:99', 'dropped: NO_SOCKET'],
]
