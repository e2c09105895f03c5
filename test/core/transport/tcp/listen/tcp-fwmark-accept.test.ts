import { expect, test } from 'bun:test'
import { AF_INET } from '../../../../../core/base/family.ts'
import { Sysctl } from '../../../../../core/shm/sysctl.ts'
import { SK_MARK, SOCK_STREAM } from '../../../../../core/socket/sock.ts'
import { SO_MARK, SOL_SOCKET } from '../../../../../core/socket/socket-constants.ts'
import * as tcp from '../../../../../core/wire/tcp.ts'
import { createRouter, toRouter } from '../../../../../sim/net/path-host.ts'
import { tcpFrame, v4Words } from '../../../../../sim/net/packets.ts'

/** Marks of the answer to a SYN that is marked with 7, and of the connection that it begins. */
const marks = (accepts: number, own: number): number[] => {
  const path = createRouter()
  path.setNeigh(2, '10.0.2.9', toRouter.src)
  path.setSysctl(Sysctl.tcp_fwmark_accept, accepts)
  const { sockets } = path.first
  const listener = sockets.socket(AF_INET, SOCK_STREAM, 0)
  sockets.setsockopt(listener, SOL_SOCKET, SO_MARK, own)
  sockets.bind(listener, ...v4Words(0), 80)
  sockets.listen(listener, 8)
  const [fields, ports] = [
    { saddr: '10.0.2.9', daddr: '10.0.2.1' },
    { sport: 4000, dport: 80 },
  ]
  const say = (more: object): void =>
    path.receive(tcpFrame(toRouter, fields, { ...ports, ...more }), 2, path.first, 7)
  say({ flags: tcp.TCP_SYN })
  const [answer] = path.sent
  const ack = (tcp.seq(answer!.frame, 34) + 1) | 0
  say({ flags: tcp.TCP_ACK, seq: 1, ack })
  const child = sockets.accept(listener)
  return [answer!.mark, path.arena.i32[child + SK_MARK]!]
}

test('a connection has the mark of its SYN where tcp_fwmark_accept says so, unless its listener has one', () => {
  expect(marks(0, 0)).toEqual([0, 0])
  expect(marks(1, 0)).toEqual([7, 7])
  expect(marks(1, 5)).toEqual([5, 5])
})
