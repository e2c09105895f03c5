import { AF_INET } from '../../../core/base/family.ts'
import { describe, expect, test } from 'bun:test'
import { Errno } from '../../../core/base/errno.ts'
import { createFlowi, FL_DADDR, FL_FAMILY, FL_IIF, FL_SADDR } from '../../../core/base/flowi.ts'
import { DEV_TXQLEN } from '../../../core/netdev/netdev.ts'
import { NEIGH_USE_CONFIRMED } from '../../../core/neigh/neigh-constants.ts'
import { Mib } from '../../../core/shm/counters.ts'
import { G_GENERATION } from '../../../core/shm/layout.ts'
import { Drop } from '../../../core/skb/drop.ts'
import { MAX_HEADER, SKB_DEV, SKB_NETWORK } from '../../../core/skb/skb.ts'
import {
  SK_DADDR,
  SK_DST,
  SK_DST_DEV,
  SK_FAMILY,
  SK_MTU,
  SK_PROTOCOL,
  SK_SADDR,
  SK_TOS,
  SK_TTL,
} from '../../../core/socket/sock.ts'
import * as ipv4 from '../../../core/wire/ipv4.ts'
import { NH_GATEWAY } from '../../../core/inet/fib/nexthop-constants.ts'
import { createRouter, SERVER_MAC } from '../../../sim/net/path-host.ts'
import { V4 } from '../../../sim/net/path-tables.ts'
import { ip, macText } from '../../../sim/net/packets.ts'

const host = () => {
  const path = createRouter()
  path.setNeigh(3, '10.0.3.9', SERVER_MAC)
  path.setNeigh(3, '10.0.3.254', '02:00:00:00:03:fe')
  const { i32 } = path.arena
  const payload = (len = 40): number => {
    const skb = path.first.skbs.alloc(len, MAX_HEADER)
    path.first.skbs.put(skb, len)
    return skb
  }
  const sock = (saddr: string, daddr: string): number => {
    const sk = path.first.slab.alloc()
    i32.set([0, 0, V4, ip(saddr)], sk + SK_SADDR)
    i32.set([0, 0, V4, ip(daddr)], sk + SK_DADDR)
    i32[sk + SK_FAMILY] = AF_INET
    i32[sk + SK_PROTOCOL] = 6
    return sk
  }
  return { ...path, i32, payload, sock }
}

describe('ip_queue_xmit', () => {
  test('writes the header from the sock row and keeps the route', () => {
    const path = host()
    const sk = path.sock('10.0.3.1', '10.0.3.9')
    path.i32[sk + SK_TOS] = 0x10
    path.i32[sk + SK_TTL] = 7
    expect(path.first.ipQueueXmit(path.payload(), sk)).toBe(0)
    const { frame, dev } = path.sent[0]!
    expect(dev).toBe(3)
    expect(ipv4.check(frame, 14, frame.length - 14)).toBe(true)
    expect(ipv4.isChecksumOk(frame, 14)).toBe(true)
    expect([ipv4.tos(frame, 14), ipv4.ttl(frame, 14), ipv4.protocol(frame, 14)]).toEqual([
      0x10, 7, 6,
    ])
    expect([ipv4.src(frame, 14), ipv4.dst(frame, 14)]).toEqual([ip('10.0.3.1'), ip('10.0.3.9')])
    expect(ipv4.dontFragment(frame, 14)).toBe(true)
    expect(ipv4.totalLength(frame, 14)).toBe(60)
    expect(path.i32[sk + SK_DST]).not.toBe(0)
    expect(path.i32[sk + SK_DST_DEV]).toBe(3)
    expect(path.i32[sk + SK_MTU]).toBe(1500)
    expect(path.isAllReturned()).toBe(true)
  })
  test('looks the route up again after a change', () => {
    const path = host()
    const sk = path.sock('10.0.3.1', '192.0.2.1')
    path.first.ipQueueXmit(path.payload(), sk)
    expect(macText(path.sent[0]!.frame, 0)).toBe('02:00:00:00:03:fe')
    path.addRoute('192.0.2.0/24', 3, { via: '10.0.3.9', mtu: 1400 })
    path.i32[G_GENERATION]!++
    path.first.ipQueueXmit(path.payload(), sk)
    expect(macText(path.sent[1]!.frame, 0)).toBe(SERVER_MAC)
    expect(path.i32[sk + SK_MTU]).toBe(1400)
    // and the MTU rises with it too
    path.addRoute('192.0.2.0/25', 3, { via: '10.0.3.9' })
    path.i32[G_GENERATION]!++
    path.first.ipQueueXmit(path.payload(), sk)
    expect(path.i32[sk + SK_MTU]).toBe(1500)
  })
  test('keeps to the path MTU that was learned, also by others, until it ends', () => {
    const path = host()
    const { ipQueueXmit, updatePmtu } = path.first
    const sk = path.sock('10.0.3.1', '10.0.3.9')
    ipQueueXmit(path.payload(), sk)
    updatePmtu(0, path.i32, sk + SK_DADDR, 1200)
    ipQueueXmit(path.payload(), sk)
    expect(path.i32[sk + SK_MTU]).toBe(1200)
    expect(ipv4.dontFragment(path.sent[1]!.frame, 14)).toBe(true)
    path.i32[G_GENERATION]!++
    ipQueueXmit(path.payload(), sk)
    expect(path.i32[sk + SK_MTU]).toBe(1200)
    path.advance(600_000)
    path.setNeigh(3, '10.0.3.9', SERVER_MAC)
    ipQueueXmit(path.payload(), sk)
    expect(path.i32[sk + SK_MTU]).toBe(1500)
    // a way narrower than 552 is left to fragment (ip_mtu_locked)
    updatePmtu(0, path.i32, sk + SK_DADDR, 300)
    ipQueueXmit(path.payload(), sk)
    expect(path.i32[sk + SK_MTU]).toBe(552)
    expect(ipv4.dontFragment(path.sent.at(-1)!.frame, 14)).toBe(false)
    expect(path.isAllReturned()).toBe(true)
  })
  test('gives consecutive identifications, each worker its own', () => {
    const path = host()
    const sk = path.sock('10.0.3.1', '10.0.3.9')
    for (let n = 0; n < 3; n++) path.first.ipQueueXmit(path.payload(), sk)
    const ids = path.sent.map(({ frame }) => ipv4.id(frame, 14))
    expect([(ids[1]! - ids[0]!) & 0xffff, (ids[2]! - ids[1]!) & 0xffff]).toEqual([1, 1])
  })
  test('says why there is no way, and counts it', () => {
    const path = host()
    path.addRoute('192.0.2.0/24', 3, { type: 7 })
    expect(path.first.ipQueueXmit(path.payload(), path.sock('10.0.3.1', '192.0.2.1'))).toBe(
      -Errno.EHOSTUNREACH
    )
    expect(path.counter(Mib.IpOutNoRoutes)).toBe(1)
    expect(path.drops(Drop.IP_OUTNOROUTES)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('refuses a segment with DF that is too big for the path', () => {
    const path = host()
    const sk = path.sock('10.0.3.1', '10.0.3.9')
    path.first.updatePmtu(0, path.i32, sk + SK_DADDR, 576)
    expect(path.first.ipQueueXmit(path.payload(1000), sk)).toBe(-Errno.EMSGSIZE)
    expect(path.counter(Mib.IpFragFails)).toBe(1)
    expect(path.drops(Drop.PKT_TOO_BIG)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('carries the confirmation of a peer to its next hop', () => {
    const path = host()
    const sk = path.sock('10.0.3.1', '192.0.2.1')
    path.first.ipQueueXmit(path.payload(), sk)
    path.first.sockConfirm(sk)
    const n = path.first.neighTable.indexOf(path.neighRow(3, '10.0.3.254'))
    expect(path.i32[path.arena.layout.neighUse + n * 2 + NEIGH_USE_CONFIRMED]).toBe(
      path.first.time[0]!
    )
  })
  test('confirms nobody by a route that has changed: its row may be another next hop by now', () => {
    const path = host()
    const sk = path.sock('10.0.3.1', '192.0.2.1')
    path.first.ipQueueXmit(path.payload(), sk)
    path.i32.set([0, 0, V4, ip('10.0.3.9')], path.i32[sk + SK_DST]! + NH_GATEWAY)
    path.i32[G_GENERATION]!++
    path.first.sockConfirm(sk)
    for (const addr of ['10.0.3.9', '10.0.3.254']) {
      const n = path.first.neighTable.indexOf(path.neighRow(3, addr))
      expect(path.i32[path.arena.layout.neighUse + n * 2 + NEIGH_USE_CONFIRMED]).toBe(0)
    }
  })
})

test('ip_send counts what the device had no room for', () => {
  const path = host()
  path.i32[path.deviceRow(3) + DEV_TXQLEN] = 1
  path.wire.isBusy = true
  const fl = createFlowi()
  fl[FL_FAMILY] = AF_INET
  fl[FL_DADDR + 2] = V4
  fl[FL_DADDR + 3] = ip('10.0.3.9')
  expect(path.first.routeOutput(fl)).toBe(0)
  const errors = [0, 1].map(() => path.first.ipSend(path.payload(), fl, 17, 0, 64))
  expect(errors).toEqual([0, -Errno.ENOBUFS])
  expect(path.counter(Mib.IpOutDiscards)).toBe(1)
  path.wire.isBusy = false
  path.settle()
  expect(path.isAllReturned()).toBe(true)
})

describe('loadAddrs', () => {
  test('reads the flow of a packet of either family', () => {
    const path = host()
    const fl = path.flow('0.0.0.0', '0.0.0.0')
    const skb = path.payload(60)
    const at = path.i32[skb + 1]!
    path.i32[skb + SKB_NETWORK] = at
    path.i32[skb + SKB_DEV] = 3
    ipv4.init(path.arena.u8, at, 17, ip('1.2.3.4'), ip('5.6.7.8'), 60, 64)
    path.first.loadAddrs(skb, fl)
    expect(fl[FL_FAMILY]).toBe(AF_INET)
    expect(fl[FL_IIF]).toBe(3)
    expect([...fl.subarray(FL_SADDR, FL_DADDR + 4)]).toEqual([
      0,
      0,
      V4,
      ip('1.2.3.4'),
      0,
      0,
      V4,
      ip('5.6.7.8'),
    ])
    path.arena.u8[at] = 0x60
    for (let k = 0; k < 32; k++) path.arena.u8[at + 8 + k] = k
    path.first.loadAddrs(skb, fl)
    expect(fl[FL_FAMILY]).toBe(10)
    expect(fl[FL_SADDR]).toBe(0x00010203)
    expect(fl[FL_DADDR + 3]).toBe(0x1c1d1e1f)
    path.first.consume(skb)
  })
})
