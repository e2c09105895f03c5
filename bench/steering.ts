/**
 * Cost of steering one packet: flow dissector, Toeplitz hash and indirection table, warm, in ns per
 * packet, over 1,024 distinct frames in one pool. Run: bun bench/steering.ts
 */
import type { Bytes } from '../core/base/bytes.ts'
import { createFlowDissector } from '../core/steering/flow-dissect.ts'
import { createRssReader, RSS_WORDS } from '../core/steering/rss.ts'
import { createRssControl } from '../core/steering/rss-control.ts'
import * as ethernet from '../core/wire/ethernet.ts'
import { IPPROTO_TCP, IPPROTO_UDP } from '../core/wire/ipproto.ts'
import * as ipv4 from '../core/wire/ipv4.ts'
import * as ipv6 from '../core/wire/ipv6.ts'

const FRAMES = 1024
const SLOT = 2048
const ROUNDS = 400
const mem: Bytes = new Uint8Array(new SharedArrayBuffer(FRAMES * SLOT))

let seed = 1
const random = (): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) | 0
  return seed
}

const putIpv4 = (at: number): number => {
  ethernet.setType(mem, at, ethernet.ETH_P_IP)
  ipv4.init(mem, at + 14, random() & 1 ? IPPROTO_TCP : IPPROTO_UDP, random(), random(), 46, 64)
  return at + 34
}

const putIpv6 = (at: number): number => {
  ethernet.setType(mem, at, ethernet.ETH_P_IPV6)
  ipv6.init(mem, at + 14, random() & 1 ? IPPROTO_TCP : IPPROTO_UDP, 26, 64)
  ipv6.setSrc(mem, at + 14, random(), random(), random(), random())
  ipv6.setDst(mem, at + 14, random(), random(), random(), random())
  return at + 54
}

const fill = (isIpv6: (frame: number) => boolean): void => {
  for (let frame = 0; frame < FRAMES; frame++) {
    const ports = isIpv6(frame) ? putIpv6(frame * SLOT) : putIpv4(frame * SLOT)
    for (let i = 0; i < 4; i++) mem[ports + i] = random() >>> 24
  }
}

const state = new Int32Array(new SharedArrayBuffer(RSS_WORDS * 4))
createRssControl(state).init(
  4,
  Uint8Array.from({ length: 40 }, () => random() >>> 24)
)
const { dissect, keys } = createFlowDissector(mem)
const rss = createRssReader(state)
let sink = 0

const dissectOnly = (): void => {
  for (let frame = 0; frame < FRAMES; frame++) sink += dissect(frame * SLOT, 80)
}

const hashOnly = (): void => {
  for (let frame = 0; frame < FRAMES; frame++) sink ^= rss.hash(keys) + frame
}

const steer = (): void => {
  for (let frame = 0; frame < FRAMES; frame++) {
    dissect(frame * SLOT, 80)
    sink += rss.queueFor(rss.hash(keys))
  }
}

const measure = (batch: () => void): string => {
  for (let i = 0; i < ROUNDS; i++) batch()
  let best = Number.POSITIVE_INFINITY
  for (let sample = 0; sample < 5; sample++) {
    const start = performance.now()
    for (let i = 0; i < ROUNDS; i++) batch()
    best = Math.min(best, ((performance.now() - start) * 1e6) / (ROUNDS * FRAMES))
  }
  return best.toFixed(1).padStart(6)
}

console.log('ns per packet   dissect   hash   dissect + hash + queue')
for (const [name, isIpv6] of [
  ['ipv4', () => false],
  ['ipv6', () => true],
  ['mixed', (frame: number) => (frame & 1) === 1],
] as const) {
  fill(isIpv6)
  const parts = [measure(dissectOnly), measure(hashOnly), measure(steer)]
  console.log(`${name.padEnd(15)} ${parts.join('   ')}`)
}
if (sink === 0.5) console.log(sink)
