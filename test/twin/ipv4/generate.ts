// Cases of IPv4 out of a seed: some frames that come in, and now and then a change of sysctls, routes, neighbours,
// addresses or links in front of them.

import { seeded } from '../../support/random.ts'
import type { Case, ChangeStep, Step } from '../case.ts'
import { createDraw, createPackets, type Draw } from './packets.ts'
import { ADDED, afterDown, LINKS } from './world.ts'

/** Switches, the values that are tried, and what they are when nobody sets them. */
const SYSCTLS: readonly [name: string, values: readonly number[], otherwise: number][] = [
  ['ip_forward', [0], 1],
  ['ip_forward', [0], 1],
  ['ip_default_ttl', [1, 77, 255], 64],
  ['icmp_echo_ignore_all', [1], 0],
  ['tcp_reflect_tos', [1], 0],
  ['icmp_ratelimit', [1000], 0],
  ['icmp_ratemask', [0, 0x1819, 0xffff], 0x1818],
  ['icmp_echo_ignore_broadcasts', [0], 1],
  ['icmp_errors_use_inbound_ifaddr', [1], 0],
  ['icmp_ignore_bogus_error_responses', [0], 1],
]
/** Those of devices. */
const SETTINGS: readonly [name: string, values: readonly number[], otherwise: number][] = [
  ['rp_filter', [1, 1, 2], 0],
  ['forwarding', [0], 1],
  ['send_redirects', [0], 1],
  ['accept_redirects', [0], 1],
  ['secure_redirects', [0], 1],
  ['shared_media', [0], 1],
  ['accept_local', [1], 0],
  ['route_localnet', [1], 0],
  ['bc_forwarding', [1], 0],
  ['drop_unicast_in_l2_multicast', [1], 0],
  ['proxy_arp', [1], 0],
  ['proxy_arp_pvlan', [1], 0],
  ['arp_filter', [1], 0],
  ['arp_announce', [1, 2], 0],
  ['arp_ignore', [1, 2, 3, 8], 0],
  ['arp_accept', [1, 2], 0],
  ['drop_gratuitous_arp', [1], 0],
]
const sysctl = ({ from }: Draw): ChangeStep[] => {
  const [name, values, otherwise] = from(SYSCTLS)
  const line = `sysctl net.ipv4.${name}=${from(values)}`
  return [{ do: 'run', line, undo: [`sysctl net.ipv4.${name}=${otherwise}`] }]
}
/** On one device, on all, or both. */
const setting = ({ from, oneIn }: Draw): ChangeStep[] => {
  const [name, values, otherwise] = from(SETTINGS)
  const set = (row: string): ChangeStep => {
    const words = `sysctl net.ipv4.conf.${row}.${name}`
    // a router's `all` does not listen to redirects
    const before = row === 'all' && name === 'accept_redirects' ? 0 : otherwise
    const undo = [`${words}=${before}`]
    // what is set in all may be set in each device with it
    if (row === 'all')
      for (const link of LINKS) undo.push(`sysctl net.ipv4.conf.eth${link}.${name}=${otherwise}`)
    const value = before === 0 && values[0] === 0 ? 1 : from(values)
    return { do: 'run', line: `${words}=${value}`, undo }
  }
  const device = oneIn(8) ? 'lo' : `eth${from(LINKS)}`
  if (oneIn(3)) return [set('all'), set(device)]
  return [set(oneIn(3) ? 'all' : device)]
}
/** Whose own addresses come in, and are looked at for the way they came. */
const ownSources = ({ from }: Draw): ChangeStep[] => {
  const row = `net.ipv4.conf.${from(['all', 'eth1', 'eth2', 'eth3'])}`
  return [`${row}.accept_local`, `${row}.rp_filter`].map((name, k) => {
    const line = `sysctl ${name}=${k === 0 ? 1 : from([1, 2])}`
    return { do: 'run', line, undo: [`sysctl ${name}=0`] }
  })
}
const route = ({ from, below }: Draw): ChangeStep[] => {
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
  const line = `ip route add ${type}${prefix} ${words}`.trim()
  return [{ do: 'run', line, undo: [`ip route del ${type}${prefix}`] }]
}
const neighbour = ({ from, below }: Draw): ChangeStep[] => {
  const link = from(LINKS)
  const dst = `10.${link}.0.${60 + below(190)}`
  const lladdr = `02:00:00:02:0${link}:${10 + below(80)}`
  const nud = from(['permanent', 'reachable', 'stale'])
  const line = `ip neigh add ${dst} lladdr ${lladdr} dev eth${link} nud ${nud}`
  return [{ do: 'run', line, undo: [`ip neigh del ${dst} dev eth${link}`] }]
}
const mtu = ({ from }: Draw): ChangeStep[] => {
  const link = from(LINKS)
  const line = `ip link set eth${link} mtu ${from([600, 1000, 1400])}`
  return [{ do: 'run', line, undo: [`ip link set eth${link} mtu ${link === 2 ? 900 : 1500}`] }]
}
const address = ({ from, below }: Draw): ChangeStep[] => {
  const words = `${from(ADDED)(below(256))}/${from([8, 24, 30, 31, 32])} dev eth${from(LINKS)}`
  return [{ do: 'run', line: `ip addr add ${words}`, undo: [`ip addr del ${words}`] }]
}
/** The only address of a link goes. */
const addressless = (): ChangeStep[] => {
  const undo = ['ip addr add 10.1.0.1/16 brd + dev eth1', ...afterDown(1)]
  return [{ do: 'run', line: 'ip addr del 10.1.0.1/16 dev eth1', undo }]
}
const down = ({ from, oneIn }: Draw): ChangeStep[] => {
  const link = from(LINKS)
  const up = `ip link set eth${link} up`
  const undo = [up, ...afterDown(link)]
  const steps: ChangeStep[] = [{ do: 'run', line: `ip link set eth${link} down`, undo }]
  if (oneIn(2)) steps.push({ do: 'run', line: up, undo: [] })
  return steps
}
const RARE = 8
const CHANGES: ((draw: Draw) => ChangeStep[])[] = [
  sysctl,
  setting,
  setting,
  setting,
  route,
  neighbour,
  mtu,
  address,
  ownSources,
  addressless,
]

const change = (draw: Draw): ChangeStep[] =>
  draw.oneIn(RARE) ? down(draw) : draw.from(CHANGES)(draw)

export const generateIpv4 = (seed: number): Case => {
  const draw = createDraw(seeded(seed))
  const { below, oneIn, from } = draw
  const packets = createPackets(draw)
  const steps: Step[] = []
  if (oneIn(3)) for (let n = 1 + below(2); n > 0; n--) steps.push(...change(draw))
  for (let n = 1 + below(3); n > 0; n--) {
    const link = from(LINKS)
    for (const frame of packets.some(link)) steps.push({ do: 'frame', link, frame })
    if (oneIn(12)) steps.push(...change(draw))
  }
  return steps
}
