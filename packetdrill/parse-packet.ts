/** Packets of a script: what tcpdump prints, `[ecn] FLAGS seq:end(len) ack N win N urg N <options>`, and ICMP errors. */
import * as tcp from '../core/wire/tcp.ts'
import type { Cursor } from './cursor.ts'
import {
  type IcmpPacket,
  type Packet,
  type TcpOption,
  type TcpPacket,
  Unsupported,
} from './script.ts'

export const FLAG_LETTERS: readonly [letter: string, bit: number][] = [
  ['F', tcp.TCP_FIN],
  ['S', tcp.TCP_SYN],
  ['R', tcp.TCP_RST],
  ['P', tcp.TCP_PSH],
  ['U', tcp.TCP_URG],
  ['E', tcp.TCP_ECE],
  ['W', tcp.TCP_CWR],
  ['A', tcp.TCP_AE],
  ['.', tcp.TCP_ACK],
]
const ECN: Record<string, number | null> = { noecn: 0, ect1: 1, ect0: 2, ce: 3, ect01: null }

const integer = (cursor: Cursor): number =>
  Number(cursor.take(/-?(?:0x[0-9a-f]+|\d+)/iy, 'a number')[0])
const after = (cursor: Cursor, word: string): number | null =>
  cursor.is(word) ? integer(cursor) : null

/** `isIn`: it goes to the stack, so everything it does not say has a value. */
export const parsePacket = (cursor: Cursor, isIn: boolean): Packet => {
  if (cursor.match(/(?:encap|ipv4|ipv6|gre|mpls|udp)\b/y) !== null)
    throw new Unsupported('packets of other protocols than TCP')
  if (cursor.match(/icmp\b/y) !== null) return parseIcmp(cursor)
  const mark = cursor.match(/\[\s*(\w+)\s*\]/y)?.[1]
  if (mark !== undefined && !Object.hasOwn(ECN, mark)) cursor.fail('noecn, ect0, ect1 or ce')
  const letters = cursor.take(/[FSRP.UEWA0-7]+(?= )|-(?= )/y, 'flags of a segment')[0]
  // a digit is the ACE field (AE, CWR, ECE) as a number
  let flags = Number(letters.match(/\d/)?.[0] ?? 0) * tcp.TCP_ECE
  for (const [letter, bit] of FLAG_LETTERS) if (letters.includes(letter)) flags |= bit
  const seq = integer(cursor)
  cursor.need(':')
  const end = integer(cursor)
  const len = Number(cursor.take(/\((\d+)\)/y, 'a length')[1])
  if (end !== seq + len) cursor.fail(`${seq}:${seq + len}(${len})`)
  const ack = after(cursor, 'ack') ?? 0
  const win = after(cursor, 'win')
  const urg = after(cursor, 'urg') ?? 0
  const ecn = mark === undefined ? (isIn ? 0 : null) : ECN[mark]!
  const packet: TcpPacket = { proto: 'tcp', flags, seq, len, ack, win, urg, options: [], ecn }
  if (cursor.is('<')) packet.options = parseOptions(cursor)
  return packet
}

const parseIcmp = (cursor: Cursor): IcmpPacket => {
  const type = cursor.take(/[a-z_]+/y, 'a type of ICMP message')[0]
  const code = cursor.match(/(?!mtu\b)[a-z_]+/y)?.[0] ?? ''
  const mtu = after(cursor, 'mtu') ?? 0
  const quoted = cursor.match(/\[(\d+):\d+\((\d+)\)\]/y)
  return {
    proto: 'icmp',
    type,
    code,
    mtu,
    seq: Number(quoted?.[1] ?? 0),
    len: Number(quoted?.[2] ?? 0),
  }
}

const parseOptions = (cursor: Cursor): TcpOption[] | null => {
  if (cursor.is('...')) {
    cursor.need('>')
    return null
  }
  const options: TcpOption[] = []
  while (!cursor.is('>')) {
    options.push(parseOption(cursor))
    if (!cursor.is(',')) {
      cursor.need('>')
      break
    }
  }
  return options
}

const parseOption = (cursor: Cursor): TcpOption => {
  const name = cursor.take(/[A-Za-z]+\d?/y, 'a TCP option')[0]
  switch (name) {
    case 'nop':
    case 'eol':
    case 'sackOK':
      return { kind: name }
    case 'mss':
    case 'wscale':
      return { kind: name, value: integer(cursor) }
    case 'TS': {
      cursor.need('val')
      const val = integer(cursor)
      cursor.need('ecr')
      return { kind: 'TS', val, ecr: integer(cursor) }
    }
    case 'sack':
      return { kind: 'sack', blocks: parseBlocks(cursor) }
    case 'FO':
    case 'FOEXP':
    case 'md5':
      return { kind: name, bytes: parseBytes(cursor) }
    case 'ECN':
      return { kind: 'ECN', fields: parseCounters(cursor) }
    default:
      throw new Unsupported(`the TCP option "${name}"`)
  }
}
const parseCounters = (cursor: Cursor): [string, number][] => {
  const fields: [string, number][] = []
  for (
    let field = cursor.match(/(e[01]b|ceb) (\d+)/y);
    field !== null;
    field = cursor.match(/(e[01]b|ceb) (\d+)/y)
  )
    fields.push([field[1]!, Number(field[2])])
  return fields
}
const parseBlocks = (cursor: Cursor): [number, number][] => {
  const blocks: [number, number][] = []
  for (
    let block = cursor.match(/(\d+):(\d+)/y);
    block !== null;
    block = cursor.match(/(\d+):(\d+)/y)
  )
    blocks.push([Number(block[1]), Number(block[2])])
  return blocks
}
const parseBytes = (cursor: Cursor): number[] => {
  const digits = cursor.match(/[0-9a-f]+/iy)?.[0] ?? ''
  return digits.match(/../g)?.map((pair) => Number.parseInt(pair, 16)) ?? []
}
