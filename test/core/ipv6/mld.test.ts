// MLD on a whole host: what it says of its groups, how it answers, and that it believes nobody from elsewhere. The machines
// behind it are IGMP's (test/core/inet/mc/mc-host.test.ts, mc-querier.test.ts).

import { describe, expect, test } from 'bun:test'
import { AF_INET6 } from '../../../core/base/family.ts'
import { DEV_MC_ROLE6 } from '../../../core/netdev/netdev.ts'
import { deviceRow } from '../../../core/netdev/netdev.ts'
import { MC_ROLE_DOWNSTREAM } from '../../../core/inet/mc/mfc-constants.ts'
import { SOCK_DGRAM } from '../../../core/socket/sock.ts'
import { Mib, sumCounter } from '../../../core/shm/counters.ts'
import { Conf6, confRow } from '../../../core/shm/devconf.ts'
import * as mld from '../../../core/wire/mld.ts'
import { joinOn, type JoinOptions } from '../../support/groups.ts'
import { describeMld, mldFrame, mldQuery, mldReport, mldShort } from '../../support/mld.ts'
import { createSim } from '../../../sim/net/net-sim.ts'

const GROUP = 'ff05::1:3'
const QUERIER = 'fe80::1'
const OWN = 'fe80::ff:fee0:be0d'
const SOLICITED = 'ff02::1:ffe0:be0d'

const host = async (workers = 1, dad = 0) => {
  const sim = createSim()
  const h = await sim.host('h', {
    workers,
    setup: {
      link: [
        { ifname: 'lo', up: true },
        { ifname: 'd0', kind: 'pipe', address: '02:00:00:e0:be:0d', up: true },
      ],
      sysctl: { 'net.ipv6.conf.all.forwarding': 0, 'net.ipv6.conf.default.accept_dad': dad },
    },
  })
  const station = sim.station()
  sim.wire(station, [h, 'd0'])
  const dev = h.ifindex('d0')
  const { sockets } = h.stack
  const open = (): number => sockets.socket(AF_INET6, SOCK_DGRAM, 0)
  const ask = (sk: number, name: JoinOptions['name'], source?: string): number =>
    joinOn(h.stack, sk, GROUP, { dev, ...(name && { name }), ...(source && { source }) })
  /** What was said since; time goes on for `ms` first. */
  const said = (ms: number): string[] => {
    sim.run(ms)
    return station.received.splice(0).flatMap((frame) => {
      const message = describeMld(frame)
      if (message !== null && dad === 0) expect(message.from).toBe(OWN)
      return message === null ? [] : [message.words]
    })
  }
  const hear = (message: Uint8Array, to = 'ff02::1', from = QUERIER, how = {}): void =>
    station.send(mldFrame(from, to, message, how))
  return { sim, h, dev, sockets, open, ask, said, hear, station }
}

test('a host says which groups it is in: those of its addresses, and what is joined', async () => {
  const { ask, open, said, sockets } = await host()
  expect(said(5)).toEqual([`TO_EX ${SOLICITED}`])
  said(5000)
  const sk = open()
  expect(ask(sk, 'MCAST_JOIN_SOURCE_GROUP', 'fd00::1')).toBe(0)
  expect(ask(sk, 'MCAST_JOIN_SOURCE_GROUP', 'fd00::2')).toBe(0)
  expect(said(5)).toEqual([`ALLOW ${GROUP} fd00::1 fd00::2`])
  said(5000)
  sockets.close(sk)
  expect(said(5)).toEqual([`BLOCK ${GROUP} fd00::1 fd00::2`])
})

test('messages are counted by their type, those that come and those that go', async () => {
  const { h, hear, said } = await host()
  const counts = (): number[] =>
    [Mib.Icmp6OutMLDv2Reports, Mib.Icmp6InMLDv2Reports, Mib.Icmp6InGroupMembQueries].map((mib) =>
      sumCounter(h.arena, mib)
    )
  const [reports] = counts()
  const told = said(5).length
  expect(counts()).toEqual([reports! + told, 0, 0])
  hear(mldQuery())
  hear(mldReport())
  said(20_000)
  expect(counts().slice(1)).toEqual([1, 1])
})

test('while its address is being tried nobody says so; then it is said again by the address', async () => {
  const { sim, station } = await host(1, 1)
  sim.run(10_000)
  const told = station.received.flatMap((frame) => describeMld(frame) ?? [])
  const [nobody, own] = ['::', OWN].map((from) => told.filter((one) => one.from === from))
  expect(nobody!.map(({ words }) => words)).toEqual(Array(2).fill(`TO_EX ${SOLICITED}`))
  expect(own!.map(({ words }) => words)).toEqual(Array(2).fill(`TO_EX ${SOLICITED}`))
  expect(told.slice(0, 2)).toEqual(nobody!)
})

describe('queries', () => {
  const joined = async (workers = 1) => {
    const made = await host(workers)
    const sk = made.open()
    made.ask(sk, 'IPV6_JOIN_GROUP')
    made.said(10_000)
    return { ...made, sk }
  }
  test('are answered, of everything, of a group, of sources', async () => {
    const { hear, said } = await joined()
    hear(mldQuery())
    expect(said(1100)).toEqual([`IS_EX ${SOLICITED}, IS_EX ${GROUP}`])
    hear(mldQuery({ group: GROUP }), GROUP)
    expect(said(1100)).toEqual([`IS_EX ${GROUP}`])
    hear(mldQuery({ group: GROUP, sources: ['fd00::9'] }), GROUP)
    expect(said(1100)).toEqual([`IS_IN ${GROUP} fd00::9`])
  })
  test('of version 1 are answered in its words, and leaving is said so', async () => {
    const { hear, said, sockets, sk } = await joined()
    hear(mldShort(mld.MLD_QUERY, 500))
    expect(said(600).sort()).toEqual([`v1 ${SOLICITED}`, `v1 ${GROUP}`].sort())
    sockets.close(sk)
    expect(said(100)).toEqual([`done ${GROUP}`])
  })
  test('reach CPU 0 from any worker', async () => {
    const { hear, said } = await joined(4)
    for (let k = 1; k <= 8; k++) {
      hear(mldQuery({ group: GROUP }), GROUP, `fe80::${k}`)
      expect(said(1100)).toEqual([`IS_EX ${GROUP}`])
    }
  })
  test.each([
    ['more hops than one', mldQuery(), QUERIER, { hops: 2 }],
    ['no router alert', mldQuery(), QUERIER, { hasAlert: false }],
    ['an address that is not of the link', mldQuery(), 'fd00::1', {}],
    ['a length of neither version', mldQuery().subarray(0, 26), QUERIER, {}],
    ['sources that are not there', mldQuery({ sources: ['fd00::1'] }).subarray(0, 30), QUERIER, {}],
    ['no group', mldQuery({ group: 'fd00::1' }), QUERIER, {}],
    ['records that are not there', mldReport(`TO_EX ${GROUP}`).subarray(0, 12), QUERIER, {}],
  ])('with %s are counted and not believed', async (_, message, from, how) => {
    const { h, sim, hear, said } = await joined()
    hear(message, 'ff02::1', from, how)
    expect(said(20_000)).toEqual([])
    expect(h.drops('INVALID_PROTO')).toBe(1)
    expect(sim.leaks()).toEqual({ h: ['worker 0: 1 sockets'] })
  })
  test('with a wrong checksum, or too short to be one, too', async () => {
    const { h, station, hear, said } = await joined()
    const frame = mldFrame(QUERIER, 'ff02::1', mldQuery())
    frame[14 + 40 + 8 + 2]! ^= 1
    station.send(frame)
    hear(mldShort(mld.MLD_QUERY, 1).subarray(0, 20))
    expect(said(20_000)).toEqual([])
    expect([h.drops('ICMP_CSUM'), h.drops('PKT_TOO_SMALL')]).toEqual([1, 1])
  })
})

test('octets behind a query count for its checksum alone; one may come to our own address', async () => {
  const { ask, open, said, hear } = await host()
  said(5000)
  ask(open(), 'IPV6_JOIN_GROUP')
  said(10_000)
  hear(Uint8Array.from([...mldQuery({ group: GROUP }), 7, 7, 7, 7]), OWN)
  expect(said(1100)).toEqual([`IS_EX ${GROUP}`])
})

test('a router asks on its links, and hears who wants what', async () => {
  const { h, dev, said, hear, sim } = await host()
  said(5000)
  h.arena.i32[deviceRow(h.arena, dev) + DEV_MC_ROLE6] = MC_ROLE_DOWNSTREAM
  // and it is a listener of those who hear reports (RFC 3810 section 7)
  expect(said(5)).toEqual(['TO_EX ff02::16', 'query2 ::'])
  said(5000)
  hear(mldReport(`TO_EX ${GROUP}`), 'ff02::16', 'fe80::7')
  sim.run(10)
  hear(mldReport(`TO_IN ${GROUP}`), 'ff02::16', 'fe80::7')
  expect(said(10)).toEqual([`query2 ${GROUP}`])
  // from nobody it is not believed (RFC 3810 section 5.2.13)
  hear(mldReport(`TO_EX ff05::9`), 'ff02::16', '::')
  hear(mldReport(`TO_IN ff05::9`), 'ff02::16', 'fe80::7')
  expect(said(10)).toEqual([])
  // a host of version 1 says it to the group itself
  hear(mldShort(mld.MLD_REPORT, 0, GROUP), GROUP, 'fe80::8')
  sim.run(10_000)
  said(1)
  hear(mldShort(mld.MLD_DONE, 0, GROUP), 'ff02::2', 'fe80::8')
  expect(said(10)).toEqual([`query1 ${GROUP}`])
})

test('a router hears reports with more in them than it reads', async () => {
  const { h, dev, said, hear, sim } = await host()
  said(5000)
  h.arena.i32[deviceRow(h.arena, dev) + DEV_MC_ROLE6] = MC_ROLE_DOWNSTREAM
  said(5000)
  const [toExclude, unknown] = [4, 9]
  const record = (type: number, aux: number, last: number): number[] => [
    ...[type, aux, 0, 0, 0xff, 5, ...Array(13).fill(0), last],
    ...Array(4 * aux).fill(9),
  ]
  const records = [record(toExclude, 2, 1), record(unknown, 0, 2), record(toExclude, 0, 3)].flat()
  hear(Uint8Array.from([143, 0, 0, 0, 0, 0, 0, 3, ...records, 9, 9, 9, 9]), 'ff02::16', 'fe80::7')
  // one of version 1 to the router itself (RFC 3810 section 5.2.14)
  hear(mldShort(mld.MLD_REPORT, 0, 'ff05::4'), OWN, 'fe80::7')
  sim.run(10)
  const heard = [1, 2, 3, 4].filter((last) => {
    hear(mldReport(`TO_IN ff05::${last}`), 'ff02::16', 'fe80::7')
    return said(10).some((words) => words.startsWith('query'))
  })
  expect(heard).toEqual([1, 3, 4])
})
test('told to speak version 1, or beside a router that does, it asks in its words (RFC 3810 section 8.3.1)', async () => {
  const querier = async (force: number) => {
    const { h, dev, said, hear } = await host()
    said(5000)
    h.arena.i32[confRow(h.arena, dev) + Conf6.force_mld_version] = force
    h.arena.i32[deviceRow(h.arena, dev) + DEV_MC_ROLE6] = MC_ROLE_DOWNSTREAM
    const asked = (ms: number): string[] => said(ms).filter((words) => words.startsWith('query'))
    return { asked, hear }
  }
  const told = await querier(1)
  expect(told.asked(5)).toEqual(['query1 ::'])
  const beside = await querier(0)
  expect(beside.asked(5)).toEqual(['query2 ::'])
  beside.hear(mldShort(mld.MLD_QUERY, 500), 'ff02::1', 'fe80::ffff:1:1:1')
  expect(beside.asked(32_000)).toEqual(['query1 ::'])
})
test('a router without an address of the link asks nothing, in whatever words', async () => {
  const { h, dev, said } = await host(1, 1)
  h.arena.i32[confRow(h.arena, dev) + Conf6.force_mld_version] = 1
  h.arena.i32[deviceRow(h.arena, dev) + DEV_MC_ROLE6] = MC_ROLE_DOWNSTREAM
  expect(said(500).filter((words) => words.startsWith('query'))).toEqual([])
})
