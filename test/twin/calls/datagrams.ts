// Calls of datagrams beside those of options.ts: what is told of them when they have gone, and how several calls make one.

import type { Program, Row } from './calls.ts'
import { LO_MTU } from './calls.ts'

const INET = 2
const [DGRAM, RAW] = [2, 3]
const [ICMP, ICMPV6, OTHER] = [1, 58, 253]
const [IP, SOL_SOCKET, IPV6] = [0, 1, 41]
const [SO_ERROR, SO_TIMESTAMPING] = [4, 37]
const [ERRQUEUE] = [0x2000]
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

export const datagrams = (af: number, lo: string): Program[] => [
  stamps(af, lo),
  stampsOfOthers(af, lo),
]
