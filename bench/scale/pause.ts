/** What a peer does while there is nothing to do. */
import type { Arena } from '../../core/shm/arena.ts'
import { monotonicUs } from '../../workers/os/clock.ts'
import { createDoorbellWait } from '../../workers/wake.ts'

/** Workers have some hundred frames meanwhile. */
const REST_MS = 0.02
const LOOK_AWAY_US = 5

/**
 * Sleeps for a moment; or, with a CPU to itself, looks away for one: a ring that is looked at all the while costs its
 * writer more than all else that a packet does, and whether it is would be chance.
 */
export const createPause = (arena: Arena, thread: number, spins: boolean) => {
  const rest = createDoorbellWait(arena, thread)
  return (): void => {
    if (!spins) return rest(REST_MS)
    const until = monotonicUs() + LOOK_AWAY_US
    while (monotonicUs() < until) {
      // on the CPU
    }
  }
}
