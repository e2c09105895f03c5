// CUBIC alone, over a row of numbers: what the window is after so many round trips.

import { expect, test } from 'bun:test'
import { createTime, setTime } from '../../../../../core/base/time.ts'
import { cubic } from '../../../../../core/transport/tcp/cong/tcp-cubic.ts'
import {
  TP_IS_CWND_LIMITED,
  TP_SND_CWND,
  TP_SND_NXT,
  TP_SND_SSTHRESH,
  TP_SND_UNA,
} from '../../../../../core/transport/tcp/sock/tcp-sock.ts'
import { TCP_INFINITE_SSTHRESH } from '../../../../../core/transport/tcp/sock/tcp-constants.ts'

/** A path whose acknowledgements come evenly over each round trip. */
const path = (rttMs: number, cwnd: number) => {
  const i32 = new Int32Array(512)
  const time = createTime()
  let nowUs = 1_000_000_000
  setTime(time, nowUs)
  const ops = cubic.create({ i32, time, sysctl: 0, random: () => 0 })
  i32[TP_IS_CWND_LIMITED] = 1
  i32[TP_SND_CWND] = cwnd
  i32[TP_SND_SSTHRESH] = TCP_INFINITE_SSTHRESH
  ops.init?.(0)
  /** Acknowledges a window, segment by segment; `lateMs` later than the path takes. */
  const round = (lateMs = 0): void => {
    const window = i32[TP_SND_CWND]!
    i32[TP_SND_NXT]! += window
    for (let n = 0; n < window; n++) {
      nowUs += (rttMs * 1000) / window
      setTime(time, nowUs)
      i32[TP_SND_UNA]!++
      ops.pktsAcked?.(0, 1, (rttMs + lateMs) * 1000, window)
      ops.congAvoid(0, i32[TP_SND_UNA]!, 1)
    }
  }
  const lose = (): void => {
    i32[TP_SND_SSTHRESH] = ops.ssthresh(0)
    i32[TP_SND_CWND] = i32[TP_SND_SSTHRESH]!
  }
  return { i32, round, lose, window: () => i32[TP_SND_CWND]! }
}

test('a loss takes three tenths of the window, and of a flow that was on its way up more of what it strives for', () => {
  const { lose, window } = path(100, 100)
  lose()
  expect(window()).toBe(70)
  lose()
  expect(window()).toBe(49)
})

test('the window is where it was after K, flat there, and grows faster from there on (RFC 9438 section 4.2)', () => {
  const { round, lose, window } = path(100, 400)
  lose()
  expect(window()).toBe(280)
  // K = cbrt(400 x 0.3 / 0.4) = 6.7 s
  for (let k = 0; k < 67; k++) round()
  expect(window()).toBeGreaterThan(390)
  expect(window()).toBeLessThan(402)
  for (let k = 0; k < 20; k++) round()
  expect(window()).toBeLessThan(408)
  for (let k = 0; k < 47; k++) round()
  expect(window()).toBeGreaterThan(500)
})

test('where round trips are short it is no slower than Reno (section 4.3), however often something is lost', () => {
  const { round, lose, window } = path(1, 20)
  let sum = 0
  for (let k = 0; k < 100; k++) {
    lose()
    for (let n = 0; n < 10; n++) round()
    sum += window()
  }
  // 0.53 a round trip until it is where it was: 0.3 W = 0.53 x 10
  expect(sum / 100).toBeGreaterThan(14)
})

test('slow start ends when the round trips of a round are longer than those before (HyStart)', () => {
  const { i32, round, window } = path(100, 16)
  round()
  const before = window()
  expect(i32[TP_SND_SSTHRESH]).toBe(TCP_INFINITE_SSTHRESH)
  round(40)
  expect(i32[TP_SND_SSTHRESH]!).toBeLessThan(2 * before)
})

test('a window that was not filled does not grow', () => {
  const { i32, round, lose, window } = path(10, 50)
  lose()
  i32[TP_IS_CWND_LIMITED] = 0
  for (let k = 0; k < 100; k++) round()
  expect(window()).toBe(35)
})
