// The services over the real TCP, under loss.
import { AF_INET } from '../../../core/base/family.ts'
import { describe, expect, test } from 'bun:test'
import { Errno } from '../../../core/base/errno.ts'
import { chargenPattern, PATTERN_BYTES } from '../../../core/socket/services/chargen.ts'
import { SHUT_WR } from '../../../core/socket/socket-constants.ts'
import { SOCK_STREAM } from '../../../core/socket/sock.ts'
import { randomBytes } from '../../support/random.ts'
import { createTcpHosts, type TcpHosts } from '../../support/tcp-hosts.ts'
import { v4Words } from '../../../sim/net/packets.ts'

const setUp = (seed: number, lossPerMille: number) => {
  const hosts = createTcpHosts({ seed, lossPerMille })
  expect(hosts.b.services.configure({ echo: true, discard: true, chargen: true })).toBe(true)
  atRest.set(hosts, largesOf(hosts))
  return hosts
}
const connect = ({ a, b, step }: TcpHosts, port: number): number => {
  const sk = a.sockets.socket(AF_INET, SOCK_STREAM, 0)
  expect(a.sockets.connect(sk, ...v4Words(b.addr), port)).toBe(-Errno.EINPROGRESS)
  step()
  return sk
}
/** Nothing is left of a connection but, for a while, its TIME_WAIT. */
const settle = (hosts: TcpHosts, listeners: number): void => {
  hosts.until(() => hosts.b.slab.live() <= listeners && hosts.a.slab.live() === 0, 'the end')
  expect(largesOf(hosts)).toBe(atRest.get(hosts)!)
}
/** Large buffers that the host of the services has free: at rest as many as before the first connection. */
const largesOf = ({ b }: TcpHosts): number => b.arena.i32[b.arena.layout.freeLarges]!
const atRest = new WeakMap<TcpHosts, number>()

describe('echo', () => {
  test.each([
    [1, 0],
    [2, 0],
    [3, 20],
    [4, 50],
  ])('gives back every byte over TCP (seed %i, loss %i per mille)', (seed, loss) => {
    const hosts = setUp(seed, loss)
    const { a, b, until, random } = hosts
    const listeners = b.slab.live()
    const data = randomBytes(random, 600000)
    const back = new Uint8Array(data.length)
    const sk = connect(hosts, 7)
    let sent = 0
    let got = 0
    let ended = false
    until(() => {
      const n = Math.min(data.length - sent, (random() >>> 1) % 30000)
      if (n > 0) sent += Math.max(0, a.sockets.sendBytes(sk, data, sent, n))
      else if (sent === data.length) a.sockets.shutdown(sk, SHUT_WR)
      // a slow reader, so that the echo must wait
      if ((random() & 7) !== 0) return false
      const page = a.arena.layout.scratch << 2
      const m = a.sockets.recvmsg(sk, page, 4096)
      if (m > 0) {
        back.set(a.arena.u8.subarray(page, page + m), got)
        got += m
      }
      ended = m === 0
      return ended || (m < 0 && m !== -Errno.EAGAIN)
    }, 'the echo')
    expect(ended).toBe(true)
    expect(got).toBe(data.length)
    expect(Buffer.from(back).equals(Buffer.from(data))).toBe(true)
    a.sockets.close(sk)
    settle(hosts, listeners)
  })
})

test('chargen goes on until the peer has had enough', () => {
  const hosts = setUp(5, 10)
  const { a, b, until } = hosts
  const listeners = b.slab.live()
  const sk = connect(hosts, 19)
  const page = a.arena.layout.scratch << 2
  const pattern = chargenPattern()
  let got = 0
  let wrong = 0
  until(() => {
    const n = a.sockets.recvmsg(sk, page, 4096)
    for (let k = 0; k < n; k++)
      if (a.arena.u8[page + k] !== pattern[(got + k) % PATTERN_BYTES]) wrong++
    got += Math.max(0, n)
    return got > 200000
  }, 'characters')
  expect(wrong).toBe(0)
  a.sockets.close(sk)
  settle(hosts, listeners)
})

test('discard swallows as fast as it comes', () => {
  const hosts = setUp(6, 0)
  const { a, b, until } = hosts
  const listeners = b.slab.live()
  const data = new Uint8Array(3000000)
  const sk = connect(hosts, 9)
  let sent = 0
  until(() => {
    sent += Math.max(0, a.sockets.sendBytes(sk, data, sent, data.length - sent))
    return sent === data.length
  }, 'sending')
  a.sockets.close(sk)
  settle(hosts, listeners)
})
