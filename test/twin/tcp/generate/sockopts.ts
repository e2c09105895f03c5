// Socket options set and asked for while a connection is on its way.

import type { Half } from '../play.ts'
import type { Step } from '../script.ts'
import { call, type Draw } from './draw.ts'

const SWITCH = [0, 1, 1, 2, -1]
/** What they are set to. */
const VALUES: Record<string, readonly number[]> = {
  TCP_NODELAY: SWITCH,
  TCP_CORK: SWITCH,
  TCP_QUICKACK: SWITCH,
  SO_KEEPALIVE: SWITCH,
  TCP_KEEPIDLE: [1, 2, 0, 32767, 32768, -1],
  TCP_KEEPINTVL: [1, 2, 0, 32768],
  TCP_KEEPCNT: [1, 2, 0, 127, 128],
  TCP_USER_TIMEOUT: [0, 1, 100, 250, 1000, 30_000, -1],
  // close() waits for as long as it says otherwise, and the thread with it
  SO_LINGER: [-1, 0],
  TCP_LINGER2: [-1, 0, 1, 120, 121],
  TCP_MAXSEG: [0, 87, 88, 536, 1000, 1460, 32767, 32768],
  TCP_WINDOW_CLAMP: [0, 1, 1000, 10_000, 65535, 1_000_000, -1],
  TCP_NOTSENT_LOWAT: [0, 1, 1000, 0x7fffffff],
  TCP_DEFER_ACCEPT: [0, 1, 2, 10, -1],
  TCP_SYNCNT: [0, 1, 2, 127, 128],
  MINTTL: [0, 1, 64, 65, 255, 256, -1],
  TOS: [0, 1, 2, 3, 4, 8, 16, 255, 256],
  TTL: [1, 64, 255, 0, 256, -1],
  MTU_DISCOVER: [0, 1, 2, 3, 4, 5, 6, -1],
  SO_OOBINLINE: SWITCH,
}
const NAMES = Object.keys(VALUES)
/** How large the clamp is goes by memory; of SO_LINGER there are two words. */
const ASKED = NAMES.filter((name) => name !== 'TCP_WINDOW_CLAMP' && name !== 'SO_LINGER')

export const optionStep = (draw: Draw, _peer: unknown, view: Half, slot: number): Step => {
  const name = draw.pick(NAMES)
  const file = view.files.has(slot) ? slot : 0
  if (draw.chance(20)) return call(file, 'get', draw.pick(ASKED))
  if (draw.chance(5)) return call(file, 'get', 'SO_ERROR')
  return call(file, 'set', name, draw.pick(VALUES[name]!))
}
