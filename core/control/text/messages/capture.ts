/** Captured frames, and traced packets with what was decided of them. */

export type CaptureSpec = {
  /** A device; every one when it is left out, or "any". */
  dev?: string
  /** An expression as tcpdump takes it. */
  filter?: string
  /** Octets that are kept of a frame. */
  snaplen?: number
  direction?: 'in' | 'out' | 'inout'
  /** What dies unused is shown too, with its reason. */
  drops?: boolean
}
export type CaptureItem = {
  /** Microseconds of the clock that `Capturing.startUs` is of. */
  timeUs: number
  dev: string
  cpu: number
  direction: 'in' | 'out'
  /** Why it died; null for what did not. */
  drop: string | null
  /** Octets of the frame. */
  length: number
  /** Those that were kept; to be read before `take` returns. */
  bytes: Uint8Array
}
export type Capturing = {
  startUs: number
  /** Shows what has come, oldest first. */
  poll: () => void
  /** Frames, or stages of a trace, that found no room since it began. */
  lost: () => number
  close: () => void
}

export type TraceSpec = {
  /** A device that the packets come in by; every one when it is left out, or "any". */
  dev?: string
  /** An expression as tcpdump takes it. */
  filter?: string
  /** How many packets are followed. */
  packets: number
}
export type Tracing = Capturing & {
  /** All the packets that it asks for have come to their ends, those included of which no stage found room. */
  isOver: () => boolean
}
export type DrySpec = {
  /** Device that it comes in by. */
  dev: string
  /** In words ("tcp 10.1.0.1:5000 > 10.2.0.1:80"), or a frame in hex. */
  packet: string
}
/** What a stage decided; which of the words are there depends on the stage. */
export type TraceStage = {
  stage: string
  /** Microseconds since the packet was first seen; a thread reads its clock once a turn. */
  at_us: number
  cpu: number
  /** It is of a packet that this one led to: an answer, an ICMP error, a question for a neighbour. */
  answer?: true
  /** In one line. */
  text: string
  [word: string]: unknown
}
export type TracedPacket = {
  dev: string
  /** As tcpdump words it. */
  frame: string
  stages: TraceStage[]
  /** What became of it. */
  verdict: string
}
