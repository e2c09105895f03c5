// TCP_DEFER_ACCEPT: what is counted, and that a request which waits for text ends when nobody sends any. What goes over the
// wire is in test/scripts/linux-defer-accept*.pkt.

import { expect, test } from 'bun:test'
import { TCP_DEFER_ACCEPT } from '../../../../../core/socket/socket-constants.ts'
import { IPPROTO_TCP } from '../../../../../core/wire/ipproto.ts'
import { FAMILIES, NO_LEAKS } from '../../../../support/tcp-host.ts'
import { createTcpScript } from '../../../../support/tcp-script.ts'

test.each(FAMILIES)('%s: bare ACKs are counted and dropped, and the request ends', (_, family) => {
  const { host, inject, pass, sent } = createTcpScript(family)
  const children: number[] = []
  const listener = host.serve(80, (child) => children.push(child))
  expect(host.tcp.setOption(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, 3)).toBe(0)
  inject('S 0:0(0) win 65535', { mss: 1460 })
  inject('. 1:1(0) ack 1 win 65535')
  inject('. 1:1(0) ack 1 win 65535')
  expect(host.mib('TcpExtTCPDeferAcceptDrop')).toBe(2)
  expect(host.drops('TCP_DEFER_ACCEPT')).toBe(2)
  expect(sent()).toHaveLength(1)
  pass(200_000)
  expect(children).toEqual([])
  expect(host.slab.live()).toBe(1)
  host.tcp.close(listener)
  pass(1000)
  expect(host.leaks()).toEqual(NO_LEAKS)
})

test.each([
  [-5, 0, 0],
  [1, 1, 1],
  [2, 2, 3],
  [60, 6, 63],
  [1_000_000, 255, 29887],
])('%d seconds are %d retransmissions, which take %d', (seconds, _retrans, taken) => {
  const { host } = createTcpScript(2)
  const sk = host.tcp.open(2)
  host.tcp.setOption(sk, IPPROTO_TCP, TCP_DEFER_ACCEPT, seconds)
  expect(host.tcp.getOption(sk, IPPROTO_TCP, TCP_DEFER_ACCEPT)).toBe(taken)
  host.tcp.close(sk)
})
