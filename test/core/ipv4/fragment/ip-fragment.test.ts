import { Sysctl } from '../../../../core/shm/sysctl.ts'
import { computeBudget, Holder, TRUESIZE_SMALL } from '../../../../core/skb/budget.ts'
import { SMALL_ARENA } from '../../../../core/shm/layout.ts'
import { describe, expect, test } from 'bun:test'
import { Mib } from '../../../../core/shm/counters.ts'
import { RPS_MAP_OFFSET, RSS_WORDS } from '../../../../core/shm/layout.ts'
import { Drop } from '../../../../core/skb/drop.ts'
import { SKB_DATA, SKB_NETWORK, SKB_TAIL } from '../../../../core/skb/skb.ts'
import { RSS_INDIR_SIZE } from '../../../../core/steering/rss.ts'
import { createRssControl } from '../../../../core/steering/rss-control.ts'
import { NF_ACCEPT, NF_INET_LOCAL_IN } from '../../../../core/netfilter/nf-constants.ts'
import * as icmp from '../../../../core/wire/icmp.ts'
import { IPPROTO_ICMP } from '../../../../core/wire/ipproto.ts'
import * as ipv4 from '../../../../core/wire/ipv4.ts'
import { createRouter, type PathOptions, toRouter } from '../../../../sim/net/path-host.ts'
import { seeded } from '../../../support/random.ts'
import { icmpMessage, ipFrame } from '../../../../sim/net/packets.ts'

const fields = { saddr: '10.0.2.9', daddr: '10.0.2.1', protocol: IPPROTO_ICMP }
const router = (options: PathOptions = {}) => {
  const path = createRouter(options)
  path.setNeigh(2, '10.0.2.9', toRouter.src)
  return path
}
const data = Uint8Array.from({ length: 4000 }, (_, k) => k * 7)
const message = icmpMessage(icmp.ICMP_ECHO, 0, 0x00050006, data)
/** The fragment of `message` that starts at `from`. */
const piece = (from: number, len: number, id = 77, tos = 0): Uint8Array =>
  ipFrame(
    toRouter,
    { ...fields, id, tos, offset: from, flags: from + len < message.length ? ipv4.IP_MF : 0 },
    message.subarray(from, from + len)
  )
const pieces = (size: number, id = 77): Uint8Array[] => {
  const all: Uint8Array[] = []
  for (let from = 0; from < message.length; from += size)
    all.push(piece(from, Math.min(size, message.length - from), id))
  return all
}
/** The payload of the echo reply, which the host itself sends in fragments. */
const answered = (sent: { frame: Uint8Array }[]): number[] => {
  const bytes: number[] = []
  for (const { frame } of sent) {
    const at = ipv4.fragmentOffset(frame, 14)
    for (const [k, octet] of frame.subarray(34).entries()) bytes[at + k] = octet
  }
  return bytes.slice(8)
}

describe('reassembly', () => {
  test('puts fragments together in order', () => {
    const path = router()
    for (const frame of pieces(1480)) path.receive(frame, 2)
    expect(answered(path.sent)).toEqual([...data])
    expect(path.counter(Mib.IpReasmReqds)).toBe(3)
    expect(path.counter(Mib.IpReasmOKs)).toBe(1)
    expect(path.counter(Mib.IpInDelivers)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('puts them together in any order, duplicates and other datagrams between them', () => {
    const random = seeded(5)
    for (let round = 0; round < 20; round++) {
      const path = router()
      const frames = [...pieces(80, 1), ...pieces(160, 2)].map((frame) => ({
        frame,
        key: random(),
      }))
      const doubles = frames
        .filter((_, k) => k % 9 === 0)
        .map(({ frame }) => ({ frame, key: random() }))
      for (const { frame } of [...frames, ...doubles].sort((a, b) => a.key - b.key))
        path.receive(frame, 2)
      expect(path.counter(Mib.IpReasmOKs)).toBeGreaterThanOrEqual(2)
      path.advance(31_000)
      expect(path.first.fragmentsHeld()).toBe(0)
      expect(path.isAllReturned()).toBe(true)
    }
  })
  test('takes nothing more once more is held than ipfrag_high_thresh, nor anything where that is 0', () => {
    const path = router()
    path.setSysctl(Sysctl.ipfrag_high_thresh, 2 * TRUESIZE_SMALL)
    const [first, second, third] = [1, 2, 3].map((id) => pieces(1480, id))
    for (const frames of [first, second]) path.receive(frames![0]!, 2)
    // there is as much as there may be, and no more yet
    path.receive(third![0]!, 2)
    expect(path.first.fragmentsHeld()).toBe(3)
    for (const frame of first!.slice(1)) path.receive(frame, 2)
    expect(path.first.fragmentsHeld()).toBe(3)
    expect(path.counter(Mib.IpReasmFails)).toBe(2)
    expect(path.drops(Drop.NOMEM)).toBe(2)
    path.advance(31_000)
    path.setSysctl(Sysctl.ipfrag_high_thresh, 0)
    for (const frame of pieces(1480, 4)) path.receive(frame, 2)
    expect(path.first.fragmentsHeld()).toBe(0)
    // what is gone is held no more
    path.setSysctl(Sysctl.ipfrag_high_thresh, 1)
    for (const frame of pieces(3968, 5)) path.receive(frame, 2)
    expect(path.first.fragmentsHeld()).toBe(1)
    path.advance(31_000)
    expect(path.isAllReturned()).toBe(true)
  })
  test('begins a datagram anew when its host has sent too many others meanwhile (ipfrag_max_dist)', () => {
    const path = router()
    path.setSysctl(Sysctl.ipfrag_max_dist, 3)
    const [first, second, last] = pieces(1480, 9)
    const others = (count: number): void => {
      for (let k = 0; k < count; k++) path.receive(piece(0, 8, 100 + k), 2)
    }
    path.receive(first!, 2)
    others(2)
    path.receive(second!, 2)
    // the fourth that is not of it
    others(3)
    path.receive(last!, 2)
    expect(path.drops(Drop.FRAG_TOO_FAR)).toBe(2)
    expect(path.counter(Mib.IpReasmFails)).toBe(1)
    expect(path.sent).toEqual([])
    for (const frame of [first!, second!]) path.receive(frame, 2)
    expect(answered(path.sent)).toEqual([...data])
    path.advance(31_000)
    expect(path.isAllReturned()).toBe(true)
  })
  test('takes for a duplicate what is there already, in however many pieces', () => {
    const path = router()
    const [first, second, last] = pieces(1480)
    path.receive(first!, 2)
    path.receive(second!, 2)
    path.receive(piece(80, 2000), 2)
    expect(path.drops(Drop.DUP_FRAG)).toBe(1)
    expect(path.counter(Mib.IpReasmFails)).toBe(0)
    path.receive(last!, 2)
    expect(answered(path.sent)).toEqual([...data])
    // across a gap it is no duplicate
    const gap = router()
    gap.receive(first!, 2)
    gap.receive(last!, 2)
    gap.receive(piece(80, 3000), 2)
    expect(gap.counter(Mib.IpReasmFails)).toBe(1)
    for (const each of [path, gap]) expect(each.isAllReturned()).toBe(true)
  })
  test('drops the datagram whose fragments overlap', () => {
    const path = router()
    path.receive(piece(0, 1480), 2)
    path.receive(piece(1472, 1480), 2)
    expect(path.counter(Mib.IpReasmFails)).toBe(1)
    expect(path.drops(Drop.DUP_FRAG)).toBe(2)
    expect(path.first.fragmentsHeld()).toBe(0)
    expect(path.isAllReturned()).toBe(true)
  })
  test('drops it too when the one that comes late reaches into its successor', () => {
    const path = router()
    path.receive(piece(1480, 1480), 2)
    path.receive(piece(0, 1488), 2)
    expect(path.counter(Mib.IpReasmFails)).toBe(1)
    expect(path.first.fragmentsHeld()).toBe(0)
    expect(path.isAllReturned()).toBe(true)
  })
  test('drops the datagram with two ends', () => {
    const path = router()
    path.receive(piece(1480, message.length - 1480), 2)
    path.receive(ipFrame(toRouter, { ...fields, id: 77, offset: 800 }, new Uint8Array(80)), 2)
    expect(path.counter(Mib.IpReasmFails)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('drops what would be longer than any datagram (ping of death)', () => {
    const path = router()
    path.receive(ipFrame(toRouter, { ...fields, offset: 65528 }, new Uint8Array(100)), 2)
    expect(path.counter(Mib.IpReasmFails)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('gives up after 30 seconds and tells the sender, when it has the first fragment', () => {
    const path = router()
    path.receive(piece(0, 1480), 2)
    path.receive(piece(1480, 1480, 78), 2)
    path.advance(29_999)
    expect(path.first.fragmentsHeld()).toBe(2)
    path.advance(1)
    expect(path.first.fragmentsHeld()).toBe(0)
    expect(path.sent).toHaveLength(1)
    expect(icmp.type(path.sent[0]!.frame, 34)).toBe(icmp.ICMP_TIME_EXCEEDED)
    expect(icmp.code(path.sent[0]!.frame, 34)).toBe(icmp.ICMP_EXC_FRAGTIME)
    expect(path.counter(Mib.IpReasmTimeout)).toBe(2)
    expect(path.drops(Drop.FRAG_REASM_TIMEOUT)).toBe(2)
    expect(path.isAllReturned()).toBe(true)
  })
  test('keeps congestion marks, and refuses a mixture of capable and not', () => {
    const path = router()
    path.receive(piece(0, 2000, 5, 2), 2)
    path.receive(piece(2000, message.length - 2000, 5, 3), 2)
    expect(ipv4.tos(path.sent[0]!.frame, 14) & 3).toBe(3)
    path.receive(piece(0, 2000, 6, 0), 2)
    path.receive(piece(2000, message.length - 2000, 6, 2), 2)
    expect(path.counter(Mib.IpReasmOKs)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('is bounded: the oldest gives way', () => {
    const path = router()
    for (let id = 0; id < 600; id++) path.receive(piece(0, 80, id), 2)
    expect(path.first.fragmentsHeld()).toBe(computeBudget(SMALL_ARENA).bounds[Holder.reasm * 2]!)
    path.advance(31_000)
    expect(path.isAllReturned()).toBe(true)
  })
  test('gives the whole datagram to the worker that owns its flow', () => {
    const path = router({ config: { workers: 2 } })
    const { i32, u8, buffer, layout } = path.arena
    const state = new Int32Array(buffer, (layout.rss + 2 * RSS_WORDS) << 2, RPS_MAP_OFFSET)
    const rss = createRssControl(state)
    rss.init(2, new Uint8Array(40))
    rss.setIndirection(Array(RSS_INDIR_SIZE).fill(1))
    const frames: Uint8Array[] = []
    const { nf, skbs } = path.workers[1]!
    nf.register({
      hook: NF_INET_LOCAL_IN,
      priority: -1,
      fn: (skb) => {
        const head = i32[skb + SKB_DATA]! - i32[skb + SKB_NETWORK]!
        const flat = skbs.copy(skb, 0)
        const at = i32[flat + SKB_DATA]! - head
        frames.push(u8.slice(at, i32[flat + SKB_TAIL]))
        skbs.free(flat)
        return NF_ACCEPT
      },
    })
    for (const frame of pieces(1480)) path.receive(frame, 2)
    expect(frames).toHaveLength(1)
    expect(ipv4.isChecksumOk(frames[0]!, 0)).toBe(true)
    expect(ipv4.totalLength(frames[0]!, 0)).toBe(message.length + 20)
    expect([...frames[0]!.subarray(20)]).toEqual([...message])
    expect(path.isAllReturned()).toBe(true)
  })
})
