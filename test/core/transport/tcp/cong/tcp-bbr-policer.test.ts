// BBR's long-term sampling over a row of numbers: rounds of a path whose token bucket lets a burst through, and then its rate.

import { expect, test } from 'bun:test'
import { createBbrPolicer } from '../../../../../core/transport/tcp/cong/tcp-bbr-policer.ts'
import {
  bandwidth,
  BW_UNIT,
  LT_USE_BW,
  hasFlag,
  MODE,
  PROBE_BW,
  ROUND_START,
  setFlag,
} from '../../../../../core/transport/tcp/cong/tcp-bbr-words.ts'
import {
  TP_DELIVERED,
  TP_DELIVERED_US,
  TP_LOST,
  TP_MSS_CACHE,
} from '../../../../../core/transport/tcp/sock/tcp-sock.ts'

const start = () => {
  const i32 = new Int32Array(512)
  let resumed = 0
  const policer = createBbrPolicer(i32, () => resumed++)
  i32[TP_MSS_CACHE] = 1000
  i32[MODE] = PROBE_BW
  policer.resetSampling(0)
  /** A round of 10 ms: segments delivered and lost. */
  const round = (delivered: number, lost: number, isAppLimited = false): void => {
    i32[TP_DELIVERED]! += delivered
    i32[TP_LOST]! += lost
    i32[TP_DELIVERED_US]! += 10_000
    setFlag(i32, 0, ROUND_START, true)
    policer.sample(0, lost, isAppLimited)
  }
  return { i32, round, resumed: () => resumed, isPoliced: () => hasFlag(i32, 0, LT_USE_BW) }
}

test('two intervals with a fifth lost and the same rate are a policer; its rate stands for 48 rounds', () => {
  const { i32, round, isPoliced, resumed } = start()
  round(300, 0)
  round(100, 50)
  for (let k = 0; k < 3; k++) round(100, 30)
  expect(isPoliced()).toBe(false)
  for (let k = 0; k < 4; k++) round(104, 30)
  expect(isPoliced()).toBe(true)
  // 102 segments in 10 ms
  expect((bandwidth(i32, 0) / BW_UNIT) * 10_000).toBeCloseTo(102, 0)
  for (let k = 0; k < 47; k++) round(102, 0)
  expect(isPoliced()).toBe(true)
  round(102, 0)
  expect(isPoliced()).toBe(false)
  expect(resumed()).toBe(1)
})

test.each([
  ['a twentieth lost', [100, 5], [100, 5], false],
  ['rates a third apart', [100, 30], [135, 40], false],
  ['an application that had no more', [100, 30], [100, 30], true],
] as const)('%s is none', (_what, first, second, isAppLimited) => {
  const { round, isPoliced } = start()
  round(100, 50)
  for (let k = 0; k < 3; k++) round(first[0], first[1], isAppLimited)
  for (let n = 0; n < 4; n++) {
    for (let k = 0; k < 4; k++) round(second[0], second[1], isAppLimited)
    for (let k = 0; k < 4; k++) round(first[0], first[1], isAppLimited)
  }
  expect(isPoliced()).toBe(false)
})
