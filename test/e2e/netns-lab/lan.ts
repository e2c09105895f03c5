// The LAN before a lab: a host, and a second router beside the net that is tested. Both are the kernel's, on a bridge in the host's
// namespace, and alike on both sides: who is compared is the router.

import { check, libc, O_RDONLY, openPath } from '../../../workers/os/libc.ts'
import { createNamespace, type Namespace } from '../../../workers/os/netns.ts'
import { runIn } from '../support/commands.ts'
import { createProber } from '../topologies/prober.ts'
import { BEHIND_HOST, BEHIND_SECOND, type Family, IPV4, IPV6 } from './family.ts'

const CLONE_NEWNET = 0x40000000
const HOST_MAC = '02:00:00:00:01:01'
const SECOND_MAC = '02:00:00:00:01:02'
const SETTINGS = [
  ...['all', 'default'].flatMap((dev) => [
    `net.ipv4.conf.${dev}.rp_filter=0`,
    `net.ipv4.conf.${dev}.accept_redirects=1`,
    `net.ipv4.conf.${dev}.send_redirects=1`,
    `net.ipv6.conf.${dev}.disable_ipv6=0`,
    `net.ipv6.conf.${dev}.accept_dad=0`,
    `net.ipv6.conf.${dev}.accept_ra=0`,
  ]),
  'net.ipv4.icmp_ratemask=0',
  'net.ipv4.icmp_msgs_burst=1000000',
  'net.ipv6.icmp.ratelimit=0',
  'net.ipv6.auto_flowlabels=0',
]
const FORWARDING = ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1']

export type Lan = Awaited<ReturnType<typeof createLan>>

/** `host` has eth0; `routerLinkLocal` is the address of the router's link there. */
export const createLan = async (host: Namespace, routerLinkLocal: string) => {
  const second = await createNamespace({ name: 'second', device: 'none' })
  const must = async (namespace: Namespace, line: string): Promise<void> => {
    const { status, out, err } = await runIn(namespace, line.split(' '))
    if (status !== 0) throw new Error(`${namespace.name}: ${line}: ${out}${err}`)
  }
  /** Who sends redirects speaks by the address of the link. */
  const routerOf = (lan: Family['lan']): string => (lan === IPV6.lan ? routerLinkLocal : lan.router)
  const addresses = async (namespace: Namespace, dev: string, who: 'host' | 'second') => {
    for (const { lan, plen } of [IPV4, IPV6])
      await must(namespace, `ip addr add ${lan[who]}/${plen} dev ${dev}`)
  }
  await must(host, `sysctl -q -w ${SETTINGS.join(' ')}`)
  await must(second, `sysctl -q -w ${[...SETTINGS, ...FORWARDING].join(' ')}`)
  for (const line of [
    `ip link add br0 address ${HOST_MAC} type bridge mcast_snooping 0 forward_delay 0`,
    'sysctl -q -w net.ipv6.conf.eth0.disable_ipv6=1',
    'ip addr flush dev eth0',
    'ip link set eth0 master br0 up',
    `ip link add p0 type veth peer name eth0 address ${SECOND_MAC} netns ${second.pid}`,
    'ip link set p0 master br0 up',
    'ip link set br0 up',
    'ip link set lo up',
  ])
    await must(host, line)
  for (const line of [
    'ip link set lo up',
    'ip link set eth0 up',
    `ip addr add fe80::fd/64 dev eth0`,
  ])
    await must(second, line)
  await addresses(host, 'br0', 'host')
  await addresses(second, 'eth0', 'second')
  for (const { lan, sources, network, address, full } of [IPV4, IPV6]) {
    const router = routerOf(lan)
    await must(host, `ip route add default via ${router} dev br0`)
    await must(host, `ip addr add ${address(BEHIND_HOST, 1)}/${full} dev lo`)
    await must(second, `ip route add default via ${router} dev eth0`)
    for (const to of [sources, network(BEHIND_HOST)])
      await must(second, `ip route add ${to} via ${lan.host}`)
    await must(second, `ip addr add ${address(BEHIND_SECOND, 1)}/${full} dev lo`)
  }
  const fd = openPath(`/proc/${host.pid}/ns/net`, O_RDONLY)
  const { out } = await runIn(host, ['ip', '-j', 'link', 'show', 'br0'])
  const [{ ifindex }] = JSON.parse(out)
  const enter = (): void => void check(libc.setns(fd, CLONE_NEWNET), 'setns')
  const prober = createProber(enter, ifindex)
  const macs = new Set([HOST_MAC.replaceAll(':', '')])
  return {
    send: prober.send,
    take: () => prober.take(macs),
    /** What the host says to a line. */
    run: async (line: string): Promise<string> => {
      const { out, err } = await runIn(host, line.split(' '))
      return `${out}${err}`.trim()
    },
    /** The host forgets what it was told of nearer ways: that goes with the route. */
    forget: async ({ lan }: Family): Promise<void> => {
      const way = `default via ${routerOf(lan)} dev br0`
      await must(host, `ip route del ${way}`)
      await must(host, `ip route add ${way}`)
    },
    close: async (): Promise<void> => {
      prober.close()
      libc.close(fd)
      await second.close()
    },
  }
}
