// Options that change what the calls do: programs of the table, for each family.

import { LO_MTU, type Program, type Row } from './calls.ts'

const INET = 2
const [STREAM, DGRAM, RAW] = [1, 2, 3]
const [ICMP, UDP, ICMPV6, OTHER] = [1, 17, 58, 253]
const [IP, SOL_SOCKET, IPV6] = [0, 1, 41]
const SO_ERROR = 4
const ERRQUEUE = 0x2000
const [DONT, WANT, DO, PROBE, INTERFACE, OMIT] = [0, 1, 2, 3, 4, 5]
const [IP_MTU_DISCOVER, IP_RECVERR, IP_MTU, IP_UNICAST_IF] = [10, 11, 14, 50]
const [IPV6_MTU_DISCOVER, IPV6_MTU, IPV6_RECVERR] = [23, 24, 25]
const [IPV6_DONTFRAG, IPV6_UNICAST_IF] = [62, 76]
const swapped = (ifindex: number): number => ifindex << 24

export const options = (af: number, lo: string): Program[] => {
  const is4 = af === INET
  const level = is4 ? IP : IPV6
  const [discover, mtu] = is4 ? [IP_MTU_DISCOVER, IP_MTU] : [IPV6_MTU_DISCOVER, IPV6_MTU]
  const room = LO_MTU - (is4 ? 20 : 40)
  const unicastIf = is4 ? IP_UNICAST_IF : IPV6_UNICAST_IF
  /** One that fits, and one that does not, each way that there is. */
  const sizes = (file: string, fits: number): Row[] =>
    [DONT, WANT, DO, PROBE, INTERFACE, OMIT].flatMap((how): Row[] => [
      ['setsockopt', file, level, discover, how],
      ['getsockopt', file, level, discover],
      ['send', file, fits],
      ['recv', 'to', 9000],
      ['send', file, fits + 1],
      ['recv', 'to', 9000],
      ['getsockopt', file, level, mtu],
    ])
  return [
    {
      name: 'path MTU discovery of datagrams',
      rows: [
        ['socket', 'to', af, DGRAM, 0],
        ['bind', 'to', lo, 7101],
        ['socket', 'd', af, DGRAM, 0],
        ['getsockopt', 'd', level, mtu],
        ['setsockopt', 'd', level, discover, -1],
        ['setsockopt', 'd', level, discover, 6],
        ['setsockopt', 'd', level, mtu, 1],
        ['connect', 'd', lo, 7101],
        ...sizes('d', room - 8),
      ],
    },
    {
      name: 'path MTU discovery of raw sockets',
      rows: [
        ['socket', 'to', af, RAW, OTHER],
        ['socket', 'r', af, RAW, OTHER],
        ['shutdown', 'r', 0],
        ['connect', 'r', lo, 0],
        ...sizes('r', room),
      ],
    },
    {
      name: 'path MTU discovery of ping sockets',
      rows: [
        ['socket', 'to', af, DGRAM, is4 ? ICMP : ICMPV6],
        ['connect', 'to', lo, 0],
        ...sizes('to', room),
      ],
    },
    {
      name: 'path MTU discovery of streams',
      rows: [
        ['socket', 'l', af, STREAM, 0],
        ['setsockopt', 'l', level, discover, DO],
        ['getsockopt', 'l', level, mtu],
        ['bind', 'l', lo, 7102],
        ['listen', 'l', 1],
        ['getsockopt', 'l', level, mtu],
        ['socket', 'c', af, STREAM, 0],
        ['connect', 'c', lo, 7102],
        ['accept', 'l', 's'],
        ['getsockopt', 's', level, discover],
        ['getsockopt', 's', level, mtu],
        ['setsockopt', 's', level, discover, OMIT],
        ['send', 's', 5000],
        ['recv', 'c', 9000],
      ],
    },
    {
      name: 'the device of unicast',
      rows: [
        ['socket', 'd', af, DGRAM, 0],
        ['setsockopt', 'd', level, unicastIf, 1],
        ['setsockopt', 'd', level, unicastIf, swapped(99)],
        ['setsockopt', 'd', level, unicastIf, swapped(1)],
        ['getsockopt', 'd', level, unicastIf],
        ['bind', 'd', lo, 7103],
        ['sendto', 'd', 5, lo, 7103],
        ['recvfrom', 'd', 9],
        ['setsockopt', 'd', level, unicastIf, 0],
        ['getsockopt', 'd', level, unicastIf],
      ],
    },
    ...errors(af, lo, room),
    ...(is4 ? [] : six(lo, room)),
  ]
}

/** What waits in the error queue. */
const errors = (af: number, lo: string, room: number): Program[] => {
  const is4 = af === INET
  const level = is4 ? IP : IPV6
  const recverr = is4 ? IP_RECVERR : IPV6_RECVERR
  const discover = is4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER
  const dgram = (connects: boolean): Row[] => [
    ['socket', 'd', af, DGRAM, 0],
    ['setsockopt', 'd', level, recverr, 9],
    ['getsockopt', 'd', level, recverr],
    ['recvcmsg', 'd', 9, ERRQUEUE],
    ...(connects ? ([['connect', 'd', lo, 9]] as Row[]) : []),
    ['sendto', 'd', 20, lo, 9],
    ['recv', 'd', 9],
    ['recvcmsg', 'd', 90, ERRQUEUE],
    ['recvcmsg', 'd', 90, ERRQUEUE],
    ['sendto', 'd', 30, lo, 9],
    ['sendto', 'd', 31, lo, 9],
    ['sendto', 'd', 32, lo, 9],
    ['recvcmsg', 'd', 7, ERRQUEUE],
    ['getsockopt', 'd', SOL_SOCKET, SO_ERROR],
    ['recvcmsg', 'd', 7, ERRQUEUE],
    ['getsockopt', 'd', SOL_SOCKET, SO_ERROR],
    ['setsockopt', 'd', level, discover, DO],
    ['sendto', 'd', room, lo, 9],
    ['sendto', 'd', 65535, lo, 9],
    ['sendto', 'd', 65536, lo, 9],
    ['recvcmsg', 'd', 7, ERRQUEUE],
    ['recvcmsg', 'd', 7, ERRQUEUE],
    ['recvcmsg', 'd', 7, ERRQUEUE],
    ['sendto', 'd', 33, lo, 9],
    ['setsockopt', 'd', level, recverr, 0],
    ['recvcmsg', 'd', 7, ERRQUEUE],
  ]
  return [
    { name: 'errors of datagrams, waiting', rows: dgram(false) },
    { name: 'errors of connected datagrams, waiting', rows: dgram(true) },
    {
      name: 'errors of raw and ping sockets, waiting',
      rows: [
        ['socket', 'r', af, RAW, UDP],
        ['setsockopt', 'r', level, recverr, 1],
        ['socket', 'd', af, DGRAM, 0],
        ['sendto', 'd', 20, lo, 9],
        ['recvcmsg', 'r', 90, ERRQUEUE],
        ['recvcmsg', 'r', 90, ERRQUEUE],
        ['socket', 'p', af, DGRAM, is4 ? ICMP : ICMPV6],
        ['setsockopt', 'p', level, recverr, 1],
        ['setsockopt', 'p', level, discover, DO],
        ['sendto', 'p', room + 1, lo, 0],
        // of IPv6 its port is the type of the message, by chance
        ...(is4 ? ([['recvcmsg', 'p', 90, ERRQUEUE]] as Row[]) : []),
        ['setsockopt', 'r', level, discover, DO],
        ['sendto', 'r', room + 1, lo, 0],
        ['recvcmsg', 'r', 90, ERRQUEUE],
      ],
    },
  ]
}

/** What IPv6 alone has. */
const six = (lo: string, room: number): Program[] => [
  {
    name: 'what is not to be cut, and what is cut smaller',
    rows: [
      ['socket', 'to', 10, DGRAM, 0],
      ['bind', 'to', lo, 7111],
      ['socket', 'd', 10, DGRAM, 0],
      ['connect', 'd', lo, 7111],
      ['setsockopt', 'd', IPV6, IPV6_DONTFRAG, 5],
      ['getsockopt', 'd', IPV6, IPV6_DONTFRAG],
      ['send', 'd', room - 8],
      ['send', 'd', room - 7],
      ['setsockopt', 'd', IPV6, IPV6_MTU, 1279],
      ['setsockopt', 'd', IPV6, IPV6_MTU, 1280],
      ['getsockopt', 'd', IPV6, IPV6_MTU],
      ['send', 'd', 1232],
      ['send', 'd', 1233],
      ['setsockopt', 'd', IPV6, IPV6_DONTFRAG, 0],
      ['send', 'd', 1233],
      ['recv', 'to', 9000],
      ['recv', 'to', 9000],
      ['recv', 'to', 9000],
    ],
  },
  {
    name: 'IPv4 by a socket of IPv6, and options of the other family',
    rows: [
      ['socket', 'd', 10, DGRAM, 0],
      ['setsockopt', 'd', IP, IP_MTU_DISCOVER, 2],
      ['getsockopt', 'd', IPV6, IPV6_MTU_DISCOVER],
      ['connect', 'd', '::ffff:127.0.0.1', 9],
      ['send', 'd', LO_MTU - 28],
      ['send', 'd', LO_MTU - 27],
      ['send', 'd', LO_MTU - 27],
      ['socket', 'r', 10, RAW, OTHER],
      ['setsockopt', 'r', IP, IP_MTU_DISCOVER, 2],
      ['getsockopt', 'r', IP, IP_MTU_DISCOVER],
      ['socket', 'f', 2, DGRAM, 0],
      ['setsockopt', 'f', IPV6, IPV6_MTU_DISCOVER, 2],
      ['getsockopt', 'f', IPV6, IPV6_MTU_DISCOVER],
    ],
  },
]
