import { describe, expect, test } from 'bun:test'
import { Errno } from '../../../core/base/errno.ts'
import {
  DEV_CORRUPT,
  DEV_FLAGS,
  DEV_IMPAIRED,
  DEV_TXQLEN,
  DevStat,
  NETIF_F_FRAGLIST,
  NETIF_F_HW_CSUM,
} from '../../../core/netdev/netdev.ts'
import { Drop } from '../../../core/skb/drop.ts'
import {
  CHECKSUM_PARTIAL,
  SKB_CSUM_OFFSET,
  SKB_CSUM_START,
  SKB_DATA,
  SKB_DEV,
  SKB_IP_SUMMED,
} from '../../../core/skb/skb.ts'
import { ETH_P_ALL } from '../../../core/wire/ethernet.ts'
import { IPPROTO_UDP } from '../../../core/wire/ipproto.ts'
import * as udp from '../../../core/wire/udp.ts'
import { createPathHost } from '../../../sim/net/path-host.ts'
import { pseudo, udpFrame } from '../../../sim/net/packets.ts'

const link = { dst: '02:00:00:00:03:09', src: '02:00:00:00:00:03' }
const fields = { saddr: '10.0.3.1', daddr: '10.0.3.9' }
const frame = (n = 0): Uint8Array => udpFrame(link, fields, { sport: 1, dport: n })
const host = (options = {}) => {
  const path = createPathHost()
  path.addDevice(3, options)
  const send = (bytes = frame()): number =>
    path.first.xmit.devQueueXmit(path.first.frameSkb(bytes, 3))
  return { ...path, send }
}

describe('dev_queue_xmit', () => {
  test('sends and counts', () => {
    const path = host()
    expect(path.send()).toBe(0)
    expect(path.sent).toHaveLength(1)
    expect(path.stat(3, DevStat.tx_packets)).toBe(1)
    expect(path.stat(3, DevStat.tx_bytes)).toBe(frame().length)
    expect(path.isAllReturned()).toBe(true)
  })
  test('refuses on a device that is down', () => {
    const path = host()
    path.arena.i32[path.deviceRow(3) + DEV_FLAGS] = 0
    expect(path.send()).toBe(-Errno.ENETDOWN)
    expect(path.drops(Drop.DEV_READY)).toBe(1)
    expect(path.stat(3, DevStat.tx_dropped)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('completes a partial checksum for a device that cannot, and leaves it to one that can', () => {
    const path = host()
    const partial = (): void => {
      const { i32, u8 } = path.arena
      const skb = path.first.frameSkb(frame(), 3)
      const at = i32[skb + SKB_DATA]! + 34
      i32[skb + SKB_IP_SUMMED] = CHECKSUM_PARTIAL
      i32[skb + SKB_CSUM_START] = at
      i32[skb + SKB_CSUM_OFFSET] = udp.CHECKSUM
      udp.putChecksum(u8, at, pseudo(fields.saddr, fields.daddr, IPPROTO_UDP, 26))
      path.first.xmit.devQueueXmit(skb)
    }
    partial()
    expect([...path.sent[0]!.frame]).toEqual([...frame()])
    path.addDevice(3, { features: NETIF_F_HW_CSUM })
    partial()
    expect(path.sent[1]!.ipSummed).toBe(CHECKSUM_PARTIAL)
    expect(udp.checksum(path.sent[1]!.frame, 34)).toBe(
      pseudo(fields.saddr, fields.daddr, IPPROTO_UDP, 26)
    )
    expect(path.isAllReturned()).toBe(true)
  })
  test('drops a frame whose checksum it has no memory to complete', () => {
    // the device takes pieces, but sums nothing
    const path = host({ features: NETIF_F_FRAGLIST })
    const { skbs, consume } = path.first
    const { i32 } = path.arena
    const pieces = (): number => {
      const skb = path.first.frameSkb(frame(), 3)
      const piece = skbs.alloc(10, 0)
      skbs.put(piece, 10)
      skbs.addFrag(skb, 0, piece)
      i32[skb + SKB_IP_SUMMED] = CHECKSUM_PARTIAL
      i32[skb + SKB_CSUM_START] = i32[skb + SKB_DATA]! + 34
      i32[skb + SKB_CSUM_OFFSET] = udp.CHECKSUM
      return skb
    }
    const waiting = [pieces(), pieces()]
    const hoard: number[] = []
    for (let skb = skbs.alloc(1, 0); skb !== 0; skb = skbs.alloc(1, 0)) hoard.push(skb)
    expect(path.first.xmit.devQueueXmit(waiting[0]!)).toBe(-Errno.ENOBUFS)
    // and one that the link is to spoil
    path.arena.i32[path.deviceRow(3) + DEV_IMPAIRED] = 1
    path.arena.i32[path.deviceRow(3) + DEV_CORRUPT] = 1_000_000
    for (let k = 0; k < 2; k++) hoard.push(skbs.alloc(1, 0))
    path.first.xmit.devQueueXmit(waiting[1]!)
    expect(path.drops(Drop.NOMEM)).toBe(2)
    for (const skb of hoard) consume(skb)
    expect(path.sent).toHaveLength(0)
    expect(path.isAllReturned()).toBe(true)
  })
  test('keeps frames in order while the device is busy, up to its queue length', () => {
    const path = host()
    path.arena.i32[path.deviceRow(3) + DEV_TXQLEN] = 5
    path.wire.isBusy = true
    for (let n = 0; n < 7; n++) expect(path.send(frame(n))).toBe(n < 5 ? 0 : -Errno.ENOBUFS)
    expect(path.first.xmit.backlogLen()).toBe(5)
    expect(path.drops(Drop.QDISC_DROP)).toBe(2)
    expect(path.stat(3, DevStat.tx_busy)).toBe(1)
    path.settle()
    expect(path.sent).toHaveLength(0)
    path.wire.isBusy = false
    // the queue is full until the loop has drained it
    path.send(frame(9))
    path.settle()
    path.send(frame(10))
    expect(path.sent.map(({ frame }) => udp.dstPort(frame, 34))).toEqual([0, 1, 2, 3, 4, 10])
    expect(path.isAllReturned()).toBe(true)
  })
  test('what a driver had taken and gives back goes first, and is not counted as sent', () => {
    const path = host()
    const { xmit, frameSkb } = path.first
    path.wire.isBusy = true
    path.send(frame(9))
    const [a, b] = [frameSkb(frame(1), 3), frameSkb(frame(2), 3)]
    const before = path.stat(3, DevStat.tx_packets)
    xmit.requeue(b!)
    xmit.requeue(a!)
    expect(path.stat(3, DevStat.tx_packets)).toBe(before - 2)
    expect(xmit.backlogLen()).toBe(3)
    path.wire.isBusy = false
    path.settle()
    expect(path.sent.map(({ frame }) => udp.dstPort(frame, 34))).toEqual([1, 2, 9])
    expect(path.stat(3, DevStat.tx_packets)).toBe(before + 1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('drops what waits when the device goes down', () => {
    const path = host()
    path.wire.isBusy = true
    for (let n = 0; n < 3; n++) path.send()
    path.arena.i32[path.deviceRow(3) + DEV_FLAGS] = 0
    path.settle()
    expect(path.drops(Drop.DEV_READY)).toBe(3)
    expect(path.first.xmit.backlogLen()).toBe(0)
    expect(path.isAllReturned()).toBe(true)
  })
  test('gives a waiting clone bytes of its own', () => {
    const path = host()
    const { skbs } = path.first
    path.wire.isBusy = true
    const original = path.first.frameSkb(frame(), 3)
    path.first.xmit.devQueueXmit(skbs.clone(original))
    path.arena.u8[path.arena.i32[original + SKB_DATA]!] = 0xee
    path.wire.isBusy = false
    path.settle()
    expect([...path.sent[0]!.frame]).toEqual([...frame()])
    skbs.free(original)
    expect(path.isAllReturned()).toBe(true)
  })
  test('makes a frag list linear for a device that does not take one', () => {
    const path = host()
    const { skbs } = path.first
    const gathered = (): void => {
      const bytes = frame()
      const skb = path.first.frameSkb(bytes.subarray(0, 40), 3)
      const rest = path.first.frameSkb(bytes.subarray(40), 3)
      skbs.addFrag(skb, 0, rest)
      path.arena.i32[skb + SKB_DEV] = 3
      path.first.xmit.devQueueXmit(skb)
    }
    gathered()
    path.addDevice(3, { features: NETIF_F_FRAGLIST })
    gathered()
    for (const { frame: sent } of path.sent) expect([...sent]).toEqual([...frame()])
    expect(path.isAllReturned()).toBe(true)
  })
  test('shows what is sent to the taps as outgoing clones', () => {
    const path = host()
    const seen: number[] = []
    const off = path.first.ptype.devAddPack(ETH_P_ALL, (skb) => void seen.push(skb))
    path.send()
    off()
    path.send()
    expect(seen).toHaveLength(1)
    expect(path.arena.i32[seen[0]! + 23]).toBe(4)
    path.first.consume(seen[0]!)
    expect(path.isAllReturned()).toBe(true)
  })
})
