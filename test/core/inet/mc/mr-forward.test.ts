// Multicast through a router: what was set, and what follows from what the hosts on its links say.

import { describe, expect, test } from 'bun:test'
import { AF_INET } from '../../../../core/base/family.ts'
import {
  MC_ROLE_DOWNSTREAM,
  MC_ROLE_STATIC,
  MC_ROLE_UPSTREAM,
  MFC_BYTES,
  MFC_PACKETS,
  MFC_SET,
  MFC_WRONG_IF,
} from '../../../../core/inet/mc/mfc-constants.ts'
import { Conf4, confRow } from '../../../../core/shm/devconf.ts'
import { createMfcReader, createMfcWriter } from '../../../../core/inet/mc/mfc-table.ts'
import { DEV_MC_ROLE4, DEV_MTU } from '../../../../core/netdev/netdev.ts'
import { Mib } from '../../../../core/shm/counters.ts'
import { Drop } from '../../../../core/skb/drop.ts'
import { SOCK_DGRAM } from '../../../../core/socket/sock.ts'
import * as igmp from '../../../../core/wire/igmp.ts'
import * as ipv4 from '../../../../core/wire/ipv4.ts'
import { addrWords, joinOn } from '../../../support/groups.ts'
import {
  describeIgmp,
  igmpFrame,
  igmpReport,
  igmpSealed,
  igmpShort,
} from '../../../support/igmp.ts'
import { macText, udpFrame, v4Words } from '../../../../sim/net/packets.ts'
import { createRouter, toRouter, type PathOptions } from '../../../../sim/net/path-host.ts'

const GROUP = '239.1.2.3'
const SOURCE = '10.0.2.9'

/** Devices 2 (10.0.2.1), 3 (10.0.3.1, the default route) and 4 (10.0.4.1), each of a role. */
const router = (roles: number[], options: PathOptions = {}) => {
  const path = createRouter(options)
  path.addDevice(4)
  path.addAddress(4, '10.0.4.1/24')
  const { i32, f64 } = path.arena
  const setRole = (dev: number, role: number): void => {
    i32[path.deviceRow(dev) + DEV_MC_ROLE4] = role
    path.settle()
  }
  for (const [k, role] of roles.entries()) setRole(k + 2, role)
  // what it says of its own groups
  path.advance(2000)
  path.sent.length = 0
  const writer = createMfcWriter(path.arena, MFC_SET)
  const set = (source: string, iif: number, oifs: [dev: number, ttl: number][]): void => {
    const route = {
      iif,
      source: addrWords(source),
      group: addrWords(GROUP),
      oifs: oifs.map(([ifindex, ttl]) => ({ ifindex, ttl })),
      isUnresolved: false,
    }
    expect(writer.set(route)).toBe(true)
    path.settle()
  }
  const data = (
    more: { source?: string; group?: string; ttl?: number; flags?: number; size?: number } = {},
    dev = 2
  ): void => {
    const { source = SOURCE, group = GROUP, ttl = 8, flags = 0, size = 20 } = more
    const fields = { saddr: source, daddr: group, ttl, flags }
    path.receive(
      udpFrame(
        { ...toRouter, dst: '01:00:5e:01:02:03' },
        fields,
        { sport: 1, dport: 2 },
        new Uint8Array(size)
      ),
      dev
    )
  }
  /** UDP that went out since, as device and TTL. */
  const out = (): string[] =>
    path.sent
      .splice(0)
      .filter(({ frame }) => ipv4.protocol(frame, 14) === 17)
      .map(({ dev, frame }) => `${dev} ttl ${ipv4.ttl(frame, 14)}`)
      .sort()
  const report = (dev: number, ...records: string[]): void =>
    path.receive(igmpFrame(`10.0.${dev}.7`, '224.0.0.22', igmpReport(...records)), dev)
  /** IGMP that went out of a device. */
  const said = (dev: number): string[] =>
    path.sent.filter((one) => one.dev === dev).flatMap(({ frame }) => describeIgmp(frame) ?? [])
  const stat = (column: number): number =>
    f64[createMfcReader(path.arena).statsOf(0, MFC_SET, 0) + column]!
  return { ...path, i32, setRole, writer, set, data, out, report, said, mfcStat: stat }
}
const STATIC = [MC_ROLE_STATIC, MC_ROLE_STATIC, MC_ROLE_STATIC]

describe('a route that was set', () => {
  test('leads out by each of its devices, one hop less, by the MAC of the group', () => {
    const r = router(STATIC)
    r.set(SOURCE, 2, [
      [3, 1],
      [4, 1],
    ])
    const before = r.counter(Mib.IpExtOutMcastPkts)
    r.data()
    expect(r.sent.map(({ frame }) => macText(frame, 0))).toEqual([
      '01:00:5e:01:02:03',
      '01:00:5e:01:02:03',
    ])
    for (const { frame } of r.sent) expect(ipv4.isChecksumOk(frame, 14)).toBe(true)
    expect(r.out()).toEqual(['3 ttl 7', '4 ttl 7'])
    expect(r.counter(Mib.IpForwDatagrams)).toBe(2)
    expect(r.counter(Mib.IpExtInMcastPkts)).toBe(1)
    expect(r.counter(Mib.IpExtOutMcastPkts)).toBe(before + 2)
    expect([r.mfcStat(MFC_PACKETS), r.mfcStat(MFC_BYTES)]).toEqual([1, 48])
    expect(r.isAllReturned()).toBe(true)
  })
  test('takes nothing that came in elsewhere, nor what has too few hops left', () => {
    const r = router(STATIC)
    r.set(SOURCE, 2, [
      [3, 1],
      [4, 5],
    ])
    r.data({}, 4)
    expect(r.out()).toEqual([])
    expect(r.mfcStat(MFC_WRONG_IF)).toBe(1)
    expect(r.drops(Drop.IP_RPFILTER)).toBe(1)
    r.data({ ttl: 5 })
    expect(r.out()).toEqual(['3 ttl 4'])
    r.data({ ttl: 1 })
    expect(r.out()).toEqual([])
    expect(r.drops(Drop.NOT_SPECIFIED)).toBe(1)
    expect(r.isAllReturned()).toBe(true)
  })
  test('of any source: to all others of its devices, from each of them', () => {
    const r = router(STATIC)
    r.set('0.0.0.0', 2, [
      [2, 1],
      [3, 1],
    ])
    r.data()
    expect(r.out()).toEqual(['3 ttl 7'])
    r.data({ source: '10.0.3.9' }, 3)
    expect(r.out()).toEqual(['2 ttl 7'])
    r.data({ source: '10.0.4.9' }, 4)
    expect(r.out()).toEqual([])
    // the one of the source goes before it
    r.set(SOURCE, 2, [[4, 1]])
    r.data()
    expect(r.out()).toEqual(['4 ttl 7'])
  })
  test('is for what is also heard here, and for what begins here', () => {
    const r = router(STATIC)
    const { sockets } = r.first
    const sk = sockets.socket(AF_INET, SOCK_DGRAM, 0)
    sockets.bind(sk, ...v4Words(0), 2)
    joinOn(r.first, sk, GROUP, { dev: 2 })
    r.set(SOURCE, 2, [[3, 1]])
    r.data()
    expect(r.out()).toEqual(['3 ttl 7'])
    expect(r.counter(Mib.UdpInDatagrams) + r.i32[sk + 34]!).toBe(1)
    r.set('10.0.2.1', 2, [[4, 1]])
    sockets.setsockopt(sk, 0, 33, 9)
    sockets.setsockopt(sk, 0, 32, addrWords('10.0.2.1')[3])
    r.first.udp.sendtoBytes(sk, new Uint8Array(4), 0, 4, ...v4Words(addrWords(GROUP)[3]), 2)
    r.settle()
    expect(r.out()).toEqual(['2 ttl 9', '4 ttl 8'])
    sockets.close(sk)
    expect(r.isAllReturned()).toBe(true)
  })
  test('never for groups of a link, nor too large a packet that must not be cut, of which nothing is said', () => {
    const r = router(STATIC)
    r.set(SOURCE, 2, [[3, 1]])
    r.i32[r.deviceRow(3) + DEV_MTU] = 600
    r.data({ size: 1000, flags: ipv4.IP_DF })
    expect(r.sent).toHaveLength(0)
    expect(r.drops(Drop.PKT_TOO_BIG)).toBe(1)
    expect(r.counter(Mib.IpFragFails)).toBe(1)
    r.data({ size: 1000 })
    expect(r.out()).toEqual(['3 ttl 7', '3 ttl 7'])
    r.data({ group: '224.0.0.9' })
    expect(r.sent).toHaveLength(0)
    expect(r.isAllReturned()).toBe(true)
  })
})

describe('a packet without a route', () => {
  test('waits for one, four of each and ten kinds, and goes on when it comes', () => {
    const r = router(STATIC)
    for (let k = 0; k < 6; k++) r.data()
    expect(r.drops(Drop.NOT_SPECIFIED)).toBe(2)
    for (let k = 0; k < 12; k++) r.data({ source: `10.0.2.${k + 20}` })
    const kinds = createMfcReader(r.arena).list(1).length
    // what is held in pieces takes more of the bound of all (sim/net/restless-buffers.ts)
    if (process.env.SOFTNET_TEST_BUFFERS === undefined) expect(kinds).toBe(10)
    expect(r.drops(Drop.NOT_SPECIFIED)).toBe(2 + 13 - kinds)
    r.set(SOURCE, 2, [[3, 1]])
    expect(r.out()).toEqual(Array(4).fill('3 ttl 7'))
    r.advance(12_000)
    expect(r.drops(Drop.NOT_SPECIFIED)).toBe(2 + 12)
    expect(r.isAllReturned()).toBe(true)
  })
  test('is shown as unresolved meanwhile', () => {
    const r = router(STATIC)
    r.data()
    const found = () => createMfcReader(r.arena).list(1)
    expect(found().map(({ route }) => [route.iif, route.isUnresolved])).toEqual([[2, true]])
    r.advance(30_000)
    expect(found()).toEqual([])
    expect(r.isAllReturned()).toBe(true)
  })
  test('is none of ours on a device where nothing passes', () => {
    const r = router([0, MC_ROLE_STATIC, MC_ROLE_STATIC])
    r.data()
    expect(r.drops(Drop.NOT_SPECIFIED)).toBe(1)
    expect(createMfcReader(r.arena).list(1)).toEqual([])
  })
})

describe('by what hosts say', () => {
  const roles = [MC_ROLE_DOWNSTREAM, MC_ROLE_UPSTREAM, MC_ROLE_DOWNSTREAM]

  test('a router asks, and the links get exactly the groups and sources that they joined', () => {
    const r = router([MC_ROLE_DOWNSTREAM, MC_ROLE_DOWNSTREAM, MC_ROLE_DOWNSTREAM])
    r.data()
    expect(r.out()).toEqual([])
    r.report(4, `TO_EX ${GROUP}`)
    r.data()
    expect(r.out()).toEqual(['4 ttl 7'])
    r.report(3, `ALLOW ${GROUP} 10.0.2.8`)
    r.data()
    expect(r.out()).toEqual(['4 ttl 7'])
    r.data({ source: '10.0.2.8' })
    expect(r.out()).toEqual(['3 ttl 7', '4 ttl 7'])
    // a host of version 2 reports to the group itself
    r.receive(igmpFrame('10.0.3.7', GROUP, igmpShort(igmp.IGMPV2_REPORT, 0, GROUP)), 3)
    r.data()
    expect(r.out()).toEqual(['3 ttl 7', '4 ttl 7'])
    // one of version 1 to the router itself (RFC 3376 section 4.2.14)
    const old = igmpFrame('10.0.4.7', '10.0.4.1', igmpShort(igmp.IGMPV1_REPORT, 0, '239.8.8.8'))
    r.receive(old, 4)
    r.data({ group: '239.8.8.8' })
    expect(r.out()).toEqual(['4 ttl 7'])
    // nobody of link 4 answers when it is asked
    r.report(4, `TO_IN ${GROUP}`)
    r.advance(5)
    expect(r.said(4)).toEqual([`query3 ${GROUP}`])
    r.out()
    r.advance(3000)
    r.out()
    r.data()
    expect(r.out()).toEqual(['3 ttl 7'])
    expect(r.isAllReturned()).toBe(true)
  })
  test('hears reports with more in them than it reads, and from nobody', () => {
    const r = router([MC_ROLE_DOWNSTREAM, MC_ROLE_DOWNSTREAM, MC_ROLE_DOWNSTREAM])
    // a record with two words of auxiliary data, one of another group, and octets behind them
    const more = [9, 9, 9, 9]
    const records = [
      [4, 2, 0, 0, 239, 1, 2, 3, ...more, ...more],
      // of a type that nobody knows (RFC 3376 section 4.2.12)
      [9, 0, 0, 0, 239, 9, 9, 9],
      [4, 0, 0, 0, 239, 7, 7, 7, ...more],
    ]
    const message = igmpSealed([igmp.IGMPV3_REPORT, 0, 0, 0, 0, 0, 0, 3, ...records.flat()])
    r.receive(igmpFrame('0.0.0.0', '224.0.0.22', message), 3)
    r.data()
    expect(r.out()).toEqual(['3 ttl 7'])
    r.data({ group: '239.7.7.7' })
    expect(r.out()).toEqual(['3 ttl 7'])
    r.data({ group: '239.9.9.9' })
    expect(r.out()).toEqual([])
    expect(r.drops(Drop.INVALID_PROTO)).toBe(0)
    expect(r.isAllReturned()).toBe(true)
  })
  test('asks on its links what they want, again and again', () => {
    const r = router([0, 0, 0])
    r.setRole(4, MC_ROLE_DOWNSTREAM)
    r.advance(100)
    const queries = (): string[] => r.said(4).filter((words) => words.startsWith('query'))
    expect(queries()).toEqual(['query3 0.0.0.0'])
    // and it is a member of those who hear reports (RFC 3376 section 6)
    expect(r.said(4).join()).toContain('TO_EX 224.0.0.22')
    r.advance(200_000)
    expect(queries()).toHaveLength(3)
    expect(r.said(2)).toEqual([])
  })
  test('asks in the words that it is told to speak (RFC 3376 section 7.3.1)', () => {
    const r = router([0, 0, 0])
    const asked: string[] = []
    for (const version of [1, 2, 3]) {
      r.arena.i32[confRow(r.arena, 4) + Conf4.force_igmp_version] = version
      r.setRole(4, MC_ROLE_DOWNSTREAM)
      r.advance(100)
      asked.push(...r.said(4).filter((words) => words.startsWith('query')))
      r.setRole(4, 0)
      r.out()
    }
    expect(asked).toEqual(['query1 0.0.0.0', 'query2 0.0.0.0', 'query3 0.0.0.0'])
  })
  test('a proxy joins upstream what its links want together, and leaves it', () => {
    const r = router(roles)
    r.report(2, `ALLOW ${GROUP} 10.9.9.1`)
    r.report(4, `ALLOW ${GROUP} 10.9.9.2`)
    r.advance(5)
    expect(r.said(3)).toEqual([`ALLOW ${GROUP} 10.9.9.1 10.9.9.2`])
    r.out()
    r.report(4, `TO_EX ${GROUP} 10.9.9.3`)
    r.advance(5)
    expect(r.said(3)).toEqual([`TO_EX ${GROUP} 10.9.9.3`])
    r.advance(2000)
    r.out()
    r.setRole(4, 0)
    r.advance(5)
    expect(r.said(3)).toEqual([`TO_IN ${GROUP} 10.9.9.1`])
  })
  test('what comes from upstream goes to who wants it; what begins below goes up and to the others', () => {
    const r = router(roles)
    r.report(4, `TO_EX ${GROUP}`)
    r.advance(2000)
    r.out()
    r.data({ source: '172.16.0.1' }, 3)
    expect(r.out()).toEqual(['4 ttl 7'])
    r.data({ source: '10.0.2.9' }, 2)
    expect(r.out()).toEqual(['3 ttl 7', '4 ttl 7'])
    // not where its source is
    r.data({ source: '10.0.2.9' }, 3)
    expect(r.out()).toEqual([])
    r.advance(400_000)
    expect(createMfcReader(r.arena).list(1)).toEqual([])
    expect(r.isAllReturned()).toBe(true)
  })
  test('more sources than there is room for take the place of the oldest', () => {
    const r = router(roles, { config: { mroutes: 8 } })
    r.report(4, `TO_EX ${GROUP}`)
    for (let k = 1; k <= 20; k++) r.data({ source: `172.16.0.${k}` }, 3)
    expect(r.out()).toHaveLength(20)
    expect(createMfcReader(r.arena).list(1)).toHaveLength(8)
    expect(r.isAllReturned()).toBe(true)
  })
  test('by whichever worker the report or the packet came', () => {
    const r = router(roles, { config: { workers: 2, skbs: 4096, smallBuffers: 4096 } })
    r.receive(igmpFrame('10.0.4.7', '224.0.0.22', igmpReport(`TO_EX ${GROUP}`)), 4, r.workers[1])
    const frame = udpFrame(
      { ...toRouter, dst: '01:00:5e:01:02:03' },
      { saddr: SOURCE, daddr: GROUP, ttl: 3 },
      { sport: 1, dport: 2 }
    )
    r.receive(frame, 2, r.workers[1])
    expect(r.out()).toEqual(['3 ttl 2', '4 ttl 2'])
    expect(r.isAllReturned()).toBe(true)
  })
})
