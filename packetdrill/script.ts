/** A packetdrill script as the parser (parse.ts) hands it to the player: events in order, times in microseconds. */

/** When an event is due: at a time of the script, so long after the event before it, or whenever it comes. */
export type When = {
  kind: 'absolute' | 'relative' | 'any'
  at: number
  /** `~`: any time up to this one will do. */
  until?: number
  /** `...`: the call blocks, and returns then. */
  returns?: number
}

export type TcpOption =
  | { kind: 'nop' | 'eol' | 'sackOK' }
  | { kind: 'mss' | 'wscale'; value: number }
  | { kind: 'TS'; val: number; ecr: number }
  | { kind: 'sack'; blocks: [number, number][] }
  | { kind: 'FO' | 'FOEXP' | 'md5'; bytes: number[] }
  /** Counters of AccECN in their order. */
  | { kind: 'ECN'; fields: [name: string, octets: number][] }

export type TcpPacket = {
  proto: 'tcp'
  /** As the header has them, TCP_AE among them. */
  flags: number
  seq: number
  len: number
  ack: number
  /** null: not checked. */
  win: number | null
  urg: number
  /** null: not checked (`<...>`). */
  options: TcpOption[] | null
  /** The two ECN bits of the IP header; null: not checked. */
  ecn: number | null
}
export type IcmpPacket = {
  proto: 'icmp'
  type: string
  code: string
  mtu: number
  /** The segment it quotes. */
  seq: number
  len: number
}
export type Packet = TcpPacket | IcmpPacket

export type Value =
  | { is: 'ellipsis' }
  | { is: 'number'; value: number }
  | { is: 'text'; value: string }
  | { is: 'name'; value: string }
  | { is: 'list'; items: Value[] }
  | { is: 'struct'; fields: Map<string, Value> }

export type Call = {
  name: string
  args: Value[]
  result: Value
  /** Name of the errno. */
  error: string | null
}

export type Event = { line: number; when: When } & (
  | { is: 'in'; packet: Packet; text: string }
  | { is: 'out'; packet: Packet; text: string }
  | { is: 'call'; call: Call; text: string }
  | { is: 'command'; text: string }
  | { is: 'code'; text: string }
)

export type Script = {
  /** Commands before the first event. */
  init: string[]
  /** `--name=value` lines. */
  options: Map<string, string>
  events: Event[]
}
/** The text is no script. */
export class SyntaxFault extends Error {
  override readonly name = 'SyntaxFault'
}
/** What the stack, or this runner, cannot do: the script is skipped, and this is why. */
export class Unsupported extends Error {
  override readonly name = 'Unsupported'
}
/** The stack did something else than the script says. */
export class Mismatch extends Error {
  override readonly name = 'Mismatch'
}
