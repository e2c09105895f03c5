import { expect, test } from 'bun:test'
import { createSiphash } from '../../../core/base/siphash.ts'

// The key and the message of the vectors in the paper's appendix A: octets that count up.
const counting = (words: number): Int32Array =>
  new Int32Array(Uint8Array.from({ length: words * 4 }, (_, k) => k).buffer)

test.each([
  [0, '726fdb47dd0e0e31'],
  [1, 'cf2794e0277187b7'],
  [2, '93f5f5799a932462'],
  [3, '751e8fbc860ee5fb'],
  [4, '3f2acc7f57c29bdb'],
])("%p words of the paper's message", (count, expected) => {
  const { siphash } = createSiphash()
  const [low, high] = siphash(counting(16), 0, count, counting(4), 0)
  const hex = (word = 0): string => (word >>> 0).toString(16).padStart(8, '0')
  expect(hex(high) + hex(low)).toBe(expected)
})
