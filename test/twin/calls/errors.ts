// Errors that are kept in a socket and told once, by whatever call asks first: programs of the table, for each family and for streams
// of IPv6 that speak IPv4.

import type { Program, Row } from './calls.ts'

const [STREAM, DGRAM] = [1, 2]
const [SOL_SOCKET, SO_ERROR, UDP] = [1, 4, 17]
const [OOB, PEEK, ERRQUEUE, MORE] = [1, 2, 0x2000, 0x8000]
const [RD, WR, RDWR] = [0, 1, 2]
const NOBODY = 9
const UDP_CORK = 1

const poll: Row = ['poll', 'c']
const soError: Row = ['getsockopt', 'c', SOL_SOCKET, SO_ERROR]
/** What each of the ways to send and receive says then. */
const rest: Row[] = [['send', 'c', 1], ['recv', 'c', 1], soError]

/** A connection from c to s that s has reset, with text that c has not read yet. */
const reset = (af: number, lo: string): Row[] => [
  ['socket', 'l', af, STREAM, 0],
  ['bind', 'l', lo, 7501],
  ['listen', 'l', 1],
  ['socket', 'c', af, STREAM, 0],
  ['connect', 'c', lo, 7501],
  ['accept', 'l', 's'],
  ['send', 's', 5],
  ['send', 'c', 5],
  ['close', 's'],
]
const ofStreams = (af: number, lo: string): Program[] => {
  const asks: Row[][] = [
    [soError],
    [['send', 'c', 1]],
    [['send', 'c', 0]],
    [['send', 'c', 1, OOB]],
    [['sendto', 'c', 1, lo, NOBODY]],
    [['sendmsg', 'c', 1, MORE]],
    [['recv', 'c', 1]],
    [['recv', 'c', 9]],
    [['recv', 'c', 0]],
    [['recv', 'c', 1, PEEK]],
    [['recv', 'c', 1, OOB]],
    [['recvmsg', 'c', 1]],
    [['recvcmsg', 'c', 9, ERRQUEUE]],
    [['connect', 'c', lo, NOBODY]],
    [['getpeername', 'c']],
    [['shutdown', 'c', RD]],
    [['shutdown', 'c', WR]],
    [['shutdown', 'c', RDWR]],
    [['listen', 'c', 1]],
    [['bind', 'c', lo, 0]],
    [['setsockopt', 'c', SOL_SOCKET, 9, 1]],
  ]
  const refused: Row[] = [
    ['socket', 'c', af, STREAM, 0],
    ['connect', 'c', lo, NOBODY],
  ]
  const after = (ask: Row[]): Row[] => [...ask, ...rest, ['connect', 'c', lo, NOBODY], soError]
  const close: Row[] = [['close', 'c']]
  return [
    {
      name: 'a stream that was refused says so once',
      rows: asks.flatMap((ask) => [...refused, ...after(ask), ...close]),
    },
    {
      name: 'a stream that was reset says so once',
      rows: asks.flatMap((ask) => [...reset(af, lo), ...after(ask), ...close, ['close', 'l']]),
    },
    {
      name: 'what a stream that failed is ready for',
      rows: [
        ['socket', 'c', af, STREAM, 0],
        poll,
        ...close,
        ...asks.flatMap((ask): Row[] => [...refused, poll, ...ask, poll, ...rest, poll, ...close]),
        ...[soError, ...rest].flatMap((ask): Row[] => [
          ...reset(af, lo),
          poll,
          ask,
          poll,
          ...rest,
          poll,
          ...close,
          ['close', 'l'],
        ]),
      ],
    },
  ]
}

const ofDatagrams = (af: number, lo: string): Program[] => {
  const asks: Row[][] = [
    [soError],
    [['send', 'c', 1]],
    [['send', 'c', 0]],
    [['send', 'c', 1, OOB]],
    [['send', 'c', 65536]],
    [['sendto', 'c', 1, lo, 7502]],
    [['sendto', 'c', 1, lo, 0]],
    [['send', 'c', 1, MORE]],
    [
      ['setsockopt', 'c', UDP, UDP_CORK, 1],
      ['send', 'c', 1],
      ['setsockopt', 'c', UDP, UDP_CORK, 0],
    ],
    [['recv', 'c', 1]],
    [['recv', 'c', 0]],
    [['recv', 'c', 1, PEEK]],
    [['recv', 'c', 1, OOB]],
    [['recvcmsg', 'c', 9, ERRQUEUE]],
    [['connect', 'c', lo, 7502]],
    [['getpeername', 'c']],
    [['shutdown', 'c', RD]],
    [['shutdown', 'c', WR]],
    [['bind', 'c', lo, 0]],
  ]
  /** ICMP has come of what c has sent; `recverr`: and lies in the error queue. */
  const refused = (recverr: boolean): Row[] => [
    ['socket', 'to', af, DGRAM, 0],
    ['bind', 'to', lo, 7502],
    ['socket', 'c', af, DGRAM, 0],
    ...(recverr ? [['setsockopt', 'c', af === 2 ? 0 : 41, af === 2 ? 11 : 25, 1] as Row] : []),
    ['connect', 'c', lo, NOBODY],
    ['send', 'c', 3],
  ]
  const close: Row[] = [
    ['close', 'c'],
    ['close', 'to'],
  ]
  return [
    {
      name: 'a datagram that was refused is told of once',
      rows: [false, true].flatMap((recverr) =>
        asks.flatMap((ask) => [...refused(recverr), ...ask, ...rest, soError, ...close])
      ),
    },
    {
      name: 'what a socket whose datagram was refused is ready for',
      rows: [false, true].flatMap((recverr) =>
        asks.flatMap((ask): Row[] => [
          ...refused(recverr),
          poll,
          ...ask,
          poll,
          ...rest,
          poll,
          ...close,
        ])
      ),
    },
  ]
}

export const errors = (af: number, lo: string): Program[] => [
  ...ofStreams(af, lo),
  ...ofDatagrams(af, lo),
]
export const streamErrors = ofStreams
