// Much that is in flight, and a peer that reports holes, duplicates of what it has and of what it has not, or nothing for long.

import type { Half } from '../play.ts'
import type { Step } from '../script.ts'
import { call, type Draw, type Peer, segment, wait } from './draw.ts'
import { usual } from './segments.ts'

/** Segments in front of what was sent last. */
const MOST_BEHIND = 12

type Bounds = readonly number[]
/** From where one segment begins to where another does, mostly. */
const block = (draw: Draw, bounds: Bounds, at: number): [number, number] => {
  const place = (k: number): number => bounds[Math.min(Math.max(k, 0), bounds.length - 1)]!
  const odd = (): number => (draw.chance(98) ? 0 : draw.pick([-1, 1, -10]))
  return [place(at) + odd(), place(at + draw.pick([1, 1, 1, 2, 3])) + odd()]
}
/** A duplicate is below what is acknowledged, across it, or within what is reported next. */
const reports = (draw: Draw, bounds: Bounds, at: number): string[] => {
  const blocks = Array.from({ length: draw.pick([0, 1, 1, 1, 2, 3]) }, (_, k) =>
    block(draw, bounds, at + 1 + 2 * k + draw.below(2))
  )
  if (draw.chance(30))
    blocks.unshift(block(draw, bounds, at + draw.pick([-1, -1, -2, -4, 0, 1, 2])))
  return blocks.length === 0 ? [] : ['nop', 'nop', `sack ${blocks.slice(0, 3).flat().join(' ')}`]
}

export const lossStep = (draw: Draw, peer: Peer, view: Half, slot: number): Step => {
  const kind = draw.below(10)
  if (kind < 2) return call(slot, 'send', draw.pick([1460, 3000, 10_000]))
  if (kind < 4) return wait(draw.pick([10, 60, 230, 330]))
  const base = usual(draw, peer, view)
  const bounds = [...view.flow.starts, view.flow.sent].sort((a, b) => a - b)
  const at = Math.max(0, bounds.length - 1 - draw.below(MOST_BEHIND))
  const options = base.options!.filter((option) => !/^(nop|sack .*)$/.test(option))
  const stamp = options.length > 0 ? ['nop', 'nop', ...options] : []
  const blocks = peer.hasSack || draw.chance(5) ? reports(draw, bounds, at) : []
  return segment({ ...base, ack: bounds[at]!, win: 65535, options: [...stamp, ...blocks] })
}
