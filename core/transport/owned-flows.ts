/**
 * Which worker owns a flow that the steering sent elsewhere: after the RSS table has changed, or from a device queue
 * that the kernel chose. Each worker counts its sockets' flows in a table of its own in shared memory, by a hash that
 * no key changes; a worker that has no socket for a packet asks the others' tables and passes the packet on, so a
 * connection outlives every change of steering. Linux gets this from sharing one socket table between its CPUs.
 */
import type { Arena } from '../shm/arena.ts'
import { OWNED_FLOWS } from '../shm/layout.ts'
import { SKB_TRIED } from '../skb/skb.ts'

export type OwnedFlows = ReturnType<typeof createOwnedFlows>

export type OwnedFlowsDeps = {
  arena: Arena
  worker: number
  /** Hands a received packet to another worker; takes it over. */
  steerTo: (worker: number, skb: number) => void
}

export const createOwnedFlows = ({ arena, worker, steerTo }: OwnedFlowsDeps) => {
  const { i32, layout } = arena
  const { workers } = layout.config
  const base = layout.ownedFlows
  const own = base + worker * OWNED_FLOWS
  // a worker that starts over owns nothing
  i32.fill(0, own, own + OWNED_FLOWS)
  const slotOf = (hash: number): number => hash & (OWNED_FLOWS - 1)

  const add = (hash: number): void => {
    i32[own + slotOf(hash)]++
  }
  const remove = (hash: number): void => {
    i32[own + slotOf(hash)]--
  }
  /**
   * Passes a packet without a socket here to a worker that may have one: true, and the packet is gone. A slot may
   * be another flow's, so the packet remembers who has looked.
   */
  const passOn = (skb: number, hash: number): boolean => {
    const tried = i32[skb + SKB_TRIED] | (1 << worker)
    for (let cpu = 0; cpu < workers; cpu++) {
      if ((tried & (1 << cpu)) !== 0 || i32[base + cpu * OWNED_FLOWS + slotOf(hash)] === 0) continue
      i32[skb + SKB_TRIED] = tried
      steerTo(cpu, skb)
      return true
    }
    return false
  }
  return { add, remove, passOn }
}
