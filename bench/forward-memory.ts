/**
 * What forwarding costs without a device, IPv4 and IPv6: the smallest UDP frames go into an skb, are dissected and steered, over the backlog
 * ring (the nic's part), then through net_rx_action, ip_rcv, FIB, ip_forward, neighbour, dev_queue_xmit, and over a
 * port's ring to a peer that frees them (the worker's part). Each part is measured in a thread of its own, as it runs in
 * the daemon, with stand-ins for the others: a heap with two stacks shares their compiled code, which then knows neither's
 * constants. Time is taken a batch at a time.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { AF_INET, AF_INET6 } from '../core/base/family.ts'
import { RTN_LOCAL, RTN_UNICAST } from '../core/base/flowi.ts'
import { NLM_F_CREATE } from '../core/control/nlm-flags.ts'
import { createTables } from '../core/control/tables.ts'
import {
  RT_SCOPE_UNIVERSE,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
} from '../core/inet/fib/nexthop-constants.ts'
import { NUD_PERMANENT } from '../core/neigh/neigh-constants.ts'
import {
  DEV_FLAGS,
  DEV_IFINDEX,
  DEV_KIND,
  DEV_MAC,
  DEV_MTU,
  DEV_TXQLEN,
  deviceRow,
  IFF_UP,
} from '../core/netdev/netdev.ts'
import { kindNumbers, SOFT_KINDS } from '../core/dev/kinds/kinds.ts'
import type { PathKind } from '../core/dev/kinds/link-kind.ts'
import { PORT_PEER, portTxRing } from '../core/dev/kinds/ports.ts'
import { type Arena, backlogRing, createArena } from '../core/shm/arena.ts'
import { counterBank, Mib } from '../core/shm/counters.ts'
import { DEFAULT_ARENA, PORT_SLOTS, RSS_WORDS, RPS_MAP_OFFSET } from '../core/shm/layout.ts'
import {
  ringInit,
  ringPublish,
  ringPush,
  ringReadable,
  ringRelease,
  ringTake,
} from '../core/shm/ring.ts'
import { setSysctlDefaults } from '../core/shm/sysctl.ts'
import {
  CHECKSUM_UNNECESSARY,
  OWNER_IN_RING,
  RX_HEADROOM,
  SKB_DATA,
  SKB_DEV,
  SKB_HASH,
  SKB_IP_SUMMED,
  SKB_OWNER,
} from '../core/skb/skb.ts'
import { createSkbs, type Skbs } from '../core/skb/skbs.ts'
import { createStack, type Stack } from '../core/stack.ts'
import { createRssControl } from '../core/steering/rss-control.ts'
import type { NicEnv, NicInput } from '../core/stack/nic.ts'
import { createNic } from '../core/stack/nic.ts'
import * as ethernet from '../core/wire/ethernet.ts'
import * as ipv4 from '../core/wire/ipv4.ts'
import * as ipv6 from '../core/wire/ipv6.ts'
import type { Words } from '../core/wire/text.ts'
import * as udp from '../core/wire/udp.ts'

const FLOWS = 512
export const BATCH = 64
/** Bytes from one frame to the next where they lie ready. */
const STRIDE = 64
const KEY = Uint8Array.from({ length: 40 }, (_, k) => (k * 37 + 11) & 255)

export const makeArena = (apps = 1): Arena => {
  const arena = createArena({ ...DEFAULT_ARENA, workers: 1, nics: 1, apps })
  const { i32, u8, layout } = arena
  setSysctlDefaults(arena)
  // no control makes the two links, which are one port's
  ringInit(i32, portTxRing(arena, 0, 0), PORT_SLOTS)
  for (const ifindex of [1, 2]) {
    const row = deviceRow(arena, ifindex)
    i32[row + DEV_IFINDEX] = ifindex
    i32[row + DEV_FLAGS] = IFF_UP
    i32[row + DEV_MTU] = 1500
    i32[row + DEV_TXQLEN] = 1000
    i32[row + DEV_KIND] = kindNumbers(SOFT_KINDS).port
    i32[row + PORT_PEER] = layout.appThread
    ethernet.putMac(u8, (row + DEV_MAC) << 2, 0x0200, ifindex)
    const at = layout.rss + ifindex * RSS_WORDS
    createRssControl(new Int32Array(arena.buffer, at << 2, RPS_MAP_OFFSET)).init(1, KEY)
  }
  return arena
}

/** What the families differ in: octets of a frame, addresses by network and number, and the IP header. */
type Family = {
  family: number
  name: string
  frameLen: number
  headerLen: number
  ethertype: number
  forwarded: number
  address: (network: number, host: number) => Words
  /** Length of the prefix of a network of addresses, and of one address. */
  plen: number
  bits: number
  fillHeader: (frame: Uint8Array, source: Words, destination: Words) => void
}
export const V4: Family = {
  family: AF_INET,
  name: 'IPv4',
  frameLen: 60,
  headerLen: ipv4.MIN_HEADER,
  ethertype: ethernet.ETH_P_IP,
  forwarded: Mib.IpForwDatagrams,
  address: (network, host) => [0, 0, 0xffff, (10 << 24) | (network << 16) | host],
  plen: 16,
  bits: 32,
  fillHeader: (frame, source, destination) => {
    ipv4.init(frame, 14, 17, source[3], destination[3], frame.length - 14, 64)
    ipv4.setChecksum(frame, 14)
  },
}
const V6: Family = {
  family: AF_INET6,
  name: 'IPv6',
  frameLen: 62,
  headerLen: ipv6.HEADER,
  ethertype: ethernet.ETH_P_IPV6,
  forwarded: Mib.Ip6OutForwDatagrams,
  address: (network, host) => [0x20010db8, network << 16, 0, host],
  plen: 48,
  bits: 128,
  fillHeader: (frame, source, destination) => {
    ipv6.init(frame, 14, 17, frame.length - 14 - ipv6.HEADER, 64)
    ipv6.setSrc(frame, 14, ...source)
    ipv6.setDst(frame, 14, ...destination)
  },
}

/** The stack of CPU 0, which knows the eight hosts. */
export const makeStack = (
  arena: Arena,
  ip: Family,
  kinds = SOFT_KINDS as readonly PathKind[]
): Stack => {
  const { i32, layout } = arena
  addRoutes(arena, ip)
  const stack = createStack({
    arena,
    kinds,
    thread: 0,
    nowUs: () => performance.now() * 1000,
    random: () => 12345,
    secret: new Int32Array(2),
    wake: () => {},
  })
  const key = layout.scratch + layout.nicThread * 1024
  for (let host = 0; host < 8; host++) {
    i32.set(ip.address(2, 10 + host), key)
    const row = stack.neighbour!.create(2, key)
    stack.neighbour!.update(row, 0x0202, host, NUD_PERMANENT, 0x80000001 | 0)
  }
  return stack
}

/** A network behind device 1, another behind device 2, and some hundred prefixes around them. */
const addRoutes = (arena: Arena, ip: Family): void => {
  const nothing = () => {}
  const { rib } = createTables({
    arena,
    ipi: { send: () => true, kick: () => {} },
    retire: nothing,
    reclaim: nothing,
    onRoute: nothing,
    onAddress: nothing,
  })
  const none = { tos: 0, metric: 0, protocol: 0, scope: RT_SCOPE_UNIVERSE, flags: 0 }
  const unset = { gateway: null, prefsrc: null, metrics: null }
  const route = (table: number, words: Words, plen: number, type: number, dev: number): void => {
    const place = { family: ip.family, table, words, plen }
    const error = rib.add({ ...none, ...unset, ...place, type, dev }, NLM_F_CREATE)
    if (error !== 0) throw new Error(`a route was refused: ${error}`)
  }
  for (const dev of [1, 2]) {
    route(RT_TABLE_LOCAL, ip.address(dev, 1), ip.bits, RTN_LOCAL, dev)
    route(RT_TABLE_MAIN, ip.address(dev, 0), ip.plen, RTN_UNICAST, dev)
  }
  for (let k = 0; k < 500; k++)
    route(RT_TABLE_MAIN, ip.address(1000 + k, 0), ip.plen + 8, RTN_UNICAST, 2)
}

/** Frames of FLOWS flows from one network to eight hosts of the other. */
const makeFrames = (ip: Family): Uint8Array[] =>
  Array.from({ length: FLOWS }, (_, k) => {
    const frame = new Uint8Array(ip.frameLen)
    const at = 14 + ip.headerLen
    ethernet.putMac(frame, 0, 0x0200, 1)
    ethernet.putMac(frame, 6, 0x0201, k)
    ethernet.setType(frame, 0, ip.ethertype)
    ip.fillHeader(frame, ip.address(1, 256 + k), ip.address(2, 10 + (k & 7)))
    udp.setSrcPort(frame, at, 1024 + k)
    udp.setDstPort(frame, at, 9)
    udp.setLength(frame, at, ip.frameLen - at)
    return frame
  })

/** Makes the next frame as if read from device 1: a copy within the arena stands for the read. */
const createSource = (arena: Arena, skbs: Skbs, ip: Family) => {
  const { i32, u8 } = arena
  const { frameLen } = ip
  const templates = i32[skbs.alloc(FLOWS * STRIDE, 0) + SKB_DATA]!
  for (const [k, frame] of makeFrames(ip).entries()) u8.set(frame, templates + k * STRIDE)
  let next = 0
  return (): number => {
    const skb = skbs.alloc(frameLen, RX_HEADROOM)
    const from = templates + next * STRIDE
    u8.copyWithin(skbs.put(skb, frameLen), from, from + frameLen)
    next = (next + 1) & (FLOWS - 1)
    i32[skb + SKB_DEV] = 1
    i32[skb + SKB_IP_SUMMED] = CHECKSUM_UNNECESSARY
    return skb
  }
}
/** Takes what is in a ring and frees it; returns how much. */
const createSink =
  ({ i32 }: Arena, ring: number, skbs: Skbs) =>
  (): number => {
    const n = ringReadable(i32, ring)
    for (let k = 0; k < n; k++) skbs.free(ringTake(i32, ring))
    ringRelease(i32, ring)
    skbs.flush()
    return n
  }

/**
 * What is measured, and what else has to be done each turn; `after` returns how many packets came out. `refresh` is what a
 * thread does when control has published something.
 */
type Part = {
  before: () => void
  measured: () => void
  after: () => number
  check: () => void
  refresh: () => void
}

const nicPart =
  (ip: Family) =>
  (arena: Arena): Part => {
    /** A device that always has a batch of frames. */
    const input = ({ skbs }: NicEnv): NicInput => {
      const source = createSource(arena, skbs, ip)
      return {
        refresh: () => {},
        receive(_budget, deliver) {
          for (let k = 0; k < BATCH; k++) deliver(source())
          return BATCH
        },
        wait: () => {},
        nextDelay: (limitMs) => limitMs,
      }
    }
    const { nicThread } = arena.layout
    const nothing = (): void => {}
    const nic = createNic({
      arena,
      thread: nicThread,
      wake: nothing,
      nowUs: () => 0,
      input,
      sleep: nothing,
      rest: nothing,
    })
    nic.refresh()
    const ring = backlogRing(arena.layout, 0, nicThread)
    const after = createSink(arena, ring, createSkbs(arena, 0))
    const { turn, refresh } = nic
    return { before: nothing, measured: turn, after, check: nothing, refresh }
  }

const workerPart =
  (ip: Family) =>
  (arena: Arena): Part => {
    const { i32, f64, layout } = arena
    const stack = makeStack(arena, ip)
    // a pool for each of those it stands in for would share the compiled code of the worker's own
    const { skbs } = stack
    const source = createSource(arena, skbs, ip)
    const ring = backlogRing(layout, 0, layout.nicThread)
    /** A nic thread that need not think: all flows are CPU 0's. */
    const before = (): void => {
      for (let k = 0; k < BATCH; k++) {
        const skb = source()
        i32[skb + SKB_HASH] = k + 1
        i32[skb + SKB_OWNER] = OWNER_IN_RING
        ringPush(i32, ring, skb)
      }
      ringPublish(i32, ring)
      skbs.reclaim()
    }
    let received = 0
    const sink = createSink(arena, portTxRing(arena, 0, 0), skbs)
    const after = (): number => {
      const n = sink()
      received += n
      return n
    }
    const check = (): void => {
      if (f64[counterBank(arena, 0) + ip.forwarded] !== received)
        throw new Error('packets were not forwarded')
    }
    return { before, measured: stack.poll, after, check, refresh: stack.refresh }
  }

export const PARTS = {
  nic: nicPart(V4),
  worker: workerPart(V4),
  nic6: nicPart(V6),
  worker6: workerPart(V6),
}
type Figures = { ns: number; coldNs: number }

/** Nanoseconds a packet, warm, and of the first 64 k packets. */
const measure = ({ before, measured, after, check }: Part, packets: number): Figures => {
  const run = (count: number): number => {
    let ms = 0
    let out = 0
    for (let done = 0; done < count; done += BATCH) {
      before()
      const start = performance.now()
      measured()
      ms += performance.now() - start
      out += after()
    }
    if (out !== count) throw new Error(`only ${out} of ${count} packets came out`)
    return (ms * 1e6) / count
  }
  const coldNs = run(64 * 1024)
  run(packets)
  const ns = run(packets)
  check()
  return { ns, coldNs }
}

const inThread = (part: keyof typeof PARTS, packets: number): Promise<Figures> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { part, packets } })
    worker.on('message', resolve)
    worker.on('error', reject)
  })

export type ForwardMemory = {
  workerNs: number
  nicNs: number
  packets: number
  coldWorkerNs: number
  /** The same of IPv6. */
  worker6Ns: number
  nic6Ns: number
}

/** Prints and returns nanoseconds of CPU a packet. */
export const run = async (packets = 2_000_000 - (2_000_000 % BATCH)): Promise<ForwardMemory> => {
  const show = (name: string, ns: number): void =>
    console.log(`  ${name.padEnd(40)} ${ns.toFixed(0).padStart(6)} ns/packet`)
  console.log(`forwarding in memory, smallest frames, ${FLOWS} flows, batches of ${BATCH}`)
  const both = async ({ name }: Family, nicName: keyof typeof PARTS, part: keyof typeof PARTS) => {
    const nic = await inThread(nicName, packets)
    const worker = await inThread(part, packets)
    show(`${name} worker: backlog to driver ring`, worker.ns)
    show(`${name} nic: frame, dissect, hash, enqueue`, nic.ns)
    show(`${name} worker, first 64 k packets (cold)`, worker.coldNs)
    return { nic, worker }
  }
  const v4 = await both(V4, 'nic', 'worker')
  const v6 = await both(V6, 'nic6', 'worker6')
  return {
    workerNs: v4.worker.ns,
    nicNs: v4.nic.ns,
    packets,
    coldWorkerNs: v4.worker.coldNs,
    worker6Ns: v6.worker.ns,
    nic6Ns: v6.nic.ns,
  }
}

if (!isMainThread) {
  const { part, packets } = workerData as { part: keyof typeof PARTS; packets: number }
  parentPort!.postMessage(measure(PARTS[part](makeArena()), packets))
} else if (import.meta.main) await run()
