/**
 * net_rx_action: a CPU's receive work. It takes packets off its backlog rings (process_backlog) and off the device
 * queues it reads itself (NAPI polls), at most `budget` packets and `budget_usecs` a call, at most `weight`
 * from one source before the next has its turn. Device queues are read again in the same call only while one gave its whole
 * weight: one that gave less was empty (napi_complete_done), and to look again at once is a system call for nothing.
 * Runs on a worker, between its other work.
 * Linux: net/core/dev.c, net_rx_action(), process_backlog(); /proc/net/softnet_stat.
 */
import { backlogRing } from '../shm/arena.ts'
import type { Arena } from '../shm/arena.ts'
import { counterBank, Softnet } from '../shm/counters.ts'
import { ringReadable, ringRelease, ringTake } from '../shm/ring.ts'
import { Sysctl } from '../shm/sysctl.ts'
import type { Skbs } from '../skb/skbs.ts'
import { SKB_OWNER } from '../skb/skb.ts'
import type { FibPrefetch } from '../inet/fib/trie/fib-prefetch.ts'
import type { Receive } from '../dev/receive.ts'

/** Takes up to `weight` packets from a device queue and hands them up; returns how many. */
export type NapiPoll = (weight: number) => number

type NetRxDeps = {
  arena: Arena
  skbs: Pick<Skbs, 'prefetch'>
  worker: number
  /** Microseconds now, read after each round for the time limit. */
  nowUs: () => number
} & Pick<Receive, 'receive' | 'flush'> &
  Pick<FibPrefetch, 'prefetchRoutes'>

export const createNetRx = (deps: NetRxDeps) => {
  const { arena, skbs, worker, receive, flush, nowUs, prefetchRoutes } = deps
  const { i32, f64, layout } = arena
  const { sysctl } = layout
  const rings = Int32Array.from({ length: layout.threads }, (_, t) =>
    backlogRing(layout, worker, t)
  )
  const count = counterBank(arena, worker)
  const polls: NapiPoll[] = []
  // what a forerunner had taken when it died is gone: its producers may use the slots
  for (const ring of rings) ringRelease(i32, ring)

  /** One source's turn; returns how many packets it gave. */
  const processBacklog = (ring: number, weight: number): number => {
    const readable = ringReadable(i32, ring)
    if (readable === 0) return 0
    const n = readable < weight ? readable : weight
    skbs.prefetch(ring, n)
    prefetchRoutes(ring, n)
    for (let k = 0; k < n; k++) {
      const skb = ringTake(i32, ring)
      // ours from here on: were it so before, a restart would free what still lies in the ring
      i32[skb + SKB_OWNER] = worker
      receive(skb)
    }
    ringRelease(i32, ring)
    flush()
    return n
  }
  /** A turn for every backlog. */
  const readBacklogs = (weight: number): number => {
    let work = 0
    for (let t = 0; t < rings.length; t++) {
      const n = processBacklog(rings[t], weight)
      if (n !== 0 && t !== worker) f64[count + Softnet.received_rps] += n
      work += n
    }
    return work
  }
  /** Some device queue gave all that it may in its latest turn: it may have more. */
  let hasMore = false
  /** A turn for every device queue. */
  const readDevices = (weight: number): number => {
    let work = 0
    hasMore = false
    for (let k = 0; k < polls.length; k++) {
      const n = polls[k](weight)
      if (n !== 0) flush()
      if (n === weight) hasMore = true
      work += n
    }
    return work
  }

  /** Does a bounded amount of receive work; returns the number of packets taken. */
  const netRxAction = (): number => {
    const budget = i32[sysctl + Sysctl.netdev_budget]
    const weight = i32[sysctl + Sysctl.dev_weight]
    let work = readBacklogs(weight) + readDevices(weight)
    if (work === 0) return 0
    const deadline = nowUs() + i32[sysctl + Sysctl.netdev_budget_usecs]
    while (hasMore || pending()) {
      if (work >= budget || nowUs() >= deadline) {
        if (pending()) f64[count + Softnet.time_squeeze]++
        break
      }
      work += readBacklogs(weight)
      if (hasMore) work += readDevices(weight)
    }
    f64[count + Softnet.processed] += work
    f64[count + Softnet.calls]++
    f64[count + Softnet.vectors] += work
    return work
  }

  /** True when a backlog has packets (asked before sleeping). */
  const pending = (): boolean => {
    for (let t = 0; t < rings.length; t++) if (ringReadable(i32, rings[t]) !== 0) return true
    return false
  }
  /** Adds a device queue that this CPU reads itself; returns how to remove it. */
  const napiAdd = (poll: NapiPoll): (() => void) => {
    polls.push(poll)
    return () => {
      const at = polls.indexOf(poll)
      if (at >= 0) polls.splice(at, 1)
    }
  }
  return { netRxAction, pending, napiAdd }
}
