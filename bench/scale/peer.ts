/**
 * The other side of the stack's devices, on a thread of its own: makes frames as fast as they come back, and frees those
 * that were forwarded. It never has more than a window of frames under way, wherever they are, so nothing overflows; what
 * was dropped on the way comes home too, and is counted by who dropped it. Run by point.ts.
 */
import { workerData } from 'node:worker_threads'
import { attachArena } from '../../core/shm/arena.ts'
import { G_SHUTDOWN } from '../../core/shm/layout.ts'
import { DEV_MAC, deviceRow } from '../../core/netdev/netdev.ts'
import { ringPublish, ringPush, ringReadable, ringRelease, ringTake } from '../../core/shm/ring.ts'
import {
  CHECKSUM_UNNECESSARY,
  OWNER_IN_RING,
  RX_HEADROOM,
  SKB_DATA,
  SKB_DEV,
  SKB_HASH,
  SKB_IP_SUMMED,
  SKB_OWNER,
} from '../../core/skb/skb.ts'
import { createSteering } from '../../core/stack/steering.ts'
import { createThread } from '../../core/stack/thread.ts'
import { announce } from '../../workers/thread-data.ts'
import { createWake } from '../../workers/wake.ts'
import { FLOWS, FRAME, makeFrames } from './flows.ts'
import { createPause } from './pause.ts'
import type { PeerData, PeerOptions } from './thread-data.ts'

const BATCH = 64
/** Bytes from one ready frame to the next. */
const STRIDE = 64

const { config, buffer, id, thread, into, from, ifindex, window, spins } = workerData as PeerData
const arena = attachArena(config, buffer)
const { i32, u8, layout } = arena
const own = createThread({ arena, thread, wake: createWake(arena, id, thread) })
const { skbs, ipi } = own
const pause = createPause(arena, thread, spins)
const freeRows = layout.freeSkbs + thread * (32 + layout.config.skbs)

const makeSkb = (): number => {
  const skb = skbs.alloc(FRAME, RX_HEADROOM)
  i32[skb + SKB_DEV] = ifindex
  i32[skb + SKB_IP_SUMMED] = CHECKSUM_UNNECESSARY
  return skb
}

/** The flows that the device's table sends to one worker, or all: where their frames lie ready, and their hashes. */
const chooseFlows = (onlyFor: number | null) => {
  const mac = (deviceRow(arena, ifindex) + DEV_MAC) << 2
  const { steerSkb } = createSteering(own)
  const templates = i32[skbs.alloc(FLOWS * STRIDE, 0) + SKB_DATA]!
  const hashes: number[] = []
  for (const frame of makeFrames(u8.slice(mac, mac + 6))) {
    const skb = makeSkb()
    u8.set(frame, skbs.put(skb, FRAME))
    if (onlyFor === null || steerSkb(skb) === onlyFor) {
      u8.set(frame, templates + hashes.length * STRIDE)
      hashes.push(i32[skb + SKB_HASH]!)
    }
    skbs.free(skb)
  }
  return { templates, hashes: Int32Array.from(hashes) }
}

/** Sends a batch if the window has room for it. A copy within the arena stands for a device's read. */
const createGenerator = ({ ring, kick, onlyFor }: NonNullable<PeerOptions['into']>) => {
  const { templates, hashes } = chooseFlows(onlyFor)
  const flows = hashes.length
  const most = i32[freeRows]! - window
  let next = 0
  return (): number => {
    if (i32[freeRows]! - BATCH < most) return 0
    for (let k = 0; k < BATCH; k++) {
      const skb = makeSkb()
      const from = templates + next * STRIDE
      u8.copyWithin(skbs.put(skb, FRAME), from, from + FRAME)
      i32[skb + SKB_HASH] = hashes[next]!
      i32[skb + SKB_OWNER] = OWNER_IN_RING
      next = next + 1 === flows ? 0 : next + 1
      ringPush(i32, ring, skb)
    }
    ringPublish(i32, ring)
    ipi.kick(kick)
    return BATCH
  }
}
const sink = (): number => {
  let taken = 0
  for (const ring of from) {
    const n = ringReadable(i32, ring)
    if (n === 0) continue
    for (let k = 0; k < n; k++) skbs.free(ringTake(i32, ring))
    ringRelease(i32, ring)
    taken += n
  }
  return taken
}

const generate = into === null ? () => 0 : createGenerator(into)
announce('ready')
while (Atomics.load(i32, G_SHUTDOWN) === 0) {
  const work = sink() + generate()
  skbs.flush()
  skbs.reclaim()
  if (work === 0) pause()
}
announce('stopped')
