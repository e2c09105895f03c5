import { expect, test } from 'bun:test'
import { createSecureSeq } from '../../../core/transport/secure-seq.ts'

const words = Int32Array.of(0, 0, 0xffff, 0x0a000001, 0, 0, 0xffff, 0x0a000002)
const hash = (
  secret: [number, number] = [1, 2],
  table = words,
  sport = 1,
  dport = 2,
  purpose = 3
): number => createSecureSeq(Int32Array.of(...secret)).flowHash(table, 0, 4, sport, dport, purpose)

test('the same connection and secret give the same value', () => {
  expect(hash()).toBe(hash())
  expect(hash() | 0).toBe(hash())
})

test('every word of the connection, the purpose and the secret matter', () => {
  const seen = new Set([
    hash(),
    hash([1, 3]),
    hash([2, 2]),
    hash([1, 2], words, 2),
    hash([1, 2], words, 1, 3),
  ])
  seen.add(hash([1, 2], words, 1, 2, 4))
  for (let w = 0; w < 8; w++) {
    const other = words.slice()
    other[w]! ^= 1
    seen.add(hash([1, 2], other))
  }
  expect(seen.size).toBe(14)
})

test('values spread evenly over buckets', () => {
  const buckets = new Int32Array(16)
  for (let port = 0; port < 16_000; port++) buckets[hash([7, 9], words, port) >>> 28]!++
  for (const count of buckets) expect(Math.abs(count - 1000)).toBeLessThan(150)
})
