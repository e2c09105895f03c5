/**
 * The two networks that are compared: namespaces a and b, joined by a third whose kernel routes between veth pairs, and
 * by softnet, which routes between two TAPs. Both lead from the same a to the same b, so generator and sink are
 * the same programs in the same places; the address a sends to decides which way a packet takes.
 *
 *   a  eth0 10.1.1.1 --- [kernel] --- 10.1.2.1 eth0  b        a  eth1 10.0.1.1 --- [softnet] --- 10.0.2.1 eth1  b
 */
import { libc, O_RDONLY, openPath } from '../../workers/os/libc.ts'
import type { Namespace } from '../../workers/os/netns.ts'
import { createNamespace, joinVeth } from '../../workers/os/netns.ts'
import { withRtnetlink } from '../../workers/os/rtnetlink.ts'
import { runIn } from '../../test/e2e/support/commands.ts'
import type { Daemon } from '../../test/e2e/support/daemon.ts'
import { startDaemon } from '../../test/e2e/support/daemon.ts'

/** A way from a: its device, its address there, b's address, and the router between them. */
export type Way = { ifname: string; source: string; destination: string; gateway: string }
export const VIA_KERNEL: Way = {
  ifname: 'eth0',
  source: '10.1.1.1',
  destination: '10.1.2.1',
  gateway: '10.1.1.254',
}
export const VIA_SOFTNET: Way = {
  ifname: 'eth1',
  source: '10.0.1.1',
  destination: '10.0.2.1',
  gateway: '10.0.1.254',
}
/** A TAP that nobody reads. */
export const NOWHERE: Way = {
  ifname: 'sink0',
  source: '10.9.9.1',
  destination: '10.9.9.2',
  gateway: '-',
}

export type Steering = 'rps' | 'multiqueue'

export type Networks = {
  a: Namespace
  b: Namespace
  kernel: Namespace
  close(): Promise<void>
}

export const createNetworks = async (): Promise<Networks> => {
  // a's sink0 is a TAP that nobody reads: what sending alone costs is measured with it.
  const a = await createNamespace({
    name: 'a',
    device: 'tap',
    ifname: 'sink0',
    address: '10.9.9.1/24',
  })
  const b = await createNamespace({ name: 'b', device: 'none' })
  const kernel = await createNamespace({ name: 'kernel', device: 'none' })
  const close = async (): Promise<void> => {
    for (const namespace of [a, b, kernel]) await namespace.close()
  }
  await kernel.ask({ op: 'sysctl', name: 'net.ipv4.ip_forward', value: '1' })
  for (const [end, net] of [
    [a, 1],
    [b, 2],
  ] as const) {
    await joinVeth(
      { namespace: end, ifname: 'eth0', address: `10.1.${net}.1/24` },
      { namespace: kernel, ifname: `to-${end.name}`, address: `10.1.${net}.254/24` }
    )
    const route = { to: `10.1.${3 - net}.0/24`, via: `10.1.${net}.254` }
    await end.ask({ op: 'route', route })
  }
  return { a, b, kernel, close }
}

/** Receive packet steering of the kernel's router: a mask of CPUs; 0 forwards on the CPU that sends. */
export const setKernelRps = async ({ kernel }: Networks, mask: number): Promise<void> => {
  const file = (end: string) => `/sys/class/net/to-${end}/queues/rx-0/rps_cpus`
  const hex = mask.toString(16)
  await runIn(kernel, ['sh', '-c', `echo ${hex} > ${file('a')}; echo ${hex} > ${file('b')}`])
}

const moveTap = (ifname: string, { pid }: Namespace): void => {
  const netnsFd = openPath(`/proc/${pid}/ns/net`, O_RDONLY)
  withRtnetlink((rtnl) => rtnl.setLink(ifname, { netnsFd }))
  libc.close(netnsFd)
}

/** Puts softnet between a and b; its TAPs go when it stops. */
export const joinSoftnet = async (
  { a, b }: Networks,
  workers: number,
  steering: Steering
): Promise<Daemon> => {
  const args = ['--tap', 'tap1=10.0.1.254/24', '--tap', 'tap2=10.0.2.254/24']
  const config = '[sysctl]\n"net.ipv4.ip_forward" = 1\n'
  const daemon = await startDaemon({ workers, steering, args, config })
  for (const [end, net] of [
    [a, 1],
    [b, 2],
  ] as const) {
    moveTap(`tap${net}`, end)
    await end.ask({ op: 'link', name: `tap${net}`, change: { rename: 'eth1' } })
    await end.ask({ op: 'link', name: 'eth1', change: { up: true } })
    await end.ask({ op: 'address', name: 'eth1', address: `10.0.${net}.1/24` })
    const route = { to: `10.0.${3 - net}.0/24`, via: `10.0.${net}.254` }
    await end.ask({ op: 'route', route })
  }
  return daemon
}
