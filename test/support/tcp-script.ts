// A peer made by hand for one TCP: segments are written as tcpdump would print them, relative to both initial
// sequence numbers, and what the TCP sends is read back the same way:
//
//   peer.inject('S 0:0(0) win 65535', { mss: 1460, wscale: 7, sackOk: true, ts: [100, 0] })
//   expect(peer.sent()).toEqual(['S. 0:0(0) ack 1 <mss,sackOK,TS,wscale>'])
//
// In brackets stand the names of options; `values: true` prints windows, timestamps and SACK blocks too.

import { AF_INET } from '../../core/base/family.ts'
import { i32 as getI32 } from '../../core/base/bytes.ts'
import * as ipv4 from '../../core/wire/ipv4.ts'
import * as ipv6 from '../../core/wire/ipv6.ts'
import * as tcp from '../../core/wire/tcp.ts'
import * as options from '../../core/wire/tcp-options.ts'
import {
  address,
  createTcpHost,
  type HostOptions,
  type Packet,
  sealChecksum,
  tcpAt,
} from './tcp-host.ts'
import { segments } from './tcp-pair.ts'
import { pattern } from '../../sim/net/pattern.ts'

export type Injected = {
  mss?: number
  wscale?: number
  sackOk?: boolean
  ts?: [val: number, ecr: number]
  /** Pairs of relative sequence numbers. */
  sack?: [number, number][]
  port?: number
  toPort?: number
  ttl?: number
}
const LETTERS: [string, number][] = [
  ['F', tcp.TCP_FIN],
  ['S', tcp.TCP_SYN],
  ['R', tcp.TCP_RST],
  ['P', tcp.TCP_PSH],
  ['E', tcp.TCP_ECE],
  ['W', tcp.TCP_CWR],
  ['A', tcp.TCP_AE],
  ['.', tcp.TCP_ACK],
]
export type Seen = {
  text: string
  flags: string
  seq: number
  ack: number
  len: number
  win: number
  tsval: number
  tsecr: number
  sack: [number, number][]
  mss: number
  wscale: number
  atMs: number
}

export const createTcpScript = (family: number, extra: Partial<HostOptions> = {}) => {
  const out: Seen[] = []
  let nowUs = extra.startUs ?? 1_000_000_000
  let ourIsn: number | null = null
  /** The peer's initial sequence number. */
  const peer = { isn: 1000, port: 4000, toPort: 80 }
  const opts = new Int32Array(options.OPT_WORDS)

  const parse = (packet: Packet): Seen => {
    const { bytes } = packet
    const at = tcpAt(family)
    const flagBits = tcp.flags(bytes, at) | ((tcp.ace(bytes, at) & 4) << 6)
    const flags = LETTERS.filter(([, bit]) => (flagBits & bit) !== 0)
      .map(([letter]) => letter)
      .join('')
    if (ourIsn === null || (flagBits & (tcp.TCP_SYN | tcp.TCP_RST)) === tcp.TCP_SYN)
      ourIsn = tcp.seq(bytes, at)
    const head = tcp.headerLen(bytes, at)
    const len = bytes.length - at - head
    const seq = (tcp.seq(bytes, at) - ourIsn) | 0
    const ack = (flagBits & tcp.TCP_ACK) !== 0 ? (tcp.ack(bytes, at) - peer.isn) | 0 : 0
    options.parse(bytes, at + 20, head - 20, opts)
    const seen = opts[options.OPT_SEEN]!
    const sack: [number, number][] = []
    if ((seen & options.SEEN_SACK) !== 0)
      for (let b = 0; b < opts[options.OPT_SACK_COUNT]!; b++) {
        const from = opts[options.OPT_SACK_AT]! + b * 8
        sack.push([(getI32(bytes, from) - peer.isn) | 0, (getI32(bytes, from + 4) - peer.isn) | 0])
      }
    const names = [
      (seen & options.SEEN_MSS) !== 0 ? 'mss' : '',
      (seen & options.SEEN_SACK_PERM) !== 0 ? 'sackOK' : '',
      (seen & options.SEEN_TIMESTAMPS) !== 0 && (flagBits & tcp.TCP_SYN) !== 0 ? 'TS' : '',
      (seen & options.SEEN_WSCALE) !== 0 ? 'wscale' : '',
      (seen & options.SEEN_FASTOPEN) !== 0 ? 'FO' : '',
      sack.length > 0 ? `sack ${sack.map(([a, b]) => `${a}:${b}`).join(' ')}` : '',
    ].filter((name) => name !== '')
    const text =
      `${flags} ${seq}:${seq + len}(${len})` +
      ((flagBits & tcp.TCP_ACK) !== 0 ? ` ack ${ack}` : '') +
      (names.length > 0 ? ` <${names.join(',')}>` : '')
    return {
      text,
      flags,
      seq,
      ack,
      len,
      win: tcp.window(bytes, at),
      sack,
      atMs: nowUs / 1000 - 1_000_000,
      tsval: (seen & options.SEEN_TIMESTAMPS) !== 0 ? opts[options.OPT_TSVAL]! : 0,
      tsecr: (seen & options.SEEN_TIMESTAMPS) !== 0 ? opts[options.OPT_TSECR]! : 0,
      mss: (seen & options.SEEN_MSS) !== 0 ? opts[options.OPT_MSS]! : 0,
      wscale: (seen & options.SEEN_WSCALE) !== 0 ? opts[options.OPT_WSCALE]! : -1,
    }
  }
  const host = createTcpHost({
    family,
    id: 1,
    ...extra,
    send: (packet) => {
      for (const part of segments(family, packet)) out.push(parse(part))
    },
  })

  const putOptions = (bytes: Uint8Array, start: number, extras: Injected): number => {
    let at = start
    if (extras.mss !== undefined) at = options.putMss(bytes, at, extras.mss)
    if (extras.sackOk) at = options.putSackPermitted(bytes, at)
    if (extras.ts) at = options.putTimestamps(bytes, at, extras.ts[0], extras.ts[1])
    if (extras.wscale !== undefined) at = options.putWscale(bytes, at, extras.wscale)
    if (extras.sack) {
      at = options.putSackHeader(bytes, at, extras.sack.length)
      for (const [a, b] of extras.sack)
        at = options.putSackBlock(bytes, at, ((ourIsn ?? 0) + a) | 0, ((ourIsn ?? 0) + b) | 0)
    }
    return at
  }
  /** Sends 'FLAGS start:end(len) [ack N] [win N]' to the TCP; text is patterned from `start - 1`. */
  const inject = (line: string, extras: Injected = {}): void => {
    const match = /^([SFRPEWA.]+) (-?\d+):(-?\d+)\((\d+)\)(?: ack (-?\d+))?(?: win (\d+))?$/.exec(
      line
    )
    if (!match) throw new Error(`inject: ${line}`)
    const len = Number(match[4])
    const at = tcpAt(family)
    const head = new Uint8Array(at + 60)
    const end = putOptions(head, at + 20, extras)
    const bytes = new Uint8Array(end + len)
    bytes.set(head.subarray(0, end))
    const mine = address(family, 2)
    const yours = address(family, 1)
    if (family === AF_INET)
      ipv4.init(bytes, 0, 6, mine[3]!, yours[3]!, bytes.length, extras.ttl ?? 64)
    else {
      ipv6.init(bytes, 0, 6, bytes.length - 40, extras.ttl ?? 64)
      ipv6.setSrc(bytes, 0, mine[0]!, mine[1]!, mine[2]!, mine[3]!)
      ipv6.setDst(bytes, 0, yours[0]!, yours[1]!, yours[2]!, yours[3]!)
    }
    let flags = 0
    for (const [letter, bit] of LETTERS) if (match[1]!.includes(letter)) flags |= bit
    tcp.setSrcPort(bytes, at, extras.port ?? peer.port)
    tcp.setDstPort(bytes, at, extras.toPort ?? peer.toPort)
    tcp.setSeq(bytes, at, (peer.isn + Number(match[2])) | 0)
    tcp.setAck(bytes, at, match[5] === undefined ? 0 : ((ourIsn ?? 0) + Number(match[5])) | 0)
    tcp.setHeaderLenFlags(bytes, at, end - at, flags)
    tcp.setWindow(bytes, at, match[6] === undefined ? 65535 : Number(match[6]))
    for (let k = 0; k < len; k++) bytes[end + k] = pattern(Number(match[2]) - 1 + k)
    sealChecksum(family, bytes)
    host.receive({ bytes, gsoSize: 0 })
  }
  /** What was sent since the last call. */
  const take = (): Seen[] => {
    host.endTurn()
    return out.splice(0)
  }
  const sent = (): string[] => take().map((seen) => seen.text)
  /** Turns the clock by `ms`, a millisecond at a time. */
  const pass = (ms: number): void => {
    const end = nowUs + ms * 1000
    while (nowUs < end) {
      const next = host.wheel.count() === 0 ? end : nowUs + host.wheel.nextDelay(64) * 1000
      nowUs = Math.min(end, next)
      host.advance(nowUs)
    }
  }

  /** A connection to our listener on port 80, as plain or with all options; returns the socket. */
  const establish = (extras: Injected = { mss: 1460 }, win = 65535): number => {
    let child = 0
    const listener = host.serve(80, (sk) => {
      child = sk
    })
    inject(`S 0:0(0) win ${win}`, extras)
    const synAck = take()[0]!
    inject(`. 1:1(0) ack 1 win ${win}`, extras.ts ? { ts: [extras.ts[0] + 1, synAck.tsval] } : {})
    host.tcp.close(listener)
    if (child === 0) throw new Error('not accepted')
    return child
  }
  /** A connection that we open, to the peer's port 80. */
  const dialed = (extras: Injected = { mss: 1460 }, win = 65535): number => {
    const sk = host.dial(address(family, 2), 80)
    const syn = take()[0]!
    peer.port = 80
    peer.toPort = portOf(sk)
    inject(
      `S. 0:0(0) ack 1 win ${win}`,
      extras.ts ? { ...extras, ts: [extras.ts[0], syn.tsval] } : extras
    )
    take()
    return sk
  }
  const portOf = (sk: number): number => host.i32[sk + 20]!
  const write = (sk: number, len: number, flags = 0): number =>
    host.tcp.sendBytes(sk, new Uint8Array(len), 0, len, flags)
  const read = (sk: number, len = 65536): number =>
    host.tcp.recvBytes(sk, new Uint8Array(len), 0, len)

  return {
    host,
    peer,
    inject,
    take,
    sent,
    pass,
    establish,
    dialed,
    portOf,
    write,
    read,
    nowMs: () => nowUs / 1000,
  }
}
