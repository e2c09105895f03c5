// docs/sockets.md as rows, and which sockets of a stack have an option: those that answer it with anything but that there is none.

import { Errno } from '../../core/base/errno.ts'
import { AF_INET, AF_INET6, AF_PACKET } from '../../core/base/family.ts'
import { SOCK_DGRAM, SOCK_RAW, SOCK_STREAM } from '../../core/socket/sock.ts'
import { IPPROTO_IPV6 } from '../../core/socket/socket-constants.ts'
import type { Sockets } from '../../core/socket/sockets.ts'
import { IPPROTO_ICMP, IPPROTO_ICMPV6 } from '../../core/wire/ipproto.ts'

export type OptionRow = { level: number; name: string; number: number; sockets: string }

/** `## NAME (level)`, then `| name | number | sockets | note |` for each option. */
export const readOptions = (text: string): OptionRow[] => {
  let level = -1
  const rows: OptionRow[] = []
  for (const line of text.split('\n')) {
    const heading = /^## \w+ \((\d+)\)/.exec(line)
    if (heading !== null) level = Number(heading[1])
    const cells = /^\| ([A-Z0-9_]+) \| (\d+) \| ([a-z, -]+) \|/.exec(line)
    if (cells !== null)
      rows.push({ level, name: cells[1]!, number: Number(cells[2]), sockets: cells[3]!.trim() })
  }
  return rows
}

const KINDS = [
  ['tcp', SOCK_STREAM, 0],
  ['udp', SOCK_DGRAM, 0],
  ['raw', SOCK_RAW, IPPROTO_ICMP],
  ['ping', SOCK_DGRAM, IPPROTO_ICMP],
  ['packet', SOCK_RAW, 0x300],
] as const
const isNone = (answer: number): boolean =>
  answer === -Errno.ENOPROTOOPT || answer === -Errno.EOPNOTSUPP

/** Of which kinds of sockets the option is, as the table has it. */
export const socketsWith = (sockets: Sockets, level: number, number: number): string => {
  const family = level === IPPROTO_IPV6 ? AF_INET6 : AF_INET
  const words = new Int32Array(4096)
  const found = KINDS.filter(([kind, type, protocol]) => {
    const own = family === AF_INET6 && protocol === IPPROTO_ICMP ? IPPROTO_ICMPV6 : protocol
    const sk = sockets.socket(kind === 'packet' ? AF_PACKET : family, type, own)
    const answers = [
      sockets.getsockopt(sk, level, number),
      sockets.setsockopt(sk, level, number, 1),
      sockets.getsockoptName(sk, level, number, words, 0),
      sockets.setsockoptName(sk, level, number, words, 0, 0),
    ]
    sockets.close(sk)
    return answers.some((answer) => !isNone(answer))
  })
  return found.map(([kind]) => kind).join(', ') || '-'
}
