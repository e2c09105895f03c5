// Which of its host's addresses a socket speaks from, as it prefers them (RFC 5014).

import { expect, test } from 'bun:test'
import { AF_INET6 } from '../../core/base/family.ts'
import {
  IFA_ADDR,
  IFA_F_TEMPORARY,
  IFA_FLAGS,
  IFA_TOP,
} from '../../core/inet/addr/ifaddr-constants.ts'
import { IFADDR_WORDS } from '../../core/shm/layout.ts'
import { SK_SADDR, SOCK_DGRAM, SOCK_STREAM } from '../../core/socket/sock.ts'
import {
  IPPROTO_IPV6,
  IPV6_ADDR_PREFERENCES,
  IPV6_PREFER_SRC_PUBLIC,
  IPV6_PREFER_SRC_TMP,
} from '../../core/socket/socket-constants.ts'
import { formatWords, parseAddr } from '../../core/wire/text.ts'
import { A6, B6, routed6 } from '../../sim/net/routed.ts'
import { LONG_MS } from '../support/sim-topology.ts'

const TEMPORARY = '2001:db8:1::77'
const wordsOf = (text: string): Int32Array => Int32Array.from(parseAddr(text)!.words)

test.each([
  ['a datagram', SOCK_DGRAM],
  ['a stream', SOCK_STREAM],
])('%s', async (_, type) => {
  const { sim, a } = await routed6()
  const { i32, layout } = a.arena
  const { sockets } = a.stack
  const address = { dev: 'eth0', local: TEMPORARY, prefixlen: 64, flags: ['nodad'] }
  await a.must({ type: 'RTM_NEWADDR', flags: 0x600, address })
  sim.run(3000)
  const wanted = wordsOf(TEMPORARY)
  for (let n = 1; n < i32[layout.ifaddrs + IFA_TOP]!; n++) {
    const row = layout.ifaddrs + n * IFADDR_WORDS
    if (i32[row + IFA_ADDR + 3] === wanted[3]) i32[row + IFA_FLAGS]! |= IFA_F_TEMPORARY
  }
  const source = (prefs: number): string => {
    const sk = sockets.socket(AF_INET6, type, 0)
    expect(sockets.setsockopt(sk, IPPROTO_IPV6, IPV6_ADDR_PREFERENCES, prefs)).toBe(0)
    sockets.connect(sk, wordsOf(B6), 0, 9)
    const [w0, w1, w2, w3] = i32.subarray(sk + SK_SADDR, sk + SK_SADDR + 4)
    sockets.close(sk)
    return formatWords(w0!, w1!, w2!, w3!)
  }
  expect([0, IPV6_PREFER_SRC_TMP, IPV6_PREFER_SRC_PUBLIC].map(source)).toEqual([A6, TEMPORARY, A6])
  sim.run(LONG_MS)
  expect(sim.leaks()).toEqual({})
})
