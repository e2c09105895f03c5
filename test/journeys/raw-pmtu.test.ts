// Path MTUs of raw and ping sockets over a router whose second link takes 1300 octets: who learns of it, who is told, and what
// goes then. The table is what Linux 6.18 does with the same calls between namespaces.

import { describe, expect, test } from 'bun:test'
import { Errno } from '../../core/base/errno.ts'
import { AF_INET, AF_INET6 } from '../../core/base/family.ts'
import { SOCK_DGRAM, SOCK_RAW } from '../../core/socket/sock.ts'
import {
  IPPROTO_IP,
  IPPROTO_IPV6,
  IP_MTU,
  IP_MTU_DISCOVER,
  IP_PMTUDISC_DO,
  IP_PMTUDISC_DONT,
  IP_PMTUDISC_INTERFACE,
  IP_PMTUDISC_OMIT,
  IP_PMTUDISC_PROBE,
  IP_PMTUDISC_WANT,
  IP_RECVERR,
  IPV6_MTU,
  IPV6_MTU_DISCOVER,
  IPV6_RECVERR,
  MSG_ERRQUEUE,
} from '../../core/socket/socket-constants.ts'
import * as icmp from '../../core/wire/icmp.ts'
import * as icmpv6 from '../../core/wire/icmpv6.ts'
import { IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_RAW } from '../../core/wire/ipproto.ts'
import * as ipv4 from '../../core/wire/ipv4.ts'
import { icmpMessage, ipPacket } from '../../sim/net/packets.ts'
import type { SimHost } from '../../sim/net/net-sim.ts'
import { routed6 } from '../../sim/net/routed.ts'
import { openUdp } from '../../sim/net/sim-apps.ts'
import { openSocket } from '../../sim/net/sim-raw.ts'
import { LONG_MS } from '../support/sim-topology.ts'

const NARROW = 1300
const SIZE = 1400
const OTHER = 253
const { EMSGSIZE } = Errno
const MODES = [
  IP_PMTUDISC_WANT,
  IP_PMTUDISC_DONT,
  IP_PMTUDISC_DO,
  IP_PMTUDISC_PROBE,
  IP_PMTUDISC_INTERFACE,
  IP_PMTUDISC_OMIT,
] as const

/** What the first call says, the error behind it, what the path takes then; the second call, its error, and the third. */
type Outcome = readonly [number, number, number, number, number, number]
const unaware: Outcome = [SIZE, 0, 1500, SIZE, 0, SIZE]
const learns: Outcome = [SIZE, 0, NARROW, SIZE, 0, SIZE]
const refuses: Outcome = [SIZE, 0, NARROW, -EMSGSIZE, 0, -EMSGSIZE]
const isTold: Outcome = [SIZE, EMSGSIZE, NARROW, SIZE, 0, SIZE]
const isToldOnce: Outcome = [SIZE, EMSGSIZE, NARROW, -EMSGSIZE, 0, -EMSGSIZE]
const isToldAgain: Outcome = [SIZE, EMSGSIZE, NARROW, SIZE, EMSGSIZE, SIZE]

/** Of each of MODES. */
type Row = readonly Outcome[]
const NOBODY: Row = MODES.map(() => unaware)
const QUIET4: Row = [learns, unaware, refuses, learns, unaware, unaware]
const TOLD4: Row = [isTold, unaware, isToldOnce, isToldAgain, unaware, unaware]
const QUIET6: Row = [learns, learns, refuses, learns, learns, learns]
const HARD6: Row = [learns, learns, isToldOnce, learns, learns, learns]
const TOLD6: Row = [isTold, isTold, isToldOnce, isToldAgain, isToldAgain, isToldAgain]

const body = new Uint8Array(SIZE - 8)
const FAMILIES = {
  4: {
    family: AF_INET,
    level: IPPROTO_IP,
    discover: IP_MTU_DISCOVER,
    recverr: IP_RECVERR,
    mtu: IP_MTU,
    icmp: IPPROTO_ICMP,
    echo: icmpMessage(icmp.ICMP_ECHO, 0, 1, body),
    net: '10.0.2.',
    prefixlen: 24,
  },
  6: {
    family: AF_INET6,
    level: IPPROTO_IPV6,
    discover: IPV6_MTU_DISCOVER,
    recverr: IPV6_RECVERR,
    mtu: IPV6_MTU,
    icmp: IPPROTO_ICMPV6,
    echo: icmpMessage(icmpv6.ICMPV6_ECHO_REQUEST, 0, 1, body),
    net: '2001:db8:2::',
    prefixlen: 64,
  },
} as const
type Family = (typeof FAMILIES)[keyof typeof FAMILIES]
type Kind = 'raw' | 'icmp' | 'ping' | 'header'
type Case = { kind: Kind; isConnected: boolean; hears: boolean }
const openKind = (host: SimHost, { family, icmp: protocol }: Family, kind: Kind) => {
  if (kind === 'ping') return openSocket(host, SOCK_DGRAM, protocol, family)
  const protocols = { raw: OTHER, icmp: protocol, header: IPPROTO_RAW }
  return openSocket(host, SOCK_RAW, protocols[kind], family)
}
const messageFor = ({ echo }: Family, kind: Kind, to: string): Uint8Array => {
  if (kind !== 'header') return echo
  const fields = { saddr: '10.0.1.1', daddr: to, protocol: OTHER, flags: ipv4.IP_DF }
  return ipPacket(fields, new Uint8Array(SIZE - 20))
}

/** Each mode of a case has a host of its own that it sends to: paths are learned by address. */
const play = async (f: Family, { kind, isConnected, hears }: Case): Promise<Outcome[]> => {
  const { sim, a, b } = await routed6({ narrow: NARROW })
  const sink = openSocket(b, SOCK_RAW, OTHER, f.family)
  const outcomes: Outcome[] = []
  for (const [k, mode] of MODES.entries()) {
    const to = `${f.net}${50 + k}`
    const address = { dev: 'eth0', local: to, prefixlen: f.prefixlen, flags: ['nodad'] }
    await b.must({ type: 'RTM_NEWADDR', flags: 0x600, address })
    const { sockets } = a.stack
    const socket = openKind(a, f, kind)
    sockets.setsockopt(socket.sk, f.level, f.discover, mode)
    if (hears) sockets.setsockopt(socket.sk, f.level, f.recverr, 1)
    if (isConnected) expect(socket.connect(to)).toBe(0)
    const message = messageFor(f, kind, to)
    const probe = openUdp(a, 0, 0, f.family)
    probe.connect(to, 9)
    const pathMtu = (): number => sockets.getsockopt(probe.sk, f.level, f.mtu)
    const send = (): number => {
      const n = socket.send(message, isConnected ? undefined : to)
      sim.run(100)
      while (sockets.recvfrom(socket.sk, a.page, 2000, MSG_ERRQUEUE) >= 0);
      return n
    }
    const first = send()
    const [error = 0] = socket.errors.splice(0)
    const mtu = pathMtu()
    const second = send()
    const [again = 0] = socket.errors.splice(0)
    outcomes.push([first, error, mtu, second, again, send()])
    for (const end of [socket, probe]) end.close()
  }
  sink.close()
  sim.run(LONG_MS)
  expect(sim.leaks()).toEqual({})
  return outcomes
}

type Table = readonly (readonly [Kind, isConnected: boolean, hears: boolean, Row])[]
const TABLES: readonly (readonly [4 | 6, Table])[] = [
  [
    4,
    (['raw', 'icmp', 'ping'] as const).flatMap(
      (kind): Table => [
        [kind, false, false, QUIET4],
        [kind, false, true, TOLD4],
        [kind, true, false, TOLD4],
        [kind, true, true, TOLD4],
      ]
    ),
  ],
  [
    6,
    [
      // nobody of its protocol hears what is said of it (rawv6_err)
      ['raw', false, false, NOBODY],
      ['raw', false, true, TOLD6],
      ['raw', true, false, HARD6],
      ['raw', true, true, TOLD6],
      // ICMPv6 learns for all (icmpv6_err)
      ['icmp', false, false, QUIET6],
      ['icmp', false, true, TOLD6],
      ['icmp', true, false, HARD6],
      ['icmp', true, true, TOLD6],
      ['ping', false, false, QUIET6],
      ['ping', false, true, TOLD6],
      ['ping', true, false, QUIET6],
      ['ping', true, true, TOLD6],
    ],
  ],
]

describe.each(TABLES)('over IPv%d', (family, table) => {
  test.each(table)('%s, connected %p, with RECVERR %p', async (kind, isConnected, hears, row) => {
    expect(await play(FAMILIES[family], { kind, isConnected, hears })).toEqual([...row])
  })
})
