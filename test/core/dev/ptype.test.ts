import { describe, expect, test } from 'bun:test'
import { DEV_FLAGS, DevStat } from '../../../core/netdev/netdev.ts'
import { Drop } from '../../../core/skb/drop.ts'
import {
  PACKET_BROADCAST,
  PACKET_HOST,
  PACKET_MULTICAST,
  PACKET_OTHERHOST,
  SKB_DATA,
  SKB_LEN,
  SKB_MAC,
  SKB_NETWORK,
  SKB_PKT_TYPE,
  SKB_PROTOCOL,
} from '../../../core/skb/skb.ts'
import { createEthTypeTrans } from '../../../core/dev/eth-type-trans.ts'
import { createPtype } from '../../../core/dev/ptype.ts'
import { ETH_P_ALL, ETH_P_IP } from '../../../core/wire/ethernet.ts'
import { createRouter } from '../../../sim/net/path-host.ts'
import { etherFrame } from '../../../sim/net/packets.ts'

const src = '02:00:00:00:02:09'
const parts = () => {
  const path = createRouter()
  const { arena } = path
  const { skbs, drop, isCapturing, capture } = path.first
  const { ethTypeTrans } = createEthTypeTrans({ arena, skbs, drop })
  return { ...path, ethTypeTrans, ptype: createPtype({ arena, skbs, drop, isCapturing, capture }) }
}

describe('eth_type_trans', () => {
  const cases: [string, number][] = [
    ['02:00:00:00:00:02', PACKET_HOST],
    ['02:00:00:00:00:03', PACKET_OTHERHOST],
    ['ff:ff:ff:ff:ff:ff', PACKET_BROADCAST],
    ['01:00:5e:00:00:01', PACKET_MULTICAST],
  ]
  for (const [dst, type] of cases) {
    test(`a frame to ${dst} is of packet type ${type}`, () => {
      const path = parts()
      const { i32 } = path.arena
      const skb = path.first.frameSkb(etherFrame({ dst, src }, 0x88cc, new Uint8Array(50)), 2)
      expect(path.ethTypeTrans(skb)).toBe(true)
      expect(i32[skb + SKB_PKT_TYPE]).toBe(type)
      // a broadcast is no multicast here, as in rtnl_link_stats64
      expect(path.stat(2, DevStat.multicast)).toBe(type === PACKET_MULTICAST ? 1 : 0)
      expect(i32[skb + SKB_PROTOCOL]).toBe(0x88cc)
      expect(i32[skb + SKB_LEN]).toBe(50)
      expect(i32[skb + SKB_DATA]).toBe(i32[skb + SKB_MAC]! + 14)
      expect(i32[skb + SKB_NETWORK]).toBe(i32[skb + SKB_DATA]!)
      path.first.consume(skb)
    })
  }
  test('a type below 1536 is a length: LLC', () => {
    const path = parts()
    const skb = path.first.frameSkb(etherFrame({ dst: src, src }, 46, new Uint8Array(50)), 2)
    path.ethTypeTrans(skb)
    expect(path.arena.i32[skb + SKB_PROTOCOL]).toBe(4)
    path.first.consume(skb)
  })
  test('drops a runt and counts it', () => {
    const path = parts()
    expect(path.ethTypeTrans(path.first.frameSkb(new Uint8Array(13), 2))).toBe(false)
    expect(path.drops(Drop.PKT_TOO_SMALL)).toBe(1)
    expect(path.stat(2, DevStat.rx_length_errors)).toBe(1)
    expect(path.stat(2, DevStat.rx_errors)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('drops what comes in on a device that is down', () => {
    const path = parts()
    path.arena.i32[path.deviceRow(2) + DEV_FLAGS] = 0
    expect(path.ethTypeTrans(path.first.frameSkb(new Uint8Array(60), 2))).toBe(false)
    expect(path.drops(Drop.DEV_READY)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
})

describe('ptype', () => {
  const us = '02:00:00:00:00:02'
  const frameOf = (type: number): Uint8Array =>
    etherFrame({ dst: us, src }, type, new Uint8Array(50))
  const fresh = () => {
    const path = parts()
    const { i32, u8 } = path.arena
    const seen: Uint8Array[] = []
    return {
      ...path,
      seen,
      /** A handler that keeps the bytes it got. */
      keep: (skb: number): void => {
        seen.push(u8.slice(i32[skb + SKB_DATA]!, i32[skb + SKB_DATA]! + i32[skb + SKB_LEN]!))
        path.first.consume(skb)
      },
      deliver: (type: number): void => {
        const skb = path.first.frameSkb(frameOf(type), 2)
        path.ethTypeTrans(skb)
        path.ptype.deliver(skb)
      },
    }
  }
  test('hands a packet to its layer, and counts one that has none', () => {
    const path = fresh()
    path.ptype.devAddPack(ETH_P_IP, path.keep)
    for (const type of [ETH_P_IP, 0x0810]) path.deliver(type)
    expect(path.seen).toHaveLength(1)
    expect(path.drops(Drop.UNHANDLED_PROTO)).toBe(1)
    expect(path.stat(2, DevStat.rx_nohandler)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('any ethertypes go together', () => {
    const path = fresh()
    const got: number[] = []
    const types = [ETH_P_IP, 0x8100, 0x88a8, 0x0806, 0x86dd, 0x88cc, 0xffff, 0x0004]
    for (const type of types)
      path.ptype.devAddPack(type, (skb) => {
        got.push(type)
        path.first.consume(skb)
      })
    for (const type of types.toReversed()) path.deliver(type)
    expect(got).toEqual(types.toReversed())
    expect(path.isAllReturned()).toBe(true)
  })
  test('several handlers of a type each get the packet, the layer that was first the packet itself', () => {
    const path = fresh()
    let own = 0
    path.ptype.devAddPack(ETH_P_IP, (skb) => {
      expect(path.first.skbs.isShared(skb)).toBe(false)
      own++
      path.first.consume(skb)
    })
    const leave = [path.keep, path.keep].map((keep) => path.ptype.devAddPack(ETH_P_IP, keep))
    path.deliver(ETH_P_IP)
    expect([own, path.seen.length]).toEqual([1, 2])
    leave[0]!()
    path.deliver(ETH_P_IP)
    expect([own, path.seen.length]).toEqual([2, 3])
    leave[1]!()
    path.deliver(ETH_P_IP)
    expect([own, path.seen.length]).toEqual([3, 3])
    for (const bytes of path.seen) expect(bytes).toEqual(new Uint8Array(50))
    expect(path.isAllReturned()).toBe(true)
  })
  test('a type that the last handler has left is unhandled again', () => {
    const path = fresh()
    path.ptype.devAddPack(0x88cc, path.keep)()
    path.deliver(0x88cc)
    expect(path.drops(Drop.UNHANDLED_PROTO)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('a tap gets every frame whole, until it is taken off', () => {
    const path = fresh()
    const off = path.first.ptype.devAddPack(ETH_P_ALL, path.keep)
    expect(path.first.ptype.isTapped()).toBe(true)
    for (const type of [0x88cc, 0x0810]) {
      path.receive(frameOf(type), 2)
      off()
    }
    expect(path.first.ptype.isTapped()).toBe(false)
    expect(path.seen).toEqual([frameOf(0x88cc)])
    expect(path.isAllReturned()).toBe(true)
  })
  test('a tap may leave while it is called', () => {
    const path = fresh()
    const off = path.first.ptype.devAddPack(ETH_P_ALL, (skb) => {
      off()
      path.first.consume(skb)
    })
    path.first.ptype.devAddPack(ETH_P_ALL, path.keep)
    path.receive(frameOf(0x88cc), 2)
    path.receive(frameOf(0x88cc), 2)
    expect(path.seen).toHaveLength(2)
    expect(path.isAllReturned()).toBe(true)
  })
})
