/**
 * A dry run: the way of a made-up frame through the real code, and nothing happens. The tables that all threads share are
 * copied into an arena of its own, whole stacks are made over the copy, as a worker makes its own, and the frame is
 * given to them: what they send, count and change is the copy's, which is then forgotten. What a worker alone knows
 * is not in the copy: path MTUs it has learned, halves of datagrams, how often it has told a host of an error. A packet
 * for a socket ends before it: sockets stay the workers'. On the control thread, in one turn. Open vSwitch: ofproto/trace.
 */
import { AF_INET, AF_INET6 } from '../base/family.ts'
import type { CapturedFrame } from '../control/diag/captures.ts'
import { createCaptures } from '../control/diag/captures.ts'
import { CAPTURE_TRACE } from '../dev/capture-constants.ts'
import { fibPrefixesInUse } from '../inet/fib/trie/fib-prefix-hash.ts'
import type { PathKind } from '../dev/kinds/link-kind.ts'
import { NETDEV_TX_OK } from '../netdev/netdev.ts'
import { NF_ACCEPT, NF_INET_LOCAL_IN, NF_STOLEN } from '../netfilter/nf-constants.ts'
import { type Arena, arenaBytes, backlogRing, createArena, ipiRing } from '../shm/arena.ts'
import {
  type ArenaConfig,
  FIB_NODE_WORDS,
  G_CAPTURE_DROPS,
  G_CAPTURES,
  G_FIB_PAGES,
  G_SHUTDOWN,
  G_TRACES,
  SMALL_ARENA,
} from '../shm/layout.ts'
import {
  LARGE_ROOM,
  RX_HEADROOM,
  SKB_DEV,
  SKB_NETWORK,
  SKB_PROTOCOL,
  SKB_TAIL,
} from '../skb/skb.ts'
import { ringReadable } from '../shm/ring.ts'
import { createFlowDissector } from '../steering/flow-dissect.ts'
import { createStack, type Stack } from '../stack.ts'
import { type PacketEnds, packetEnds } from '../control/diag/packet-ends.ts'

export type DryRunDeps = {
  arena: Arena
  /** Those of the stacks. */
  kinds: readonly PathKind[]
  nowUs: () => number
}
/**
 * Gives the frame, come in on a device, to a copy of the stack. `isTaken`: has this host a socket for such a packet?
 * `take` is told what the stages note, in order. False when the frame is larger than any can be.
 */
export type DryRun = (
  frame: Uint8Array,
  ifindex: number,
  isTaken: (ends: PacketEnds) => boolean,
  take: (frame: CapturedFrame) => void
) => boolean | Promise<boolean>

/** Devices whose frames come back to the stack; what others send has left. */
const INSIDE = ['lo', 'veth']
/** Turns of all CPUs within which a packet and what it leads to have come to their ends: a loop of routes ends by its TTL. */
const TURNS = 600
/** Behind all others (NF_IP_PRI_LAST). */
const LAST = 0x7fffffff
/** The one capture of a dry arena. */
const CAPTURE = 1
const ID = 1
/** Secrets are for peers: here is none. */
const random = (): number => 1

/** Packet memory for a packet and what it leads to. The tables lie in front of what depends on it, so they lie the same. */
const poolsOf = (config: ArenaConfig): ArenaConfig => ({
  ...config,
  skbs: SMALL_ARENA.skbs,
  smallBuffers: SMALL_ARENA.smallBuffers,
  largeBuffers: SMALL_ARENA.largeBuffers,
  captureRing: SMALL_ARENA.captureRing,
})
/** Words of a page of memory. */
const PAGE = 1024
/** Copies pages that differ: most of the tables are room for more, and stay without memory in the copy too. */
const copyChanged = (from: Int32Array, to: Int32Array, start: number, end: number): void => {
  for (let page = start; page < end; page += PAGE) {
    const next = Math.min(page + PAGE, end)
    let at = page
    while (at < next && from[at] === to[at]) at++
    if (at < next) to.set(from.subarray(page, next), page)
  }
}
/**
 * Everything in front of the rings: globals and tables. Captures and the end of the daemon are the others' business. What the
 * run before has left behind them is what a stack that starts again finds: rings and free stacks are made anew.
 */
const copyTables = (arena: Arena, buffer: ArrayBufferLike): Arena => {
  const { i32, layout } = arena
  const dry = createArena(poolsOf(layout.config), buffer)
  copyChanged(i32, dry.i32, 0, layout.fibNodes + i32[G_FIB_PAGES] * FIB_NODE_WORDS)
  for (const family of [AF_INET, AF_INET6]) {
    const { head, end } = fibPrefixesInUse(arena, family)
    copyChanged(i32, dry.i32, head, end)
  }
  copyChanged(i32, dry.i32, layout.fibRules, layout.backlogRings)
  for (const word of [G_CAPTURES, G_CAPTURE_DROPS, G_TRACES, G_SHUTDOWN]) dry.i32[word] = 0
  return dry
}

/** What sockets have joined, and the multicast routes that were found, go where a stack starts: they are taken from before. */
const copyGroups = ({ i32, layout }: Arena, dry: Arena): void => {
  const { mcMembers, mfcStatsF64 } = layout
  copyChanged(i32, dry.i32, mcMembers, mfcStatsF64 << 1)
}

/** Has another CPU sent this one a packet, or called it? */
const hasWork = ({ i32, layout }: Arena, thread: number): boolean => {
  for (let from = 0; from < layout.config.workers; from++) {
    if (ringReadable(i32, backlogRing(layout, thread, from)) !== 0) return true
    if (ringReadable(i32, ipiRing(layout, thread, from)) !== 0) return true
  }
  return false
}

/** What leaves by it has left. */
export const gone: PathKind['startXmit'] =
  ({ skbs }) =>
  (skb) => {
    skbs.free(skb)
    return NETDEV_TX_OK
  }

export const createDryRun = ({ arena, kinds, nowUs }: DryRunDeps): DryRun => {
  const dryKinds = kinds.map(({ name, startXmit }) => ({
    name,
    startXmit: INSIDE.includes(name) ? startXmit : gone,
  }))

  /** Made with the first run, for all: only what they touch of it is memory. */
  let buffer: ArrayBufferLike | null = null

  /** A stack of the copy: what its sockets would take ends where they would be looked for. */
  const makeStack = (
    dry: Arena,
    thread: number,
    now: number,
    isTaken: (ends: PacketEnds) => boolean
  ) => {
    const stack = createStack({
      arena: dry,
      thread,
      kinds: dryKinds,
      random,
      nowUs: () => now,
      wake: () => {},
      secret: Int32Array.of(random(), random()),
    })
    const { i32, u8 } = dry
    const dissector = createFlowDissector(u8)
    const fn = (skb: number): number => {
      const at = i32[skb + SKB_NETWORK]
      dissector.dissectNetwork(i32[skb + SKB_PROTOCOL], at, i32[skb + SKB_TAIL] - at)
      const ends = packetEnds(dissector, i32[skb + SKB_DEV])
      if (ends === null || !isTaken(ends)) return NF_ACCEPT
      stack.consume(skb)
      return NF_STOLEN
    }
    for (const nf of [stack.nf, stack.nf6])
      nf.register({ hook: NF_INET_LOCAL_IN, priority: LAST, fn })
    return stack
  }

  return (frame, ifindex, isTaken, take) => {
    if (frame.length > LARGE_ROOM) return false
    const now = nowUs()
    buffer ??= new SharedArrayBuffer(arenaBytes(poolsOf(arena.layout.config)))
    const dry = copyTables(arena, buffer)
    const publisher = { retire: () => {}, raise: () => 0, publish: () => Promise.resolve(0) }
    const captures = createCaptures({ arena: dry, nowUs: () => now, ...publisher })
    const wanted = {
      ifindex: 0,
      ways: CAPTURE_TRACE,
      snapLen: 0,
      program: new Int32Array(1),
      packets: 0,
    }
    const tracing = captures.open(wanted, take)
    if (typeof tracing === 'number') return false
    const stacks: Stack[] = []
    const start = (thread: number): Stack => {
      const stack = makeStack(dry, thread, now, isTaken)
      stacks.push(stack)
      stack.refresh()
      copyGroups(arena, dry)
      return stack
    }
    // worker 0 steers; what it does when it starts is not the packet's doing
    const first = start(0)
    first.poll()
    tracing.poll()

    const skb = first.skbs.alloc(frame.length, RX_HEADROOM)
    dry.u8.set(frame, first.skbs.put(skb, frame.length))
    dry.i32[skb + SKB_DEV] = ifindex
    first.trace.mark(skb, ID, CAPTURE)
    first.netifRx(skb)
    first.backlog.flush()
    for (let left = TURNS, isBusy = true; isBusy && left > 0; left--) {
      isBusy = false
      for (let thread = 0; thread < dry.layout.config.workers; thread++)
        if (!stacks.some((stack) => stack.thread === thread) && hasWork(dry, thread)) start(thread)
      for (const { trace, poll } of stacks) {
        trace.traceAs(ID, CAPTURE)
        if (poll() !== 0) isBusy = true
      }
      tracing.poll()
    }
    return true
  }
}
