/**
 * The packet memory of one thread: what is done with skbs, by name. Any thread; one instance a thread. Linux:
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
  const { prefetch, prefetchRecords } = createSkbPrefetch(arena)
  return {
    thread,
    budget,
    alloc: pool.alloc,
    arm: pool.arm,
    unarm: pool.unarm,
    build: pool.build,
    freeRows: pool.freeRows,
    headOf: pool.headOf,
    isOwn: pool.isOwn,
    free: pool.free,
    reclaim: pool.reclaim,
    flush: pool.flush,
    recover: pool.recover,
    available: pool.available,
    reserve: data.reserve,
    push: data.push,
    pull: data.pull,
    put: data.put,
    trim: data.trim,
    get: data.get,
    isShared: data.isShared,
    copyBits: data.copyBits,
    byteAt: data.byteAt,
    addFrag: data.addFrag,
    setSender: sender.setSender,
    moveSender: sender.moveSender,
    senderOf: sender.senderOf,
    orphan: sender.orphan,
    clone: copies.clone,
    copy: copies.copy,
    inherit: copies.inherit,
    expandHead: copies.expandHead,
    expandTail: copies.expandTail,
    copybreak: copies.copybreak,
    mayPull: copies.mayPull,
    unshare: copies.unshare,
    prefetch,
    prefetchRecords,
  }
}
