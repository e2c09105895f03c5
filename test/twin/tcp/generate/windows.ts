// Windows that close, and probes of them that are answered in odd ways, or not.

import type { Half } from '../play.ts'
import type { Step } from '../script.ts'
import { call, type Draw, type Peer, segment, wait } from './draw.ts'
import { usual } from './segments.ts'

const SMALL = [0, 0, 0, 1, 100, 535, 536, 1000, 1459, 1460, 1461, 3000]

export const windowStep = (draw: Draw, peer: Peer, view: Half, slot: number): Step => {
  const kind = draw.below(10)
  if (kind < 2) return call(slot, 'send', draw.pick([1, 100, 1460, 3000, 10_000]))
  if (kind < 4) return wait(draw.pick([60, 230, 330, 700]))
  const base = usual(draw, peer, view)
  return segment({
    ...base,
    win: draw.pick(SMALL),
    seq: base.seq! - (draw.chance(75) ? 0 : draw.pick([1, 1, 2, 100])),
    ack: base.ack! - (draw.chance(60) ? 0 : draw.pick([1, 1, 100, 1460, 536, 3000])),
    len: draw.chance(80) ? 0 : draw.pick([1, 100]),
  })
}
