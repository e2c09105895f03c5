/**
 * Between a script's segments and the live ones: which connection they are of, sequence numbers and timestamps of one
 * expressed in those of the other, what was sent and not yet expected, and how the two are compared.
 */
import * as tcp from '../core/wire/tcp.ts'
import type { Host } from './host.ts'
import type { TcpOption, TcpPacket } from './script.ts'
import { decode, encode, type Ends, packetText } from './wire.ts'

/** The peer's ports, of connections that scripts make from outside. */
const FIRST_PEER_PORT = 40_000
const PORT = 8080

export type Flow = {
  port: number
  peerPort: number
  /** The initial sequence number that the stack chose, and the script's name for it. */
  isn: number | null
  scriptIsn: number
  /** The peer's, which is the script's. */
  peerIsn: number
  /** Timestamps that the stack sent, by the script's names for them. */
  stamps: Map<number, number>
  firstStamp: [script: number, live: number] | null
  isConnecting: boolean
}
type Heard = { at: number; packet: TcpPacket; flow: Flow }
export type Segments = ReturnType<typeof createSegments>
/** `isStrict`: segments are expected one by one. */
type Rules = { anyOptions: boolean; anyWindow: boolean; isStrict: boolean }

const seconds = (us: number): string => (us / 1e6).toFixed(6)

export const createSegments = (host: Host, rules: Rules, trace: (line: string) => void) => {
  const flows: Flow[] = []
  const heard: Heard[] = []
  /** What the next packets are of; null before there is a connection. */
  let current: Flow | null = null
  let peerPort = FIRST_PEER_PORT

  const newFlow = (port: number, remote: number, isConnecting: boolean): Flow => {
    const flow = {
      port,
      peerPort: remote,
      isn: null,
      scriptIsn: 0,
      peerIsn: 0,
      stamps: new Map(),
      firstStamp: null,
      isConnecting,
    }
    flows.push(flow)
    current = flow
    return flow
  }
  /** A socket was made: the next packet is of a connection that is not there yet. */
  const forget = (): void => {
    current = null
  }
  const listen = (): void => {
    current = null
  }
  const connect = (): void => {
    if (current === null || !current.isConnecting) newFlow(0, PORT, true)
  }
  const flow = (): Flow => current ?? newFlow(PORT, peerPort++, false)

  /** What is to be added to a script's number of a segment: those of SYNs are as they are written, others count from them. */
  const offset = ({ isn, scriptIsn }: Flow, flags: number): number =>
    isn === null ? 0 : (flags & tcp.TCP_SYN) !== 0 ? isn - scriptIsn : isn
  const peerOffset = ({ peerIsn }: Flow, flags: number): number =>
    (flags & tcp.TCP_SYN) !== 0 ? 0 : peerIsn
  const ends = ({ port, peerPort: remote }: Flow): Ends => ({
    family: host.family,
    src: [...host.remote],
    dst: [...host.local],
    sport: remote,
    dport: port,
  })

  // ---- to the stack

  const stampOf = (of: Flow, ecr: number): number => {
    const known = of.stamps.get(ecr)
    if (known !== undefined) return known
    return of.firstStamp === null ? ecr : ecr - of.firstStamp[0] + of.firstStamp[1]
  }
  const toLive = (packet: TcpPacket): Uint8Array => {
    const of = flow()
    if ((packet.flags & tcp.TCP_SYN) !== 0) of.peerIsn = packet.seq
    const by = offset(of, packet.flags)
    const seq = (packet.seq + peerOffset(of, packet.flags)) | 0
    const hasAck = (packet.flags & tcp.TCP_ACK) !== 0
    const options = (packet.options ?? []).map((option): TcpOption => {
      if (option.kind === 'sack')
        return { kind: 'sack', blocks: option.blocks.map(([a, b]) => [(a + by) | 0, (b + by) | 0]) }
      if (option.kind === 'TS' && hasAck) return { ...option, ecr: stampOf(of, option.ecr) }
      return option
    })
    const ack = hasAck ? (packet.ack + by) | 0 : packet.ack
    return encode({ ...packet, seq, ack, options }, ends(of))
  }

  // ---- from the stack

  const flowOf = ({
    sport,
    dport,
    flags,
  }: {
    sport: number
    dport: number
    flags: number
  }): Flow | null => {
    const known = flows.find(({ port, peerPort: remote }) => port === sport && remote === dport)
    if (known !== undefined) return known
    if (current === null || !current.isConnecting || current.port !== 0) return null
    if ((flags & tcp.TCP_SYN) === 0) return null
    current.port = sport
    return current
  }
  /** Looks at what was sent since the last call. */
  const collect = (): void => {
    for (const bytes of host.takeSent()) {
      const packet = decode(bytes)
      if (packet === null) continue
      const of = flowOf(packet)
      if (of === null) continue
      if (of.isn === null && (packet.flags & tcp.TCP_SYN) !== 0) of.isn = packet.seq
      trace(`${seconds(host.now())} > ${packetText(toScript(packet, of))}`)
      heard.push({ at: host.now(), packet, flow: of })
    }
  }
  const toScript = (packet: TcpPacket, of: Flow): TcpPacket => {
    const by = peerOffset(of, packet.flags)
    const seq = (packet.seq - offset(of, packet.flags)) >>> 0
    const ack = (packet.flags & tcp.TCP_ACK) === 0 ? 0 : (packet.ack - by) >>> 0
    const options =
      packet.options?.map((option): TcpOption => {
        if (option.kind !== 'sack') return option
        const blocks = option.blocks.map(([a, b]): [number, number] => [
          (a - by) >>> 0,
          (b - by) >>> 0,
        ])
        return { kind: 'sack', blocks }
      }) ?? null
    return { ...packet, seq, ack, options }
  }
  /** What other connections have sent is of no interest: one is looked at at a time. */
  const forgetOthers = (): void => {
    const of = flow()
    heard.splice(0, heard.length, ...heard.filter((each) => each.flow === of))
  }
  /** Whether there is as much as a segment of `len` would be. */
  const has = (len: number): boolean => {
    forgetOthers()
    return heard.length > 0 && heard.reduce((sum, { packet }) => sum + packet.len, 0) >= len
  }
  /** What was sent first, with what follows it put to it until it is as long as what is expected. */
  const take = (expected: TcpPacket): Heard | null => {
    const first = heard.shift()
    if (first === undefined) return null
    if (first.flow.isn !== null && (first.packet.flags & tcp.TCP_SYN) !== 0)
      first.flow.scriptIsn = expected.seq
    const whole = { ...first, packet: { ...first.packet } }
    for (
      let next = heard[0];
      whole.packet.len < expected.len && next !== undefined;
      next = heard[0]
    ) {
      if (rules.isStrict || !follows(whole, next)) break
      heard.shift()
      whole.packet.len += next.packet.len
      whole.packet.flags = next.packet.flags | (first.packet.flags & tcp.TCP_CWR)
    }
    return whole
  }
  const follows = ({ packet, flow: of }: Heard, next: Heard): boolean =>
    next.flow === of &&
    next.packet.seq === ((packet.seq + packet.len) | 0) &&
    next.packet.ack === packet.ack &&
    (packet.flags & (tcp.TCP_FIN | tcp.TCP_SYN | tcp.TCP_RST)) === 0

  // ---- the comparison

  const noteStamps = (of: Flow, expected: TcpPacket, live: TcpPacket): void => {
    const script = (expected.options ?? []).find(({ kind }) => kind === 'TS')
    const actual = (live.options ?? []).find(({ kind }) => kind === 'TS')
    if (script?.kind !== 'TS' || actual?.kind !== 'TS') return
    of.stamps.set(script.val, actual.val)
    of.firstStamp ??= [script.val, actual.val]
  }
  /** The stack's clock is its own, so the value of a timestamp is not compared. */
  const sameOption = (a: TcpOption, b: TcpOption): boolean =>
    a.kind === 'TS' && b.kind === 'TS' ? a.ecr === b.ecr : Bun.deepEquals(a, b)
  const sameOptions = (expected: TcpPacket, actual: TcpPacket): boolean => {
    if (expected.options === null || actual.options === null) return true
    if (rules.anyOptions && (expected.flags & tcp.TCP_SYN) !== 0) return true
    const [a, b] = [expected.options, actual.options]
    return a.length === b.length && a.every((option, n) => sameOption(option, b[n]!))
  }
  /** Null when they agree, else both as tcpdump would print them. */
  const compare = (expected: TcpPacket, live: TcpPacket, of: Flow): string | null => {
    const actual = toScript(live, of)
    noteStamps(of, expected, live)
    const isSame =
      expected.flags === actual.flags &&
      expected.seq === actual.seq &&
      expected.len === actual.len &&
      expected.ack === actual.ack &&
      expected.urg === actual.urg &&
      (expected.win === null || rules.anyWindow || expected.win === actual.win) &&
      (expected.ecn === null || expected.ecn === actual.ecn) &&
      sameOptions(expected, actual)
    if (isSame) return null
    const shown = { ...actual, win: expected.win === null ? null : actual.win }
    return `expected: ${packetText(expected)}\n      actual: ${packetText(shown)}`
  }
  return { forget, listen, connect, flow, toLive, collect, has, take, compare }
}
