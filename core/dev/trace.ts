/**
 * Traces: packets that a trace asks for carry a mark (SKB_F_TRACE) and a number from the moment the taps see them, and at each
 * place where the path stops to look anyway, it is written down what was decided: at the taps, at the hooks
 * (netfilter/nf-trace.ts), where somebody keeps a packet, where one dies. The records go through the ring of captured frames,
 * which loses what finds no room and counts it. While nobody traces, none of this is called. What a marked packet leads
 * to at once (an answer, an ICMP error, a solicitation) is marked with its number. One instance a thread.
 */
import { putU16, zero } from '../base/bytes.ts'
import { type Arena, captureRow } from '../shm/arena.ts'
import { G_TRACES, MAX_CAPTURES } from '../shm/layout.ts'
import type { Skbs } from '../skb/skbs.ts'
import {
  PACKET_OUTGOING,
  SKB_DATA,
  SKB_DEV,
  SKB_F_TRACE,
  SKB_FLAGS,
  SKB_GSO_SEGS,
  SKB_HASH,
  SKB_HEAD,
  SKB_LEN,
  SKB_PROTOCOL,
  SKB_TAIL,
  SKB_VLAN,
} from '../skb/skb.ts'
import { ETH_ALEN, ETH_HLEN } from '../wire/ethernet.ts'
import { CAP_DEV, CAP_LEFT, CAPTURE_TRACE, CR_CAPLEN, CR_FRAME } from './capture-constants.ts'
import type { CaptureFilters } from './capture-filters.ts'
import type { Capture } from './capture.ts'
import {
  TR_ANSWER,
  TR_ARG,
  TR_ID,
  TR_STAGE,
  TR_WORDS,
  TRACE_ANSWER_BIT,
  TRACE_DROP,
  TRACE_FLAGS,
  TRACE_HOLD,
  TRACE_ID_MASK,
  TRACE_ID_SHIFT,
  TRACE_RESUME,
  TRACE_RX,
  TRACE_SNAPLEN,
  TRACE_WANTED_SHIFT,
  TRACE_XMIT,
} from './trace-constants.ts'

type TraceDeps = { arena: Arena; skbs: Skbs } & Pick<CaptureFilters, 'filterOf'> &
  Pick<Capture, 'reserveFor' | 'publish' | 'copy'>

export type Trace = ReturnType<typeof createTrace>

export const createTrace = (deps: TraceDeps) => {
  const { arena, skbs, filterOf, reserveFor, publish, copy } = deps
  const { i32, u8, layout } = arena
  /** Marks of the packet that this thread is at, 0 while that is not traced. */
  let current = 0
  let numbered = 0

  const isTraced = (skb: number): boolean => (i32[skb + SKB_FLAGS] & SKB_F_TRACE) !== 0
  const marksOf = (skb: number): number => (isTraced(skb) ? i32[skb + SKB_FLAGS] & TRACE_FLAGS : 0)
  /** Each thread has numbers of its own. */
  const nextId = (): number => (++numbered * layout.threads + skbs.thread) & TRACE_ID_MASK
  const mark = (skb: number, id: number, captures: number): void => {
    i32[skb + SKB_FLAGS] |= SKB_F_TRACE | (id << TRACE_ID_SHIFT) | (captures << TRACE_WANTED_SHIFT)
  }
  /** The packet follows from the one that this thread is at; of none, it may be one that a trace asks for. */
  const adopt = (skb: number, mac: number): void => {
    if (current === 0) choose(skb, mac, PACKET_OUTGOING)
    else i32[skb + SKB_FLAGS] |= current | SKB_F_TRACE | TRACE_ANSWER_BIT
  }

  /**
   * Begins a record with so many octets of the packet: the word of its first TR_ARG, which are zero, or -1 when the ring has
   * no room. `end` hands it on.
   */
  const begin = (skb: number, stage: number, octets: number): number => {
    const flags = i32[skb + SKB_FLAGS]
    const record = reserveFor(flags >>> TRACE_WANTED_SHIFT, TR_WORDS * 4 + octets)
    if (record < 0) return -1
    const at = record + CR_FRAME
    i32.fill(0, at, at + TR_WORDS)
    i32[at + TR_ID] = (flags >>> TRACE_ID_SHIFT) & TRACE_ID_MASK
    i32[at + TR_STAGE] = stage
    i32[at + TR_ANSWER] = (flags & TRACE_ANSWER_BIT) === 0 ? 0 : 1
    return at + TR_ARG
  }
  const end = (arg: number, skb: number, octets: number): void => {
    const record = arg - TR_ARG - CR_FRAME
    const len = TR_WORDS * 4 + octets
    i32[record + CR_CAPLEN] = len
    publish(record, skb, CAPTURE_TRACE, 0, len)
  }

  // ---- the taps

  /** Does a trace ask for the frame that came in? Then it is marked. */
  const choose = (skb: number, mac: number, type: number): void => {
    const captures = i32[G_TRACES]
    if (captures === 0) return
    const len = i32[skb + SKB_LEN] + i32[skb + SKB_DATA] - mac
    let wanted = 0
    for (let k = 0; k < MAX_CAPTURES; k++) {
      if ((captures & (1 << k)) === 0) continue
      const row = captureRow(layout, k)
      if (i32[row + CAP_LEFT] <= 0) continue
      if (i32[row + CAP_DEV] !== 0 && i32[row + CAP_DEV] !== i32[skb + SKB_DEV]) continue
      if (filterOf(k, row)(skb, mac, i32[skb + SKB_TAIL], len, type) === 0) continue
      if (Atomics.sub(i32, row + CAP_LEFT, 1) > 0) wanted |= 1 << k
    }
    if (wanted !== 0) mark(skb, nextId(), wanted)
  }
  /** Does anybody trace? Frames are shown here while somebody captures (G_CAPTURES), which who traces does too: else it costs nothing. */
  const isTracing = (): boolean => i32[G_TRACES] !== 0
  /** A frame that the taps see, its link header at `mac`. */
  const traceFrame = (skb: number, mac: number, type: number): void => {
    if (type === PACKET_OUTGOING) return traceXmit(skb, mac)
    if (!isTraced(skb)) choose(skb, mac, type)
    current = marksOf(skb)
    if (current === 0) return
    const octets = i32[skb + SKB_LEN] + i32[skb + SKB_DATA] - mac
    const kept = octets < TRACE_SNAPLEN ? octets : TRACE_SNAPLEN
    const at = begin(skb, TRACE_RX, kept)
    if (at < 0) return
    i32[at] = i32[skb + SKB_HASH]
    i32[at + 1] = type
    i32[at + 2] = i32[skb + SKB_GSO_SEGS]
    i32[at + 3] = octets
    i32[at + 4] = i32[skb + SKB_VLAN]
    copy(skb, mac, (at + TR_WORDS - TR_ARG) << 2, kept)
    end(at, skb, kept)
  }
  const traceXmit = (skb: number, mac: number): void => {
    if (!isTraced(skb)) adopt(skb, mac)
    if (!isTraced(skb)) return
    const octets = i32[skb + SKB_LEN]
    const kept = octets < TRACE_SNAPLEN ? octets : TRACE_SNAPLEN
    const at = begin(skb, TRACE_XMIT, kept)
    if (at < 0) return
    i32[at] = i32[skb + SKB_GSO_SEGS]
    i32[at + 1] = octets
    copy(skb, mac, (at + TR_WORDS - TR_ARG) << 2, kept)
    end(at, skb, kept)
  }
  /** A packet that came from another CPU goes on here; the taps have seen it there. */
  const traceResume = (skb: number, stage: number): void => {
    current = marksOf(skb)
    if (current !== 0) note(skb, TRACE_RESUME, stage)
  }
  /** The batch has ended: what is made from here on follows from none of its packets. */
  const traceFlush = (): void => {
    current = 0
  }

  // ---- what becomes of a marked packet

  const note = (skb: number, stage: number, word: number): void => {
    const at = begin(skb, stage, 0)
    if (at < 0) return
    i32[at] = word
    end(at, skb, 0)
  }
  const traceDrop = (skb: number, reason: number): void => {
    if (isTraced(skb)) note(skb, TRACE_DROP, reason)
  }
  const traceHold = (skb: number, holder: number): void => note(skb, TRACE_HOLD, holder)
  /** All that is made from here on follows from that packet: for a dry run, which has no other. */
  const traceAs = (id: number, captures: number): void => {
    current = (id << TRACE_ID_SHIFT) | (captures << TRACE_WANTED_SHIFT)
  }
  /**
   * A packet made here, on its way out: true when it is marked. What was received and goes out as an answer is one. Filters
   * look at frames: it gets a link header, in the octets where its own will be written.
   */
  const traceMade = (skb: number): boolean => {
    const mac = i32[skb + SKB_DATA] - ETH_HLEN
    if (isTraced(skb)) i32[skb + SKB_FLAGS] |= TRACE_ANSWER_BIT
    else if (mac >= i32[skb + SKB_HEAD]) {
      if (current === 0) writeLinkHeader(mac, i32[skb + SKB_PROTOCOL])
      adopt(skb, mac)
    }
    return isTraced(skb)
  }
  const writeLinkHeader = (mac: number, type: number): void => {
    zero(u8, mac, 2 * ETH_ALEN)
    putU16(u8, mac + 2 * ETH_ALEN, type)
  }

  return {
    isTracing,
    isTraced,
    mark,
    begin,
    end,
    traceFrame,
    traceResume,
    traceFlush,
    traceDrop,
    traceHold,
    traceMade,
    traceAs,
  }
}
