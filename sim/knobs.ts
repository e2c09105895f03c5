/**
 * What a case is made of: numbers with names, drawn from its seed or said on the command line (`--set loss=5`), and what
 * each is when it does no harm, which is where shrinking goes.
 */
import { createDraw, type Draw } from './draw.ts'

const KNOBS = {
  family: { calm: 4, does: '4 or 6' },
  workers: { calm: 1, does: 'workers of each host' },
  offload: { calm: 0, does: '1: devices take super-frames and leave checksums open' },
  cc: { calm: 0, does: 'congestion control: 0 cubic, 1 reno, 2 dctcp, 3 bbr' },
  flows: { calm: 1, does: 'connections' },
  bytes: { calm: 1, does: 'bytes from the client in each flow or question' },
  back: { calm: 0, does: 'bytes from the server in each flow or answer' },
  rounds: { calm: 1, does: 'questions of each flow' },
  rate: { calm: 0, does: 'Mbit/s of the bottleneck, 0 without limit' },
  delay: { calm: 0.1, does: 'ms over the bottleneck, one way' },
  queue: { calm: 1000, does: 'packets that wait before the bottleneck' },
  mtu: { calm: 1500, does: "of the router's link to the server" },
  ecn: { calm: 0, does: 'of connections: 1 ECN, 3 Accurate ECN' },
  loss: { calm: 0, does: '% of packets lost, each way' },
  duplicate: { calm: 0, does: '% of packets doubled' },
  reorder: { calm: 0, does: '% of packets out of order' },
  corrupt: { calm: 0, does: '% of packets with a wrong bit' },
  mark: { calm: 0, does: '% of packets with congestion marks' },
  threshold: { calm: 0, does: 'packets before the bottleneck from which on it marks, 0 never' },
  jitter: { calm: 0, does: 'ms of delay that come and go' },
  wire: { calm: 0, does: '1: the wire loses, doubles and reorders; 0: netem of the router' },
  changes: { calm: 0, does: 'changes while the flows run: of MTU, routes, steering ...' },
  luck: { calm: 0, does: 'other random numbers for the same case' },
} as const satisfies Record<string, { calm: number; does: string }>

export type Knob = keyof typeof KNOBS
export type Knobs = Record<Knob, number>

export const KNOB_NAMES = Object.keys(KNOBS) as Knob[]
export const isKnob = (name: string): name is Knob => Object.hasOwn(KNOBS, name)
export const calmOf = (knob: Knob): number => KNOBS[knob].calm
export const knobsText = (): string =>
  KNOB_NAMES.map((name) => `   ${name.padEnd(12)}${KNOBS[name].does}`).join('\n')

/** Of Ethernet, IP and TCP with time stamps. */
const HEADERS = { 4: 66, 6: 86 }
const FRAME = 1514
export const headersOf = ({ family }: Knobs): number => (family === 4 ? HEADERS[4] : HEADERS[6])
export const rttMs = ({ delay, jitter }: Knobs): number => 2 * (delay + jitter) + 1
/** Packets that fill the bottleneck and its way there and back. */
export const windowOf = (knobs: Knobs): number =>
  Math.ceil((knobs.rate * 1000 * rttMs(knobs)) / 8 / FRAME)

const EVILS = ['loss', 'duplicate', 'reorder', 'corrupt', 'mark', 'jitter', 'changes'] as const
/** Nothing is lost, held up or changed but by a full queue. */
export const CLEAN: Partial<Knobs> = Object.fromEntries(EVILS.map((name) => [name, 0]))
export const isClean = (knobs: Knobs): boolean => EVILS.every((name) => knobs[name] === 0)

const badly = (draw: Draw): Partial<Knobs> => {
  const some = (p: number, low: number, high: number): number =>
    draw.chance(p) ? draw.scale(low, high) : 0
  return {
    loss: some(0.5, 0.1, 8),
    duplicate: some(0.3, 0.1, 10),
    reorder: some(0.3, 0.1, 30),
    corrupt: some(0.3, 0.05, 2),
    mark: some(0.2, 0.1, 10),
    jitter: some(0.25, 0.2, 20),
    changes: draw.chance(0.25) ? draw.whole(1, 4) : 0,
    wire: draw.whole(0, 1),
  }
}

/** What a seed gives a scenario; `own` is what that draws otherwise. */
export const drawKnobs = (
  scenario: string,
  seed: number,
  own: (draw: Draw, knobs: Knobs) => Partial<Knobs>
): Knobs => {
  const draw = createDraw(seed, scenario)
  const knobs = Object.fromEntries(KNOB_NAMES.map((name) => [name, calmOf(name)])) as Knobs
  Object.assign(knobs, {
    family: draw.pick([4, 6]),
    workers: draw.pick([1, 1, 1, 2]),
    offload: draw.whole(0, 1),
    cc: draw.pick([0, 0, 0, 1, 1, 2, 3, 3]),
    rate: draw.pick([0, 2, 5, 10, 20, 50, 100]),
    delay: draw.scale(0.1, 40),
    ecn: draw.pick([0, 0, 0, 0, 1, 3]),
    ...(draw.chance(0.75) && badly(draw)),
  })
  const least = knobs.family === 4 ? 600 : 1280
  knobs.mtu = draw.chance(0.2) ? draw.whole(least, 1500) : 1500
  const drawn = own(draw, knobs)
  Object.assign(knobs, drawn)
  if (drawn.queue !== undefined) return knobs
  const full = windowOf(knobs)
  // a queue that is shorter than the way is one more evil
  const queue = isClean(knobs) || draw.chance(0.6) ? full * draw.between(1, 2) : full / 3
  knobs.queue = Math.max(20, Math.ceil(queue))
  return knobs
}
