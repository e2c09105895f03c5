// Namespaces a and b, and softnet between them as their router: each has an eth0 whose other side is a device of
// the daemon, a TAP where this user can open /dev/net/tun, else a packet socket on a veth pair (said plainly).
//
//   a  10.0.1.1  eth0 --- lan0  10.0.1.254 [softnet] 10.0.2.254  lan1 --- eth0  10.0.2.1  b

import { withRtnetlink } from '../../../workers/os/rtnetlink.ts'
import { libc, O_RDONLY, O_RDWR, OsError, openPath } from '../../../workers/os/libc.ts'
import type { Namespace } from '../../../workers/os/netns.ts'
import { createNamespace } from '../../../workers/os/netns.ts'
import { toolIn } from './commands.ts'
import type { DaemonOptions } from './daemon.ts'
import { startDaemon } from './daemon.ts'

export const A = '10.0.1.1'
export const B = '10.0.2.1'
/** softnet's addresses, as a and b know them. */
export const ROUTER_A = '10.0.1.254'
export const ROUTER_B = '10.0.2.254'

const links = [
  { ifname: 'lan0', net: 1 },
  { ifname: 'lan1', net: 2 },
] as const

/** 'tap', or 'packet' where /dev/net/tun cannot be opened. */
const deviceKind = (): 'tap' | 'packet' => {
  try {
    libc.close(openPath('/dev/net/tun', O_RDWR))
    return 'tap'
  } catch (error) {
    if (!(error instanceof OsError)) throw error
    console.log(`no TAP on this machine (${error.message}): packet sockets on veth pairs instead`)
    return 'packet'
  }
}
export const kind = deviceKind()

const withNetns = <T>(pid: number, work: (netnsFd: number) => T): T => {
  const fd = openPath(`/proc/${pid}/ns/net`, O_RDONLY)
  try {
    return work(fd)
  } finally {
    libc.close(fd)
  }
}

const toml = (): string =>
  links
    .map(
      ({ ifname, net }) => `
[[link]]
name = "${ifname}"
kind = "${kind}"
addresses = ["10.0.${net}.254/24"]
`
    )
    .join('')

/** Queues that outlast the tens of milliseconds for which a busy machine may let a thread wait. */
const QUEUE_PACKETS = 4000

const rest = `
[sysctl]
"net.ipv4.ip_forward" = 1
"net.core.netdev_max_backlog" = ${QUEUE_PACKETS}

[services]
echo = true
discard = true
chargen = true
http = true
`

/** Before the daemon opens its end: packet sockets need the pair, TAPs make their own. */
const addVeths = (namespaces: Namespace[]): void =>
  withRtnetlink((rtnl) => {
    for (const { ifname, net } of links)
      withNetns(namespaces[net - 1]!.pid, (netnsFd) => {
        rtnl.addVeth({ name: ifname }, { name: 'eth0', netnsFd })
        rtnl.setLink(ifname, { up: true })
      })
  })

/** The kernel's side of a TAP starts in our namespace; moving it leaves the daemon's descriptor as it is. */
const moveTaps = (namespaces: Namespace[]): void =>
  withRtnetlink((rtnl) => {
    for (const { ifname, net } of links)
      withNetns(namespaces[net - 1]!.pid, (netnsFd) => rtnl.setLink(ifname, { netnsFd }))
  })

const setUpEth0 = async (namespace: Namespace, net: number): Promise<void> => {
  if (kind === 'tap') {
    const change = { rename: 'eth0' }
    await namespace.ask({ op: 'link', name: `lan${net - 1}`, change })
  }
  // The kernel's own IPv6 (router solicitations, MLD) would be traffic that no test counts.
  await namespace.ask({ op: 'sysctl', name: 'net.ipv6.conf.eth0.disable_ipv6', value: '1' })
  await toolIn(namespace, 'ip', ['link', 'set', 'eth0', 'txqueuelen', `${QUEUE_PACKETS}`])
  await namespace.ask({ op: 'link', name: 'eth0', change: { up: true } })
  await namespace.ask({ op: 'address', name: 'eth0', address: `10.0.${net}.1/24` })
  await namespace.ask({ op: 'route', route: { to: 'default', via: `10.0.${net}.254` } })
}

export type Topology = Awaited<ReturnType<typeof createTopology>>

export const createTopology = async (options: DaemonOptions = {}) => {
  const closers: (() => unknown)[] = []
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse()) await closer()
  }
  try {
    const namespaces: Namespace[] = []
    for (const name of ['a', 'b']) {
      const namespace = await createNamespace({ name, device: 'none' })
      closers.push(namespace.close)
      namespaces.push(namespace)
    }
    if (kind === 'packet') addVeths(namespaces)
    const config = (options.config ?? '') + toml() + rest
    const daemon = await startDaemon({ ...options, config })
    closers.push(() => daemon.stop())
    if (kind === 'tap') moveTaps(namespaces)
    for (const { net } of links) await setUpEth0(namespaces[net - 1]!, net)
    const [a, b] = namespaces as [Namespace, Namespace]
    return { a, b, daemon, kind, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** The key of the published test vectors. */
const RSS_KEY =
  '6d:5a:56:da:25:5b:0e:c2:41:67:25:3d:43:a3:8f:b0:d0:ca:2b:cb:ae:7b:30:b4:77:cb:2d:a3:80:30:f2:0c:6a:42:b7:3b:be:ac:01:fa'

/** Gives both links one known key: with a random one, a few aligned ports may all hash to one worker. */
export const spreadTheSame = async ({ daemon }: Topology): Promise<void> => {
  for (const { ifname } of links)
    await daemon.must('PUT', `/v1/links/${ifname}/rss`, { hkey: RSS_KEY })
}
