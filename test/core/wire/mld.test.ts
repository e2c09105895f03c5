import { expect, test } from 'bun:test'
import * as mld from '../../../core/wire/mld.ts'

test('codes of time are exact below 32768, and after that the largest that is no more', () => {
  for (let value = 0; value < 32768; value += 13) {
    expect(mld.encodeTime(value)).toBe(value)
    expect(mld.decodeTime(value)).toBe(value)
  }
  for (const [code, value] of [
    [0x8000, 32768],
    [0x8fff, 65528],
    [0x9000, 65536],
    [0xffff, 8387584],
  ] as const) {
    expect(mld.decodeTime(code)).toBe(value)
    expect(mld.encodeTime(value)).toBe(code)
  }
  for (let value = 32768; value < 9_000_000; value += 997) {
    const code = mld.encodeTime(value)
    expect(mld.decodeTime(code)).toBeLessThanOrEqual(value)
    if (code < 0xffff) expect(mld.decodeTime(code + 1)).toBeGreaterThan(value)
  }
})
test('a query and a report say what was put into them', () => {
  const mem = new Uint8Array(64)
  const group = [0xff050000 | 0, 1, 2, 3] as const
  mld.init(mem, 3, mld.MLD_QUERY, 1000, [...group])
  mld.setQuery(mem, 3, true, 5, 125, 2)
  expect([mld.type(mem, 3), mld.response(mem, 3), mld.group(mem, 3)]).toEqual([
    130,
    1000,
    [...group],
  ])
  expect([
    mld.suppress(mem, 3),
    mld.qrv(mem, 3),
    mld.qqic(mem, 3),
    mld.querySources(mem, 3),
  ]).toEqual([true, 5, 125, 2])
  mld.initReport(mem, 3, 7)
  mld.setRecord(mem, 11, 4, 3, [...group])
  expect([mld.type(mem, 3), mld.records(mem, 3)]).toEqual([143, 7])
  expect([mld.type(mem, 11), mld.recordSources(mem, 11), mld.recordAux(mem, 11)]).toEqual([4, 3, 0])
  expect(mld.recordGroup(mem, 11)).toEqual([...group])
  expect([130, 131, 132, 143, 128, 133, 136].map(mld.isMld)).toEqual([
    true,
    true,
    true,
    true,
    false,
    false,
    false,
  ])
})
