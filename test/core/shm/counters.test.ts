import { expect, test } from 'bun:test'
import { createArena } from '../../../core/shm/arena.ts'
import { counterBank, Mib, Softnet, sumCounter } from '../../../core/shm/counters.ts'
import { COUNTERS, DROP_REASONS, MAX_WORKERS, SMALL_ARENA } from '../../../core/shm/layout.ts'
import { SENDER_COUNTERS } from '../../../core/shm/softnet-stat.ts'
import { Drop, DROP_COUNTERS } from '../../../core/skb/drop.ts'

test('each counter has words of its own in the bank', () => {
  const taken = new Map<number, string>([[0, 'none']])
  const take = (name: string, first: number, words = 1): void => {
    for (let at = first; at < first + words; at++) {
      expect([at, taken.get(at)]).toEqual([at, undefined])
      expect(at).toBeLessThan(COUNTERS)
      taken.set(at, name)
    }
  }
  const isBySender = (name: string): boolean => (SENDER_COUNTERS as string[]).includes(name)
  for (const [name, at] of Object.entries(Mib)) take(name, at)
  for (const [name, at] of Object.entries(Softnet))
    take(name, at, isBySender(name) ? MAX_WORKERS : 1)
  for (const [name, reason] of Object.entries(Drop)) take(name, DROP_COUNTERS + reason)
  for (const reason of Object.values(Drop)) expect(reason).toBeLessThan(DROP_REASONS)
})

test('numbers follow each other: no name is there twice', () => {
  for (const numbers of [Mib, Drop]) {
    const indices = Object.values(numbers)
    expect(indices).toEqual(indices.map((_, k) => k + 1))
  }
})

test('groups come in the order of /proc', () => {
  const groups = Object.keys(Mib).map((name) => /^(TcpExt|IpExt|Icmp|Tcp|Udp|Ip)/.exec(name)![0])
  expect([...new Set(groups)]).toEqual(['Ip', 'Icmp', 'Tcp', 'Udp', 'TcpExt', 'IpExt'])
})

test('a figure is the sum of all threads', () => {
  const arena = createArena({ ...SMALL_ARENA, workers: 2 })
  for (let t = 0; t < arena.layout.threads; t++)
    arena.f64[counterBank(arena, t) + Mib.TcpExtTCPRcvQDrop] = 10 + t
  expect(sumCounter(arena, Mib.TcpExtTCPRcvQDrop)).toBe(33)
  expect(sumCounter(arena, Mib.TcpExtIPReversePathFilter)).toBe(0)
})
