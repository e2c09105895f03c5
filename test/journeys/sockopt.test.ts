// What options make of sockets, on the wire: path MTU discovery as a socket wants it, and what waits in its error queue.

import { describe, expect, test } from 'bun:test'
import { Errno } from '../../core/base/errno.ts'
import { AF_INET, AF_INET6 } from '../../core/base/family.ts'
import { CMSG_HEADER } from '../../core/socket/msg/cmsg.ts'
import { SK_STATE, SOCK_RAW, TCP_FIN_WAIT1 } from '../../core/socket/sock.ts'
import {
  IP_MTU,
  IP_MTU_DISCOVER,
  IP_PMTUDISC_DO,
  IP_PMTUDISC_INTERFACE,
  IP_PMTUDISC_OMIT,
  IP_PMTUDISC_PROBE,
  IP_OPTIONS,
  IP_PKTINFO,
  IP_PMTUDISC_WANT,
  IP_RECVERR,
  IP_RECVOPTS,
  IP_RECVTOS,
  IP_RECVTTL,
  IP_TOS,
  IP_RETOPTS,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_MTU,
  IPV6_MTU_DISCOVER,
  IPV6_RECVERR,
  MSG_ERRQUEUE,
  SO_LINGER,
  SOL_SOCKET,
} from '../../core/socket/socket-constants.ts'
import { IPPROTO_UDP } from '../../core/wire/ipproto.ts'
import { formatWords } from '../../core/wire/text.ts'
import { dialTcp, openUdp, serveTcp, type UdpEnd } from '../../sim/net/sim-apps.ts'
import type { SimHost } from '../../sim/net/net-sim.ts'
import { openSocket } from '../../sim/net/sim-raw.ts'
import { B6, LONG_MS, R6, routed6 } from '../../sim/net/routed.ts'

const NARROW = 1300
const bytes = (length: number): Uint8Array => new Uint8Array(length).fill(7)

type Sim = { run: (ms: number) => unknown; leaks: () => object }
const end = (sim: Sim, ...sockets: { close: () => void }[]): void => {
  for (const socket of sockets) socket.close()
  sim.run(LONG_MS)
  expect(sim.leaks()).toEqual({})
}

const FAMILIES = [
  {
    name: 'IPv4',
    family: AF_INET,
    level: IPPROTO_IP,
    discover: IP_MTU_DISCOVER,
    mtu: IP_MTU,
    recverr: IP_RECVERR,
    header: 28,
    to: '10.0.2.2',
    router: '10.0.1.254',
    /** Fragmentation needed; port unreachable; their origin, SO_EE_ORIGIN_ICMP. */
    tooBig: [3, 4],
    noPort: [3, 3],
    origin: 2,
  },
  {
    name: 'IPv6',
    family: AF_INET6,
    level: IPPROTO_IPV6,
    discover: IPV6_MTU_DISCOVER,
    mtu: IPV6_MTU,
    recverr: IPV6_RECVERR,
    header: 48,
    to: B6,
    router: R6.left,
    tooBig: [2, 0],
    noPort: [1, 4],
    origin: 3,
  },
] as const
type Family = (typeof FAMILIES)[number]

/** The oldest of a socket's error queue: errno, origin, type, code, info, who says so, and how much it quotes. */
const takeError = (host: SimHost, { sk }: UdpEnd, { family }: Family) => {
  const { sockets } = host.stack
  const n = sockets.recvfrom(sk, host.page, 2000, MSG_ERRQUEUE)
  if (n < 0) return n
  const { words, octets } = sockets.control
  const [errno, kind, info] = words.subarray(CMSG_HEADER)
  const at = (CMSG_HEADER << 2) + 16 + (family === AF_INET ? 4 : 8)
  const view = new DataView(octets.buffer, at)
  const [a, b, c, d] = [0, 4, 8, 12].map((word) => view.getInt32(word))
  const from = family === AF_INET ? formatWords(0, 0, 0xffff, a!) : formatWords(a!, b!, c!, d!)
  return { n, errno, origin: kind! & 255, type: (kind! >> 8) & 255, code: kind! >> 16, info, from }
}

describe.each(FAMILIES)('path MTU discovery over $name', (f) => {
  const begin = async () => {
    const net = await routed6({ narrow: NARROW })
    const { a, b } = net
    const server = openUdp(b, 5000, 0, f.family)
    const socket = openUdp(a, 0, 0, f.family)
    expect(socket.connect(f.to, 5000)).toBe(0)
    const { sockets } = a.stack
    return {
      ...net,
      server,
      socket,
      how: (value: number) => sockets.setsockopt(socket.sk, f.level, f.discover, value),
      pathMtu: () => sockets.getsockopt(socket.sk, f.level, f.mtu),
      hearAll: () => sockets.setsockopt(socket.sk, f.level, f.recverr, 1),
    }
  }

  test('nothing is cut: the socket is told what the path takes, and then refuses at once', async () => {
    const { sim, a, socket, server, how, pathMtu, hearAll } = await begin()
    how(IP_PMTUDISC_DO)
    hearAll()
    expect([pathMtu(), socket.send(bytes(1400))]).toEqual([1500, 1400])
    sim.run(100)
    expect(socket.errors).toEqual([Errno.EMSGSIZE])
    expect(takeError(a, socket, f)).toEqual({
      n: f.family === AF_INET ? 520 : 1280 - 40 - 8 - 48,
      errno: Errno.EMSGSIZE,
      origin: f.origin,
      type: f.tooBig[0],
      code: f.tooBig[1],
      info: NARROW,
      from: f.router,
    })
    expect([pathMtu(), takeError(a, socket, f)]).toEqual([NARROW, -Errno.EAGAIN])
    expect(socket.send(bytes(NARROW - f.header + 1))).toBe(-Errno.EMSGSIZE)
    expect(takeError(a, socket, f)).toMatchObject({ n: 0, origin: 1, info: NARROW })
    expect(socket.send(bytes(NARROW - f.header))).toBe(NARROW - f.header)
    sim.run(100)
    expect(server.heard.map((datagram) => datagram.bytes.length)).toEqual([NARROW - f.header])
    end(sim, socket, server)
  })

  test('only the device counts: who probes goes on with what the path did not take', async () => {
    const { sim, socket, server, how, pathMtu } = await begin()
    how(IP_PMTUDISC_PROBE)
    for (let k = 0; k < 2; k++) {
      expect(socket.send(bytes(1500 - f.header))).toBe(1500 - f.header)
      sim.run(100)
    }
    expect(socket.send(bytes(1501 - f.header))).toBe(-Errno.EMSGSIZE)
    expect([pathMtu(), server.heard.length]).toEqual([NARROW, 0])
    expect(socket.errors).toEqual([Errno.EMSGSIZE, Errno.EMSGSIZE])
    end(sim, socket, server)
  })

  test('what does not fit is cut here once the path is known', async () => {
    const { sim, r, socket, server, how } = await begin()
    how(IP_PMTUDISC_WANT)
    for (let k = 0; k < 2; k++) {
      socket.send(bytes(1400))
      sim.run(100)
    }
    expect(server.heard.map((datagram) => datagram.bytes.length)).toEqual([1400])
    expect(r.mib('IpFragOKs') + r.mib('Ip6FragOKs')).toBe(0)
    end(sim, socket, server)
  })

  test('nothing is learned: routers cut, where they do', async () => {
    const { sim, r, socket, server, how, pathMtu } = await begin()
    how(IP_PMTUDISC_INTERFACE)
    expect(socket.send(bytes(1501 - f.header))).toBe(-Errno.EMSGSIZE)
    how(IP_PMTUDISC_OMIT)
    expect(socket.send(bytes(1600))).toBe(1600)
    sim.run(100)
    const cuts = f.family === AF_INET
    // the first of two pieces is as long as the device takes
    expect(server.heard.map((datagram) => datagram.bytes.length)).toEqual(cuts ? [1600] : [])
    expect(r.mib('IpFragOKs')).toBe(cuts ? 1 : 0)
    expect([pathMtu(), socket.errors]).toEqual([1500, []])
    end(sim, socket, server)
  })

  test('one that looks at the device alone by the time that it is told teaches nobody', async () => {
    const { sim, socket, server, how, pathMtu } = await begin()
    how(IP_PMTUDISC_DO)
    socket.send(bytes(1400))
    how(IP_PMTUDISC_INTERFACE)
    sim.run(100)
    // over IPv4 it hears of it all the same (__udp4_lib_err, __udp6_lib_err)
    expect([pathMtu(), socket.errors]).toEqual([1500, f.family === AF_INET ? [Errno.EMSGSIZE] : []])
    end(sim, socket, server)
  })

  test('nor does a connection over IPv6; over IPv4 it does, but goes on as before', async () => {
    const { sim, a, b, socket, server, pathMtu } = await begin()
    const listener = serveTcp(b, 80, f.family)
    const client = dialTcp(a, f.to, 80)
    sim.run(100)
    client.start(1400)
    a.stack.sockets.setsockopt(client.sk, f.level, f.discover, IP_PMTUDISC_INTERFACE)
    sim.run(100)
    expect(pathMtu()).toBe(f.family === AF_INET ? NARROW : 1500)
    client.abort()
    end(sim, socket, server, client, listener, ...listener.ends)
  })
})

describe.each(FAMILIES)('errors over $name', (f) => {
  test('an unconnected socket is told of each of its peers', async () => {
    const { sim, a } = await routed6()
    const socket = openUdp(a, 0, 0, f.family)
    a.stack.sockets.setsockopt(socket.sk, f.level, f.recverr, 1)
    for (const port of [4001, 4002]) {
      socket.send(bytes(100), f.to, port)
      sim.run(100)
      const { sockets } = a.stack
      expect(takeError(a, socket, f)).toEqual({
        n: 100,
        errno: Errno.ECONNREFUSED,
        origin: f.origin,
        type: f.noPort[0],
        code: f.noPort[1],
        info: 0,
        from: f.to,
      })
      expect(sockets.peerOf(socket.sk)[4]).toBe(port)
    }
    // what nobody takes goes with the socket
    socket.send(bytes(100), f.to, 4003)
    sim.run(100)
    end(sim, socket)
  })

  test('a raw socket hears what comes to its worker, whoever has the socket that it is about', async () => {
    const { sim, a } = await routed6({ a: { workers: 2 } })
    const raws = [0, 1].map((worker) => openSocket(a, SOCK_RAW, IPPROTO_UDP, f.family, worker))
    for (const raw of raws) raw.connect(f.to)
    const sockets = [0, 1].map((worker) => openUdp(a, 0, worker, f.family))
    for (const socket of sockets) socket.connect(f.to, 9)
    await a.must({
      type: 'ETHTOOL_MSG_RSS_SET',
      rss: { ifname: 'eth0', 'rss-indirection-table': Array(128).fill(1) },
    })
    for (const socket of sockets) socket.send(bytes(10))
    sim.run(1000)
    const refused = Errno.ECONNREFUSED
    expect(sockets.map(({ errors }) => errors)).toEqual([[refused], [refused]])
    expect(raws.map(({ errors }) => errors.length)).toEqual([0, raws[1]!.errors.length])
    expect(raws[1]!.errors[0]).toBe(refused)
    end(sim, ...sockets, ...raws)
  })
})

/** Control messages of the last call that received, by level and type. */
const told = (host: SimHost): Record<string, string> => {
  const { control } = host.stack.sockets
  const found: Record<string, string> = {}
  for (let at = 0; at < control.length(); ) {
    const [level, type, size] = control.words.subarray(at, at + CMSG_HEADER)
    const from = (at + CMSG_HEADER) << 2
    found[`${level}.${type}`] = Buffer.from(control.octets.slice(from, from + size!)).toString(
      'hex'
    )
    at += CMSG_HEADER + ((size! + 3) >> 2)
  }
  return found
}

describe('what a datagram says beside its data', () => {
  const hex = (address: string): string =>
    Buffer.from(address.split('.').map(Number)).toString('hex')

  test('options come as they are, and as an answer would have them', async () => {
    const { sim, a, b } = await routed6()
    const [from, to] = [openUdp(a), openUdp(b, 5000)]
    b.stack.sockets.detach(to.sk)
    for (const name of [IP_RECVOPTS, IP_RETOPTS, IP_RECVTTL, IP_RECVTOS, IP_PKTINFO])
      expect(b.stack.sockets.setsockopt(to.sk, IPPROTO_IP, name, 1)).toBe(0)
    // record route: room for three
    const route = Int32Array.of(7 | (15 << 8) | (4 << 16), 0, 0, 0)
    expect(a.stack.sockets.setsockoptName(from.sk, IPPROTO_IP, IP_OPTIONS, route, 0, 15)).toBe(0)
    expect(a.stack.sockets.setsockopt(from.sk, IPPROTO_IP, IP_TOS, 0x48)).toBe(0)
    from.send(bytes(10), '10.0.2.2', 5000)
    sim.run(100)
    expect(b.stack.sockets.recvfrom(to.sk, b.page, 100)).toBe(10)
    const hops = hex('10.0.1.1') + hex('10.0.2.254') + hex('10.0.2.2')
    expect(told(b)).toEqual({
      '0.8': `02000000${hex('10.0.2.2')}${hex('10.0.2.2')}`,
      '0.1': '48',
      '0.2': '3f000000',
      '0.6': `070f10${hops}00`,
      '0.7': `070f10${hops}00`,
    })
    end(sim, from, to)
  })

  test('an answer leaves from the address that was asked', async () => {
    const { sim, a, b } = await routed6()
    const address = { dev: 'eth0', local: '10.0.2.77', prefixlen: 24 }
    await b.must({ type: 'RTM_NEWADDR', flags: 0, address })
    const [from, to] = [openUdp(a), openUdp(b, 5000)]
    b.stack.sockets.detach(to.sk)
    b.stack.sockets.setsockopt(to.sk, IPPROTO_IP, IP_PKTINFO, 1)
    from.send(bytes(10), '10.0.2.77', 5000)
    sim.run(100)
    const { sockets } = b.stack
    expect(sockets.recvfrom(to.sk, b.page, 100)).toBe(10)
    expect(told(b)['0.8']).toBe(`02000000${hex('10.0.2.77')}${hex('10.0.2.77')}`)
    const peer = sockets.peerOf(to.sk)
    const control = sockets.control.words.slice(0, sockets.control.length())
    const answer = () => sockets.sendto(to.sk, b.page, 10, peer, 0, peer[4]!)
    expect(sockets.beginControl(to.sk, control, control.length)).toBe(0)
    expect(answer()).toBe(10)
    sockets.endControl()
    sim.run(100)
    expect(from.heard.map((datagram) => datagram.from)).toEqual(['10.0.2.77'])
    // of this answer alone
    expect(answer()).toBe(10)
    sim.run(100)
    expect(from.heard.map((datagram) => datagram.from)).toEqual(['10.0.2.77', '10.0.2.2'])
    end(sim, from, to)
  })
})

describe.each(FAMILIES)('a close that lingers, over $name', (f) => {
  const begin = async (seconds: number) => {
    const net = await routed6()
    const { sim, a, b } = net
    const server = serveTcp(b, 80, f.family)
    const { sk } = dialTcp(a, f.to, 80)
    sim.run(1000, () => server.ends.length === 1)
    const { sockets } = a.stack
    sockets.setsockopt(sk, SOL_SOCKET, SO_LINGER, seconds)
    const closed: number[] = []
    const close = (): void => {
      if (sockets.linger(sk)) return
      sockets.close(sk)
      closed.push(sim.nowMs() - began)
    }
    const began = sim.nowMs()
    sockets.attach(sk, sockets.registerHandler(close), 0)
    sockets.sendmsg(sk, a.page, 5000, 0)
    return { ...net, server, close, closed, sk }
  }

  test('waits until everything is acknowledged', async () => {
    const { sim, server, close, closed, left } = await begin(5)
    left.delayUs = 100_000
    close()
    expect(closed).toEqual([])
    sim.run(1000)
    expect(closed.length).toBe(1)
    expect(closed[0]).toBeGreaterThanOrEqual(200)
    expect(closed[0]).toBeLessThan(600)
    expect(server.ends[0]!.received).toBe(5000)
    end(sim, server, server.ends[0]!)
  })
  test('waits no longer than it was told to, and the end goes on without it', async () => {
    const { sim, a, server, close, closed, left, sk } = await begin(2)
    left.loss = 1
    close()
    sim.run(1900)
    expect(closed).toEqual([])
    sim.run(200)
    expect(closed.length).toBe(1)
    expect(a.arena.i32[sk + SK_STATE]).toBe(TCP_FIN_WAIT1)
    left.loss = 0
    sim.run(20_000)
    expect(server.ends[0]!.received).toBe(5000)
    end(sim, server, server.ends[0]!)
  })
  test('does not wait at all with a time of zero: the peer is reset', async () => {
    const { sim, server, close, closed } = await begin(0)
    close()
    expect(closed).toEqual([0])
    sim.run(1000)
    expect(server.ends[0]!.error).toBe(Errno.ECONNRESET)
    end(sim, server, server.ends[0]!)
  })
})
