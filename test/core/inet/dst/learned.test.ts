// What two workers have learned of a destination, as `ip route get` reads it of both.

import { expect, test } from 'bun:test'
import { AF_INET, AF_INET6, copyAddr, familyOf } from '../../../../core/base/family.ts'
import {
  createFlowi,
  FL_DADDR,
  FL_DST,
  FL_FAMILY,
  FL_L3MDEV,
  FL_MTU,
  FL_MTU_LOCKED,
  FL_OIF,
  FL_TYPE,
  type Flowi,
  RTN_UNICAST,
} from '../../../../core/base/flowi.ts'
import { createTime, setTime } from '../../../../core/base/time.ts'
import { createLearned } from '../../../../core/inet/dst/learned.ts'
import { createPmtu } from '../../../../core/inet/dst/pmtu.ts'
import { createRedirects } from '../../../../core/inet/dst/redirects.ts'
import { NH_GATEWAY, NH_GENERATION } from '../../../../core/inet/fib/nexthop-constants.ts'
import { createArena } from '../../../../core/shm/arena.ts'
import { SMALL_ARENA } from '../../../../core/shm/layout.ts'
import { setSysctlDefaults } from '../../../../core/shm/sysctl.ts'

const FOUR = Int32Array.of(0, 0, 0xffff, 0x0a000209)
const SIX = Int32Array.of(0xfd000000 | 0, 0, 0, 9)
const GATEWAY = Int32Array.of(0, 0, 0xffff, 0x0a000103)
const OTHER = Int32Array.of(0, 0, 0xffff, 0x0a000104)
const VRF = 5
const MINUTE_US = 60_000_000

const setUp = () => {
  const arena = createArena({ ...SMALL_ARENA, workers: 2 })
  setSysctlDefaults(arena)
  const time = createTime()
  let nowUs = 1_000_000_000
  setTime(time, nowUs)
  const row = arena.layout.nexthops
  const lookup = (fl: Flowi): number => {
    fl[FL_L3MDEV] = fl[FL_OIF]!
    fl[FL_DST] = row
    fl[FL_MTU] = 1500
    fl[FL_TYPE] = RTN_UNICAST
    return 0
  }
  const workers = [0, 1].map((thread) => {
    const deps = { arena, thread, time, random: () => 7 + thread }
    const pmtu = createPmtu({ ...deps, routeOutput: lookup, tellOthers: () => {} })
    return { ...pmtu, ...createRedirects({ ...deps, routeOutput: lookup }) }
  })
  const { learnedPmtu, learnedRedirect } = createLearned(arena, time)
  /** A flow as the route lookup leaves it. */
  const flowTo = (addr: Int32Array, l3mdev = 0): Flowi => {
    const fl = createFlowi()
    fl[FL_FAMILY] = familyOf(addr, 0)
    fl[FL_OIF] = l3mdev
    copyAddr(fl, FL_DADDR, addr, 0)
    lookup(fl)
    return fl
  }
  return {
    workers,
    flowTo,
    pmtuOf: (addr: Int32Array, l3mdev = 0) => learnedPmtu(flowTo(addr, l3mdev)),
    lockedPmtuOf: (addr: Int32Array) => {
      const fl = flowTo(addr)
      fl[FL_MTU_LOCKED] = 1
      return learnedPmtu(fl)
    },
    /** Last word of the gateway, and how long it holds. */
    gatewayOf: (addr: Int32Array) => {
      const found = learnedRedirect(flowTo(addr))
      return found && [arena.i32[found.row + NH_GATEWAY + 3]!, found.leftMs]
    },
    replaceRoute: () => arena.i32[row + NH_GENERATION]!++,
    pass: (us: number) => setTime(time, (nowUs += us)),
  }
}

test('of what workers have learned the lowest path MTU counts, for its destination and domain, while it holds', () => {
  const { workers, pmtuOf, lockedPmtuOf, pass } = setUp()
  expect(pmtuOf(FOUR)).toBeNull()
  workers[0]!.updatePmtu(0, FOUR, 0, 1400)
  workers[1]!.updatePmtu(0, FOUR, 0, 1300)
  workers[1]!.updatePmtu(VRF, SIX, 0, 1280)
  pass(MINUTE_US)
  expect(pmtuOf(FOUR)).toEqual({ mtu: 1300, isLocked: false, leftMs: 540_000 })
  expect(pmtuOf(OTHER)).toBeNull()
  expect(pmtuOf(SIX)).toBeNull()
  expect(pmtuOf(SIX, VRF)).toEqual({ mtu: 1280, isLocked: false, leftMs: 540_000 })
  // a route that has locked its own goes by that
  expect(lockedPmtuOf(FOUR)).toBeNull()
  pass(9 * MINUTE_US)
  expect(pmtuOf(FOUR)).toBeNull()
})
test('below the least that is believed it is that, and locked', () => {
  const { workers, pmtuOf } = setUp()
  workers[0]!.updatePmtu(0, FOUR, 0, 100)
  expect(pmtuOf(FOUR)).toEqual({ mtu: 552, isLocked: true, leftMs: 600_000 })
})
test('the gateway that was told of last counts, while it and its route are there', () => {
  const { workers, flowTo, gatewayOf, replaceRoute, pass } = setUp()
  expect(gatewayOf(FOUR)).toBeNull()
  workers[1]!.learnRedirect(flowTo(FOUR), AF_INET, OTHER, 0)
  pass(1000)
  workers[0]!.learnRedirect(flowTo(FOUR), AF_INET, GATEWAY, 0)
  expect(gatewayOf(FOUR)).toEqual([GATEWAY[3]!, 300_000])
  expect(gatewayOf(OTHER)).toBeNull()
  replaceRoute()
  expect(gatewayOf(FOUR)).toBeNull()
})
test('what is flushed is forgotten, of its family', () => {
  const { workers, flowTo, gatewayOf, pmtuOf } = setUp()
  const [worker] = workers
  worker!.updatePmtu(0, FOUR, 0, 1400)
  worker!.updatePmtu(0, SIX, 0, 1400)
  worker!.learnRedirect(flowTo(FOUR), AF_INET, GATEWAY, 0)
  worker!.learnRedirect(flowTo(SIX), AF_INET6, GATEWAY, 0)
  const serials = [worker!.pmtuSerial(), worker!.redirectSerial()]
  worker!.flushPmtu(AF_INET)
  worker!.flushRedirects(AF_INET)
  expect([pmtuOf(FOUR), gatewayOf(FOUR)]).toEqual([null, null])
  expect([pmtuOf(SIX)?.mtu, gatewayOf(SIX)?.[0]]).toEqual([1400, GATEWAY[3]!])
  // who keeps a route asks anew
  expect([worker!.pmtuSerial(), worker!.redirectSerial()]).toEqual(serials.map((n) => n + 1))
  const fl = flowTo(FOUR)
  worker!.routeOutput(fl)
  expect([fl[FL_MTU], fl[FL_DST]]).toEqual([1500, flowTo(FOUR)[FL_DST]!])
})
