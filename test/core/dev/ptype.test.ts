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
import { createRouter } from '../../support/packet-path.ts'
import { etherFrame } from '../../support/packets.ts'

const src = '02:00:00:00:02:09'
const parts = () => {
  const path = createRouter()
  const { arena } = path
  const { skbs, drop } = path.first
  const { ethTypeTrans } = createEthTypeTrans({ arena, skbs, drop })
  return { ...path, ethTypeTrans, ptype: createPtype({ arena, skbs, drop }) }
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
  const frame = etherFrame({ dst: '02:00:00:00:00:02', src }, 0x0800, new Uint8Array(50))
  test('hands a packet to its layer, and counts one that has none', () => {
    const path = parts()
    const got: number[] = []
    path.ptype.devAddPack(0x0800, (skb) => void got.push(skb))
    path.ptype.freeze()
    for (const type of [0x0800, 0x0810]) {
      const skb = path.first.frameSkb(
        etherFrame({ dst: '02:00:00:00:00:02', src }, type, new Uint8Array(9)),
        2
      )
      path.ethTypeTrans(skb)
      path.ptype.netifReceiveSkb(skb)
    }
    expect(got).toHaveLength(1)
    expect(path.drops(Drop.UNHANDLED_PROTO)).toBe(1)
    expect(path.stat(2, DevStat.rx_nohandler)).toBe(1)
    path.first.consume(got[0]!)
    expect(path.isAllReturned()).toBe(true)
  })
  test('two ethertypes of one slot are refused at boot', () => {
    const { ptype } = parts()
    ptype.devAddPack(0x0800, () => {})
    expect(() => ptype.devAddPack(0x8100, () => {})).toThrow()
  })
  test('a tap gets the whole frame, until it is taken off', () => {
    const path = parts()
    path.ptype.devAddPack(0x0800, path.first.consume)
    const seen: Uint8Array[] = []
    const off = path.ptype.addTap((skb) => {
      const { i32, u8 } = path.arena
      seen.push(u8.slice(i32[skb + SKB_DATA]!, i32[skb + SKB_DATA]! + i32[skb + SKB_LEN]!))
      path.first.consume(skb)
    })
    for (let k = 0; k < 2; k++) {
      const skb = path.first.frameSkb(frame, 2)
      path.ethTypeTrans(skb)
      path.ptype.netifReceiveSkb(skb)
      off()
    }
    expect(seen.map((bytes) => [...bytes])).toEqual([[...frame]])
    expect(path.isAllReturned()).toBe(true)
  })
})
