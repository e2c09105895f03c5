// Random walks. The next step is chosen by what the kernel shows, so that a walk gets somewhere: most segments are what a
// peer would send now, some are so with one thing changed, some are anything. What is chosen is written down, and played
// again as it is.

import { seeded } from '../../support/random.ts'
import type { Half, Next } from './play.ts'
import { PLAIN, type Segment, type Step } from './script.ts'

const CLOSE = 7
const LISTEN = 10
const SYN_SENT = 2

type Draw = ReturnType<typeof createDraw>
const createDraw = (seed: number) => {
  const random = seeded(seed)
  const below = (n: number): number => (random() >>> 0) % n
  const chance = (percent: number): boolean => below(100) < percent
  const pick = <T>(list: readonly T[]): T => list[below(list.length)]!
  return { below, chance, pick }
}

const call = (slot: number, name: string, ...args: (string | number)[]): Step => ({
  do: 'call',
  slot,
  name,
  args: args.map(String),
})
const wait = (ms: number): Step => ({ do: 'wait', ms })

/** What the peer knows of itself. */
type Peer = {
  /** Its next sequence number, with what it has sent counted. */
  next: number
  hasTs: boolean
  hasSack: boolean
  clock: number
  fin: boolean
}

const WINDOWS = [65535, 65535, 65535, 29200, 1000, 500, 1, 0]
/** Not less than some segments: half of it bounds them. */
const SYN_WINDOWS = [65535, 65535, 29200, 29200, 4000, 0]
const LENGTHS = [0, 1, 10, 100, 536, 1000, 1460]

const synOptions = (draw: Draw, peer: Peer): string[] => {
  const options: string[] = []
  if (draw.chance(80))
    options.push(`mss ${draw.pick([1460, 1460, 1400, 1000, 536, 88, 1, 0, 9000])}`)
  peer.hasSack = draw.chance(60)
  if (peer.hasSack) options.push('sackOK')
  peer.hasTs = draw.chance(50)
  if (peer.hasTs) options.push(`ts ${peer.clock} ${draw.chance(95) ? '-' : '5'}`)
  if (draw.chance(60)) options.push(`wscale ${draw.pick([0, 1, 7, 7, 14, 15, 200])}`)
  if (draw.chance(5))
    options.push(draw.pick(['raw fe04f989', 'raw 0802', 'raw 020300', 'eol', 'fo ', 'raw 1e03ff']))
  if (draw.chance(10)) options.reverse()
  return options
}

/** Time stamps and so on, mostly as agreed. */
const usualOptions = (draw: Draw, peer: Peer, { flow }: Half): string[] => {
  const options: string[] = []
  if (peer.hasTs ? draw.chance(92) : draw.chance(2)) {
    if (draw.chance(85)) peer.clock += draw.below(20)
    const value = draw.chance(93) ? peer.clock : peer.clock - draw.pick([1, 100, 100_000])
    options.push(
      'nop',
      'nop',
      `ts ${value >>> 0} ${draw.chance(90) ? '0' : draw.pick(['-', '-1', '1', '1000', '-100000'])}`
    )
  }
  if (draw.chance(peer.hasSack ? 8 : 1)) {
    const at = flow.sent - draw.below(3000)
    options.push('nop', 'nop', `sack ${at} ${at + draw.pick([1, 1000, 1460])}`)
  }
  return options
}

/** A sequence number near one that matters. */
const nearSeq = (draw: Draw, peer: Peer, { flow }: Half): number => {
  const from = draw.pick([flow.acked, flow.acked, peer.next, flow.edge])
  return from + draw.pick([0, 0, -1, 1, -2, 2, 10, -10, 1000, -1000, 70000, -70000, 0x7fffffff])
}
const nearAck = (draw: Draw, { flow }: Half): number =>
  flow.sent +
  draw.pick([0, 0, -1, 1, -1000, 1000, -70000, 70000, -flow.sent, 1 - flow.sent, 0x7fffffff])

const FLAG_SETS = [
  '.',
  '.',
  '.',
  'P.',
  'F.',
  'R',
  'R.',
  'S',
  'S.',
  'F',
  'P',
  '-',
  'SF',
  'SR',
  'SP.',
  'E.',
  'W.',
  'FR',
  'SFR.',
]

const segment = (part: Partial<Segment>): Step => ({
  do: 'segment',
  segment: { ...PLAIN, ...part },
})
const usual = (draw: Draw, peer: Peer, view: Half): Partial<Segment> => ({
  flags: '.',
  seq: view.flow.acked === 0 ? peer.next : view.flow.acked,
  ack: view.flow.sent,
  win: draw.chance(85) ? 65535 : draw.pick(WINDOWS),
  options: usualOptions(draw, peer, view),
})
const dataSegment = (draw: Draw, peer: Peer, view: Half): Step => {
  const base = usual(draw, peer, view)
  const len = draw.pick(LENGTHS)
  const seq = base.seq! + (draw.chance(80) ? 0 : draw.pick([1, 100, 1460, -1, -len, -(len >> 1)]))
  peer.next = Math.max(peer.next, seq + len)
  return segment({ ...base, seq, len, flags: draw.chance(60) ? 'P.' : '.' })
}
const finSegment = (draw: Draw, peer: Peer, view: Half): Step => {
  const len = draw.chance(70) ? 0 : draw.pick(LENGTHS)
  const base = usual(draw, peer, view)
  const seq = base.seq! + (draw.chance(85) ? 0 : draw.pick([1, 100, -1]))
  peer.next = Math.max(peer.next, seq + len + 1)
  return segment({ ...base, seq, len, flags: draw.chance(90) ? 'F.' : 'FP.' })
}
const synSegment = (draw: Draw, peer: Peer, view: Half): Step => {
  const isSyn = !view.files.has(0) || view.shown.get(0)?.state !== SYN_SENT || draw.chance(25)
  const len = draw.chance(5) ? draw.pick(LENGTHS) : 0
  peer.next = 1 + len
  const extra = draw.chance(8) ? draw.pick(['P', 'EW', 'E', 'W', 'F']) : ''
  return segment({
    flags: (isSyn ? 'S' : 'S.') + extra,
    seq: 0,
    len,
    ack: isSyn ? 0 : view.flow.sent + (draw.chance(92) ? 0 : draw.pick([1, -1, 1000])),
    win: draw.pick(SYN_WINDOWS),
    options: synOptions(draw, peer),
  })
}
/** One thing of a segment is something else. */
const changed = (draw: Draw, peer: Peer, view: Half): Step => {
  const base = { ...PLAIN, ...usual(draw, peer, view) }
  switch (draw.below(7)) {
    case 0:
      return segment({ ...base, seq: nearSeq(draw, peer, view), len: draw.pick(LENGTHS) })
    case 1:
      return segment({
        ...base,
        ack: nearAck(draw, view),
        len: draw.chance(50) ? 0 : draw.pick(LENGTHS),
      })
    case 2:
      return segment({ ...base, flags: draw.pick(FLAG_SETS) })
    case 3:
      return segment({ ...base, flags: draw.pick(FLAG_SETS), seq: nearSeq(draw, peer, view) })
    case 4:
      return segment({
        ...base,
        flags: draw.pick(['R', 'R.', 'S']),
        seq: nearSeq(draw, peer, view),
      })
    case 5:
      return segment({ ...base, win: draw.pick(WINDOWS), ack: nearAck(draw, view) })
    default:
      return segment({
        flags: draw.pick(FLAG_SETS),
        seq: nearSeq(draw, peer, view),
        ack: nearAck(draw, view),
        len: draw.pick(LENGTHS),
        win: draw.pick(WINDOWS),
        options: usualOptions(draw, peer, view),
      })
  }
}

/** The connection's slot: 0 of an active open, 1 of an accepted one. */
const CHILD = 1
const appCall = (draw: Draw, view: Half, isPassive: boolean): Step => {
  if (isPassive && !view.files.has(CHILD)) {
    if (draw.chance(70)) return call(CHILD, 'accept', 0)
    return call(0, draw.pick(['close', 'recv', 'send']), 100)
  }
  const slot = isPassive ? CHILD : 0
  switch (draw.below(10)) {
    case 0:
    case 1:
    case 2:
      return call(slot, 'send', draw.pick([1, 10, 100, 1000, 1460, 3000, 10000]))
    case 3:
    case 4:
    case 5:
      return call(slot, 'recv', draw.pick([1, 100, 1000, 100000]))
    case 6:
      return call(slot, 'shutdown', draw.pick(['wr', 'wr', 'rd', 'rdwr']))
    case 7:
      return call(slot, 'close')
    case 8:
      return call(slot, 'get', 'SO_ERROR')
    default:
      return call(slot, draw.pick(['connect', 'listen', 'bind']), 1)
  }
}

const WAITS = [10, 10, 60, 60, 60, 330]

export const generate = (seed: number): { isn: number; next: Next } => {
  const draw = createDraw(seed)
  const isn = draw.pick([1000, 0xfffffff0, 0x7fffff00, 123456789])
  const peer: Peer = {
    next: 0,
    hasTs: false,
    hasSack: false,
    clock: 1000 + draw.below(1000),
    fin: false,
  }
  const isPassive = draw.chance(60)
  const opening: Step[] = [call(0, 'socket'), call(0, 'bind')]
  opening.push(isPassive ? call(0, 'listen', draw.pick([5, 5, 5, 1, 0])) : call(0, 'connect'))
  const length = 4 + draw.below(20)
  let done = 0
  const isOpen = (view: Half): boolean => {
    const state = view.shown.get(isPassive ? CHILD : 0)?.state ?? LISTEN
    return state !== LISTEN && state !== SYN_SENT && state !== CLOSE
  }
  const nextStep = (view: Half): Step => {
    const kind = draw.below(100)
    if (!isOpen(view)) {
      const isAnswered = view.flow.acked !== 0 || (isPassive && view.flow.isn !== null)
      if (isPassive && isAnswered && kind < 45) return segment(usual(draw, peer, view))
      if (isPassive && isAnswered && kind < 70) return call(CHILD, 'accept', 0)
      if (kind < 70) return synSegment(draw, peer, view)
      if (kind < 85) return changed(draw, peer, view)
      if (kind < 92) return appCall(draw, view, isPassive)
      return wait(draw.pick([...WAITS, 1300]))
    }
    if (kind < 20) return dataSegment(draw, peer, view)
    if (kind < 32) return segment(usual(draw, peer, view))
    if (kind < 50) return changed(draw, peer, view)
    if (kind < 56) return finSegment(draw, peer, view)
    if (kind < 84) return appCall(draw, view, isPassive)
    return wait(draw.pick(WAITS))
  }
  return {
    isn,
    next: (view) => {
      const step = opening.shift()
      if (step !== undefined) return step
      if (done++ >= length) return null
      return nextStep(view)
    },
  }
}
