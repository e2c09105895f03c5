// The topology over IPv6: network N is 2001:db8:N::/64, softnet ::ff in it, a and b ::1. The kernel and softnet
// find one another by neighbour discovery.

import type { Namespace } from '../../../workers/os/netns.ts'
import { toolIn } from './commands.ts'
import type { Daemon, DaemonOptions } from './daemon.ts'
import { createTopology, type Topology } from './topology.ts'

export const A6 = '2001:db8:1::1'
export const B6 = '2001:db8:2::1'
/** softnet's addresses, as a and b know them. */
export const ROUTER_A6 = '2001:db8:1::ff'
export const ROUTER_B6 = '2001:db8:2::ff'

const must = async (daemon: Daemon, ...args: string[]): Promise<void> => {
  const { status, err } = await daemon.cli(...args)
  if (status !== 0) throw new Error(`softnet ${args.join(' ')}: ${err}`)
}

/** One side: the kernel's interface in its namespace, and softnet's link to it. */
const setUp = async (daemon: Daemon, namespace: Namespace, net: number): Promise<void> => {
  const [link, own, router] = [`lan${net - 1}`, `2001:db8:${net}::1`, `2001:db8:${net}::ff`]
  await must(daemon, 'ip', 'addr', 'add', `${router}/64`, 'dev', link)
  await namespace.ask({ op: 'sysctl', name: 'net.ipv6.conf.eth0.accept_dad', value: '0' })
  await namespace.ask({ op: 'sysctl', name: 'net.ipv6.conf.eth0.disable_ipv6', value: '0' })
  const ip = (...args: string[]) => toolIn(namespace, 'ip', ['-6', ...args])
  await ip('addr', 'add', `${own}/64`, 'dev', 'eth0', 'nodad')
  await ip('route', 'add', 'default', 'via', router)
}

export const createTopology6 = async (options: DaemonOptions = {}): Promise<Topology> => {
  const net = await createTopology(options)
  try {
    await setUp(net.daemon, net.a, 1)
    await setUp(net.daemon, net.b, 2)
    return net
  } catch (error) {
    await net.close()
    throw error
  }
}

/** How much of a packet softnet's link lan1 takes from now on, and what b's side does not know. */
export const setMtu = async ({ daemon }: Topology, mtu: number): Promise<void> =>
  must(daemon, 'ip', 'link', 'set', 'lan1', 'mtu', `${mtu}`)
