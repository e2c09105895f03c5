/**
 * The memberships of all threads, as CPU 0 and control read them: one at a time, each as it stood between two changes.
 * What is missed while it is being written is told of afterwards.
 */
import { DEV_GENERATION, DEV_IFINDEX, deviceRow } from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import type { Words } from '../../wire/text.ts'
import {
  MC_TRIES,
  MCM_COUNT,
  MCM_DEVICE,
  MCM_GROUP,
  MCM_IFINDEX,
  MCM_MODE,
  MCM_SEQ,
  MCM_SK,
  MCM_SOURCES,
  MCM_USERS,
  MCS_ADDR,
  MCS_NEXT,
} from './mc-constants.ts'
import { memberSlabs } from './mc-members.ts'

type Member = {
  ifindex: number
  words: Words
  mode: number
  sources: Words[]
  /** Whose it is: worker and sock row; 0 the stack's own. */
  thread: number
  sk: number
  /** How often it has been joined: the stack itself may do so more than once. */
  users: number
}

const GENERATION = 0

const wordsAt = (i32: Int32Array, at: number): Words => [
  i32[at],
  i32[at + 1],
  i32[at + 2],
  i32[at + 3],
]

/** All memberships, or those of one group on a device. */
export function* readMembers(
  arena: Arena,
  only?: { ifindex: number; words: Words }
): Generator<Member> {
  const { i32, layout } = arena
  const { workers } = layout.config
  for (let thread = 0; thread <= workers; thread++) {
    const { rows, sources } = memberSlabs(arena, thread, false)
    const isSource = (at: number): boolean =>
      sources.indexOf(at) >= 0 && at <= sources.at(sources.rows - 1)
    for (let k = 0; k < rows.high(); k++) {
      const row = rows.at(k)
      if (!rows.isLive(row) || !isWanted(i32, row, only)) continue
      const member = readRow(arena, row, thread, isSource)
      if (member !== null) yield member
    }
  }
}
const isWanted = (
  i32: Int32Array,
  row: number,
  only: { ifindex: number; words: Words } | undefined
): boolean =>
  only === undefined ||
  (i32[row + MCM_IFINDEX] === only.ifindex &&
    only.words.every((word, w) => i32[row + MCM_GROUP + w] === word))

const readRow = (
  arena: Arena,
  row: number,
  thread: number,
  isSource: (at: number) => boolean
): Member | null => {
  const { i32 } = arena
  for (let tries = MC_TRIES; tries > 0; tries--) {
    const seq = Atomics.load(i32, row + MCM_SEQ)
    const generation = Atomics.load(i32, row + GENERATION)
    if ((generation & 1) === 0) return null
    if ((seq & 1) !== 0) continue
    const member = copyRow(i32, row, thread, isSource)
    const isSame =
      Atomics.load(i32, row + MCM_SEQ) === seq && Atomics.load(i32, row + GENERATION) === generation
    if (isSame) return isOfDevice(arena, row, member.ifindex) ? member : null
  }
  return null
}
const copyRow = (
  i32: Int32Array,
  row: number,
  thread: number,
  isSource: (at: number) => boolean
): Member => {
  const sources: Words[] = []
  let source = i32[row + MCM_SOURCES]
  for (let left = i32[row + MCM_COUNT]; left > 0 && isSource(source); left--) {
    sources.push(wordsAt(i32, source + MCS_ADDR))
    source = i32[source + MCS_NEXT]
  }
  return {
    ifindex: i32[row + MCM_IFINDEX],
    words: wordsAt(i32, row + MCM_GROUP),
    mode: i32[row + MCM_MODE],
    sources,
    thread,
    sk: i32[row + MCM_SK],
    users: i32[row + MCM_SK] === 0 ? i32[row + MCM_USERS] : 1,
  }
}
/** Is the device still the one that was joined on? */
const isOfDevice = (arena: Arena, row: number, ifindex: number): boolean => {
  const { i32, layout } = arena
  if (ifindex <= 0 || ifindex >= layout.config.devices) return false
  const device = deviceRow(arena, ifindex)
  return (
    i32[device + DEV_IFINDEX] === ifindex && i32[device + DEV_GENERATION] === i32[row + MCM_DEVICE]
  )
}
