// A socket of both families has a type of service and hops for each: what it sends carries those of its packet's family.

import { expect, test } from 'bun:test'
import { AF_INET6 } from '../../core/base/family.ts'
import {
  IP_TOS,
  IP_TTL,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_TCLASS,
  IPV6_UNICAST_HOPS,
} from '../../core/socket/socket-constants.ts'
import { ETH_HLEN } from '../../core/wire/ethernet.ts'
import { IPPROTO_UDP } from '../../core/wire/ipproto.ts'
import * as ipv4 from '../../core/wire/ipv4.ts'
import * as ipv6 from '../../core/wire/ipv6.ts'
import { B6, routed6 } from '../../sim/net/routed.ts'
import { openUdp } from '../../sim/net/sim-apps.ts'
import { LONG_MS } from '../support/sim-topology.ts'

const OPTIONS = [
  [IPPROTO_IP, IP_TOS, 0x10],
  [IPPROTO_IP, IP_TTL, 7],
  [IPPROTO_IPV6, IPV6_TCLASS, 0x28],
  [IPPROTO_IPV6, IPV6_UNICAST_HOPS, 9],
] as const

test('datagrams', async () => {
  const { sim, a, left } = await routed6()
  const seen: string[] = []
  left.filter = (frame, from) => {
    const version = frame[ETH_HLEN]! >> 4
    if (from === 'a' && version === 4 && ipv4.protocol(frame, ETH_HLEN) === IPPROTO_UDP)
      seen.push(`IPv4 ${ipv4.tos(frame, ETH_HLEN)} ${ipv4.ttl(frame, ETH_HLEN)}`)
    if (from === 'a' && version === 6 && ipv6.nextHeader(frame, ETH_HLEN) === IPPROTO_UDP)
      seen.push(`IPv6 ${ipv6.trafficClass(frame, ETH_HLEN)} ${ipv6.hopLimit(frame, ETH_HLEN)}`)
    return true
  }
  const { sockets } = a.stack
  const end = openUdp(a, 0, 0, AF_INET6)
  for (const [level, name, value] of OPTIONS)
    expect(sockets.setsockopt(end.sk, level, name, value)).toBe(0)
  for (const to of ['::ffff:10.0.2.2', B6]) {
    end.send(new Uint8Array(9), to, 9)
    sim.run(50)
  }
  expect(seen).toEqual(['IPv4 16 7', 'IPv6 40 9'])
  end.close()
  sim.run(LONG_MS)
  expect(sim.leaks()).toEqual({})
})
