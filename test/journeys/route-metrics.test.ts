// What a route's metrics do to the connections that go along it, end to end: `ip route add ... initcwnd 3 advmss 500`.

import { AF_INET } from '../../core/base/family.ts'
import { expect, test } from 'bun:test'
import type { RouteMetrics } from '../../core/control/text/messages.ts'
import { NLM_F_CREATE, NLM_F_REPLACE } from '../../core/control/nlm-flags.ts'
import { SOCK_STREAM } from '../../core/socket/sock.ts'
import { rtoMin } from '../../core/transport/tcp/sock/tcp-metrics.ts'
import {
  TP_RTO,
  TP_SND_CWND,
  TP_SND_SSTHRESH,
  TP_WINDOW_CLAMP,
} from '../../core/transport/tcp/sock/tcp-sock.ts'
import * as ethernet from '../../core/wire/ethernet.ts'
import * as ipv4 from '../../core/wire/ipv4.ts'
import * as tcp from '../../core/wire/tcp.ts'
import { itemOf } from '../support/control-plane.ts'
import { ip, v4Words } from '../../sim/net/packets.ts'
import { twoHosts } from '../support/sim-topology.ts'

const IP_AT = 14
const TCP_AT = IP_AT + 20
/** Option of a SYN: the first four octets behind the header (RFC 9293 3.7.1). */
const MSS_AT = TCP_AT + 20 + 2

const PEER = { a: '10.0.1.2', b: '10.0.1.1' }
/** A connection from a to b; the route that `end` goes has these metrics, and `syn` is its first segment. */
const connect = async (metrics: RouteMetrics, end: 'a' | 'b' = 'a') => {
  const { sim, a, b, wire } = await twoHosts()
  const syns: Uint8Array[] = []
  wire.filter = (frame, from) => {
    if (from === end && ethernet.type(frame, 0) === ethernet.ETH_P_IP) syns.push(frame.slice())
    return true
  }
  const route = { dst: PEER[end], dev: 'eth0', metrics: [metrics] }
  const flags = NLM_F_CREATE | NLM_F_REPLACE
  itemOf({ a, b }[end].control.apply({ type: 'RTM_NEWROUTE', flags, route }))
  const listener = b.stack.sockets.socket(AF_INET, SOCK_STREAM, 0)
  b.stack.sockets.bind(listener, ...v4Words(ip('10.0.1.2')), 80)
  b.stack.sockets.listen(listener, 1)
  const sk = a.stack.sockets.socket(AF_INET, SOCK_STREAM, 0)
  a.stack.sockets.connect(sk, ...v4Words(ip('10.0.1.2')), 80)
  sim.run(100)
  return { sim, sk, i32: a.arena.i32, syn: syns[0]!, a, b, wire, listener }
}

test('the SYN has the hop limit, the MSS and the window that the route says', async () => {
  const { syn } = await connect({ hoplimit: 9, advmss: 500, initrwnd: 2 })
  expect(ipv4.ttl(syn, IP_AT)).toBe(9)
  expect((syn[MSS_AT]! << 8) | syn[MSS_AT + 1]!).toBe(500)
  expect(tcp.window(syn, TCP_AT)).toBe(1000)
})

test('without metrics they are the defaults', async () => {
  const { syn, sk, i32 } = await connect({})
  expect(ipv4.ttl(syn, IP_AT)).toBe(64)
  expect((syn[MSS_AT]! << 8) | syn[MSS_AT + 1]!).toBe(1460)
  expect(ipv4.fragment(syn, IP_AT) & ipv4.IP_DF).not.toBe(0)
  expect(i32[sk + TP_SND_CWND]).toBeGreaterThanOrEqual(10)
  expect(rtoMin(i32, sk)).toBe(200)
})

test('windows and thresholds begin as the route says', async () => {
  const { sk, i32 } = await connect({ initcwnd: 3, ssthresh: 7, window: 4000 })
  // one more for the SYN that was acknowledged, at most
  expect(i32[sk + TP_SND_CWND]).toBeLessThanOrEqual(4)
  expect(i32[sk + TP_SND_SSTHRESH]).toBe(7)
  expect(i32[sk + TP_WINDOW_CLAMP]).toBe(4000)
})

test('the timeout has the floor that the route says, and begins with its round trip', async () => {
  const floor = await connect({ rto_min: 700 })
  expect(rtoMin(floor.i32, floor.sk)).toBe(700)
  expect(floor.i32[floor.sk + TP_RTO]).toBeGreaterThanOrEqual(700)
  const slow = await connect({ rtt: 500 })
  expect(slow.i32[slow.sk + TP_RTO]).toBe(1500)
})

test('an MTU that is locked takes DF off', async () => {
  const { syn } = await connect({ mtu: 1300, lock: ['mtu'] })
  expect(ipv4.fragment(syn, IP_AT) & ipv4.IP_DF).toBe(0)
  expect((syn[MSS_AT]! << 8) | syn[MSS_AT + 1]!).toBe(1260)
})

test('nor is DF off of what answers in TIME-WAIT', async () => {
  const { a, b, sim, wire, listener, sk } = await connect({ mtu: 1300, lock: ['mtu'] })
  const child = b.stack.sockets.accept(listener)
  a.stack.sockets.close(sk)
  sim.run(100)
  const answers: number[] = []
  wire.filter = (frame, from) => {
    if (from === 'a' && ethernet.type(frame, 0) === ethernet.ETH_P_IP)
      answers.push(ipv4.fragment(frame, IP_AT) & ipv4.IP_DF)
    return true
  }
  b.stack.sockets.close(child)
  sim.run(100)
  expect(answers).toEqual([ipv4.IP_DF])
})

test('but for a SYN-ACK, which no network has to cut (ip_build_and_send_pkt)', async () => {
  const { syn } = await connect({ mtu: 1300, lock: ['mtu'] }, 'b')
  expect(tcp.flags(syn, TCP_AT)).toBe(tcp.TCP_SYN | tcp.TCP_ACK)
  expect(ipv4.fragment(syn, IP_AT) & ipv4.IP_DF).not.toBe(0)
})
