// Options that change what the calls do: programs of the table, for each family.

import { type Control, LO_MTU, type Program, type Row } from './calls.ts'

const INET = 2
const [STREAM, DGRAM, RAW] = [1, 2, 3]
const [ICMP, UDP, ICMPV6, OTHER] = [1, 17, 58, 253]
const [IP, SOL_SOCKET, IPV6] = [0, 1, 41]
const TIMES = [29, 35, 63, 64]
const [UDP_SEGMENT, UDP_GRO] = [103, 104]
const [SO_ERROR, SO_PRIORITY, SO_MARK, SO_RXQ_OVFL, SO_RCVMARK] = [4, 12, 36, 40, 75]
const [PEEK, DONTROUTE, SO_DONTROUTE] = [2, 4, 5]
const [IP_BIND_ADDRESS_NO_PORT, IP_LOCAL_PORT_RANGE] = [24, 51]
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
      name: 'whether datagrams may be cut, which streams may be told as well',
      rows: [STREAM, DGRAM].flatMap((type): Row[] => [
        ['socket', `s${type}`, af, type, 0],
        ['getsockopt', `s${type}`, IPV6, IPV6_DONTFRAG],
        ['setsockopt', `s${type}`, IPV6, IPV6_DONTFRAG, 2],
        ['getsockopt', `s${type}`, IPV6, IPV6_DONTFRAG],
        ['setsockopt', `s${type}`, IPV6, IPV6_DONTFRAG, 0],
        ['getsockopt', `s${type}`, IPV6, IPV6_DONTFRAG],
      ]),
    },
    {
      name: 'each family has a type of service and hops of its own',
      rows: [STREAM, DGRAM].flatMap((type): Row[] => [
        ['socket', `s${type}`, af, type, 0],
        ...(
          [
            [IPV6, 67, 0x28],
            [IP, 1, 0x10],
            [IPV6, 16, 9],
            [IP, 2, 7],
            [IPV6, 16, 0],
          ] as const
        ).flatMap(([level, name, value]): Row[] => [
          ['setsockopt', `s${type}`, level, name, value],
          ['getsockopt', `s${type}`, IP, 1],
          ['getsockopt', `s${type}`, IPV6, 67],
          ['getsockopt', `s${type}`, IP, 2],
          ['getsockopt', `s${type}`, IPV6, 16],
        ]),
      ]),
    },
    {
      name: 'a type of service that changes is a priority as well',
      rows: [STREAM, DGRAM, RAW].flatMap((type): Row[] => {
        const file = `s${type}`
        const asked = (name: number, value: number, at: number = SOL_SOCKET): Row[] => [
          ['setsockopt', file, at, name, value],
          ['getsockopt', file, SOL_SOCKET, SO_PRIORITY],
        ]
        return [
          ['socket', file, af, type, type === RAW ? OTHER : 0],
          ['getsockopt', file, SOL_SOCKET, SO_PRIORITY],
          ...[0x10, 0x08, 0x18, 0x06, 0xff].flatMap((tos) => asked(1, tos, IP)),
          ...asked(SO_PRIORITY, 3),
          ...asked(1, 0xff, IP),
          ...asked(1, 0x04, IP),
          ...asked(67, 0x10, IPV6),
          ...asked(SO_PRIORITY, 77),
          ...asked(SO_PRIORITY, -1),
        ]
      }),
    },
    {
      name: 'what is not to be routed',
      rows: (
        [
          [DGRAM, 0],
          [RAW, OTHER],
          [DGRAM, is4 ? ICMP : ICMPV6],
        ] as const
      ).flatMap(([type, protocol], k): Row[] => {
        const file = `s${k}`
        const port = type === RAW ? 0 : 9
        return [
          ['socket', file, af, type, protocol],
          ['getsockopt', file, SOL_SOCKET, SO_DONTROUTE],
          ['sendto', file, 20, lo, port, DONTROUTE],
          ['connect', file, lo, port],
          ['send', file, 20, DONTROUTE],
          ['setsockopt', file, SOL_SOCKET, SO_DONTROUTE, -1],
          ['getsockopt', file, SOL_SOCKET, SO_DONTROUTE],
          ['send', file, 20],
          ['sendto', file, 20, is4 ? '224.0.0.9' : 'ff02::9', port, DONTROUTE],
          ['setsockopt', file, SOL_SOCKET, SO_DONTROUTE, 0],
          ['getsockopt', file, SOL_SOCKET, SO_DONTROUTE],
          ['close', file],
        ]
      }),
    },
    {
      name: 'what is kept, though nothing comes of it',
      rows: (
        [
          [DGRAM, 0],
          [RAW, OTHER],
          [DGRAM, is4 ? ICMP : ICMPV6],
        ] as const
      ).flatMap(([type, protocol], k): Row[] => [
        ['socket', `s${k}`, af, type, protocol],
        ...[1, 9, 10, 11, 14, 18, 19, 45].flatMap((name): Row[] => [
          ['getsockopt', `s${k}`, SOL_SOCKET, name],
          ...[7, -1, 0].flatMap((value): Row[] => [
            ['setsockopt', `s${k}`, SOL_SOCKET, name, value],
            ['getsockopt', `s${k}`, SOL_SOCKET, name],
          ]),
        ]),
        ...[21, 24, 51].flatMap((name): Row[] => [
          ['setsockopt', `s${k}`, IP, name, 5],
          ['getsockopt', `s${k}`, IP, name],
        ]),
      ]),
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
    ...control(af, lo),
    ...ports(af, lo),
    {
      name: 'options of sockets',
      rows: [
        ['socket', 'd', af, DGRAM, 0],
        ['bind', 'd', lo, 7401],
        ['socket', 'e', af, DGRAM, 0],
        ...[11, 45].flatMap((name): Row[] => [
          ['setsockopt', 'e', SOL_SOCKET, name, 9],
          ['getsockopt', 'e', SOL_SOCKET, name],
        ]),
        ['sendto', 'e', 9, lo, 7401],
        ['recvfrom', 'd', 90],
        ['setsockopt', 'd', SOL_SOCKET, 33, 1],
        ['getsockopt', 'd', SOL_SOCKET, 8],
        ['setsockopt', 'd', SOL_SOCKET, 32, 40000],
        ['getsockopt', 'd', SOL_SOCKET, 7],
      ],
    },
    ...(is4 ? [] : six(lo, room)),
  ]
}

/** What packets say beside their data, and what is said with them. */
const control = (af: number, lo: string): Program[] => {
  const is4 = af === INET
  const level = is4 ? IP : IPV6
  const other = is4 ? '127.0.0.9' : '::1'
  const tells = is4 ? [6, 7, 8, 12, 13, 20] : [49, 51, 66, 74]
  const listen = (type: number, protocol: number, told = tells): Row[] => [
    ['socket', 'to', af, type, protocol],
    ...told.flatMap((name): Row[] => [
      ['setsockopt', 'to', level, name, 7],
      ['getsockopt', 'to', level, name],
    ]),
  ]
  const int = (value: number): string => {
    const octets = Buffer.alloc(4)
    octets.writeInt32LE(value)
    return octets.toString('hex')
  }
  const addr = (text: string): string =>
    is4
      ? Buffer.from(text.split('.').map(Number)).toString('hex')
      : text === '::1'
        ? `${'0'.repeat(31)}1`
        : '20010db8007700000000000000000001'
  /** struct in_pktinfo, in6_pktinfo. */
  const pktinfo = (ifindex: number, source: string): Control =>
    is4
      ? [IP, 8, `${int(ifindex)}${addr(source)}00000000`]
      : [IPV6, 50, addr(source) + int(ifindex)]
  const [ttl, tos] = is4 ? [2, 1] : [52, 67]
  const elsewhere = is4 ? '198.51.100.1' : '2001:db8:77::1'
  const says = (file: string, port: number, n: number): Row[] => {
    const send = (...control: Control[]): Row[] => [
      ['sendcmsg', file, n, lo, port, ...control],
      ['recvcmsg', 'to', 300],
    ]
    return [
      ...send(),
      ...send([level, ttl, int(9)]),
      ...send([level, ttl, int(0)]),
      ...send([level, ttl, int(256)]),
      ...send([level, ttl, int(-1)]),
      ...send([level, ttl, '09']),
      ...send([level, tos, int(0x28)]),
      ...send([level, tos, int(256)]),
      ...send([level, tos, '28']),
      ...send(pktinfo(1, other)),
      ...send(pktinfo(0, other)),
      ...send(pktinfo(1, elsewhere)),
      ...send(pktinfo(77, other)),
      ...send([level, is4 ? 8 : 50, '00']),
      ...send([level, 99, int(1)]),
      ...send([77, 1, int(1)]),
      ...send([SOL_SOCKET, SO_MARK, int(0x55)]),
      ...send([SOL_SOCKET, SO_MARK, '00']),
      ...send([SOL_SOCKET, 99, int(1)]),
      ...send([level, ttl, int(3)], [level, tos, int(4)], [SOL_SOCKET, SO_MARK, int(5)]),
      ...send(),
    ]
  }
  return [
    {
      name: 'what datagrams say beside their data',
      rows: [
        ...listen(DGRAM, 0),
        ['setsockopt', 'to', SOL_SOCKET, SO_RCVMARK, 1],
        ['getsockopt', 'to', SOL_SOCKET, SO_RCVMARK],
        ['bind', 'to', is4 ? '0.0.0.0' : '::', 7201],
        ['socket', 'd', af, DGRAM, 0],
        ['bind', 'd', lo, 7202],
        ...says('d', 7201, 12),
        ['setsockopt', 'to', SOL_SOCKET, SO_RXQ_OVFL, 1],
        ['getsockopt', 'to', SOL_SOCKET, SO_RXQ_OVFL],
        ['sendto', 'd', 9, lo, 7201],
        ['recvcmsg', 'to', 4, PEEK],
        ['recvcmsg', 'to', 4],
        ...(is4
          ? ([
              ['setsockopt', 'd', IP, 1, 0x10],
              ['sendto', 'd', 9, '127.255.255.255', 7201],
              ['setsockopt', 'd', SOL_SOCKET, 6, 1],
            ] as Row[])
          : [['sendto', 'd', 9, 'ff01::1', 7201] as Row]),
        ['recvcmsg', 'to', 40],
      ],
    },
    {
      name: 'what raw packets say beside their data',
      rows: [
        ...listen(RAW, OTHER),
        ['socket', 'r', af, RAW, OTHER],
        ['shutdown', 'r', 0],
        ...says('r', 0, 12),
      ],
    },
    {
      name: 'what echo replies say beside their data',
      rows: [
        ...listen(DGRAM, is4 ? ICMP : ICMPV6, is4 ? [12, 13] : [49, 51, 66]),
        ['sendto', 'to', 20, lo, 0],
        ['recvcmsg', 'to', 40],
        ['sendcmsg', 'to', 20, lo, 0, [level, tos, int(0x20)]],
        ['recvcmsg', 'to', 40],
      ],
    },
    {
      name: 'addresses of others',
      rows: [
        ['socket', 'd', af, DGRAM, 0],
        ['setsockopt', 'd', level, is4 ? 15 : 78, 1],
        ['bind', 'd', elsewhere, 7205],
        ['getsockname', 'd'],
        ...(is4 ? ([['sendto', 'd', 5, lo, 7206]] as Row[]) : []),
        ['socket', 't', af, DGRAM, 0],
        ['bind', 't', elsewhere, 7206],
        ['setsockopt', 't', level, is4 ? 19 : 75, 1],
        ['getsockopt', 't', level, is4 ? 19 : 75],
        ['bind', 't', elsewhere, 7206],
        ['sendto', 't', 5, lo, 9],
        ['connect', 't', lo, 9],
        ['getsockname', 't'],
        ['socket', 's', af, STREAM, 0],
        ['setsockopt', 's', level, is4 ? 19 : 75, 1],
        ['bind', 's', elsewhere, 7206],
        ['listen', 's', 1],
        ['getsockname', 's'],
      ],
    },
    {
      name: 'when datagrams came',
      rows: [
        ['socket', 'to', af, DGRAM, 0],
        ['bind', 'to', lo, 7207],
        ['socket', 'd', af, DGRAM, 0],
        ['setsockopt', 'to', level, is4 ? IP_RECVERR : IPV6_RECVERR, 1],
        ['sendto', 'd', 5, lo, 7207],
        ...TIMES.flatMap((name): Row[] => [
          ['setsockopt', 'to', SOL_SOCKET, name, 7],
          ...TIMES.map((each): Row => ['getsockopt', 'to', SOL_SOCKET, each]),
          ['sendto', 'd', 5, lo, 7207],
          ['recvcmsg', 'to', 9, PEEK],
          ['recvcmsg', 'to', 9],
          ['sendto', 'to', 20, lo, 9],
          ['recvcmsg', 'to', 9, ERRQUEUE],
        ]),
        ['setsockopt', 'to', SOL_SOCKET, TIMES[0]!, 0],
        ...TIMES.map((each): Row => ['getsockopt', 'to', SOL_SOCKET, each]),
        ['recvcmsg', 'to', 9],
        ['recvcmsg', 'to', 9],
      ],
    },
    {
      name: 'many datagrams in one call',
      rows: [
        ['socket', 'to', af, DGRAM, 0],
        ['bind', 'to', lo, 7209],
        ['socket', 'd', af, DGRAM, 0],
        ...[UDP_SEGMENT, UDP_GRO].map((name): Row => ['getsockopt', 'd', UDP, name]),
        ['setsockopt', 'd', UDP, UDP_SEGMENT, -1],
        ['setsockopt', 'd', UDP, UDP_SEGMENT, 65536],
        ['setsockopt', 'd', UDP, 99, 1],
        ['setsockopt', 'd', UDP, UDP_SEGMENT, 500],
        ['getsockopt', 'd', UDP, UDP_SEGMENT],
        ...[1300, 500, 501, 0, 64_000, 64_001, 65_507, 65_508].flatMap((n): Row[] => [
          ['sendto', 'd', n, lo, 7209],
          ['recvcmsg', 'to', 9000],
          ['recvcmsg', 'to', 9000],
          ['recvcmsg', 'to', 9000],
          ['close', 'to'],
          ['socket', 'to', af, DGRAM, 0],
          ['bind', 'to', lo, 7209],
        ]),
        ['setsockopt', 'to', UDP, UDP_GRO, 7],
        ['getsockopt', 'to', UDP, UDP_GRO],
        ['setsockopt', 'to', level, is4 ? 12 : 51, 1],
        ['sendto', 'd', 1300, lo, 7209],
        ['recvcmsg', 'to', 9000, PEEK],
        ['recvcmsg', 'to', 9000],
        ['sendto', 'd', 1300, lo, 7209],
        ['recvcmsg', 'to', 600],
        ['recvcmsg', 'to', 9000],
        ['sendto', 'd', 500, lo, 7209],
        ['recvcmsg', 'to', 9000],
        ['sendcmsg', 'd', 900, lo, 7209, [UDP, UDP_SEGMENT, 'c800']],
        ['recvcmsg', 'to', 9000],
        ['sendcmsg', 'd', 900, lo, 7209, [UDP, UDP_SEGMENT, '0000'], [level, ttl, int(9)]],
        ['recvcmsg', 'to', 9000],
        ['sendcmsg', 'd', 900, lo, 7209, [UDP, UDP_SEGMENT, '00']],
        ['sendcmsg', 'd', 900, lo, 7209, [UDP, UDP_SEGMENT, int(500)]],
        ['sendcmsg', 'd', 900, lo, 7209, [UDP, 99, '0000']],
        ['sendcmsg', 'd', 1281, lo, 7209, [UDP, UDP_SEGMENT, '0a00']],
        ['sendcmsg', 'd', 1280, lo, 7209, [UDP, UDP_SEGMENT, '0a00']],
        ['recvcmsg', 'to', 9000],
        ['sendcmsg', 'd', 5000, lo, 7209, [UDP, UDP_SEGMENT, 'd007']],
        ['sendcmsg', 'd', 1900, lo, 7209, [UDP, UDP_SEGMENT, 'd007']],
        ['recvcmsg', 'to', 9000],
        ['setsockopt', 'd', SOL_SOCKET, 11, 1],
        ['sendto', 'd', 1300, lo, 7209],
        ['sendto', 'd', 300, lo, 7209],
        ['recvcmsg', 'to', 9000],
      ],
    },
    {
      name: 'what errors say beside what they quote',
      rows: [
        ['socket', 'd', af, DGRAM, 0],
        ['setsockopt', 'd', level, is4 ? IP_RECVERR : IPV6_RECVERR, 1],
        ...(is4 ? [8, 12, 13] : [49, 51, 66]).map(
          (name): Row => ['setsockopt', 'd', level, name, 1]
        ),
        ['sendto', 'd', 20, lo, 9],
        ['recvcmsg', 'd', 90, ERRQUEUE],
        ['setsockopt', 'd', level, is4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER, DO],
        ['sendto', 'd', LO_MTU, lo, 9],
        ['recvcmsg', 'd', 90, ERRQUEUE],
      ],
    },
  ]
}

/** Which ports are chosen, and when. */
const ports = (af: number, lo: string): Program[] => {
  const range = (low: number, high: number): number => (high << 16) | low
  const rows = (type: number): Row[] => [
    ['socket', 'd', af, type, 0],
    ['setsockopt', 'd', IP, IP_BIND_ADDRESS_NO_PORT, 4],
    ['getsockopt', 'd', IP, IP_BIND_ADDRESS_NO_PORT],
    ['bind', 'd', lo, 0],
    ['getsockname', 'd'],
    ['setsockopt', 'd', IP, IP_LOCAL_PORT_RANGE, range(9, 8)],
    ['setsockopt', 'd', IP, IP_LOCAL_PORT_RANGE, range(40011, 40011)],
    ['getsockopt', 'd', IP, IP_LOCAL_PORT_RANGE],
    ['connect', 'd', lo, 7301],
    ['getsockname', 'd'],
    ['socket', 'e', af, type, 0],
    ['setsockopt', 'e', IP, IP_LOCAL_PORT_RANGE, range(40011, 40011)],
    ['bind', 'e', lo, 0],
    ['setsockopt', 'e', IP, IP_LOCAL_PORT_RANGE, range(40012, 0)],
    ['bind', 'e', lo, 0],
    ['socket', 'f', af, type, 0],
    ['setsockopt', 'f', IP, IP_LOCAL_PORT_RANGE, range(7, 9)],
    ['bind', 'f', lo, 0],
    ['getsockname', 'f'],
  ]
  return [
    { name: 'ports of datagrams', rows: rows(DGRAM) },
    {
      name: 'ports of streams',
      rows: [
        ['socket', 'l', af, STREAM, 0],
        ['bind', 'l', lo, 7301],
        ['listen', 'l', 1],
        ...rows(STREAM),
      ],
    },
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

/** 127.0.0.9, as in6_pktinfo has it. */
const MAPPED = '00000000000000000000ffff7f000009'
/** What IPv6 alone has. */
const six = (lo: string, room: number): Program[] => [
  {
    name: 'what goes with IPv4 by a socket of IPv6',
    rows: [
      ['socket', 'to', 2, DGRAM, 0],
      ['bind', 'to', '127.0.0.1', 7112],
      ...[8, 12, 13].map((name): Row => ['setsockopt', 'to', IP, name, 1]),
      ['socket', 'd', 10, DGRAM, 0],
      ...(
        [
          [],
          [[IP, 2, '09000000']],
          [[IP, 2, '00010000']],
          [[IP, 1, '28000000']],
          [[IP, 99, '28000000']],
          [[IP, 8, '00000000' + '7f000009' + '00000000']],
          [[IPV6, 50, `${MAPPED}00000000`]],
          [[IPV6, 50, `${MAPPED}01000000`]],
          [[IPV6, 50, `${'0'.repeat(31)}100000000`]],
          [[IPV6, 50, '00']],
          [[IPV6, 52, '09000000']],
          ...['00000000', 'ffffffff', 'feffffff', '00010000', '09'].map((n): Control[] => [
            [IPV6, 52, n],
          ]),
          [[IPV6, 67, '28000000']],
          ...['00000000', 'ffffffff', 'feffffff', '00010000', '28'].map((n): Control[] => [
            [IPV6, 67, n],
          ]),
          [[IPV6, 62, '01000000']],
          [[IPV6, 62, '07000000']],
          [[IPV6, 99, '28000000']],
          [[IPV6, 50, `${MAPPED}4d000000`]],
          [[IPV6, 50, `${'0'.repeat(20)}ffffc633640100000000`]],
          [[UDP, 103, '0400']],
        ] as Control[][]
      ).flatMap((control): Row[] => [
        ['sendcmsg', 'd', 5, '::ffff:127.0.0.1', 7112, ...control],
        ['recvcmsg', 'to', 90],
        ['recvcmsg', 'to', 90],
      ]),
      ['socket', 's', 10, DGRAM, 0],
      ['bind', 's', '::1', 7113],
      ...[49, 51, 66].map((name): Row => ['setsockopt', 's', IPV6, name, 1]),
      ...(
        [
          [[IP, 2, '09000000']],
          [[IP, 99, '09000000']],
          [[IPV6, 50, `${MAPPED}00000000`]],
          [[IPV6, 52, '09000000']],
        ] as Control[][]
      ).flatMap((control): Row[] => [
        ['sendcmsg', 'd', 5, '::1', 7113, ...control],
        ['recvcmsg', 's', 90],
      ]),
      // what comes by IPv4 is told in IPv6's words, and in IPv4's where that was asked for
      ['socket', 'b', 10, DGRAM, 0],
      ['bind', 'b', '::', 7114],
      ...[49, 51, 66].map((name): Row => ['setsockopt', 'b', IPV6, name, 1]),
      ['sendto', 'd', 5, '::ffff:127.0.0.1', 7114],
      ['recvcmsg', 'b', 90],
      ...[8, 12, 13, 20].map((name): Row => ['setsockopt', 'b', IP, name, 1]),
      ['sendto', 'd', 5, '::ffff:127.0.0.1', 7114],
      ['recvcmsg', 'b', 90],
      ['sendto', 'd', 5, '::1', 7114],
      ['recvcmsg', 'b', 90],
    ],
  },
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
