// Urgent data where scripts do not reach: which octet it is, the mark (sockatmark), what the socket's holder is told, and
// what listeners hand down. The rest is in test/scripts/rfc6093-*.pkt.

import { describe, expect, test } from 'bun:test'
import { SK_EVENT_PRI } from '../../../../../core/socket/sock.ts'
import { MSG_OOB, SO_OOBINLINE, SOL_SOCKET } from '../../../../../core/socket/socket-constants.ts'
import { createTcpPair } from '../../../../support/tcp-pair.ts'
import { FAMILIES, NO_LEAKS } from '../../../../support/tcp-host.ts'

const opened = (family: number) => {
  const pair = createTcpPair({ family })
  const { a, b } = pair
  let child = 0
  const listener = b.serve(80, (sk) => {
    child = sk
  })
  const sk = a.dial(b.address, 80)
  pair.run(1000, () => child !== 0)
  const read = (len: number): number[] => {
    const bytes = new Uint8Array(len)
    const n = b.tcp.recvBytes(child, bytes, 0, len)
    return n < 0 ? [n] : [...bytes.subarray(0, n)]
  }
  const readOob = (): number[] => {
    const bytes = new Uint8Array(8)
    const n = b.tcp.recvBytes(child, bytes, 0, 8, MSG_OOB)
    return n < 0 ? [n] : [...bytes.subarray(0, n)]
  }
  const send = (bytes: number[], flags = 0): void => {
    expect(a.tcp.sendBytes(sk, Uint8Array.from(bytes), 0, bytes.length, flags)).toBe(bytes.length)
    pair.run(100)
  }
  const finish = (): void => {
    a.tcp.close(sk)
    b.tcp.close(child)
    b.tcp.close(listener)
    pair.run(200_000)
    expect(a.leaks()).toEqual(NO_LEAKS)
    expect(b.leaks()).toEqual(NO_LEAKS)
  }
  return { pair, a, b, sk, child: () => child, read, readOob, send, finish }
}

describe.each(FAMILIES)('%s', (_, family) => {
  test('the octet that was sent last is the urgent one, and no part of the stream', () => {
    const { b, child, read, readOob, send, finish } = opened(family)
    send([1, 2])
    send([3, 4, 5], MSG_OOB)
    send([6, 7])
    expect(readOob()).toEqual([5])
    expect(b.tcp.isAtMark(child())).toBe(false)
    expect(read(10)).toEqual([1, 2, 3, 4])
    expect(b.tcp.isAtMark(child())).toBe(true)
    expect(read(10)).toEqual([6, 7])
    expect(b.tcp.isAtMark(child())).toBe(false)
    finish()
  })
  test('who wakes for urgent data is told, once for the pointer and once for the octet', () => {
    const { b, child, send, finish } = opened(family)
    const told: number[] = []
    b.handlers.set(child(), (events) => told.push(events & SK_EVENT_PRI))
    send([1])
    expect(told.some((bits) => bits !== 0)).toBe(false)
    send([2], MSG_OOB)
    expect(told.some((bits) => bits !== 0)).toBe(true)
    finish()
  })
  test('one octet alone leaves a stream without any', () => {
    const { read, readOob, send, finish } = opened(family)
    send([9], MSG_OOB)
    expect(readOob()).toEqual([9])
    expect(readOob()).toEqual([-22])
    expect(read(10)).toEqual([-11])
    send([1, 2])
    expect(read(10)).toEqual([1, 2])
    finish()
  })
  test('reading on beyond the mark forgets it', () => {
    const { read, readOob, send, finish } = opened(family)
    send([9], MSG_OOB)
    expect(read(10)).toEqual([-11])
    expect(readOob()).toEqual([-22])
    finish()
  })
  test('in line it is read as any other', () => {
    const { b, child, read, readOob, send, finish } = opened(family)
    b.sockets.setsockopt(child(), SOL_SOCKET, SO_OOBINLINE, 1)
    send([1, 2])
    send([3, 4], MSG_OOB)
    expect(readOob()).toEqual([-22])
    expect(read(10)).toEqual([1, 2, 3])
    expect(b.tcp.isAtMark(child())).toBe(true)
    expect(read(10)).toEqual([4])
    finish()
  })
  test('a listener hands SO_OOBINLINE down', () => {
    const pair = createTcpPair({ family })
    const { a, b } = pair
    let child = 0
    const listener = b.serve(80, (sk) => {
      child = sk
    })
    b.sockets.setsockopt(listener, SOL_SOCKET, SO_OOBINLINE, 1)
    const sk = a.dial(b.address, 80)
    pair.run(1000, () => child !== 0)
    expect(b.sockets.getsockopt(child, SOL_SOCKET, SO_OOBINLINE)).toBe(1)
    a.tcp.close(sk)
    b.tcp.close(child)
    b.tcp.close(listener)
    pair.run(200_000)
    expect(b.leaks()).toEqual(NO_LEAKS)
  })
})
