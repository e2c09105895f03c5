import { expect, test } from 'bun:test'
import * as fl from '../../../core/steering/flow-limit.ts'

const setUp = (buckets = 4096) =>
  fl.createFlowLimit({
    history: new Uint16Array(fl.FLOW_LIMIT_HISTORY),
    buckets: new Uint16Array(buckets),
  })
const HALF = fl.FLOW_LIMIT_HISTORY / 2

test('does nothing while the backlog is less than half full', () => {
  const { isOverLimit } = setUp()
  for (let i = 0; i < 1000; i++) expect(isOverLimit(1, 499, 1000)).toBe(false)
})

test('one heavy flow is cut once it makes up more than half of the recent packets', () => {
  const { isOverLimit } = setUp()
  for (let i = 0; i < HALF; i++) expect(isOverLimit(77, 500, 1000)).toBe(false)
  expect(isOverLimit(77, 500, 1000)).toBe(true)
  expect(isOverLimit(78, 500, 1000)).toBe(false)
})

test('small flows are never cut beside it', () => {
  const { isOverLimit } = setUp()
  let cut = 0
  for (let i = 0; i < 2000; i++) {
    if (isOverLimit(77, 900, 1000)) cut++
    if (i % 4 === 0) expect(isOverLimit(1000 + i, 900, 1000)).toBe(false)
  }
  expect(cut).toBeGreaterThan(1500)
})

test('many equal flows pass, and a heavy one is forgiven when it stops', () => {
  const { isOverLimit } = setUp()
  for (let i = 0; i < 300; i++) isOverLimit(77, 900, 1000)
  expect(isOverLimit(77, 900, 1000)).toBe(true)
  for (let i = 0; i < fl.FLOW_LIMIT_HISTORY; i++) {
    expect(isOverLimit(Math.imul(i + 2, 0x9e3779b1), 900, 1000)).toBe(false)
  }
  expect(isOverLimit(77, 900, 1000)).toBe(false)
})

test('the buckets never count more than the history holds', () => {
  const history = new Uint16Array(fl.FLOW_LIMIT_HISTORY)
  const buckets = new Uint16Array(64)
  const { isOverLimit } = fl.createFlowLimit({ history, buckets })
  for (let i = 0; i < 1000; i++) {
    isOverLimit(Math.imul(i % 90, 0x9e3779b1), 900, 1000)
    expect(buckets.reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(fl.FLOW_LIMIT_HISTORY)
  }
})
