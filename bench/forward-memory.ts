/**
 * What forwarding costs without a device: 60-byte UDP frames go into an skb, are dissected and steered, over the backlog
 * ring (the nic's part), then through net_rx_action, ip_rcv, FIB, ip_forward, neighbour, dev_queue_xmit, and over a
 * port's ring to a peer that frees them (the worker's part). Each part is measured in a thread of its own, as it runs in
 * the daemon, with stand-ins for the others: a heap with two stacks shares their compiled code, which then knows neither's
 * constants. Time is taken a batch at a time.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { AF_INET } from '../core/base/family.ts'
import { RTN_LOCAL, RTN_UNICAST } from '../core/base/flowi.ts'
import { NLM_F_CREATE } from '../core/control/nlm-flags.ts'
import { createTables } from '../core/control/tables.ts'
import { RT_SCOPE_UNIVERSE, RT_TABLE_LOCAL, RT_TABLE_MAIN } from '../core/inet/nexthop-constants.ts'
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
import { PORT_PEER, portTxRing } from '../core/dev/kinds/port.ts'
import { type Arena, backlogRing, createArena } from '../core/shm/arena.ts'
import { counterBank, Mib } from '../core/shm/counters.ts'
import { DEFAULT_ARENA, RSS_WORDS, RPS_MAP_OFFSET } from '../core/shm/layout.ts'
import { ringPublish, ringPush, ringReadable, ringRelease, ringTake } from '../core/shm/ring.ts'
import { setSysctlDefaults } from '../core/shm/sysctl.ts'
import {
  CHECKSUM_UNNECESSARY,
  createSkbs,
  OWNER_IN_RING,
  RX_HEADROOM,
  SKB_DATA,
  SKB_DEV,
  SKB_HASH,
  SKB_IP_SUMMED,
  SKB_OWNER,
  type Skbs,
} from '../core/skb/skb.ts'
import { createStack, type Stack } from '../core/stack.ts'
import { createRssControl } from '../core/steering/rss-control.ts'
import type { NicEnv, NicInput } from '../core/stack/nic.ts'
import { createNic } from '../core/stack/nic.ts'
import * as ethernet from '../core/wire/ethernet.ts'
import * as ipv4 from '../core/wire/ipv4.ts'
import * as udp from '../core/wire/udp.ts'

const FLOWS = 512
export const BATCH = 64
const FRAME = 60
/** Bytes from one frame to the next where they lie ready. */
const STRIDE = 64
const KEY = Uint8Array.from({ length: 40 }, (_, k) => (k * 37 + 11) & 255)

export const makeArena = (): Arena => {
  const arena = createArena({ ...DEFAULT_ARENA, workers: 1, nics: 1, apps: 1 })
  const { i32, u8, layout } = arena
  setSysctlDefaults(arena)
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

/** The stack of CPU 0, which knows the eight hosts. */
const makeStack = (arena: Arena): Stack => {
  const { i32, layout } = arena
  addRoutes(arena)
  const stack = createStack({
    arena,
    thread: 0,
    nowUs: () => performance.now() * 1000,
    random: () => 12345,
    secret: new Int32Array(2),
    wake: () => {},
    services: { echo: false, discard: false, chargen: false },
  })
  const key = layout.scratch + layout.nicThread * 1024
  for (let host = 0; host < 8; host++) {
    i32[key] = 0
    i32[key + 1] = 0
    i32[key + 2] = 0xffff
    i32[key + 3] = (10 << 24) | (2 << 16) | (10 + host)
    const row = stack.neighbour!.create(2, key)
    stack.neighbour!.update(row, 0x0202, host, NUD_PERMANENT, 0x80000001 | 0)
  }
  return stack
}

/** 10.1/16 behind device 1, 10.2/16 behind device 2, and some hundred prefixes around them. */
const addRoutes = (arena: Arena): void => {
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
  const unset = { gateway: null, prefsrc: null, mtu: 0, hoplimit: 0, advmss: 0 }
  const route = (table: number, addr: number, plen: number, type: number, dev: number): void => {
    const place = { family: AF_INET, table, words: [0, 0, 0xffff, addr] as const, plen }
    const error = rib.add({ ...none, ...unset, ...place, type, dev }, NLM_F_CREATE)
    if (error !== 0) throw new Error(`a route was refused: ${error}`)
  }
  route(RT_TABLE_LOCAL, (10 << 24) | (1 << 16) | 1, 32, RTN_LOCAL, 1)
  route(RT_TABLE_LOCAL, (10 << 24) | (2 << 16) | 1, 32, RTN_LOCAL, 2)
  route(RT_TABLE_MAIN, (10 << 24) | (1 << 16), 16, RTN_UNICAST, 1)
  route(RT_TABLE_MAIN, (10 << 24) | (2 << 16), 16, RTN_UNICAST, 2)
  for (let k = 0; k < 500; k++) route(RT_TABLE_MAIN, (20 << 24) | (k << 12), 24, RTN_UNICAST, 2)
}

/** Frames of FLOWS flows from 10.1.x.y to eight hosts of 10.2/16. */
const makeFrames = (): Uint8Array[] =>
  Array.from({ length: FLOWS }, (_, k) => {
    const frame = new Uint8Array(FRAME)
    ethernet.putMac(frame, 0, 0x0200, 1)
    ethernet.putMac(frame, 6, 0x0201, k)
    ethernet.setType(frame, 0, ethernet.ETH_P_IP)
    ipv4.init(
      frame,
      14,
      17,
      (10 << 24) | (1 << 16) | (256 + k),
      (10 << 24) | (2 << 16) | (10 + (k & 7)),
      FRAME - 14,
      64
    )
    ipv4.setChecksum(frame, 14)
    udp.setSrcPort(frame, 34, 1024 + k)
    udp.setDstPort(frame, 34, 9)
    udp.setLength(frame, 34, FRAME - 34)
    return frame
  })

/** Makes the next frame as if read from device 1: a copy within the arena stands for the read. */
const createSource = (arena: Arena, skbs: Skbs) => {
  const { i32, u8 } = arena
  const templates = i32[skbs.alloc(FLOWS * STRIDE, 0) + SKB_DATA]!
  for (const [k, frame] of makeFrames().entries()) u8.set(frame, templates + k * STRIDE)
  let next = 0
  return (): number => {
    const skb = skbs.alloc(FRAME, RX_HEADROOM)
    const from = templates + next * STRIDE
    u8.copyWithin(skbs.put(skb, FRAME), from, from + FRAME)
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

/** What is measured, and what else has to be done each turn; `after` returns how many packets came out. */
type Part = { before: () => void; measured: () => void; after: () => number; check: () => void }

const nicPart = (arena: Arena): Part => {
  /** A device that always has a batch of frames. */
  const input = ({ skbs }: NicEnv): NicInput => {
    const source = createSource(arena, skbs)
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
    input,
    sleep: nothing,
    rest: nothing,
  })
  nic.refresh()
  const ring = backlogRing(arena.layout, 0, nicThread)
  const after = createSink(arena, ring, createSkbs(arena, 0))
  return { before: nothing, measured: nic.turn, after, check: nothing }
}

const workerPart = (arena: Arena): Part => {
  const { i32, f64, layout } = arena
  const stack = makeStack(arena)
  const skbs = createSkbs(arena, layout.nicThread)
  const source = createSource(arena, skbs)
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
  const sink = createSink(arena, portTxRing(arena, 0, 0), createSkbs(arena, layout.appThread))
  const after = (): number => {
    const n = sink()
    received += n
    return n
  }
  const check = (): void => {
    if (f64[counterBank(arena, 0) + Mib.IpForwDatagrams] !== received)
      throw new Error('packets were not forwarded')
  }
  return { before, measured: stack.poll, after, check }
}

export const PARTS = { nic: nicPart, worker: workerPart }
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
}

/** Prints and returns nanoseconds of CPU a packet. */
export const run = async (packets = 2_000_000 - (2_000_000 % BATCH)): Promise<ForwardMemory> => {
  const nic = await inThread('nic', packets)
  const worker = await inThread('worker', packets)
  const show = (name: string, ns: number): void =>
    console.log(`  ${name.padEnd(34)} ${ns.toFixed(0).padStart(6)} ns/packet`)
  console.log(`forwarding in memory, ${FRAME}-byte frames, ${FLOWS} flows, batches of ${BATCH}`)
  show('worker: backlog to driver ring', worker.ns)
  show('nic: frame, dissect, hash, enqueue', nic.ns)
  show('worker, first 64 k packets (cold)', worker.coldNs)
  return { workerNs: worker.ns, nicNs: nic.ns, packets, coldWorkerNs: worker.coldNs }
}

if (!isMainThread) {
  const { part, packets } = workerData as { part: keyof typeof PARTS; packets: number }
  parentPort!.postMessage(measure(PARTS[part](makeArena()), packets))
} else if (import.meta.main) await run()
