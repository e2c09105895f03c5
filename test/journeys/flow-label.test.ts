// The flow label of what sockets send: one that is said stands in each packet, others are given one or not (RFC 6437).

import { expect, test } from 'bun:test'
import { AF_INET6 } from '../../core/base/family.ts'
import { SOCK_STREAM } from '../../core/socket/sock.ts'
import {
  IPPROTO_IPV6,
  IPV6_AUTOFLOWLABEL,
  IPV6_FLOWINFO_SEND,
} from '../../core/socket/socket-constants.ts'
import { ETH_HLEN } from '../../core/wire/ethernet.ts'
import { IPPROTO_TCP, IPPROTO_UDP } from '../../core/wire/ipproto.ts'
import * as ipv6 from '../../core/wire/ipv6.ts'
import { parseAddr } from '../../core/wire/text.ts'
import { B6, routed6 } from '../../sim/net/routed.ts'
import { openUdp } from '../../sim/net/sim-apps.ts'
import { LONG_MS } from '../support/sim-topology.ts'

/** Labels of what `a` sends of a protocol. */
const labelled = async (protocol: number) => {
  const net = await routed6()
  const labels: number[] = []
  net.left.filter = (frame, from) => {
    if (from === 'a' && ipv6.nextHeader(frame, ETH_HLEN) === protocol)
      labels.push(ipv6.flowLabel(frame, ETH_HLEN))
    return true
  }
  return { ...net, labels }
}
const words = Int32Array.from(parseAddr(B6)!.words)

test('a label that nobody says is given as auto_flowlabels and the socket have it', async () => {
  const { sim, a, labels } = await labelled(IPPROTO_UDP)
  const { sockets } = a.stack
  const seen: string[] = []
  for (const value of [0, 1, 2, 3]) {
    await a.must({ type: 'SYSCTL_SET', name: 'net.ipv6.auto_flowlabels', value })
    for (const wish of [null, 0, 1]) {
      const end = openUdp(a, 0, 0, AF_INET6)
      if (wish !== null) sockets.setsockopt(end.sk, IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, wish)
      end.send(new Uint8Array(9), B6, 9)
      sim.run(50)
      seen.push(`${value} ${wish}: ${labels.pop() === 0 ? 'none' : 'one'}`)
      end.close()
    }
  }
  expect(seen).toEqual([
    '0 null: none',
    '0 0: none',
    '0 1: none',
    '1 null: one',
    '1 0: none',
    '1 1: one',
    '2 null: none',
    '2 0: none',
    '2 1: one',
    '3 null: one',
    '3 0: one',
    '3 1: one',
  ])
  sim.run(LONG_MS)
  expect(sim.leaks()).toEqual({})
})

test('a stream that connects with a label has it in each segment, from the SYN on', async () => {
  const { sim, a, b, labels } = await labelled(IPPROTO_TCP)
  const { sockets } = a.stack
  const listener = b.stack.sockets.socket(AF_INET6, SOCK_STREAM, 0)
  b.stack.sockets.bind(listener, new Int32Array(4), 0, 7000)
  b.stack.sockets.listen(listener, 1)
  const sk = sockets.socket(AF_INET6, SOCK_STREAM, 0)
  sockets.setsockopt(sk, IPPROTO_IPV6, IPV6_FLOWINFO_SEND, 1)
  sockets.connect(sk, words, 0, 7000, 0, 0x0ff12345)
  sim.run(200)
  sockets.sendmsg(sk, a.page, 3000, 0)
  sim.run(200)
  const child = b.stack.sockets.accept(listener)
  sockets.close(sk)
  b.stack.sockets.close(child)
  b.stack.sockets.close(listener)
  sim.run(LONG_MS)
  expect(labels.length).toBeGreaterThan(4)
  expect(new Set(labels)).toEqual(new Set([0x12345]))
  expect(sim.leaks()).toEqual({})
})
