// Much that is in flight, and a peer that reports holes, duplicates of what it has and of what it has not, or nothing for long.

import { INFO } from '../end.ts'
import type { Half } from '../play.ts'
import type { Step } from '../script.ts'
import { call, type Draw, type Peer, segment, wait } from './draw.ts'
import { usual } from './segments.ts'

const SND_MSS = INFO.findIndex(([name]) => name === 'snd_mss')
/** Segments in front of what was sent last. */
const MOST_BEHIND = 12

/** A block of whole segments, or nearly, from `at` on. */
const block = (draw: Draw, at: number, size: number): [number, number] => {
  const start = at + (draw.chance(90) ? 0 : draw.pick([-1, 1, -10]))
  return [
    start,
    start + size * draw.pick([1, 1, 1, 2, 3]) + (draw.chance(90) ? 0 : draw.pick([-1, 1])),
  ]
}
/** What has come twice: below what is acknowledged, across it, or within what is reported next. */
const duplicate = (draw: Draw, ack: number, size: number): [number, number] => {
  const start = ack + size * draw.pick([-1, -1, -2, -4, 0, 1, 2])
  return block(draw, start, size)
}
const reports = (draw: Draw, ack: number, size: number): string[] => {
  const blocks = Array.from({ length: draw.pick([0, 1, 1, 1, 2, 3]) }, (_, k) =>
    block(draw, ack + size * (1 + 2 * k + draw.below(2)), size)
  )
  if (draw.chance(30)) blocks.unshift(duplicate(draw, ack, size))
  return blocks.length === 0 ? [] : ['nop', 'nop', `sack ${blocks.slice(0, 3).flat().join(' ')}`]
}

export const lossStep = (draw: Draw, peer: Peer, view: Half, slot: number): Step => {
  const kind = draw.below(10)
  if (kind < 2) return call(slot, 'send', draw.pick([1460, 3000, 10_000]))
  if (kind < 4) return wait(draw.pick([10, 60, 230, 330]))
  const base = usual(draw, peer, view)
  const size = view.shown.get(slot)?.info[SND_MSS] ?? 1460
  const ack = Math.max(1, view.flow.sent - size * draw.below(MOST_BEHIND))
  const options = base.options!.filter((option) => !option.startsWith('sack '))
  const blocks = peer.hasSack || draw.chance(5) ? reports(draw, ack, size) : []
  return segment({ ...base, ack, win: 65535, options: [...options, ...blocks] })
}
