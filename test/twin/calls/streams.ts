// What options do to streams, and what these say of their packets: programs of the table, for each family and for streams of IPv6
// that speak IPv4.

import type { Program, Row } from './calls.ts'

const INET = 2
const [STREAM, TCP] = [1, 6]
const [IP, SOL_SOCKET, IPV6] = [0, 1, 41]
const PEEK = 2
const [SO_TIMESTAMP, SO_MARK, SO_TIMESTAMPING, SO_PEEK_OFF] = [29, 36, 37, 42]
// SOF_TIMESTAMPING_*
const [TX, RX, STAMPS, TSONLY] = [2, 8, 16, 0x800]
const TIMES = [SO_TIMESTAMP, 35, 63, 64]
const [IP_PKTOPTIONS, IPV6_2292PKTOPTIONS, IP_LOCAL_PORT_RANGE] = [9, 6, 51]
const [DO, OMIT] = [2, 5]
const [ERRQUEUE, ZEROCOPY] = [0x2000, 0x4000000]
const int = (value: number): string => {
  const octets = Buffer.alloc(4)
  octets.writeInt32LE(value)
  return octets.toString('hex')
}
/** Loopback, as options of IP have its number. */
const LO = 1 << 24

/** Options of streams, by their numbers in Linux's headers, and what they are given. */
const STREAMS: readonly (readonly [level: number, name: number, value: number])[] = [
  ...(
    [
      [2, 1],
      [5, 1],
      [8, 8192],
      [7, 8192],
      [9, 1],
      [10, 1],
      [12, 3],
      [18, 7],
      [29, 1],
      [36, 5],
      [40, 1],
      [60, 1],
      [75, 1],
    ] as const
  ).map(([name, value]) => [SOL_SOCKET, name, value] as const),
  ...(
    [
      [1, 0x10],
      [2, 7],
      [6, 1],
      [7, 1],
      [8, 1],
      [10, 2],
      [11, 1],
      [12, 1],
      [13, 1],
      [15, 1],
      [20, 1],
      [21, 5],
      [24, 1],
      [33, 3],
      [34, 0],
      [49, 0],
      [50, LO],
      [IP_LOCAL_PORT_RANGE, 30000 + (32000 << 16)],
    ] as const
  ).map(([name, value]) => [IP, name, value] as const),
  ...(
    [
      [16, 9],
      [18, 3],
      [19, 0],
      [23, 2],
      [25, 1],
      [29, 0],
      [49, 1],
      [51, 1],
      [62, 1],
      [66, 1],
      [67, 0x28],
      [73, 5],
      [74, 1],
      [76, LO],
      [78, 1],
    ] as const
  ).map(([name, value]) => [IPV6, name, value] as const),
  ...(
    [
      [1, 1],
      [2, 600],
      [4, 100],
      [5, 30],
      [6, 4],
      [7, 3],
      [8, 20],
      [9, 3],
      [18, 5000],
      [25, 4096],
      [36, 1],
    ] as const
  ).map(([name, value]) => [TCP, name, value] as const),
]
export const streams = (af: number, lo: string): Program[] => {
  const is4 = af === INET
  const level = is4 ? IP : IPV6
  const [ttl, discover, mtu] = is4 ? [2, 10, 14] : [52, 23, 24]
  /** A connection from c, which has the rows of `client`, to s, whose listener l has those of `server`. */
  const connected = (port: number, server: Row[], client: Row[] = []): Row[] => [
    ['socket', 'l', af, STREAM, 0],
    ...server,
    ['bind', 'l', lo, port],
    ['listen', 'l', 1],
    ['socket', 'c', af, STREAM, 0],
    ...client,
    ['connect', 'c', lo, port],
    ['accept', 'l', 's'],
  ]
  const all = ['l', 'c', 's']
  const hops = (file: string, value: number): Row[] => [
    ['setsockopt', file, IP, 2, value],
    ['setsockopt', file, IPV6, 16, value],
  ]
  const tells = (file: string): Row[] => [
    ...[8, 12, 13].map((name): Row => ['setsockopt', file, IP, name, 1]),
    ...[49, 51, 66].map((name): Row => ['setsockopt', file, IPV6, name, 1]),
  ]
  const told = (file: string): Row[] => [
    ['getcmsg', file, IP, IP_PKTOPTIONS],
    ['getcmsg', file, IPV6, IPV6_2292PKTOPTIONS],
    // what they are kept in
    ['getsockopt', file, IP, 33],
    ['getsockopt', file, IPV6, 17],
    ['getsockopt', file, IPV6, 18],
  ]
  return [
    {
      name: 'what a stream keeps of its packets',
      rows: [
        ...connected(7204, tells('l'), [
          ...hops('c', 9),
          ['setsockopt', 'c', IP, 1, 0x28],
          ['setsockopt', 'c', IPV6, 67, 0x28],
        ]),
        ...told('l'),
        ...told('c'),
        ...told('s'),
        ...tells('c'),
        ...told('c'),
        ...hops('c', 7),
        ['setsockopt', 'c', IPV6, 67, 0x48],
        ...hops('s', 33),
        ['send', 'c', 5],
        ['recvcmsg', 's', 9],
        ...told('s'),
        ['send', 's', 5],
        ['recvcmsg', 'c', 9],
        ...told('c'),
        ['setsockopt', 's', IP, IP_PKTOPTIONS, 1],
      ],
    },
    {
      name: 'when text came',
      rows: [
        ...connected(7206, [['setsockopt', 'l', SOL_SOCKET, SO_TIMESTAMP, 1]]),
        ['recvcmsg', 's', 2],
        ['send', 'c', 5],
        ...TIMES.flatMap((name): Row[] => [
          ['setsockopt', 's', SOL_SOCKET, name, 1],
          ...TIMES.map((each): Row => ['getsockopt', 's', SOL_SOCKET, each]),
          ['send', 'c', 5],
          ['recvcmsg', 's', 2, PEEK],
          ['recvcmsg', 's', 2],
        ]),
        ['setsockopt', 's', TCP, 36, 1],
        ['recvcmsg', 's', 3],
        ['recvcmsg', 's', 9000],
        ['recvcmsg', 's', 9000],
        ['setsockopt', 's', SOL_SOCKET, SO_TIMESTAMP, 0],
        ['send', 'c', 5],
        ['recvcmsg', 's', 9],
        ['shutdown', 'c', 1],
        ['setsockopt', 's', SOL_SOCKET, SO_TIMESTAMP, 1],
        ['recvcmsg', 's', 9],
      ],
    },
    {
      name: 'the device of unicast, and how far a stream may come from',
      rows: [
        ...connected(7207, [
          ['setsockopt', 'l', level, is4 ? 50 : 76, 1],
          ['setsockopt', 'l', level, is4 ? 50 : 76, LO],
          ['setsockopt', 'l', level, is4 ? 21 : 73, 256],
          ['setsockopt', 'l', level, is4 ? 21 : 73, -1],
          ['setsockopt', 'l', IPV6, 24, 1279],
          ['setsockopt', 'l', IPV6, 24, 1280],
        ]),
        ['getsockopt', 's', level, is4 ? 50 : 76],
        ['setsockopt', 's', IP, 21, 10],
        ['setsockopt', 's', IPV6, 73, 10],
        ...hops('c', 9),
        ['send', 'c', 5],
        ['recv', 's', 9],
        ['setsockopt', 's', IP, 21, 9],
        ['setsockopt', 's', IPV6, 73, 9],
        ['send', 'c', 5],
      ],
    },
    {
      name: 'the family of a stream',
      rows: [
        ...connected(7209, []),
        ...['l', 'c', 's'].flatMap((file): Row[] => [
          ['getsockopt', file, level, mtu],
          ['getsockopt', file, SOL_SOCKET, 39],
          ['getsockopt', file, 77, 1],
          ['getsockopt', file, IPV6, 26],
          ['setsockopt', file, IPV6, 26, 1],
          ['setsockopt', file, IPV6, 67, 0x20],
          ['getsockopt', file, IPV6, 67],
        ]),
      ],
    },
    {
      name: 'what may be written again',
      rows: [
        ...connected(7211, [['setsockopt', 'l', SOL_SOCKET, 60, 1]]),
        ['send', 's', 5, ZEROCOPY],
        ['recvcmsg', 'c', 9],
        ['recvcmsg', 's', 9, ERRQUEUE],
        ['setsockopt', 'c', SOL_SOCKET, 60, 1],
        ...[100, 200, 300].flatMap((n): Row[] => [
          ['send', 'c', n, ZEROCOPY],
          ['recvcmsg', 's', 900],
        ]),
        ['recvcmsg', 'c', 9, ERRQUEUE],
        ['recvcmsg', 'c', 9, ERRQUEUE],
        ['setsockopt', 'c', SOL_SOCKET, SO_TIMESTAMP, 1],
        ['send', 'c', 5, ZEROCOPY],
        ['recvcmsg', 'c', 9, ERRQUEUE],
      ],
    },
    {
      name: 'when text came and went, as stamps',
      rows: [
        ...connected(7213, []),
        ['getsockopt', 'c', SOL_SOCKET, SO_TIMESTAMPING],
        ['setsockopt', 's', SOL_SOCKET, SO_TIMESTAMPING, RX | STAMPS],
        ['setsockopt', 'c', SOL_SOCKET, SO_TIMESTAMPING, TX | STAMPS | TSONLY],
        ['getsockopt', 'c', SOL_SOCKET, SO_TIMESTAMPING],
        ['send', 'c', 5],
        ['recvcmsg', 's', 2, PEEK],
        ['recvcmsg', 's', 9],
        ['recvcmsg', 'c', 9, ERRQUEUE],
        ['recvcmsg', 'c', 9, ERRQUEUE],
        ['setsockopt', 's', SOL_SOCKET, SO_TIMESTAMP, 1],
        ['setsockopt', 's', TCP, 36, 1],
        ['setsockopt', 'c', SOL_SOCKET, SO_TIMESTAMP, 1],
        ['send', 'c', 5],
        ['recvcmsg', 's', 9],
        ['recvcmsg', 'c', 9, ERRQUEUE],
        ['setsockopt', 's', SOL_SOCKET, SO_TIMESTAMP, 0],
        ['setsockopt', 's', SOL_SOCKET, SO_TIMESTAMPING, RX],
        ['send', 'c', 5],
        ['recvcmsg', 's', 9],
        ['socket', 'd', af, 2, 0],
        ['bind', 'd', lo, 7214],
        ['socket', 'e', af, 2, 0],
        ['getsockopt', 'd', SOL_SOCKET, SO_TIMESTAMPING],
        ['setsockopt', 'd', SOL_SOCKET, SO_TIMESTAMPING, RX | STAMPS],
        ['getsockopt', 'd', SOL_SOCKET, SO_TIMESTAMPING],
        ['sendto', 'e', 5, lo, 7214],
        ['recvcmsg', 'd', 9],
        ['setsockopt', 'd', SOL_SOCKET, SO_TIMESTAMP, 1],
        ['sendto', 'e', 5, lo, 7214],
        ['recvcmsg', 'd', 9],
        ['setsockopt', 'd', level, is4 ? 11 : 25, 1],
        ['sendto', 'd', 5, lo, 9],
        ['recvcmsg', 'd', 9, ERRQUEUE],
        ['setsockopt', 'd', SOL_SOCKET, SO_TIMESTAMP, 0],
        ['sendto', 'd', 5, lo, 9],
        ['recvcmsg', 'd', 9, ERRQUEUE],
        ['setsockopt', 'd', SOL_SOCKET, SO_TIMESTAMPING, 0],
        ['sendto', 'e', 5, lo, 7214],
        ['recvcmsg', 'd', 9],
      ],
    },
    {
      name: 'SO_PEEK_OFF of streams',
      rows: [
        ...connected(7215, []),
        ['getsockopt', 's', SOL_SOCKET, SO_PEEK_OFF],
        ['setsockopt', 's', SOL_SOCKET, SO_PEEK_OFF, 0],
        ['recv', 's', 5, PEEK],
        ['send', 'c', 10],
        ['send', 'c', 20],
        ...[4, 4, 9, 90, 90].flatMap((n): Row[] => [
          ['recv', 's', n, PEEK],
          ['getsockopt', 's', SOL_SOCKET, SO_PEEK_OFF],
        ]),
        ['recv', 's', 8],
        ['getsockopt', 's', SOL_SOCKET, SO_PEEK_OFF],
        ['setsockopt', 's', SOL_SOCKET, SO_PEEK_OFF, 1],
        ['recv', 's', 3],
        ['getsockopt', 's', SOL_SOCKET, SO_PEEK_OFF],
        ['recv', 's', 5, PEEK],
        ['setsockopt', 's', SOL_SOCKET, SO_PEEK_OFF, 1000],
        ['recv', 's', 5, PEEK],
        ['shutdown', 'c', 1],
        ['recv', 's', 5, PEEK],
        ['setsockopt', 's', SOL_SOCKET, SO_PEEK_OFF, 19],
        ['recv', 's', 5, PEEK],
        ['recv', 's', 5, PEEK],
        ['setsockopt', 's', SOL_SOCKET, SO_PEEK_OFF, -1],
        ['recv', 's', 5, PEEK],
        ['recv', 's', 50],
        ['recv', 's', 50],
      ],
    },
    {
      name: 'what is told of a connection',
      rows: [
        ['socket', 'n', af, STREAM, 0],
        ['getinfo', 'n'],
        ...connected(7212, []),
        ...all.map((file): Row => ['getinfo', file]),
        ['send', 'c', 100],
        ['recv', 's', 900],
        ['send', 's', 5000],
        ['recv', 'c', 900],
        ['recv', 'c', 9000],
        ...all.map((file): Row => ['getinfo', file]),
        ['shutdown', 'c', 1],
        ...all.map((file): Row => ['getinfo', file]),
        ['close', 's'],
        ...['l', 'c'].map((file): Row => ['getinfo', file]),
        ['socket', 'd', af, 2, 0],
        ['getinfo', 'd'],
      ],
    },
    ...(is4 ? [ipOptions(connected)] : []),
    failed(af, lo),
    {
      name: 'after an attempt that failed',
      rows: [
        ['socket', 'c', af, STREAM, 0],
        ['connect', 'c', lo, 9],
        ['connect', 'c', lo, 9],
        ['getsockopt', 'c', SOL_SOCKET, 39],
        ['setsockopt', 'c', IPV6, 67, 0x20],
        ['socket', 'l', af, STREAM, 0],
        ['bind', 'l', lo, 7210],
        ['listen', 'l', 1],
        ['connect', 'c', lo, 7210],
        ['accept', 'l', 's'],
        ['getpeername', 'c'],
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
      name: 'what was set before a stream connects stays, and what it connects to has what its listener had',
      rows: [
        ['socket', 'l', af, STREAM, 0],
        ...STREAMS.map(([at, name, value]): Row => ['setsockopt', 'l', at, name, value]),
        ['bind', 'l', lo, 7105],
        ['listen', 'l', 1],
        ['socket', 'c', af, STREAM, 0],
        ...STREAMS.map(([at, name, value]): Row => ['setsockopt', 'c', at, name, value]),
        ['connect', 'c', lo, 7105],
        // what is accepted has text (TCP_DEFER_ACCEPT)
        ['send', 'c', 1],
        ['accept', 'l', 's'],
        ...['l', 'c', 's'].flatMap((file) =>
          STREAMS.map(([at, name]): Row => ['getsockopt', file, at, name])
        ),
      ],
    },
    {
      name: 'options of streams',
      rows: [
        ['socket', 'l', af, STREAM, 0],
        ['getsockopt', 'l', SOL_SOCKET, 18],
        ['setsockopt', 'l', SOL_SOCKET, 18, 0],
        ['getsockopt', 'l', SOL_SOCKET, 18],
        ['setsockopt', 'l', SOL_SOCKET, 18, 100],
        ['getsockopt', 'l', SOL_SOCKET, 18],
        ['setsockopt', 'l', TCP, 36, 2],
        ['setsockopt', 'l', TCP, 36, 1],
        ['getsockopt', 'l', TCP, 36],
        ['getsockopt', 'l', TCP, 2],
        ['setsockopt', 'l', TCP, 10, 1],
        ['getsockopt', 'l', TCP, 10],
        ['setsockopt', 'l', TCP, 10, 0],
        ['getsockopt', 'l', TCP, 10],
        ['setsockopt', 'l', TCP, 31, 1],
        ['getsockopt', 'l', TCP, 31],
        ['getsockopt', 'l', TCP, 99],
        ['bind', 'l', lo, 7402],
        ['listen', 'l', 1],
        ['setsockopt', 'l', TCP, 10, 0],
        ['socket', 'c', af, STREAM, 0],
        ['connect', 'c', lo, 7402],
        ['accept', 'l', 's'],
        ['getsockopt', 's', SOL_SOCKET, 18],
        ['getsockopt', 's', TCP, 36],
        ['send', 'c', 20],
        ['recvcmsg', 's', 5],
        ['recvcmsg', 's', 5, PEEK],
        ['recvcmsg', 's', 50],
        ['recvcmsg', 's', 50],
        ['send', 'c', 5],
        ['shutdown', 'c', 1],
        ['recvcmsg', 's', 3],
        ['recvcmsg', 's', 30],
        ['recvcmsg', 's', 30],
      ],
    },
    {
      name: 'what a stream is sent with',
      rows: [
        ['socket', 'l', af, STREAM, 0],
        ['bind', 'l', lo, 7208],
        ['listen', 'l', 1],
        ['socket', 'c', af, STREAM, 0],
        ['connect', 'c', lo, 7208],
        ['accept', 'l', 's'],
        ['sendcmsg', 'c', 5, lo, 7208, [level, ttl, int(9)]],
        ['sendcmsg', 'c', 5, lo, 7208, [level, ttl, int(999)]],
        ['sendcmsg', 'c', 5, lo, 7208, [level, 99, int(9)]],
        ['sendcmsg', 'c', 5, lo, 7208, [77, 1, int(9)]],
        ['sendcmsg', 'c', 5, lo, 7208, [SOL_SOCKET, SO_MARK, int(9)]],
        ['sendcmsg', 'c', 5, lo, 7208, [SOL_SOCKET, SO_MARK, '00']],
        ['sendcmsg', 'c', 5, lo, 7208, [SOL_SOCKET, 99, int(9)]],
        ['recvcmsg', 's', 90],
      ],
    },
    {
      name: 'streams say nothing beside their data',
      rows: [
        ['socket', 'l', af, STREAM, 0],
        ['bind', 'l', lo, 7203],
        ['listen', 'l', 1],
        ['socket', 'c', af, STREAM, 0],
        ['connect', 'c', lo, 7203],
        ['accept', 'l', 's'],
        ['send', 's', 5],
        ['recvcmsg', 'c', 3],
        ['recvcmsg', 'c', 30],
        ['recvcmsg', 'c', 30],
      ],
    },
  ]
}

const IP_OPTIONS = 4
/** Options of each segment: what they take of it, and what a connection keeps of those of its SYN. */
const ipOptions = (connected: (port: number, server: Row[], client: Row[]) => Row[]): Program => {
  const set = (file: string, octets: string): Row[] => [
    ['setbytes', file, IP, IP_OPTIONS, octets],
    ['getbytes', file, IP, IP_OPTIONS],
    ['getsockopt', file, TCP, 2],
  ]
  const get = (file: string): Row[] => [
    ['getbytes', file, IP, IP_OPTIONS],
    ['getsockopt', file, TCP, 2],
  ]
  // a record of the route with three places, of which one is filled on the way; a router alert; what does nothing
  const [route, alert, nops] = [`01070f04${'00'.repeat(12)}`, '9404000001', '01'.repeat(40)]
  return {
    name: 'options of IP in the segments of a stream',
    rows: [
      ['socket', 'n', INET, STREAM, 0],
      ...get('n'),
      ...set('n', alert),
      ...set('n', '9404'),
      ...set('n', `${nops}01`),
      ...set('n', '83070408080808'),
      ['connect', 'n', '0.0.0.0', 9],
      ...[route, alert, nops].flatMap((octets, k): Row[] => [
        ...connected(7216 + k, set('l', '01010101'), set('c', octets)),
        ...get('c'),
        ...get('s'),
        ['getinfo', 'c'],
        ['getinfo', 's'],
        ['send', 'c', 1900],
        ['recv', 's', 9000],
        ['send', 's', 5000],
        ['recv', 'c', 9000],
        ...set('c', ''),
        ...set('c', nops),
        ['send', 'c', 5000],
        ['recv', 's', 9000],
        ['shutdown', 'c', 1],
        ['recv', 's', 9000],
        ['close', 'c'],
        ['close', 's'],
        ['close', 'l'],
      ]),
    ],
  }
}

/** What a stream is called after attempts that failed, by how it was bound, and what becomes of its port. */
const failed = (af: number, lo: string): Program => {
  const is4 = af === INET
  const any = is4 ? '0.0.0.0' : '::'
  const nowhere = is4 ? '198.51.100.1' : lo === '::1' ? '2001:db8:77::1' : '::ffff:198.51.100.1'
  const IP_BIND_ADDRESS_NO_PORT = 24
  const bound: Row[][] = [
    [],
    [['bind', 'c', lo, 0]],
    [['bind', 'c', any, 0]],
    [['bind', 'c', lo, 7221]],
    [['bind', 'c', any, 7221]],
    [
      ['setsockopt', 'c', IP, IP_BIND_ADDRESS_NO_PORT, 1],
      ['bind', 'c', lo, 0],
    ],
  ]
  const attempt = (to: string): Row[] => [
    ['connect', 'c', to, 9],
    ['getsockname', 'c'],
    ['getpeername', 'c'],
  ]
  return {
    name: 'the name of a stream after attempts that failed',
    rows: bound.flatMap((how): Row[] => [
      ['socket', 'c', af, STREAM, 0],
      ...how,
      ['getsockname', 'c'],
      ...attempt(nowhere),
      ...attempt(lo),
      ...attempt(lo),
      ...attempt(lo),
      ...attempt(lo),
      ...attempt(nowhere),
      ['bind', 'c', lo, 0],
      ['getsockname', 'c'],
      ['listen', 'c', 1],
      ['getsockname', 'c'],
      ['close', 'c'],
    ]),
  }
}
