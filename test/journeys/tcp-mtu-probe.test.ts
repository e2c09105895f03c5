// A path with a narrow link in its middle whose ICMP is lost on the way: a black hole. Without probes a transfer stalls; with
// them it finds what the path takes, after timeouts or before there are any.

import { expect, test } from 'bun:test'
import * as ethernet from '../../core/wire/ethernet.ts'
import { TP_MSS_CACHE } from '../../core/transport/tcp/sock/tcp-sock.ts'
import { dialTcp, serveTcp } from '../../sim/net/sim-apps.ts'
import { LONG_MS, routed } from '../support/sim-topology.ts'

const NARROW = 1200
const TOTAL = 2_000_000
const isIcmp = (frame: Uint8Array): boolean =>
  ethernet.type(frame, 0) === ethernet.ETH_P_IP && frame[ethernet.ETH_HLEN + 9] === 1

/** Sends so much from a to b; how much arrived within ten minutes. */
const send = async (probing: number, total = TOTAL, ecn = 2, narrow = NARROW) => {
  const net = await routed({
    mtu: narrow,
    wire: { delayUs: 5000, filter: (frame) => !isIcmp(frame) },
  })
  await net.a.must({ type: 'SYSCTL_SET', name: 'net.ipv4.tcp_mtu_probing', value: probing })
  for (const host of [net.a, net.b])
    await host.must({ type: 'SYSCTL_SET', name: 'net.ipv4.tcp_ecn', value: ecn })
  const server = serveTcp(net.b, 80)
  const client = dialTcp(net.a, '10.0.2.2', 80)
  net.sim.run(2000, () => server.ends.length === 1)
  const peer = server.ends[0]!
  const begun = net.sim.nowMs()
  client.start(total)
  net.sim.run(600_000, () => peer.received === total)
  const ms = net.sim.nowMs() - begun
  const finish = (): void => {
    net.a.stack.tcp.abort(client.sk)
    net.sim.run(1000)
    for (const end of [client, peer]) end.close()
    server.close()
    net.sim.run(LONG_MS)
    expect(net.sim.leaks()).toEqual({})
  }
  return { ...net, client, peer, ms, mss: net.a.arena.i32[client.sk + TP_MSS_CACHE]!, finish }
}

test('without probes nothing that is large arrives', async () => {
  const { peer, finish } = await send(0)
  expect(peer.received).toBe(0)
  finish()
})

test('tcp_mtu_probing 1: after some timeouts segments are small enough', async () => {
  const { a, peer, ms, mss, finish } = await send(1)
  expect(peer).toMatchObject({ received: TOTAL, wrong: 0 })
  expect(a.mib('TcpExtTCPTimeouts')).toBeGreaterThan(2)
  expect(ms).toBeLessThan(60_000)
  expect(mss).toBeLessThan(NARROW - 40)
  finish()
})

test('tcp_mtu_probing 2: probes find what the path takes, and cost no timeout', async () => {
  const { a, peer, ms, mss, finish } = await send(2, 4 * TOTAL)
  expect(peer).toMatchObject({ received: 4 * TOTAL, wrong: 0 })
  expect(a.mib('TcpExtTCPTimeouts')).toBe(0)
  expect(a.mib('TcpExtTCPMTUPFail')).toBeGreaterThan(0)
  expect(a.mib('TcpExtTCPMTUPSuccess')).toBeGreaterThan(0)
  // more than what it began with; timestamps take twelve
  expect(mss).toBeGreaterThan(1100)
  expect(mss).toBeLessThanOrEqual(NARROW - 52)
  expect(ms).toBeLessThan(5000)
  finish()
})

test('the option of AccECN, which each segment has, is part of what the path takes', async () => {
  // where twelve octets more than a probe that passes do not
  const narrow = 1190
  const plain = await send(2, 4 * TOTAL, 2, narrow)
  const accecn = await send(2, 4 * TOTAL, 3, narrow)
  expect(accecn.peer).toMatchObject({ received: 4 * TOTAL, wrong: 0 })
  expect(accecn.a.mib('TcpExtTCPTimeouts')).toBe(0)
  expect(accecn.a.mib('TcpExtTCPMTUPFail')).toBe(plain.a.mib('TcpExtTCPMTUPFail'))
  expect(accecn.mss).toBe(plain.mss)
  plain.finish()
  accecn.finish()
})
