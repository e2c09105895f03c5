// What several end to end tests ask of a daemon: that nothing leaked, and numbered datagrams from a to b.

import { expect } from 'bun:test'
import type { SkbItem } from '../../../core/control/text/messages.ts'
import { runIn, startIn, untilBound } from './commands.ts'
import type { Daemon } from './daemon.ts'
import type { Topology } from './topology.ts'
import { B, ROUTER_A } from './topology.ts'
import type { Received } from './udp-flows.ts'

const TOOL = `${import.meta.dir}/udp-flows.ts`
const SETTLE_MS = 8_000

/** Free skbs and buffers of all threads together: what a thread frees for another is home again. */
export const freeBuffers = async (daemon: Daemon) => {
  const sum = { skbs: 0, small: 0, large: 0 }
  for (const item of await daemon.list<SkbItem>('/v1/skbs')) {
    sum.skbs += item.skbs_free
    sum.small += item.small_free
    sum.large += item.large_free
  }
  return sum
}

const CONNECTIONS = 12

/**
 * Lets each worker meet the services once: what they take at their first connection they keep. What is free then is
 * what must be free again.
 */
export const warmUp = async ({ a, daemon }: Topology) => {
  const once = `echo x | socat -t 5 - TCP4:${ROUTER_A}:7; curl -sS -o /dev/null http://${ROUTER_A}/`
  const { status, err } = await runIn(a, [
    'sh',
    '-ec',
    `ping -c 2 -i 0.05 ${B}; for i in $(seq ${CONNECTIONS}); do ${once}; done`,
  ])
  if (status !== 0) throw new Error(`the first connections ended with ${status}: ${err}`)
  return freeBuffers(daemon)
}

/** Waits, within bounds, until as much is free as was before. (More may be: a timer held a packet then.) */
export const expectNothingLeaked = async (
  daemon: Daemon,
  before: Awaited<ReturnType<typeof freeBuffers>>
): Promise<void> => {
  const deadline = performance.now() + SETTLE_MS
  for (;;) {
    const now = await freeBuffers(daemon)
    const missing = {
      skbs: Math.max(0, before.skbs - now.skbs),
      small: Math.max(0, before.small - now.small),
      large: Math.max(0, before.large - now.large),
    }
    const isHome = missing.skbs + missing.small + missing.large === 0
    if (isHome || performance.now() > deadline) {
      expect(missing).toEqual({ skbs: 0, small: 0, large: 0 })
      return
    }
    await Bun.sleep(50)
  }
}

export type Sending = {
  address: string
  port: number
  firstPort: number
  flows: number
  packets: number
  rate: number
}

/** Numbered datagrams from a to b, `during` meanwhile; what arrived. */
export const numbered = async (
  { a, b }: Topology,
  { address, port, firstPort, flows, packets, rate }: Sending,
  during: () => Promise<unknown> = async () => {}
): Promise<Received> => {
  const limitMs = 30_000 + (flows * packets * 1000) / rate
  const args = [address, port, firstPort, flows, packets, rate].map(String)
  const expected = `${flows * packets}`
  const bun = process.execPath
  const receiver = startIn(b, [bun, TOOL, 'receive', `${port}`, expected], { limitMs })
  try {
    await untilBound(b, 'udp', port)
    const sender = startIn(a, [bun, TOOL, 'send', ...args], { limitMs })
    await during()
    const sent = await sender.result
    if (sent.status !== 0) throw new Error(`the sender ended with ${sent.status}: ${sent.err}`)
    const { status, out, err } = await receiver.result
    if (status !== 0) throw new Error(`the receiver ended with ${status}: ${err}`)
    return JSON.parse(out) as Received
  } finally {
    await receiver.end()
  }
}
