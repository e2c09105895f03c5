// Next hops learned from redirects: each destination keeps its own, whichever others there are, until it ends.

import { expect, test } from 'bun:test'
import { AF_INET } from '../../../../core/base/family.ts'
import { createFlowi, FL_DADDR, FL_DST, FL_TYPE, RTN_UNICAST } from '../../../../core/base/flowi.ts'
import { createTime, setTime } from '../../../../core/base/time.ts'
import { createRedirects } from '../../../../core/inet/dst/redirects.ts'
import { NH_GATEWAY } from '../../../../core/inet/fib/nexthop-constants.ts'
import { createArena } from '../../../../core/shm/arena.ts'
import { SMALL_ARENA } from '../../../../core/shm/layout.ts'

const addr = (host: number): Int32Array => Int32Array.of(0, 0, 0xffff, host)

const setUp = () => {
  const arena = createArena(SMALL_ARENA)
  const time = createTime()
  let nowUs = 1_000_000_000
  setTime(time, nowUs)
  const row = arena.layout.nexthops
  const redirects = createRedirects({
    arena,
    thread: 0,
    time,
    random: () => 7,
    routeOutput: (fl) => {
      fl[FL_DST] = row
      fl[FL_TYPE] = RTN_UNICAST
      return 0
    },
  })
  const route = (host: number) => {
    const fl = createFlowi()
    fl.set(addr(host), FL_DADDR)
    redirects.routeOutput(fl)
    return fl
  }
  /** Last word of the gateway to a host. */
  const gatewayOf = (host: number): number => arena.i32[route(host)[FL_DST]! + NH_GATEWAY + 3]!
  const learn = (host: number, gateway: number): void =>
    redirects.learnRedirect(route(host), AF_INET, addr(gateway), 0)
  const pass = (us: number): void => setTime(time, (nowUs += us))
  return { gatewayOf, learn, pass }
}

test('each of some destinations keeps the gateway that it was told of', () => {
  const { gatewayOf, learn } = setUp()
  const hosts = Array.from({ length: 16 }, (_, k) => 0x0a000100 + k)
  for (const host of hosts) learn(host, host + 0x100)
  expect(hosts.map(gatewayOf)).toEqual(hosts.map((host) => host + 0x100))
  // another one takes its place
  learn(hosts[3]!, 5)
  expect(hosts.map(gatewayOf)).toEqual(hosts.map((host, k) => (k === 3 ? 5 : host + 0x100)))
})
test('where there are too many, what was learned first gives way; all ends after five minutes', () => {
  const { gatewayOf, learn, pass } = setUp()
  for (let k = 0; k < 500; k++) {
    learn(0x0a000100 + k, 7)
    pass(1000)
  }
  const known = (k: number): boolean => gatewayOf(0x0a000100 + k) === 7
  expect(Array.from({ length: 100 }, (_, k) => known(k))).not.toContain(true)
  expect(Array.from({ length: 10 }, (_, k) => known(490 + k))).not.toContain(false)
  pass(300_000_000)
  expect(Array.from({ length: 500 }, (_, k) => known(k))).not.toContain(true)
})
