import { expect, test } from 'bun:test'
import { getAffinity, setAffinity } from '../../../workers/os/affinity.ts'

test('a thread can be pinned to one CPU and released', () => {
  const all = getAffinity()
  const last = all.at(-1)!
  setAffinity([last])
  expect(getAffinity()).toEqual([last])
  setAffinity(all)
  expect(getAffinity()).toEqual(all)
})

test('a CPU that does not exist is refused', () => {
  expect(() => setAffinity([1000])).toThrow('EINVAL')
})
