/**
 * The one budget of packet memory: whoever keeps an skb beyond the call that gave it is a holder, and holds no more than
 * its bound. The unit is truesize: the buffers really held (2 KB or 68 KB slots) with their rows. As small and large
 * slots are pools of their own, a bound is a number of each. `computeBudget` is the one place where the bounds are set and
 * their sum is compared with the pools, before anything runs; a thread counts what it holds in words of its own.
 *
 * A buffer belongs to the pool of the thread that allocated it, and any worker may hold any pool's: the nic thread's in
 * rps mode, its own in multiqueue mode and what it sends, another's over lo or after a change of steering. So what
 * a worker may hold of *received* packets is a share of one pool divided by the workers: whichever pool they all come
 * from, it has enough. What a thread allocates itself for long (text to send, data for applications) comes out of its
 * own pool alone. The rest of each pool is the reserve that nobody may hold: packets on their way live in it.
 * Any thread; one instance a thread. Linux: sk_mem_charge(), tcp_mem, udp_mem, ipfrag_high_thresh, skb->truesize.
 */
import type { Arena } from '../shm/arena.ts'
import { type ArenaConfig, HELD_WORDS, LARGE_BYTES, SKB_WORDS, SMALL_BYTES } from '../shm/layout.ts'
import { SKB_BUF, SKB_CHARGE, SKB_F_TRACE, SKB_FLAGS, SKB_FRAGS, SKB_NEXT } from './skb.ts'

/** Who may hold packets. The numbers are bits of SKB_CHARGE and indices of the gauges. */
export const Holder = {
  /** Receive queues of TCP: read by their applications. */
  tcp_rcv: 1,
  /** Out-of-order queues of TCP, within the bound of tcp_rcv. */
  tcp_ofo: 2,
  /** Write queues of TCP. */
  tcp_snd: 3,
  udp_rcv: 4,
  /** Fragments that wait for the rest of their datagram. */
  reasm: 5,
  /** Packets whose next hop has no address yet. */
  neigh: 6,
  /** Frames that wait for a driver. */
  qdisc: 7,
  /** Frames that wait for their time, within the bound of qdisc. */
  netem: 8,
  /** Clones that packet sockets and captures have not taken yet. */
  tap: 9,
  /** Data on the way to applications, in the rings. */
  app: 10,
  /** What the services in the worker keep. */
  service: 11,
  /** Frames in the rings to the peers of ports. */
  port: 12,
  /** Multicast that waits for a route, within the bound of neigh. */
  mroute: 13,
  /** Questions about others for whom we answer, within the bound of neigh. */
  proxy: 14,
  /**
   * Within the bound of udp_rcv, other queues of sockets: what raw and ping sockets have received, what error queues quote, datagrams
   * of several calls that are not whole, and copies that are to be stamped.
   */
  sock_queue: 15,
} as const
export type Holder = (typeof Holder)[keyof typeof Holder]

/** Row and buffer. */
export const TRUESIZE_SMALL = SMALL_BYTES + SKB_WORDS * 4
export const TRUESIZE_LARGE = LARGE_BYTES + SKB_WORDS * 4

type Line = {
  holder: Holder
  /** Shares of a pool's small and large slots, in 64ths. */
  small: number
  large: number
  /** Received packets: the share is that of all workers together. */
  shared: boolean
}
/** The lines that add up. */
const LINES: readonly Line[] = [
  { holder: Holder.tcp_rcv, small: 15, large: 17, shared: true },
  { holder: Holder.udp_rcv, small: 6, large: 4, shared: true },
  { holder: Holder.reasm, small: 4, large: 4, shared: true },
  { holder: Holder.neigh, small: 2, large: 2, shared: true },
  { holder: Holder.qdisc, small: 9, large: 9, shared: true },
  { holder: Holder.tap, small: 2, large: 2, shared: true },
  { holder: Holder.tcp_snd, small: 11, large: 12, shared: false },
  { holder: Holder.app, small: 2, large: 3, shared: false },
  { holder: Holder.service, small: 2, large: 1, shared: false },
  { holder: Holder.port, small: 3, large: 2, shared: false },
]
/** Holders that draw on another's line: at most so many eighths of it, and never more than is left of it. */
const WITHIN: readonly { holder: Holder; line: Holder; eighths: number }[] = [
  { holder: Holder.tcp_ofo, line: Holder.tcp_rcv, eighths: 5 },
  { holder: Holder.netem, line: Holder.qdisc, eighths: 8 },
  { holder: Holder.mroute, line: Holder.neigh, eighths: 4 },
  { holder: Holder.proxy, line: Holder.neigh, eighths: 2 },
  { holder: Holder.sock_queue, line: Holder.udp_rcv, eighths: 4 },
]
/** On whose line a holder draws: another's, or its own. */
const lineFor = (holder: number): number =>
  WITHIN.find((each) => each.holder === holder)?.line ?? holder
const WHOLE = 64
const sumOf = (kind: 'small' | 'large', isShared: boolean): number =>
  LINES.reduce((sum, line) => sum + (line.shared === isShared ? line[kind] : 0), 0)
/** The lines leave an eighth; what rounding up for many workers takes of it must leave a sixteenth. */
const LEAST_RESERVE = 16

type Budget = {
  /** [holder * 2] small, [holder * 2 + 1] large slots that one thread may hold. */
  readonly bounds: Int32Array
  /** Large slots that the shared lines of a worker, and the others, may have together: with many workers a line's share
   *  is less than one. */
  readonly sharedLarge: number
  readonly ownLarge: number
  /** What nobody may hold of each pool. */
  readonly reserveSmall: number
  readonly reserveLarge: number
  /** Packets that may lie in one backlog ring when the pool that they come from is short. */
  readonly backlog: number
}

/** The bounds for an arena. Throws when its pools are too small for its workers. */
export const computeBudget = (config: ArenaConfig): Budget => {
  const { workers, skbs, smallBuffers, largeBuffers } = config
  const bounds = new Int32Array(HELD_WORDS)
  // each large buffer takes a row too
  const smallPool = Math.min(smallBuffers, skbs - largeBuffers)
  const part = (share: number, of: number, shared: boolean): number =>
    Math.max(1, Math.floor((share * of) / WHOLE / (shared ? workers : 1)))
  const sharedLarge = part(sumOf('large', true), largeBuffers, true)
  const ownLarge = part(sumOf('large', false), largeBuffers, false)
  const large = sharedLarge * workers + ownLarge
  let small = 0
  for (const line of LINES) {
    const at = line.holder * 2
    bounds[at] = part(line.small, smallPool, line.shared)
    // large ones are few: a line may have half of what the shared ones have together
    const half = line.shared ? sharedLarge >> 1 : 0
    bounds[at + 1] = Math.max(half, part(line.large, largeBuffers, line.shared))
    small += bounds[at] * (line.shared ? workers : 1)
  }
  for (const { holder, line, eighths } of WITHIN) {
    bounds[holder * 2] = Math.max(1, (bounds[line * 2] * eighths) >> 3)
    bounds[holder * 2 + 1] = Math.max(1, (bounds[line * 2 + 1] * eighths) >> 3)
  }
  const reserveSmall = Math.min(smallBuffers - small, skbs - small - large)
  const reserveLarge = largeBuffers - large
  if (reserveSmall * LEAST_RESERVE < smallPool || reserveLarge * LEAST_RESERVE < largeBuffers)
    throw new Error(
      `packet pools of ${skbs} rows, ${smallBuffers} small and ${largeBuffers} large buffers are too small for ${workers} workers`
    )
  // of the nic thread's pool only the shared lines are drawn: backlogs may have half of what is left
  const backlog = Math.max(
    1,
    Math.floor((skbs * (WHOLE - sumOf('small', true))) / WHOLE / 2 / workers)
  )
  return { bounds, sharedLarge, ownLarge, reserveSmall, reserveLarge, backlog }
}

/** The line that a holder draws on, when that is another's. */
export const lineOf = (holder: Holder): keyof typeof Holder | undefined => {
  const found = WITHIN.find((each) => each.holder === holder)
  const names = Object.keys(Holder) as (keyof typeof Holder)[]
  return names.find((name) => Holder[name] === found?.line)
}

/** Words of a thread's gauges. */
export const heldAt = (arena: Arena, thread: number): number =>
  arena.layout.held + thread * HELD_WORDS

export type SkbBudget = ReturnType<typeof createSkbBudget>

/** SKB_CHARGE's fields: holder, small slots, large slots. */
const HOLDER_BITS = 4
const SMALL_BITS = 14
const HOLDER_MASK = (1 << HOLDER_BITS) - 1
const SMALL_MASK = (1 << SMALL_BITS) - 1
export const holderOf = (charge: number): number => charge & HOLDER_MASK
export const smallsOf = (charge: number): number => (charge >>> HOLDER_BITS) & SMALL_MASK
export const largesOf = (charge: number): number => charge >>> (HOLDER_BITS + SMALL_BITS)
const ONE_SMALL = 1 << HOLDER_BITS
const ONE_LARGE = 1 << (HOLDER_BITS + SMALL_BITS)

export const createSkbBudget = (arena: Arena, thread: number) => {
  const { i32, layout } = arena
  const { smalls } = layout
  const { bounds, sharedLarge, ownLarge } = computeBudget(layout.config)
  const held = heldAt(arena, thread)
  let watch = (_skb: number, _holder: Holder): void => {}
  i32.fill(0, held, held + HELD_WORDS)

  /** Slots of an skb and its frags, in the form of SKB_CHARGE without a holder. */
  const slotsOf = (skb: number): number => {
    let slots = i32[skb + SKB_BUF] < smalls ? ONE_SMALL : ONE_LARGE
    for (let frag = i32[skb + SKB_FRAGS]; frag !== 0; frag = i32[frag + SKB_NEXT])
      slots += i32[frag + SKB_BUF] < smalls ? ONE_SMALL : ONE_LARGE
    return slots
  }
  const truesize = (skb: number): number => {
    const slots = slotsOf(skb)
    return smallsOf(slots) * TRUESIZE_SMALL + largesOf(slots) * TRUESIZE_LARGE
  }

  const holders = Array.from({ length: HELD_WORDS / 2 }, (_, holder) => holder)
  /** On whose line a holder draws. */
  const lines = Int32Array.from(holders, lineFor)
  /** Whether the line is one of those that the workers share: 1 or 0. */
  const isShared = Int32Array.from(holders, (holder) =>
    Number(LINES.some((line) => line.shared && line.holder === lines[holder]))
  )
  const mostLarges = Int32Array.of(ownLarge, sharedLarge)
  // Sums of the gauges, so that who asks for room need not add up: of each line, as the gauges lie, and of the large slots
  // that the shared lines, and the others, have together.
  const onLine = new Int32Array(HELD_WORDS)
  const larges = new Int32Array(2)

  /** Charges slots to a holder: for what is held outside a row (a ring's slots). */
  const add = (holder: number, slots: number): void => {
    addSmalls(holder, smallsOf(slots))
    if (largesOf(slots) !== 0) addLarges(holder, largesOf(slots))
  }
  const subtract = (holder: number, slots: number): void => {
    addSmalls(holder, -smallsOf(slots))
    if (largesOf(slots) !== 0) addLarges(holder, -largesOf(slots))
  }
  const addSmalls = (holder: number, count: number): void => {
    i32[held + holder * 2] += count
    onLine[lines[holder] * 2] += count
  }
  const addLarges = (holder: number, count: number): void => {
    i32[held + holder * 2 + 1] += count
    onLine[lines[holder] * 2 + 1] += count
    larges[isShared[holder]] += count
  }
  /** The holder keeps the skb from now on. It was nobody's. */
  const hold = (skb: number, holder: Holder): void => {
    const slots = slotsOf(skb)
    i32[skb + SKB_CHARGE] = slots | holder
    add(holder, slots)
    if ((i32[skb + SKB_FLAGS] & SKB_F_TRACE) !== 0) watch(skb, holder)
  }
  /** Who hears of traced packets that somebody keeps: traceHold (dev/trace.ts). */
  const onTracedHold = (fn: (skb: number, holder: Holder) => void): void => {
    watch = fn
  }
  /** The skb goes on its way, or another holder's; freeing it does so too. */
  const release = (skb: number): void => {
    const charge = i32[skb + SKB_CHARGE]
    if (charge === 0) return
    i32[skb + SKB_CHARGE] = 0
    subtract(holderOf(charge), charge)
  }

  const smallHeld = (holder: Holder): number => i32[held + holder * 2]
  const largeHeld = (holder: Holder): number => i32[held + holder * 2 + 1]
  /** Whether so many large slots are left to the holder and those it shares them with. */
  const hasLarges = (holder: Holder, count: number): boolean =>
    count === 0 || larges[isShared[holder]] + count <= mostLarges[isShared[holder]]
  /** Small slots that are held of a holder's line. */
  const smallsOnLine = (holder: Holder): number => onLine[lines[holder] * 2]
  const largesOnLine = (holder: Holder): number => onLine[lines[holder] * 2 + 1]
  const sharesLine = (holder: number, other: number): boolean => lines[holder] === lines[other]
  /** Whether its own bound lets the holder keep these slots as well. */
  const hasOwnRoom = (holder: Holder, slots: number): boolean =>
    i32[held + holder * 2] + smallsOf(slots) <= bounds[holder * 2] &&
    i32[held + holder * 2 + 1] + largesOf(slots) <= bounds[holder * 2 + 1]
  /** Whether the holder may keep these slots as well: of its own bound and of the line that it draws on. */
  const hasRoom = (holder: Holder, slots: number): boolean =>
    hasOwnRoom(holder, slots) &&
    smallsOnLine(holder) + smallsOf(slots) <= bounds[lines[holder] * 2] &&
    largesOnLine(holder) + largesOf(slots) <= bounds[lines[holder] * 2 + 1] &&
    hasLarges(holder, largesOf(slots))
  const mayHold = (skb: number, holder: Holder): boolean => hasRoom(holder, slotsOf(skb))

  return {
    bounds,
    /** A small slot and a large one: what an skb yet to be made may take. */
    oneOfEach: ONE_SMALL + ONE_LARGE,
    oneSmall: ONE_SMALL,
    oneLarge: ONE_LARGE,
    slotsOf,
    truesize,
    add,
    subtract,
    hold,
    onTracedHold,
    release,
    smallHeld,
    largeHeld,
    smallsOnLine,
    sharesLine,
    hasLarges,
    hasOwnRoom,
    hasRoom,
    mayHold,
  }
}
