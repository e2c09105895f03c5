// SYNs from addresses that are nobody's, as fast as one core can write them, and a client that connects again and again. For
// the inside of a namespace:
//   bun syn-flood.ts flood ROUTER_MAC PORT SECONDS   writes frames to eth0
//   bun syn-flood.ts visit URL TIMES                 new connections, so many at a time; how many were answered
// Each prints one line of JSON.

import { monotonicUs } from '../../../workers/os/clock.ts'
import { block, libc } from '../../../workers/os/libc.ts'
import { openPacket } from '../../../workers/os/packet.ts'
import * as tcp from '../../../core/wire/tcp.ts'
import { tcpFrame } from '../../../sim/net/packets.ts'

export type Flooded = { sent: number; seconds: number }
export type Served = { tried: number; answered: number; slowestMs: number; failures: string[] }

const ROUTER = '10.0.1.254'
const MY_MAC = '02:00:00:00:00:66'
const VNET_HDR = 10
/** Frames made beforehand. */
const FRAMES = 32768
/** Visits at once, and how long one may take. */
const AT_ONCE = 8
const PATIENCE_MS = 15_000

const flood = (routerMac: string, port: number, seconds: number): Flooded => {
  const { fd } = openPacket({ ifname: 'eth0' })
  const frameOf = (n: number): Uint8Array =>
    tcpFrame(
      { dst: routerMac, src: MY_MAC },
      { saddr: `198.${18 + (n & 1)}.${(n >> 9) & 255}.${(n >> 1) & 255}`, daddr: ROUTER },
      { sport: 1024 + (n % 60_000), dport: port, seq: Math.imul(n, 0x9e3779b1), flags: tcp.TCP_SYN }
    )
  const len = VNET_HDR + frameOf(0).length
  const frames = block(FRAMES * len)
  frames.bytes.fill(0)
  for (let n = 0; n < FRAMES; n++) frames.bytes.set(frameOf(n), n * len + VNET_HDR)
  const start = monotonicUs()
  const until = start + seconds * 1e6
  let sent = 0
  while (monotonicUs() < until)
    for (let k = 0; k < 64; k++)
      if (libc.write(fd, frames.at + ((sent + k) % FRAMES) * len, len) > 0) sent++
  return { sent, seconds: (monotonicUs() - start) / 1e6 }
}

const visit = async (url: string, times: number): Promise<Served> => {
  const result: Served = { tried: 0, answered: 0, slowestMs: 0, failures: [] }
  const one = async (): Promise<void> => {
    const begun = performance.now()
    try {
      const signal = AbortSignal.timeout(PATIENCE_MS)
      const response = await fetch(url, {
        signal,
        keepalive: false,
        headers: { connection: 'close' },
      })
      await response.text()
      if (response.ok) result.answered++
    } catch (error) {
      result.failures.push((error as Error).name)
    }
    result.slowestMs = Math.max(result.slowestMs, performance.now() - begun)
  }
  const many = async (): Promise<void> => {
    while (result.tried < times) {
      result.tried++
      await one()
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, many))
  return result
}

if (import.meta.main) {
  const [verb, first = '', second = '', seconds = ''] = process.argv.slice(2)
  const result =
    verb === 'flood'
      ? flood(first, Number(second), Number(seconds))
      : await visit(first, Number(second))
  console.log(JSON.stringify(result))
}
