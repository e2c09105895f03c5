// Network namespaces whose only way out is this daemon: what `softnet exec` enters, and what end to
// end tests and benchmarks build their topologies from. Called on the control thread; cold.
// Each namespace is held by a process (netns-holder.ts) that hands back the daemon's side of the
// namespace's interface. Root makes network and mount namespaces; an ordinary user makes a user
// namespace too, in which he is root. Linux counterpart: `ip netns`, unshare(1), setns(2).

import { programArgv } from '../modules.ts'
import { libc, OsError } from './libc.ts'
import type { Device, NamespaceReply, NamespaceRequest, Setup } from './netns-request.ts'
import type { Route } from './rtnetlink.ts'
import { CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWUSER, createSpawnPlan, waitForExit } from './spawn.ts'
import { receiveMessage, sendMessage, socketPair } from './unix.ts'

export type NamespaceOptions = {
  /** Only for messages: a namespace has no name in the kernel. */
  name: string
  address?: string
  gateway?: string
  gateway6?: string
  extraAddresses?: string[]
  device?: Setup['device']
  ifname?: string
  mac?: string
  mtu?: number
  queues?: number
  resolvConf?: string
}

type Asked = Exclude<NamespaceRequest, Setup>

export type Namespace = {
  name: string
  /** The holder: its /proc/PID/ns is what execInNamespace() enters. */
  pid: number
  /** One descriptor a queue, nonblocking, close-on-exec; closed by close(). */
  fds: number[]
  device: Device | undefined
  /** Further changes inside the namespace; rejects with the kernel's reason. */
  ask(request: Asked): Promise<void>
  /** Closes the descriptors and ends the holder; resolves when it is gone. */
  close(): Promise<void>
}

/** Root of this machine needs no user namespace; root inside a container may. */
const baseFlags = CLONE_NEWNET | CLONE_NEWNS
const USERNS_HINT =
  'this machine does not let ordinary users make user namespaces ' +
  '(sysctl kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns, ' +
  'user.max_user_namespaces)'

/** Tries `start` with the namespaces that this user may make. */
export const withNewNamespaces = <T>(start: (flags: number, hint?: string) => T): T => {
  if (libc.geteuid() !== 0) return start(baseFlags | CLONE_NEWUSER, USERNS_HINT)
  try {
    return start(baseFlags)
  } catch (error) {
    if (!(error instanceof OsError) || error.code !== 'EPERM') throw error
    return start(baseFlags | CLONE_NEWUSER, USERNS_HINT)
  }
}

const startHolder = (socket: number): number =>
  withNewNamespaces((flags, hint) => {
    const plan = createSpawnPlan()
    plan.unshare(flags, hint)
    plan.descriptors([0, 2, 2], [socket])
    plan.nullInput()
    // Bun reads bunfig.toml from its working directory; the holder must not depend on ours.
    plan.chdir('/')
    const { PATH = '/usr/bin:/bin', HOME, TMPDIR } = process.env
    plan.exec([...programArgv('workers/os/netns-holder.ts', ['--smol']), String(socket)], {
      PATH,
      HOME,
      TMPDIR,
    })
    return plan.spawn()
  })

const LOOK_MS = 2
const ANSWER_WITHIN_MS = 20_000
const SIGKILL = 9

/** Asks and waits without blocking the control thread. */
const ask = async (socket: number, pid: number, request: NamespaceRequest) => {
  sendMessage(socket, JSON.stringify(request))
  const deadline = performance.now() + ANSWER_WITHIN_MS
  for (;;) {
    const message = receiveMessage(socket, false)
    if (message) {
      const reply = JSON.parse(message.text) as NamespaceReply
      if (!reply.ok) throw new Error(reply.error)
      return { device: reply.device, fds: message.fds }
    }
    if (message === null) throw new Error(`the namespace's holder (process ${pid}) has died`)
    if (performance.now() > deadline) throw new Error(`no answer from namespace holder ${pid}`)
    await Bun.sleep(LOOK_MS)
  }
}

const endHolder = async (socket: number, pid: number): Promise<void> => {
  libc.close(socket)
  const late = setTimeout(() => libc.kill(pid, SIGKILL), ANSWER_WITHIN_MS)
  await waitForExit(pid)
  clearTimeout(late)
}

const routesOf = ({ gateway, gateway6 }: NamespaceOptions): Route[] =>
  [gateway, gateway6].flatMap((via) => (via === undefined ? [] : { to: 'default', via }))

const setupOf = (options: NamespaceOptions): Setup => {
  const { address, extraAddresses = [], device = 'auto', ifname = 'eth0' } = options
  const { mac, mtu = 1500, queues = 1, resolvConf } = options
  const addresses = address === undefined ? extraAddresses : [address, ...extraAddresses]
  const routes = routesOf(options)
  return { op: 'setup', device, ifname, mac, mtu, queues, addresses, routes, resolvConf }
}

/** Makes a namespace and, unless device is 'none', the interface through which it reaches us. */
export const createNamespace = async (options: NamespaceOptions): Promise<Namespace> => {
  const { name } = options
  const [socket, holderSocket] = socketPair()
  let pid: number
  try {
    pid = startHolder(holderSocket)
  } catch (error) {
    libc.close(socket)
    throw error
  } finally {
    libc.close(holderSocket)
  }
  try {
    const { device, fds } = await ask(socket, pid, setupOf(options))
    let turn: Promise<unknown> = Promise.resolve()
    return {
      name,
      pid,
      fds,
      device,
      ask(request) {
        // One question at a time: answers carry no number.
        const answered = turn.then(() => ask(socket, pid, request)).then(() => {})
        turn = answered.catch(() => {})
        return answered
      },
      async close() {
        await turn
        for (const fd of fds) libc.close(fd)
        await endHolder(socket, pid)
      },
    }
  } catch (error) {
    await endHolder(socket, pid)
    throw new Error(`namespace ${name}: ${error instanceof Error ? error.message : error}`)
  }
}

type VethSide = { namespace: Namespace; ifname: string; address: string }

/**
 * A veth pair between two namespaces, both ends up and addressed: a wire of the kernel's own, for
 * reference topologies. Both namespaces must be of one user namespace, as they are when root (or
 * root in runInNewNamespace) made them.
 */
export const joinVeth = async (a: VethSide, b: VethSide): Promise<void> => {
  const peerNamespace = `/proc/${b.namespace.pid}/ns/net`
  await a.namespace.ask({ op: 'veth', name: a.ifname, peer: b.ifname, peerNamespace })
  for (const { namespace, ifname, address } of [a, b]) {
    await namespace.ask({ op: 'address', name: ifname, address })
    await namespace.ask({ op: 'link', name: ifname, change: { up: true } })
  }
}
