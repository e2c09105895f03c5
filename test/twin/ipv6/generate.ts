// Cases of IPv6 out of a seed: some frames that come in, and now and then a change of sysctls, routes or links in front
// of them.

import { seeded } from '../../support/random.ts'
import type { Case, ChangeStep, Step } from '../case.ts'
import { createDraw, type Draw } from '../ipv4/packets.ts'
import { createPackets6 } from './packets.ts'
import { LINKS } from './world.ts'

/** Switches, the values that are tried, and what they are when nobody sets them. */
const SYSCTLS: readonly [name: string, values: readonly number[], otherwise: number][] = [
  ['net.ipv6.conf.all.forwarding', [0], 1],
  ['net.ipv6.conf.eth1.hop_limit', [1, 77, 255], 64],
  ['net.ipv6.conf.eth2.drop_unicast_in_l2_multicast', [1], 0],
  ['net.ipv6.icmp.echo_ignore_all', [1], 0],
  ['net.ipv6.icmp.echo_ignore_multicast', [1], 0],
]
const sysctl = ({ from }: Draw): ChangeStep => {
  const [name, values, otherwise] = from(SYSCTLS)
  const line = `sysctl ${name}=${from(values)}`
  return { do: 'run', line, undo: [`sysctl ${name}=${otherwise}`] }
}
const route = ({ from, below }: Draw): ChangeStep => {
  const prefix = from([
    `2001:db8:101:${below(256)}::/64`,
    '2001:db8:3::40/122',
    '2001:db8:999::/48',
  ])
  const [words, type] = from([
    ['via 2001:db8:1::2', ''],
    ['via fe80::2:3 dev eth2', ''],
    ['via 2001:db8:2::3 mtu 1290', ''],
    ['', 'unreachable '],
    ['', 'prohibit '],
    ['', 'blackhole '],
  ] as const)
  return {
    do: 'run',
    line: `ip route add ${type}${prefix} ${words}`.trim(),
    undo: [`ip route del ${type}${prefix}`],
  }
}
const CHANGES = [sysctl, sysctl, route]

export const generateIpv6 = (seed: number): Case => {
  const draw = createDraw(seeded(seed))
  const { below, oneIn, from } = draw
  const packets = createPackets6(draw)
  const steps: Step[] = []
  if (oneIn(4)) for (let n = 1 + below(2); n > 0; n--) steps.push(from(CHANGES)(draw))
  for (let n = 1 + below(3); n > 0; n--) {
    const link = from(LINKS)
    for (const frame of packets.some(link)) steps.push({ do: 'frame', link, frame })
  }
  return steps
}
