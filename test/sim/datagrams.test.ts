// The ledger of datagrams: it knows what came, again or otherwise than it was sent, however many a call received.

import { expect, test } from 'bun:test'
import { createLedger, datagram } from '../../sim/datagrams.ts'

test('each datagram is itself: another flow, number or length is another', () => {
  const all = [datagram(0, 1, 100), datagram(1, 1, 100), datagram(0, 2, 100), datagram(0, 1, 99)]
  expect(new Set(all.map((bytes) => bytes.toString('hex').slice(16))).size).toBe(4)
  expect(all.map(({ length }) => length)).toEqual([100, 100, 100, 99])
})

test('what came together is told apart, what came twice is counted', () => {
  const ledger = createLedger(2, 8)
  const told = ledger.note(Buffer.concat([datagram(1, 3, 50), datagram(1, 4, 8)]))
  expect(told).toEqual([
    { flow: 1, number: 3, length: 50 },
    { flow: 1, number: 4, length: 8 },
  ])
  ledger.note(datagram(1, 4, 8))
  expect(ledger).toMatchObject({ calls: 2, came: 2, again: 1, wrong: 0 })
  expect([ledger.has(1, 3), ledger.has(0, 3)]).toEqual([true, false])
})

test.each([
  ['a byte that is another', (bytes: Buffer) => void (bytes[20]! ^= 1)],
  ['a flow that nobody has', (bytes: Buffer) => void bytes.writeUInt16BE(2, 0)],
  ['a number that nobody has sent', (bytes: Buffer) => void bytes.writeUInt32BE(8, 4)],
  ['more bytes than have come', (bytes: Buffer) => void bytes.writeUInt16BE(51, 2)],
])('%s is wrong', (_name, spoil) => {
  const ledger = createLedger(2, 8)
  const bytes = datagram(1, 3, 50)
  spoil(bytes)
  expect(ledger.note(bytes)).toEqual([])
  expect(ledger).toMatchObject({ came: 0, wrong: 1 })
})
