// When datagrams went (SO_TIMESTAMPING), on a link: what is told, by whose clock, and that nobody keeps what is not read.

import { describe, expect, test } from 'bun:test'
import { Errno } from '../../core/base/errno.ts'
import { CMSG_HEADER } from '../../core/socket/msg/cmsg.ts'
import {
  MSG_ERRQUEUE,
  SCM_TSTAMP_SCHED,
  SCM_TSTAMP_SND,
  SO_EE_ORIGIN_TIMESTAMPING,
  SO_TIMESTAMPING,
  SOF_TIMESTAMPING_OPT_ID,
  SOF_TIMESTAMPING_SOFTWARE,
  SOF_TIMESTAMPING_TX_SCHED,
  SOF_TIMESTAMPING_TX_SOFTWARE,
  SOL_SOCKET,
} from '../../core/socket/socket-constants.ts'
import { openUdp } from '../../sim/net/sim-apps.ts'
import { LONG_MS, routed6 } from '../../sim/net/routed.ts'

const ETH_IP_UDP = 14 + 20 + 8
const BOTH = SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_SOFTWARE

const begin = async (flags: number) => {
  const net = await routed6({})
  const { a, b } = net
  const server = openUdp(b, 5000)
  const socket = openUdp(a)
  const { sockets } = a.stack
  // neighbours are known
  socket.send(new Uint8Array(1), '10.0.2.2', 5000)
  net.sim.run(1000)
  const set = SOF_TIMESTAMPING_SOFTWARE | flags
  expect(sockets.setsockopt(socket.sk, SOL_SOCKET, SO_TIMESTAMPING, set)).toBe(0)
  /** The oldest of the error queue: its octets, what it is of, and its number; or -errno. */
  const take = () => {
    const n = sockets.recvfrom(socket.sk, a.page, 2000, MSG_ERRQUEUE)
    if (n < 0) return n
    const { words } = sockets.control
    // behind the time
    const at = CMSG_HEADER + words[2]! / 4 + CMSG_HEADER
    expect([words[at], words[at + 1]! & 255]).toEqual([Errno.ENOMSG, SO_EE_ORIGIN_TIMESTAMPING])
    return {
      frame: Buffer.from(a.arena.u8.slice(a.page, a.page + n)),
      of: words[at + 2],
      key: words[at + 3],
    }
  }
  const end = (): void => {
    for (const each of [socket, server]) each.close()
    net.sim.run(LONG_MS)
    expect(net.sim.leaks()).toEqual({})
  }
  return { ...net, server, socket, take, end }
}

describe('datagrams with time stamps', () => {
  test('are told of twice, with the frame as it was sent, and arrive', async () => {
    const { sim, server, socket, take, end } = await begin(BOTH | SOF_TIMESTAMPING_OPT_ID)
    for (const octet of [7, 8]) socket.send(new Uint8Array(10).fill(octet), '10.0.2.2', 5000)
    sim.run(100)
    for (const [key, octet] of [7, 8].entries())
      for (const of of [SCM_TSTAMP_SCHED, SCM_TSTAMP_SND]) {
        const told = take()
        expect(told).toMatchObject({ of, key })
        const { frame } = told as { frame: Buffer }
        expect(frame.subarray(ETH_IP_UDP)).toEqual(Buffer.alloc(10, octet))
        expect(frame.readUInt16BE(12)).toBe(0x0800)
      }
    expect(take()).toBe(-Errno.EAGAIN)
    expect(server.heard.slice(1).map(({ bytes }) => bytes[0])).toEqual([7, 8])
    end()
  })
  test('that nobody asks for are kept within bounds, and go with the socket', async () => {
    const { sim, server, socket, end } = await begin(BOTH)
    for (let k = 0; k < 400; k++) {
      socket.send(new Uint8Array(10), '10.0.2.2', 5000)
      if (k % 50 === 0) sim.run(10)
    }
    sim.run(100)
    expect(server.heard).toHaveLength(401)
    end()
  })
  test('whose neighbour does not answer are never told of, and leave nothing', async () => {
    const { sim, socket, take, end } = await begin(BOTH)
    socket.send(new Uint8Array(10), '10.0.1.77', 5000)
    sim.run(LONG_MS)
    expect(take()).toBe(-Errno.EAGAIN)
    end()
  })
})
