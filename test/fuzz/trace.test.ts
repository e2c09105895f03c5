// Spoilt frames, each first told by a dry run and then sent: the live trace must say the same, stage by stage, and the drop
// counters what both say. What a dry run cannot know (how often a host was told of an error) shows in answers alone.

import { expect, test } from 'bun:test'
import { madePacket } from '../../core/control/text/made-packet.ts'
import type { Capturing, TracedPacket } from '../../core/control/text/messages.ts'
import type { Drop } from '../../core/skb/drop.ts'
import * as ipv4 from '../../core/wire/ipv4.ts'
import { createSim } from '../../sim/net/net-sim.ts'
import { seeded } from '../support/random.ts'
import { GREETINGS_MS } from '../support/sim-topology.ts'

const FRAMES = 300
const OWN = { hi: 0x0200, lo: 0x0000_0101 }
const BASES = [
  'udp 10.1.0.77:4000 > 10.2.0.77:9 len 30',
  'tcp 10.1.0.77:4000 > 10.1.0.254:80 len 8',
  'icmp 10.1.0.77 > 10.1.0.254',
  'udp 10.1.0.77:4000 > 10.1.0.254:9',
  'udp 10.1.0.77:4000 > 10.2.0.77:9 ttl 1',
  'udp 10.1.0.77:4000 > 10.9.0.1:9 len 1450',
  'icmp fd00:1::77 > fd00:2::77',
  'udp [fd00:1::77]:4000 > [fd00:1::1]:99 len 40',
]

const network = async (seed: number) => {
  const sim = createSim(seed)
  const eth = (n: number) => ({
    ifname: `eth${n}`,
    kind: 'pipe',
    address: `02:00:00:00:0${n}:01`,
    addresses: [`10.${n}.0.254/24`, `fd00:${n}::1/64`],
    up: true,
  })
  const r = await sim.host('r', {
    setup: {
      link: [{ ifname: 'lo', up: true }, eth(1), eth(2)],
      route: [{ dst: '10.9.0.0/16', gateway: '10.2.0.77', metrics: [{ mtu: 1400 }] }],
      neigh: [
        { dev: 'eth1', dst: '10.1.0.77', lladdr: '02:00:00:00:00:77' },
        { dev: 'eth2', dst: '10.2.0.77', lladdr: '02:00:00:00:02:77' },
        { dev: 'eth1', dst: 'fd00:1::77', lladdr: '02:00:00:00:00:77' },
        { dev: 'eth2', dst: 'fd00:2::77', lladdr: '02:00:00:00:02:77' },
      ],
      sysctl: { 'net.ipv4.ip_forward': 1, 'net.ipv6.conf.all.forwarding': 1 },
    },
  })
  const near = sim.station()
  sim.wire(near, [r, 'eth1'])
  sim.wire(sim.station(), [r, 'eth2'])
  sim.run(GREETINGS_MS)
  let seen: TracedPacket[] = []
  const tracing = r.control.trace({ dev: 'eth1', packets: 1e5 }, (packet) => {
    seen.push(packet)
  }) as Capturing
  await r.must({ type: 'SYSCTL_SET', name: 'net.ipv4.ip_forward', value: 1 })
  await r.must({ type: 'SYSCTL_SET', name: 'net.ipv4.ip_forward', value: 1 })
  /** Sends a frame and lets time pass: the packet that it was, when its way is over by then. */
  const shoot = (frame: Uint8Array, ms: number): TracedPacket | undefined => {
    tracing.poll()
    seen = []
    near.send(frame)
    sim.run(5)
    tracing.poll()
    sim.run(ms)
    tracing.poll()
    // the router has words of its own
    return seen.find(({ stages }) => stages[0]!.stage === 'receive')
  }
  return { r, shoot }
}

/** Changes some octets, most of them headers'; sometimes the length; sometimes mends the IP header's sum. */
const spoil = (frame: Uint8Array, random: () => number): Uint8Array => {
  const below = (n: number): number => (random() >>> 0) % n
  const spoilt = frame.slice()
  for (let left = below(3); left > 0; left--) {
    const at = below(3) === 0 ? below(spoilt.length) : 12 + below(48)
    if (at < spoilt.length) spoilt[at] = below(2) === 0 ? below(256) : spoilt[at]! ^ (1 << below(8))
  }
  if (below(4) !== 0 && spoilt[14] === 0x45) ipv4.setChecksum(spoilt, 14)
  const room = below(12)
  if (room === 0) return spoilt.slice(0, below(spoilt.length))
  return room === 1 ? Uint8Array.of(...spoilt, ...new Uint8Array(below(60))) : spoilt
}

const way = (packet: TracedPacket | undefined): string[] =>
  packet === undefined
    ? []
    : [
        ...packet.stages
          .filter(({ answer }) => !answer)
          .map(({ stage, text }) => `${stage} ${text}`),
        packet.verdict,
      ]

test.each([1, 2, 3])(
  'spoilt frames of seed %p go the way that the dry run tells',
  async (seed) => {
    const { r, shoot } = await network(seed)
    const random = seeded(seed)
    const verdicts = new Map<string, number>()
    for (let k = 0; k < FRAMES; k++) {
      const base = madePacket(BASES[(random() >>> 0) % BASES.length]!, OWN) as Uint8Array
      const frame = spoil(base, random)
      const hex = frame.toHex()
      if (frame.length < 14) continue
      const told = await r.control.traceDry({ dev: 'eth1', packet: hex })
      if ('error' in told) throw new Error(told.message)
      verdicts.set(told.verdict, (verdicts.get(told.verdict) ?? 0) + 1)
      const isKept = told.verdict.startsWith('kept')
      const reason = /^dropped: (\w+)$/.exec(told.verdict)?.[1] as keyof typeof Drop | undefined
      const before = reason === undefined ? 0 : r.drops(reason)
      const seen = shoot(frame, isKept ? 9000 : 200)
      if (isKept) continue
      // a frame that is too short for taps dies before them
      if (seen === undefined && told.stages.length === 1 && reason !== undefined)
        expect([hex, told.stages[0]!.stage]).toEqual([hex, 'drop'])
      else expect([hex, ...way(seen)]).toEqual([hex, ...way(told)])
      if (reason !== undefined) expect([hex, r.drops(reason)]).toEqual([hex, before + 1])
    }
    expect(verdicts.size).toBeGreaterThan(8)
  },
  60_000
)
