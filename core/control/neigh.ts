/**
 * RTM_*NEIGH: reads the neighbour rows that worker 0 writes, and asks worker 0 for changes. Control thread only.
 * Linux: net/core/neighbour.c (neigh_add, neigh_delete, neigh_dump_info).
 */
import { Errno } from '../base/errno.ts'
import type { Time } from '../base/time.ts'
import { TIME_MS } from '../base/time.ts'
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
  NTF_ROUTER,
  NUD_DELAY,
  NUD_FAILED,
  NUD_INCOMPLETE,
  NUD_NOARP,
  NUD_NONE,
  NUD_PERMANENT,
  NUD_PROBE,
  NUD_REACHABLE,
  NUD_STALE,
  NUD_VALID,
} from '../neigh/neigh-constants.ts'
import type { Arena } from '../shm/arena.ts'
import { Ipi } from '../shm/ipi.ts'
import { NEIGH_WORDS } from '../shm/layout.ts'
import type { Words } from '../wire/text.ts'
import { formatMacAt, formatWords, parseAddr, parseMac } from '../wire/text.ts'
import { isV4Mapped } from '../wire/ipv6.ts'
import type { Outcome } from './answers.ts'
import { changed, chunks, isRefused, told } from './answers.ts'
import type { Calls } from './calls.ts'
import type { Links } from './links.ts'
import type { MessageOf, NeighFilter, NeighItem, NeighSpec, NudState, Refused } from './messages.ts'
import { NLM_F_CREATE, NLM_F_EXCL } from './messages.ts'
import { noSuchDevice, refuse, refuseAs } from './names.ts'

const STATES: Record<NudState, number> = {
  INCOMPLETE: NUD_INCOMPLETE,
  REACHABLE: NUD_REACHABLE,
  STALE: NUD_STALE,
  DELAY: NUD_DELAY,
  PROBE: NUD_PROBE,
  FAILED: NUD_FAILED,
  NOARP: NUD_NOARP,
  PERMANENT: NUD_PERMANENT,
  NONE: NUD_NONE,
}
/** Worker 0 runs the neighbour table. */
const OWNER = 0
/** A row that is being written is read again, this often. */
const RETRIES = 100

export type NeighDeps = { arena: Arena; time: Time; calls: Calls; links: Links }

export const createNeigh = ({ arena, time, calls, links }: NeighDeps) => {
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
  /** The entry in `copy`. */
  const format = (n: number): NeighItem => {
    const state = copy[NEIGH_STATE]
    const [name] = Object.entries(STATES).find(([, bit]) => bit === state) ?? ['NONE']
    return {
      dst: formatWords(...copiedWords()),
      dev: links.nameOf(copy[NEIGH_IFINDEX]),
      ...((state & NUD_VALID) !== 0 && { lladdr: formatMacAt(copyBytes, NEIGH_LLADDR_BYTE) }),
      ...((copy[NEIGH_FLAGS] & NTF_ROUTER) !== 0 && { router: true }),
      used: age(n, copy[NEIGH_USED], NEIGH_USE_USED),
      confirmed: age(n, copy[NEIGH_CONFIRMED], NEIGH_USE_CONFIRMED),
      updated: Math.max(0, Math.floor(((time[TIME_MS] - copy[NEIGH_UPDATED]) | 0) / 1000)),
      probes: copy[NEIGH_PROBES],
      state: [name as NudState],
    }
  }

  /** Numbers of the live rows that the filter lets through; each is in `copy` while it is out. */
  function* matching(filter: NeighFilter): Generator<number> {
    const dst = filter.dst === undefined ? null : parseAddr(filter.dst)?.words.join()
    const dev = filter.dev === undefined ? null : links.ifindexOf(filter.dev)
    const states = filter.state?.reduce((bits, name) => bits | STATES[name], 0)
    const high = Math.min(i32[neighbours + NEIGH_TABLE_HIGH], rows)
    for (let n = 1; n < high; n++) {
      if (i32[neighbours + n * NEIGH_WORDS + NEIGH_IFINDEX] === 0 || !readRow(n)) continue
      const words = copiedWords()
      const isV4 = isV4Mapped(words[0], words[1], words[2])
      if (filter.family !== undefined && (filter.family === 'inet') !== isV4) continue
      if (dst !== null && words.join() !== dst) continue
      if (dev !== null && copy[NEIGH_IFINDEX] !== dev) continue
      if (
        states !== undefined &&
        (copy[NEIGH_STATE] & states) === 0 &&
        copy[NEIGH_STATE] !== states
      )
        continue
      yield n
    }
  }
  function* items(filter: NeighFilter): Generator<NeighItem> {
    for (const n of matching(filter)) yield format(n)
  }
  const dump = (filter: NeighFilter = {}): Iterable<NeighItem[]> => chunks(items(filter))

  const parseKey = (
    neigh: Pick<NeighSpec, 'dev' | 'dst'>
  ): { ifindex: number; words: Words } | Refused => {
    const ifindex = links.ifindexOf(neigh.dev)
    if (ifindex === 0) return noSuchDevice(neigh.dev)
    const addr = parseAddr(neigh.dst)
    if (addr === null)
      return refuseAs(
        Errno.EINVAL,
        `Error: inet prefix is expected rather than "${neigh.dst}".`,
        'dst'
      )
    return { ifindex, words: addr.words }
  }
  const find = ({ dev, dst }: Pick<NeighSpec, 'dev' | 'dst'>): NeighItem | undefined => {
    for (const one of items({ dev, dst })) return one
    return undefined
  }

  const newNeigh = async ({
    neigh,
    flags,
  }: MessageOf<'RTM_NEWNEIGH'>): Promise<Outcome<NeighItem>> => {
    const key = parseKey(neigh)
    if (isRefused(key)) return key
    const mac = neigh.lladdr === undefined ? null : parseMac(neigh.lladdr)
    if (neigh.lladdr !== undefined && mac === null)
      return refuseAs(Errno.EINVAL, `"${neigh.lladdr}" is invalid lladdr.`, 'lladdr')
    const state = STATES[(neigh.state ?? 'PERMANENT').toUpperCase() as NudState]
    if (state === undefined)
      return refuseAs(Errno.EINVAL, 'Error: argument is wrong: nud state is bad', 'state')
    const known = find(neigh)
    if (known !== undefined && (flags & NLM_F_EXCL) !== 0)
      return refuse(Errno.EEXIST, undefined, 'dst')
    if (known === undefined && (flags & NLM_F_CREATE) === 0)
      return refuse(Errno.ENOENT, undefined, 'dst')
    if ((state & NUD_VALID) !== 0 && mac === null && known?.lladdr === undefined)
      return refuse(Errno.EINVAL, 'No link layer address given', 'lladdr')
    const bits = neigh.flags?.includes('router') ? NTF_ROUTER : 0
    const result = await calls.call(OWNER, Ipi.NEIGH_SET, [
      key.ifindex,
      ...key.words,
      state | (bits << 16),
      mac?.hi ?? -1,
      mac?.lo ?? 0,
    ])
    if (result < 0) return refuse(-result)
    const made = find(neigh)
    return made === undefined ? refuse(Errno.ENOENT) : changed(made)
  }
  const delNeigh = async ({ neigh }: MessageOf<'RTM_DELNEIGH'>): Promise<Outcome<null>> => {
    const key = parseKey(neigh)
    if (isRefused(key)) return key
    const result = await calls.call(OWNER, Ipi.NEIGH_DEL, [key.ifindex, ...key.words, 0])
    return result < 0 ? refuse(-result, undefined, 'dst') : changed(null)
  }
  const getNeigh = ({ neigh }: MessageOf<'RTM_GETNEIGH'>): Outcome<NeighItem> => {
    const key = parseKey(neigh)
    if (isRefused(key)) return key
    const found = find(neigh)
    return found === undefined ? refuse(Errno.ENOENT, undefined, 'dst') : told(found)
  }
  /** `ip neigh flush`: what is permanent stays unless its state is asked for. */
  const flush = async ({
    filter,
  }: MessageOf<'NEIGH_FLUSH'>): Promise<Outcome<{ flushed: number }>> => {
    const doomed: { ifindex: number; words: Words }[] = []
    for (const _ of matching(filter)) {
      const isKept = (copy[NEIGH_STATE] & (NUD_PERMANENT | NUD_NOARP)) !== 0
      if (isKept && filter.state === undefined) continue
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
  /** The entry that a notification is about, while it is there. */
  const byWords = (ifindex: number, words: Words): NeighItem => {
    const [dst, dev] = [formatWords(...words), links.nameOf(ifindex)]
    return find({ dev, dst }) ?? { dst, dev, state: ['FAILED'] }
  }

  return { dump, newNeigh, delNeigh, getNeigh, flush, byWords }
}
