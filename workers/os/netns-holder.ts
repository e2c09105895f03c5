// Holds a network namespace: a process of its own, root inside new namespaces, started by netns.ts.
// It makes the interface that programs of the namespace see, hands its other side (a TAP's
// descriptor, or a packet socket) to the daemon, answers requests, and lives exactly as long as the
// daemon's end of its socket. It blocks in recvmsg(2); it never touches a packet.
// Linux counterpart: `ip netns add`, with a process instead of a bind mount.

import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { setFeature } from './ethtool.ts'
import { check, cstring, libc, OsError, O_RDONLY, openPath } from './libc.ts'
import type { Device, NamespaceReply, NamespaceRequest, Setup } from './netns-request.ts'
import { openPacket } from './packet.ts'
import { withRtnetlink } from './rtnetlink.ts'
import { CLONE_NEWNET } from './spawn.ts'
import { openTap } from './tap.ts'
import { receiveMessage, sendMessage } from './unix.ts'

const MS_BIND = 0x1000
const UPLINK = 'uplink'

type Opened = { device: Device; fds: number[] }

const openTaps = ({ ifname, mac, mtu, queues }: Setup): Opened => {
  const multiQueue = queues > 1
  const link = mac === undefined ? { up: true, mtu } : { up: true, mtu, mac }
  const first = openTap({ name: ifname, multiQueue, link })
  const fds = [first.fd]
  while (fds.length < queues) fds.push(openTap({ name: ifname, multiQueue }).fd)
  const { mac: address, vnetHdrLen } = first
  return { device: { kind: 'tap', ifname, mac: address, mtu, vnetHdrLen }, fds }
}

/** Runs `work` in a new network namespace; this thread comes back, what `work` opened stays there. */
const inHiddenNamespace = <T>(work: (homeFd: number) => T): T => {
  const home = openPath('/proc/thread-self/ns/net', O_RDONLY)
  try {
    check(libc.unshare(CLONE_NEWNET), 'unshare')
    return work(home)
  } finally {
    check(libc.setns(home, CLONE_NEWNET), 'setns')
    libc.close(home)
  }
}

/**
 * A veth pair whose daemon side lies in a second namespace, out of the user's sight. Only the
 * packet sockets keep that namespace, and with it the pair, alive.
 */
const openVeth = ({ ifname, mac, mtu, queues }: Setup): Opened => {
  const fds = inHiddenNamespace((home) =>
    withRtnetlink((rtnl) => {
      const end = { name: ifname, mtu, netnsFd: home }
      rtnl.addVeth({ name: UPLINK, mtu }, mac === undefined ? end : { ...end, mac })
      // The kernel's own IPv6 must not speak on the daemon's side of the wire.
      setSysctl(`net.ipv6.conf.${UPLINK}.disable_ipv6`, '1')
      rtnl.setLink(UPLINK, { up: true })
      const fanout = queues > 1 ? { fanout: 1 } : {}
      return Array.from({ length: queues }, () => openPacket({ ifname: UPLINK, ...fanout }).fd)
    })
  )
  const { mac: address } = withRtnetlink((rtnl) => {
    rtnl.setLink(ifname, { up: true })
    return rtnl.getLink(ifname)
  })
  return { device: { kind: 'packet', ifname, mac: address, mtu, vnetHdrLen: 10 }, fds }
}

const openDevice = (setup: Setup): Opened | undefined => {
  if (setup.device === 'none') return undefined
  if (setup.device === 'packet') return openVeth(setup)
  try {
    return openTaps(setup)
  } catch (error) {
    if (setup.device === 'tap' || !(error instanceof OsError)) throw error
    const { device, fds } = openVeth(setup)
    return { device: { ...device, reason: error.message }, fds }
  }
}

const setSysctl = (name: string, value: string): void =>
  writeFileSync(`/proc/sys/${name.replaceAll('.', '/')}`, value)

const replaceResolvConf = (content: string): void => {
  const folder = mkdtempSync(`${tmpdir()}/softnet-`)
  try {
    writeFileSync(`${folder}/resolv.conf`, content)
    const from = cstring(`${folder}/resolv.conf`)
    const to = cstring(realpathSync('/etc/resolv.conf'))
    check(libc.mount(from.at, to.at, 0, MS_BIND, 0), 'mount /etc/resolv.conf')
  } finally {
    // The bind mount keeps the file; its name is not needed any more.
    rmSync(folder, { recursive: true })
  }
}

const setUp = (setup: Setup): Opened | undefined => {
  withRtnetlink((rtnl) => rtnl.setLink('lo', { up: true }))
  const opened = openDevice(setup)
  withRtnetlink((rtnl) => {
    for (const address of setup.addresses) rtnl.addAddress(setup.ifname, address)
    for (const route of setup.routes) rtnl.addRoute(route)
  })
  if (setup.resolvConf !== undefined) replaceResolvConf(setup.resolvConf)
  return opened
}

const addVeth = (name: string, peer: string, peerNamespace: string): void => {
  const netnsFd = openPath(peerNamespace, O_RDONLY)
  try {
    withRtnetlink((rtnl) => rtnl.addVeth({ name }, { name: peer, netnsFd }))
  } finally {
    libc.close(netnsFd)
  }
}

const apply = (request: NamespaceRequest): Opened | undefined => {
  switch (request.op) {
    case 'setup':
      return setUp(request)
    case 'sysctl':
      setSysctl(request.name, request.value)
      return
    case 'link':
      withRtnetlink((rtnl) => rtnl.setLink(request.name, request.change))
      return
    case 'veth':
      addVeth(request.name, request.peer, request.peerNamespace)
      return
    case 'address':
      withRtnetlink((rtnl) => rtnl.addAddress(request.name, request.address))
      return
    case 'route':
      withRtnetlink((rtnl) => rtnl.addRoute(request.route))
      return
    case 'feature':
      setFeature(request.name, request.feature, request.on)
  }
}

const answer = (socket: number, text: string): void => {
  const reply = (content: NamespaceReply, fds: number[] = []): void =>
    sendMessage(socket, JSON.stringify(content), fds)
  try {
    const opened = apply(JSON.parse(text) as NamespaceRequest)
    reply({ ok: true, device: opened?.device }, opened?.fds)
    for (const fd of opened?.fds ?? []) libc.close(fd)
  } catch (error) {
    reply({ ok: false, error: error instanceof Error ? error.message : String(error) })
  }
}

const hold = (socket: number): void => {
  for (;;) {
    const message = receiveMessage(socket, true)
    // The daemon closed its end, or is dead. Programs still in the namespace keep it, cut off.
    if (!message) return
    answer(socket, message.text)
  }
}

hold(Number(process.argv[2]))
