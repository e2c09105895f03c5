/**
 * A dry run: the way of a made-up frame through the real code, and nothing happens. The tables that all threads share are
 * copied into an arena of its own, whole stacks are made over the copy, as a worker makes its own, and the frame is
 * given to them: what they send, count and change is the copy's, which is then forgotten. What a worker alone knows
 * is not in the copy: path MTUs it has learned, halves of datagrams, how often it has told a host of an error. A packet
 * for a socket ends before it: sockets stay the workers'. On the control thread, in one turn. Open vSwitch: ofproto/trace.
 */
import type { CapturedFrame } from '../control/captures.ts'
import { createCaptures } from '../control/captures.ts'
import { CAPTURE_TRACE } from '../dev/capture-constants.ts'
import type { PathKind } from '../dev/kinds/link-kind.ts'
import { createFlowi, FL_DADDR, FL_SADDR } from '../base/flowi.ts'
import { NETDEV_TX_OK } from '../netdev/netdev.ts'
import { NF_ACCEPT, NF_INET_LOCAL_IN, NF_STOLEN } from '../netfilter/nf-constants.ts'
import type { Arena } from '../shm/arena.ts'
import { createArena } from '../shm/arena.ts'
import { G_CAPTURE_DROPS, G_CAPTURES, G_SHUTDOWN, G_TRACES } from '../shm/layout.ts'
import {
  LARGE_ROOM,
  RX_HEADROOM,
  SKB_DEV,
  SKB_NETWORK,
  SKB_PROTOCOL,
  SKB_TRANSPORT,
} from '../skb/skb.ts'
import { createStack, type Stack } from '../stack.ts'
import type { PacketEnds } from '../control/sockets.ts'
import { ETH_P_IP } from '../wire/ethernet.ts'
import { IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipproto.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as ipv6 from '../wire/ipv6.ts'

type DryRunDeps = {
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
) => boolean

/** Devices whose frames come back to the stack; what others send has left. */
const INSIDE = ['lo', 'veth']
/** Turns of all CPUs within which a packet and what it leads to have come to their ends: a loop of routes ends by its TTL. */
const TURNS = 600
const NO_SERVICES = { echo: false, discard: false, chargen: false }
/** Behind all others (NF_IP_PRI_LAST). */
const LAST = 0x7fffffff
/** The one capture of a dry arena. */
const CAPTURE = 1
const ID = 1
/** Secrets are for peers: here is none. */
const random = (): number => 1

/** Everything in front of the rings: globals and tables. Captures and the end of the daemon are the others' business. */
const copyTables = (arena: Arena): Arena => {
  const { config, backlogRings } = arena.layout
  const dry = createArena(config, new SharedArrayBuffer(arena.buffer.byteLength))
  dry.i32.set(arena.i32.subarray(0, backlogRings))
  for (const word of [G_CAPTURES, G_CAPTURE_DROPS, G_TRACES, G_SHUTDOWN]) dry.i32[word] = 0
  return dry
}

/** What sockets have joined, and the multicast routes that were found, go where a stack starts: they are taken from before. */
const copyGroups = ({ i32, layout }: Arena, dry: Arena): void => {
  const { mcMembers, mfcStatsF64 } = layout
  dry.i32.set(i32.subarray(mcMembers, mfcStatsF64 << 1), mcMembers)
}

const gone: PathKind['startXmit'] =
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

  /** The ports of a packet to this host, which is whole; 0 for protocols without. */
  const endsOf = (stack: Stack, skb: number): PacketEnds => {
    const { i32, u8 } = stack.arena
    const at = i32[skb + SKB_NETWORK]
    const isV4 = i32[skb + SKB_PROTOCOL] === ETH_P_IP
    const flow = createFlowi()
    stack.loadAddrs(skb, flow)
    const wordsAt = (w: number) => [flow[w], flow[w + 1], flow[w + 2], flow[w + 3]] as const
    const transport = i32[skb + SKB_TRANSPORT]
    const portAt = (offset: number): number =>
      (u8[transport + offset] << 8) | u8[transport + offset + 1]
    return {
      protocol: isV4 ? ipv4.protocol(u8, at) : ipv6.nextHeader(u8, at),
      saddr: wordsAt(FL_SADDR),
      daddr: wordsAt(FL_DADDR),
      sport: portAt(0),
      dport: portAt(2),
      dev: i32[skb + SKB_DEV],
    }
  }
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
      services: NO_SERVICES,
    })
    const fn = (skb: number): number => {
      const ends = endsOf(stack, skb)
      const hasPorts = ends.protocol === IPPROTO_TCP || ends.protocol === IPPROTO_UDP
      if (!hasPorts || !isTaken(ends)) return NF_ACCEPT
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
    const dry = copyTables(arena)
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
    const stacks = Array.from({ length: dry.layout.config.workers }, (_, thread) =>
      makeStack(dry, thread, now, isTaken)
    )
    for (const { refresh } of stacks) refresh()
    // what stacks do when they start is not the packet's doing
    for (const { poll } of stacks) poll()
    copyGroups(arena, dry)
    tracing.poll()

    const [first] = stacks
    const skb = first.skbs.alloc(frame.length, RX_HEADROOM)
    dry.u8.set(frame, first.skbs.put(skb, frame.length))
    dry.i32[skb + SKB_DEV] = ifindex
    first.trace.mark(skb, ID, CAPTURE)
    first.netifRx(skb)
    first.backlog.flush()
    for (let left = TURNS, isBusy = true; isBusy && left > 0; left--) {
      isBusy = false
      for (const { trace, poll } of stacks) {
        trace.traceAs(ID, CAPTURE)
        if (poll() !== 0) isBusy = true
      }
      tracing.poll()
    }
    return true
  }
}
