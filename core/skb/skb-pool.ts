/**
 * The rows and buffers of one thread: they belong to the pool of the thread that allocates them and go home by a return ring
 * when another thread frees them, so no pool is locked. Any thread; one instance a thread. Linux: alloc_skb, kfree_skb,
 * build_skb, napi_alloc_frag.
 */
import { type Arena, returnRing } from '../shm/arena.ts'
import { LARGE_BYTES, SKB_SHIFT, SKB_WORDS, SMALL_BYTES } from '../shm/layout.ts'
import {
  ringPublish,
  ringPush,
  ringReadable,
  ringRelease,
  ringTake,
  ringUnpublished,
} from '../shm/ring.ts'
import type { SkbBudget } from './budget.ts'
import type { SkbSender } from './skb-sender.ts'
import {
  SKB_BUF,
  SKB_CB,
  SKB_CHARGE,
  SKB_DATA,
  SKB_END,
  SKB_FRAGS,
  SKB_HEAD,
  SKB_LEN,
  SKB_NEXT,
  SKB_OWNER,
  SKB_SENDER,
  SKB_TAIL,
  SKB_USERS,
  SKB_VLAN,
} from './skb.ts'

export type SkbPool = ReturnType<typeof createSkbPool>

export const createSkbPool = (
  arena: Arena,
  thread: number,
  { release }: Pick<SkbBudget, 'release'>,
  { orphan }: Pick<SkbSender, 'orphan'>
) => {
  const { i32, f64, layout } = arena
  const { threads, smalls, bufferRefs, smallBytes, largeBytes, skbRows } = layout
  const { skbs: rowsEach, smallBuffers, largeBuffers } = layout.config
  const rowShift = SKB_SHIFT + Math.log2(rowsEach)
  const smallShift = Math.log2(smallBuffers)
  const largeShift = Math.log2(largeBuffers)
  const freeSkbs = layout.freeSkbs + thread * (32 + rowsEach)
  const freeSmalls = layout.freeSmalls + thread * (32 + smallBuffers)
  const freeLarges = layout.freeLarges + thread * (32 + largeBuffers)
  const outbound = Int32Array.from({ length: threads }, (_, t) => returnRing(layout, t, thread))
  const inbound = Int32Array.from({ length: threads }, (_, t) => returnRing(layout, thread, t))

  const headOf = (buf: number): number =>
    buf < smalls ? smallBytes + buf * SMALL_BYTES : largeBytes + (buf - smalls) * LARGE_BYTES
  /** Takes the items of a free stack; 0 words of depth is empty. */
  const pop = (stack: number): number => {
    const depth = i32[stack]
    if (depth === 0) return -1
    i32[stack] = depth - 1
    return i32[stack + 31 + depth]
  }
  const put1 = (stack: number, item: number): void => {
    const depth = i32[stack]
    i32[stack + 32 + depth] = item
    i32[stack] = depth + 1
  }

  const bind = (skb: number, buf: number, headroom: number): void => {
    const head = headOf(buf)
    // thirty-six words, two in a store: fill(), and one at a time, cost the nic a twentieth more (bench/forward-memory.ts)
    for (let w = (skb + SKB_LEN) >> 1, end = (skb + SKB_CB) >> 1; w < end; w += 2) {
      f64[w] = 0
      f64[w + 1] = 0
    }
    i32[skb + SKB_HEAD] = head
    i32[skb + SKB_DATA] = head + headroom
    i32[skb + SKB_TAIL] = head + headroom
    i32[skb + SKB_END] = head + (buf < smalls ? SMALL_BYTES : LARGE_BYTES)
    i32[skb + SKB_VLAN] = -1
    i32[skb + SKB_BUF] = buf
    // before it counts as used: a worker 0 that starts over meanwhile must not take it for its own
    i32[skb + SKB_OWNER] = thread
    i32[skb + SKB_USERS] = 1
  }

  const allocFrom = (stack: number, headroom: number): number => {
    if (i32[freeSkbs] === 0 || i32[stack] === 0) {
      reclaim()
      if (i32[freeSkbs] === 0 || i32[stack] === 0) return 0
    }
    const skb = pop(freeSkbs)
    const buf = pop(stack)
    bind(skb, buf, headroom)
    return skb
  }

  /** A new empty skb whose data starts `headroom` bytes in and that has room for `size` more; 0 when out of memory. */
  const alloc = (size: number, headroom: number): number =>
    allocFrom(size + headroom <= SMALL_BYTES ? freeSmalls : freeLarges, headroom)

  /**
   * A large buffer without an skb, to read frames of unknown length into (napi_alloc_frag); -1 when there is none. In the same
   * turn it becomes an skb's by build, or goes back by unarm.
   */
  const arm = (): number => {
    if (i32[freeLarges] === 0) reclaim()
    return pop(freeLarges)
  }
  const unarm = (buf: number): void => put1(freeLarges, buf)
  /** The skb of a buffer that was armed, as empty as by alloc; the caller has looked that there is a row (build_skb). */
  const build = (buf: number, headroom: number): number => {
    const skb = pop(freeSkbs)
    bind(skb, buf, headroom)
    return skb
  }
  /** Rows that alloc and build have left. */
  const freeRows = (): number => {
    if (i32[freeSkbs] === 0) reclaim()
    return i32[freeSkbs]
  }
  /** A row without a buffer, which the caller gives it; 0: there is none. */
  const allocRow = (): number => {
    if (i32[freeSkbs] === 0) {
      reclaim()
      if (i32[freeSkbs] === 0) return 0
    }
    return pop(freeSkbs)
  }
  /** A small buffer without a row, -1: there is none. */
  const allocSmall = (): number => pop(freeSmalls)

  const homeOfSkb = (skb: number): number => (skb - skbRows) >> rowShift
  const homeOfBuf = (buf: number): number =>
    buf < smalls ? buf >> smallShift : (buf - smalls) >> largeShift

  /** It came out of this thread's pool, row and buffer, and nobody else has the bytes. */
  const isOwn = (skb: number): boolean => {
    const buf = i32[skb + SKB_BUF]
    return homeOfSkb(skb) === thread && homeOfBuf(buf) === thread && i32[bufferRefs + buf] === 1
  }

  const freeRow = (skb: number): void => {
    const home = homeOfSkb(skb)
    if (home === thread) put1(freeSkbs, skb)
    else ringPush(i32, outbound[home], skb)
  }
  /** A buffer's count is one while it is free, and while one skb has it: only clones write it, which stay on one thread. */
  const freeBuf = (buf: number): void => {
    const refs = i32[bufferRefs + buf]
    if (refs !== 1) {
      i32[bufferRefs + buf] = refs - 1
      return
    }
    const home = homeOfBuf(buf)
    if (home === thread) put1(buf < smalls ? freeSmalls : freeLarges, buf)
    else ringPush(i32, outbound[home], ~buf)
  }

  /** Drops one reference; the last one frees. The ways to get here are drop and consume (drop.ts). */
  const free = (skb: number): void => {
    const users = i32[skb + SKB_USERS] - 1
    if (users < 0) throw new Error(`skb ${skb} freed twice`)
    i32[skb + SKB_USERS] = users
    if (users !== 0) return
    if (i32[skb + SKB_SENDER] !== 0) orphan(skb)
    if (i32[skb + SKB_CHARGE] !== 0) release(skb)
    if (i32[skb + SKB_FRAGS] !== 0) freeFrags(skb)
    freeBuf(i32[skb + SKB_BUF])
    freeRow(skb)
  }
  const freeFrags = (skb: number): void => {
    for (let frag = i32[skb + SKB_FRAGS]; frag !== 0; ) {
      const next = i32[frag + SKB_NEXT]
      free(frag)
      frag = next
    }
    i32[skb + SKB_FRAGS] = 0
  }

  /** Takes home what other threads have freed. Once a batch. */
  const reclaim = (): void => {
    for (let t = 0; t < threads; t++) {
      if (t === thread) continue
      const ring = inbound[t]
      const n = ringReadable(i32, ring)
      if (n === 0) continue
      for (let k = 0; k < n; k++) {
        const item = ringTake(i32, ring)
        if (item >= 0) put1(freeSkbs, item)
        else put1(~item < smalls ? freeSmalls : freeLarges, ~item)
      }
      ringRelease(i32, ring)
    }
  }

  /** Shows the other threads what was freed here for them. Once a batch. */
  const flush = (): void => {
    for (let t = 0; t < threads; t++)
      if (t !== thread && ringUnpublished(i32, outbound[t])) ringPublish(i32, outbound[t])
  }

  /**
   * Frees every skb that this thread owns, wherever it is queued, and returns how many: for a thread that
   * starts over after an error and has lost all its queues. What lies in rings belongs to nobody and stays there.
   */
  const recover = (): number => {
    let found = 0
    const end = skbRows + threads * rowsEach * SKB_WORDS
    for (let skb = skbRows; skb < end; skb += SKB_WORDS) {
      if (i32[skb + SKB_OWNER] !== thread || i32[skb + SKB_USERS] === 0) continue
      i32[skb + SKB_USERS] = 0
      i32[skb + SKB_FRAGS] = 0
      i32[skb + SKB_CHARGE] = 0
      freeBuf(i32[skb + SKB_BUF])
      freeRow(skb)
      found++
    }
    flush()
    return found
  }

  /** Free rows, small and large buffers at home, including what lies in the return rings. */
  const available = () => {
    reclaim()
    return { skbs: i32[freeSkbs], smalls: i32[freeSmalls], larges: i32[freeLarges] }
  }

  return {
    alloc,
    arm,
    unarm,
    build,
    freeRows,
    headOf,
    isOwn,
    free,
    reclaim,
    flush,
    recover,
    available,
    /** Rows and buffers by themselves, for those that make an skb of another (skb-copy.ts). */
    halves: { allocRow, allocSmall, freeRow, freeBuf, freeFrags },
  }
}
