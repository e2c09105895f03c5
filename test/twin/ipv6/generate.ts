// Cases of IPv6 out of a seed: some frames that come in, and now and then a change of sysctls, routes or links in front
// of them.

import { seeded } from '../../support/random.ts'
import type { Case, ChangeStep, Step } from '../case.ts'
import { createDraw, type Draw } from '../ipv4/packets.ts'
import { createPackets6 } from './packets.ts'
import { ADDED, ADDRESSES, afterDown, LINKS } from './world.ts'

/** Switches, the values that are tried, and what they are when nobody sets them. */
const SYSCTLS: readonly [name: string, values: readonly number[], otherwise: number][] = [
  ['conf.all.forwarding', [0], 1],
  ['icmp.echo_ignore_all', [1], 0],
  ['icmp.echo_ignore_multicast', [1], 0],
  ['icmp.ratelimit', [1000], 0],
  ['max_hbh_opts_number', [0, 1, -1], 8],
  ['max_dst_opts_number', [0, 1, -1], 8],
  ['max_hbh_length', [8, 16], 0x7fffffff],
  ['max_dst_opts_length', [8, 16], 0x7fffffff],
]
/** Those of devices. */
const SETTINGS: typeof SYSCTLS = [
  ['forwarding', [0], 1],
  ['hop_limit', [1, 77, 255], 64],
  ['drop_unicast_in_l2_multicast', [1], 0],
  ['use_oif_addrs_only', [1], 0],
  ['force_forwarding', [1], 0],
  ['keep_addr_on_down', [1, -1], 0],
]
const sysctl = ({ from }: Draw): ChangeStep[] => {
  const [name, values, otherwise] = from(SYSCTLS)
  const set = `sysctl net.ipv6.${name}`
  return [{ do: 'run', line: `${set}=${from(values)}`, undo: [`${set}=${otherwise}`] }]
}
const setting = ({ from, oneIn }: Draw): ChangeStep[] => {
  const [name, values, otherwise] = from(SETTINGS)
  const device = oneIn(8) ? 'lo' : `eth${from(LINKS)}`
  const set = `sysctl net.ipv6.conf.${device}.${name}`
  return [{ do: 'run', line: `${set}=${from(values)}`, undo: [`${set}=${otherwise}`] }]
}
const mtu = ({ from, oneIn }: Draw): ChangeStep[] => {
  const link = from(LINKS)
  const [bytes, before] = [from([1280, 1300, 1400]), link === 2 ? 1280 : 1500]
  // what a router says is not more than the device's own
  const set = oneIn(2) ? `sysctl net.ipv6.conf.eth${link}.mtu=` : `ip link set eth${link} mtu `
  return [{ do: 'run', line: `${set}${Math.min(bytes, before)}`, undo: [`${set}${before}`] }]
}
const address = ({ from, below }: Draw): ChangeStep[] => {
  const words = `${from(ADDED)(below(256))}/${from([48, 64, 120, 127, 128])} dev eth${from(LINKS)}`
  return [{ do: 'run', line: `ip addr add ${words}`, undo: [`ip addr del ${words}`] }]
}
const lessAddress = ({ from }: Draw): ChangeStep[] => {
  const [addr, link] = from(ADDRESSES)
  const words = `${addr} dev eth${link}`
  return [{ do: 'run', line: `ip addr del ${words}`, undo: [`ip addr add ${words}`] }]
}
/** Its addresses, and all that leads by it, go. */
const down = ({ from, oneIn }: Draw): ChangeStep[] => {
  const link = from(LINKS)
  const [off, on] = oneIn(2)
    ? [`ip link set eth${link} down`, `ip link set eth${link} up`]
    : [1, 0].map((value) => `sysctl net.ipv6.conf.eth${link}.disable_ipv6=${value}`)
  const steps: ChangeStep[] = [{ do: 'run', line: off!, undo: [on!, ...afterDown(link)] }]
  if (oneIn(2)) steps.push({ do: 'run', line: on!, undo: [] })
  return steps
}
const route = ({ from, below }: Draw): ChangeStep[] => {
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
  const line = `ip route add ${type}${prefix} ${words}`.trim()
  return [{ do: 'run', line, undo: [`ip route del ${type}${prefix}`] }]
}
const RARE = 12
const CHANGES = [sysctl, setting, setting, route, route, mtu, address, lessAddress]
const change = (draw: Draw): ChangeStep[] =>
  draw.oneIn(RARE) ? down(draw) : draw.from(CHANGES)(draw)

export const generateIpv6 = (seed: number): Case => {
  const draw = createDraw(seeded(seed))
  const { below, oneIn, from } = draw
  const packets = createPackets6(draw)
  const steps: Step[] = []
  if (oneIn(4)) for (let n = 1 + below(2); n > 0; n--) steps.push(...change(draw))
  for (let n = 1 + below(3); n > 0; n--) {
    const link = from(LINKS)
    for (const frame of packets.some(link)) steps.push({ do: 'frame', link, frame })
    if (oneIn(16)) steps.push(...change(draw))
  }
  return steps
}
