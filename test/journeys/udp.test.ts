// Datagrams between sockets of whole stacks: echo, errors that come back, datagrams larger than any link.

import { describe, expect, test } from 'bun:test'
import { Errno } from '../../core/base/errno.ts'
import { openUdp } from '../../sim/net/sim-apps.ts'
import { LONG_MS, routed, twoHosts } from '../support/sim-topology.ts'

const bytes = (length: number, salt = 0): Uint8Array =>
  new Uint8Array(length).map((_, k) => (Math.imul(k + salt, 2654435761) >>> 11) & 255)

describe.each([false, true])('with offloads %p', (offload) => {
  const more = { offload }
  test('echo answers through a router', async () => {
    const { sim, a, b, r } = await routed({ b: { services: { echo: true }, ...more }, a: more })
    const socket = openUdp(a)
    for (let k = 0; k < 50; k++) {
      expect(socket.send(bytes(k * 29, k), '10.0.2.2', 7)).toBe(k * 29)
      sim.run(1000, () => socket.heard.length === k + 1)
      expect(socket.heard[k]).toEqual({ bytes: bytes(k * 29, k), from: '10.0.2.2', port: 7 })
    }
    expect(r.mib('IpForwDatagrams')).toBe(100)
    expect(b.mib('UdpInDatagrams')).toBe(50)
    expect(a.mib('UdpOutDatagrams')).toBe(50)
    socket.close()
    sim.run(LONG_MS)
    expect(sim.leaks()).toEqual({})
  })

  test('a datagram of 60,000 bytes is cut, crosses out of order and is put together', async () => {
    const { sim, a, b } = await routed({ seed: 3, a: more, b: more, wire: { reorder: 0.5 } })
    const socket = openUdp(a)
    const server = openUdp(b, 5000)
    expect(socket.send(bytes(60_000), '10.0.2.2', 5000)).toBe(60_000)
    expect(sim.run(5000, () => server.heard.length === 1)).toBe(true)
    expect(Bun.hash(server.heard[0]!.bytes)).toBe(Bun.hash(bytes(60_000)))
    expect(a.mib('IpFragOKs')).toBe(1)
    expect(a.mib('IpFragCreates')).toBe(41)
    expect(b.mib('IpReasmOKs')).toBe(1)
    socket.close()
    server.close()
    sim.run(LONG_MS)
    expect(sim.leaks()).toEqual({})
  })

  test('a lost fragment loses the datagram, after 30 seconds and with a word to the sender', async () => {
    let lost = 0
    const { sim, a, b, left } = await routed({ a: more, b: more })
    const socket = openUdp(a)
    const server = openUdp(b, 5000)
    socket.send(bytes(100), '10.0.2.2', 5000)
    sim.run(1000, () => server.heard.length === 1)
    left.filter = (frame) => !(frame.length > 1000 && lost++ === 2)
    socket.send(bytes(9000), '10.0.2.2', 5000)
    sim.run(29_000)
    expect(b.mib('IpReasmFails')).toBe(0)
    sim.run(2000)
    expect(b.mib('IpReasmTimeout')).toBe(1)
    expect(b.mib('IpReasmFails')).toBe(1)
    expect(b.mib('IcmpOutTimeExcds')).toBe(1)
    expect(a.mib('IcmpInTimeExcds')).toBe(1)
    expect(server.heard.length).toBe(1)
    socket.close()
    server.close()
    sim.run(LONG_MS)
    expect(sim.leaks()).toEqual({})
  })
})

test('a closed port refuses a connected socket', async () => {
  const { sim, a, b } = await routed()
  const socket = openUdp(a)
  expect(socket.connect('10.0.2.2', 4000)).toBe(0)
  socket.send(bytes(10))
  sim.run(1000, () => socket.errors.length > 0)
  expect(socket.errors).toEqual([Errno.ECONNREFUSED])
  expect(b.mib('UdpNoPorts')).toBe(1)
  expect(a.mib('IcmpInDestUnreachs')).toBe(1)
  // and works again when someone listens there
  const server = openUdp(b, 4000)
  expect(socket.send(bytes(10))).toBe(10)
  expect(sim.run(1000, () => server.heard.length === 1)).toBe(true)
  socket.close()
  server.close()
  sim.run(LONG_MS)
  expect(sim.leaks()).toEqual({})
})

test('a neighbour that is not there costs the datagram: a socket is not told, as on Linux', async () => {
  const { sim, a } = await twoHosts()
  const socket = openUdp(a)
  socket.connect('10.0.1.9', 4000)
  expect(socket.send(bytes(10))).toBe(10)
  sim.run(5000)
  expect(a.drops('NEIGH_FAILED')).toBe(1)
  expect(socket.errors).toEqual([])
  socket.close()
  sim.run(LONG_MS)
  expect(sim.leaks()).toEqual({})
})

test('a broadcast reaches the other host and ourselves', async () => {
  const { sim, a, b } = await twoHosts()
  const mine = openUdp(a, 6000)
  const theirs = openUdp(b, 6000)
  expect(mine.send(bytes(20), '10.0.1.255', 6000)).toBe(-Errno.EACCES)
  a.stack.sockets.setsockopt(mine.sk, 1, 6, 1)
  expect(mine.send(bytes(20), '10.0.1.255', 6000)).toBe(20)
  sim.run(1000, () => theirs.heard.length === 1 && mine.heard.length === 1)
  expect(theirs.heard.length).toBe(1)
  expect(mine.heard.length).toBe(1)
  mine.close()
  theirs.close()
  sim.run(LONG_MS)
  expect(sim.leaks()).toEqual({})
})

test('a full receive buffer drops, and says so', async () => {
  const { sim, a, b } = await twoHosts()
  const socket = openUdp(a)
  const server = openUdp(b, 5000)
  b.stack.sockets.detach(server.sk)
  for (let k = 0; k < 300; k++) {
    socket.send(bytes(100), '10.0.1.2', 5000)
    sim.run(1)
  }
  expect(b.mib('UdpRcvbufErrors')).toBe(b.drops('SOCKET_RCVBUFF'))
  expect(b.drops('SOCKET_RCVBUFF')).toBeGreaterThan(100)
  socket.close()
  server.close()
  sim.run(LONG_MS)
  expect(sim.leaks()).toEqual({})
})
