import { expect, test } from 'bun:test'
import {
  rttEstimator,
  setRto,
  updateMinRtt,
} from '../../../../../core/transport/tcp/ack/tcp-rtt.ts'
import {
  TP_MIN_RTT_US,
  TP_RTO,
  TP_SND_NXT,
  TP_SND_UNA,
  TP_SRTT_US,
} from '../../../../../core/transport/tcp/sock/tcp-sock.ts'

const rows = () => new Int32Array(512)
/** A sample; each is a round trip of its own. */
const sample = (i32: Int32Array, us: number): number => {
  rttEstimator(i32, 0, us)
  i32[TP_SND_UNA]! += 1000
  i32[TP_SND_NXT]! += 1000
  setRto(i32, 0)
  return i32[TP_RTO]!
}

test('the first sample makes an RTO of three times itself, with 200 ms for the deviation at least', () => {
  expect(sample(rows(), 1_000_000)).toBe(3000)
  expect(sample(rows(), 10_000)).toBe(210)
  expect(sample(rows(), 0)).toBe(201)
})

test('a steady round trip ends at itself and 200 ms', () => {
  const i32 = rows()
  let rto = 0
  for (let n = 0; n < 100; n++) rto = sample(i32, 500_000)
  expect(Math.abs(rto - 700)).toBeLessThanOrEqual(1)
  expect(i32[TP_SRTT_US]! >> 3).toBe(500_000)
})

test('a jump widens the timeout at once, and it falls slowly', () => {
  const i32 = rows()
  for (let n = 0; n < 50; n++) sample(i32, 100_000)
  const steady = i32[TP_RTO]!
  const jumped = sample(i32, 1_000_000)
  expect(jumped).toBeGreaterThan(steady + 200)
  const next = sample(i32, 100_000)
  expect(next).toBeGreaterThan(steady)
  for (let n = 0; n < 100; n++) sample(i32, 100_000)
  expect(i32[TP_RTO]).toBeLessThanOrEqual(steady + 2)
})

test('the timeout is at most two minutes', () => {
  expect(sample(rows(), 60_000_000)).toBe(120_000)
})

test('echoes of times long past leave the timeout within its bounds', () => {
  for (const us of [2_147_000_000, 1_048_000_000, 300_000_000]) {
    const i32 = rows()
    for (let n = 0; n < 10; n++) expect(sample(i32, us)).toBe(120_000)
    for (let n = 0; n < 200; n++) expect(sample(i32, n % 2 === 0 ? us : 0)).toBe(120_000)
    for (let n = 0; n < 200; n++) sample(i32, 100_000)
    expect(i32[TP_RTO]).toBeLessThan(1000)
  }
})

test('the least sample is kept', () => {
  const i32 = rows()
  for (const us of [500, 300, 900]) updateMinRtt(i32, 0, us)
  expect(i32[TP_MIN_RTT_US]).toBe(300)
})
