import { describe, expect, test } from 'bun:test'
import { MSG_MORE, UDP_CORK } from '../../../../core/socket/socket-constants.ts'
import { IPPROTO_UDP } from '../../../../core/wire/ipproto.ts'
import { LONG_MS, routed6 } from '../../../../sim/net/routed.ts'
import { openUdp } from '../../../../sim/net/sim-apps.ts'

const TO = '10.0.2.2'

const begin = async () => {
  const net = await routed6({})
  const { a, b, sim } = net
  const server = openUdp(b, 5000)
  const socket = openUdp(a)
  const { sockets } = a.stack
  expect(socket.connect(TO, 5000)).toBe(0)
  const { sk } = socket
  /** Adds so many octets to what there is. */
  const add = (octets: number, flags = MSG_MORE): number =>
    sockets.sendmsg(sk, a.page, octets, flags)
  const cork = (on: number): number => sockets.setsockopt(sk, IPPROTO_UDP, UDP_CORK, on)
  const heard = (): number[] => {
    sim.run(1000)
    return server.heard.splice(0).map(({ bytes }) => bytes.length)
  }
  const end = (): void => {
    for (const each of [socket, server]) each.close()
    sim.run(LONG_MS)
    expect(sim.leaks()).toEqual({})
  }
  return { ...net, add, cork, heard, end }
}

describe('a datagram of several calls', () => {
  test('goes once, is counted once, and is as long as all of them', async () => {
    const { a, add, heard, end } = await begin()
    const before = a.mib('UdpOutDatagrams')
    for (const octets of [100, 0, 1000, 5000]) expect(add(octets)).toBe(octets)
    expect(heard()).toEqual([])
    expect(add(1, 0)).toBe(1)
    expect(heard()).toEqual([6101])
    expect(a.mib('UdpOutDatagrams')).toBe(before + 1)
    end()
  })
  test('goes when the cork is taken out, and the next call is one by itself again', async () => {
    const { add, cork, heard, end } = await begin()
    cork(1)
    for (const octets of [10, 20]) add(octets, 0)
    expect(heard()).toEqual([])
    expect(cork(0)).toBe(0)
    expect(heard()).toEqual([30])
    add(5, 0)
    expect(heard()).toEqual([5])
    end()
  })
  test('that grows too long is lost as a whole', async () => {
    const { add, heard, end } = await begin()
    add(60_000)
    expect(add(5508)).toBe(-90)
    expect(add(3, 0)).toBe(3)
    expect(heard()).toEqual([3])
    end()
  })
  test('is lost with its socket, whose packet is returned', async () => {
    const { add, heard, end } = await begin()
    add(5000)
    end()
    expect(heard()).toEqual([])
  })
})
