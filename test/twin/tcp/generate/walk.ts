// Random walks. The next step is chosen by what the kernel shows, so that a walk gets somewhere: most segments are what a
// peer would send now, some are so with one thing changed, some are anything. What is chosen is written down, and played
// again as it is.

import type { Half, Next } from '../play.ts'
import type { Step } from '../script.ts'
import { appCall, CHILD } from './calls.ts'
import { call, createDraw, type Draw, type Peer, segment, wait } from './draw.ts'
import { KINDS, pickKind, UDP } from './kinds.ts'
import { changed, dataSegment, finSegment, synSegment, usual } from './segments.ts'
import { udpOpening, udpStep } from './udp.ts'

const CLOSE = 7
const LISTEN = 10
const SYN_SENT = 2

const WAITS = [10, 10, 60, 60, 60, 330]

/** Steps of a connection, opened by one end or the other. */
const tcpWalk = (draw: Draw, peer: Peer, kind: string) => {
  const isPassive = draw.chance(60)
  const opening: Step[] = [call(0, 'socket'), call(0, 'bind')]
  opening.push(isPassive ? call(0, 'listen', draw.pick([5, 5, 5, 1, 0])) : call(0, 'connect'))
  const slot = isPassive ? CHILD : 0
  const own = KINDS[kind]
  const isOpen = (view: Half): boolean => {
    const state = view.shown.get(slot)?.state ?? LISTEN
    return state !== LISTEN && state !== SYN_SENT && state !== CLOSE
  }
  const step = (view: Half): Step => {
    if (own !== undefined && draw.chance(own.steps)) return own.step(draw, peer, view, slot)
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
  return { opening, step }
}

/** A case of this kind, or of any where it is ''. */
export const generate = (seed: number, only = ''): { isn: number; next: Next } => {
  const draw = createDraw(seed)
  const isn = draw.pick([1000, 0xfffffff0, 0x7fffff00, 123456789])
  const peer: Peer = { next: 0, hasTs: false, hasSack: false, clock: 1000 + draw.below(1000) }
  const drawn = pickKind(draw)
  const kind = only === '' ? drawn : only
  const { opening, step } =
    kind === UDP
      ? {
          opening: udpOpening(draw),
          step: (view: Half) => udpStep(draw, peer, view),
        }
      : tcpWalk(draw, peer, kind)
  const length = 4 + draw.below(20)
  let done = 0
  return {
    isn,
    next: (view) => {
      const first = opening.shift()
      if (first !== undefined) return first
      return done++ >= length ? null : step(view)
    },
  }
}
