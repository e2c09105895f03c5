import { describe, expect, test } from 'bun:test'
import * as rps from '../../../core/steering/rps.ts'

const setUp = (cpus = [0, 1, 2, 3]) => {
  const map = new Int32Array(rps.RPS_MAP_WORDS)
  rps.setRpsCpus(map, cpus)
  const sockFlows = new Int32Array(64)
  rps.clearSockFlows(sockFlows)
  const devFlows = rps.createDevFlows(64)
  const heads = [0, 0, 0, 0]
  const offline = new Set<number>()
  const deps = {
    map,
    sockFlows,
    devFlows,
    queueHead: (cpu: number) => heads[cpu]!,
    isOnline: (cpu: number) => cpu >= 0 && cpu < 4 && !offline.has(cpu),
  }
  return { ...deps, heads, offline, ...rps.createRps(deps) }
}

describe('RPS', () => {
  test('scales the hash over the map', () => {
    const { getRpsCpu } = setUp([2, 0, 3])
    expect(getRpsCpu(1)).toBe(2)
    expect(getRpsCpu(0x60000000)).toBe(0)
    expect(getRpsCpu(-1)).toBe(3)
  })

  test('no hash, no map, or a CPU that is gone: no answer', () => {
    const { getRpsCpu, map, offline } = setUp()
    expect(getRpsCpu(0)).toBe(rps.NO_CPU)
    offline.add(3)
    expect(getRpsCpu(-1)).toBe(rps.NO_CPU)
    rps.setRpsCpus(map, [])
    expect(getRpsCpu(5)).toBe(rps.NO_CPU)
  })

  test('the map reads back and refuses what is no CPU', () => {
    const map = new Int32Array(rps.RPS_MAP_WORDS)
    expect(rps.setRpsCpus(map, [3, 1])).toBe(true)
    expect(rps.rpsCpus(map)).toEqual([3, 1])
    expect(rps.setRpsCpus(map, [64])).toBe(false)
    expect(rps.setRpsCpus(map, [-1])).toBe(false)
    expect(rps.rpsCpus(map)).toEqual([3, 1])
    rps.setRpsCpus(map, [2])
    expect(rps.rpsCpus(map)).toEqual([2])
  })

  test('every CPU of the map gets its share', () => {
    const { getRpsCpu } = setUp()
    const hits = [0, 0, 0, 0]
    for (let i = 1; i <= 4000; i++) hits[getRpsCpu(Math.imul(i, 0x9e3779b1))]!++
    for (const hit of hits) expect(hit).toBeGreaterThan(900)
  })
})

describe('RFS', () => {
  const HASH = 0x12345678

  test('a flow goes where its application runs', () => {
    const { getRpsCpu, sockFlows } = setUp()
    expect(getRpsCpu(HASH)).toBe(0)
    rps.recordSockFlow(sockFlows, HASH, 2)
    expect(getRpsCpu(HASH)).toBe(2)
  })

  test('where a flow would go is asked without noting anything', () => {
    const { wouldBe, getRpsCpu, saveTail, devFlows, sockFlows, offline, heads } = setUp()
    expect(wouldBe(0)).toBe(rps.NO_CPU)
    expect(wouldBe(HASH)).toBe(0)
    rps.recordSockFlow(sockFlows, HASH, 2)
    const before = devFlows.slice()
    expect(wouldBe(HASH)).toBe(2)
    expect(devFlows).toEqual(before)
    // nor does it get between a packet that was steered and its tail
    heads[2] = 7
    getRpsCpu(HASH)
    wouldBe(HASH ^ 1)
    saveTail(9)
    expect(devFlows).toContain(9)
    offline.add(2)
    expect(wouldBe(HASH)).toBe(0)
  })

  test('a flow that shares the slot but not the hash does not', () => {
    const { getRpsCpu, sockFlows } = setUp()
    rps.recordSockFlow(sockFlows, HASH, 2)
    expect(getRpsCpu(HASH ^ 0x00010000)).toBe(0)
  })

  test('an empty slot says nothing, even to a hash of all ones', () => {
    const { getRpsCpu } = setUp()
    expect(getRpsCpu(-1)).toBe(3)
  })

  test('a flow moves only when its last packet has left the old queue', () => {
    const { getRpsCpu, saveTail, sockFlows, heads } = setUp()
    rps.recordSockFlow(sockFlows, HASH, 1)
    heads[1] = 100
    expect(getRpsCpu(HASH)).toBe(1)
    saveTail(110)
    rps.recordSockFlow(sockFlows, HASH, 3)
    heads[1] = 109
    expect(getRpsCpu(HASH)).toBe(1)
    saveTail(111)
    heads[1] = 110
    expect(getRpsCpu(HASH)).toBe(1)
    heads[1] = 111
    expect(getRpsCpu(HASH)).toBe(3)
  })

  test('the comparison survives the wrap of the counters', () => {
    const { getRpsCpu, saveTail, sockFlows, heads } = setUp()
    rps.recordSockFlow(sockFlows, HASH, 1)
    heads[1] = 0x7fffffff
    getRpsCpu(HASH)
    saveTail(-0x80000000)
    rps.recordSockFlow(sockFlows, HASH, 2)
    expect(getRpsCpu(HASH)).toBe(1)
    heads[1] = -0x80000000
    expect(getRpsCpu(HASH)).toBe(2)
  })

  test('a flow leaves a CPU that is gone at once', () => {
    const { getRpsCpu, saveTail, sockFlows, offline } = setUp()
    rps.recordSockFlow(sockFlows, HASH, 1)
    getRpsCpu(HASH)
    saveTail(50)
    rps.recordSockFlow(sockFlows, HASH, 2)
    offline.add(1)
    expect(getRpsCpu(HASH)).toBe(2)
  })

  test('an application on a CPU that is gone leaves the choice to RPS', () => {
    const { getRpsCpu, sockFlows, offline } = setUp()
    rps.recordSockFlow(sockFlows, HASH, 2)
    offline.add(2)
    expect(getRpsCpu(HASH)).toBe(0)
  })

  test('a tail is saved only for a packet that RFS steered', () => {
    const { getRpsCpu, saveTail, devFlows } = setUp()
    const before = devFlows.slice()
    getRpsCpu(HASH)
    saveTail(9)
    expect(devFlows).toEqual(before)
  })

  test('without its tables, RPS alone', () => {
    const map = new Int32Array(rps.RPS_MAP_WORDS)
    rps.setRpsCpus(map, [1])
    const none = new Int32Array(0)
    const deps = { map, sockFlows: none, devFlows: none, queueHead: () => 0, isOnline: () => true }
    expect(rps.createRps(deps).getRpsCpu(HASH)).toBe(1)
  })
})
