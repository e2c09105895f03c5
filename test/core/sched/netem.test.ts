import { describe, expect, test } from 'bun:test'
import {
  DEV_CORRUPT,
  DEV_DELAY,
  DEV_DUPLICATE,
  DEV_IMPAIRED,
  DEV_JITTER,
  DEV_LIMIT,
  DEV_LOSS,
  DEV_REORDER,
  DevStat,
  sumDeviceStat,
} from '../../../core/netdev/netdev.ts'
import { Drop } from '../../../core/skb/drop.ts'
import { isChecksumOk } from '../../../core/base/checksum.ts'
import {
  CHECKSUM_PARTIAL,
  SKB_CSUM_OFFSET,
  SKB_CSUM_START,
  SKB_DATA,
  SKB_IP_SUMMED,
} from '../../../core/skb/skb.ts'
import * as udp from '../../../core/wire/udp.ts'
import { createPathHost } from '../../../sim/net/path-host.ts'
import { pseudo, udpFrame } from '../../../sim/net/packets.ts'

const link = { dst: '02:00:00:00:03:09', src: '02:00:00:00:00:03' }
const fields = { saddr: '10.0.3.1', daddr: '10.0.3.9' }
const frame = (n: number): Uint8Array => udpFrame(link, fields, { sport: 1, dport: n })
/** A host whose device has these words of impairment. */
const impaired = (words: [word: number, value: number][], seed = 1) => {
  const path = createPathHost({ seed })
  path.addDevice(3)
  for (const [word, value] of [...words, [DEV_IMPAIRED, 1] as const])
    path.arena.i32[path.deviceRow(3) + word] = value
  const send = (n: number): number => path.first.xmit.devQueueXmit(path.first.frameSkb(frame(n), 3))
  const order = (): number[] => path.sent.map(({ frame: sent }) => udp.dstPort(sent, 34))
  return { ...path, send, order }
}
const numbers = (n: number): number[] => Array.from({ length: n }, (_, k) => k)

/** What netem has counted of device 3. */
const counted = ({ arena }: ReturnType<typeof impaired>): number[] =>
  (['packets', 'bytes', 'drops', 'qlen', 'backlog'] as const).map((name) =>
    sumDeviceStat(arena, 3, DevStat[`netem_${name}`])
  )

describe('netem', () => {
  test('counts what it has sent, lost and turned away, and what waits in it', () => {
    const lossy = impaired([[DEV_LOSS, 300_000]])
    for (let n = 0; n < 100; n++) lossy.send(n)
    const [sent, lost] = [lossy.sent.length, lossy.drops(Drop.LINK_IMPAIRED)]
    const len = frame(0).length
    expect(counted(lossy)).toEqual([sent, sent * len, lost, 0, 0])

    const late = impaired([
      [DEV_DELAY, 5000],
      [DEV_LIMIT, 3],
    ])
    for (let n = 0; n < 5; n++) late.send(n)
    expect(counted(late)).toEqual([0, 0, 2, 3, 3 * len])
    late.advance(6)
    expect(counted(late)).toEqual([3, 3 * len, 2, 0, 0])
    expect(late.isAllReturned()).toBe(true)

    const doubling = impaired([[DEV_DUPLICATE, 1_000_000]])
    doubling.send(7)
    expect(counted(doubling)).toEqual([2, 2 * len, 0, 0, 0])
  })
  test('loses about the given part, and counts it', () => {
    const path = impaired([[DEV_LOSS, 300_000]])
    for (let n = 0; n < 2000; n++) path.send(n)
    const lost = path.drops(Drop.LINK_IMPAIRED)
    expect(path.sent).toHaveLength(2000 - lost)
    expect(lost).toBeGreaterThan(500)
    expect(lost).toBeLessThan(700)
    expect(path.isAllReturned()).toBe(true)
  })
  test('does the same with the same seed', () => {
    const run = (seed: number): number[] => {
      const path = impaired(
        [
          [DEV_LOSS, 500_000],
          [DEV_JITTER, 3000],
          [DEV_DELAY, 5000],
        ],
        seed
      )
      for (let n = 0; n < 100; n++) path.send(n)
      path.advance(20)
      return path.order()
    }
    expect(run(4)).toEqual(run(4))
    expect(run(4)).not.toEqual(run(5))
  })
  test('doubles frames', () => {
    const path = impaired([[DEV_DUPLICATE, 1_000_000]])
    path.send(7)
    expect(path.order()).toEqual([7, 7])
    expect(path.isAllReturned()).toBe(true)
  })
  test('spoils one bit, of a copy when the bytes are shared', () => {
    const path = impaired([[DEV_CORRUPT, 1_000_000]])
    const original = path.first.frameSkb(frame(1), 3)
    path.first.xmit.devQueueXmit(path.first.skbs.clone(original))
    const bits = path.sent[0]!.frame.reduce((sum, octet, k) => {
      let differ = octet ^ frame(1)[k]!
      for (; differ !== 0; differ &= differ - 1) sum++
      return sum
    }, 0)
    expect(bits).toBe(1)
    path.first.skbs.free(original)
    expect(path.isAllReturned()).toBe(true)
  })
  test('spoils after the checksum was made, so that the receiver notices', () => {
    const path = impaired([[DEV_CORRUPT, 1_000_000]])
    const { i32, u8 } = path.arena
    const sum = pseudo(fields.saddr, fields.daddr, 17, 1408)
    for (let n = 0; n < 50; n++) {
      const skb = path.first.frameSkb(
        udpFrame(link, fields, { sport: 1, dport: 2 }, new Uint8Array(1400)),
        3
      )
      const at = i32[skb + SKB_DATA]! + 34
      i32[skb + SKB_IP_SUMMED] = CHECKSUM_PARTIAL
      i32[skb + SKB_CSUM_START] = at
      i32[skb + SKB_CSUM_OFFSET] = udp.CHECKSUM
      udp.putChecksum(u8, at, sum)
      path.first.xmit.devQueueXmit(skb)
    }
    expect(path.sent.every(({ ipSummed }) => ipSummed === 0)).toBe(true)
    // the others were hit before the datagram
    expect(
      path.sent.filter(({ frame: sent }) => !isChecksumOk(sent, 34, 1408, sum)).length
    ).toBeGreaterThan(40)
    expect(path.isAllReturned()).toBe(true)
  })
  test('delays, in order, to the microsecond when the loop runs', () => {
    const path = impaired([[DEV_DELAY, 2500]])
    for (const n of numbers(5)) path.send(n)
    path.advanceUs(2499)
    expect(path.sent).toHaveLength(0)
    path.advanceUs(1)
    expect(path.order()).toEqual(numbers(5))
    expect(path.isAllReturned()).toBe(true)
  })
  test('a timer sends what is due when nothing else happens', () => {
    const path = impaired([[DEV_DELAY, 10_000]])
    path.send(1)
    path.advance(9)
    expect(path.sent).toHaveLength(0)
    path.advance(1)
    expect(path.sent).toHaveLength(1)
  })
  test('jitter puts frames out of order but loses none', () => {
    const path = impaired([
      [DEV_DELAY, 10_000],
      [DEV_JITTER, 9000],
    ])
    for (const n of numbers(200)) path.send(n)
    path.advance(25)
    expect(path.order()).not.toEqual(numbers(200))
    expect(path.order().sort((a, b) => a - b)).toEqual(numbers(200))
    expect(path.isAllReturned()).toBe(true)
  })
  test('a reordered frame overtakes those that are delayed', () => {
    const path = impaired([[DEV_DELAY, 10_000]])
    for (const n of numbers(3)) path.send(n)
    path.arena.i32[path.deviceRow(3) + DEV_REORDER] = 1_000_000
    path.send(9)
    path.settle()
    expect(path.order()).toEqual([9])
    path.advance(11)
    expect(path.order()).toEqual([9, 0, 1, 2])
  })
  test('holds so many frames and no more', () => {
    const path = impaired([
      [DEV_DELAY, 10_000],
      [DEV_LIMIT, 4],
    ])
    for (const n of numbers(6)) path.send(n)
    expect(path.drops(Drop.QDISC_DROP)).toBe(2)
    path.advance(11)
    expect(path.order()).toEqual(numbers(4))
    expect(path.isAllReturned()).toBe(true)
  })
})
