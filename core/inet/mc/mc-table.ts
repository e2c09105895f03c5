/**
 * The groups of the devices as every thread reads them: is a multicast packet for us, by its group and its source? CPU 0
 * alone writes the table (mc-groups.ts); who meets a change begins again. Asked by the route lookup of received
 * packets, and by output for what it sends. Linux: ip_check_mc_rcu(), ipv6_chk_mcast_addr(); RFC 3376 section 3.2.
 */
import { isAnyAddr, isSameAddr } from '../../base/family.ts'
import { mix32, mixIn } from '../../base/u32.ts'
import type { Arena } from '../../shm/arena.ts'
import { MC_GROUP_WORDS, MC_TABLE_HEAD } from '../../shm/layout.ts'
import {
  MC_TRIES,
  MCAST_EXCLUDE,
  MCG_COUNT,
  MCG_GROUP,
  MCG_IFINDEX,
  MCG_MODE,
  MCG_NEXT,
  MCG_SOURCES,
  MCS_ADDR,
  MCS_NEXT,
  MCT_SEQ,
} from './mc-constants.ts'

export type McTable = ReturnType<typeof createMcTable>

export const createMcTable = ({ i32, layout }: Arena) => {
  const { mcTable, mcRows, mcBuckets } = layout
  const rows = mcTable + MC_TABLE_HEAD
  const buckets = rows + mcRows * MC_GROUP_WORDS
  const seq = mcTable + MCT_SEQ

  /** Word of the bucket of (device, group). */
  const bucketOf = (ifindex: number, words: Int32Array, at: number): number =>
    buckets +
    (mix32(
      mixIn(mixIn(mixIn(mixIn(ifindex, words[at]), words[at + 1]), words[at + 2]), words[at + 3])
    ) &
      (mcBuckets - 1))

  /** Row of a group on a device, or 0; no chain is longer than there are rows, whatever is being written. */
  const find = (ifindex: number, words: Int32Array, at: number): number => {
    let row = i32[bucketOf(ifindex, words, at)]
    for (let left = mcRows; row !== 0 && left > 0; left--) {
      if (i32[row + MCG_IFINDEX] === ifindex && isSameAddr(i32, row + MCG_GROUP, words, at))
        return row
      row = i32[row + MCG_NEXT]
    }
    return 0
  }
  const hasSource = (row: number, words: Int32Array, at: number): boolean => {
    let source = i32[row + MCG_SOURCES]
    for (let left = i32[row + MCG_COUNT]; left > 0 && source !== 0; left--) {
      if (isSameAddr(i32, source + MCS_ADDR, words, at)) return true
      source = i32[source + MCS_NEXT]
    }
    return false
  }
  const look = (
    ifindex: number,
    group: Int32Array,
    at: number,
    source: Int32Array,
    sourceAt: number
  ): boolean => {
    const row = find(ifindex, group, at)
    if (row === 0) return false
    if (isAnyAddr(source, sourceAt)) return true
    return hasSource(row, source, sourceAt) !== (i32[row + MCG_MODE] === MCAST_EXCLUDE)
  }
  /** Does the device receive the group, from this source? An unspecified source may be any. */
  const checkMc = (
    ifindex: number,
    group: Int32Array,
    at: number,
    source: Int32Array,
    sourceAt: number
  ): boolean => {
    for (let tries = MC_TRIES; tries > 0; tries--) {
      const before = Atomics.load(i32, seq)
      const answer = look(ifindex, group, at, source, sourceAt)
      if ((before & 1) === 0 && Atomics.load(i32, seq) === before) return answer
    }
    // in doubt for us: sockets have filters of their own
    return true
  }
  /** Has the device the group at all? */
  const hasMc = (ifindex: number, group: Int32Array, at: number): boolean =>
    checkMc(ifindex, group, at, ANY, 0)

  return { find, bucketOf, checkMc, hasMc, rows }
}

const ANY = new Int32Array(4)
