// The kernel's half of the twin test: TAPs in a network namespace of their own, configured by one `ip` that
// reads lines. What is written to a TAP without NAPI is received within the call, so its answers can be read right after;
// only what goes over lo waits for a soft interrupt, and a frame that follows it over lo says when that was.

import { readFileSync } from 'node:fs'
import { addressOf, block, check, libc } from '../../workers/os/libc.ts'
import { POLLIN } from '../../workers/os/poll.ts'
import { openTap } from '../../workers/os/tap.ts'
import { createKernelNamespace } from '../support/kernel-namespace.ts'
import { linkName } from './case.ts'
import type { SetUp, Side } from './side.ts'

const AF_PACKET = 17
const SOCK_RAW = 3
const NONBLOCK_CLOEXEC = 0x80800
const LO = 1
/** A local experimental ethertype. */
const MARKER_TYPE = 0x88b5
const MOST_FRAME = 66000
const REST_MS = 2000
const ADDRESS_MS = 60_000
/** IFA_F_TENTATIVE */
const TENTATIVE = 0x40

/** Frames that go round over lo behind what is on its way there. */
const createMarker = () => {
  const fd = check(libc.socket(AF_PACKET, SOCK_RAW | NONBLOCK_CLOEXEC, 0), 'socket AF_PACKET')
  const address = block(20)
  address.view.setUint16(0, AF_PACKET, true)
  address.view.setUint16(2, MARKER_TYPE)
  address.view.setInt32(4, LO, true)
  check(libc.bind(fd, address.at, 20), 'bind lo')
  const frame = block(64)
  frame.view.setUint16(12, MARKER_TYPE)
  const poll = block(8)
  poll.view.setInt32(0, fd, true)
  poll.view.setInt16(4, POLLIN, true)
  const goRound = (): void => {
    check(libc.send(fd, frame.at, 60, 0), 'send over lo')
    if (libc.poll(poll.at, 1, REST_MS) !== 1) throw new Error('the kernel does not come to rest')
    check(libc.recv(fd, frame.at, 64, 0), 'receive from lo')
  }
  return { goRound, close: () => libc.close(fd) }
}

/** The columns of /proc/net/snmp and netstat, run together as nstat does. */
const readCounters = (into: Map<string, number>, path: string): void => {
  const lines = readFileSync(path, 'latin1').trim().split('\n')
  for (let k = 0; k + 1 < lines.length; k += 2) {
    const [group = '', ...names] = lines[k]!.split(' ')
    const values = lines[k + 1]!.split(' ').slice(1)
    for (const [n, name] of names.entries()) into.set(group.slice(0, -1) + name, Number(values[n]))
  }
}

export const createKernelSide = async (setUp: SetUp): Promise<Side> => {
  // what the kernel keeps of hosts (struct inet_peer) lasts as long as the namespace
  const { enter, close, ...namespace } = createKernelNamespace()
  /** A work queue gives IPv6 addresses, soon or, on a busy machine, a good while later (addrconf_dad_work). */
  const run = async (line: string): Promise<string> => {
    const said = await namespace.run(line)
    if (!/^ip addr add \S*:/.test(line)) return said
    const since = performance.now()
    while (hasTentative()) {
      if (performance.now() - since > ADDRESS_MS) throw new Error(`${line}: it stays tentative`)
      await Bun.sleep(1)
    }
    return said
  }
  const hasTentative = (): boolean => {
    enter()
    const lines = readFileSync('/proc/thread-self/net/if_inet6', 'latin1').trimEnd().split('\n')
    return lines.some((line) => (Number.parseInt(line.split(/\s+/)[4]!, 16) & TENTATIVE) !== 0)
  }
  for (const line of ['ip link set lo up', ...setUp.before]) await run(line)
  const taps = setUp.links.map(({ mac, mtu }, k) =>
    openTap({ name: linkName(k + 1), vnetHdr: false, link: { mac, mtu, up: true } })
  )
  const { hostname = '0.0.0.0', ignores = () => false } = setUp
  const listener = Bun.listen({ hostname, port: setUp.port, socket: { data: () => {} } })
  // errors about what it never sent are nobody's
  const silent = { error: () => {} }
  const socket = await Bun.udpSocket({ hostname, port: setUp.port, socket: silent })
  const marker = createMarker()
  const frame = new Uint8Array(new ArrayBuffer(MOST_FRAME))
  const at = addressOf(frame)

  const readAll = (fd: number): Uint8Array[] => {
    const frames: Uint8Array[] = []
    for (;;) {
      const n = libc.read(fd, at, MOST_FRAME)
      if (n <= 0) return frames
      frames.push(frame.slice(0, n))
    }
  }
  const drain = (): Uint8Array[][] => {
    marker.goRound()
    return taps.map(({ fd }) => readAll(fd).filter((sent) => !ignores(sent)))
  }
  return {
    name: 'kernel',
    run,
    inject: (link, bytes) => {
      frame.set(bytes)
      libc.write(taps[link - 1]!.fd, at, bytes.length)
    },
    drain,
    counters: () => {
      enter()
      const found = new Map<string, number>()
      readCounters(found, '/proc/thread-self/net/snmp')
      readCounters(found, '/proc/thread-self/net/netstat')
      for (const line of readFileSync('/proc/thread-self/net/snmp6', 'latin1').trim().split('\n')) {
        const [name = '', value] = line.split(/\s+/)
        found.set(name, Number(value))
      }
      return found
    },
    forget: async () => {
      // `neigh flush` would end with the ip that runs it where an entry goes by itself meanwhile
      for (const entry of (await run('ip neigh show')).split('\n').sort())
        if (entry !== '' && !/ (PERMANENT|NOARP)/.test(entry))
          await run(`ip neigh del ${entry.split(' ').slice(0, 3).join(' ')}`)
    },
    close: () => {
      for (const { fd } of taps) libc.close(fd)
      listener.stop(true)
      socket.close()
      marker.close()
      close()
    },
  }
}
