import { expect, test } from 'bun:test'
import { SYSCTLS, Sysctl } from '../../../core/shm/sysctl.ts'

test('the default of each sysctl is a value that can be set', () => {
  const outside = SYSCTLS.filter(
    ({ names, words }) =>
      !names && words.some(([value, min, max]) => !(value >= min && value <= max))
  )
  expect(outside).toEqual([])
})

test('a name is there once, and every word has a place of its own', () => {
  expect(new Set(SYSCTLS.map(({ name }) => name)).size).toBe(SYSCTLS.length)
  const places = Object.values(Sysctl)
  expect(places).toEqual(places.map((_, k) => k))
  expect(SYSCTLS.flatMap(({ first, words }) => words.map((_, k) => first + k))).toEqual(places)
})

test('the words of a vector lie in the order in which Linux shows them', () => {
  const row = SYSCTLS.find(({ name }) => name === 'net.ipv4.tcp_rmem')
  const { tcp_rmem_min, tcp_rmem_default, tcp_rmem_max } = Sysctl
  expect([tcp_rmem_min, tcp_rmem_default, tcp_rmem_max]).toEqual(
    [0, 1, 2].map((k) => row!.first + k)
  )
})
