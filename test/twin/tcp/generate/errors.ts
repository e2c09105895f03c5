// What ICMP says of a connection: every code, about what was sent and about what was not, in full and cut short.

import type { Half } from '../play.ts'
import type { Step } from '../script.ts'
import type { Draw } from './draw.ts'

const MTUS = [1500, 1499, 1400, 1280, 1279, 1006, 576, 552, 551, 296, 68, 67, 1, 0, 9000, 65535]
/** As much of the header as is quoted. */
const QUOTES = [20, 20, 20, 8, 8, 7, 4, 0]

const [DEST_UNREACH, SOURCE_QUENCH, TIME_EXCEEDED, PARAMETER_PROBLEM] = [3, 4, 11, 12]
const FRAG_NEEDED = 4
const drawError4 = (draw: Draw): { type: number; code: number; info: number } => {
  const kind = draw.below(10)
  if (kind < 4) return { type: DEST_UNREACH, code: draw.below(17), info: 0 }
  if (kind < 8) return { type: DEST_UNREACH, code: FRAG_NEEDED, info: draw.pick(MTUS) }
  const type = draw.pick([SOURCE_QUENCH, TIME_EXCEEDED, PARAMETER_PROBLEM, 18])
  return { type, code: draw.below(3), info: draw.pick([0, 0x14000000]) }
}
const [DEST_UNREACH6, TOO_BIG, TIME_EXCEEDED6, PARAMETER_PROBLEM6] = [1, 2, 3, 4]
const drawError6 = (draw: Draw): { type: number; code: number; info: number } => {
  const kind = draw.below(10)
  if (kind < 4) return { type: DEST_UNREACH6, code: draw.below(9), info: 0 }
  if (kind < 8) return { type: TOO_BIG, code: draw.pick([0, 0, 0, 1]), info: draw.pick(MTUS) }
  const type = draw.pick([TIME_EXCEEDED6, PARAMETER_PROBLEM6, 100])
  return { type, code: draw.below(4), info: draw.pick([0, 6, 40]) }
}

export const errorStep = (draw: Draw, _peer: unknown, { flow }: Half): Step => ({
  do: 'icmp',
  error: {
    ...(flow.family === 'ipv4' ? drawError4(draw) : drawError6(draw)),
    seq: draw.chance(70)
      ? flow.sent - draw.pick([0, 1, 1, 10, 100, 1000, 1460])
      : draw.pick([0, 1, flow.sent + 1, flow.sent + 1000, flow.sent - 70_000, 0x7fffffff]),
    quote: draw.pick(QUOTES),
  },
})
