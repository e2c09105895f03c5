import { describe, expect, test } from 'bun:test'
import { createArena } from '../../../core/shm/arena.ts'
import { counterBank, Softnet } from '../../../core/shm/counters.ts'
import { SMALL_ARENA } from '../../../core/shm/layout.ts'
import { Sysctl } from '../../../core/shm/sysctl.ts'
import { createDrop } from '../../../core/skb/drop.ts'
import { OWNER_IN_RING, SKB_MARK, SKB_OWNER } from '../../../core/skb/skb.ts'
import { createSkbs } from '../../../core/skb/skbs.ts'
import { createBacklog } from '../../../core/softnet/backlog.ts'
import { createNetRx } from '../../../core/softnet/net-rx.ts'

const WORKER = 0
const NIC = 1

const setup = () => {
  const arena = createArena({
    ...SMALL_ARENA,
    nics: 1,
    skbs: 64,
    smallBuffers: 64,
    largeBuffers: 4,
  })
  const { i32, layout } = arena
  for (const [name, value] of Object.entries({
    netdev_max_backlog: 16,
    netdev_budget: 8,
    netdev_budget_usecs: 2000,
    dev_weight: 4,
  }))
    i32[layout.sysctl + Sysctl[name as keyof typeof Sysctl]] = value
  const nic = createSkbs(arena, NIC)
  const { drop } = createDrop(arena, nic)
  const backlog = createBacklog({
    arena,
    skbs: nic,
    drop,
    kick: () => {},
    flowLimited: () => false,
  })
  const home = nic.available()
  /** The nic thread receives packets numbered from `first`. */
  const enqueue = (first: number, count: number): void => {
    for (let mark = first; mark < first + count; mark++) {
      const skb = nic.alloc(64, 128)
      i32[skb + SKB_MARK] = mark
      backlog.enqueueToBacklog(WORKER, skb, 0)
    }
    backlog.flush()
  }
  /** A worker's half; what it received, freed at once. */
  const worker = (onReceive: (mark: number) => void = () => {}) => {
    const skbs = createSkbs(arena, WORKER)
    const got: number[] = []
    const receive = (skb: number): void => {
      onReceive(i32[skb + SKB_MARK]!)
      got.push(i32[skb + SKB_MARK]!)
      skbs.free(skb)
    }
    /** How many packets there were when each batch ended. */
    const batches: number[] = []
    const flush = (): void => void batches.push(got.length)
    const netRx = createNetRx({
      arena,
      skbs,
      worker: WORKER,
      receive,
      flush,
      nowUs: () => 0,
      prefetchRoutes: () => {},
    })
    return { ...netRx, got, skbs, batches }
  }
  const counter = (index: number): number => arena.f64[counterBank(arena, WORKER) + index]!
  return { arena, nic, home, enqueue, worker, counter }
}

describe('net_rx_action', () => {
  test('takes packets in order and says how many', () => {
    const { enqueue, worker, counter } = setup()
    const { netRxAction, got } = worker()
    enqueue(1, 5)
    expect(netRxAction()).toBe(5)
    expect(got).toEqual([1, 2, 3, 4, 5])
    expect(netRxAction()).toBe(0)
    expect([counter(Softnet.processed), counter(Softnet.received_rps)]).toEqual([5, 5])
  })
  test('stops at the budget and counts that it had to', () => {
    const { enqueue, worker, counter } = setup()
    const { netRxAction, got } = worker()
    enqueue(1, 12)
    expect(netRxAction()).toBe(8)
    expect(counter(Softnet.time_squeeze)).toBe(1)
    expect(netRxAction()).toBe(4)
    expect(got).toHaveLength(12)
    expect(counter(Softnet.time_squeeze)).toBe(1)
  })
  test('ends the batch of each source that had packets', () => {
    const { enqueue, worker } = setup()
    const { netRxAction, napiAdd, got, batches } = worker()
    let inQueue = 2
    napiAdd((weight) => {
      const n = Math.min(weight, inQueue)
      for (; inQueue > 0; inQueue--) got.push(-inQueue)
      return n
    })
    enqueue(1, 5)
    netRxAction()
    expect(got).toEqual([1, 2, 3, 4, -2, -1, 5])
    expect(batches).toEqual([4, 6, 7])
  })
  test('gives a busy device queue no more than its weight before the backlog has its turn', () => {
    const { enqueue, worker } = setup()
    const { netRxAction, napiAdd, got } = worker()
    const weights: number[] = []
    napiAdd((weight) => {
      weights.push(weight)
      return got.length < 5 ? weight : 0
    })
    enqueue(1, 5)
    expect(netRxAction()).toBe(8)
    expect(got).toEqual([1, 2, 3, 4])
    expect(netRxAction()).toBeGreaterThan(0)
    expect(got).toEqual([1, 2, 3, 4, 5])
    expect(new Set(weights)).toEqual(new Set([4]))
  })
  test('asks a device queue again in the call only while one gave its whole weight', () => {
    const { worker } = setup()
    const { netRxAction, napiAdd } = worker()
    const gives: number[] = []
    let asked = 0
    napiAdd(() => {
      asked++
      return gives.shift() ?? 0
    })
    gives.push(3, 3)
    expect(netRxAction()).toBe(3)
    expect(asked).toBe(1)
    expect(netRxAction()).toBe(3)
    expect(asked).toBe(2)
    gives.push(4, 1, 1)
    expect(netRxAction()).toBe(5)
    expect(asked).toBe(4)
  })
})

describe('a worker that is restarted', () => {
  test('loses the packet that it had in hand and none that waited', () => {
    const { nic, home, enqueue, worker } = setup()
    const dying = worker((mark) => {
      if (mark === 2) throw new Error('thrown on request')
    })
    enqueue(1, 3)
    expect(() => dying.netRxAction()).toThrow('thrown on request')
    // the nic thread goes on while the worker starts over
    enqueue(4, 1)
    expect(dying.skbs.recover()).toBe(1)
    enqueue(5, 1)
    const next = worker()
    next.netRxAction()
    expect([...dying.got, ...next.got]).toEqual([1, 3, 4, 5])
    next.skbs.flush()
    expect(nic.available()).toEqual(home)
  })
  test('an skb in a ring belongs to nobody, and to the worker that takes it', () => {
    const { arena, nic, worker } = setup()
    const { drop } = createDrop(arena, nic)
    const backlog = createBacklog({
      arena,
      skbs: nic,
      drop,
      kick: () => {},
      flowLimited: () => false,
    })
    const skb = nic.alloc(64, 128)
    backlog.enqueueToBacklog(WORKER, skb, 0)
    backlog.flush()
    expect(arena.i32[skb + SKB_OWNER]).toBe(OWNER_IN_RING)
    worker(() => expect(arena.i32[skb + SKB_OWNER]).toBe(WORKER)).netRxAction()
    expect.assertions(2)
  })
})
