/**
 * Filters of sockets (SO_ATTACH_FILTER): classic BPF that says how much of a packet its socket gets, run where the packet lies.
 * The programs of a worker's sockets lie one behind the other in one pool, which is the bound of what they may hold; a connection
 * has that of its listener. Worker only. Linux: sk_attach_filter(), sk_filter_trim_cap() (net/core/filter.c), net.core.optmem_max.
 */
import { Errno } from '../base/errno.ts'
import { BPF_MAXINSNS, INSN_WORDS } from '../bpf/bpf-constants.ts'
import type { Bpf } from '../bpf/bpf.ts'
import type { Arena } from '../shm/arena.ts'
import { SKB_DATA, SKB_LEN, SKB_PKT_TYPE, SKB_TAIL } from '../skb/skb.ts'
import type { Skbs } from '../skb/skbs.ts'
import { SK_FILTER, SK_REUSE } from './sock.ts'
import { FILTER_LOCKED } from './socket-constants.ts'

type SkFilterDeps = {
  arena: Arena
  skbs: Skbs
  /** createSkPrograms. */
  programs: Int32Array
  /** core/stack/sockets.ts: over `programs`. */
  runFilter: Bpf['runFilter']
  /** core/stack/sockets.ts: bpfCheck of bpf/bpf-check.ts. */
  isSound: (program: Int32Array) => boolean
}
export type SkFilter = ReturnType<typeof createSkFilter>

/** Eight of the longest. */
const POOL_WORDS = 1 + 8 * BPF_MAXINSNS * INSN_WORDS
/** Where programs lie; word 0 is nobody's, so that 0 is none. */
export const createSkPrograms = (): Int32Array => new Int32Array(POOL_WORDS)

/** More than any packet has. */
const ALL = 0x7fff_ffff

export const createSkFilter = (deps: SkFilterDeps) => {
  const { arena, skbs, programs, runFilter, isSound } = deps
  const { i32 } = arena
  /** Whose they are, in the order in which they lie, where, and how long. */
  const held: { users: Set<number>; at: number; words: number }[] = []
  let used = 1

  /** How many octets of the packet, data where the socket's protocol has it, the socket is to get; 0: not even an empty one. */
  const skFilter = (sk: number, skb: number): number => {
    const from = i32[skb + SKB_DATA]
    const type = i32[skb + SKB_PKT_TYPE]
    return i32[skb + SKB_LEN] === 0
      ? answerTo(sk, skb, from, 0, type)
      : runFrom(sk, skb, from, type)
  }
  /** The same of a packet that the socket sees from `from` on, as one of PACKET_* `type` (run_filter of af_packet.c). */
  const runFrom = (sk: number, skb: number, from: number, type: number): number => {
    const len = i32[skb + SKB_LEN] + i32[skb + SKB_DATA] - from
    return Math.min(len, answerTo(sk, skb, from, len, type))
  }
  /** What the program says of the `len` octets: how many of them, which may be more than there are. */
  const answerTo = (sk: number, skb: number, from: number, len: number, type: number): number => {
    const program = i32[sk + SK_FILTER]
    if (program === 0) return ALL
    return runFilter(program, skb, from, i32[skb + SKB_TAIL], len, type) >>> 0
  }
  /** Cuts what the filter leaves out off a packet. False when there was no memory for that. */
  const skTrim = (skb: number, len: number): boolean => {
    if (len >= i32[skb + SKB_LEN]) return true
    if (i32[skb + SKB_TAIL] - i32[skb + SKB_DATA] < i32[skb + SKB_LEN] && !skbs.expandHead(skb, 0))
      return false
    skbs.trim(skb, len)
    return true
  }

  const programOf = (sk: number) => held.find(({ at }) => at === i32[sk + SK_FILTER])
  /** It has none any more (sk_filter_uncharge). Whose program nobody has is taken out; those behind it move up. */
  const release = (sk: number): void => {
    const mine = programOf(sk)
    i32[sk + SK_FILTER] = 0
    mine?.users.delete(sk)
    if (mine === undefined || mine.users.size > 0) return
    const { at, words } = mine
    programs.copyWithin(at, at + words, used)
    used -= words
    const k = held.indexOf(mine)
    held.splice(k, 1)
    for (const behind of held.slice(k)) {
      behind.at -= words
      for (const user of behind.users) i32[user + SK_FILTER] = behind.at
    }
  }
  /** A connection has what its listener has at the time (sk_clone_lock). */
  const inherit = (listener: number, child: number): void => {
    if (i32[listener + SK_FILTER] === 0) return
    programOf(listener)?.users.add(child)
    i32[child + SK_FILTER] = i32[listener + SK_FILTER]
  }
  const isLocked = (sk: number): boolean => (i32[sk + SK_REUSE] & FILTER_LOCKED) !== 0

  /** The instructions lie in `len` octets of words at (words, at), as struct sock_filter has them. 0, or -errno. */
  const attach = (sk: number, words: Int32Array, at: number, len: number): number => {
    if (isLocked(sk)) return -Errno.EPERM
    const count = len >> 2
    const program = words.slice(at, at + count)
    if (len % (INSN_WORDS * 4) !== 0 || !isSound(program)) return -Errno.EINVAL
    const mine = programOf(sk)
    const old = mine?.users.size === 1 ? mine.words : 0
    if (used - old + count > POOL_WORDS) return -Errno.ENOMEM
    release(sk)
    programs.set(program, used)
    i32[sk + SK_FILTER] = used
    held.push({ users: new Set([sk]), at: used, words: count })
    used += count
    return 0
  }
  const detach = (sk: number): number => {
    if (isLocked(sk)) return -Errno.EPERM
    if (i32[sk + SK_FILTER] === 0) return -Errno.ENOENT
    release(sk)
    return 0
  }
  /** The program that the socket has, at (words, at): how many octets it is (SO_GET_FILTER). */
  const read = (sk: number, words: Int32Array, at: number): number => {
    const mine = programOf(sk)
    if (mine === undefined) return 0
    const from = mine.at
    const room = Math.min(mine.words, words.length - at)
    words.set(programs.subarray(from, from + room), at)
    return mine.words << 2
  }
  return { skFilter, runFrom, skTrim, attach, detach, read, release, inherit }
}
