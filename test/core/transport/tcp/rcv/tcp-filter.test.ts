// SO_ATTACH_FILTER of streams: a program sees each segment from TCP's header on, and says whether the socket gets it, and how much.

import { describe, expect, test } from 'bun:test'
import { AF_INET } from '../../../../../core/base/family.ts'
import { Errno } from '../../../../../core/base/errno.ts'
import { Sysctl } from '../../../../../core/shm/sysctl.ts'
import { Drop } from '../../../../../core/skb/drop.ts'
import { SK_DROPS, SOCK_STREAM } from '../../../../../core/socket/sock.ts'
import {
  SO_ATTACH_FILTER,
  SO_DETACH_FILTER,
  SO_LOCK_FILTER,
  SOL_SOCKET,
} from '../../../../../core/socket/socket-constants.ts'
import * as ipv4 from '../../../../../core/wire/ipv4.ts'
import * as tcp from '../../../../../core/wire/tcp.ts'
import { tcpFrame, v4Words } from '../../../../../sim/net/packets.ts'
import { CLIENT_MAC, createRouter, toRouter } from '../../../../../sim/net/path-host.ts'

const { TCP_ACK, TCP_FIN, TCP_PSH, TCP_RST, TCP_SYN } = tcp
const [BPF_LDB_ABS, JEQ, BPF_RET] = [0x30, 0x15, 0x06]
const insn = (code: number, jt: number, jf: number, k: number): number[] => [
  code | (jt << 16) | (jf << 24),
  k,
]
const HEADER = 20
/** Segments whose text begins with the octet, and those without any, are let through, `len` octets of them. */
const begins = (octet: number, len = 0x40000): number[] =>
  [
    insn(0x80, 0, 0, 0), // its length
    insn(JEQ, 2, 0, HEADER),
    insn(BPF_LDB_ABS, 0, 0, HEADER),
    insn(JEQ, 0, 1, octet),
    insn(BPF_RET, 0, 0, len),
    insn(BPF_RET, 0, 0, 0),
  ].flat()
const NOTHING = insn(BPF_RET, 0, 0, 0)
const PORT = 80

const host = () => {
  const path = createRouter()
  path.setNeigh(2, '10.0.2.9', CLIENT_MAC)
  const { sockets } = path.first
  const attach = (sk: number, program: number[]): number =>
    sockets.setsockoptName(
      sk,
      SOL_SOCKET,
      SO_ATTACH_FILTER,
      Int32Array.from(program),
      0,
      program.length * 4
    )
  const length = (sk: number): number =>
    sockets.getsockoptName(sk, SOL_SOCKET, SO_ATTACH_FILTER, new Int32Array(64), 0)
  const set = (sk: number, name: number, value = 1): number =>
    sockets.setsockopt(sk, SOL_SOCKET, name, value)
  const listener = sockets.socket(AF_INET, SOCK_STREAM, 0)
  sockets.bind(listener, ...v4Words(0), PORT)
  sockets.listen(listener, 8)
  const receive = (sport: number, flags: number, seq: number, ack: number, text: number[] = []) =>
    path.receive(
      tcpFrame(
        toRouter,
        { saddr: '10.0.2.9', daddr: '10.0.2.1' },
        { sport, dport: PORT, flags, seq, ack, window: 60000 },
        Uint8Array.from(text)
      ),
      2
    )
  /** Flags and acknowledgement of what was sent since. */
  const sent = (): [flags: number, ack: number, seq: number][] =>
    path.sent.splice(0).map(({ frame }) => {
      const at = 14 + ipv4.headerLen(frame, 14)
      return [tcp.flags(frame, at), tcp.ack(frame, at), tcp.seq(frame, at)]
    })
  /** A connection from a port, whose peer's text begins at 1; and what acknowledges the SYN-ACK. */
  const connect = (sport: number): { child: number; ack: number } => {
    receive(sport, TCP_SYN, 0, 0)
    const [[, , isn]] = sent() as [[number, number, number]]
    const ack = (isn + 1) | 0
    receive(sport, TCP_ACK, 1, ack)
    return { child: sockets.accept(listener), ack }
  }
  const drops = (sk: number): number => path.arena.i32[sk + SK_DROPS]!
  const isClean = (...sks: number[]): boolean => {
    for (const sk of [...sks, listener]) sockets.abort(sk)
    return path.isAllReturned()
  }
  return { path, sockets, attach, length, set, listener, receive, sent, connect, drops, isClean }
}

describe('a filter of a stream', () => {
  test('says which segments it gets: the others were never there', () => {
    const { path, attach, receive, sent, connect, drops, sockets, set, isClean } = host()
    const { child, ack } = connect(4000)
    expect(attach(child, begins(7))).toBe(0)
    receive(4000, TCP_ACK | TCP_PSH, 1, ack, [6, 1])
    expect(sent()).toEqual([])
    expect([drops(child), path.drops(Drop.SOCKET_FILTER)]).toEqual([1, 1])
    receive(4000, TCP_ACK | TCP_PSH, 1, ack, [7, 1, 2])
    expect(sent().map(([, acked]) => acked)).toEqual([4])
    expect(set(child, SO_DETACH_FILTER)).toBe(0)
    expect(set(child, SO_DETACH_FILTER)).toBe(-Errno.ENOENT)
    receive(4000, TCP_ACK | TCP_PSH, 4, ack, [6, 1])
    path.advance(200)
    expect(sent().at(-1)?.[1]).toBe(6)
    expect(sockets.poll(child) & 1).toBe(1)
    expect(isClean(child)).toBe(true)
  })
  test('says how much of a segment it gets: the rest comes again, the header stays', () => {
    const { path, attach, receive, sent, connect, drops, isClean } = host()
    const { child, ack } = connect(4000)
    expect(attach(child, begins(7, HEADER + 2))).toBe(0)
    receive(4000, TCP_ACK | TCP_PSH, 1, ack, [7, 1, 7, 2])
    receive(4000, TCP_ACK | TCP_PSH, 3, ack, [7, 2])
    expect(sent().at(-1)?.[1]).toBe(5)
    expect(attach(child, insn(BPF_RET, 0, 0, 1))).toBe(0)
    // a FIN is a flag of the header
    receive(4000, TCP_ACK | TCP_FIN, 5, ack, [7, 3])
    path.advance(200)
    expect(sent().at(-1)?.[1]).toBe(6)
    expect(drops(child)).toBe(0)
    expect(isClean(child)).toBe(true)
  })
  test.each([
    ['a request', 1],
    ['a cookie', 2],
  ])('of a listener is that of its connections, of %s too', (_, syncookies) => {
    const h = host()
    const { path, attach, length, set, listener, receive, sent, connect, drops, isClean } = h
    path.setSysctl(Sysctl.tcp_syncookies, syncookies)
    expect(attach(listener, begins(7))).toBe(0)
    expect(set(listener, SO_LOCK_FILTER)).toBe(0)
    const [first, second] = [connect(4000), connect(4001)]
    expect([first, second].map(({ child }) => length(child))).toEqual([48, 48])
    receive(4000, TCP_ACK | TCP_PSH, 1, first.ack, [6])
    expect(sent()).toEqual([])
    expect([drops(first.child), drops(listener)]).toEqual([1, 0])
    // what is locked stays so
    expect(set(first.child, SO_DETACH_FILTER)).toBe(-Errno.EPERM)
    expect(attach(second.child, NOTHING)).toBe(-Errno.EPERM)
    expect(isClean(first.child, second.child)).toBe(true)
  })
  test('of a listener stays with its connections when it has another', () => {
    const { attach, length, set, listener, receive, sent, connect, drops, isClean } = host()
    attach(listener, begins(7))
    const { child, ack } = connect(4000)
    expect(attach(listener, NOTHING)).toBe(0)
    expect([length(listener), length(child)]).toEqual([8, 48])
    receive(4001, TCP_SYN, 0, 0)
    expect(sent()).toEqual([])
    expect(drops(listener)).toBe(1)
    receive(4000, TCP_ACK | TCP_PSH, 1, ack, [6])
    expect(drops(child)).toBe(1)
    expect(set(listener, SO_DETACH_FILTER)).toBe(0)
    receive(4000, TCP_ACK | TCP_PSH, 1, ack, [7])
    expect(length(child)).toBe(48)
    expect(drops(child)).toBe(1)
    expect(isClean(child)).toBe(true)
  })
  test('is asked of what a request gets, by its listener', () => {
    const { path, attach, set, listener, receive, sent, sockets, drops, isClean } = host()
    receive(4000, TCP_SYN, 0, 0)
    const [[, , isn]] = sent() as [[number, number, number]]
    attach(listener, NOTHING)
    receive(4000, TCP_ACK, 1, (isn + 1) | 0)
    receive(4000, TCP_RST, 1, 0)
    expect(drops(listener)).toBe(2)
    expect(sockets.accept(listener)).toBe(-Errno.EAGAIN)
    set(listener, SO_DETACH_FILTER)
    receive(4000, TCP_ACK, 1, (isn + 1) | 0)
    const child = sockets.accept(listener)
    expect(child).toBeGreaterThan(0)
    expect(path.drops(Drop.SOCKET_FILTER)).toBe(2)
    expect(isClean(child)).toBe(true)
  })
})
