/**
 * What any thread that handles packets has: its own packet memory, the one place where its packets die, and its calls
 * to other threads. A worker's machine and the nic thread both begin with it.
 */
import type { Arena } from '../shm/arena.ts'
import { createIpi } from '../shm/ipi.ts'
import { createDrop } from '../skb/drop.ts'
import { createSkbs } from '../skb/skb.ts'

export type ThreadDeps = {
  arena: Arena
  thread: number
  /** Rings the doorbell of a sleeping thread. */
  wake: (thread: number) => void
}

export type Thread = ReturnType<typeof createThread>

export const createThread = ({ arena, thread, wake }: ThreadDeps) => {
  const skbs = createSkbs(arena, thread)
  const { drop, consume, countDrop } = createDrop(arena, skbs)
  const ipi = createIpi(arena, thread, wake)
  return { arena, thread, skbs, drop, consume, countDrop, ipi }
}
