// BBR over a bottleneck, whole stacks under virtual time: it fills the path, keeps the queue before it short where CUBIC fills
// that, takes a loss for no more than it is, gives way to others, and looks for the round trip without a queue.

import { expect, test } from 'bun:test'
import {
  TP_CA_PRIV,
  TP_PACING,
  TP_SND_CWND,
  TP_SRTT_US,
} from '../../core/transport/tcp/sock/tcp-sock.ts'
import { tcpInfo } from '../../core/transport/tcp/sock/tcp-info.ts'
import { dialTcp, serveTcp } from '../../sim/net/sim-apps.ts'
import { LONG_MS, twoHosts } from '../support/sim-topology.ts'

/** Bits a second. */
const RATE = 10e6
/** Both ways together; what a path of that holds is 50 KB. */
const RTT_MS = 40
/** What is left of a frame without its headers, timestamps included. */
const PAYLOAD = 1448 / 1514
const ROOM = { skbs: 8192, smallBuffers: 8192, largeBuffers: 512 }

/** Flows of `control` from a to b through a bottleneck with room for five times what the path holds. */
const start = async (control: string, flows: number, wire: { loss?: number } = {}) => {
  const net = await twoHosts({
    wire: { rate: RATE / 1e6, queue: 250_000, delayUs: (RTT_MS * 1000) / 2, ...wire },
    a: { config: ROOM },
    b: { config: ROOM },
  })
  const set = async (name: string, value: string) => {
    for (const host of [net.a, net.b])
      await host.must({ type: 'SYSCTL_SET', name: `net.ipv4.tcp_${name}`, value })
  }
  await set('congestion_control', control)
  await set('rmem', '4096 131072 4194304')
  await set('wmem', '4096 16384 4194304')
  net.a.rest()
  net.b.rest()
  const { i32 } = net.a.arena
  const server = serveTcp(net.b, 80)
  const clients = Array.from({ length: flows }, () => dialTcp(net.a, '10.0.1.2', 80))
  net.sim.run(2000, () => server.ends.length === flows)
  for (const client of clients) client.start(1e9)
  /** Shares of the bottleneck that each flow had in so many ms. */
  const shares = (ms: number): number[] => {
    const before = server.ends.map(({ received }) => received)
    net.sim.run(ms)
    return server.ends.map(
      ({ received }, k) => ((received - before[k]!) * 8e3) / ms / RATE / PAYLOAD
    )
  }
  const rttMs = (): number => i32[clients[0]!.sk + TP_SRTT_US]! / 8000
  const finish = (): void => {
    for (const { sk } of clients) net.a.stack.tcp.abort(sk)
    net.sim.run(1000)
    for (const end of [...clients, ...server.ends]) end.close()
    server.close()
    net.sim.run(LONG_MS)
    expect(net.sim.leaks()).toEqual({})
  }
  return { net, i32, clients, server, shares, rttMs, finish }
}
const sum = (numbers: number[]): number => numbers.reduce((a, b) => a + b, 0)
/** Jain's index: 1 is fair. */
const fairness = (numbers: number[]): number =>
  sum(numbers) ** 2 / (numbers.length * sum(numbers.map((n) => n * n)))

test('it fills the path within a second and leaves the queue empty; CUBIC fills the queue', async () => {
  const bbr = await start('bbr', 1)
  expect(sum(bbr.shares(1000))).toBeGreaterThan(0.8)
  for (let k = 0; k < 4; k++) {
    expect(sum(bbr.shares(1000))).toBeGreaterThan(0.97)
    expect(bbr.rttMs()).toBeLessThan(RTT_MS * 1.4)
  }
  const { sk } = bbr.clients[0]!
  expect(tcpInfo(bbr.net.a.arena, sk, 0)).toMatchObject({
    cong: 'bbr',
    cong_info: { cwnd_gain: 2, mrtt: expect.any(Number) },
    retrans: '0/0',
  })
  const info = tcpInfo(bbr.net.a.arena, sk, 0).cong_info!
  expect(info.bw! / RATE / PAYLOAD).toBeCloseTo(1, 1)

  const cubic = await start('cubic', 1)
  cubic.shares(4000)
  expect(cubic.rttMs()).toBeGreaterThan(RTT_MS * 3)
  expect(cubic.i32[cubic.clients[0]!.sk + TP_PACING]).toBe(0)
})

test('after ten seconds without a shorter round trip it sends four segments for a fifth of a second', async () => {
  const { i32, clients, shares, net } = await start('bbr', 1)
  const { sk } = clients[0]!
  shares(9000)
  let ms = 0
  let least = i32[sk + TP_SND_CWND]!
  while (ms < 4000 && least > 4) {
    net.sim.run(1)
    ms++
    least = Math.min(least, i32[sk + TP_SND_CWND]!)
  }
  expect(least).toBe(4)
  let lasts = 0
  while (i32[sk + TP_SND_CWND] === 4 && lasts < 1000) {
    net.sim.run(1)
    lasts++
  }
  expect(lasts).toBeGreaterThan(200)
  expect(lasts).toBeLessThan(400)
  // the window from before is there again
  expect(i32[sk + TP_SND_CWND]).toBeGreaterThan(30)
  expect(i32[sk + TP_CA_PRIV]! / 1000).toBeLessThan(RTT_MS * 1.1)
  expect(sum(shares(2000))).toBeGreaterThan(0.95)
})

test('one in a hundred lost at random costs it little', async () => {
  const { shares } = await start('bbr', 1, { loss: 0.01 })
  shares(1000)
  expect(sum(shares(8000))).toBeGreaterThan(0.85)
})

test('three flows share', async () => {
  const { shares, finish } = await start('bbr', 3)
  shares(4000)
  const each = shares(8000)
  expect(sum(each)).toBeGreaterThan(0.95)
  expect(fairness(each)).toBeGreaterThan(0.95)
  finish()
})
