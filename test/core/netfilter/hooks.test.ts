import { describe, expect, test } from 'bun:test'
import { Errno } from '../../../core/base/errno.ts'
import { createNfHooks, type NfHookFn } from '../../../core/netfilter/hooks.ts'
import {
  NF_ACCEPT,
  NF_DROP,
  NF_INET_FORWARD,
  NF_INET_LOCAL_IN,
  NF_INET_NUMHOOKS,
  NF_IP_PRI_CONNTRACK,
  NF_IP_PRI_FILTER,
  NF_IP_PRI_NAT_SRC,
  NF_PASSED,
  NF_QUEUE,
  NF_REPEAT,
  NF_STOLEN,
} from '../../../core/netfilter/nf-constants.ts'
import { createArena } from '../../../core/shm/arena.ts'
import { G_GENERATION, SMALL_ARENA } from '../../../core/shm/layout.ts'
import { createDrop, Drop, DROP_COUNTERS } from '../../../core/skb/drop.ts'
import { RX_HEADROOM } from '../../../core/skb/skb.ts'
import { createSkbs } from '../../../core/skb/skbs.ts'
import { counterBank } from '../../../core/shm/counters.ts'

const HOOK = NF_INET_FORWARD
const IN = 2
const OUT = 3
/** Devices from 10 on are in net 1. */
const netOf = (ifindex: number): number => (ifindex >= 10 ? 1 : 0)

const setup = () => {
  const arena = createArena({ ...SMALL_ARENA, skbs: 2048 })
  const skbs = createSkbs(arena, 0)
  const { drop } = createDrop(arena, skbs)
  const nf = createNfHooks({ arena, skbs, drop, netOf })
  const home = skbs.available()
  const passed: { skb: number; isStale: boolean }[] = []
  for (let hook = 0; hook < NF_INET_NUMHOOKS; hook++)
    nf.setOkFn(hook, (skb, isStale) => {
      passed.push({ skb, isStale })
      skbs.free(skb)
    })
  const asked: string[] = []
  /** Registers a function that notes its name and answers the verdicts in turn, the last for ever. */
  const on = (name: string, priority: number, ...verdicts: number[]): (() => void) =>
    nf.register({
      hook: HOOK,
      priority,
      fn: () => {
        asked.push(name)
        return verdicts.length > 1 ? verdicts.shift()! : (verdicts[0] ?? NF_ACCEPT)
      },
    })
  const packet = (): number => {
    const skb = skbs.alloc(100, RX_HEADROOM)
    skbs.put(skb, 100)
    return skb
  }
  const run = (skb = packet()): number => {
    const verdict = nf.run(HOOK, skb, IN, OUT)
    if (verdict === NF_PASSED) skbs.free(skb)
    return verdict
  }
  const queued: { entry: number; queue: number; skb: number }[] = []
  const keep = (entry: number, queue: number, skb: number): boolean =>
    queued.push({ entry, queue, skb }) > 0
  return {
    arena,
    nf,
    skbs,
    on,
    packet,
    run,
    asked,
    passed,
    queued,
    keep,
    names: () => asked.splice(0),
    dropped: () => arena.f64[counterBank(arena, 0) + DROP_COUNTERS + Drop.NETFILTER_DROP],
    isAllReturned: () => Bun.deepEquals(skbs.available(), home),
  }
}

describe('a hook', () => {
  test('lets everything pass while nobody is there', () => {
    const { run, isAllReturned } = setup()
    expect(run()).toBe(NF_PASSED)
    expect(isAllReturned()).toBe(true)
  })
  test('asks by priority, equals by age', () => {
    const { nf, on, run, names } = setup()
    on('filter', NF_IP_PRI_FILTER)
    on('nat', NF_IP_PRI_NAT_SRC)
    on('conntrack', NF_IP_PRI_CONNTRACK)
    on('filter 2', NF_IP_PRI_FILTER)
    nf.publish()
    expect(run()).toBe(NF_PASSED)
    expect(names()).toEqual(['conntrack', 'filter', 'filter 2', 'nat'])
  })
  test('changes at the quiescent point, not before', () => {
    const { nf, on, run, names } = setup()
    const off = on('a', 0)
    run()
    expect(names()).toEqual([])
    nf.publish()
    run()
    expect(names()).toEqual(['a'])
    off()
    on('b', 0)
    run()
    expect(names()).toEqual(['a'])
    nf.publish()
    run()
    expect(names()).toEqual(['b'])
  })
  test('goes on with the list it began with when a function takes itself off', () => {
    const { nf, on, run, names, asked } = setup()
    const off = nf.register({
      hook: HOOK,
      priority: -1,
      fn: () => {
        asked.push('once')
        off()
        nf.publish()
        return NF_ACCEPT
      },
    })
    on('next', 0)
    nf.publish()
    run()
    expect(names()).toEqual(['once', 'next'])
    run()
    expect(names()).toEqual(['next'])
  })
  test('knows nets apart, and hooks', () => {
    const { nf, packet, skbs } = setup()
    const seen: number[][] = []
    const note: NfHookFn = (_skb, { hook, net, inDev, outDev }) => {
      seen.push([hook, net, inDev, outDev])
      return NF_ACCEPT
    }
    nf.register({ hook: HOOK, priority: 0, fn: note, net: 1 })
    nf.register({ hook: NF_INET_LOCAL_IN, priority: 0, fn: note })
    nf.publish()
    const skb = packet()
    nf.run(HOOK, skb, IN, OUT)
    nf.run(HOOK, skb, 10, 11)
    nf.run(HOOK, skb, 0, 11)
    nf.run(NF_INET_LOCAL_IN, skb, IN, 0)
    expect(seen).toEqual([
      [HOOK, 1, 10, 11],
      [HOOK, 1, 0, 11],
      [NF_INET_LOCAL_IN, 0, IN, 0],
    ])
    skbs.free(skb)
  })
  test('tells a function its own packet though one before it sent another', () => {
    const { nf, run, packet, skbs } = setup()
    let inner = 0
    const seen: number[] = []
    nf.register({
      hook: HOOK,
      priority: 0,
      fn: () => {
        inner = packet()
        nf.run(NF_INET_LOCAL_IN, inner, 7, 0)
        skbs.free(inner)
        return NF_ACCEPT
      },
    })
    nf.register({
      hook: HOOK,
      priority: 1,
      fn: (_skb, { hook, inDev, outDev }) => seen.push(hook, inDev, outDev) && NF_ACCEPT,
    })
    nf.register({ hook: NF_INET_LOCAL_IN, priority: 0, fn: () => NF_ACCEPT })
    nf.publish()
    run()
    expect(seen).toEqual([HOOK, IN, OUT])
  })
})

describe('a verdict', () => {
  test('NF_DROP drops, counts, and answers EPERM or the errno it carries', () => {
    const { nf, on, run, names, dropped, isAllReturned } = setup()
    on('wall', 0, NF_DROP, (Errno.EHOSTUNREACH << 16) | NF_DROP)
    on('behind', 1)
    nf.publish()
    expect([run(), run()]).toEqual([-Errno.EPERM, -Errno.EHOSTUNREACH])
    expect(names()).toEqual(['wall', 'wall'])
    expect(dropped()).toBe(2)
    expect(isAllReturned()).toBe(true)
  })
  test('NF_STOLEN leaves the packet to the function', () => {
    const { nf, run, packet, skbs, isAllReturned } = setup()
    let mine = 0
    nf.register({
      hook: HOOK,
      priority: 0,
      fn: (skb) => {
        mine = skb
        return NF_STOLEN
      },
    })
    nf.publish()
    const skb = packet()
    expect(run(skb)).toBe(0)
    expect(mine).toBe(skb)
    skbs.free(mine)
    expect(isAllReturned()).toBe(true)
  })
  test('NF_REPEAT asks the same function again', () => {
    const { nf, on, run, names } = setup()
    on('again', 0, NF_REPEAT, NF_REPEAT, NF_ACCEPT)
    on('behind', 1)
    nf.publish()
    expect(run()).toBe(NF_PASSED)
    expect(names()).toEqual(['again', 'again', 'again', 'behind'])
  })
  test('that is none drops', () => {
    const { nf, on, run, dropped } = setup()
    on('odd', 0, 77)
    nf.publish()
    expect(run()).toBe(-Errno.EPERM)
    expect(dropped()).toBe(1)
  })
})

describe('a queued packet', () => {
  const queueing = () => {
    const made = setup()
    const off = made.nf.registerQueueHandler(made.keep)
    made.on('first', -1)
    const leave = made.on('queue', 0, (5 << 16) | NF_QUEUE)
    made.on('last', 1)
    made.nf.publish()
    return { ...made, off, leave }
  }
  test('is kept with the number of its queue and goes on behind the function that queued it', () => {
    const { nf, run, packet, names, queued, passed, isAllReturned } = queueing()
    const skb = packet()
    expect(run(skb)).toBe(0)
    expect(queued).toEqual([{ entry: expect.any(Number), queue: 5, skb }])
    expect(names()).toEqual(['first', 'queue'])
    nf.reinject(queued[0]!.entry, NF_ACCEPT)
    expect(names()).toEqual(['last'])
    expect(passed).toEqual([{ skb, isStale: false }])
    expect(isAllReturned()).toBe(true)
  })
  test('goes on at its place though the list has changed meanwhile', () => {
    const { nf, on, run, names, queued, passed, leave } = queueing()
    run()
    names()
    leave()
    on('new before', -2)
    on('new beside', 0)
    on('new behind', 2)
    nf.publish()
    nf.reinject(queued[0]!.entry, NF_ACCEPT)
    expect(names()).toEqual(['new beside', 'last', 'new behind'])
    expect(passed).toHaveLength(1)
  })
  test('meets that function again with NF_REPEAT', () => {
    const { nf, run, names, queued } = queueing()
    run()
    names()
    nf.reinject(queued[0]!.entry, NF_REPEAT)
    expect(names()).toEqual(['queue'])
    nf.reinject(queued[1]!.entry, NF_ACCEPT)
    expect(names()).toEqual(['last'])
  })
  test('hears that the tables have changed since it was routed', () => {
    const { arena, nf, run, queued, passed } = queueing()
    run()
    arena.i32[G_GENERATION]!++
    nf.reinject(queued[0]!.entry, NF_ACCEPT)
    expect(passed.map(({ isStale }) => isStale)).toEqual([true])
  })
  test('dies with NF_DROP, is the holder’s own with NF_STOLEN', () => {
    const { nf, run, queued, skbs, passed, dropped, isAllReturned } = queueing()
    run()
    run()
    nf.reinject(queued[0]!.entry, NF_DROP)
    nf.reinject(queued[1]!.entry, NF_STOLEN)
    skbs.free(queued[1]!.skb)
    expect(passed).toEqual([])
    expect(dropped()).toBe(1)
    expect(isAllReturned()).toBe(true)
    expect(() => nf.reinject(queued[1]!.entry, NF_ACCEPT)).toThrow('nf_reinject')
  })
  test('has bytes of its own: its sender may write a clone', () => {
    const { nf, run, packet, queued, skbs } = queueing()
    const kept = packet()
    run(skbs.clone(kept))
    expect(skbs.isShared(kept)).toBe(false)
    nf.reinject(queued[0]!.entry, NF_ACCEPT)
    skbs.free(kept)
  })
  test('is dropped without a handler, by one that refuses, and when queues are full', () => {
    const bare = setup()
    bare.on('queue', 0, NF_QUEUE)
    bare.nf.publish()
    expect(bare.run()).toBe(-Errno.EPERM)
    const off = bare.nf.registerQueueHandler(() => false)
    expect(() => bare.nf.registerQueueHandler(() => true)).toThrow('handler')
    expect(bare.run()).toBe(-Errno.EPERM)
    off()
    bare.nf.registerQueueHandler(bare.keep)
    for (let k = 0; k < 1024; k++) expect(bare.run()).toBe(0)
    expect(bare.run()).toBe(-Errno.EPERM)
    bare.nf.dropQueued(0)
    expect(bare.dropped()).toBe(3 + 1024)
    expect(bare.isAllReturned()).toBe(true)
  })
  test('goes with its device, and with its handler', () => {
    const { nf, run, packet, queued, dropped, off, isAllReturned } = queueing()
    run()
    nf.run(HOOK, packet(), IN, 4)
    nf.dropQueued(4)
    expect(dropped()).toBe(1)
    nf.dropQueued(9)
    expect(dropped()).toBe(1)
    expect(queued).toHaveLength(2)
    off()
    expect(dropped()).toBe(2)
    expect(isAllReturned()).toBe(true)
  })
})
