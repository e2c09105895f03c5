// Options that IPv6 alone has: programs of the table.

import { type Control, LO_MTU, type Program, type Row } from './calls.ts'

const INET6 = 10
const [STREAM, DGRAM, RAW] = [1, 2, 3]
const [ICMPV6, OTHER] = [58, 253]
const IPV6 = 41
const PKTOPTIONS = 6
const [FLOWINFO, FLOWINFO_SEND, TCLASS, AUTOFLOWLABEL] = [11, 33, 67, 70]
const ADDR_PREFERENCES = 72
const [MTU_DISCOVER, RECVERR, RECVPATHMTU, PATHMTU, DONTFRAG] = [23, 25, 60, 61, 62]
const [DO, WANT] = [2, 1]
const ERRQUEUE = 0x2000
const KINDS = [
  ['streams', STREAM, 0],
  ['datagrams', DGRAM, 0],
  ['raw sockets', RAW, OTHER],
  ['ping sockets', DGRAM, ICMPV6],
] as const

export const ipv6 = (lo: string): Program[] => [
  ...flowLabels(lo),
  streamLabels(lo),
  addressPreferences,
  ...pathMtus(lo),
]

const set = (file: string, name: number, value: number): Row => [
  'setsockopt',
  file,
  IPV6,
  name,
  value,
]
const get = (file: string, name: number): Row => ['getsockopt', file, IPV6, name]

/** Labels of those that have no connections: by address, by connection, by control message. */
const flowLabels = (lo: string): Program[] =>
  KINDS.slice(1).map(([name, type, protocol]): Program => {
    const port = type === DGRAM && protocol === 0 ? 7501 : 0
    // what comes to a ping socket is an answer, so a raw one hears what it sends
    const heard: Row = [
      'socket',
      'to',
      INET6,
      ...(protocol === ICMPV6 ? [RAW] : [type]),
      protocol,
    ] as Row
    const recv: Row = ['recvcmsg', 'to', 100]
    const drain: Row[] = protocol === ICMPV6 ? [recv, ['recvcmsg', 'to', 100]] : [recv]
    const sendto = (flowinfo: number): Row[] => [
      ['sendto', 'd', 20, lo, port, 0, flowinfo],
      ...drain,
    ]
    const say = (...control: Control[]): Row[] => [
      ['sendcmsg', 'd', 20, lo, port, ...control],
      ...drain,
    ]
    return {
      name: `flow labels of ${name}`,
      rows: [
        heard,
        ...(port === 0 ? [] : ([['bind', 'to', lo, port]] as Row[])),
        set('to', FLOWINFO, 7),
        get('to', FLOWINFO),
        ['socket', 'd', INET6, type, protocol],
        ...(type === RAW ? ([['shutdown', 'd', 0]] as Row[]) : []),
        get('d', FLOWINFO_SEND),
        get('d', AUTOFLOWLABEL),
        ...sendto(5),
        set('d', AUTOFLOWLABEL, 0),
        get('d', AUTOFLOWLABEL),
        ...sendto(5),
        set('d', TCLASS, 0x20),
        ...sendto(5),
        set('d', FLOWINFO_SEND, 9),
        get('d', FLOWINFO_SEND),
        ...sendto(0),
        ...sendto(5),
        ...sendto(0x0ff00006),
        ...sendto(0x70000000 | 7),
        ...say([IPV6, FLOWINFO, '00000003']),
        ...say([IPV6, FLOWINFO, '0ff00003']),
        ...say([IPV6, FLOWINFO, '70000003']),
        ...say([IPV6, FLOWINFO, '0000000300']),
        ...say([IPV6, FLOWINFO, '00000000']),
        ...say([IPV6, FLOWINFO, '000003']),
        ['connect', 'd', lo, port, 8],
        ['send', 'd', 20],
        ...drain,
        ...sendto(0),
        ...sendto(9),
        set('d', FLOWINFO_SEND, 0),
        ['send', 'd', 20],
        ...drain,
        ...sendto(9),
        ['connect', 'd', lo, port, 4],
        ['send', 'd', 20],
        ...drain,
        set('d', AUTOFLOWLABEL, 1),
        get('d', AUTOFLOWLABEL),
        ['send', 'd', 20],
        ...drain,
      ],
    }
  })

const streamLabels = (lo: string): Program => ({
  name: 'flow labels of streams',
  rows: [
    ['socket', 'l', INET6, STREAM, 0],
    ['bind', 'l', lo, 7502],
    set('l', FLOWINFO, 1),
    get('l', FLOWINFO),
    ['listen', 'l', 4],
    ['socket', 'c', INET6, STREAM, 0],
    set('c', FLOWINFO_SEND, 1),
    get('c', FLOWINFO_SEND),
    set('c', TCLASS, 0x28),
    ['connect', 'c', lo, 7502, 0x0ff00005],
    ['connect', 'c', lo, 7502, 6],
    ['accept', 'l', 'a'],
    get('a', FLOWINFO),
    ['getcmsg', 'a', IPV6, PKTOPTIONS],
    ['send', 'c', 9],
    ['recv', 'a', 9],
    ['getcmsg', 'a', IPV6, PKTOPTIONS],
    ['getcmsg', 'c', IPV6, PKTOPTIONS],
    set('c', FLOWINFO, 1),
    ['getcmsg', 'c', IPV6, PKTOPTIONS],
    set('a', AUTOFLOWLABEL, 0),
    get('a', AUTOFLOWLABEL),
    ['send', 'a', 9],
    ['recv', 'c', 9],
    ['getcmsg', 'c', IPV6, PKTOPTIONS],
    ['socket', 'd', INET6, STREAM, 0],
    ['connect', 'd', lo, 7502, 5],
    ['accept', 'l', 'b'],
    ['getcmsg', 'b', IPV6, PKTOPTIONS],
  ],
})

/** Temporary, public, care-of, of a key; either, home, of none; contradictions, and numbers that are nobody's. */
const PREFERENCES = [
  1, 2, 0x100, 2, 1, 4, 0, 0x400, 8, 0x800, 5, 0x402, 0x104, 0xd00, 3, 0x101, 0x102, 0x103, 0x404,
  0x808, 0x1000, 0x1001, -1, -4, 0x40, 0,
]
const addressPreferences: Program = {
  name: 'which addresses are preferred',
  rows: KINDS.flatMap(([name, type, protocol]): Row[] => [
    ['socket', name, INET6, type, protocol],
    get(name, ADDR_PREFERENCES),
    ...PREFERENCES.flatMap((value): Row[] => [
      set(name, ADDR_PREFERENCES, value),
      get(name, ADDR_PREFERENCES),
    ]),
  ]),
}

/** How much a way takes, told beside what was too long for it, and asked for. */
const pathMtus = (lo: string): Program[] =>
  [...KINDS.slice(1), ['raw sockets of ICMPv6', RAW, ICMPV6] as const].map(
    ([name, type, protocol]): Program => {
      const port = protocol === 0 ? 7503 : 0
      // nothing but what is too long is read: a ping socket hears answers, a raw one itself
      const tries = (length: number): Row[] => [
        ['sendto', 'd', length, lo, port],
        ['recvcmsg', 'd', 9],
        ['recvcmsg', 'd', 9],
        ['recvcmsg', 'd', 9],
      ]
      return {
        name: `path MTUs of ${name}`,
        rows: [
          ['socket', 'd', INET6, type, protocol],
          get('d', RECVPATHMTU),
          get('d', PATHMTU),
          ['getbytes', 'd', IPV6, PATHMTU],
          set('d', PATHMTU, 1),
          set('d', DONTFRAG, 1),
          ...tries(LO_MTU),
          set('d', RECVPATHMTU, 7),
          get('d', RECVPATHMTU),
          ...[9, LO_MTU - 48, LO_MTU - 40, LO_MTU, 9000].flatMap(tries),
          // it waits, and the newest is told
          ['sendto', 'd', LO_MTU, lo, port],
          ['sendto', 'd', LO_MTU, '::1', port],
          set('d', RECVPATHMTU, 0),
          ['recvcmsg', 'd', 9],
          set('d', RECVPATHMTU, 1),
          ['recvfrom', 'd', 9],
          ['recv', 'd', 9],
          set('d', DONTFRAG, 0),
          set('d', MTU_DISCOVER, DO),
          ...tries(LO_MTU),
          set('d', MTU_DISCOVER, WANT),
          ['sendcmsg', 'd', LO_MTU, lo, port, [IPV6, DONTFRAG, '01000000']],
          ['recvcmsg', 'd', 9],
          ['recvcmsg', 'd', 9],
          set('d', RECVERR, 1),
          ['sendcmsg', 'd', LO_MTU, lo, port, [IPV6, DONTFRAG, '01000000']],
          // of a ping socket its port is the type of the message, by chance
          ...(protocol === ICMPV6 ? [] : ([['recvcmsg', 'd', 9, ERRQUEUE]] as Row[])),
          ['recvcmsg', 'd', 9],
          ['recvcmsg', 'd', 9],
          ['connect', 'd', lo, port],
          get('d', PATHMTU),
          ['getbytes', 'd', IPV6, PATHMTU],
        ],
      }
    }
  )
