import { expect, test } from 'bun:test'
import * as igmp from '../../../core/wire/igmp.ts'

test('codes of time are exact below 128, and after that the largest that is no more', () => {
  for (let value = 0; value < 128; value++) {
    expect(igmp.encodeTime(value)).toBe(value)
    expect(igmp.decodeTime(value)).toBe(value)
  }
  for (const [code, value] of [
    [0x80, 128],
    [0x8f, 248],
    [0x90, 256],
    [0xff, 31744],
  ] as const) {
    expect(igmp.decodeTime(code)).toBe(value)
    expect(igmp.encodeTime(value)).toBe(code)
  }
  for (let value = 128; value < 40_000; value += 7) {
    const code = igmp.encodeTime(value)
    expect(igmp.decodeTime(code)).toBeLessThanOrEqual(value)
    if (code < 255) expect(igmp.decodeTime(code + 1)).toBeGreaterThan(value)
  }
})
test('a query and a report say what was put into them', () => {
  const mem = new Uint8Array(32)
  igmp.init(mem, 3, igmp.IGMP_QUERY, 100, 0xefff0001 | 0)
  igmp.setQuery(mem, 3, true, 5, 125, 2)
  igmp.setChecksum(mem, 3, 20)
  expect(igmp.isChecksumOk(mem, 3, 20)).toBe(true)
  expect([igmp.type(mem, 3), igmp.code(mem, 3), igmp.group(mem, 3)]).toEqual([
    0x11,
    100,
    0xefff0001 | 0,
  ])
  expect([
    igmp.suppress(mem, 3),
    igmp.qrv(mem, 3),
    igmp.qqic(mem, 3),
    igmp.querySources(mem, 3),
  ]).toEqual([true, 5, 125, 2])
  igmp.init(mem, 3, igmp.IGMPV3_REPORT, 0, 0)
  igmp.setRecords(mem, 3, 7)
  igmp.setRecord(mem, 11, 4, 3, 0xe0000009 | 0)
  expect(igmp.records(mem, 3)).toBe(7)
  expect([igmp.type(mem, 11), igmp.recordSources(mem, 11), igmp.recordAux(mem, 11)]).toEqual([
    4, 3, 0,
  ])
  expect(igmp.recordGroup(mem, 11)).toBe(0xe0000009 | 0)
})
