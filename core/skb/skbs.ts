/**
 * The packet memory of one thread: all that is done with skbs, of its parts. Any thread; one instance a thread. Linux:
 * net/core/skbuff.c.
 */
import type { Arena } from '../shm/arena.ts'
import { createSkbBudget } from './budget.ts'
import { createSkbCopy } from './skb-copy.ts'
import { createSkbData } from './skb-data.ts'
import { createSkbPool } from './skb-pool.ts'
import { createSkbPrefetch } from './skb-prefetch.ts'
import { createSkbSender } from './skb-sender.ts'

export type Skbs = ReturnType<typeof createSkbs>

export const createSkbs = (arena: Arena, thread: number) => {
  const budget = createSkbBudget(arena, thread)
  const sender = createSkbSender(arena, budget)
  const { halves, ...pool } = createSkbPool(arena, thread, budget, sender)
  const data = createSkbData(arena)
  const copies = createSkbCopy(arena, thread, { ...pool, ...halves, ...data })
  const { prefetch } = createSkbPrefetch(arena)
  return { thread, budget, ...pool, ...data, ...sender, ...copies, prefetch }
}
