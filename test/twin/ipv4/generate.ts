// Cases of IPv4 out of a seed: some frames that come in, and now and then a change of sysctls, routes, neighbours,
// addresses or links in front of them.

import { seeded } from '../../support/random.ts'
import type { Case, ChangeStep, Step } from '../case.ts'
import { createDraw, createPackets, type Draw } from './packets.ts'
import { LINKS } from './world.ts'

/** Switches, the values that are tried, and what they are when nobody sets them. */
const SYSCTLS: readonly [name: string, values: readonly number[], otherwise: number][] = [
  ['net.ipv4.ip_forward', [0], 1],
  ['net.ipv4.ip_default_ttl', [1, 77, 255], 64],
  ['net.ipv4.icmp_echo_ignore_all', [1], 0],
]
const sysctl = ({ from }: Draw): ChangeStep => {
  const [name, values, otherwise] = from(SYSCTLS)
  const line = `sysctl ${name}=${from(values)}`
  return { do: 'run', line, undo: [`sysctl ${name}=${otherwise}`] }
}
const route = ({ from, below }: Draw): ChangeStep => {
  const prefix = from(['10.120.0.0/16', `10.101.${below(256)}.0/24`, '10.3.0.64/26'])
  const [words, type] = from([
    ['via 10.1.0.2', ''],
    ['via 10.2.0.3', ''],
    ['via 10.3.0.77', ''],
    ['dev eth3', ''],
    ['via 10.2.0.3 mtu 600', ''],
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
const neighbour = ({ from, below }: Draw): ChangeStep => {
  const link = from(LINKS)
  const dst = `10.${link}.0.${60 + below(190)}`
  return {
    do: 'run',
    line: `ip neigh add ${dst} lladdr 02:00:00:02:0${link}:${(10 + below(80)).toString()} dev eth${link} nud ${from(['permanent', 'reachable', 'stale'])}`,
    undo: [`ip neigh del ${dst} dev eth${link}`],
  }
}
const mtu = ({ from }: Draw): ChangeStep => {
  const link = from(LINKS)
  return {
    do: 'run',
    line: `ip link set eth${link} mtu ${from([600, 1000, 1400])}`,
    undo: [`ip link set eth${link} mtu ${link === 2 ? 900 : 1500}`],
  }
}
const CHANGES = [sysctl, sysctl, sysctl, route, route, neighbour, mtu]

export const generateIpv4 = (seed: number): Case => {
  const draw = createDraw(seeded(seed))
  const { below, oneIn, from } = draw
  const packets = createPackets(draw)
  const steps: Step[] = []
  if (oneIn(3)) for (let n = 1 + below(2); n > 0; n--) steps.push(from(CHANGES)(draw))
  for (let n = 1 + below(3); n > 0; n--) {
    const link = from(LINKS)
    for (const frame of packets.some(link)) steps.push({ do: 'frame', link, frame })
    if (oneIn(12)) steps.push(from(CHANGES)(draw))
  }
  return steps
}
