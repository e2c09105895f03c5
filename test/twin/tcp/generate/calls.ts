// Calls of the application, whose connection is an active open's file or one that it accepts.

import type { Half } from '../play.ts'
import type { Step } from '../script.ts'
import { call, type Draw } from './draw.ts'

/** The connection's slot: 0 of an active open, 1 of an accepted one. */
export const CHILD = 1
export const appCall = (draw: Draw, view: Half, isPassive: boolean): Step => {
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
