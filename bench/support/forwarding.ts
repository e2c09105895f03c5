import { AF_INET, AF_INET6 } from '../../core/base/family.ts'
import { RTN_LOCAL, RTN_UNICAST } from '../../core/base/flowi.ts'
import { NLM_F_CREATE } from '../../core/control/nlm-flags.ts'
import { createTables } from '../../core/control/tables.ts'
import {
  RT_SCOPE_UNIVERSE,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
} from '../../core/inet/fib/nexthop-constants.ts'
import { NUD_PERMANENT } from '../../core/neigh/neigh-constants.ts'
import {
  DEV_FLAGS,
  DEV_IFINDEX,
  DEV_KIND,
  DEV_MAC,
  DEV_MTU,
  DEV_TXQLEN,
  deviceRow,
  IFF_UP,
} from '../../core/netdev/netdev.ts'
import { kindNumbers, SOFT_KINDS } from '../../core/dev/kinds/kinds.ts'
import type { PathKind } from '../../core/dev/kinds/link-kind.ts'
import { PORT_PEER, portTxRing } from '../../core/dev/kinds/ports.ts'
import { type Arena, createArena } from '../../core/shm/arena.ts'
import { Mib } from '../../core/shm/counters.ts'
import { DEFAULT_ARENA, PORT_SLOTS, RSS_WORDS, RPS_MAP_OFFSET } from '../../core/shm/layout.ts'
import { ringInit, ringReadable, ringRelease, ringTake } from '../../core/shm/ring.ts'
import { setSysctlDefaults } from '../../core/shm/sysctl.ts'
import {
  CHECKSUM_UNNECESSARY,
  RX_HEADROOM,
  SKB_DATA,
  SKB_DEV,
  SKB_IP_SUMMED,
} from '../../core/skb/skb.ts'
import type { Skbs } from '../../core/skb/skbs.ts'
import { createStack, type Stack } from '../../core/stack.ts'
import { createRssControl } from '../../core/steering/rss-control.ts'
import * as ethernet from '../../core/wire/ethernet.ts'
import * as ipv4 from '../../core/wire/ipv4.ts'
import * as ipv6 from '../../core/wire/ipv6.ts'
import type { Words } from '../../core/wire/text.ts'
import * as udp from '../../core/wire/udp.ts'
import type { TablePrefix } from './full-table.ts'

export const FLOWS = 512
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
export type Family = {
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
export const V6: Family = {
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
  kinds = SOFT_KINDS as readonly PathKind[],
  table: readonly TablePrefix[] = []
): Stack => {
  const { i32, layout } = arena
  addRoutes(arena, ip, table)
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

/** A network behind device 1, another behind device 2, and a table by way of the eight hosts, or some hundred prefixes around them. */
const addRoutes = (arena: Arena, ip: Family, table: readonly TablePrefix[]): void => {
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
  const unset = { prefsrc: null, metrics: null }
  const route = (
    id: number,
    words: Words,
    plen: number,
    type: number,
    dev: number,
    via: Words | null = null
  ): void => {
    const gateway = via && { family: ip.family, words: via }
    const place = { family: ip.family, table: id, words, plen }
    const error = rib.add({ ...none, ...unset, ...place, gateway, type, dev }, NLM_F_CREATE)
    if (error !== 0) throw new Error(`a route was refused: ${error}`)
  }
  for (const dev of [1, 2]) {
    route(RT_TABLE_LOCAL, ip.address(dev, 1), ip.bits, RTN_LOCAL, dev)
    route(RT_TABLE_MAIN, ip.address(dev, 0), ip.plen, RTN_UNICAST, dev)
  }
  if (table.length === 0)
    for (let k = 0; k < 500; k++)
      route(RT_TABLE_MAIN, ip.address(1000 + k, 0), ip.plen + 8, RTN_UNICAST, 2)
  for (const [k, { words, plen }] of table.entries())
    route(RT_TABLE_MAIN, words, plen, RTN_UNICAST, 2, ip.address(2, 10 + (k & 7)))
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
export const createSource = (arena: Arena, skbs: Skbs, ip: Family) => {
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
export const createSink =
  ({ i32 }: Arena, ring: number, skbs: Skbs) =>
  (): number => {
    const n = ringReadable(i32, ring)
    for (let k = 0; k < n; k++) skbs.free(ringTake(i32, ring))
    ringRelease(i32, ring)
    skbs.flush()
    return n
  }
