import { describe, expect, test } from 'bun:test'
import {
  createFlowi,
  FL_DADDR,
  FL_FAMILY,
  FL_L3MDEV,
  FL_MTU,
  FL_MTU_EXPIRES,
  FL_MTU_LOCKED,
} from '../../../../core/base/flowi.ts'
import { copyAddr, familyOf } from '../../../../core/base/family.ts'
import { createTime, setTime } from '../../../../core/base/time.ts'
import { createArena } from '../../../../core/shm/arena.ts'
import { SMALL_ARENA } from '../../../../core/shm/layout.ts'
import { setSysctlDefaults, Sysctl } from '../../../../core/shm/sysctl.ts'
import { createPmtu } from '../../../../core/inet/dst/pmtu.ts'

const FOUR = Int32Array.of(0, 0, 0xffff, 0x0a000209)
const SIX = Int32Array.of(0xfd000000 | 0, 0, 0, 9)
const MINUTES = 60_000_000

const setUp = (routeMtu = 1500) => {
  const time = createTime()
  let nowUs = 1_000_000_000
  setTime(time, nowUs)
  const told: number[] = []
  const route = { mtu: routeMtu, error: 0 }
  const arena = createArena(SMALL_ARENA)
  setSysctlDefaults(arena)
  const set = (index: number, value: number): void => {
    arena.i32[arena.layout.sysctl + index] = value
  }
  const pmtu = createPmtu({
    arena,
    thread: 0,
    time,
    random: () => 7,
    routeOutput: (fl) => {
      fl[FL_MTU] = route.mtu
      return route.error
    },
    tellOthers: (_l3mdev, _words, _at, mtu) => told.push(mtu),
  })
  const lookup = (addr: Int32Array, l3mdev = 0) => {
    const fl = createFlowi()
    fl[FL_L3MDEV] = l3mdev
    fl[FL_FAMILY] = familyOf(addr, 0)
    copyAddr(fl, FL_DADDR, addr, 0)
    expect(pmtu.routeOutput(fl)).toBe(0)
    return { mtu: fl[FL_MTU], locked: fl[FL_MTU_LOCKED] === 1, ends: fl[FL_MTU_EXPIRES] !== 0 }
  }
  const pass = (us: number): void => setTime(time, (nowUs += us))
  return { ...pmtu, lookup, pass, told, route, set }
}

describe('a path MTU', () => {
  test('falls by ICMP and never rises by it; the other workers are told of each fall', () => {
    const { updatePmtu, lookup, told } = setUp()
    for (const mtu of [1600, 1000, 1400, 800, 900]) updatePmtu(0, FOUR, 0, mtu)
    expect(lookup(FOUR)).toEqual({ mtu: 800, locked: false, ends: true })
    expect(told).toEqual([1000, 800])
  })
  test('of each of many addresses is kept, whichever else are learned', () => {
    const { updatePmtu, lookup } = setUp()
    const addrs = Array.from({ length: 100 }, (_, k) => Int32Array.of(0, 0, 0xffff, 0x0a000000 + k))
    for (const [k, addr] of addrs.entries()) updatePmtu(0, addr, 0, 1000 + k)
    expect(addrs.map((addr) => lookup(addr).mtu)).toEqual(addrs.map((_, k) => 1000 + k))
  })
  test('that was learned first gives way where there are too many', () => {
    const { updatePmtu, lookup, pass } = setUp()
    for (let k = 0; k < 20_000; k++) {
      updatePmtu(0, Int32Array.of(0, 0, 0xffff, 0x0a000000 + k), 0, 1000)
      pass(1000)
    }
    const known = (k: number): boolean =>
      lookup(Int32Array.of(0, 0, 0xffff, 0x0a000000 + k)).mtu === 1000
    expect(Array.from({ length: 100 }, (_, k) => known(k))).not.toContain(true)
    expect(Array.from({ length: 100 }, (_, k) => known(19_900 + k))).not.toContain(false)
  })
  test('ends after ten minutes, and is tried again', () => {
    const { updatePmtu, lookup, pass, pmtuSerial } = setUp()
    updatePmtu(0, FOUR, 0, 800)
    pass(10 * MINUTES - 1000)
    expect(lookup(FOUR).mtu).toBe(800)
    pass(1000)
    expect(lookup(FOUR)).toEqual({ mtu: 1500, locked: false, ends: false })
    // a larger one may be learned now
    updatePmtu(0, FOUR, 0, 1200)
    expect(lookup(FOUR).mtu).toBe(1200)
    expect(pmtuSerial()).toBe(2)
  })
  test('that is said again lasts longer, once half of its time is over', () => {
    const { updatePmtu, lookup, pass, told } = setUp()
    updatePmtu(0, FOUR, 0, 800)
    pass(4 * MINUTES)
    updatePmtu(0, FOUR, 0, 800)
    pass(2 * MINUTES)
    expect(told).toEqual([800])
    updatePmtu(0, FOUR, 0, 800)
    pass(9 * MINUTES)
    expect(lookup(FOUR).mtu).toBe(800)
  })
  test.each([0, 68, 551])('of %d is 552, and what is larger may be fragmented', (said) => {
    const { updatePmtu, lookup, pass } = setUp()
    updatePmtu(0, FOUR, 0, said)
    expect(lookup(FOUR)).toEqual({ mtu: 552, locked: true, ends: true })
    // until it ends, whatever else is said
    pass(9 * MINUTES)
    updatePmtu(0, FOUR, 0, 552)
    expect(lookup(FOUR).locked).toBe(true)
    pass(1 * MINUTES)
    expect(lookup(FOUR)).toEqual({ mtu: 1500, locked: false, ends: false })
  })
  test('has its bounds from route.min_pmtu and route.mtu_expires, each family its own', () => {
    const { updatePmtu, lookup, pass, set } = setUp()
    set(Sysctl.route_min_pmtu, 1000)
    set(Sysctl.route_mtu_expires, 60)
    updatePmtu(0, FOUR, 0, 900)
    updatePmtu(0, SIX, 0, 1300)
    expect(lookup(FOUR)).toEqual({ mtu: 1000, locked: true, ends: true })
    pass(60_000_000)
    expect(lookup(FOUR)).toEqual({ mtu: 1500, locked: false, ends: false })
    expect(lookup(SIX).mtu).toBe(1300)
    set(Sysctl.route6_mtu_expires, 1)
    updatePmtu(0, SIX, 0, 1280)
    pass(1_000_000)
    expect(lookup(SIX).mtu).toBe(1500)
  })
  test("is never more than the route's", () => {
    const { updatePmtu, lookup, route } = setUp(500)
    updatePmtu(0, FOUR, 0, 100)
    expect(lookup(FOUR).mtu).toBe(500)
    route.mtu = 400
    expect(lookup(FOUR)).toMatchObject({ mtu: 400, ends: false })
  })
  test('of IPv6 is 1280 at least, and nothing is locked (RFC 8201 section 4)', () => {
    const { updatePmtu, lookup } = setUp()
    updatePmtu(0, SIX, 0, 1400)
    expect(lookup(SIX).mtu).toBe(1400)
    updatePmtu(0, SIX, 0, 600)
    expect(lookup(SIX)).toEqual({ mtu: 1400, locked: false, ends: true })
    updatePmtu(0, SIX, 0, 1280)
    expect(lookup(SIX)).toEqual({ mtu: 1280, locked: false, ends: true })
  })
  test('learned by another worker holds here, and is not told again', () => {
    const { pmtuLearned, lookup, told, pmtuSerial } = setUp()
    pmtuLearned(0, FOUR, 0, 1000)
    pmtuLearned(0, FOUR, 0, 1400)
    expect(lookup(FOUR).mtu).toBe(1000)
    expect(lookup(SIX).mtu).toBe(1500)
    expect([told, pmtuSerial()]).toEqual([[], 1])
  })
  test('learned in one VRF is not known in another, nor outside', () => {
    const { updatePmtu, pmtuLearned, lookup, told } = setUp()
    updatePmtu(5, FOUR, 0, 1000)
    pmtuLearned(6, FOUR, 0, 1200)
    expect([5, 6, 7, 0].map((l3mdev) => lookup(FOUR, l3mdev).mtu)).toEqual([1000, 1200, 1500, 1500])
    expect(told).toEqual([1000])
  })
  test('of what has no route is not learned', () => {
    const { updatePmtu, route, told } = setUp()
    route.error = -101
    updatePmtu(0, FOUR, 0, 1000)
    expect(told).toEqual([])
  })
})
