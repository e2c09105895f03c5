// Received super-frames of a few segments, as receive offload makes them: each comes in a large buffer and fills it badly.

import { AF_INET } from '../../../../../core/base/family.ts'
import { describe, expect, test } from 'bun:test'
import { Holder } from '../../../../../core/skb/budget.ts'
import {
  SK_EVENT_READ,
  SK_EVENT_WRITE,
  SK_RCVBUF,
  SK_RMEM,
} from '../../../../../core/socket/sock.ts'
import { TP_DATA_SEGS_IN, TP_RCV_WND } from '../../../../../core/transport/tcp/sock/tcp-sock.ts'
import { createTcpPair, startTransfer } from '../../../../support/tcp-pair.ts'

const MSS = 1448

/** A sends B `total` in super-frames of at most `segments` segments; B takes in at every `every`th of them. */
const transfer = (segments: number, total: number, every: number) => {
  const roomy = { config: { largeBuffers: 512, skbs: 8192, smallBuffers: 4096 } }
  const gsoMax = 100 + segments * MSS
  const pair = createTcpPair({
    family: AF_INET,
    segment: false,
    a: { ...roomy, gsoMax },
    b: roomy,
  })
  const { client, server } = pair.connect()
  const up = startTransfer(pair.a, client, pair.b, server, total)
  pair.a.handlers.set(client, (events) => {
    if ((events & SK_EVENT_WRITE) !== 0) up.send()
  })
  let heard = 0
  pair.b.handlers.set(server, (events) => {
    if ((events & SK_EVENT_READ) !== 0 && every !== 0 && ++heard % every === 0) up.receive()
  })
  up.send()
  return { pair, server, up }
}

describe.each([2, 3, 10, 20])('super-frames of %d segments', (segments) => {
  test('that nobody reads fill the window that was offered, and no more memory than there is', () => {
    const { pair, server, up } = transfer(segments, 1 << 20, 0)
    pair.run(3000)
    const { i32, skbs, mib } = pair.b
    expect(i32[server + TP_RCV_WND]).toBe(0)
    expect(i32[server + SK_RMEM]!).toBeLessThan(1.25 * i32[server + SK_RCVBUF]!)
    expect(pair.b.tcp.readable(server)).toBeGreaterThan(i32[server + SK_RCVBUF]! / 2 - 32_768)
    expect(skbs.budget.largeHeld(Holder.tcp_rcv)).toBeLessThanOrEqual(2)
    expect([
      mib('TcpExtTCPRcvQDrop'),
      mib('TcpExtPruneCalled'),
      // the acknowledgement of the last waits for a reader: its sender probes whether it was lost
      pair.a.mib('TcpExtTCPFastRetrans') + pair.a.mib('TcpExtTCPTimeouts'),
    ]).toEqual([0, 0, 0])
    up.receive()
    pair.b.handlers.set(server, () => up.receive())
    expect(pair.run(5000, up.done)).toBe(true)
    expect(up.state).toMatchObject({ wrong: 0, error: 0 })
    expect(i32[server + TP_DATA_SEGS_IN]).toBeGreaterThanOrEqual(Math.floor((1 << 20) / MSS))
  })
})

test('the window opens as fast for them as for full ones', () => {
  const took = [15, 44].map((segments) => {
    const { pair, up } = transfer(segments, 16 << 20, 1)
    const start = pair.nowMs()
    expect(pair.run(5000, up.done)).toBe(true)
    return pair.nowMs() - start
  })
  expect(took[0]!).toBeLessThan(1.4 * took[1]!)
})

test('while there is room they are not copied together', () => {
  const { pair, up } = transfer(10, 24 << 20, 4)
  expect(pair.run(5000, () => up.state.received > 16 << 20)).toBe(true)
  const before = pair.b.mib('TcpExtTCPRcvCoalesce')
  expect(pair.run(5000, () => up.state.received > 23 << 20)).toBe(true)
  expect(pair.b.mib('TcpExtTCPRcvCoalesce')).toBe(before)
  expect(up.state.wrong).toBe(0)
})
