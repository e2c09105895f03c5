// Segments that are none: lengths and checksums that are wrong, options that end in the middle of nothing, flags that
// contradict one another.

import type { Half } from '../play.ts'
import type { Segment, Step } from '../script.ts'
import { type Draw, type Peer, segment } from './draw.ts'
import { synOptions, usual, usualOptions } from './segments.ts'

/** Octets of options as they stand; blocks of SACK end before they begin, as one that does not names a place by chance. */
const ODD_OPTIONS = [
  '00',
  '0102',
  '02',
  '0204',
  '020405',
  '0205050505',
  '0200',
  '0201',
  '020405b4020405b4',
  '0303',
  '030307030301',
  '0402',
  '04020402',
  '0403ff',
  '0502',
  '050a0000000200000001',
  '050b000000020000000100',
  '080a00000001',
  '080a0000000100000000080a0000000200000000',
  '0809000000010000',
  '00020405b4',
  '0101010108',
  'fd00',
  'fdff',
  'fe04f989',
  '1312000102030405060708090a0b0c0d0e0f',
  '1d04aabb',
  '2202',
  '2203aa',
  '220aaabbccddeeff0011',
  'ff',
]
const FLAG_SETS = [
  'SF',
  'SR',
  'SFR.',
  'SF.',
  'SR.',
  'FR',
  '-',
  'SFRP.UEW',
  'F',
  'P',
  'U',
  'SP',
  'SU',
]

const oddPart = (draw: Draw, peer: Peer, view: Half, isSyn: boolean): Partial<Segment> => {
  const agreed = (): string[] => (isSyn ? synOptions(draw, peer) : usualOptions(draw, peer, view))
  switch (draw.below(6)) {
    case 0:
      return { doff: draw.pick([4, 8, 16, 19, 24, 28, 32, 40, 60]) }
    case 1:
      return { sum: draw.pick([1, 0x8000, 0xffff]) }
    case 2:
      return { cut: draw.pick([1, 2, 4, 8, 12, 19, 20, 40]) }
    case 3:
      return { flags: draw.pick(FLAG_SETS) }
    case 4:
      return { options: [...agreed(), `raw ${draw.pick(ODD_OPTIONS)}`] }
    default:
      return { options: [`raw ${draw.pick(ODD_OPTIONS)}`, ...agreed()] }
  }
}
export const malformedStep = (draw: Draw, peer: Peer, view: Half): Step => {
  const isSyn = !view.files.has(1) && draw.chance(50)
  const base: Partial<Segment> = isSyn
    ? { flags: 'S', seq: 0, ack: 0, win: 65535, options: synOptions(draw, peer) }
    : usual(draw, peer, view)
  return segment({
    ...base,
    len: draw.pick([0, 0, 1, 10, 100]),
    ...oddPart(draw, peer, view, isSyn),
  })
}
