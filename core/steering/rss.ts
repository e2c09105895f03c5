/**
 * Receive-side scaling of one device: hash and queue of a flow. The state is an Int32Array in shared
 * memory, written by the control thread alone (rss-control.ts); the nic thread and the workers each
 * hold a reader with private tables.
 *
 * A sequence number, odd during a change, tells readers to copy again; refresh() costs one atomic
 * load a batch. Linux counterpart: the tables of a NIC behind `ethtool -x` and `-n`.
 */
import { putI32 } from '../base/bytes.ts'
import { ETH_P_IP, ETH_P_IPV6 } from '../wire/ethernet.ts'
import { IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipproto.ts'
import { isV4Mapped } from '../wire/ipv6.ts'
import {
  FLAG_IS_FRAG,
  KEY_DPORT,
  KEY_DST,
  KEY_FLAGS,
  KEY_IP_PROTO,
  KEY_N_PROTO,
  KEY_SPORT,
  KEY_SRC,
} from './flow-dissect.ts'
import { createToeplitz, RSS_KEY_LEN } from './toeplitz.ts'

export const RSS_INDIR_SIZE = 128
const INDIR_MASK = RSS_INDIR_SIZE - 1

/** Flow types of ethtool's rx-flow-hash, as positions of their field words. */
export const RSS_TCP4 = 0
export const RSS_UDP4 = 1
/** Everything else over IPv4, and every fragment. */
export const RSS_IP4 = 2
export const RSS_TCP6 = 3
export const RSS_UDP6 = 4
export const RSS_IP6 = 5
export const RSS_FLOW_TYPES = 6

/** Hash fields: the addresses, and the two halves of the transport's first word. */
export const RXH_IP_SRC = 1 << 4
export const RXH_IP_DST = 1 << 5
export const RXH_L4_B_0_1 = 1 << 6
export const RXH_L4_B_2_3 = 1 << 7
export const TWO_TUPLE = RXH_IP_SRC | RXH_IP_DST
export const PORTS = RXH_L4_B_0_1 | RXH_L4_B_2_3
export const FOUR_TUPLE = TWO_TUPLE | PORTS

/** Words of the shared state. */
export const SEQUENCE = 0
export const SYMMETRIC = 1
export const CHANNELS = 2
/** The table is the driver's default, so it follows the number of channels. */
export const IS_DEFAULT = 3
export const FIELDS = 4
export const KEY = FIELDS + RSS_FLOW_TYPES
export const INDIR = KEY + RSS_KEY_LEN / 4
export const RSS_WORDS = INDIR + RSS_INDIR_SIZE

/** One per reading thread. Call refresh() once a batch. */
export const createRssReader = (state: Int32Array) => {
  const fields = new Int32Array(RSS_FLOW_TYPES)
  const indir = new Int32Array(RSS_INDIR_SIZE)
  const key = new Uint8Array(RSS_KEY_LEN)
  const copy = new Int32Array(RSS_WORDS)
  const toeplitz = createToeplitz(key)
  let seen = 0
  let isSymmetric = false

  /** A copy that a change ran into is thrown away; the next batch tries again. */
  const refresh = (): void => {
    const sequence = Atomics.load(state, SEQUENCE)
    if (sequence === seen || (sequence & 1) !== 0) return
    for (let i = 0; i < RSS_WORDS; i++) copy[i] = state[i]
    if (Atomics.load(state, SEQUENCE) === sequence) adopt(sequence)
  }

  const adopt = (sequence: number): void => {
    seen = sequence
    isSymmetric = copy[SYMMETRIC] === 1
    for (let i = 0; i < RSS_FLOW_TYPES; i++) fields[i] = copy[FIELDS + i]
    for (let i = 0; i < RSS_INDIR_SIZE; i++) indir[i] = copy[INDIR + i]
    for (let i = 0; i < RSS_KEY_LEN / 4; i++) putI32(key, i * 4, copy[KEY + i])
    toeplitz.setKey(key)
  }

  /** Hash of a dissected flow; 0, as in Linux, where there is none. */
  const hash = (keys: Int32Array): number => {
    const proto = keys[KEY_N_PROTO]
    const isV4 = proto === ETH_P_IP
    if (!isV4 && proto !== ETH_P_IPV6) return 0
    const isWhole = (keys[KEY_FLAGS] & FLAG_IS_FRAG) === 0
    const type = flowType(isV4, isWhole ? keys[KEY_IP_PROTO] : 0)
    const sport = keys[KEY_SPORT]
    const dport = keys[KEY_DPORT]
    if (isV4) return hash4(fields[type], keys[KEY_SRC + 3], keys[KEY_DST + 3], sport, dport)
    return hash6(
      fields[type],
      keys[KEY_SRC],
      keys[KEY_SRC + 1],
      keys[KEY_SRC + 2],
      keys[KEY_SRC + 3],
      keys[KEY_DST],
      keys[KEY_DST + 1],
      keys[KEY_DST + 2],
      keys[KEY_DST + 3],
      sport,
      dport
    )
  }

  /**
   * Hash of a flow that has not arrived yet, seen as its incoming packets will be: a worker looks
   * for a local port whose replies come home to it.
   */
  const flowHash = (
    proto: number,
    s0: number,
    s1: number,
    s2: number,
    s3: number,
    d0: number,
    d1: number,
    d2: number,
    d3: number,
    sport: number,
    dport: number
  ): number => {
    const isV4 = isV4Mapped(d0, d1, d2)
    const selected = fields[flowType(isV4, proto)]
    if (isV4) return hash4(selected, s3, d3, sport, dport)
    return hash6(selected, s0, s1, s2, s3, d0, d1, d2, d3, sport, dport)
  }

  const flowType = (isV4: boolean, proto: number): number => {
    if (proto === IPPROTO_TCP) return isV4 ? RSS_TCP4 : RSS_TCP6
    if (proto === IPPROTO_UDP) return isV4 ? RSS_UDP4 : RSS_UDP6
    return isV4 ? RSS_IP4 : RSS_IP6
  }

  const hash4 = (
    selected: number,
    source: number,
    destination: number,
    sport: number,
    dport: number
  ): number => {
    const ports = selectPorts(selected, sport, dport)
    const s = selected & RXH_IP_SRC ? source : 0
    const d = selected & RXH_IP_DST ? destination : 0
    return isSymmetric ? toeplitz.hash4(s ^ d, s ^ d, ports) : toeplitz.hash4(s, d, ports)
  }

  const hash6 = (
    selected: number,
    s0: number,
    s1: number,
    s2: number,
    s3: number,
    d0: number,
    d1: number,
    d2: number,
    d3: number,
    sport: number,
    dport: number
  ): number => {
    const ports = selectPorts(selected, sport, dport)
    const s = selected & RXH_IP_SRC ? -1 : 0
    const d = selected & RXH_IP_DST ? -1 : 0
    if (!isSymmetric) {
      return toeplitz.hash6(s0 & s, s1 & s, s2 & s, s3 & s, d0 & d, d1 & d, d2 & d, d3 & d, ports)
    }
    const x0 = (s0 ^ d0) & s
    const x1 = (s1 ^ d1) & s
    const x2 = (s2 ^ d2) & s
    const x3 = (s3 ^ d3) & s
    return toeplitz.hash6(x0, x1, x2, x3, x0, x1, x2, x3, ports)
  }

  const selectPorts = (selected: number, sport: number, dport: number): number => {
    const s = selected & RXH_L4_B_0_1 ? sport : 0
    const d = selected & RXH_L4_B_2_3 ? dport : 0
    return isSymmetric ? ((s ^ d) << 16) | (s ^ d) : (s << 16) | d
  }

  const queueFor = (flow: number): number => indir[flow & INDIR_MASK]

  refresh()
  return { refresh, hash, flowHash, queueFor }
}
