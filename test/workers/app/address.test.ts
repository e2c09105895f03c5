import { expect, test } from 'bun:test'
import { DEV_IFINDEX, DEV_NAME, deviceRow } from '../../../core/netdev/netdev.ts'
import { createArena } from '../../../core/shm/arena.ts'
import { SMALL_ARENA } from '../../../core/shm/layout.ts'
import { wordsOf } from '../../../workers/app/address.ts'

const arena = createArena(SMALL_ARENA)
arena.i32[deviceRow(arena, 3) + DEV_IFINDEX] = 3
arena.u8.set(new TextEncoder().encode('eth1'), (deviceRow(arena, 3) + DEV_NAME) << 2)

test.each<[string, readonly number[] | null]>([
  ['10.0.0.1', [0, 0, 0xffff, 0x0a000001]],
  ['localhost', [0, 0, 0xffff, 0x7f000001]],
  ['::1', [0, 0, 0, 1]],
  ['fe80::1%eth1', [0xfe800000 | 0, 0, 0, 1, 3]],
  ['fe80::1%5', [0xfe800000 | 0, 0, 0, 1, 5]],
  ['fe80::1%eth9', null],
  ['fe80::1%', null],
  ['example.net', null],
])('%s', (text, words) => {
  expect(wordsOf(text, arena)).toEqual(words)
})
