// A sender that wants its datagrams whole is told how much the way takes, as soon as that is known (RFC 3542 section 11).

import { expect, test } from 'bun:test'
import { AF_INET6 } from '../../core/base/family.ts'
import { Errno } from '../../core/base/errno.ts'
import {
  IPPROTO_IPV6,
  IPV6_DONTFRAG,
  IPV6_PATHMTU,
  IPV6_RECVPATHMTU,
} from '../../core/socket/socket-constants.ts'
import { SOCK_DGRAM } from '../../core/socket/sock.ts'
import { parseAddr } from '../../core/wire/text.ts'
import { B6, routed6 } from '../../sim/net/routed.ts'
import { LONG_MS } from '../support/sim-topology.ts'

const WIDE = 1500
const NARROW = 1400
const HEADERS = 48

test('IPV6_RECVPATHMTU and IPV6_PATHMTU have what was learned of the way', async () => {
  const { sim, a } = await routed6({ narrow: NARROW })
  const { sockets } = a.stack
  const to = Int32Array.from(parseAddr(B6)!.words)
  const sk = sockets.socket(AF_INET6, SOCK_DGRAM, 0)
  for (const name of [IPV6_DONTFRAG, IPV6_RECVPATHMTU])
    expect(sockets.setsockopt(sk, IPPROTO_IPV6, name, 1)).toBe(0)
  expect(sockets.connect(sk, to, 0, 9)).toBe(0)
  /** The MTU of a struct ip6_mtuinfo. */
  const mtuAt = (words: Int32Array, at: number): number => words[at + 7]!
  const pathMtu = (): number => {
    const words = new Int32Array(16)
    expect(sockets.getsockoptName(sk, IPPROTO_IPV6, IPV6_PATHMTU, words, 0)).toBe(32)
    return mtuAt(words, 0)
  }
  expect(pathMtu()).toBe(WIDE)
  // it goes, and a router says that it is too long
  expect(sockets.sendmsg(sk, a.page, WIDE - HEADERS, 0)).toBe(WIDE - HEADERS)
  expect(sockets.recvfrom(sk, a.page, 9)).toBe(-Errno.EAGAIN)
  sim.run(200)
  expect(pathMtu()).toBe(NARROW)
  // without IPV6_RECVERR the router's message waits for the next call alone
  sockets.getsockopt(sk, 1, 4)
  expect(sockets.sendmsg(sk, a.page, WIDE - HEADERS, 0)).toBe(-Errno.EMSGSIZE)
  expect(sockets.recvfrom(sk, a.page, 9)).toBe(0)
  const { control } = sockets
  expect([...control.words.subarray(0, 3)]).toEqual([IPPROTO_IPV6, IPV6_PATHMTU, 32])
  expect(mtuAt(control.words, 3)).toBe(NARROW)
  expect([...sockets.peerOf(sk).subarray(0, 4)]).toEqual([...to])
  expect(sockets.recvfrom(sk, a.page, 9)).toBe(-Errno.EAGAIN)
  sockets.close(sk)
  sim.run(LONG_MS)
  expect(sim.leaks()).toEqual({})
})
