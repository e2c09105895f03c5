/**
 * RTM_*NEIGH of proxies (NTF_PROXY): addresses that we answer for on a device. Control writes their rows; an IPv6 address is
 * asked for by its group, which the device joins with it. Control thread.
 * Linux: pneigh_lookup(), pneigh_delete(), pneigh_ifdown() (net/core/neighbour.c), pndisc_constructor() (net/ipv6/ndisc.c).
 */
import { familyOf } from '../../base/family.ts'
import { Errno } from '../../base/errno.ts'
import { NTF_PROXY, NTF_ROUTER } from '../../neigh/neigh-constants.ts'
import { PN_ADDR, PN_FLAGS, PN_IFINDEX, PN_TOP } from '../../neigh/pneigh-constants.ts'
import type { Arena } from '../../shm/arena.ts'
import { PNEIGH_WORDS, PNEIGHS } from '../../shm/layout.ts'
import type { NeighKey } from '../rtnetlink.ts'
import type { createTables } from '../tables.ts'

type PneighsDeps = { arena: Arena } & Pick<ReturnType<typeof createTables>, 'answerFor'>
type Proxied = NeighKey & { flags: number }

export const createPneighs = ({ arena, answerFor }: PneighsDeps) => {
  const { i32, layout } = arena
  const { pneighs } = layout
  i32[pneighs + PN_TOP] = 1
  const held = new Map<string, Proxied & { row: number }>()
  const keyOf = ({ ifindex, words }: NeighKey): string => `${ifindex} ${words.join()}`
  const free = Array.from({ length: PNEIGHS - 1 }, (_, k) => PNEIGHS - 1 - k)

  /** 0, or -ENOBUFS; one that is there is given its flags anew. */
  const set = ({ ifindex, words, flags }: Proxied): number => {
    const kept = NTF_PROXY | (flags & NTF_ROUTER)
    const known = held.get(keyOf({ ifindex, words }))
    if (known !== undefined) {
      known.flags = kept
      i32[known.row + PN_FLAGS] = kept
      return 0
    }
    const index = free.pop()
    if (index === undefined) return -Errno.ENOBUFS
    const row = pneighs + index * PNEIGH_WORDS
    i32.set(words, row + PN_ADDR)
    i32[row + PN_FLAGS] = kept
    Atomics.store(i32, row + PN_IFINDEX, ifindex)
    if (index >= i32[pneighs + PN_TOP]) i32[pneighs + PN_TOP] = index + 1
    held.set(keyOf({ ifindex, words }), { ifindex, words, flags: kept, row })
    answerFor(ifindex, words, true)
    return 0
  }
  /** False when there is none. */
  const remove = (key: NeighKey): boolean => {
    const known = held.get(keyOf(key))
    if (known === undefined) return false
    held.delete(keyOf(key))
    Atomics.store(i32, known.row + PN_IFINDEX, 0)
    free.push((known.row - pneighs) / PNEIGH_WORDS)
    if (held.size === 0) i32[pneighs + PN_TOP] = 1
    answerFor(known.ifindex, known.words, false)
    return true
  }
  const list = (): Proxied[] =>
    [...held.values()].map(({ ifindex, words, flags }) => ({ ifindex, words, flags }))
  /** It is gone, or has been taken down. */
  const deviceDown = (ifindex: number): void => {
    for (const one of list()) if (one.ifindex === ifindex) remove(one)
  }
  /** It speaks the family no longer. */
  const familyDown = (ifindex: number, family: number): void => {
    for (const one of list())
      if (one.ifindex === ifindex && familyOf(Int32Array.from(one.words), 0) === family) remove(one)
  }
  return { set, remove, list, deviceDown, familyDown }
}
