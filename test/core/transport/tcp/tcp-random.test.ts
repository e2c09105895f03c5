// Connections under conditions drawn from a seed: wires that lose, repeat, reorder and queue, small pools, options
// left out, ends that close or abort when they like. Whatever happens, the streams are intact as far as they got,
// every transfer ends or fails within a bound, and nothing is left behind. A failing seed replays exactly.

import { AF_INET, AF_INET6 } from '../../../../core/base/family.ts'
import { expect, test } from 'bun:test'
import {
  SK_EVENT_CONNECT,
  SK_EVENT_ERROR,
  SK_EVENT_READ,
  SK_EVENT_WRITE,
} from '../../../../core/socket/sock.ts'
import { TCP_NODELAY } from '../../../../core/socket/socket-constants.ts'
import { IPPROTO_TCP } from '../../../../core/wire/ipproto.ts'
import { NO_LEAKS, type TcpHost } from '../../../support/tcp-host.ts'
import { seeded } from '../../../support/random.ts'
import { createTcpPair, startTransfer } from '../../../support/tcp-pair.ts'

const SEEDS = Number(process.env['TCP_SEEDS'] ?? 150)
const FIRST = Number(process.env['TCP_SEED'] ?? 1)

type Transfer = ReturnType<typeof startTransfer>

const draw = (seed: number) => {
  const random = seeded(seed * 7 + 3)
  const pick = <T>(values: T[]): T => values[(random() >>> 0) % values.length]!
  const small = pick([false, false, true])
  const config = small ? { skbs: 256, smallBuffers: 256, largeBuffers: 8 } : {}
  const fails = pick([0, 0, 0, 0.02])
  const host = () => ({
    mtu: pick([1500, 1500, 1280, 9000, 576]),
    gsoMax: pick([65535, 65535, 0, 16384]),
    config,
    sendError: () => (fails > 0 && (random() >>> 0) / 0x100000000 < fails ? -105 : 0),
  })
  return {
    pair: {
      family: pick([AF_INET, AF_INET6]),
      seed,
      segment: pick([true, true, false]),
      loss: pick([0, 0, 0.01, 0.05, 0.1]),
      reorder: pick([0, 0, 0.05, 0.3]),
      duplicate: pick([0, 0, 0.05, 0.3]),
      delayUs: pick([50, 5000, 100_000]),
      rate: pick([0, 0, 1, 20]),
      queueLimit: pick([3000, 40_000, 9_000_000]),
      a: host(),
      b: host(),
    },
    sysctls: pick<[string, number][]>([
      [],
      [],
      [['tcp_sack', 0]],
      [['tcp_timestamps', 0]],
      [['tcp_window_scaling', 0]],
      [
        ['tcp_sack', 0],
        ['tcp_timestamps', 0],
      ],
      [
        ['tcp_rmem_default', 4096],
        ['tcp_rmem_max', 20_000],
      ],
    ]),
    there: pick([0, 1, 100, 5000, 100_000, 600_000]),
    back: pick([0, 1, 100, 5000, 100_000]),
    chunk: pick([65536, 65536, 1000, 7777]),
    nodelay: pick([false, true]),
    /** Virtual ms after which an end goes away. */
    leaves: pick([0, 0, 0, 30, 500, 5000]),
    how: pick(['close', 'abort']),
    who: pick(['a', 'b']),
  }
}

const play = (seed: number): void => {
  const plan = draw(seed)
  const pair = createTcpPair(plan.pair)
  for (const host of [pair.a, pair.b])
    for (const [name, value] of plan.sysctls) host.setSysctl(name as 'tcp_sack', value)
  let server = 0
  let failed = false
  const listener = pair.b.serve(80, (child) => {
    server = child
    begin()
  })
  const client = pair.a.dial(pair.b.address, 80)
  const streams: { up?: Transfer; down?: Transfer } = {}
  const handler = (host: TcpHost, sk: number, send: () => void, receive: () => void) => {
    if (plan.nodelay) host.sockets.setsockopt(sk, IPPROTO_TCP, TCP_NODELAY, 1)
    host.handlers.set(sk, (events) => {
      if ((events & SK_EVENT_ERROR) !== 0) failed = true
      if ((events & (SK_EVENT_WRITE | SK_EVENT_CONNECT)) !== 0) send()
      if ((events & SK_EVENT_READ) !== 0) receive()
    })
    send()
    receive()
  }
  function begin(): void {
    const up = startTransfer(pair.a, client, pair.b, server, plan.there, plan.chunk)
    const down = startTransfer(pair.b, server, pair.a, client, plan.back, plan.chunk)
    streams.up = up
    streams.down = down
    handler(pair.a, client, up.send, down.receive)
    handler(pair.b, server, down.send, up.receive)
  }
  pair.a.handlers.set(client, (events) => {
    if ((events & SK_EVENT_ERROR) !== 0) failed = true
  })
  const done = (): boolean =>
    failed || (streams.up?.done() === true && streams.down?.done() === true)
  const limit = plan.leaves !== 0 ? plan.leaves : 3_000_000
  const ended = pair.run(limit, done)
  const what = JSON.stringify({ seed, plan, up: streams.up?.state, down: streams.down?.state })
  if (plan.leaves === 0 && !ended) throw new Error(`did not end: ${what}`)
  expect([streams.up?.state.wrong ?? 0, streams.down?.state.wrong ?? 0]).toEqual([0, 0])
  pair.a.handlers.clear()
  pair.b.handlers.clear()
  const leave = (host: TcpHost, sk: number, how: string): void => {
    if (sk === 0) return
    if (how === 'abort') host.tcp.abort(sk)
    host.tcp.close(sk)
  }
  leave(pair.a, client, plan.who === 'a' ? plan.how : 'close')
  leave(pair.b, server, plan.who === 'b' ? plan.how : 'close')
  pair.b.tcp.close(listener)
  pair.run(
    3_000_000,
    () => pair.a.slab.live() === 0 && pair.b.slab.live() === 0 && pair.inFlight() === 0
  )
  if (!Bun.deepEquals(pair.leaks(), [NO_LEAKS, NO_LEAKS]))
    throw new Error(`leak: ${JSON.stringify(pair.leaks())} ${what}`)
  for (const host of [pair.a, pair.b])
    if (host.mib('TcpCurrEstab') !== 0 || host.tcp.orphans() !== 0 || host.tcp.timeWaits() !== 0)
      throw new Error(
        `counts: ${host.mib('TcpCurrEstab')} ${host.tcp.orphans()} ${host.tcp.timeWaits()} ${what}`
      )
}

test(`${SEEDS} seeds from ${FIRST}`, () => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) play(seed)
})
