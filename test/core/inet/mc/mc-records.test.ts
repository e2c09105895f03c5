import { expect, test } from 'bun:test'
import fc from 'fast-check'
import {
  ALLOW_NEW_SOURCES,
  CHANGE_TO_EXCLUDE,
  type McRecord,
  MODE_IS_EXCLUDE,
  packRecords,
} from '../../../../core/inet/mc/mc-records.ts'

const HEADER = 8
const ADDR = 4
const record = (type: number, group: number, sources: number): McRecord => ({
  type,
  group: [0, 0, 0xffff, group],
  sources: Array.from({ length: sources }, (_, n) => [0, 0, 0xffff, n]),
})
const sizeOf = (packet: McRecord[]): number =>
  packet.reduce((sum, { sources }) => sum + HEADER + sources.length * ADDR, 0)

test('every packet fits, and all that is included is said, in its order and once', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(
          fc.constantFrom(ALLOW_NEW_SOURCES, CHANGE_TO_EXCLUDE, MODE_IS_EXCLUDE),
          fc.nat({ max: 40 })
        ),
        { maxLength: 20 }
      ),
      fc.integer({ min: HEADER + ADDR, max: 200 }),
      (specs, room) => {
        const records = specs.map(([type, sources], k) => record(type, k, sources))
        const packets = packRecords(records, room, HEADER, ADDR)
        for (const packet of packets) {
          expect(sizeOf(packet)).toBeLessThanOrEqual(room)
          expect(packet.length).toBeGreaterThan(0)
        }
        const said = packets.flat()
        const most = Math.floor((room - HEADER) / ADDR)
        for (const { type, group, sources } of records) {
          const parts = said.filter((one) => one.group === group)
          const all = parts.flatMap((one) => one.sources)
          if (type === ALLOW_NEW_SOURCES) expect(all).toEqual(sources)
          else {
            // a second record would take the place of the first: what is excluded is cut instead
            expect(parts).toHaveLength(1)
            expect(all).toEqual(sources.slice(0, most))
          }
        }
      }
    )
  )
})
