// The port of a stream: given back by an attempt to connect that failed, unless its owner named it, and shown until there is another.

import { expect, test } from 'bun:test'
import { AF_INET } from '../../../../../core/base/family.ts'
import { Errno } from '../../../../../core/base/errno.ts'
import { SOCK_STREAM } from '../../../../../core/socket/sock.ts'
import { IP_BIND_ADDRESS_NO_PORT, IPPROTO_IP } from '../../../../../core/socket/socket-constants.ts'
import * as ipv4 from '../../../../../core/wire/ipv4.ts'
import * as tcp from '../../../../../core/wire/tcp.ts'
import { ip, ipText, tcpFrame, v4Words } from '../../../../../sim/net/packets.ts'
import { createRouter, fromServer, SERVER_MAC } from '../../../../../sim/net/path-host.ts'

const PEER = '10.0.3.9'
const OWN = '10.0.3.1'
const host = () => {
  const path = createRouter()
  path.setNeigh(3, PEER, SERVER_MAC)
  const { sockets, skbs } = path.first
  const bind = (sk: number, addr: string, port: number): number =>
    sockets.bind(sk, ...v4Words(addr === '' ? 0 : ip(addr)), port)
  const connect = (sk: number): number => sockets.connect(sk, ...v4Words(ip(PEER)), 80)
  const nameOf = (sk: number): string => {
    const skb = skbs.alloc(20, 0)
    const at = skbs.put(skb, 20) >> 2
    sockets.getsockname(sk, at)
    const { i32 } = path.arena
    const shown = `${ipText(i32[at + 3]!)} ${i32[at + 4]}`
    skbs.free(skb)
    return shown
  }
  /** Connects, and the peer refuses: the port from which that was tried. */
  const refused = (sk: number): number => {
    expect(connect(sk)).toBe(-Errno.EINPROGRESS)
    const { frame } = path.sent.pop()!
    const at = 14 + ipv4.headerLen(frame, 14)
    const sport = tcp.srcPort(frame, at)
    const answer = { sport: 80, dport: sport, flags: tcp.TCP_RST | tcp.TCP_ACK }
    const ack = (tcp.seq(frame, at) + 1) | 0
    path.receive(tcpFrame(fromServer, { saddr: PEER, daddr: OWN }, { ...answer, ack }), 3)
    expect(nameOf(sk)).toBe(`${OWN} ${sport}`)
    expect(connect(sk)).toBe(-Errno.ECONNREFUSED)
    return sport
  }
  const stream = (): number => sockets.socket(AF_INET, SOCK_STREAM, 0)
  return { path, sockets, bind, nameOf, refused, stream }
}

test.each([
  ['that was not bound', undefined, 0, '0.0.0.0'],
  ['whose address was named', OWN, 0, OWN],
  ['whose port and address were named', OWN, 7000, OWN],
  ['whose port was named', '', 7000, '0.0.0.0'],
] as const)('of one %s, an attempt that fails leaves what was', (_, addr, port, left) => {
  const { path, sockets, bind, nameOf, refused, stream } = host()
  const sk = stream()
  if (addr !== undefined) expect(bind(sk, addr, port)).toBe(0)
  const first = refused(sk)
  expect(nameOf(sk)).toBe(`${left} ${first}`)
  // another may have what was given back
  const other = stream()
  expect(bind(other, OWN, first)).toBe(port === 0 ? 0 : -Errno.EADDRINUSE)
  sockets.close(other)
  expect(refused(sk) === first).toBe(port !== 0)
  expect(bind(sk, OWN, 7001)).toBe(port === 0 ? 0 : -Errno.EINVAL)
  expect(nameOf(sk)).toBe(port === 0 ? `${OWN} 7001` : `${left} 7000`)
  sockets.close(sk)
  expect(path.isAllReturned()).toBe(true)
})
test('one that was bound without a port listens where it was bound', () => {
  const { path, sockets, bind, nameOf, refused, stream } = host()
  const sk = stream()
  expect(sockets.setsockopt(sk, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)).toBe(0)
  refused(sk)
  // what it had is forgotten
  expect(bind(sk, OWN, 0)).toBe(0)
  expect(nameOf(sk)).toBe(`${OWN} 0`)
  expect(sockets.listen(sk, 1)).toBe(0)
  expect(nameOf(sk)).toMatch(/^10\.0\.3\.1 [1-9]\d+$/)
  sockets.close(sk)
  expect(path.isAllReturned()).toBe(true)
})
