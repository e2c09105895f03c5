// When what a stream reads came (SO_TIMESTAMP), where programs against the kernel do not reach: text out of order, and text that was
// put together. The rest is in test/twin/calls/streams.ts. Text that is read as the skb that it came in.

import { describe, expect, test } from 'bun:test'
import { Errno } from '../../../../../core/base/errno.ts'
import { AF_INET } from '../../../../../core/base/family.ts'
import { CMSG_HEADER } from '../../../../../core/socket/msg/cmsg.ts'
import {
  IPPROTO_IPV6,
  IPV6_2292PKTOPTIONS,
  IPV6_RECVHOPLIMIT,
  MSG_PEEK,
  SO_RCVBUF,
  SO_TIMESTAMP,
  SOL_SOCKET,
} from '../../../../../core/socket/socket-constants.ts'
import { SK_RCVQ_HEAD, SK_RMEM } from '../../../../../core/socket/sock.ts'
import { SKB_DATA, SKB_LEN } from '../../../../../core/skb/skb.ts'
import { pattern } from '../../../../../sim/net/pattern.ts'
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

describe.each(FAMILIES)('%s: an skb read whole', (_, family) => {
  const connected = () => {
    const script = createTcpScript(family)
    const { host } = script
    const { i32 } = host
    const u8 = new Uint8Array(i32.buffer)
    const sk = script.establish()
    const buffer = host.skbs.alloc(2000, 64)
    /** Takes the first skb, which has `len` bytes of the stream from `at` on. */
    const take = (len: number, at: number): void => {
      const first = i32[sk + SK_RCVQ_HEAD]!
      const skb = host.tcp.readSkb(sk, 2000)
      expect([skb, i32[skb + SKB_LEN]]).toEqual([first, len])
      const data = i32[skb + SKB_DATA]!
      for (let k = 0; k < len; k++) expect(u8[data + k]).toBe(pattern(at + k))
      host.consume(skb)
    }
    const read = (len: number): number => host.tcp.recvmsg(sk, i32[buffer + SKB_DATA]!, len)
    const finish = (): void => {
      host.consume(buffer)
      host.tcp.close(sk)
      script.pass(1_200_000)
      expect(host.leaks()).toEqual(NO_LEAKS)
    }
    return { ...script, sk, take, read, finish }
  }

  test('is what the queue held, and acknowledged as a copy of it would be', () => {
    const { host, sk, inject, sent, take, read, finish } = connected()
    for (const [from, ack] of [
      [1, 1001],
      [1001, 2001],
    ] as const) {
      inject(`P. ${from}:${ack}(1000) ack 1`)
      take(1000, from - 1)
      expect(sent()).toEqual([`. 1:1(0) ack ${ack}`])
    }
    expect([host.i32[sk + SK_RMEM], read(10), host.tcp.readSkb(sk, 10)]).toEqual([0, -11, -11])
    finish()
  })
  test('begins where a read before it has ended, and the end of the stream comes behind it', () => {
    const { host, sk, inject, take, read, finish } = connected()
    inject('FP. 1:1001(1000) ack 1')
    expect(read(10)).toBe(10)
    take(990, 10)
    expect([host.tcp.readSkb(sk, 10), read(10)]).toEqual([0, 0])
    finish()
  })
  test('is none where the connection is broken: recvmsg tells that', () => {
    const { host, sk, inject, read, finish } = connected()
    expect(host.tcp.readSkb(sk, 10)).toBe(-Errno.EAGAIN)
    inject('R. 1:1(0) ack 1')
    expect([host.tcp.readSkb(sk, 10), read(10)]).toEqual([0, -Errno.ECONNRESET])
    expect([host.tcp.readSkb(sk, 10), read(10)]).toEqual([0, 0])
    finish()
  })
  test('is not what has no room, is a little of more, is shared, or has a time that is to be told', () => {
    const { host, sk, inject, take, read, finish } = connected()
    inject('P. 1:1001(1000) ack 1')
    const clone = host.skbs.clone(host.i32[sk + SK_RCVQ_HEAD]!)
    expect([host.tcp.readSkb(sk, 999), host.tcp.readSkb(sk, 1000)]).toEqual([0, 0])
    host.consume(clone)
    inject('P. 1001:2401(1400) ack 1')
    expect(host.tcp.readSkb(sk, 2000)).toBe(0)
    expect(read(1000)).toBe(1000)
    host.sockets.setsockopt(sk, SOL_SOCKET, SO_TIMESTAMP, 1)
    expect(host.tcp.readSkb(sk, 2000)).toBe(0)
    host.sockets.setsockopt(sk, SOL_SOCKET, SO_TIMESTAMP, 0)
    take(1400, 1000)
    finish()
  })
})
