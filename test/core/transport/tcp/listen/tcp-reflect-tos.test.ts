import { expect, test } from 'bun:test'
import { AF_INET } from '../../../../../core/base/family.ts'
import { Sysctl } from '../../../../../core/shm/sysctl.ts'
import { SOCK_STREAM } from '../../../../../core/socket/sock.ts'
import * as ipv4 from '../../../../../core/wire/ipv4.ts'
import { TCP_SYN } from '../../../../../core/wire/tcp.ts'
import { createRouter, toRouter } from '../../../../../sim/net/path-host.ts'
import { tcpFrame, v4Words } from '../../../../../sim/net/packets.ts'

/** TOS of the answer to a SYN with this TOS. */
const answered = (reflects: number, tos: number): number => {
  const path = createRouter()
  path.setNeigh(2, '10.0.2.9', toRouter.src)
  path.setSysctl(Sysctl.tcp_reflect_tos, reflects)
  const { sockets } = path.first
  const listener = sockets.socket(AF_INET, SOCK_STREAM, 0)
  sockets.bind(listener, ...v4Words(0), 80)
  sockets.listen(listener, 8)
  const fields = { saddr: '10.0.2.9', daddr: '10.0.2.1', tos }
  path.receive(tcpFrame(toRouter, fields, { sport: 4000, dport: 80, flags: TCP_SYN }), 2)
  return ipv4.tos(path.sent[0]!.frame, 14)
}

test('a connection has the TOS of its SYN where tcp_reflect_tos says so, but for ECN', () => {
  expect(answered(0, 0xab)).toBe(0)
  expect(answered(1, 0xab)).toBe(0xa8)
})
