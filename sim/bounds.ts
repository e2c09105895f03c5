/**
 * How long a case may take: what bandwidth, round trip and loss allow (Padhye et al. 1998), with room. A transfer is
 * stalled when it takes much longer, or when nothing moves for longer than a row of timeouts that happens once in a
 * billion.
 */
import { headersOf, type Knobs, rttMs } from './knobs.ts'

const RTO_MIN_MS = 200
const RTO_MAX_MS = 120_000
/** Times longer than expected is stalled. */
const ROOM = 20
/** A wrong answer of ARP, which has no checksum, is believed until neighbours are asked anew. */
const WRONG_NEIGHBOUR_MS = 120_000
/** Probability that a queue that is full drops a packet, at the worst. */
const FULL = 0.03
/** Worse than this nothing is expected to get through. */
const WORST = 0.6

/** Probability that a packet or what answers it is lost. */
const lossOf = ({ loss, corrupt, rate }: Knobs): number => {
  const through = (1 - loss / 100) * (1 - corrupt / 100)
  return Math.min(Math.max(1 - through * through, rate === 0 ? 0.001 : FULL), WORST)
}
/** A timeout: the round trip as it is in a full queue, and how much that varies. */
const rtoMs = (knobs: Knobs): number => {
  const { rate, queue } = knobs
  const queued = rate === 0 ? 0 : (queue * 1514 * 8) / (rate * 1000)
  return RTO_MIN_MS + 3 * (rttMs(knobs) + queued)
}

/** The longest time in which nothing moves. */
export const quietMs = (knobs: Knobs): number => {
  const times = Math.ceil(9 / -Math.log10(lossOf(knobs)))
  let sum = 0
  for (let k = 0; k < times; k++) sum += Math.min(rtoMs(knobs) * 2 ** k, RTO_MAX_MS)
  return sum + (knobs.corrupt > 0 ? WRONG_NEIGHBOUR_MS : 0)
}

/** The longest time that each flow may take for `bytes` in `rounds` that wait for one another. */
export const totalMs = (knobs: Knobs, bytes: number, rounds = 1): number => {
  const { rate, mtu, flows } = knobs
  const p = lossOf(knobs)
  const mss = mtu + 14 - headersOf(knobs)
  // milliseconds a segment
  const byLoss =
    rttMs(knobs) * Math.sqrt((2 * p) / 3) +
    rtoMs(knobs) * Math.min(1, 3 * Math.sqrt((3 * p) / 8)) * p * (1 + 32 * p * p)
  const byRate = rate === 0 ? 0 : ((mtu + 14) * 8 * flows) / (rate * 1000)
  const segments = Math.ceil(bytes / mss) + rounds
  return ROOM * (segments * Math.max(byLoss, byRate) + rounds * rttMs(knobs)) + 2 * quietMs(knobs)
}

/** Bytes a second that a clean case gets through at the bottleneck. */
export const goodput = (knobs: Knobs): number => {
  const { rate, mtu, offload } = knobs
  const frame = mtu + 14
  // a super-frame is sent with one header
  const share = offload === 1 ? 1 : (frame - headersOf(knobs)) / frame
  return ((rate * 1e6) / 8) * share
}
