// IP's options in the segments of a stream: those that its socket has asked for, and those that answer the SYN's that it was made
// by. RFC 1122 section 4.2.3.8.

import { expect, test } from 'bun:test'
import { AF_INET } from '../../../../../core/base/family.ts'
import { Errno } from '../../../../../core/base/errno.ts'
import { Mib } from '../../../../../core/shm/counters.ts'
import { Conf4, CONF_ALL } from '../../../../../core/shm/devconf.ts'
import { Sysctl } from '../../../../../core/shm/sysctl.ts'
import { SOCK_STREAM } from '../../../../../core/socket/sock.ts'
import { IP_OPTIONS, IPPROTO_IP } from '../../../../../core/socket/socket-constants.ts'
import { IPPROTO_TCP } from '../../../../../core/wire/ipproto.ts'
import * as ipv4 from '../../../../../core/wire/ipv4.ts'
import * as tcp from '../../../../../core/wire/tcp.ts'
import { ip, ipText, pseudo, tcpFrame, v4Words } from '../../../../../sim/net/packets.ts'
import {
  CLIENT_MAC,
  createRouter,
  fromServer,
  SERVER_MAC,
  toRouter,
} from '../../../../../sim/net/path-host.ts'

const { TCP_ACK, TCP_FIN, TCP_SYN } = tcp
const [TCP_NODELAY, TCP_MAXSEG] = [1, 2]
const LSRR = 131
const SSRR = 137
const ALERT = [148, 4, 0, 0]

const host = () => {
  const path = createRouter()
  path.setNeigh(2, '10.0.2.9', CLIENT_MAC)
  path.setNeigh(2, '10.0.2.8', '02:00:00:00:02:08')
  path.setNeigh(3, '10.0.3.9', SERVER_MAC)
  path.setNeigh(3, '10.0.3.8', '02:00:00:00:03:08')
  path.setConf(CONF_ALL, Conf4.accept_source_route, 1)
  path.setSysctl(Sysctl.tcp_timestamps, 0)
  const { sockets } = path.first
  const set = (sk: number, octets: number[]): number => {
    const words = new Int32Array(16)
    new Uint8Array(words.buffer).set(octets)
    return sockets.setsockoptName(sk, IPPROTO_IP, IP_OPTIONS, words, 0, octets.length)
  }
  const get = (sk: number): number[] => {
    const words = new Int32Array(16)
    const len = sockets.getsockoptName(sk, IPPROTO_IP, IP_OPTIONS, words, 0)
    return [...new Uint8Array(words.buffer, 0, len)]
  }
  /** The segments since, whose checksums are those of who sends and whom they are for at last. */
  const sent = (from: string, to: string) =>
    path.sent.splice(0).map(({ dev, frame }) => {
      const at = 14 + ipv4.headerLen(frame, 14)
      const len = ipv4.totalLength(frame, 14) - ipv4.headerLen(frame, 14)
      expect(ipv4.isChecksumOk(frame, 14)).toBe(true)
      expect(tcp.isChecksumOk(frame, at, len, pseudo(from, to, IPPROTO_TCP, len))).toBe(true)
      return {
        dev,
        to: ipText(ipv4.dst(frame, 14)),
        options: [...frame.subarray(34, at)],
        flags: tcp.flags(frame, at) & 0x3f,
        seq: tcp.seq(frame, at),
        ack: tcp.ack(frame, at),
        sport: tcp.srcPort(frame, at),
        text: len - tcp.headerLen(frame, at),
        length: ipv4.totalLength(frame, 14),
      }
    })
  return { path, sockets, set, get, sent }
}
type Host = ReturnType<typeof host>

/** A stream to 10.0.3.9, whose SYN was sent; `answer` is what the peer says to it. */
const connect = ({ path, sockets, set }: Host, options: number[]) => {
  const sk = sockets.socket(AF_INET, SOCK_STREAM, 0)
  expect(set(sk, options)).toBe(0)
  expect(sockets.connect(sk, ...v4Words(ip('10.0.3.9')), 80)).toBe(-Errno.EINPROGRESS)
  const answer = (sport: number, flags: number, seq: number, ack: number): void =>
    path.receive(
      tcpFrame(
        fromServer,
        { saddr: '10.0.3.9', daddr: '10.0.3.1' },
        { sport: 80, dport: sport, flags, seq, ack, window: 60000 }
      ),
      3
    )
  return { sk, answer }
}

test('are in front of each segment, which holds so much less', () => {
  const h = host()
  const { sk, answer } = connect(h, [...ALERT, 7, 7, 4, 0, 0, 0, 0])
  const route = [...ALERT, 7, 7, 8, 10, 0, 3, 1, 0]
  const [syn] = h.sent('10.0.3.1', '10.0.3.9')
  expect(syn).toMatchObject({ to: '10.0.3.9', options: route, flags: TCP_SYN })
  answer(syn!.sport, TCP_SYN | TCP_ACK, 5000, (syn!.seq + 1) | 0)
  expect(h.sent('10.0.3.1', '10.0.3.9')).toMatchObject([{ options: route, flags: TCP_ACK }])
  // the peer has said no MSS
  expect(h.sockets.getsockopt(sk, IPPROTO_TCP, TCP_MAXSEG)).toBe(536 - 12)
  h.sockets.setsockopt(sk, IPPROTO_TCP, TCP_NODELAY, 1)
  h.sockets.sendBytes(sk, new Uint8Array(1000), 0, 1000)
  const text = h.sent('10.0.3.1', '10.0.3.9')
  expect(text.map((each) => [each.text, each.length, each.options])).toEqual([
    [524, 576, route],
    [476, 528, route],
  ])
  expect(h.set(sk, [])).toBe(0)
  expect(h.sockets.getsockopt(sk, IPPROTO_TCP, TCP_MAXSEG)).toBe(536)
  h.sockets.abort(sk)
  expect(h.sent('10.0.3.1', '10.0.3.9')).toMatchObject([{ options: [] }])
  h.sockets.close(sk)
  expect(h.path.isAllReturned()).toBe(true)
})
test('that name the way lead by its first hop, and it may change', () => {
  const h = host()
  const { sk } = connect(h, [LSRR, 11, 4, 10, 0, 2, 8, 10, 5, 5, 5])
  const [syn] = h.sent('10.0.2.1', '10.0.3.9')
  const rest = [LSRR, 11, 4, 10, 5, 5, 5, 10, 0, 3, 9, 0]
  expect(syn).toMatchObject({ dev: 2, to: '10.0.2.8', options: rest, flags: TCP_SYN })
  expect(h.get(sk)).toEqual([LSRR, 11, 4, 10, 0, 2, 8, 10, 5, 5, 5, 0])
  h.set(sk, [LSRR, 7, 4, 10, 0, 3, 8])
  h.path.advance(1000)
  expect(h.sent('10.0.2.1', '10.0.3.9')).toMatchObject([
    { dev: 3, to: '10.0.3.8', options: [LSRR, 7, 4, 10, 0, 3, 9, 0], flags: TCP_SYN },
  ])
  h.sockets.close(sk)
  expect(h.path.isAllReturned()).toBe(true)
})
test('that name the way strictly lead to nobody behind a router', () => {
  const h = host()
  const { sk } = connect(h, [SSRR, 7, 4, 10, 5, 5, 5])
  expect(h.path.sent).toEqual([])
  expect(h.path.counter(Mib.IpOutNoRoutes)).toBe(1)
  h.set(sk, [SSRR, 7, 4, 10, 0, 3, 8])
  h.path.advance(1000)
  expect(h.sent('10.0.3.1', '10.0.3.9')).toMatchObject([{ to: '10.0.3.8', flags: TCP_SYN }])
  h.sockets.close(sk)
  expect(h.path.isAllReturned()).toBe(true)
})
test('that name a way to nobody are refused when the stream connects', () => {
  const { path, sockets, set, get } = host()
  const sk = sockets.socket(AF_INET, SOCK_STREAM, 0)
  set(sk, [LSRR, 7, 4, 10, 0, 3, 8])
  expect(sockets.connect(sk, ...v4Words(0), 80)).toBe(-Errno.EINVAL)
  set(sk, [])
  expect(get(sk)).toEqual([])
  expect(sockets.connect(sk, ...v4Words(0), 80)).toBe(-Errno.EINPROGRESS)
  sockets.close(sk)
  expect(path.isAllReturned()).toBe(true)
})

/** A connection to port 80 from 10.0.2.9, which comes by 10.0.2.8, and what was sent for it. */
const accepted = (h: Host, syncookies: number) => {
  const { path, sockets, set } = h
  path.setSysctl(Sysctl.tcp_syncookies, syncookies)
  const listener = sockets.socket(AF_INET, SOCK_STREAM, 0)
  // its own are not its connections'
  set(listener, ALERT)
  sockets.bind(listener, ...v4Words(0), 80)
  sockets.listen(listener, 8)
  const receive = (flags: number, seq: number, ack: number, options: number[]): void =>
    path.receive(
      tcpFrame(
        toRouter,
        { saddr: '10.0.2.9', daddr: '10.0.2.1', options },
        { sport: 4000, dport: 80, flags, seq, ack, window: 60000 }
      ),
      2
    )
  const came = [LSRR, 7, 8, 10, 0, 2, 8, 0]
  receive(TCP_SYN, 1000, 0, came)
  const [synAck] = h.sent('10.0.2.1', '10.0.2.9')
  receive(TCP_ACK, 1001, (synAck!.seq + 1) | 0, came)
  return { listener, receive, synAck: synAck!, child: sockets.accept(listener) }
}
const back = { dev: 2, to: '10.0.2.8', options: [LSRR, 7, 4, 10, 0, 2, 9, 0] }

test.each([
  ['a request', 1],
  ['a cookie', 2],
])('a connection goes back the way its SYN came, which %s answers', (_, syncookies) => {
  const h = host()
  const { listener, child, receive, synAck } = accepted(h, syncookies)
  expect(synAck).toMatchObject({ ...back, flags: TCP_SYN | TCP_ACK })
  expect(h.get(child)).toEqual([LSRR, 7, 4, 10, 0, 2, 8, 0])
  expect(h.get(listener)).toEqual(ALERT)
  expect(h.sockets.getsockopt(child, IPPROTO_TCP, TCP_MAXSEG)).toBe(536 - 8)
  h.sockets.sendBytes(child, new Uint8Array(9), 0, 9)
  expect(h.sent('10.0.2.1', '10.0.2.9')).toMatchObject([{ ...back, text: 9 }])
  // which is no longer so when nothing but the acknowledgement of the end is left
  h.sockets.close(child)
  const [end] = h.sent('10.0.2.1', '10.0.2.9')
  expect(end).toMatchObject({ ...back, flags: TCP_FIN | TCP_ACK })
  receive(TCP_FIN | TCP_ACK, 1001, (end!.seq + 1) | 0, [])
  h.sent('10.0.2.1', '10.0.2.9')
  h.path.advance(1000)
  receive(TCP_FIN | TCP_ACK, 1001, (end!.seq + 1) | 0, [])
  expect(h.sent('10.0.2.1', '10.0.2.9')).toMatchObject([
    { dev: 2, to: '10.0.2.9', options: [], flags: TCP_ACK },
  ])
  h.sockets.close(listener)
  expect(h.path.isAllReturned()).toBe(true)
})
test('a connection goes on with the record of the route that its SYN made', () => {
  const h = host()
  const { path, sockets, get } = h
  const listener = sockets.socket(AF_INET, SOCK_STREAM, 0)
  sockets.bind(listener, ...v4Words(0), 80)
  sockets.listen(listener, 8)
  const fields = { saddr: '10.0.2.9', daddr: '10.0.2.1' }
  const options = [1, 7, 15, 4, ...Array(12).fill(0)]
  path.receive(
    tcpFrame(toRouter, { ...fields, options }, { sport: 4000, dport: 80, flags: TCP_SYN }),
    2
  )
  const [synAck] = h.sent('10.0.2.1', '10.0.2.9')
  const own = [10, 0, 2, 1]
  expect(synAck!.options).toEqual([7, 15, 12, ...own, ...own, 0, 0, 0, 0, 0])
  const acked = { sport: 4000, dport: 80, flags: TCP_ACK, seq: 1, ack: (synAck!.seq + 1) | 0 }
  path.receive(tcpFrame(toRouter, fields, acked), 2)
  const child = sockets.accept(listener)
  expect(get(child)).toEqual([7, 15, 8, ...own, ...Array(9).fill(0)])
  sockets.abort(child)
  sockets.close(child)
  sockets.close(listener)
  expect(path.isAllReturned()).toBe(true)
})
