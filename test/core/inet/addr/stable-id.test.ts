// Interface identifiers of a secret (RFC 7217): the octets that Linux 6.18 makes of the same secret, prefix and MAC.

import { expect, test } from 'bun:test'
import { isReservedId, stableIdOf } from '../../../../core/inet/addr/stable-id.ts'
import { DEV_MAC, deviceRow } from '../../../../core/netdev/netdev.ts'
import { createArena } from '../../../../core/shm/arena.ts'
import { Conf6, confDefault, confRow } from '../../../../core/shm/devconf.ts'
import { SMALL_ARENA } from '../../../../core/shm/layout.ts'
import { Sysctl } from '../../../../core/shm/sysctl.ts'
import { formatWords, parseAddr, type Words } from '../../../../core/wire/text.ts'

const device = () => {
  const arena = createArena(SMALL_ARENA)
  const { i32, u8, layout } = arena
  i32[layout.sysctl + Sysctl.idgen_retries] = 3
  const setSecret = (row: number, text: string): void =>
    i32.set(parseAddr(text)!.words, confRow(arena, row) + Conf6.stable_secret)
  const idOn = (prefix: string, taken = 0): string | null => {
    const network = parseAddr(prefix)!.words as Words
    const id = stableIdOf(arena, 2, network, taken)
    return id && formatWords(network[0], network[1], id[0], id[1])
  }
  const setMac = (octet: number): void => {
    u8[((deviceRow(arena, 2) + DEV_MAC) << 2) + 5] = octet
  }
  return { arena, setSecret, setMac, idOn }
}

test('they are Linux’s', () => {
  const { setSecret, idOn } = device()
  setSecret(2, '2001:db8::1')
  expect(idOn('fe80::')).toBe('fe80::88cf:4891:a68c:e03f')
  expect(idOn('2001:db8:1::')).toBe('2001:db8:1:0:50e7:9fce:95a6:4679')
})
test('each network, device, secret and attempt has its own, and so many attempts there are', () => {
  const { arena, setSecret, setMac, idOn } = device()
  expect(idOn('fe80::')).toBe(null)
  setSecret(confDefault(arena), '2001:db8::2')
  const made = [0, 1, 2, 3].map((taken) => idOn('fe80::', taken))
  setMac(1)
  made.push(idOn('fe80::'))
  setSecret(2, '2001:db8::1')
  made.push(idOn('fe80::'), idOn('2001:db8::'))
  expect(new Set(made).size).toBe(7)
  expect(made).not.toContain(null)
  expect(idOn('fe80::', 4)).toBe(null)
})
test.each([
  [0, 0, true],
  [0, 1, false],
  [0x02005eff, 0xfe000000, true],
  [0x02005eff, 0xfeffffff, true],
  [0x02005eff, 0xff000000, false],
  [0xfdffffff, 0xffffff7f, false],
  [0xfdffffff, 0xffffff80, true],
  [0xfdffffff, 0xffffffff, true],
])('%x:%x: is it reserved (RFC 5453): %p', (hi, lo, isReserved) => {
  expect(isReservedId(hi | 0, lo | 0)).toBe(isReserved)
})
