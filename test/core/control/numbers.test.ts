import { expect, test } from 'bun:test'
import { Errno } from '../../../core/base/errno.ts'
import { AF_INET } from '../../../core/base/family.ts'
import type { Outcome } from '../../../core/control/rtnl/answers.ts'
import { isRefused } from '../../../core/control/rtnl/answers.ts'
import { createControl } from '../../../core/control/control.ts'
import type { Message, Notification } from '../../../core/control/rtnetlink.ts'
import { NLM_F_CREATE, NLM_F_EXCL } from '../../../core/control/nlm-flags.ts'
import { FOREVER, IFA_F_PERMANENT } from '../../../core/inet/addr/ifaddr-constants.ts'
import { IFF_UP } from '../../../core/netdev/netdev.ts'
import { RTAX_MAX, RTAX_MTU } from '../../../core/shm/dst-metrics.ts'
import { createArena } from '../../../core/shm/arena.ts'
import { SMALL_ARENA } from '../../../core/shm/layout.ts'

const ADD = NLM_F_CREATE | NLM_F_EXCL
const V4 = 0xffff
const NONE = 29

const plane = () =>
  createControl({
    arena: createArena(SMALL_ARENA),
    nowUs: () => 1e6,
    wake: () => {},
    random: () => 1,
    pause: async () => {},
  })
const ask = (on: ReturnType<typeof plane>, message: Message) =>
  on.transaction<unknown>(async (run) => (await run(message)) as Outcome<unknown>)

const route = {
  family: AF_INET,
  table: 254,
  words: [0, 0, V4, 0x0a050000] as const,
  plen: 16,
  tos: 0,
  metric: 7,
  type: 1,
  protocol: 4,
  scope: 253,
  dev: 2,
  gateway: null,
  prefsrc: null,
  flags: 0,
  // all of RTAX_*: an MTU
  metrics: Array.from({ length: RTAX_MAX + 1 }, (_, k) => (k === RTAX_MTU ? 1400 : 0)),
}
const address = {
  ifindex: 2,
  family: AF_INET,
  words: [0, 0, V4, 0x0a000001] as const,
  prefixlen: 24,
  scope: 0,
  flags: 0,
  broadcast: 0,
  validLft: FOREVER,
  preferredLft: FOREVER,
}

test('a link, an address and a route are made, told of, listed and undone in numbers', async () => {
  const made = plane()
  const heard: Notification[] = []
  made.subscribe(['link', 'address', 'route'], (note) => heard.push(note))
  const link = { ifname: 'v0', kind: 'veth', data: { peer: 'v1' }, flags: IFF_UP, change: IFF_UP }
  const reply = await ask(made, { type: 'RTM_NEWLINK', flags: ADD, link })
  expect(reply).toMatchObject({ error: 0, item: { ifindex: 2, name: 'v0', peer: 3 } })
  expect([made.ifindexOf('v0'), made.nameOf(3)]).toEqual([2, 'v1'])
  await ask(made, {
    type: 'RTM_NEWLINK',
    flags: 0,
    link: { ifname: 'v1', flags: IFF_UP, change: IFF_UP },
  })
  expect(await ask(made, { type: 'RTM_NEWADDR', flags: ADD, address })).toMatchObject({
    item: { ...address, flags: IFA_F_PERMANENT },
  })
  expect(await ask(made, { type: 'RTM_NEWROUTE', flags: ADD, route })).toMatchObject({
    item: route,
  })
  const routes = made.dump({ type: 'RTM_GETROUTE', filter: { family: AF_INET, table: 254 } })
  if (isRefused(routes)) throw new Error()
  expect([...routes].flat()).toContainEqual(route)
  expect(heard.at(-1)).toMatchObject({ kind: 'route', event: 'new', item: route })
  expect(await ask(made, { type: 'RTM_DELROUTE', route })).toMatchObject({ item: route })
  expect(await ask(made, { type: 'RTM_DELLINK', ifindex: 2 })).toMatchObject({ error: 0 })
  expect(made.ifindexOf('v0')).toBe(0)
})

test.each([
  { type: 'RTM_NEWROUTE', flags: ADD, route: { ...route, dev: NONE } },
  { type: 'RTM_NEWADDR', flags: ADD, address: { ...address, ifindex: NONE } },
  { type: 'RTM_DELADDR', address: { ...address, ifindex: NONE } },
  {
    type: 'RTM_NEWNEIGH',
    flags: ADD,
    neigh: { ifindex: NONE, words: address.words, lladdr: { hi: 2, lo: 1 }, state: 128, flags: 0 },
  },
  { type: 'RTM_DELNEIGH', neigh: { ifindex: NONE, words: address.words } },
  { type: 'RTM_DELLINK', ifindex: NONE },
  { type: 'RTM_GETLINK', ifindex: NONE },
  { type: 'ETHTOOL_MSG_RSS_GET', ifindex: NONE },
  { type: 'RPS_SET', ifindex: NONE, cpus: 1 },
] as Message[])('a device that is not there is ENODEV: %j', async (message) => {
  expect((await ask(plane(), message)).error).toBe(Errno.ENODEV)
})

test('several messages are one change, in one revision, and what throws leaves the lock free', async () => {
  const made = plane()
  const before = made.revision()
  const blackhole = { ...route, type: 6, dev: 0, scope: 0 }
  const reply = await made.transaction(async (run) => {
    await run({ type: 'RTM_NEWROUTE', flags: ADD, route: blackhole })
    return run({ type: 'RTM_NEWROUTE', flags: ADD, route: { ...blackhole, metric: 8 } })
  })
  expect(reply).toMatchObject({ error: 0, revision: before + 1 })
  const thrown = made.transaction(async () => {
    throw new Error('broken')
  })
  expect(thrown).rejects.toThrow('broken')
  expect((await ask(made, { type: 'RTM_DELROUTE', route: blackhole })).error).toBe(0)
})
