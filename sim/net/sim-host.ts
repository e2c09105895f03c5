// A host or router of a simulation (net-sim.ts): an arena, its control plane, a stack for each worker and a receive thread
// that steers, made as the daemon makes them but all run by one thread in turn.

import { createTextControl } from '../../core/control/text/control.ts'
import type { StackConfig } from '../../core/control/text/messages.ts'
import { fillSoftFeatures } from '../../core/dev/kinds/forward-skb.ts'
import { SOFT_KINDS } from '../../core/dev/kinds/kinds.ts'
import type { Carrier, LinkKind } from '../../core/dev/kinds/link-kind.ts'
import {
  DEV_FLAGS,
  DevStat,
  deviceRow,
  deviceStats,
  IFF_UP,
  NETDEV_TX_BUSY,
  NETDEV_TX_OK,
} from '../../core/netdev/netdev.ts'
import { transferFrame } from '../../core/dev/transfer.ts'
import { createArena } from '../../core/shm/arena.ts'
import { Mib, sumCounter } from '../../core/shm/counters.ts'
import {
  type ArenaConfig,
  G_GENERATION,
  SMALL_ARENA,
  THREAD_ACK,
  THREAD_RESTARTS,
  THREAD_RUNNING,
  THREAD_WORDS,
} from '../../core/shm/layout.ts'
import { DROP_COUNTERS, Drop } from '../../core/skb/drop.ts'
import {
  CHECKSUM_NONE,
  RX_HEADROOM,
  SKB_DATA,
  SKB_DEV,
  SKB_IP_SUMMED,
  SKB_LEN,
} from '../../core/skb/skb.ts'
import type { Skbs } from '../../core/skb/skbs.ts'
import type { ServicesConfig } from '../../core/socket/services/services.ts'
import { sockSlab } from '../../core/socket/sock.ts'
import { createStack, type Stack } from '../../core/stack.ts'
import { createDryRun } from '../../core/stack/dry-run.ts'
import { createNic } from '../../core/stack/nic.ts'
import { isRefused } from '../../core/control/text/names.ts'
import { disturb } from './restless-buffers.ts'
import { seeded } from '../../core/base/random.ts'
import type { End, Wire } from './sim-wire.ts'

const ON_PURPOSE = 'thrown on request'

export type HostOptions = {
  workers?: number
  services?: Partial<ServicesConfig>
  config?: Partial<ArenaConfig>
  /** Devices that take super-frames and leave checksums open, as a virtio wire does. */
  offload?: boolean
  /** How the other end of a wire is; all are up where nobody says. */
  carrier?: (ifname: string) => Carrier
  setup: StackConfig
}
/** What a host needs of its simulation. */
type World = { nowUs: () => number; random: () => number }

export type SimHost = Awaited<ReturnType<typeof createSimHost>>

export const createSimHost = async (
  { nowUs, random }: World,
  name: string,
  options: HostOptions
) => {
  const workers = options.workers ?? 1
  const config = { ...SMALL_ARENA, ...options.config, workers, nics: 1 }
  const arena = createArena(config)
  const { i32, f64, u8, layout } = arena
  const wires: ({ wire: Wire; side: number } | undefined)[] = []

  // the receive thread: memory that frames arrive in, and the way to the workers; it never sleeps
  let arrived: number[] = []
  const nic = createNic({
    arena,
    thread: layout.nicThread,
    wake: () => {},
    nowUs,
    input: () => ({
      refresh: () => {},
      receive(_budget, deliver) {
        const batch = arrived
        arrived = []
        for (const skb of batch) deliver(skb)
        return batch.length
      },
      wait: () => {},
      nextDelay: (limitMs) => limitMs,
    }),
    sleep: () => {},
    rest: () => {},
  })
  const nicSkbs = nic.skbs
  const receive = (skb: number, ifindex: number): void => {
    const stats = deviceStats(arena, layout.nicThread, ifindex)
    f64[stats + DevStat.rx_packets]!++
    f64[stats + DevStat.rx_bytes]! += i32[skb + SKB_LEN]!
    i32[skb + SKB_DEV] = ifindex
    arrived.push(skb)
  }

  let isJammed = false
  /** While `on`, its wires' drivers have no room. */
  const jam = (on: boolean): void => {
    isJammed = on
  }
  const transmit = (skbs: Skbs, skb: number, ifindex: number): number => {
    if (isJammed) return NETDEV_TX_BUSY
    const plug = wires[ifindex]
    if (plug?.wire.options.busy === true) return NETDEV_TX_BUSY
    if (plug !== undefined && passes(skb, plug.wire))
      plug.wire.send(plug.side, i32[skb + SKB_LEN]!, (end) => end.take(arena, skbs, skb))
    skbs.free(skb)
    return NETDEV_TX_OK
  }
  const passes = (skb: number, wire: Wire): boolean => {
    if (wire.options.filter === undefined) return true
    const at = i32[skb + SKB_DATA]!
    return wire.options.filter(u8.subarray(at, at + i32[skb + SKB_LEN]!), name)
  }

  const stacks: Stack[] = []
  const hostRandom = seeded(random())
  const secret = Int32Array.of(hostRandom(), hostRandom())
  const turn = (): number => {
    let work = 0
    nic.refresh()
    nic.turn()
    const first = (random() >>> 0) % stacks.length
    for (let k = 0; k < stacks.length; k++) {
      const w = (first + k) % stacks.length
      stacks[w]!.refresh()
      i32[layout.threadBlocks + w * THREAD_WORDS + THREAD_ACK] = i32[G_GENERATION]!
      work += pollWorker(w)
    }
    return work
  }

  // Errors on purpose: a stack calls what it was given from anywhere, so that is where it can be made to throw.
  const fuse = { worker: -1, calls: 0, isLit: false }
  const burn =
    <Args extends unknown[], Result>(worker: number, call: (...args: Args) => Result) =>
    (...args: Args): Result => {
      if (fuse.isLit && fuse.worker === worker && --fuse.calls < 0) {
        fuse.worker = -1
        throw new Error(ON_PURPOSE)
      }
      return call(...args)
    }
  /** The worker throws in the `calls`-th call from now that its stack makes out of a turn of its loop. */
  const throwAfter = (worker: number, calls: number): void => {
    fuse.worker = worker
    fuse.calls = calls
  }
  const pollWorker = (w: number): number => {
    fuse.isLit = true
    try {
      return stacks[w]!.poll()
    } catch (error) {
      if ((error as Error).message !== ON_PURPOSE) throw error
      stacks[w] = makeStack(w, true)
      i32[layout.threadBlocks + w * THREAD_WORDS + THREAD_RESTARTS]!++
      return 1
    } finally {
      fuse.isLit = false
    }
  }
  const restarts = (w: number): number =>
    i32[layout.threadBlocks + w * THREAD_WORDS + THREAD_RESTARTS]!
  const names = new Map<number, string>()
  const nameOf = (at: number): string => names.get(at) ?? ''
  /** A wire of the test's. */
  const pipe: LinkKind = {
    name: 'pipe',
    data: [],
    linkOps: () => ({
      newlink({ row, ifindex, spec }) {
        names.set(ifindex, spec.ifname ?? '')
        if (options.offload) fillSoftFeatures(i32, row)
        return { error: 0 }
      },
      dellink() {},
      ...(options.carrier && { carrier: (at: number) => options.carrier!(nameOf(at)) }),
    }),
    startXmit:
      ({ skbs }) =>
      (skb, dev) =>
        transmit(skbs, skb, i32[dev]!),
  }
  const kinds = [...SOFT_KINDS, pipe]
  const control = createTextControl({
    arena,
    random: hostRandom,
    nowUs,
    wake: () => {},
    pause: async () => void turn(),
    kinds,
    dryRun: createDryRun({ arena, kinds, nowUs }),
  })
  const makeStack = (thread: number, restarted: boolean): Stack => {
    const stack = createStack({
      arena,
      thread,
      secret,
      restarted,
      nowUs: burn(thread, nowUs),
      random: burn(thread, seeded(random())),
      wake: burn(thread, () => {}),
      kinds: kinds.map(({ name, startXmit }) => ({
        name,
        startXmit: (env) => burn(thread, startXmit(env)),
      })),
    })
    stack.services.configure({ echo: false, discard: false, chargen: false, ...options.services })
    disturb(arena, stack.skbs, stack.nf)
    disturb(arena, stack.skbs, stack.nf6)
    return stack
  }
  for (let thread = 0; thread < workers; thread++) {
    stacks.push(makeStack(thread, false))
    i32[layout.threadBlocks + thread * THREAD_WORDS + THREAD_RUNNING] = 1
  }
  /** 64 KB of the arena for the test's own data; of no worker, whose restart would take it. */
  const scratchSkb = nicSkbs.alloc(65536, RX_HEADROOM)
  const request: typeof control.request = async (message, ifAt) => {
    const reply = await control.request(message, ifAt)
    control.poll()
    return reply
  }
  /** A request that must not be refused. */
  const must = async (message: Parameters<typeof control.request>[0]): Promise<void> => {
    const reply = await request(message)
    if (reply.error !== 0) throw new Error(`${name}: ${(reply as { message: string }).message}`)
  }
  const ifindex = (ifname: string): number => {
    const links = control.dump({ type: 'RTM_GETLINK', filter: { ifname } })
    if (isRefused(links)) throw new Error(`${name}: ${links.message}`)
    return [...links].flat()[0]!.ifindex
  }
  const end = (at: number): End => {
    const isUp = (): boolean => (i32[deviceRow(arena, at) + DEV_FLAGS]! & IFF_UP) !== 0
    return {
      take: (from, skbs, skb) => {
        const twin = transferFrame(from, skbs, skb, arena, nicSkbs)
        if (twin !== 0 && !options.offload && i32[twin + SKB_IP_SUMMED] !== 3)
          i32[twin + SKB_IP_SUMMED] = CHECKSUM_NONE
        return twin
      },
      takeBytes: (bytes) => {
        const skb = nicSkbs.alloc(bytes.length, RX_HEADROOM)
        if (skb !== 0) u8.set(bytes, nicSkbs.put(skb, bytes.length))
        return skb
      },
      bytes: (skb) => {
        const at = i32[skb + SKB_DATA]!
        return u8.subarray(at, at + i32[skb + SKB_LEN]!)
      },
      arrive: (skb) => (isUp() ? receive(skb, at) : nicSkbs.free(skb)),
    }
  }
  const pools = (): Skbs[] => [...stacks.map((stack) => stack.skbs), nicSkbs]
  const gauge = () => ({
    skbs: pools().map((pool) => pool.available()),
    socks: stacks.map((stack) => sockSlab(arena, stack.thread, false).live()),
    timers: stacks.map((stack) => stack.wheel.count()),
  })
  const self = {
    name,
    arena,
    control,
    stacks,
    get stack(): Stack {
      return stacks[0]!
    },
    throwAfter,
    restarts,
    jam,
    turn,
    request,
    must,
    ifindex,
    end,
    gauge,
    wires,
    page: i32[scratchSkb + SKB_DATA]!,
    mib: (counter: keyof typeof Mib): number => sumCounter(arena, Mib[counter]),
    drops: (reason: keyof typeof Drop): number => sumCounter(arena, DROP_COUNTERS + Drop[reason]),
    /** What differs from how the host was when it had been set up. */
    leaks: () => difference(atStart, gauge(), options.services?.echo === true),
  }
  await must({ type: 'CONFIG_SET', config: options.setup })
  let atStart = gauge()
  const rest = (): void => {
    atStart = gauge()
  }
  return Object.assign(self, { rest })
}

type Gauge = {
  skbs: { skbs: number; smalls: number; larges: number }[]
  socks: number[]
  timers: number[]
}
/** Says what one gauge has more of than the other. The echo service keeps one large skb once it was used. */
const difference = (before: Gauge, after: Gauge, echo: boolean): string[] => {
  const found: string[] = []
  for (const [t, was] of before.skbs.entries()) {
    const now = after.skbs[t]!
    const kept = echo && was.skbs - now.skbs === 1 && was.larges - now.larges === 1 ? 1 : 0
    if (was.skbs - kept !== now.skbs) found.push(`thread ${t}: ${was.skbs - now.skbs} skbs`)
    if (was.smalls !== now.smalls)
      found.push(`thread ${t}: ${was.smalls - now.smalls} small buffers`)
    if (was.larges - kept !== now.larges)
      found.push(`thread ${t}: ${was.larges - now.larges} large buffers`)
  }
  for (const [w, was] of before.socks.entries())
    if (was !== after.socks[w]) found.push(`worker ${w}: ${after.socks[w]! - was} sockets`)
  // what a host says of its groups when it comes up runs out
  for (const [w, was] of before.timers.entries())
    if (was < after.timers[w]!) found.push(`worker ${w}: ${after.timers[w]! - was} timers`)
  return found
}
