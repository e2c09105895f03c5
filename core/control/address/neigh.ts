/**
 * RTM_*NEIGH: reads the neighbour rows that worker 0 writes, and asks worker 0 for changes. Control thread only.
 * Linux: net/core/neighbour.c (neigh_add, neigh_delete, neigh_dump_info).
 */
import { Errno } from '../../base/errno.ts'
import { AF_INET } from '../../base/family.ts'
import type { Time } from '../../base/time.ts'
import { TIME_MS } from '../../base/time.ts'
import {
  NEIGH_ADDR,
  NEIGH_CONFIRMED,
  NEIGH_FLAGS,
  NEIGH_IFINDEX,
  NEIGH_LLADDR_BYTE,
  NEIGH_PROBES,
  NEIGH_SEQ,
  NEIGH_STATE,
  NEIGH_TABLE_HIGH,
  NEIGH_UPDATED,
  NEIGH_USE_CONFIRMED,
  NEIGH_USE_USED,
  NEIGH_USE_WORDS,
  NEIGH_USED,
  NTF_PROXY,
  NUD_FAILED,
  NUD_NOARP,
  NUD_NONE,
  NUD_PERMANENT,
  NUD_VALID,
} from '../../neigh/neigh-constants.ts'
import { createNeighTable } from '../../neigh/neigh-table.ts'
import type { Arena } from '../../shm/arena.ts'
import { Ipi } from '../../shm/ipi.ts'
import { NEIGH_WORDS } from '../../shm/layout.ts'
import { isV4Mapped } from '../../wire/ipv6.ts'
import type { Mac, Words } from '../../wire/text.ts'
import type { Outcome } from '../rtnl/answers.ts'
import { changed, chunks, refuse, told } from '../rtnl/answers.ts'
import type { Calls } from '../rtnl/calls.ts'
import type { MessageOf, NeighFilter, NeighInfo, NeighKey } from '../rtnetlink.ts'
import { NLM_F_CREATE, NLM_F_EXCL } from '../nlm-flags.ts'
import type { createPneighs } from './pneighs.ts'
import type { Links } from '../links/links.ts'

/** Worker 0 runs the neighbour table. */
const OWNER = 0
/** A row that is being written is read again, this often. */
const RETRIES = 100

export type NeighDeps = {
  arena: Arena
  time: Time
  calls: Calls
  pneighs: ReturnType<typeof createPneighs>
} & Pick<Links, 'isDevice'>

const nothing = (ifindex: number, words: Words, state: number): NeighInfo => ({
  ifindex,
  words,
  lladdr: null,
  state,
  flags: 0,
  used: 0,
  confirmed: 0,
  updated: 0,
  probes: 0,
})

export const createNeigh = ({ arena, time, calls, isDevice, pneighs }: NeighDeps) => {
  const { i32, layout } = arena
  const { neighbours, neighUse } = layout
  const { workers, neighbours: rows } = layout.config
  const copy = new Int32Array(NEIGH_WORDS)
  const copyBytes = new Uint8Array(copy.buffer)

  /** Takes row n into `copy` as it stood between two changes; false when it is free. */
  const readRow = (n: number): boolean => {
    const row = neighbours + n * NEIGH_WORDS
    for (let turn = 0; turn < RETRIES; turn++) {
      const seq = Atomics.load(i32, row + NEIGH_SEQ)
      if ((seq & 1) !== 0) continue
      for (let k = 0; k < NEIGH_WORDS; k++) copy[k] = i32[row + k]
      if (Atomics.load(i32, row + NEIGH_SEQ) === seq) return copy[NEIGH_IFINDEX] !== 0
    }
    return false
  }
  const copiedWords = (): Words => [
    copy[NEIGH_ADDR],
    copy[NEIGH_ADDR + 1],
    copy[NEIGH_ADDR + 2],
    copy[NEIGH_ADDR + 3],
  ]

  /** Seconds since the latest of the owner's time and those the workers added. */
  const age = (n: number, own: number, column: number): number => {
    const now = time[TIME_MS]
    let least = (now - own) | 0
    for (let w = 0; w < workers; w++) {
      const at = i32[neighUse + (w * rows + n) * NEIGH_USE_WORDS + column]
      if (at !== 0 && ((now - at) | 0) < least) least = (now - at) | 0
    }
    return Math.max(0, Math.floor(least / 1000))
  }
  const copiedMac = (): Mac => {
    const at = NEIGH_LLADDR_BYTE
    return {
      hi: (copyBytes[at] << 8) | copyBytes[at + 1],
      lo:
        (copyBytes[at + 2] << 24) |
        (copyBytes[at + 3] << 16) |
        (copyBytes[at + 4] << 8) |
        copyBytes[at + 5],
    }
  }
  /** The entry in `copy`. */
  const info = (n: number): NeighInfo => ({
    ifindex: copy[NEIGH_IFINDEX],
    words: copiedWords(),
    lladdr: (copy[NEIGH_STATE] & NUD_VALID) === 0 ? null : copiedMac(),
    state: copy[NEIGH_STATE],
    flags: copy[NEIGH_FLAGS],
    used: age(n, copy[NEIGH_USED], NEIGH_USE_USED),
    confirmed: age(n, copy[NEIGH_CONFIRMED], NEIGH_USE_CONFIRMED),
    updated: Math.max(0, Math.floor(((time[TIME_MS] - copy[NEIGH_UPDATED]) | 0) / 1000)),
    probes: copy[NEIGH_PROBES],
  })

  /** Numbers of the live rows that the filter lets through; each is in `copy` while it is out. */
  function* matching({ family, ifindex, words, states }: NeighFilter): Generator<number> {
    const high = Math.min(i32[neighbours + NEIGH_TABLE_HIGH], rows)
    for (let n = 1; n < high; n++) {
      if (i32[neighbours + n * NEIGH_WORDS + NEIGH_IFINDEX] === 0 || !readRow(n)) continue
      const at = copiedWords()
      if (family !== undefined && (family === AF_INET) !== isV4Mapped(at[0], at[1], at[2])) continue
      if (words !== undefined && at.some((word, k) => word !== words[k])) continue
      if (ifindex !== undefined && copy[NEIGH_IFINDEX] !== ifindex) continue
      const state = copy[NEIGH_STATE]
      if (states !== undefined && (state & states) === 0 && state !== states) continue
      yield n
    }
  }
  function* items(filter: NeighFilter): Generator<NeighInfo> {
    for (const n of matching(filter)) yield info(n)
  }
  /** What we answer for on behalf of others. */
  const proxies = ({ family, ifindex, words }: NeighFilter): NeighInfo[] =>
    pneighs
      .list()
      .filter(
        (one) =>
          (family === undefined ||
            (family === AF_INET) === isV4Mapped(one.words[0], one.words[1], one.words[2])) &&
          (ifindex === undefined || one.ifindex === ifindex) &&
          (words === undefined || one.words.every((word, k) => word === words[k]))
      )
      .map((one) => ({ ...nothing(one.ifindex, one.words, NUD_NONE), flags: one.flags }))
  const dump = (filter: NeighFilter = {}): Iterable<NeighInfo[]> =>
    chunks(filter.isProxy ? proxies(filter) : items(filter))

  const find = ({ ifindex, words }: NeighKey): NeighInfo | undefined => {
    for (const one of items({ ifindex, words })) return one
    return undefined
  }

  const newNeigh = async ({
    neigh,
    flags,
  }: MessageOf<'RTM_NEWNEIGH'>): Promise<Outcome<NeighInfo>> => {
    const { ifindex, words, lladdr, state } = neigh
    if (!isDevice(ifindex)) return refuse(Errno.ENODEV, null, 'dev')
    if ((neigh.flags & NTF_PROXY) !== 0) {
      const error = pneighs.set(neigh)
      return error === 0 ? changed(proxies(neigh)[0]) : refuse(-error)
    }
    const known = find(neigh)
    if (known !== undefined && (flags & NLM_F_EXCL) !== 0) return refuse(Errno.EEXIST, null, 'dst')
    if (known === undefined && (flags & NLM_F_CREATE) === 0)
      return refuse(Errno.ENOENT, null, 'dst')
    if ((state & NUD_VALID) !== 0 && lladdr === null && known?.lladdr == null)
      return refuse(Errno.EINVAL, 'No link layer address given', 'lladdr')
    const result = await calls.call(OWNER, Ipi.NEIGH_SET, [
      ifindex,
      ...words,
      state | (neigh.flags << 16),
      lladdr?.hi ?? -1,
      lladdr?.lo ?? 0,
    ])
    if (result < 0) return refuse(-result)
    const made = find(neigh)
    return made === undefined ? refuse(Errno.ENOENT) : changed(made)
  }
  const delNeigh = async ({ neigh }: MessageOf<'RTM_DELNEIGH'>): Promise<Outcome<null>> => {
    const { ifindex, words, isProxy } = neigh
    if (!isDevice(ifindex)) return refuse(Errno.ENODEV, null, 'dev')
    if (isProxy) return pneighs.remove(neigh) ? changed(null) : refuse(Errno.ENOENT, null, 'dst')
    const result = await calls.call(OWNER, Ipi.NEIGH_DEL, [ifindex, ...words])
    return result < 0 ? refuse(-result, null, 'dst') : changed(null)
  }
  const getNeigh = ({ neigh }: MessageOf<'RTM_GETNEIGH'>): Outcome<NeighInfo> => {
    const found = neigh.isProxy ? proxies(neigh)[0] : find(neigh)
    const extack = neigh.isProxy ? 'Proxy neighbour entry not found' : 'Neighbour entry not found'
    return found === undefined ? refuse(Errno.ENOENT, extack, 'dst') : told(found)
  }
  /** `ip neigh flush`: what is permanent stays unless its state is asked for; so does what we answer for, unless that is. */
  const flush = async ({
    filter,
  }: MessageOf<'NEIGH_FLUSH'>): Promise<Outcome<{ flushed: number }>> => {
    if (filter.isProxy)
      return changed({ flushed: proxies(filter).filter((one) => pneighs.remove(one)).length })
    const doomed: { ifindex: number; words: Words }[] = []
    for (const _ of matching(filter)) {
      const isKept = (copy[NEIGH_STATE] & (NUD_PERMANENT | NUD_NOARP)) !== 0
      if (isKept && filter.states === undefined) continue
      doomed.push({ ifindex: copy[NEIGH_IFINDEX], words: copiedWords() })
    }
    let flushed = 0
    for (const { ifindex, words } of doomed) {
      const result = await calls.call(OWNER, Ipi.NEIGH_DEL, [ifindex, ...words, 0])
      if (result === 0) flushed++
      else if (result !== -Errno.ENOENT) return refuse(-result)
    }
    return changed({ flushed })
  }
  /** The entry that a notification is about; of one that is gone nothing is left to say, though its row may be there or another's. */
  const noted = (ifindex: number, words: Words, isGone: boolean): NeighInfo =>
    (isGone ? undefined : find({ ifindex, words })) ?? nothing(ifindex, words, NUD_FAILED)

  /** Of who is looked for at that word of the arena: how a lookup of routes sees it. */
  const { stateOf } = createNeighTable(arena)
  return { dump, newNeigh, delNeigh, getNeigh, flush, noted, stateOf }
}
