// The host's side of IGMP, on a whole stack: sockets join, queries come in, and what is sent is read off the wire.

import { describe, expect, test } from 'bun:test'
import { AF_INET } from '../../../../core/base/family.ts'
import { DEV_FLAGS, IFF_UP } from '../../../../core/netdev/netdev.ts'
import { Conf4, confRow } from '../../../../core/shm/devconf.ts'
import { Sysctl } from '../../../../core/shm/sysctl.ts'
import { Drop } from '../../../../core/skb/drop.ts'
import { SOCK_DGRAM } from '../../../../core/socket/sock.ts'
import * as igmp from '../../../../core/wire/igmp.ts'
import { joinOn, type JoinOptions } from '../../../support/groups.ts'
import {
  describeIgmp,
  igmpFrame,
  igmpQuery,
  igmpReport,
  igmpSealed,
  igmpShort,
  type QueryOptions,
} from '../../../support/igmp.ts'
import { createRouter, type PathOptions } from '../../../../sim/net/path-host.ts'

const GROUP = '239.1.2.3'
const OTHER = '239.4.5.6'
const QUERIER = '10.0.2.254'
const DEV = 2

const host = (options: PathOptions = {}) => {
  const path = createRouter(options)
  path.settle()
  const { sockets } = path.first
  const open = (): number => sockets.socket(AF_INET, SOCK_DGRAM, 0)
  const ask = (sk: number, name: JoinOptions['name'], group = GROUP, source?: string): void => {
    const error = joinOn(path.first, sk, group, { dev: DEV, name, ...(source && { source }) })
    if (error !== 0) throw new Error(`${name}: ${error}`)
  }
  /** What was said since, in words; time goes on for `ms` first. */
  const said = (ms: number): string[] => {
    path.advance(ms)
    return path.sent.splice(0).flatMap(({ frame, dev }) => {
      const words = describeIgmp(frame)
      return words === null || dev !== DEV ? [] : [words]
    })
  }
  const query = (message: Uint8Array, to = '224.0.0.1'): void =>
    path.receive(igmpFrame(QUERIER, to, message), DEV)
  const general = (options: QueryOptions = {}): void => query(igmpQuery(options))
  const ofGroup = (options: QueryOptions & { group: string }): void =>
    query(igmpQuery(options), options.group)
  const setUp = (isUp: boolean): void => {
    const { i32 } = path.arena
    const flags = path.deviceRow(DEV) + DEV_FLAGS
    i32[flags] = isUp ? i32[flags]! | IFF_UP : i32[flags]! & ~IFF_UP
    path.settle()
  }
  return { ...path, sockets, open, ask, said, query, general, ofGroup, setUp }
}

describe('what has changed is told, as often as the robustness says', () => {
  test('joining and leaving', () => {
    const h = host()
    // what its own groups are is said by then
    h.said(5000)
    const timers = h.first.wheel.count()
    const sk = h.open()
    h.ask(sk, 'IP_ADD_MEMBERSHIP')
    expect(h.said(5)).toEqual([`TO_EX ${GROUP}`])
    expect(h.said(1000)).toEqual([`TO_EX ${GROUP}`])
    expect(h.said(60_000)).toEqual([])
    h.ask(sk, 'IP_DROP_MEMBERSHIP')
    expect(h.said(5)).toEqual([`TO_IN ${GROUP}`])
    expect(h.said(60_000)).toEqual([`TO_IN ${GROUP}`])
    h.sockets.close(sk)
    expect(h.isAllReturned()).toBe(true)
    expect(h.first.wheel.count()).toBe(timers)
  })
  test('sources that come and go, not the mode that stays', () => {
    const h = host()
    const sk = h.open()
    h.ask(sk, 'MCAST_JOIN_SOURCE_GROUP', GROUP, '10.1.1.1')
    h.ask(sk, 'MCAST_JOIN_SOURCE_GROUP', GROUP, '10.1.1.2')
    expect(h.said(5)).toEqual([`ALLOW ${GROUP} 10.1.1.1 10.1.1.2`])
    h.ask(sk, 'MCAST_LEAVE_SOURCE_GROUP', GROUP, '10.1.1.1')
    // what is yet to be repeated goes with what is new
    expect(h.said(5)).toEqual([`ALLOW ${GROUP} 10.1.1.2, BLOCK ${GROUP} 10.1.1.1`])
    expect(h.said(60_000)).toEqual([`BLOCK ${GROUP} 10.1.1.1`])
    h.sockets.close(sk)
    expect(h.said(60_000)).toEqual([`BLOCK ${GROUP} 10.1.1.2`, `BLOCK ${GROUP} 10.1.1.2`])
  })
  test('a change of mode takes the place of what was yet to be told of sources', () => {
    const h = host()
    const [one, two] = [h.open(), h.open()]
    h.ask(one, 'MCAST_JOIN_SOURCE_GROUP', GROUP, '10.1.1.1')
    h.said(5)
    h.ask(two, 'IP_ADD_MEMBERSHIP')
    h.ask(two, 'MCAST_BLOCK_SOURCE', GROUP, '10.1.1.1')
    h.ask(two, 'MCAST_BLOCK_SOURCE', GROUP, '10.1.1.2')
    // the first socket still wants 10.1.1.1
    expect(h.said(60_000)).toEqual([`TO_EX ${GROUP} 10.1.1.2`, `TO_EX ${GROUP} 10.1.1.2`])
    h.sockets.close(two)
    expect(h.said(5)).toEqual([`TO_IN ${GROUP} 10.1.1.1`])
    h.sockets.close(one)
    expect(h.said(60_000)).toEqual([`TO_IN ${GROUP}`, `BLOCK ${GROUP} 10.1.1.1`])
  })
  test('several groups in one report', () => {
    const h = host()
    const sk = h.open()
    h.ask(sk, 'IP_ADD_MEMBERSHIP', GROUP)
    h.ask(sk, 'IP_ADD_MEMBERSHIP', OTHER)
    expect(h.said(5)).toEqual([`TO_EX ${GROUP}, TO_EX ${OTHER}`])
    h.sockets.close(sk)
  })
  test('more than a packet holds in several, none larger than the way takes', () => {
    const h = host({ config: { members: 512 } })
    h.setSysctl(Sysctl.igmp_max_memberships, 1000)
    const sk = h.open()
    for (let k = 0; k < 400; k++) h.ask(sk, 'IP_ADD_MEMBERSHIP', `239.2.${k >> 8}.${k & 255}`)
    h.advance(5)
    const frames = h.sent.splice(0).map(({ frame }) => frame)
    expect(frames.length).toBe(3)
    for (const frame of frames) expect(frame.length).toBeLessThanOrEqual(1514)
    const told = frames.flatMap((frame) => describeIgmp(frame)!.split(', '))
    expect(new Set(told).size).toBe(400)
    h.sockets.close(sk)
    h.advance(60_000)
    expect(h.isAllReturned()).toBe(true)
  })
  test('nothing of all hosts, nor of the link-local groups where that is off', () => {
    const h = host()
    const sk = h.open()
    h.ask(sk, 'IP_ADD_MEMBERSHIP', '224.0.0.1')
    h.ask(sk, 'IP_ADD_MEMBERSHIP', '224.0.0.251')
    expect(h.said(5)).toEqual(['TO_EX 224.0.0.251'])
    h.setSysctl(Sysctl.igmp_link_local_mcast_reports, 0)
    h.ask(sk, 'IP_ADD_MEMBERSHIP', '224.0.0.252')
    expect(h.said(60_000)).toEqual(['TO_EX 224.0.0.251'])
    h.sockets.close(sk)
  })
  test('a device that comes up tells of all its groups, one that is down of none', () => {
    const h = host()
    const sk = h.open()
    h.ask(sk, 'IP_ADD_MEMBERSHIP')
    h.said(60_000)
    h.setUp(false)
    h.ask(sk, 'IP_ADD_MEMBERSHIP', OTHER)
    expect(h.said(60_000)).toEqual([])
    h.setUp(true)
    expect(h.said(5)).toEqual([`TO_EX ${GROUP}, TO_EX ${OTHER}`])
    h.sockets.close(sk)
  })
})

describe('queries are answered', () => {
  const joined = () => {
    const h = host()
    const sk = h.open()
    h.ask(sk, 'IP_ADD_MEMBERSHIP', GROUP)
    h.ask(sk, 'MCAST_JOIN_SOURCE_GROUP', OTHER, '10.1.1.1')
    h.ask(sk, 'MCAST_JOIN_SOURCE_GROUP', OTHER, '10.1.1.2')
    h.said(60_000)
    return { ...h, sk }
  }
  const all = `IS_EX ${GROUP}, IS_IN ${OTHER} 10.1.1.1 10.1.1.2`

  test('a general one with everything, once, within the time it gives', () => {
    const h = joined()
    h.general({ tenths: 20 })
    h.general({ tenths: 20 })
    expect(h.said(2000)).toEqual([all])
    expect(h.said(60_000)).toEqual([])
  })
  test('one of a group with that group, one of nothing here not at all', () => {
    const h = joined()
    h.ofGroup({ group: GROUP })
    h.ofGroup({ group: '239.9.9.9' })
    expect(h.said(10_000)).toEqual([`IS_EX ${GROUP}`])
  })
  test('one of sources with those that are wanted', () => {
    const h = joined()
    h.ofGroup({ group: OTHER, sources: ['10.1.1.1', '10.9.9.9'] })
    expect(h.said(10_000)).toEqual([`IS_IN ${OTHER} 10.1.1.1`])
    h.ofGroup({ group: OTHER, sources: ['10.9.9.9'] })
    expect(h.said(10_000)).toEqual([])
    h.ask(h.sk, 'MCAST_BLOCK_SOURCE', GROUP, '10.1.1.5')
    h.said(60_000)
    h.ofGroup({ group: GROUP, sources: ['10.1.1.5', '10.1.1.6'] })
    expect(h.said(10_000)).toEqual([`IS_IN ${GROUP} 10.1.1.6`])
  })
  test('those of one group are answered together, a wider one with all of it', () => {
    const h = joined()
    h.ofGroup({ group: OTHER, sources: ['10.1.1.1'] })
    h.ofGroup({ group: OTHER, sources: ['10.1.1.2'] })
    expect(h.said(10_000)).toEqual([`IS_IN ${OTHER} 10.1.1.1 10.1.1.2`])
    h.ofGroup({ group: GROUP, sources: ['10.1.1.1'] })
    h.ofGroup({ group: GROUP })
    expect(h.said(10_000)).toEqual([`IS_EX ${GROUP}`])
  })
  test('one of more sources than are remembered, with all of the group', () => {
    const h = joined()
    const sources = Array.from({ length: 100 }, (_, k) => `10.1.1.${k + 1}`)
    h.ofGroup({ group: OTHER, sources })
    expect(h.said(10_000)).toEqual([`IS_IN ${OTHER} 10.1.1.1 10.1.1.2`])
  })
  test("the querier's robustness is ours", () => {
    const h = joined()
    h.general({ qrv: 4 })
    h.said(20_000)
    h.ask(h.sk, 'IP_DROP_MEMBERSHIP', GROUP)
    expect(h.said(60_000)).toHaveLength(4)
  })
  test('a robustness of zero is the usual one', () => {
    const h = joined()
    h.general({ qrv: 0 })
    h.said(20_000)
    h.ask(h.sk, 'IP_DROP_MEMBERSHIP', GROUP)
    expect(h.said(60_000)).toHaveLength(2)
  })
  test('on any worker, and by CPU 0', () => {
    const h = host({ config: { workers: 2, skbs: 4096, smallBuffers: 4096 } })
    const second = h.workers[1]!
    const sk = second.sockets.socket(AF_INET, SOCK_DGRAM, 0)
    expect(joinOn(second, sk, GROUP, { dev: DEV })).toBe(0)
    expect(h.said(60_000)).toHaveLength(2)
    h.receive(igmpFrame(QUERIER, '224.0.0.1', igmpQuery()), DEV, second)
    expect(h.said(10_000)).toEqual([`IS_EX ${GROUP}`])
    second.sockets.close(sk)
    h.said(60_000)
    expect(h.isAllReturned()).toBe(true)
  })
})

describe('with an older querier', () => {
  test('version 2: reports to the group, and a word when it is left', () => {
    const h = host()
    h.query(igmpShort(igmp.IGMP_QUERY, 100))
    const sk = h.open()
    h.ask(sk, 'IP_ADD_MEMBERSHIP')
    expect(h.said(5)).toEqual([`v2 ${GROUP}`])
    expect(h.said(10_000)).toEqual([`v2 ${GROUP}`])
    h.query(igmpShort(igmp.IGMP_QUERY, 10))
    expect(h.said(1000)).toEqual([`v2 ${GROUP}`])
    h.query(igmpShort(igmp.IGMP_QUERY, 10, GROUP), GROUP)
    expect(h.said(1000)).toEqual([`v2 ${GROUP}`])
    h.sockets.close(sk)
    expect(h.said(1000)).toEqual([`leave ${GROUP}`])
  })
  test('version 2: who hears another report says nothing, then or when it leaves', () => {
    const h = host()
    h.query(igmpShort(igmp.IGMP_QUERY, 100))
    const sk = h.open()
    h.ask(sk, 'IP_ADD_MEMBERSHIP')
    h.said(60_000)
    h.query(igmpShort(igmp.IGMP_QUERY, 100))
    h.receive(igmpFrame('10.0.2.7', GROUP, igmpShort(igmp.IGMPV2_REPORT, 0, GROUP)), DEV)
    expect(h.said(60_000)).toEqual([])
    h.sockets.close(sk)
    expect(h.said(60_000)).toEqual([])
  })
  test('version 1: nothing is said when a group is left', () => {
    const h = host()
    h.query(igmpShort(igmp.IGMP_QUERY, 0))
    const sk = h.open()
    h.ask(sk, 'IP_ADD_MEMBERSHIP')
    expect(h.said(5)).toEqual([`v1 ${GROUP}`])
    h.said(60_000)
    h.query(igmpQuery())
    expect(h.said(10_000)).toEqual([`v1 ${GROUP}`])
    // what it says of the time for an answer, none, is ten seconds
    h.query(igmpShort(igmp.IGMP_QUERY, 0))
    expect(h.said(10_000)).toEqual([`v1 ${GROUP}`])
    h.sockets.close(sk)
    expect(h.said(60_000)).toEqual([])
  })
  test('version 3 is spoken again when it has not been heard for long enough', () => {
    const h = host()
    h.query(igmpShort(igmp.IGMP_QUERY, 100))
    const sk = h.open()
    h.ask(sk, 'IP_ADD_MEMBERSHIP')
    h.said(250_000)
    h.query(igmpQuery())
    expect(h.said(9_000)).toEqual([`v2 ${GROUP}`])
    // robustness times the interval and a response
    h.said(10_000)
    h.query(igmpQuery())
    expect(h.said(10_000)).toEqual([`IS_EX ${GROUP}`])
    h.sockets.close(sk)
  })
  test('is one of its link alone', () => {
    const h = host()
    h.query(igmpShort(igmp.IGMP_QUERY, 100))
    const sk = h.open()
    h.ask(sk, 'IP_ADD_MEMBERSHIP')
    expect(joinOn(h.first, sk, OTHER, { dev: DEV + 1 })).toBe(0)
    h.advance(5)
    const said = h.sent.flatMap(({ frame, dev }) => `${dev} ${describeIgmp(frame)}`)
    expect(said).toEqual([`${DEV} v2 ${GROUP}`, `${DEV + 1} TO_EX ${OTHER}`])
    h.sockets.close(sk)
  })
  test('force_igmp_version does without having heard one', () => {
    const h = host()
    h.arena.i32[confRow(h.arena, DEV) + Conf4.force_igmp_version] = 2
    const sk = h.open()
    h.ask(sk, 'IP_ADD_MEMBERSHIP')
    expect(h.said(5)).toEqual([`v2 ${GROUP}`])
    h.sockets.close(sk)
    expect(h.said(5)).toEqual([`leave ${GROUP}`])
  })
})

describe('what makes no sense is counted, and ignored', () => {
  test.each([
    ['too short', igmpShort(igmp.IGMP_QUERY, 100).subarray(0, 7), Drop.PKT_TOO_SMALL],
    ['a wrong checksum', Uint8Array.of(0x11, 100, 1, 2, 0, 0, 0, 0), Drop.NOT_SPECIFIED],
    ['a report with one', Uint8Array.of(0x16, 0, 1, 2, 239, 1, 2, 3), Drop.NOT_SPECIFIED],
    ['neither version', igmpSealed([0x11, 100, 0, 0, 0, 0, 0, 0, 0, 0]), Drop.INVALID_PROTO],
    [
      'sources that are not there',
      igmpSealed([0x11, 100, 0, 0, 0, 0, 0, 0, 2, 125, 0, 9]),
      Drop.INVALID_PROTO,
    ],
    ['no group', igmpQuery({ group: '10.0.0.1' }), Drop.INVALID_PROTO],
    ['records that are not there', igmpSealed([0x22, 0, 0, 0, 0, 0, 0, 3]), Drop.INVALID_PROTO],
    [
      'a record that ends behind the packet',
      igmpSealed([0x22, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 9, 239, 1, 1, 1]),
      Drop.INVALID_PROTO,
    ],
  ])('%s', (_, message, reason) => {
    const h = host()
    const sk = h.open()
    h.ask(sk, 'IP_ADD_MEMBERSHIP')
    h.said(60_000)
    h.query(message)
    expect(h.drops(reason)).toBe(1)
    expect(h.said(60_000)).toEqual([])
    h.sockets.close(sk)
    h.said(60_000)
    expect(h.isAllReturned()).toBe(true)
  })
  test('octets behind a query count for its checksum alone, and a type that nobody knows is nothing', () => {
    const h = host()
    const sk = h.open()
    h.ask(sk, 'IP_ADD_MEMBERSHIP')
    h.said(60_000)
    h.query(igmpSealed([0x11, 100, 0, 0, 0, 0, 0, 0, 2, 125, 0, 0, 7, 7, 7, 7]))
    expect(h.said(10_000)).toEqual([`IS_EX ${GROUP}`])
    h.query(igmpShort(0x77, 0, GROUP))
    expect(h.said(60_000)).toEqual([])
    // a question may come to any address that is ours
    h.query(igmpQuery(), '10.0.2.1')
    expect(h.said(10_000)).toEqual([`IS_EX ${GROUP}`])
    h.sockets.close(sk)
    h.said(60_000)
    expect(h.isAllReturned()).toBe(true)
  })
  test('a report of others is none of our business', () => {
    const h = host()
    h.receive(igmpFrame('10.0.2.7', '224.0.0.22', igmpReport(`TO_EX ${GROUP}`)), DEV)
    // nobody here has joined the group of those that listen to reports
    expect(h.drops(Drop.NOT_SPECIFIED)).toBe(1)
    expect(h.isAllReturned()).toBe(true)
  })
})
