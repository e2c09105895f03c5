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
/** Probability that a queue that is full drops a packet of few flows. */
const FULL = 0.03
/** Worse than this nothing is expected to get through. */
const WORST = 0.6
/** A probability of loss is found as exactly as this. */
const STEP = 0.001

/** The round trip as it is in a full queue, and a timeout there. */
export const fullMs = (knobs: Knobs): number => {
  const { rate, queue } = knobs
  return rttMs(knobs) + (rate === 0 ? 0 : (queue * 1514 * 8) / (rate * 1000))
}
const rtoMs = (knobs: Knobs): number => RTO_MIN_MS + 3 * fullMs(knobs)
/** Milliseconds that a segment takes a flow of which a part of `p` is lost, and when all share the bottleneck. */
const byLossMs = (knobs: Knobs, p: number): number =>
  fullMs(knobs) * Math.sqrt((2 * p) / 3) +
  rtoMs(knobs) * Math.min(1, 3 * Math.sqrt((3 * p) / 8)) * p * (1 + 32 * p * p)
const byRateMs = ({ rate, mtu, flows }: Knobs): number =>
  rate === 0 ? 0 : ((mtu + 14) * 8 * flows) / (rate * 1000)

/** What a full queue drops: as much as holds each of the flows to its share. */
const fullLoss = (knobs: Knobs): number => {
  const share = byRateMs(knobs)
  let p = FULL
  while (p < WORST && byLossMs(knobs, p) < share) p += STEP
  return p
}
/** Probability that a packet or what answers it is lost. */
const lossOf = (knobs: Knobs): number => {
  const { loss, corrupt, rate } = knobs
  const through = (1 - loss / 100) * (1 - corrupt / 100)
  return Math.min(Math.max(1 - through * through, rate === 0 ? 0.001 : fullLoss(knobs)), WORST)
}

/** The longest time in which nothing moves; `more` packets may be lost as well, one after the other. */
export const quietMs = (knobs: Knobs, more = 0): number => {
  const times = Math.ceil(9 / -Math.log10(lossOf(knobs))) + more
  let sum = 0
  for (let k = 0; k < times; k++) sum += Math.min(rtoMs(knobs) * 2 ** k, RTO_MAX_MS)
  return sum + (knobs.corrupt > 0 ? WRONG_NEIGHBOUR_MS : 0)
}

/** The longest time that each flow may take for `bytes` in `rounds` that wait for one another. */
export const totalMs = (knobs: Knobs, bytes: number, rounds = 1): number => {
  const mss = knobs.mtu + 14 - headersOf(knobs)
  const segments = Math.ceil(bytes / mss) + rounds
  const segmentMs = Math.max(byLossMs(knobs, lossOf(knobs)), byRateMs(knobs))
  return ROOM * (segments * segmentMs + rounds * rttMs(knobs)) + 2 * quietMs(knobs)
}

/** Bytes a second that a clean case gets through at the bottleneck. */
export const goodput = (knobs: Knobs): number => {
  const { rate, mtu, offload } = knobs
  const frame = mtu + 14
  // a super-frame is sent with one header
  const share = offload === 1 ? 1 : (frame - headersOf(knobs)) / frame
  return ((rate * 1e6) / 8) * share
}
