// Packet sockets, as far as their calls need no address of a link: programs of the table, for each family's ethertype.

import type { Program, Row } from './calls.ts'

const [INET, PACKET] = [2, 17]
const [STREAM, DGRAM, RAW, SEQPACKET] = [1, 2, 3, 5]
const [SOL_SOCKET, SOL_PACKET] = [1, 263]
const [OOB, PEEK, TRUNC, WAITALL, ERRQUEUE] = [1, 2, 0x20, 0x100, 0x2000]
/** ETH_P_ALL and those of the families, in network order. */
const [ALL, IP, IPV6] = [0x0300, 0x0008, 0xdd86]
const [AUXDATA, IGNORE_OUTGOING] = [8, 23]
const [SO_TYPE, SO_PROTOCOL, SO_DOMAIN, SO_ERROR] = [3, 38, 39, 4]
const [RD, WR, RDWR] = [0, 1, 2]
const NONE_SUCH = 99

export const packets = (af: number, lo: string): Program[] => {
  const ethertype = af === INET ? IP : IPV6
  const talk: Row[] = [
    ['socket', 'd', af, DGRAM, 0],
    ['bind', 'd', lo, 7601],
    ['connect', 'd', lo, 7601],
  ]
  return [
    {
      name: 'what packet sockets hear',
      rows: [
        ...talk,
        ['socket', 'net', PACKET, DGRAM, ethertype],
        ['socket', 'link', PACKET, RAW, ethertype],
        ['socket', 'nothing', PACKET, RAW, 0],
        ['send', 'd', 9],
        ['recv', 'd', 90],
        ['recv', 'net', 1000, PEEK],
        ['recv', 'net', 10, PEEK],
        ['recv', 'net', 10, PEEK | TRUNC],
        ['recv', 'net', 1000],
        ['recv', 'net', 1000],
        ['recv', 'link', 10, TRUNC],
        ['recv', 'link', 1000],
        ['recv', 'nothing', 1000],
        // those that go out are heard by who hears all
        ['socket', 'all', PACKET, DGRAM, ALL],
        ['socket', 'in', PACKET, DGRAM, ALL],
        ['setsockopt', 'in', SOL_PACKET, IGNORE_OUTGOING, 1],
        ['send', 'd', 20],
        ['recv', 'all', 1000],
        ['recv', 'all', 1000],
        ['recv', 'all', 1000],
        ['recv', 'in', 1000],
        ['recv', 'in', 1000],
      ],
    },
    {
      name: 'what packet sockets refuse',
      rows: [
        ['socket', 's', PACKET, STREAM, ethertype],
        ['socket', 's', PACKET, SEQPACKET, ethertype],
        ...[DGRAM, RAW].flatMap((type): Row[] => [
          ['socket', `p${type}`, PACKET, type, ethertype],
          ['send', `p${type}`, 20],
          ['send', `p${type}`, 0],
          ['send', `p${type}`, 20, OOB],
          ['recv', `p${type}`, 20],
          ['recv', `p${type}`, 20, OOB],
          ['recv', `p${type}`, 20, WAITALL],
          ['recv', `p${type}`, 20, PEEK | TRUNC],
          ['recv', `p${type}`, 20, ERRQUEUE],
          ['listen', `p${type}`, 1],
          ['accept', `p${type}`, 'child'],
          ['shutdown', `p${type}`, RD],
          ['shutdown', `p${type}`, WR],
          ['shutdown', `p${type}`, RDWR],
          ['getpeername', `p${type}`],
          ['socketpair', PACKET, type, ethertype],
        ]),
      ],
    },
    {
      name: 'options of packet sockets',
      rows: [
        ['socket', 'p', PACKET, RAW, ethertype],
        ...[SO_TYPE, SO_PROTOCOL, SO_DOMAIN, SO_ERROR].map(
          (option): Row => ['getsockopt', 'p', SOL_SOCKET, option]
        ),
        ...[AUXDATA, IGNORE_OUTGOING].flatMap((option): Row[] => [
          ['getsockopt', 'p', SOL_PACKET, option],
          ['setsockopt', 'p', SOL_PACKET, option, 1],
          ['getsockopt', 'p', SOL_PACKET, option],
        ]),
        ['setsockopt', 'p', SOL_PACKET, IGNORE_OUTGOING, 2],
        ['setsockopt', 'p', SOL_PACKET, IGNORE_OUTGOING, -1],
        ['setsockopt', 'p', SOL_PACKET, NONE_SUCH, 1],
        ['getsockopt', 'p', SOL_PACKET, NONE_SUCH],
        ['setsockopt', 'p', 0, 1, 1],
        ['getsockopt', 'p', 0, 1],
      ],
    },
  ]
}
