// Streams through a router whose second link takes 1300 octets, by what their socket thinks of path MTU discovery: what Linux 6.18
// does with the same calls between namespaces.

import { describe, expect, test } from 'bun:test'
import {
  IP_MTU,
  IP_MTU_DISCOVER,
  IP_PMTUDISC_DO,
  IP_PMTUDISC_DONT,
  IP_PMTUDISC_INTERFACE,
  IP_PMTUDISC_OMIT,
  IP_PMTUDISC_PROBE,
  IP_PMTUDISC_WANT,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_DONTFRAG,
  IPV6_MTU,
  IPV6_MTU_DISCOVER,
} from '../../core/socket/socket-constants.ts'
import { AF_INET, AF_INET6 } from '../../core/base/family.ts'
import { IPPROTO_TCP } from '../../core/wire/ipproto.ts'
import { B6, routed6 } from '../../sim/net/routed.ts'
import { dialTcp, serveTcp } from '../../sim/net/sim-apps.ts'
import { LONG_MS } from '../support/sim-topology.ts'

const NARROW = 1300
const BYTES = 30_000
const TCP_MAXSEG = 2
const A_WHILE_MS = 2000

type Found = { received: number; mss: number; pathMtu: number; isRepeated: boolean }
/** It has found what the path takes. */
const isFound = (headers: number): Found => ({
  received: BYTES,
  mss: NARROW - headers,
  pathMtu: NARROW,
  isRepeated: true,
})
/** It looks for nothing, and the router cuts its segments. */
const isCut: Found = { received: BYTES, mss: 1448, pathMtu: 1500, isRepeated: false }
/** It believes nobody, and nobody cuts. */
const isStuck: Found = { received: 0, mss: 1428, pathMtu: 1500, isRepeated: true }

const V4 = { family: AF_INET, level: IPPROTO_IP, mtu: IP_MTU, to: '10.0.2.2' } as const
const V6 = { family: AF_INET6, level: IPPROTO_IPV6, mtu: IPV6_MTU, to: B6 } as const
const [found4, found6] = [isFound(52), isFound(72)]
type Row = readonly [string, option: number, value: number, Found]
const TABLES: readonly (readonly [string, typeof V4 | typeof V6, readonly Row[]])[] = [
  [
    'IPv4',
    V4,
    [
      ['WANT', IP_MTU_DISCOVER, IP_PMTUDISC_WANT, found4],
      ['DONT', IP_MTU_DISCOVER, IP_PMTUDISC_DONT, isCut],
      ['DO', IP_MTU_DISCOVER, IP_PMTUDISC_DO, found4],
      ['PROBE', IP_MTU_DISCOVER, IP_PMTUDISC_PROBE, isCut],
      ['INTERFACE', IP_MTU_DISCOVER, IP_PMTUDISC_INTERFACE, isCut],
      ['OMIT', IP_MTU_DISCOVER, IP_PMTUDISC_OMIT, isCut],
    ],
  ],
  [
    'IPv6',
    V6,
    [
      ['WANT', IPV6_MTU_DISCOVER, IP_PMTUDISC_WANT, found6],
      ['DONT', IPV6_MTU_DISCOVER, IP_PMTUDISC_DONT, found6],
      ['DO', IPV6_MTU_DISCOVER, IP_PMTUDISC_DO, found6],
      ['PROBE', IPV6_MTU_DISCOVER, IP_PMTUDISC_PROBE, found6],
      ['INTERFACE', IPV6_MTU_DISCOVER, IP_PMTUDISC_INTERFACE, isStuck],
      ['OMIT', IPV6_MTU_DISCOVER, IP_PMTUDISC_OMIT, isStuck],
      ['IPV6_DONTFRAG', IPV6_DONTFRAG, 1, found6],
    ],
  ],
]

describe.each(TABLES)('over %s', (_family, { family, level, mtu, to }, rows) => {
  test.each(rows)('%s', async (_mode, option, value, expected) => {
    const { sim, a, b } = await routed6({ narrow: NARROW })
    const server = serveTcp(b, 80, family)
    const client = dialTcp(a, to, 80)
    const { sockets } = a.stack
    expect(sockets.setsockopt(client.sk, level, option, value)).toBe(0)
    sim.run(A_WHILE_MS, () => client.connected)
    client.start(BYTES)
    sim.run(A_WHILE_MS)
    const received = server.ends[0]!.received
    const found: Found = {
      received,
      mss: sockets.getsockopt(client.sk, IPPROTO_TCP, TCP_MAXSEG),
      pathMtu: sockets.getsockopt(client.sk, level, mtu),
      isRepeated: a.mib('TcpRetransSegs') > 0,
    }
    expect(found).toEqual(expected)
    expect([client.wrong, server.ends[0]!.wrong]).toEqual([0, 0])
    client.abort()
    for (const end of server.ends) end.close()
    server.close()
    sim.run(LONG_MS)
    expect(sim.leaks()).toEqual({})
  })
})
