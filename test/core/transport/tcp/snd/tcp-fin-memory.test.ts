// FINs and SYNs where data has filled the write queues: they find room in the line of packet memory, or go with the last
// segment when it is sent again, and the line is never more than full.

import { AF_INET } from '../../../../../core/base/family.ts'
import { expect, test } from 'bun:test'
import { Errno } from '../../../../../core/base/errno.ts'
import { Holder } from '../../../../../core/skb/budget.ts'
import { SOCK_STREAM } from '../../../../../core/socket/sock.ts'
import { createTcpHosts } from '../../../../support/tcp-hosts.ts'
import { v4Words } from '../../../../../sim/net/packets.ts'

const PORT = 5000
const CONNECTIONS = 120

test('many connections that end while their peers do not read keep the bound, and all end', () => {
  const small = { smallBuffers: 512, skbs: 1024, largeBuffers: 16, socks: 512 }
  const hosts = createTcpHosts({
    a: { config: small },
    b: { config: { smallBuffers: 8192, skbs: 16384, socks: 512 } },
  })
  const { a, b, step, until } = hosts
  const bound = a.skbs.budget.bounds[Holder.tcp_snd * 2]!
  const held = (): number => a.skbs.budget.smallHeld(Holder.tcp_snd)
  let most = 0
  const tick = (): void => {
    step()
    most = Math.max(most, held())
  }
  const listener = b.sockets.socket(AF_INET, SOCK_STREAM, 0)
  expect(b.sockets.bind(listener, ...v4Words(0), PORT)).toBe(0)
  expect(b.sockets.listen(listener, CONNECTIONS)).toBe(0)
  const all = Array.from({ length: CONNECTIONS }, () => {
    const sk = a.sockets.socket(AF_INET, SOCK_STREAM, 0)
    const error = a.sockets.connect(sk, ...v4Words(b.addr), PORT)
    expect([-Errno.EINPROGRESS, -Errno.ENOBUFS, -Errno.ECONNREFUSED]).toContain(error)
    tick()
    tick()
    return sk
  })
  for (let k = 0; k < 5; k++) tick()
  const children = all.map(() => b.sockets.accept(listener)).filter((sk) => sk > 0)
  expect(children.length).toBe(CONNECTIONS)
  // each sends small pieces that nobody reads until there is no memory for more
  const piece = new Uint8Array(100)
  for (let round = 0; round < 40; round++) {
    for (const sk of all) a.sockets.sendBytes(sk, piece, 0, piece.length)
    tick()
  }
  for (const sk of all) {
    a.sockets.close(sk)
    most = Math.max(most, held())
  }
  for (let k = 0; k < 100; k++) tick()
  expect(most).toBeLessThanOrEqual(bound)
  // now they read: to the end, or to the reset of one that had to give way
  const page = b.arena.layout.scratch << 2
  const ended = new Set<number>()
  until(() => {
    most = Math.max(most, held())
    for (const child of children) {
      if (ended.has(child)) continue
      for (let n = 1; n > 0; ) {
        n = b.sockets.recvmsg(child, page, 4096)
        if (n === 0 || (n < 0 && n !== -Errno.EAGAIN)) ended.add(child)
      }
    }
    return ended.size === children.length
  }, 'the end of all')
  expect(most).toBeLessThanOrEqual(bound)
  for (const child of children) b.sockets.close(child)
  until(() => held() === 0, 'nothing held')
})
