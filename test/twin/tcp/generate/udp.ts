// Walks of a UDP socket: connected and not, datagrams that fit and that do not, what ICMP says of them.

import type { Half } from '../play.ts'
import type { Datagram, Step } from '../script.ts'
import { call, type Draw, type Peer, wait } from './draw.ts'
import { errorStep } from './errors.ts'

const LENGTHS = [0, 1, 10, 100, 1000, 1400]
const datagram = (draw: Draw): Step => {
  const part: Partial<Datagram> = draw.chance(65)
    ? {}
    : draw.pick([
        { from: 1 },
        { sum: 'none' },
        { sum: 'bad' },
        { size: -1 },
        { size: 1 },
        { size: -8 },
        { size: 1000 },
        { to: 1 },
      ] satisfies Partial<Datagram>[])
  return {
    do: 'datagram',
    datagram: { len: draw.pick(LENGTHS), from: 0, to: 0, sum: 'good', size: 0, ...part },
  }
}
const SETTINGS: Record<string, readonly number[]> = {
  TOS: [0, 4, 255, 256],
  TTL: [1, 255, 0, 256],
  RECVERR: [0, 1],
  MTU_DISCOVER: [0, 1, 2, 3, 4, 5, 6, -1],
}
const socketCall = (draw: Draw): Step => {
  switch (draw.below(12)) {
    case 0:
      return call(0, 'connect')
    case 1:
      return call(0, 'bind')
    case 2:
    case 3:
      return call(0, 'send', draw.pick([...LENGTHS, 1472, 1473, 3000, 65507, 65508]))
    case 4:
    case 5:
      return call(0, 'sendto', draw.pick([...LENGTHS, 1472, 3000]))
    case 6:
    case 7:
    case 8:
      return call(0, 'recv', draw.pick([0, 1, 10, 2000]), draw.pick(['', '', 'peek', 'trunc']))
    case 9:
      return call(0, 'get', 'SO_ERROR')
    case 10:
      return call(0, 'shutdown', draw.pick(['rd', 'wr', 'rdwr']))
    default: {
      const name = draw.pick(Object.keys(SETTINGS))
      return call(0, 'set', name, draw.pick(SETTINGS[name]!))
    }
  }
}

export const udpStep = (draw: Draw, peer: Peer, view: Half): Step => {
  const kind = draw.below(100)
  if (kind < 40) return datagram(draw)
  if (kind < 58) return errorStep(draw, peer, view)
  if (kind < 62) return call(0, 'close')
  if (kind < 66) return call(0, 'udp')
  return kind < 68 ? wait(10) : socketCall(draw)
}
export const udpOpening = (draw: Draw): Step[] => {
  const steps = [call(0, 'udp')]
  if (draw.chance(80)) steps.push(call(0, 'bind'))
  if (draw.chance(50)) steps.push(call(0, 'connect'))
  return steps
}
