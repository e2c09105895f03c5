// Nexthop objects and the routes by them: what a route leads to is what its object says, at every moment and without a row
// too many, and a change that there is no room for changes nothing.

import { describe, expect, test } from 'bun:test'
import { AF_INET } from '../../../../core/base/family.ts'
import { RTN_UNICAST } from '../../../../core/base/flowi.ts'
import { isRefused } from '../../../../core/control/rtnl/answers.ts'
import type { NexthopObject } from '../../../../core/control/routes/nexthop-store.ts'
import { createNexthopStore } from '../../../../core/control/routes/nexthop-store.ts'
import { createNexthopBuckets } from '../../../../core/control/routes/nexthop-buckets.ts'
import { createNexthopObjects } from '../../../../core/control/routes/nexthops.ts'
import { NLM_F_CREATE, NLM_F_REPLACE } from '../../../../core/control/nlm-flags.ts'
import type { RibRoute } from '../../../../core/control/rib/rib-route.ts'
import { createRib } from '../../../../core/control/rib/rib.ts'
import { createFibWriter } from '../../../../core/inet/fib/writer/fib-writer.ts'
import { createNexthops } from '../../../../core/inet/fib/writer/nexthop.ts'
import { RT_SCOPE_UNIVERSE } from '../../../../core/inet/fib/nexthop-constants.ts'
import {
  DEV_FLAGS,
  DEV_IFINDEX,
  deviceRow,
  IFF_UP,
  INIT_NET,
} from '../../../../core/netdev/netdev.ts'
import { createArena } from '../../../../core/shm/arena.ts'
import { SMALL_ARENA } from '../../../../core/shm/layout.ts'
import { seeded } from '../../../support/random.ts'

const DEVICES = [2, 3, 4, 5]

const network = (rows: number = SMALL_ARENA.nexthops) => {
  const arena = createArena({ ...SMALL_ARENA, nexthops: rows })
  for (const dev of DEVICES) {
    arena.i32[deviceRow(arena, dev) + DEV_IFINDEX] = dev
    arena.i32[deviceRow(arena, dev) + DEV_FLAGS] = IFF_UP
  }
  const deps = { arena, retire: (done: () => void) => done(), reclaim: () => {} }
  const nexthops = createNexthops(deps)
  const fib = createFibWriter(deps)
  fib.addNet(INIT_NET)
  const objects = createNexthopStore()
  const rib = createRib({
    arena,
    net: INIT_NET,
    fib,
    nexthops,
    objects,
    random: () => 1,
    onEvent: () => {},
  })
  const told: string[] = []
  const buckets = createNexthopBuckets({ ...deps, nowMs: () => 0, onMove: () => {} })
  const control = createNexthopObjects({
    arena,
    objects,
    buckets,
    rib,
    check: (route) => route,
    isDevice: (dev) => DEVICES.includes(dev),
    hasCarrier: () => true,
    onEvent: (event, { id }) => told.push(`${event} ${id}`),
    isWatched: () => false,
  })
  const one = (id: number, dev: number, more: Partial<NexthopObject> = {}): NexthopObject => ({
    id,
    family: AF_INET,
    protocol: 0,
    dev,
    gateway: { family: AF_INET, words: [0, 0, 0xffff, 0x0a000000 + id] },
    flags: 0,
    isBlackhole: false,
    members: null,
    resilient: null,
    ...more,
  })
  const group = (id: number, ...members: [id: number, weight: number][]): NexthopObject => ({
    ...one(id, 0, { family: 0, gateway: null }),
    members: members.map(([member, weight]) => ({ id: member, weight })),
  })
  const put = (nexthop: NexthopObject): number =>
    control.newNexthop({ type: 'RTM_NEWNEXTHOP', flags: NLM_F_CREATE | NLM_F_REPLACE, nexthop })
      .error
  const del = (id: number): number => control.delNexthop({ type: 'RTM_DELNEXTHOP', id }).error
  const route = (k: number, nhid: number): RibRoute => ({
    family: AF_INET,
    table: 254,
    words: [0, 0, 0xffff, 0x0b000000 + (k << 8)],
    plen: 120,
    tos: 0,
    metric: 0,
    type: RTN_UNICAST,
    protocol: 3,
    scope: RT_SCOPE_UNIVERSE,
    dev: 0,
    gateway: null,
    prefsrc: null,
    flags: 0,
    metrics: null,
    nhid,
  })
  const routes = () => [...rib.dump(AF_INET, 254)].flat()
  /** What a route leads to, in words that can be compared. */
  const waysOf = ({ dev, gateway, hops }: RibRoute) =>
    (hops ?? [{ dev, gateway }]).map((hop) => [hop.dev, hop.gateway?.words[3]])
  const wanted = ({ nhid }: RibRoute) =>
    objects.hopsOf(nhid!).map(({ dev, gateway }) => [dev, gateway?.words[3]])
  const left = nexthops.available
  return {
    ...control,
    objects,
    rib,
    one,
    group,
    put,
    del,
    route,
    routes,
    waysOf,
    wanted,
    left,
    told,
  }
}

test.each([1, 2, 3])(
  'routes lead where their objects say, through random changes (seed %d)',
  (seed) => {
    const net = network()
    const { objects, rib, one, group, put, del, route, routes, waysOf, wanted, left } = net
    const before = left()
    const random = seeded(seed)
    const pick = (below: number): number => (random() >>> 8) % below
    const routed = new Map<number, number>()
    const dropRoutes = (): void => {
      for (const [k, nhid] of routed) if (objects.get(nhid) === undefined) routed.delete(k)
    }
    const groupOf = (id: number): NexthopObject => {
      const ids = [1, 2, 3, 4, 5].filter(
        (member) => objects.get(member) !== undefined && pick(2) === 0
      )
      return group(id, ...ids.map((member): [number, number] => [member, 1 + pick(9)]))
    }
    for (let step = 0; step < 600; step++) {
      const id = 1 + pick(5)
      const groupId = 11 + pick(3)
      switch (pick(6)) {
        case 0:
        case 1:
          expect(put(one(id, DEVICES[pick(4)]!))).toBe(0)
          break
        case 2: {
          const made = groupOf(groupId)
          if (made.members!.length > 0) expect(put(made)).toBe(0)
          break
        }
        case 3:
          del(pick(3) === 0 ? groupId : id)
          break
        default: {
          const nhid = pick(2) === 0 ? id : groupId
          if (objects.get(nhid) === undefined) break
          const k = pick(40)
          expect(rib.add(route(k, nhid), NLM_F_CREATE | NLM_F_REPLACE)).toBe(0)
          routed.set(k, nhid)
        }
      }
      dropRoutes()
      const found = routes()
      expect(found.map(({ words }) => (words[3] >>> 8) & 0xff).sort()).toEqual(
        [...routed.keys()].sort()
      )
      for (const r of found) expect(waysOf(r)).toEqual(wanted(r))
    }
    for (const { id } of objects.list()) del(id)
    expect([objects.list(), routes()]).toEqual([[], []])
    expect(left()).toEqual(before)
  }
)

describe('a group', () => {
  test('goes on without a member that is deleted, and goes with the last', () => {
    const { one, group, put, del, route, rib, routes, waysOf, objects, told } = network()
    for (const id of [1, 2]) put(one(id, id + 1))
    put(group(9, [1, 1], [2, 3]))
    rib.add(route(1, 9), NLM_F_CREATE)
    told.length = 0
    expect(del(1)).toBe(0)
    expect(objects.get(9)!.members).toEqual([{ id: 2, weight: 3 }])
    expect(routes().map(waysOf)).toEqual([[[3, 0x0a000002]]])
    expect(del(2)).toBe(0)
    expect([objects.list(), routes()]).toEqual([[], []])
    expect(told).toEqual(['del 1', 'new 9', 'del 2', 'del 9'])
  })
})

test('what there is no room for is refused, and changes nothing', () => {
  // a row for each device, three for a route by a group of two, and two more
  const net = network(SMALL_ARENA.devices + 5)
  const { one, group, put, del, route, rib, routes, objects, left } = net
  for (const id of [1, 2, 3]) expect(put(one(id, id + 1))).toBe(0)
  expect(put(group(9, [1, 1], [2, 1]))).toBe(0)
  expect(rib.add(route(1, 9), NLM_F_CREATE)).toBe(0)
  const before = [objects.list(), routes(), left()]
  expect(put(group(9, [1, 5], [2, 2], [3, 1]))).toBe(105)
  expect([objects.list(), routes(), left()]).toEqual(before)
  expect(del(2)).toBe(0)
  expect(routes()).toHaveLength(1)
})

test('an object without an id gets the next that is free', () => {
  const { one, put, newNexthop } = network()
  put(one(1, 2))
  put(one(3, 2))
  const made = [0, 0].map(() => {
    const answer = newNexthop({ type: 'RTM_NEWNEXTHOP', flags: NLM_F_CREATE, nexthop: one(0, 2) })
    return isRefused(answer) ? answer : answer.item.id
  })
  expect(made).toEqual([2, 4])
})
