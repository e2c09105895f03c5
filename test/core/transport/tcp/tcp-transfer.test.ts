import { describe, expect, test } from 'bun:test'
import {
  SK_EVENT_READ,
  SK_EVENT_WRITE,
  SK_STATE,
  TCP_ESTABLISHED,
} from '../../../../core/socket/sock.ts'
import { FAMILIES, NO_LEAKS } from '../../../support/tcp-host.ts'
import {
  createTcpPair,
  type PairOptions,
  startTransfer,
  type TcpPair,
} from '../../../support/tcp-pair.ts'

/** Bytes both ways over one connection, then both close; returns the virtual time it took. */
const exchange = (pair: TcpPair, there: number, back: number, limitMs: number): number => {
  const { client, server, listener } = pair.connect()
  const up = startTransfer(pair.a, client, pair.b, server, there)
  const down = startTransfer(pair.b, server, pair.a, client, back)
  pair.a.handlers.set(client, (events) => {
    if ((events & SK_EVENT_WRITE) !== 0) up.send()
    if ((events & SK_EVENT_READ) !== 0) down.receive()
  })
  pair.b.handlers.set(server, (events) => {
    if ((events & SK_EVENT_WRITE) !== 0) down.send()
    if ((events & SK_EVENT_READ) !== 0) up.receive()
  })
  const start = pair.nowMs()
  up.send()
  down.send()
  const finished = pair.run(limitMs, () => up.done() && down.done())
  expect({ finished, up: up.state, down: down.state }).toMatchObject({
    finished: true,
    up: { received: there, wrong: 0, error: 0 },
    down: { received: back, wrong: 0, error: 0 },
  })
  const took = pair.nowMs() - start
  pair.a.tcp.close(client)
  pair.b.tcp.close(server)
  pair.b.tcp.close(listener)
  pair.run(
    600_000,
    () => pair.a.slab.live() === 0 && pair.b.slab.live() === 0 && pair.inFlight() === 0
  )
  expect(pair.leaks()).toEqual([NO_LEAKS, NO_LEAKS])
  return took
}

describe.each(FAMILIES)('%s', (_name, family) => {
  test('connects, and both ends are established', () => {
    const pair = createTcpPair({ family })
    const { client, server, listener } = pair.connect()
    expect(pair.a.i32[client + SK_STATE]).toBe(TCP_ESTABLISHED)
    expect(pair.b.i32[server + SK_STATE]).toBe(TCP_ESTABLISHED)
    expect(pair.a.mib('TcpActiveOpens')).toBe(1)
    expect(pair.b.mib('TcpPassiveOpens')).toBe(1)
    expect([pair.a.mib('TcpCurrEstab'), pair.b.mib('TcpCurrEstab')]).toEqual([1, 1])
    pair.a.tcp.close(client)
    pair.run(100)
    pair.b.tcp.close(server)
    pair.b.tcp.close(listener)
    pair.run(70_000)
    expect(pair.leaks()).toEqual([NO_LEAKS, NO_LEAKS])
    expect([pair.a.mib('TcpCurrEstab'), pair.b.mib('TcpCurrEstab')]).toEqual([0, 0])
  })

  const clean: Partial<PairOptions>[] = [
    {},
    { segment: false },
    { a: { mtu: 9000 }, b: { mtu: 9000 } },
  ]
  test.each(clean)('carries 4 MB both ways over a clean wire: %j', (options) => {
    const took = exchange(createTcpPair({ family, ...options }), 4 << 20, 4 << 20, 60_000)
    expect(took).toBeLessThan(10_000)
  })
  test('fills the path: 10 MB at 10 ms round trip come in large frames', () => {
    const roomy = { config: { largeBuffers: 256, skbs: 4096 } }
    const pair = createTcpPair({ family, segment: false, a: roomy, b: roomy })
    const took = exchange(pair, 10 << 20, 0, 60_000)
    expect(took).toBeLessThan(3000)
    expect(pair.sentPackets()).toBeLessThan(1500)
  })
  const rough: [loss: number, reorder: number, duplicate: number, limitMs: number][] = [
    [0.001, 0, 0, 60_000],
    [0.01, 0, 0, 120_000],
    [0.05, 0, 0, 300_000],
    [0.1, 0, 0, 900_000],
    [0, 0.1, 0, 60_000],
    [0, 0, 0.1, 60_000],
    [0.02, 0.05, 0.05, 300_000],
  ]
  test.each(rough)(
    'survives loss %d, reordering %d, duplication %d',
    (loss, reorder, duplicate, limitMs) => {
      for (let seed = 1; seed <= 3; seed++)
        exchange(
          createTcpPair({ family, loss, reorder, duplicate, seed }),
          1 << 20,
          300_000,
          limitMs
        )
    }
  )
  test('survives loss of whole super-frames', () => {
    exchange(
      createTcpPair({ family, loss: 0.05, segment: false, seed: 5 }),
      4 << 20,
      100_000,
      300_000
    )
  })
  test('shares a narrow link with a short queue', () => {
    const pair = createTcpPair({ family, rate: 1.25, queueLimit: 40_000 })
    const took = exchange(pair, 2 << 20, 0, 120_000)
    // 10 Mbit/s: 1.7 s at best
    expect(took).toBeLessThan(4000)
  })
})
