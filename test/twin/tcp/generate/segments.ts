// Segments of the peer: what it would send now, that with one thing changed, and anything.

import type { Half } from '../play.ts'
import { PLAIN, type Segment, type Step } from '../script.ts'
import { type Draw, type Peer, segment } from './draw.ts'

const SYN_SENT = 2

const WINDOWS = [65535, 65535, 65535, 29200, 1000, 500, 1, 0]
/** Not less than some segments: half of it bounds them. */
const SYN_WINDOWS = [65535, 65535, 29200, 29200, 4000, 0]
// those between would fill the buffers of the two differently
const LENGTHS = [0, 1, 10, 100, 1460, 1460]

export const synOptions = (draw: Draw, peer: Peer): string[] => {
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
export const usualOptions = (draw: Draw, peer: Peer, { flow }: Half): string[] => {
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

export const usual = (draw: Draw, peer: Peer, view: Half): Partial<Segment> => ({
  flags: '.',
  seq: view.flow.acked === 0 ? peer.next : view.flow.acked,
  ack: view.flow.sent,
  win: draw.chance(85) ? 65535 : draw.pick(WINDOWS),
  options: usualOptions(draw, peer, view),
})
export const dataSegment = (draw: Draw, peer: Peer, view: Half): Step => {
  const base = usual(draw, peer, view)
  const len = draw.pick(LENGTHS)
  const seq = base.seq! + (draw.chance(80) ? 0 : draw.pick([1, 100, 1460, -1, -len, -(len >> 1)]))
  peer.next = Math.max(peer.next, seq + len)
  return segment({ ...base, seq, len, flags: draw.chance(60) ? 'P.' : '.' })
}
export const finSegment = (draw: Draw, peer: Peer, view: Half): Step => {
  const len = draw.chance(70) ? 0 : draw.pick(LENGTHS)
  const base = usual(draw, peer, view)
  const seq = base.seq! + (draw.chance(85) ? 0 : draw.pick([1, 100, -1]))
  peer.next = Math.max(peer.next, seq + len + 1)
  return segment({ ...base, seq, len, flags: draw.chance(90) ? 'F.' : 'FP.' })
}
export const synSegment = (draw: Draw, peer: Peer, view: Half): Step => {
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
export const changed = (draw: Draw, peer: Peer, view: Half): Step => {
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
