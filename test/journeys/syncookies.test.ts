// A flood of SYNs from addresses that are nobody's, and a host of several workers that answers with SYN cookies: who is
// served, and that a cookie of one worker is good on every other.

import { expect, test } from 'bun:test'
import * as tcp from '../../core/wire/tcp.ts'
import { tcpFrame } from '../../sim/net/packets.ts'
import { dialTcp, serveTcp, type TcpEnd } from '../../sim/net/sim-apps.ts'
import type { SimHost } from '../../sim/net/net-sim.ts'
import { LONG_MS, MAC, twoHosts } from '../support/sim-topology.ts'
import { RX_HEADROOM, SKB_DEV } from '../../core/skb/skb.ts'

const MINUTES = 60_000

/** A SYN of the n-th stranger, as a frame that has come to b's device. */
const flood = (b: SimHost, n: number): void => {
  const saddr = `198.18.${(n >> 8) & 255}.${n & 255}`
  const frame = tcpFrame(
    { dst: MAC.b, src: MAC.a },
    { saddr, daddr: '10.0.1.2' },
    { sport: 1024 + (n % 60_000), dport: 80, seq: n, flags: tcp.TCP_SYN }
  )
  const cpu = n % b.stacks.length
  const stack = b.stacks[cpu]!
  const skb = stack.skbs.alloc(frame.length, RX_HEADROOM)
  if (skb === 0) return
  b.arena.u8.set(frame, stack.skbs.put(skb, frame.length))
  b.arena.i32[skb + SKB_DEV] = b.ifindex('eth0')
  stack.backlog.enqueueToBacklog(cpu, skb, 0)
}

test.each([1, 2, 4])('with %p workers a flood keeps nobody out', async (workers) => {
  const config = { socks: 512 }
  const { sim, a, b } = await twoHosts({ seed: workers, b: { workers, config } })
  // answers to strangers go back to where they seem to come from, and are lost there
  await b.must({
    type: 'RTM_NEWROUTE',
    flags: 0x400,
    route: { dst: '198.18.0.0/15', gateway: '10.0.1.1' },
  })
  const server = serveTcp(b, 80)
  const clients: TcpEnd[] = []
  let strangers = 0
  for (let k = 0; k < 60; k++) {
    for (let n = 0; n < 40; n++) flood(b, strangers++)
    const end = dialTcp(a, '10.0.1.2', 80)
    clients.push(end)
    sim.run(MINUTES, () => end.connected)
    end.start(2000)
  }
  const intact = (): TcpEnd[] => server.ends.filter((end) => end.received === 2000)
  sim.run(MINUTES, () => intact().length === 60)
  expect(clients.filter((end) => end.connected && end.error === 0)).toHaveLength(60)
  expect(intact().map((end) => end.wrong)).toEqual(Array(60).fill(0))
  expect(b.mib('TcpExtSyncookiesSent')).toBeGreaterThan(strangers / 2)
  expect(b.mib('TcpExtSyncookiesRecv')).toBeGreaterThan(40)
  expect(b.mib('TcpExtListenDrops')).toBe(0)
  for (const end of clients) end.finish()
  sim.run(MINUTES, () => server.ends.every((end) => end.eof))
  for (const end of [...server.ends, ...clients]) end.close()
  server.close()
  sim.run(LONG_MS)
  expect(sim.leaks()).toEqual({})
})

test('a cookie is good on whichever worker its ACK comes to', async () => {
  const { sim, a, b } = await twoHosts({ b: { workers: 2 } })
  await b.must({ type: 'SYSCTL_SET', name: 'net.ipv4.tcp_syncookies', value: 2 })
  const server = serveTcp(b, 80)
  const clients: TcpEnd[] = []
  for (let k = 0; k < 8; k++) {
    // the SYN goes to one worker, and before the ACK is sent the table sends it to the other
    const steer = (cpu: number) =>
      b.must({
        type: 'ETHTOOL_MSG_RSS_SET',
        rss: { ifname: 'eth0', 'rss-indirection-table': Array(128).fill(cpu) },
      })
    await steer(k % 2)
    const sent = b.mib('TcpExtSyncookiesSent')
    clients.push(dialTcp(a, '10.0.1.2', 80))
    sim.run(1000, () => b.mib('TcpExtSyncookiesSent') > sent)
    await steer(1 - (k % 2))
    sim.run(1000, () => server.ends.length === k + 1)
    expect(server.ends[k]?.worker).toBe(1 - (k % 2))
  }
  expect(b.mib('TcpExtSyncookiesRecv')).toBe(8)
  expect(b.mib('TcpExtSyncookiesFailed')).toBe(0)
  for (const end of clients) end.finish()
  sim.run(MINUTES, () => server.ends.every((end) => end.eof))
  for (const end of [...server.ends, ...clients]) end.close()
  server.close()
  sim.run(LONG_MS)
  expect(sim.leaks()).toEqual({})
})
