// What a walk has beside the usual: a case is of one kind, and so many of its steps are the kind's own.

import type { Half } from '../play.ts'
import type { Step } from '../script.ts'
import type { Draw, Peer } from './draw.ts'
import { errorStep } from './errors.ts'
import { lossStep } from './losses.ts'
import { malformedStep } from './malformed.ts'
import { optionStep } from './sockopts.ts'
import { urgentStep } from './urgent.ts'
import { windowStep } from './windows.ts'

type Kind = {
  /** Of a hundred cases. */
  share: number
  /** Of a hundred steps. */
  steps: number
  /** `slot` is the connection's. */
  step: (draw: Draw, peer: Peer, view: Half, slot: number) => Step
}
export const KINDS: Record<string, Kind> = {
  options: { share: 20, steps: 25, step: optionStep },
  errors: { share: 12, steps: 30, step: errorStep },
  windows: { share: 10, steps: 40, step: windowStep },
  losses: { share: 10, steps: 60, step: lossStep },
  malformed: { share: 8, steps: 30, step: malformedStep },
  urgent: { share: 8, steps: 35, step: urgentStep },
}
/** Datagrams are walks of their own. */
export const UDP = 'udp'
const UDP_SHARE = 10
/** Nothing beside the usual. */
export const PLAIN_WALK = 'walk'
export const KIND_NAMES = [PLAIN_WALK, ...Object.keys(KINDS), UDP]

export const pickKind = (draw: Draw): string => {
  let left = draw.below(100)
  for (const [name, { share }] of Object.entries(KINDS)) {
    if (left < share) return name
    left -= share
  }
  return left < UDP_SHARE ? UDP : PLAIN_WALK
}
