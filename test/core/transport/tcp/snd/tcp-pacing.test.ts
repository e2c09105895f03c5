// Pacing between two hosts under virtual time: how much arrives is what the socket's rate says, in super-frames of a millisecond,
// whatever the window; a socket that does not ask for it has no timer for it.

import { expect, test } from 'bun:test'
import { SO_MAX_PACING_RATE, SOL_SOCKET } from '../../../../../core/socket/socket-constants.ts'
import {
  PACING_NEEDED,
  TP_PACING,
  TP_TIMER_PACING,
  TP_WSTAMP_US,
} from '../../../../../core/transport/tcp/sock/tcp-sock.ts'
import { AF_INET } from '../../../../../core/base/family.ts'
import { SOCK_STREAM } from '../../../../../core/socket/sock.ts'
import { createTcpHosts } from '../../../../support/tcp-hosts.ts'

const BIG = { skbs: 8192, smallBuffers: 4096, largeBuffers: 512 }
const ANY = new Int32Array(4)

/** A connection from a to b whose receiver reads all; `received()` is how much. */
const start = (rate: number) => {
  const hosts = createTcpHosts({ delayMs: 5, a: { config: BIG }, b: { config: BIG } })
  const { a, b, until, step } = hosts
  const listener = b.sockets.socket(AF_INET, SOCK_STREAM, 0)
  b.sockets.bind(listener, ANY, 0, 80)
  b.sockets.listen(listener, 1)
  const sk = a.sockets.socket(AF_INET, SOCK_STREAM, 0)
  if (rate !== 0) expect(a.sockets.setsockopt(sk, SOL_SOCKET, SO_MAX_PACING_RATE, rate)).toBe(0)
  a.sockets.connect(sk, b.address, 0, 80)
  let child = 0
  until(() => (child = b.sockets.accept(listener)) > 0)
  const bytes = new Uint8Array(65536)
  let received = 0
  let most = 0
  const turn = (isWriting: boolean): void => {
    while (isWriting && a.sockets.sendBytes(sk, bytes, 0, bytes.length) > 0);
    step()
    let now = 0
    for (let n = 1; n > 0; ) {
      n = b.tcp.recvBytes(child, bytes, 0, bytes.length, 0)
      if (n > 0) now += n
    }
    received += now
    most = Math.max(most, now)
  }
  const run = (ms: number, isWriting = true): number => {
    const before = received
    most = 0
    for (let k = 0; k < ms; k++) turn(isWriting)
    return received - before
  }
  return { ...hosts, sk, run, most: () => most }
}

test.each([20_000, 100_000, 1_000_000, 20_000_000])(
  'SO_MAX_PACING_RATE %d: that much arrives in a second, and no burst of it',
  (rate) => {
    const { a, sk, run, most } = start(rate)
    run(1000)
    const got = run(2000) / 2
    expect(got / rate).toBeGreaterThan(0.97)
    expect(got / rate).toBeLessThan(1.03)
    // two super-frames of a millisecond, or of two segments
    expect(most()).toBeLessThanOrEqual(Math.max(2 * 1460, (rate / 1000) * 1.1) * 2)
    expect(a.i32[sk + TP_PACING]).toBe(PACING_NEEDED)
    a.tcp.abort(sk)
    expect(a.i32[sk + TP_TIMER_PACING]).toBe(0)
  }
)

test('a socket that asks for nothing is not paced', () => {
  const { a, sk, run } = start(0)
  expect(run(1000)).toBeGreaterThan(5_000_000)
  expect(a.i32[sk + TP_PACING]).toBe(0)
  expect(a.i32[sk + TP_TIMER_PACING]).toBe(0)
})

test('an idle hour leaves no debt, though microseconds have come round', () => {
  const { a, sk, run, step, now } = start(1_000_000)
  run(500)
  run(3000, false)
  // all is acknowledged, and half of the circle of microseconds lies behind
  a.i32[sk + TP_WSTAMP_US] = (now() + 0x7fff0000) | 0
  for (let k = 0; k < 70; k++) step(1_000_000)
  expect(run(1000)).toBeGreaterThan(900_000)
})
