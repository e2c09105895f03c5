import { describe, expect, test } from 'bun:test'
import { mix32 } from '../../../core/base/u32.ts'
import { createArena } from '../../../core/shm/arena.ts'
import { SMALL_ARENA } from '../../../core/shm/layout.ts'
import { SKB_TRIED, STAGE_SOCKET } from '../../../core/skb/skb.ts'
import { createSkbs } from '../../../core/skb/skbs.ts'
import { createOwnedFlows } from '../../../core/transport/owned-flows.ts'

const setup = (workers: number, socks: number) => {
  const arena = createArena({ ...SMALL_ARENA, workers, socks, skbs: 1024, smallBuffers: 512 })
  const { i32 } = arena
  const skbs = createSkbs(arena, 0)
  const sent: { from: number; to: number; skb: number; stage: number }[] = []
  const of = Array.from({ length: workers }, (_, worker) =>
    createOwnedFlows({
      arena,
      worker,
      steerTo: (to, skb, stage) => void sent.push({ from: worker, to, skb, stage }),
    })
  )
  const skb = skbs.alloc(100, 0)
  /** Where a fresh packet of the flow is passed on to by a worker; -1: it stays. */
  const passedTo = (worker: number, hash: number, isNew = false): number => {
    i32[skb + SKB_TRIED] = 0
    sent.length = 0
    return of[worker]!.passOn(skb, hash, isNew) ? sent[0]!.to : -1
  }
  return { arena, i32, of, sent, skb, passedTo }
}

describe('a packet without a socket here', () => {
  test('goes to the worker that has its flow, to look for the socket there', () => {
    const { of, sent, skb, passedTo } = setup(4, 64)
    of[2]!.add(77)
    expect(passedTo(0, 77)).toBe(2)
    expect(sent).toEqual([{ from: 0, to: 2, skb, stage: STAGE_SOCKET }])
    expect(passedTo(2, 77)).toBe(-1)
    expect(passedTo(0, 78)).toBe(-1)
    of[2]!.remove(77)
    expect(passedTo(0, 77)).toBe(-1)
  })
  test('stays when the worker that had its flow has it no more, and goes to nobody twice', () => {
    const { i32, of, skb } = setup(3, 64)
    of[1]!.add(5)
    of[2]!.add(5)
    i32[skb + SKB_TRIED] = 0
    expect(of[0]!.passOn(skb, 5, false)).toBe(true)
    expect(of[1]!.passOn(skb, 5, false)).toBe(true)
    expect(of[2]!.passOn(skb, 5, false)).toBe(false)
  })
  test('is passed on as long as one of several sockets of its hash is there', () => {
    const { of, passedTo } = setup(2, 64)
    for (let k = 0; k < 3; k++) of[1]!.add(9)
    for (let k = 0; k < 2; k++) of[1]!.remove(9)
    expect(passedTo(0, 9)).toBe(1)
    of[1]!.remove(9)
    expect(passedTo(0, 9)).toBe(-1)
  })
})

test.each([2, 4, 32])(
  'with %p workers full of flows, each is found and no stranger is',
  (workers) => {
    const socks = workers === 32 ? 512 : 4096
    const { of, passedTo } = setup(workers, socks)
    // no two alike: what looks like chance is a bijection
    let numbers = workers << 20
    const next = (): number => mix32(numbers++)
    const flows = of.map(() => Array.from({ length: socks }, next))
    for (const [worker, hashes] of flows.entries()) for (const hash of hashes) of[worker]!.add(hash)
    for (const [worker, hashes] of flows.entries()) {
      const here = (worker + 1) % workers
      for (const hash of hashes)
        if (passedTo(here, hash, true) !== worker) throw new Error(`${hash}`)
    }
    let strangers = 0
    for (let k = 0; k < 20_000; k++) if (passedTo(0, next(), true) !== -1) strangers++
    expect(strangers).toBe(0)
    for (const [worker, hashes] of flows.entries())
      for (const hash of hashes.slice(1)) of[worker]!.remove(hash)
    for (const hashes of flows.slice(1))
      for (const hash of hashes.slice(1)) if (passedTo(0, hash) !== -1) throw new Error(`${hash}`)
    for (const [worker, [hash]] of flows.entries())
      expect(passedTo((worker + 1) % workers, hash!, true)).toBe(worker)
  }
)

describe('flows that fit into neither of their buckets', () => {
  // sockets of one hash share an entry, so a table is only full of different ones; the smallest has one bucket
  const full = () => {
    const made = setup(2, 2)
    for (let hash = 1; hash <= 12; hash++) made.of[1]!.add(hash)
    return made
  }
  test('are still found: by any packet but one that opens a flow', () => {
    const { passedTo } = full()
    expect(passedTo(0, 12)).toBe(1)
    expect(passedTo(0, 1, true)).toBe(1)
    expect(passedTo(0, 99, true)).toBe(-1)
  })
  test('are forgotten when they have gone', () => {
    const { of, passedTo } = full()
    for (let hash = 12; hash >= 2; hash--) of[1]!.remove(hash)
    expect(passedTo(0, 12)).toBe(-1)
    expect(passedTo(0, 1)).toBe(1)
    of[1]!.remove(1)
    expect(passedTo(0, 1)).toBe(-1)
  })
})

test('the last of 32 workers passes on and is passed to', () => {
  const { i32, of, skb, passedTo } = setup(32, 64)
  of[31]!.add(3)
  of[0]!.add(4)
  expect(passedTo(0, 3)).toBe(31)
  expect(passedTo(31, 4)).toBe(0)
  for (let worker = 0; worker < 32; worker++) of[worker]!.add(6)
  i32[skb + SKB_TRIED] = 0
  let at = 31
  let hops = 0
  while (of[at]!.passOn(skb, 6, false) && hops++ < 100) at = hops - 1
  expect(hops).toBe(31)
})

test('a worker that starts over owns nothing', () => {
  const { arena, of, passedTo } = setup(2, 64)
  of[1]!.add(8)
  createOwnedFlows({ arena, worker: 1, steerTo: () => {} })
  expect(passedTo(0, 8)).toBe(-1)
})
