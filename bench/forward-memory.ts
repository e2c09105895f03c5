/**
 * What forwarding costs without a device: 64-byte UDP frames go through the real stages in one thread: into an skb,
 * dissected and steered, over the backlog ring, net_rx_action, ip_rcv, FIB, ip_forward, neighbour, dev_queue_xmit, and
 * over a port's ring to a peer that frees them. Each part's time is taken a batch at a time. The worker's part is what a
 * CPU pays a packet; the nic's part is paid by the nic thread.
 */
import { AF_INET } from '../core/base/family.ts'
import { RTN_LOCAL, RTN_UNICAST } from '../core/base/flowi.ts'
import { NLM_F_CREATE } from '../core/control/rtnetlink.ts'
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
import { type Arena, createArena } from '../core/shm/arena.ts'
import { counterBank, Mib } from '../core/shm/counters.ts'
import { DEFAULT_ARENA, RSS_WORDS, RPS_MAP_OFFSET } from '../core/shm/layout.ts'
import { ringReadable, ringRelease, ringTake } from '../core/shm/ring.ts'
import { setSysctlDefaults } from '../core/shm/sysctl.ts'
import {
  CHECKSUM_UNNECESSARY,
  createSkbs,
  RX_HEADROOM,
  SKB_DEV,
  SKB_IP_SUMMED,
} from '../core/skb/skb.ts'
import { createStack } from '../core/stack.ts'
import { createRssControl } from '../core/steering/rss-control.ts'
import type { NicEnv, NicInput } from '../core/stack/nic.ts'
import { createNic } from '../core/stack/nic.ts'
import * as ethernet from '../core/wire/ethernet.ts'
import * as ipv4 from '../core/wire/ipv4.ts'
import * as udp from '../core/wire/udp.ts'

const FLOWS = 512
const BATCH = 64
const FRAME = 60
const KEY = Uint8Array.from({ length: 40 }, (_, k) => (k * 37 + 11) & 255)

const setup = () => {
  const config = { ...DEFAULT_ARENA, workers: 1, nics: 1, apps: 1 }
  const arena = createArena(config)
  const { i32, u8, layout } = arena
  setSysctlDefaults(arena)
  const peer = layout.appThread
  for (const ifindex of [1, 2]) {
    const row = deviceRow(arena, ifindex)
    i32[row + DEV_IFINDEX] = ifindex
    i32[row + DEV_FLAGS] = IFF_UP
    i32[row + DEV_MTU] = 1500
    i32[row + DEV_TXQLEN] = 1000
    i32[row + DEV_KIND] = kindNumbers(SOFT_KINDS).port
    i32[row + PORT_PEER] = peer
    ethernet.putMac(u8, (row + DEV_MAC) << 2, 0x0200, ifindex)
    const at = layout.rss + ifindex * RSS_WORDS
    createRssControl(new Int32Array(arena.buffer, at << 2, RPS_MAP_OFFSET)).init(1, KEY)
  }
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
  return { arena, stack, peer }
}

/** 10.1/16 behind device 1, 10.2/16 behind device 2, and some hundred prefixes around them. */
const addRoutes = (arena: Arena): void => {
  const nothing = () => {}
  const { rib } = createTables({
    arena,
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

export type ForwardMemory = {
  workerNs: number
  nicNs: number
  peerNs: number
  packets: number
  coldWorkerNs: number
}

const measure = (packets: number): ForwardMemory => {
  const { arena, stack, peer } = setup()
  const { i32, u8, f64, layout } = arena
  const out = createSkbs(arena, peer)
  const frames = makeFrames()
  const ring = portTxRing(arena, 0, 0)
  let next = 0

  /** A device that always has a batch of frames. */
  const input = ({ skbs }: NicEnv): NicInput => ({
    refresh: () => {},
    receive(_budget, deliver) {
      for (let k = 0; k < BATCH; k++) {
        const skb = skbs.alloc(FRAME, RX_HEADROOM)
        u8.set(frames[next]!, skbs.put(skb, FRAME))
        next = (next + 1) & (FLOWS - 1)
        i32[skb + SKB_DEV] = 1
        i32[skb + SKB_IP_SUMMED] = CHECKSUM_UNNECESSARY
        deliver(skb)
      }
      return BATCH
    },
    wait: () => {},
    nextDelay: (limitMs) => limitMs,
  })
  const nic = createNic({
    arena,
    thread: layout.nicThread,
    wake: () => {},
    input,
    sleep: () => {},
    rest: () => {},
  })
  nic.refresh()
  let received = 0
  const peerTurn = (): void => {
    const n = ringReadable(i32, ring)
    for (let k = 0; k < n; k++) out.free(ringTake(i32, ring))
    ringRelease(i32, ring)
    out.flush()
    received += n
  }
  const run = (count: number) => {
    let nicMs = 0
    let workerMs = 0
    let peerMs = 0
    for (let done = 0; done < count; done += BATCH) {
      const t0 = performance.now()
      nic.turn()
      const t1 = performance.now()
      stack.poll()
      const t2 = performance.now()
      peerTurn()
      const t3 = performance.now()
      nicMs += t1 - t0
      workerMs += t2 - t1
      peerMs += t3 - t2
    }
    const ns = (ms: number): number => (ms * 1e6) / count
    return { workerNs: ns(workerMs), nicNs: ns(nicMs), peerNs: ns(peerMs) }
  }
  const cold = run(64 * 1024)
  run(packets)
  const before = received
  const warm = run(packets)
  if (received - before !== packets)
    throw new Error(`only ${received - before} of ${packets} packets came out`)
  if (f64[counterBank(arena, 0) + Mib.IpForwDatagrams] !== received)
    throw new Error('packets were not forwarded')
  return { ...warm, packets, coldWorkerNs: cold.workerNs }
}

/** Prints and returns nanoseconds of CPU a packet, warm. */
export const run = async (packets = 2_000_000 - (2_000_000 % BATCH)): Promise<ForwardMemory> => {
  const result = measure(packets)
  const show = (name: string, ns: number): void =>
    console.log(`  ${name.padEnd(34)} ${ns.toFixed(0).padStart(6)} ns/packet`)
  console.log(`forwarding in memory, ${FRAME}-byte frames, ${FLOWS} flows, batches of ${BATCH}`)
  show('worker: backlog to driver ring', result.workerNs)
  show('nic: frame, dissect, hash, enqueue', result.nicNs)
  show('peer: take and free', result.peerNs)
  show('worker, first 64 k packets (cold)', result.coldWorkerNs)
  return result
}

if (import.meta.main) await run()
