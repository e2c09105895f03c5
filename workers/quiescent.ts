/**
 * The quiescent point of a thread: between batches it holds no pointer into shared tables, so it says so by
 * copying the generation that control last published (Linux: rcu_qs). Also where it hears of shutdown.
 */
import type { Arena } from '../core/shm/arena.ts'
import {
  G_GENERATION,
  G_SHUTDOWN,
  THREAD_ACK,
  THREAD_HEARTBEAT,
  THREAD_WORDS,
} from '../core/shm/layout.ts'

/** `onChange` runs before a new generation is acknowledged. `pass` returns false when it is time to stop. */
export const createQuiescent = ({ i32, layout }: Arena, thread: number, onChange: () => void) => {
  const block = layout.threadBlocks + thread * THREAD_WORDS
  let seen = -1
  return (): boolean => {
    i32[block + THREAD_HEARTBEAT]++
    const generation = Atomics.load(i32, G_GENERATION)
    if (generation !== seen) {
      onChange()
      seen = generation
      Atomics.store(i32, block + THREAD_ACK, generation)
    }
    return i32[G_SHUTDOWN] === 0
  }
}
