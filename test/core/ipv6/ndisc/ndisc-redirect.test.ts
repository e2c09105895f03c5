// Redirects of IPv6: what a router tells hosts of its link, and whom a host believes (core/ipv6/ndisc/ndisc-redirect.ts).

import { describe, expect, test } from 'bun:test'
import { FL_DST } from '../../../../core/base/flowi.ts'
import { NH_GATEWAY } from '../../../../core/inet/fib/nexthop-constants.ts'
import { NEIGH_FLAGS, NTF_ROUTER, NUD_STALE } from '../../../../core/neigh/neigh-constants.ts'
import { Mib } from '../../../../core/shm/counters.ts'
import { Conf6 } from '../../../../core/shm/devconf.ts'
import { Drop } from '../../../../core/skb/drop.ts'
import * as icmpv6 from '../../../../core/wire/icmpv6.ts'
import { formatIpv6 } from '../../../../core/wire/text.ts'
import { llOption, TLLA } from '../../../support/ndisc.ts'
import { macText } from '../../../../sim/net/packets.ts'
import { icmpv6Frame, readIcmpv6, readIp6, udp6Frame } from '../../../../sim/net/packets6.ts'
import {
  CLIENT_MAC,
  createRouter6,
  type PathHost,
  toRouter,
} from '../../../../sim/net/path-host.ts'
import { words } from '../../../../sim/net/path-tables.ts'

const HOST = '2001:db8:2::9'
const OTHER = 'fe80::77'
const OTHER_MAC = '02:00:00:00:02:77'
const FAR = '2001:db8:77::1'
const PORTS = { sport: 1000, dport: 2000 }

const octets = (addr: string): number[] =>
  words(addr).flatMap((w) => [w >>> 24, (w >>> 16) & 255, (w >>> 8) & 255, w & 255])
const addrAt = (bytes: Uint8Array, at: number): string => {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const [a, b, c, d] = [0, 4, 8, 12].map((k) => view.getInt32(at + k))
  return formatIpv6(a!, b!, c!, d!)
}
const redirects = (path: PathHost) =>
  path.sent
    .filter(
      ({ frame }) => readIp6(frame).next === 58 && readIcmpv6(frame).type === icmpv6.NDISC_REDIRECT
    )
    .map(({ dev, frame }) => {
      const { saddr, daddr, hops, payload } = readIp6(frame)
      const hasMac = payload[40] === TLLA
      const header = hasMac ? 48 : 40
      return {
        dev,
        saddr,
        daddr,
        hops,
        target: addrAt(payload, 8),
        dest: addrAt(payload, 24),
        lladdr: hasMac ? macText(payload, 42) : null,
        header: payload[header],
        len: payload[header + 1]! * 8,
        quoted: payload.slice(header + 8),
      }
    })

describe('a router', () => {
  const router = () => {
    const path = createRouter6()
    path.addRoute('2001:db8:77::/48', 2, { via: OTHER })
    path.setNeigh(2, OTHER, OTHER_MAC)
    path.setNeigh(2, HOST, CLIENT_MAC)
    path.setNeigh(2, '2001:db8:2::8', OTHER_MAC)
    path.advance(3000)
    path.sent.length = 0
    return path
  }
  const packet = (over: object = {}) =>
    udp6Frame(toRouter, { saddr: HOST, daddr: FAR, ...over }, PORTS, new Uint8Array(30))

  test('tells the host whose packet leaves by the link it came by of the other router, and sends it on', () => {
    const path = router()
    path.receive(packet(), 2)
    const [said, ...more] = redirects(path)
    expect(more).toEqual([])
    expect(said).toMatchObject({
      dev: 2,
      saddr: 'fe80::1',
      daddr: HOST,
      hops: 255,
      target: OTHER,
      dest: FAR,
      lladdr: OTHER_MAC,
      header: 4,
    })
    expect(said!.len % 8).toBe(0)
    expect(addrAt(said!.quoted, 24)).toBe(FAR)
    expect(path.sent.some(({ frame }) => readIp6(frame).daddr === FAR)).toBe(true)
    expect(path.counter(Mib.Icmp6OutRedirects)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('tells that a neighbour is one', () => {
    const path = router()
    path.receive(packet({ daddr: '2001:db8:2::8' }), 2)
    expect(redirects(path)).toMatchObject([{ target: '2001:db8:2::8', dest: '2001:db8:2::8' }])
  })
  test('tells a host six times at once, then once a second', () => {
    const path = router()
    for (let k = 0; k < 50; k++) path.receive(packet(), 2)
    expect(redirects(path)).toHaveLength(6)
    path.advance(1000)
    for (let k = 0; k < 50; k++) path.receive(packet(), 2)
    expect(redirects(path)).toHaveLength(7)
  })
  test('that is none any more does not tell anybody of another', () => {
    const path = router()
    for (const dev of [0, 2, 3]) path.setConf(dev, Conf6.forwarding, 0)
    path.receive(packet(), 2)
    expect(redirects(path)).toEqual([])
  })
  test('quotes no more than fits the least MTU', () => {
    const path = router()
    path.receive(udp6Frame(toRouter, { saddr: HOST, daddr: FAR }, PORTS, new Uint8Array(1400)), 2)
    const [said] = redirects(path)
    expect(40 + 40 + 8 + said!.len).toBeLessThanOrEqual(1280)
    expect(said!.len).toBeGreaterThan(1180)
  })
  test.each([
    ['comes from elsewhere', '2001:db8:99::1', FAR],
    ['leaves by another link', HOST, '2001:db8:3::5'],
  ])('tells nothing of a packet that %s', (_, saddr, daddr) => {
    const path = router()
    path.addRoute('2001:db8:99::/48', 3, { via: 'fe80::5' })
    path.receive(packet({ saddr, daddr }), 2)
    expect(redirects(path)).toEqual([])
  })
  test('tells nothing of a router that it knows by no address of the link', () => {
    const path = router()
    path.addRoute('2001:db8:77::/48', 2, { via: '2001:db8:2::8' })
    path.receive(packet(), 2)
    expect(redirects(path)).toEqual([])
  })
})

describe('a host', () => {
  const ROUTER = 'fe80::5'
  const host = (config: object = {}) => {
    const path = createRouter6({ config })
    for (const dev of [0, 2]) path.setConf(dev, Conf6.forwarding, 0)
    path.addRoute('2001:db8:77::/48', 2, { via: ROUTER })
    path.advance(3000)
    path.sent.length = 0
    return path
  }
  type Over = {
    saddr?: string
    hops?: number
    target?: string
    dest?: string
    options?: number[]
    cut?: number
  }
  const redirect = (over: Over = {}): Uint8Array => {
    const { saddr = ROUTER, hops = 255, target = OTHER, dest = FAR, cut } = over
    const { options = llOption(TLLA, OTHER_MAC) } = over
    const data = Uint8Array.from([...octets(target), ...octets(dest), ...options])
    const fields = { saddr, daddr: '2001:db8:2::1', hops }
    return icmpv6Frame(toRouter, fields, icmpv6.NDISC_REDIRECT, 0, 0, data.subarray(0, cut))
  }
  const wayTo = (path: PathHost, addr: string, worker = path.first): string => {
    const fl = path.flow('::', addr)
    expect(worker.routeOutput(fl)).toBe(0)
    const { i32 } = path.arena
    const [a, b, c, d] = [0, 1, 2, 3].map((k) => i32[fl[FL_DST]! + NH_GATEWAY + k])
    return formatIpv6(a!, b!, c!, d!)
  }

  test('sends by the router that it was told of, on every worker, for that destination alone, for a while', () => {
    const path = host({ workers: 2 })
    path.receive(redirect(), 2, path.workers[1])
    for (const worker of path.workers) {
      expect(wayTo(path, FAR, worker)).toBe(OTHER)
      expect(wayTo(path, '2001:db8:77::2', worker)).toBe(ROUTER)
    }
    expect(path.neighState(2, OTHER)).toBe(NUD_STALE)
    expect(path.neighMac(2, OTHER)).toBe(OTHER_MAC)
    expect(path.arena.i32[path.neighRow(2, OTHER) + NEIGH_FLAGS]! & NTF_ROUTER).toBe(NTF_ROUTER)
    expect(path.counter(Mib.Icmp6InRedirects)).toBe(1)
    path.advance(301_000)
    expect(wayTo(path, FAR)).toBe(ROUTER)
  })
  test('sends on the link what it is told to be there, and hears of a third router from the second', () => {
    const path = host()
    path.receive(redirect({ target: FAR }), 2)
    expect(wayTo(path, FAR)).toBe(FAR)
    path.receive(redirect({ dest: '2001:db8:77::2' }), 2)
    path.receive(redirect({ dest: '2001:db8:77::2', saddr: OTHER, target: 'fe80::78' }), 2)
    expect(wayTo(path, '2001:db8:77::2')).toBe('fe80::78')
  })
  test.each<[string, Over, Drop | null]>([
    ['a router that it does not send by', { saddr: 'fe80::6' }, null],
    ['an address that is not of the link', { saddr: '2001:db8:2::6' }, Drop.NOT_SPECIFIED],
    ['beyond the link', { hops: 254 }, Drop.IPV6_NDISC_HOP_LIMIT],
    ['its router, of a group', { dest: 'ff05::1' }, Drop.NOT_SPECIFIED],
    ['its router, of a router of no link', { target: '2001:db8:2::6' }, Drop.NOT_SPECIFIED],
    [
      'its router, with an option of no length',
      { options: [2, 0, 0, 0, 0, 0, 0, 0] },
      Drop.IPV6_NDISC_BAD_OPTIONS,
    ],
    [
      'its router, with a link address of another length',
      { options: [...llOption(TLLA, OTHER_MAC), 0, 0, 0, 0, 0, 0, 0, 0].with(1, 2) },
      Drop.NOT_SPECIFIED,
    ],
    ['its router, cut short', { cut: 16 }, Drop.PKT_TOO_SMALL],
  ])('does not believe %s', (_, over, reason) => {
    const path = host()
    path.receive(redirect(over), 2)
    expect(wayTo(path, FAR)).toBe(ROUTER)
    expect(path.neighState(2, OTHER)).toBe(-1)
    if (reason !== null) expect(path.drops(reason)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('believes nobody where accept_redirects is off, or where it is a router', () => {
    const path = host()
    path.setConf(2, Conf6.accept_redirects, 0)
    path.receive(redirect(), 2)
    expect(wayTo(path, FAR)).toBe(ROUTER)
    path.setConf(2, Conf6.accept_redirects, 1)
    path.setConf(2, Conf6.forwarding, 1)
    path.receive(redirect(), 2)
    expect(wayTo(path, FAR)).toBe(ROUTER)
  })
})
