// When what a stream reads came (SO_TIMESTAMP), where programs against the kernel do not reach: text out of order, and text that was
// put together. The rest is in test/twin/calls/streams.ts.

import { describe, expect, test } from 'bun:test'
import { AF_INET } from '../../../../../core/base/family.ts'
import { CMSG_HEADER } from '../../../../../core/socket/cmsg.ts'
import {
  IPPROTO_IPV6,
  IPV6_2292PKTOPTIONS,
  IPV6_RECVHOPLIMIT,
  MSG_PEEK,
  SO_RCVBUF,
  SO_TIMESTAMP,
  SOL_SOCKET,
} from '../../../../../core/socket/socket-constants.ts'
import { tcpInfo } from '../../../../../core/transport/tcp/sock/tcp-info.ts'
import { FAMILIES, NO_LEAKS } from '../../../../support/tcp-host.ts'
import { createTcpScript } from '../../../../support/tcp-script.ts'

const START_S = 1000

const timed = (family: number) => {
  const script = createTcpScript(family)
  const { host } = script
  const sk = script.establish()
  host.sockets.setsockopt(sk, SOL_SOCKET, SO_TIMESTAMP, 1)
  const buffer = host.skbs.alloc(2000, 64)
  const { control } = host.sockets
  /** How much a call reads, and the milliseconds from the start when that came. */
  const receive = (len: number, flags = 0): [n: number, ms: number | null] => {
    const n = host.sockets.recvmsg(sk, host.i32[buffer + 1]!, len, flags)
    if (control.length() === 0) return [n, null]
    const [level, type, size, seconds, , us] = control.words
    expect([level, type, size]).toEqual([SOL_SOCKET, SO_TIMESTAMP, 16])
    expect(control.length()).toBe(CMSG_HEADER + 4)
    return [n, (seconds! - START_S) * 1000 + us! / 1000]
  }
  const finish = (): void => {
    host.consume(buffer)
    host.tcp.close(sk)
    script.pass(1_200_000)
    expect(host.leaks()).toEqual(NO_LEAKS)
  }
  return { ...script, sk, receive, finish }
}

describe.each(FAMILIES)('%s', (_, family) => {
  test('what is read came when the last of it did', () => {
    const { inject, pass, receive, finish } = timed(family)
    pass(20)
    inject('P. 1:1001(1000) ack 1')
    pass(20)
    inject('P. 1001:2001(1000) ack 1')
    pass(20)
    expect(receive(10, MSG_PEEK)).toEqual([10, 20])
    expect(receive(1000)).toEqual([1000, 20])
    expect(receive(10)).toEqual([10, 40])
    expect(receive(2000)).toEqual([990, 40])
    expect(receive(2000)).toEqual([-11, null])
    finish()
  })
  test('what waited for a hole came before the hole was filled', () => {
    const { host, sk, inject, pass, receive, finish } = timed(family)
    pass(10)
    inject('P. 1001:2001(1000) ack 1')
    pass(30)
    inject('P. 1:1001(1000) ack 1')
    pass(10)
    expect(tcpInfo(host.arena, sk, 0)).toMatchObject({ rcv_ooopack: 1 })
    expect(receive(500)).toEqual([500, 40])
    expect(receive(2000)).toEqual([1500, 10])
    finish()
  })
  test('small segments that lie in one buffer came when the last of them did', () => {
    const { host, sk, inject, pass, receive, finish } = timed(family)
    host.sockets.setsockopt(sk, SOL_SOCKET, SO_RCVBUF, 1)
    for (let k = 0; k < 20; k++) {
      inject(`P. ${1 + 10 * k}:${11 + 10 * k}(10) ack 1`)
      pass(1)
    }
    expect(host.mib('TcpExtTCPRcvCoalesce')).toBeGreaterThan(0)
    expect(receive(200)).toEqual([200, 19])
    finish()
  })
  test('text of before anybody asked has no time', () => {
    const { host, inject, sk, receive, finish } = timed(family)
    host.sockets.setsockopt(sk, SOL_SOCKET, SO_TIMESTAMP, 0)
    inject('P. 1:1001(1000) ack 1')
    host.sockets.setsockopt(sk, SOL_SOCKET, SO_TIMESTAMP, 1)
    inject('P. 1001:2001(1000) ack 1')
    expect(receive(1000)).toEqual([1000, null])
    expect(receive(1000)).toEqual([1000, 0])
    finish()
  })
  test('the hops that are kept are those of the last segment in order', () => {
    const { host, inject, sk, finish } = timed(family)
    const hops = (): number => {
      const words = new Int32Array(16)
      const n = host.sockets.getsockoptName(sk, IPPROTO_IPV6, IPV6_2292PKTOPTIONS, words, 0)
      return n < 0 ? n : words[CMSG_HEADER]!
    }
    const refused = family === AF_INET ? -92 : 0
    expect(host.sockets.setsockopt(sk, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1)).toBe(refused)
    inject('P. 1:11(10) ack 1', { ttl: 60 })
    inject('P. 21:31(10) ack 1', { ttl: 50 })
    expect(hops()).toBe(family === AF_INET ? -95 : 60)
    inject('. 11:11(0) ack 1', { ttl: 40 })
    expect(hops()).toBe(family === AF_INET ? -95 : 40)
    finish()
  })
})
