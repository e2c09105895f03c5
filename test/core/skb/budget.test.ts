import { describe, expect, test } from 'bun:test'
import { createArena } from '../../../core/shm/arena.ts'
import { type ArenaConfig, DEFAULT_ARENA, SMALL_ARENA } from '../../../core/shm/layout.ts'
import { fitPools } from '../../../core/shm/compute-layout.ts'
import {
  ringInit,
  ringPublish,
  ringPush,
  ringReadable,
  ringRelease,
  ringTake,
} from '../../../core/shm/ring.ts'
import {
  computeBudget,
  Holder,
  lineOf,
  TRUESIZE_LARGE,
  TRUESIZE_SMALL,
} from '../../../core/skb/budget.ts'
import { createRingCharge } from '../../../core/skb/ring-charge.ts'
import { SKB_CHARGE } from '../../../core/skb/skb.ts'
import { createSkbs } from '../../../core/skb/skbs.ts'

/** Holders of received packets, of which every worker may have as many, from one pool in the worst case. */
const SHARED: Holder[] = [
  Holder.tcp_rcv,
  Holder.udp_rcv,
  Holder.reasm,
  Holder.neigh,
  Holder.qdisc,
  Holder.tap,
]

describe('the bounds', () => {
  const configs: Partial<ArenaConfig>[] = [
    DEFAULT_ARENA,
    SMALL_ARENA,
    ...[1, 2, 3, 4, 8, 16, 32].map((workers) => ({ ...DEFAULT_ARENA, workers })),
    { ...SMALL_ARENA, workers: 2 },
    // as many rows as small buffers, and many large ones
    { ...SMALL_ARENA, skbs: 4096, smallBuffers: 4096, largeBuffers: 512, workers: 2 },
  ]
  test.each(configs)('leave of every pool a reserve that nobody can hold: %j', (part) => {
    const config = fitPools({ ...SMALL_ARENA, ...part })
    const { bounds, sharedLarge, ownLarge, reserveSmall, reserveLarge } = computeBudget(config)
    let small = 0
    for (const holder of Object.values(Holder)) {
      expect(bounds[holder * 2]).toBeGreaterThan(0)
      expect(bounds[holder * 2 + 1]).toBeGreaterThan(0)
      const line = lineOf(holder)
      if (line !== undefined) {
        expect(bounds[holder * 2]).toBeLessThanOrEqual(bounds[Holder[line] * 2]!)
        expect(bounds[holder * 2 + 1]).toBeLessThanOrEqual(bounds[Holder[line] * 2 + 1]!)
        continue
      }
      const times = SHARED.includes(holder) ? config.workers : 1
      small += bounds[holder * 2]! * times
    }
    const large = sharedLarge * config.workers + ownLarge
    expect(small + reserveSmall).toBeLessThanOrEqual(config.smallBuffers)
    expect(small + large + reserveSmall).toBeLessThanOrEqual(config.skbs)
    expect(large + reserveLarge).toBeLessThanOrEqual(config.largeBuffers)
    expect(reserveSmall * 16).toBeGreaterThanOrEqual(config.smallBuffers - config.largeBuffers)
    expect(reserveLarge * 16).toBeGreaterThanOrEqual(config.largeBuffers)
  })
  test('cannot be had of pools that are too small for the workers', () => {
    expect(() => computeBudget({ ...SMALL_ARENA, workers: 32, largeBuffers: 32 })).toThrow(
      'too small for 32 workers'
    )
  })
})

describe('a charge', () => {
  const setup = () => {
    const arena = createArena({ ...SMALL_ARENA, workers: 2 })
    return { arena, skbs: createSkbs(arena, 0), other: createSkbs(arena, 1) }
  }
  test('counts the slots really held, and the frags with them', () => {
    const { skbs } = setup()
    const { budget } = skbs
    const head = skbs.alloc(1, 0)
    skbs.put(head, 1)
    let last = 0
    for (const size of [1, 60_000]) {
      const frag = skbs.alloc(size, 0)
      skbs.put(frag, size)
      skbs.addFrag(head, last, frag)
      last = frag
    }
    expect(budget.truesize(head)).toBe(2 * TRUESIZE_SMALL + TRUESIZE_LARGE)
    budget.hold(head, Holder.neigh)
    expect([budget.smallHeld(Holder.neigh), budget.largeHeld(Holder.neigh)]).toEqual([2, 1])
    budget.release(head)
    budget.release(head)
    expect([budget.smallHeld(Holder.neigh), budget.largeHeld(Holder.neigh)]).toEqual([0, 0])
    skbs.free(head)
  })
  test('ends with the skb, and is not inherited by clones and copies', () => {
    const { arena, skbs } = setup()
    const skb = skbs.alloc(1, 0)
    skbs.budget.hold(skb, Holder.udp_rcv)
    const twins = [skbs.clone(skb), skbs.copy(skb, 10)]
    for (const twin of twins) {
      expect(arena.i32[twin + SKB_CHARGE]).toBe(0)
      skbs.free(twin)
    }
    expect(skbs.budget.smallHeld(Holder.udp_rcv)).toBe(1)
    skbs.free(skb)
    expect(skbs.budget.smallHeld(Holder.udp_rcv)).toBe(0)
  })
  test('is what it was even when the buffer has changed meanwhile', () => {
    const { skbs } = setup()
    const skb = skbs.alloc(1, 0)
    skbs.put(skb, 1)
    skbs.budget.hold(skb, Holder.tap)
    expect(skbs.expandHead(skb, 4000)).toBe(true)
    skbs.free(skb)
    expect([skbs.budget.smallHeld(Holder.tap), skbs.budget.largeHeld(Holder.tap)]).toEqual([0, 0])
  })
  test('is forgotten with a thread that starts over', () => {
    const { arena, skbs } = setup()
    const skb = skbs.alloc(1, 0)
    skbs.budget.hold(skb, Holder.reasm)
    const again = createSkbs(arena, 0)
    expect(again.recover()).toBe(1)
    expect(again.budget.smallHeld(Holder.reasm)).toBe(0)
  })
  test('has room up to the bound of each kind of slot', () => {
    const { skbs } = setup()
    const { budget } = skbs
    const bound = budget.bounds[Holder.tap * 2]!
    for (let n = 0; n < bound; n++) {
      const skb = skbs.alloc(1, 0)
      expect(budget.mayHold(skb, Holder.tap)).toBe(true)
      budget.hold(skb, Holder.tap)
    }
    expect(budget.mayHold(skbs.alloc(1, 0), Holder.tap)).toBe(false)
    expect(budget.mayHold(skbs.alloc(60_000, 0), Holder.tap)).toBe(true)
  })
  test.each([
    ['sock_queue', 'udp_rcv'],
    ['netem', 'qdisc'],
    ['mroute', 'neigh'],
    ['proxy', 'neigh'],
  ] as const)('of %s is one of the line of %s: together they have what that may', (own, line) => {
    const { skbs } = setup()
    const { budget } = skbs
    const fill = (holder: Holder): number => {
      for (let n = 0; ; n++) {
        const skb = skbs.alloc(1, 0)
        if (!budget.mayHold(skb, holder)) return n
        budget.hold(skb, holder)
      }
    }
    expect(fill(Holder[own])).toBe(budget.bounds[Holder[own] * 2]!)
    fill(Holder[line])
    expect(budget.smallsOnLine(Holder[own])).toBe(budget.bounds[Holder[line] * 2]!)
    expect(budget.smallsOnLine(Holder[line])).toBe(budget.bounds[Holder[line] * 2]!)
    expect(fill(Holder[own])).toBe(0)
  })
  test('has room as long as all holders of received packets have left some large slots', () => {
    const arena = createArena({ ...SMALL_ARENA, workers: 16 })
    const skbs = createSkbs(arena, 0)
    const { budget } = skbs
    // two large slots for a worker: one each, whoever comes first
    const large = () => skbs.alloc(60_000, 0)
    expect(computeBudget(arena.layout.config).sharedLarge).toBe(2)
    budget.hold(large(), Holder.tcp_rcv)
    expect(budget.mayHold(large(), Holder.udp_rcv)).toBe(true)
    budget.hold(large(), Holder.udp_rcv)
    expect(budget.mayHold(large(), Holder.neigh)).toBe(false)
    expect(budget.hasLarges(Holder.tcp_rcv, 1)).toBe(false)
    // what is sent has a share of its own
    expect(budget.hasLarges(Holder.tcp_snd, 1)).toBe(true)
  })
})

describe('what lies in a ring', () => {
  test('is charged until the other side has given its slots back, round after round', () => {
    const arena = createArena({ ...SMALL_ARENA, workers: 2 })
    const { i32 } = arena
    const { budget } = createSkbs(arena, 0)
    const ring = arena.layout.portRings
    ringInit(i32, ring, 8)
    const inRing = createRingCharge(i32, ring, 3, 0, budget, Holder.port)
    const one = budget.slotsOf(createSkbs(arena, 1).alloc(1, 0))
    for (let round = 0; round < 50; round++) {
      for (let n = 0; n < 5; n++) {
        ringPush(i32, ring, 1)
        inRing.charge(one)
      }
      ringPublish(i32, ring)
      expect(budget.smallHeld(Holder.port)).toBe(5)
      const readable = ringReadable(i32, ring)
      for (let n = 0; n < readable; n++) ringTake(i32, ring)
      ringRelease(i32, ring)
      inRing.settle()
      expect(budget.smallHeld(Holder.port)).toBe(0)
    }
  })
})
