/**
 * The neighbour layer's way out, on any worker. A packet whose next hop has a link-layer address gets its Ethernet
 * header and goes; one whose next hop is being resolved waits in this worker's own queue, within its budget, until
 * worker 0, which runs the state machine, says how it went (Ipi.NEIGH_UPDATE). IP output calls neighResolve.
 * Linux: net/core/neighbour.c neigh_output(), neigh_resolve_output(), __neigh_event_send().
 */
import { Errno } from '../base/errno.ts'
import { V4_MAPPED } from '../base/family.ts'
import type { Time } from '../base/time.ts'
import { TIME_MS } from '../base/time.ts'
import type { TimerWheel } from '../base/timer-wheel.ts'
import type { Arena } from '../shm/arena.ts'
import { counterBank, Softnet } from '../shm/counters.ts'
import { Conf4, Conf6, confRow } from '../shm/devconf.ts'
import type { IpiSystem } from '../shm/ipi.ts'
import { Ipi } from '../shm/ipi.ts'
import { Holder } from '../skb/budget.ts'
import type { DropFn } from '../skb/drop.ts'
import { Drop } from '../skb/drop.ts'
import type { Skbs } from '../skb/skbs.ts'
import { MAX_HEADER, SKB_END, SKB_HEAD, SKB_NETWORK, SKB_NEXT, SKB_PROTOCOL } from '../skb/skb.ts'
import { ETH_P_IPV6 } from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as ipv6 from '../wire/ipv6.ts'
import {
  NEIGH_HH,
  NEIGH_SEQ,
  NEIGH_STATE,
  NEIGH_UPDATED,
  NEIGH_USE_CONFIRMED,
  NEIGH_USE_USED,
  NEIGH_USE_WORDS,
  NUD_FAILED,
  NUD_INCOMPLETE,
  NUD_NONE,
  NUD_STALE,
  NUD_VALID,
} from './neigh-constants.ts'
import type { NeighTable } from './neigh-table.ts'
import type { EtherOutput } from '../dev/ether-output.ts'
import type { DevQueueXmit } from '../dev/dev-queue-xmit.ts'

type NeighOutputDeps = {
  arena: Arena
  skbs: Skbs
  drop: DropFn
  time: Time
  wheel: TimerWheel
  ipi: IpiSystem
  table: NeighTable
  /** First of TIMER_WORDS zero words of this thread. */
  timer: number
  /** First of four free words of this thread: an address given in numbers. */
  key: number
  /** core/ipv4/icmp/icmp-send.ts: linkFailure, the one edge that leads back up, since ICMP sends by neighbours. */
  linkFailure: (skb: number) => void
} & Pick<EtherOutput, 'pushHh' | 'popHeader'> &
  Pick<DevQueueXmit, 'devQueueXmit'>

export type NeighOutput = ReturnType<typeof createNeighOutput>

/** Next hops that packets of one worker may wait for at a time. */
const PENDING = 512
const BUCKETS = 256
// Words of a pending next hop; number 0 is none.
const P_DEV = 0
const P_ADDR = 1
const P_HEAD = 5
const P_TAIL = 6
const P_BYTES = 7
const P_NEXT = 8
const P_ASKED = 9
/** 1: given up, to be settled by the timer. */
const P_FAILED = 10
/** By age: the oldest gives way when there is no room. */
const P_OLDER = 11
const P_NEWER = 12
const P_WORDS = 13
/** Worker 0 is asked again when it has not heard the question: its ring was full, or it was restarted. */
const ASK_AGAIN_MS = 1000

const QLEN4 = Conf4.unres_qlen_bytes
const QLEN6 = Conf6.unres_qlen_bytes

export const createNeighOutput = (deps: NeighOutputDeps) => {
  const { arena, skbs, drop, time, wheel, ipi, table, timer, key } = deps
  const { pushHh, popHeader, devQueueXmit, linkFailure } = deps
  const { i32, u8, f64, layout } = arena
  const { neighbours } = layout
  const { index, mask, hash, isKey } = table
  const count = counterBank(arena, skbs.thread)
  const use = layout.neighUse + skbs.thread * layout.config.neighbours * NEIGH_USE_WORDS
  // sequence number of the entry when worker 0 was told of its use: once for each STALE period
  const told = new Int32Array(layout.config.neighbours).fill(-1)
  const pending = new Int32Array((PENDING + 1) * P_WORDS)
  const buckets = new Int32Array(BUCKETS)
  const { budget } = skbs
  let freePending = 0
  let oldest = 0
  let newest = 0
  let waiting = 0
  let asking = false
  for (let p = PENDING; p > 0; p--) {
    pending[p * P_WORDS + P_NEXT] = freePending
    freePending = p * P_WORDS
  }

  /** Sends to the next hop whose four address words lie at i32[addr], by `dev` (SKB_DEV too): 0, or -errno. */
  const neighResolve = (skb: number, dev: number, addr: number): number => {
    for (let slot = hash(dev, addr) & mask; ; slot = (slot + 1) & mask) {
      const row = i32[index + slot]
      if (row === 0) return wait(skb, dev, addr)
      const seq = i32[row + NEIGH_SEQ]
      if (isKey(row, dev, addr)) return output(skb, row, seq, dev, addr)
    }
  }
  /**
   * Reads the entry under its sequence lock. The header's stores lie between the two loads of the sequence
   * number, so the compiler cannot make one of them; x86 keeps loads in order.
   */
  const output = (skb: number, row: number, seq: number, dev: number, addr: number): number => {
    const state = i32[row + NEIGH_STATE]
    if ((seq & 1) !== 0 || (state & NUD_VALID) === 0) return wait(skb, dev, addr)
    if (waiting !== 0) sendWaiting(dev, addr)
    if (!pushHh(skb, row + NEIGH_HH, i32[skb + SKB_PROTOCOL])) {
      drop(skb, Drop.NOMEM)
      return -Errno.ENOBUFS
    }
    if (i32[row + NEIGH_SEQ] !== seq) {
      popHeader(skb)
      return neighResolve(skb, dev, addr)
    }
    const n = (row - neighbours) >> 5
    i32[use + n * NEIGH_USE_WORDS + NEIGH_USE_USED] = time[TIME_MS]
    if (state === NUD_STALE && told[n] !== seq) tellUsed(row, n, seq)
    return devQueueXmit(skb)
  }
  const tellUsed = (row: number, n: number, seq: number): void => {
    if (ipi.send(0, Ipi.NEIGH_USED, row)) told[n] = seq
  }

  const bucketOf = (dev: number, addr: number): number => (hash(dev, addr) >>> 8) & (BUCKETS - 1)
  const isPending = (p: number, dev: number, addr: number): boolean =>
    pending[p + P_ADDR + 3] === i32[addr + 3] &&
    pending[p + P_DEV] === dev &&
    pending[p + P_ADDR + 2] === i32[addr + 2] &&
    pending[p + P_ADDR + 1] === i32[addr + 1] &&
    pending[p + P_ADDR] === i32[addr]
  const findPending = (dev: number, addr: number): number => {
    let p = buckets[bucketOf(dev, addr)]
    while (p !== 0 && !isPending(p, dev, addr)) p = pending[p + P_NEXT]
    return p
  }
  const newPending = (dev: number, addr: number): number => {
    if (freePending === 0) discard(oldest)
    const p = freePending
    freePending = pending[p + P_NEXT]
    const bucket = bucketOf(dev, addr)
    pending[p + P_DEV] = dev
    for (let w = 0; w < 4; w++) pending[p + P_ADDR + w] = i32[addr + w]
    pending[p + P_HEAD] = 0
    pending[p + P_TAIL] = 0
    pending[p + P_BYTES] = 0
    pending[p + P_FAILED] = 0
    pending[p + P_NEXT] = buckets[bucket]
    buckets[bucket] = p
    pending[p + P_OLDER] = newest
    pending[p + P_NEWER] = 0
    if (newest === 0) oldest = p
    else pending[newest + P_NEWER] = p
    newest = p
    return p
  }

  /** Queues a packet whose next hop has no address yet and asks worker 0 to find it. */
  const wait = (skb: number, dev: number, addr: number): number => {
    // a clone's bytes may change while it waits (its owner retransmits), so it gets its own
    const old = findPending(dev, addr)
    if ((skbs.isShared(skb) && !skbs.expandHead(skb, MAX_HEADER)) || !makeRoom(skb, old)) {
      discardOne(skb)
      return -Errno.ENOBUFS
    }
    const p = old === 0 ? newPending(dev, addr) : old
    append(p, skb)
    if (old === 0) ask(p, skb)
    return 0
  }
  const discardOne = (skb: number): void => {
    f64[count + Softnet.neigh_unres_discards]++
    drop(skb, Drop.NEIGH_QUEUEFULL)
  }
  /** The next hop that was asked for first has had its time: what waits for it gives way; of `own` only the first. */
  const makeRoom = (skb: number, own: number): boolean => {
    while (!budget.mayHold(skb, Holder.neigh)) {
      if (oldest === 0 || (oldest === own && pending[own + P_HEAD] === 0)) return false
      if (oldest === own) discardOne(shift(own))
      else discard(oldest)
    }
    return true
  }
  const discard = (p: number): void => {
    let skb = pending[p + P_HEAD]
    pending[p + P_HEAD] = 0
    release(p)
    while (skb !== 0) {
      const next = i32[skb + SKB_NEXT]
      i32[skb + SKB_NEXT] = 0
      waiting--
      discardOne(skb)
      skb = next
    }
  }
  const trueSize = (skb: number): number => i32[skb + SKB_END] - i32[skb + SKB_HEAD]
  const isV4 = (p: number): boolean =>
    pending[p + P_ADDR + 2] === V4_MAPPED && (pending[p + P_ADDR] | pending[p + P_ADDR + 1]) === 0
  const append = (p: number, skb: number): void => {
    const limit = i32[confRow(arena, pending[p + P_DEV]) + (isV4(p) ? QLEN4 : QLEN6)]
    while (pending[p + P_HEAD] !== 0 && pending[p + P_BYTES] + trueSize(skb) > limit) {
      discardOne(shift(p))
    }
    budget.hold(skb, Holder.neigh)
    i32[skb + SKB_NEXT] = 0
    if (pending[p + P_HEAD] === 0) pending[p + P_HEAD] = skb
    else i32[pending[p + P_TAIL] + SKB_NEXT] = skb
    pending[p + P_TAIL] = skb
    pending[p + P_BYTES] += trueSize(skb)
    waiting++
  }
  const shift = (p: number): number => {
    const skb = pending[p + P_HEAD]
    pending[p + P_HEAD] = i32[skb + SKB_NEXT]
    pending[p + P_BYTES] -= trueSize(skb)
    i32[skb + SKB_NEXT] = 0
    waiting--
    return skb
  }
  /** The packet's source goes along: a request is sent from it when it is ours (arp_announce 0). */
  const ask = (p: number, skb: number): void => {
    pending[p + P_ASKED] = time[TIME_MS]
    if (!wheel.isArmed(timer)) wheel.arm(timer, ASK_AGAIN_MS, onTimer)
    const at = i32[skb + SKB_NETWORK]
    const isIpv6 = i32[skb + SKB_PROTOCOL] === ETH_P_IPV6
    asking = true
    ipi.send(
      0,
      Ipi.NEIGH_RESOLVE,
      pending[p + P_DEV],
      pending[p + P_ADDR],
      pending[p + P_ADDR + 1],
      pending[p + P_ADDR + 2],
      pending[p + P_ADDR + 3],
      isIpv6 ? ipv6.src0(u8, at) : 0,
      isIpv6 ? ipv6.src1(u8, at) : 0,
      isIpv6 ? ipv6.src2(u8, at) : V4_MAPPED,
      isIpv6 ? ipv6.src3(u8, at) : ipv4.src(u8, at)
    )
    asking = false
  }
  const onTimer = wheel.register(() => {
    for (let p = P_WORDS; p <= PENDING * P_WORDS; p += P_WORDS) {
      if (pending[p + P_HEAD] === 0) continue
      if (pending[p + P_FAILED] !== 0) settle(p, false)
      else if (((time[TIME_MS] - pending[p + P_ASKED]) | 0) >= ASK_AGAIN_MS) askAgain(p)
    }
    if (waiting !== 0 && !wheel.isArmed(timer)) wheel.arm(timer, ASK_AGAIN_MS, onTimer)
  })
  /** Unless worker 0 is at it, or has answered: another question would begin anew what has just failed. */
  const askAgain = (p: number): void => {
    const row = table.lookup(pending[p + P_DEV], keyOf(p))
    const state = row === 0 ? NUD_NONE : i32[row + NEIGH_STATE]
    if (state === NUD_INCOMPLETE) pending[p + P_ASKED] = time[TIME_MS]
    else if (state === NUD_FAILED && ((i32[row + NEIGH_UPDATED] - pending[p + P_ASKED]) | 0) >= 0)
      settle(p, false)
    else ask(p, pending[p + P_HEAD])
  }
  const keyOf = (p: number): number => {
    putKey(
      pending[p + P_ADDR],
      pending[p + P_ADDR + 1],
      pending[p + P_ADDR + 2],
      pending[p + P_ADDR + 3]
    )
    return key
  }
  /** Takes a pending next hop out of its chain. */
  const release = (p: number): void => {
    const bucket = bucketOf(pending[p + P_DEV], keyOf(p))
    if (buckets[bucket] === p) buckets[bucket] = pending[p + P_NEXT]
    else {
      let before = buckets[bucket]
      while (pending[before + P_NEXT] !== p) before = pending[before + P_NEXT]
      pending[before + P_NEXT] = pending[p + P_NEXT]
    }
    const older = pending[p + P_OLDER]
    const newer = pending[p + P_NEWER]
    if (older === 0) oldest = newer
    else pending[older + P_NEWER] = newer
    if (newer === 0) newest = older
    else pending[newer + P_OLDER] = older
    pending[p + P_NEXT] = freePending
    freePending = p
  }

  /** What waits for a next hop is sent, or given up with an error to its sender. */
  const settle = (p: number, isValid: boolean): void => {
    const dev = pending[p + P_DEV]
    const a0 = pending[p + P_ADDR]
    const a1 = pending[p + P_ADDR + 1]
    const a2 = pending[p + P_ADDR + 2]
    const a3 = pending[p + P_ADDR + 3]
    let skb = pending[p + P_HEAD]
    pending[p + P_HEAD] = 0
    release(p)
    while (skb !== 0) {
      const next = i32[skb + SKB_NEXT]
      i32[skb + SKB_NEXT] = 0
      waiting--
      budget.release(skb)
      if (isValid) {
        putKey(a0, a1, a2, a3)
        neighResolve(skb, dev, key)
      } else {
        linkFailure(skb)
        drop(skb, Drop.NEIGH_FAILED)
      }
      skb = next
    }
  }
  /** The address came before worker 0's word of it: what waits here goes first, so that a flow stays in order. */
  const sendWaiting = (dev: number, addr: number): void => {
    const p = findPending(dev, addr)
    if (p !== 0) settle(p, true)
  }
  const putKey = (a0: number, a1: number, a2: number, a3: number): void => {
    i32[key] = a0
    i32[key + 1] = a1
    i32[key + 2] = a2
    i32[key + 3] = a3
  }

  ipi.on(Ipi.NEIGH_UPDATE, (_from, _row, dev, a0, a1, a2, a3, isValid) => {
    putKey(a0, a1, a2, a3)
    const p = findPending(dev, key)
    if (p === 0) return
    if (!asking || isValid !== 0) return settle(p, isValid !== 0)
    // worker 0 answers itself within the question: the sender is still sending, so it hears of it later
    pending[p + P_FAILED] = 1
    wheel.arm(timer, 1, onTimer)
  })
  /** Has the address at (words, at) a neighbour on the device? One that nobody has met is asked for. */
  const neighIsValid = (dev: number, words: Int32Array, at: number): boolean => {
    putKey(words[at], words[at + 1], words[at + 2], words[at + 3])
    const row = table.lookup(dev, key)
    if (row !== 0 && (i32[row + NEIGH_STATE] & NUD_VALID) !== 0) return true
    asking = true
    ipi.send(
      0,
      Ipi.NEIGH_RESOLVE,
      dev,
      words[at],
      words[at + 1],
      words[at + 2],
      words[at + 3],
      0,
      0,
      0,
      0
    )
    asking = false
    return false
  }
  /** Drops what waits for next hops behind a device that goes away. */
  const flushDevice = (dev: number): void => {
    for (let p = P_WORDS; p <= PENDING * P_WORDS; p += P_WORDS)
      if (pending[p + P_HEAD] !== 0 && pending[p + P_DEV] === dev) settle(p, false)
  }

  /** The transport heard from the next hop: its address is good (dst_confirm). */
  const neighConfirm = (dev: number, addr: number): void => {
    const row = table.lookup(dev, addr)
    if (row === 0) return
    const now = time[TIME_MS]
    // zero is never
    i32[use + ((row - neighbours) >> 5) * NEIGH_USE_WORDS + NEIGH_USE_CONFIRMED] =
      now === 0 ? 1 : now
  }
  /** Packets that wait here for a next hop. */
  const neighWaiting = (): number => waiting

  return { neighIsValid, neighResolve, neighConfirm, flushDevice, neighWaiting }
}
