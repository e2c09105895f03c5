// Urgent data of both ends (RFC 6093), and what the application makes of it.

import type { Half } from '../play.ts'
import type { Step } from '../script.ts'
import { call, type Draw, type Peer, segment } from './draw.ts'
import { usual } from './segments.ts'

export const urgentStep = (draw: Draw, peer: Peer, view: Half, slot: number): Step => {
  switch (draw.below(8)) {
    case 0:
      return call(slot, 'send', draw.pick([1, 10, 1460]), 'oob')
    case 1:
      return call(slot, 'recv', draw.pick([1, 10]), 'oob')
    case 2:
      return call(slot, 'recv', draw.pick([1, 10, 10_000]), draw.pick(['', 'peek', 'trunc']))
    case 3:
      return call(slot, 'set', 'SO_OOBINLINE', draw.below(2))
    default: {
      const base = usual(draw, peer, view)
      const len = draw.pick([0, 1, 2, 10, 100, 1460])
      const seq = base.seq! + draw.pick([0, 0, 0, 0, 1, 100, -1, -len])
      peer.next = Math.max(peer.next, seq + len)
      return segment({
        ...base,
        seq,
        len,
        flags: draw.pick(['PU.', 'U.', 'U.', 'FU.']),
        urg: draw.pick([0, 1, len, len, len + 1, Math.max(0, len - 1), len >> 1, 1000, 65535]),
      })
    }
  }
}
