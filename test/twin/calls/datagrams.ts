// Calls of datagrams beside those of options.ts: what is told of them when they have gone, and how several calls make one.

import type { Program, Row } from './calls.ts'
import { LO_MTU } from './calls.ts'

const INET = 2
const [STREAM, DGRAM, RAW] = [1, 2, 3]
const [ICMP, UDP, ICMPV6, OTHER] = [1, 17, 58, 253]
const [IP, SOL_SOCKET, IPV6] = [0, 1, 41]
const [SO_ERROR, SO_TIMESTAMPING, SO_PEEK_OFF, SO_MEMINFO] = [4, 37, 42, 55]
const [OOB, PEEK, TRUNC, ERRQUEUE, MORE] = [1, 2, 0x20, 0x2000, 0x8000]
const UDP_CORK = 1
// SOF_TIMESTAMPING_*
const [TX_SOFTWARE, RX_SOFTWARE, SOFTWARE] = [2, 8, 0x10]
const [OPT_ID, TX_SCHED, OPT_CMSG, TSONLY] = [0x80, 0x100, 0x400, 0x800]

const int = (value: number): string => {
  const octets = Buffer.alloc(4)
  octets.writeInt32LE(value)
  return octets.toString('hex')
}

/** When datagrams went, and which. */
const stamps = (af: number, lo: string): Program => {
  const is4 = af === INET
  const level = is4 ? IP : IPV6
  const hear: Row[] = [1, 2, 3].map((): Row => ['recvcmsg', 'd', 900, ERRQUEUE])
  const sent: Row[] = [['sendto', 'd', 20, lo, 7401], ...hear]
  const stamp = (flags: number): Row => ['setsockopt', 'd', SOL_SOCKET, SO_TIMESTAMPING, flags]
  return {
    name: 'when datagrams went',
    rows: [
      ['socket', 'to', af, DGRAM, 0],
      ['bind', 'to', lo, 7401],
      ['socket', 'd', af, DGRAM, 0],
      stamp(TX_SOFTWARE),
      ...sent,
      stamp(TX_SOFTWARE | SOFTWARE),
      ['getsockopt', 'd', SOL_SOCKET, SO_TIMESTAMPING],
      ...sent,
      ['getsockopt', 'd', SOL_SOCKET, SO_ERROR],
      stamp(TX_SOFTWARE | TX_SCHED | SOFTWARE | OPT_ID),
      ...sent,
      ...sent,
      ['recvcmsg', 'd', 5, ERRQUEUE],
      stamp(TX_SCHED | SOFTWARE | OPT_ID | TSONLY),
      ...sent,
      stamp(SOFTWARE | OPT_ID),
      ...sent,
      ['sendcmsg', 'd', 20, lo, 7401, [SOL_SOCKET, SO_TIMESTAMPING, int(TX_SCHED)]],
      ...hear,
      stamp(TX_SCHED | TX_SOFTWARE | SOFTWARE),
      ['sendcmsg', 'd', 20, lo, 7401, [SOL_SOCKET, SO_TIMESTAMPING, int(0)]],
      ...hear,
      ['sendcmsg', 'd', 20, lo, 7401, [SOL_SOCKET, SO_TIMESTAMPING, int(SOFTWARE)]],
      ['sendcmsg', 'd', 20, lo, 7401, [SOL_SOCKET, SO_TIMESTAMPING, '0000']],
      stamp(TX_SOFTWARE | SOFTWARE | OPT_ID),
      // what is cut is told of once
      ['sendto', 'd', LO_MTU, lo, 7401],
      ['recvcmsg', 'd', 9000, ERRQUEUE],
      ['recvcmsg', 'd', 9000, ERRQUEUE],
      ...sent,
      // with what is told of received ones
      ...(is4 ? [8, 12, 13] : [49, 51, 66]).map((name): Row => ['setsockopt', 'd', level, name, 1]),
      ...sent,
      stamp(TX_SOFTWARE | SOFTWARE | OPT_ID | OPT_CMSG),
      ...sent,
      stamp(TX_SOFTWARE | SOFTWARE | OPT_ID | OPT_CMSG | TSONLY),
      ...sent,
      stamp(RX_SOFTWARE | SOFTWARE),
      ...sent,
      stamp(0),
      ...sent,
    ],
  }
}
const stampsOfOthers = (af: number, lo: string): Program => ({
  name: 'when packets of raw and ping sockets went',
  rows: [RAW, DGRAM].flatMap((type): Row[] => [
    ['socket', 'd', af, type, type === RAW ? OTHER : af === INET ? ICMP : ICMPV6],
    ['setsockopt', 'd', SOL_SOCKET, SO_TIMESTAMPING, TX_SOFTWARE | TX_SCHED | SOFTWARE | OPT_ID],
    ['sendto', 'd', 20, lo, 0],
    // a ping socket's octets have its number, which is any, and a sum
    ['recvcmsg', 'd', 9, ERRQUEUE],
    ['recvcmsg', 'd', 9, ERRQUEUE],
    ['recvcmsg', 'd', 9, ERRQUEUE],
    ['close', 'd'],
  ]),
})

/** Reads that stay, from where the last one ended. */
const peeks = (af: number, lo: string): Program => {
  const off = (value: number): Row => ['setsockopt', 'to', SOL_SOCKET, SO_PEEK_OFF, value]
  const where: Row = ['getsockopt', 'to', SOL_SOCKET, SO_PEEK_OFF]
  const send = (...lengths: number[]): Row[] =>
    lengths.map((length): Row => ['sendto', 'd', length, lo, 7402])
  const recv = (length: number, flags = 0): Row[] => [['recvcmsg', 'to', length, flags], where]
  return {
    name: 'SO_PEEK_OFF of datagrams',
    rows: [
      ['socket', 'to', af, DGRAM, 0],
      ['bind', 'to', lo, 7402],
      ['socket', 'd', af, DGRAM, 0],
      where,
      off(0),
      where,
      ...recv(5, PEEK),
      ...send(10, 0, 20),
      ...[4, 4, 9, 9, 9, 90, 90].flatMap((length) => recv(length, PEEK)),
      ...recv(90),
      ...recv(9, PEEK),
      off(3),
      ...recv(90),
      ...recv(4, PEEK | TRUNC),
      ...recv(90, PEEK),
      off(2),
      ...recv(5, TRUNC),
      off(-1),
      ...send(7),
      ...recv(5, PEEK),
      ...recv(5, PEEK),
      off(-7),
      where,
      ...recv(9),
      ...[RAW, DGRAM].flatMap((type): Row[] => [
        ['socket', 'r', af, type, type === RAW ? OTHER : af === INET ? ICMP : ICMPV6],
        ['setsockopt', 'r', SOL_SOCKET, SO_PEEK_OFF, 1],
        ['getsockopt', 'r', SOL_SOCKET, SO_PEEK_OFF],
      ]),
      ['sendto', 'r', 20, lo, 0],
      ['recvcmsg', 'r', 90, PEEK],
      ['getsockopt', 'r', SOL_SOCKET, SO_PEEK_OFF],
    ],
  }
}
const fragments = (af: number, lo: string): Program => {
  const [level, option] = af === INET ? [IP, 25] : [IPV6, 77]
  return {
    name: 'how large the largest fragment was',
    rows: [
      ['socket', 's', af, STREAM, 0],
      ['setsockopt', 's', level, option, 1],
      ['getsockopt', 's', level, option],
      ['socket', 'to', af, DGRAM, 0],
      ['bind', 'to', lo, 7403],
      ['socket', 'd', af, DGRAM, 0],
      ['setsockopt', 'to', level, option, 5],
      ['getsockopt', 'to', level, option],
      ...[20, LO_MTU, 9000].flatMap((length): Row[] => [
        ['sendto', 'd', length, lo, 7403],
        ['recvcmsg', 'to', 9000],
      ]),
    ],
  }
}

/** The device by which datagrams go, and the memory that a socket has. */
const bytes = (af: number, lo: string): Program => {
  const pktinfo = (file: string, ifindex: number): Row => [
    'setbytes',
    file,
    IPV6,
    50,
    `${'0'.repeat(30)}02${int(ifindex)}`,
  ]
  const send: Row[] = [
    ['sendto', 'd', 9, lo, 7404],
    ['recvcmsg', 'to', 90],
  ]
  return {
    name: 'options that are octets',
    rows: [
      ['socket', 'to', af, DGRAM, 0],
      ['bind', 'to', lo, 7404],
      ['socket', 'd', af, DGRAM, 0],
      ['getbytes', 'd', SOL_SOCKET, SO_MEMINFO],
      ['setbytes', 'd', SOL_SOCKET, SO_MEMINFO, int(1)],
      ['getbytes', 'd', SOL_SOCKET, SO_PEEK_OFF],
      ['setbytes', 'd', IPV6, 50, ''],
      ['setbytes', 'd', IPV6, 50, int(1)],
      pktinfo('d', 77),
      ...send,
      pktinfo('d', 1),
      ['getsockopt', 'd', IPV6, 50],
      ...send,
      ['setsockopt', 'd', SOL_SOCKET, 62, 1],
      pktinfo('d', 77),
      pktinfo('d', 1),
      pktinfo('d', 0),
      ...send,
      // a device that is not there
      ['setsockopt', 'd', SOL_SOCKET, 62, 3],
      ...send,
      ['setsockopt', 'd', SOL_SOCKET, 62, 77],
      ...send,
      ['socket', 's', af, STREAM, 0],
      pktinfo('s', 1),
      ['setsockopt', 's', IPV6, 49, 1],
      ['getcmsg', 's', IPV6, 6],
    ],
  }
}

/** Several calls that make one datagram. */
const corks = (af: number, lo: string): Program => {
  const recv: Row[] = [
    ['recvcmsg', 'to', 90_000],
    ['recvcmsg', 'to', 90_000],
  ]
  const cork = (value: number): Row => ['setsockopt', 'd', UDP, UDP_CORK, value]
  const send = (length: number, flags = 0, port = 7405): Row => [
    'sendto',
    'd',
    length,
    lo,
    port,
    flags,
  ]
  return {
    name: 'UDP_CORK and MSG_MORE',
    rows: [
      ['socket', 'to', af, DGRAM, 0],
      ['bind', 'to', lo, 7405],
      ['socket', 'other', af, DGRAM, 0],
      ['bind', 'other', lo, 7406],
      ['socket', 'd', af, DGRAM, 0],
      ['getsockopt', 'd', UDP, UDP_CORK],
      send(5, MORE),
      ...recv,
      // whom it is for the first has said
      send(7, MORE, 7406),
      send(0, MORE),
      send(9),
      ...recv,
      ['recvcmsg', 'other', 90],
      cork(7),
      ['getsockopt', 'd', UDP, UDP_CORK],
      send(5),
      send(6, MORE),
      ['send', 'd', 7],
      ...recv,
      cork(0),
      ...recv,
      cork(0),
      cork(1),
      ['send', 'd', 7],
      send(4, 0, 0),
      send(4, OOB),
      send(4),
      ['connect', 'd', lo, 7406],
      ['send', 'd', 3],
      cork(0),
      ...recv,
      ['recvcmsg', 'other', 90],
      // what is too long is all lost
      ['send', 'd', 40_000, MORE],
      ['send', 'd', 40_000, MORE],
      ['send', 'd', 8],
      ['recvcmsg', 'other', 90_000],
      ['send', 'd', 65_508, MORE],
      ['send', 'd', 65_536, MORE],
      ['send', 'd', 10_000, MORE],
      ['send', 'd', 5000],
      ['recvcmsg', 'other', 90_000],
      // each datagram is told of once
      ['setsockopt', 'd', SOL_SOCKET, SO_TIMESTAMPING, TX_SOFTWARE | SOFTWARE | OPT_ID],
      ['send', 'd', 3, MORE],
      ['send', 'd', 3],
      ['recvcmsg', 'd', 900, ERRQUEUE],
      ['recvcmsg', 'd', 900, ERRQUEUE],
      // what is not whole is lost with its socket
      cork(1),
      ['send', 'd', 3],
      ['close', 'd'],
      ['recvcmsg', 'other', 9],
      ['recvcmsg', 'other', 9],
    ],
  }
}

/** The same of raw sockets. */
const rawCorks = (af: number, lo: string): Program => {
  const is4 = af === INET
  const recv: Row[] = [
    ['recvcmsg', 'to', 90_000],
    ['recvcmsg', 'to', 90_000],
  ]
  const send = (length: number, flags = 0): Row => ['sendto', 'd', length, lo, 0, flags]
  const nowhere = is4 ? '198.51.100.1' : '2001:db8:77::1'
  return {
    name: 'MSG_MORE of raw sockets',
    rows: [
      ['socket', 'to', af, RAW, OTHER],
      ['socket', 'd', af, RAW, OTHER],
      ['setsockopt', 'to', is4 ? IP : IPV6, is4 ? 12 : 51, 1],
      ['send', 'd', 5, MORE],
      send(5, MORE),
      ...recv,
      send(7, MORE),
      send(0, MORE),
      send(9),
      ...recv,
      send(0),
      send(0, MORE),
      ...recv,
      // what the first has said stays
      ['sendcmsg', 'd', 4, lo, 0, [is4 ? IP : IPV6, is4 ? 2 : 52, int(7)]],
      ...recv,
      send(6, MORE),
      ['sendcmsg', 'd', 4, lo, 0, [is4 ? IP : IPV6, is4 ? 2 : 52, int(7)]],
      ...recv,
      send(6, MORE),
      send(6, OOB),
      ['sendto', 'd', 3, nowhere, 0],
      ['sendto', 'd', 65_536, lo, 0, MORE],
      ['connect', 'd', lo, 0],
      ['send', 'd', 3],
      ...recv,
      // what is too long is all lost
      send(40_000, MORE),
      send(40_000, MORE),
      send(8),
      ...recv,
      send(10_000, MORE),
      send(5000),
      ...recv,
      ['setsockopt', 'd', SOL_SOCKET, SO_TIMESTAMPING, TX_SOFTWARE | SOFTWARE | OPT_ID],
      send(3, MORE),
      send(3),
      ['recvcmsg', 'd', 900, ERRQUEUE],
      ['recvcmsg', 'd', 900, ERRQUEUE],
      ...recv,
      // a checksum of it all, where there is one
      ['setsockopt', 'd', IPV6, 7, 2],
      send(3, MORE),
      send(5),
      send(2, MORE),
      send(1),
      send(1, MORE),
      send(1),
      ...recv,
      ...recv,
      send(3, MORE),
      ['close', 'd'],
      ...recv,
      // a packet with its header goes by itself
      ['socket', 'h', af, RAW, OTHER],
      ['setsockopt', 'h', is4 ? IP : IPV6, is4 ? 3 : 36, 1],
      ['sendto', 'h', 20, lo, 0, MORE],
      ...recv,
    ],
  }
}

export const datagrams = (af: number, lo: string): Program[] => [
  stamps(af, lo),
  stampsOfOthers(af, lo),
  peeks(af, lo),
  fragments(af, lo),
  bytes(af, lo),
  corks(af, lo),
  rawCorks(af, lo),
]
