import { expect, test } from 'bun:test'
import { fastopenKeysText, parseFastopenKeys } from '../../../core/shm/fastopen-key.ts'

test('one key, or two, are told as they were given', () => {
  const one = '00112233-44556677-8899aabb-ccddeeff'
  const two = `${one},00000001-00000002-fffffffe-00000000`
  expect(fastopenKeysText(parseFastopenKeys(one)!)).toBe(one)
  expect(fastopenKeysText(parseFastopenKeys(two)!)).toBe(two)
  expect(fastopenKeysText(parseFastopenKeys('1-2-3-4')!)).toBe(
    '00000001-00000002-00000003-00000004'
  )
  expect(parseFastopenKeys(two)!.at(-1)).toBe(2)
})

test.each([
  '',
  '1-2-3',
  '1-2-3-4-5',
  '1-2-3-123456789',
  '1-2-3-x',
  '1-2-3-4,',
  '1-2-3-4,1-2-3-4,1-2-3-4',
])('"%s" is no key', (text) => {
  expect(parseFastopenKeys(text)).toBe(null)
})
