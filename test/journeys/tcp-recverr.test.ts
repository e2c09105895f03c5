// What ICMP says of streams: to who connects it lies in the error queue, over IPv6 where IPV6_RECVERR asks for it; who is connected is
// told at once where he has asked, and finds it as a soft error else. What Linux 6.18 does with the same calls between namespaces.

import { describe, expect, test } from 'bun:test'
import { Errno } from '../../core/base/errno.ts'
import {
  IP_RECVERR,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_RECVERR,
  MSG_ERRQUEUE,
  PEER_ADDR,
  PEER_PORT,
  SO_ERROR,
  SOL_SOCKET,
} from '../../core/socket/socket-constants.ts'
import { AF_INET, AF_INET6 } from '../../core/base/family.ts'
import { formatWords } from '../../core/wire/text.ts'
import type { SimHost } from '../../sim/net/net-sim.ts'
import { B6, routed6 } from '../../sim/net/routed.ts'
import { dialTcp, serveTcp, type TcpEnd } from '../../sim/net/sim-apps.ts'
import { LONG_MS } from '../support/sim-topology.ts'

const PORT = 5000
const CMSG_HEADER = 3
/** A TCP header with the options of a SYN. */
const SYN = 40
const { EACCES, EAGAIN, EHOSTUNREACH, ENETUNREACH } = Errno
const PURPOSES = ['unreachable', 'prohibit'] as const

const FAMILIES = [
  {
    name: 'IPv4',
    family: AF_INET,
    level: IPPROTO_IP,
    recverr: IP_RECVERR,
    to: '10.0.2.2',
    bits: 32,
    isUnasked: true,
    /** errno, origin, type and code of each purpose. */
    unreachable: { errno: EHOSTUNREACH, origin: 2, type: 3, code: 1 },
    prohibit: { errno: EHOSTUNREACH, origin: 2, type: 3, code: 13 },
  },
  {
    name: 'IPv6',
    family: AF_INET6,
    level: IPPROTO_IPV6,
    recverr: IPV6_RECVERR,
    to: B6,
    bits: 128,
    isUnasked: false,
    unreachable: { errno: ENETUNREACH, origin: 3, type: 1, code: 0 },
    prohibit: { errno: EACCES, origin: 3, type: 1, code: 1 },
  },
] as const

/** The oldest of a socket's error queue. */
const takeError = ({ stack: { sockets }, page }: SimHost, { sk }: TcpEnd) => {
  const n = sockets.recvmsg(sk, page, 2000, MSG_ERRQUEUE)
  if (n < 0) return n
  const [errno, kind] = sockets.control.words.subarray(CMSG_HEADER)
  const peer = sockets.peerOf(sk)
  const [a, b, c, d] = peer.subarray(PEER_ADDR, PEER_ADDR + 4)
  const to = `${formatWords(a!, b!, c!, d!)} ${peer[PEER_PORT]}`
  return { n, errno, origin: kind! & 255, type: (kind! >> 8) & 255, code: kind! >> 16, to }
}

describe.each(FAMILIES)('over $name', (f) => {
  const begin = async () => {
    const net = await routed6()
    const { a, r } = net
    const { sockets } = a.stack
    const dst = `${f.to}/${f.bits}`
    return {
      ...net,
      cut: (type: (typeof PURPOSES)[number]) =>
        r.must({ type: 'RTM_NEWROUTE', flags: 0x600, route: { dst, type } }),
      mend: () => r.must({ type: 'RTM_DELROUTE', route: { dst } }),
      ask: ({ sk }: TcpEnd) => sockets.setsockopt(sk, f.level, f.recverr, 1),
      soError: ({ sk }: TcpEnd) => sockets.getsockopt(sk, SOL_SOCKET, SO_ERROR),
    }
  }
  test.each(PURPOSES.flatMap((type) => [true, false].map((asks) => [type, asks] as const)))(
    'a connection that is refused on its way: %s, RECVERR %p',
    async (type, asks) => {
      const { sim, a, cut, ask } = await begin()
      await cut(type)
      const client = dialTcp(a, f.to, PORT)
      if (asks) expect(ask(client)).toBe(0)
      sim.run(500)
      expect(client.error).toBe(f[type].errno)
      const told = { n: SYN, ...f[type], to: `${f.to} ${PORT}` }
      expect(takeError(a, client)).toEqual(asks || f.isUnasked ? told : -EAGAIN)
      expect(takeError(a, client)).toBe(-EAGAIN)
      client.close()
      sim.run(LONG_MS)
      expect(sim.leaks()).toEqual({})
    }
  )

  test.each([true, false])('one that is there goes on, RECVERR %p', async (asks) => {
    const { sim, a, b, cut, mend, ask, soError } = await begin()
    const server = serveTcp(b, PORT, f.family)
    const client = dialTcp(a, f.to, PORT)
    sim.run(500, () => client.connected)
    if (asks) ask(client)
    await cut('unreachable')
    client.start(1000)
    sim.run(100)
    expect(client.error).toBe(asks ? f.unreachable.errno : 0)
    expect(soError(client)).toBe(asks ? 0 : f.unreachable.errno)
    expect(takeError(a, client)).toBe(-EAGAIN)
    await mend()
    sim.run(5000)
    expect(server.ends[0]!.received).toBe(1000)
    for (const end of [client, ...server.ends, server]) end.close()
    sim.run(LONG_MS)
    expect(sim.leaks()).toEqual({})
  })

  test('what nobody has taken goes with the socket, and with the wish', async () => {
    const { sim, a, cut, ask } = await begin()
    await cut('unreachable')
    const clients = [dialTcp(a, f.to, PORT), dialTcp(a, f.to, PORT)]
    for (const client of clients) ask(client)
    sim.run(500)
    const [first, second] = clients
    a.stack.sockets.setsockopt(first!.sk, f.level, f.recverr, 0)
    expect(takeError(a, first!)).toBe(-EAGAIN)
    first!.close()
    second!.close()
    sim.run(LONG_MS)
    expect(sim.leaks()).toEqual({})
  })
})
