/**
 * The hash of a flow, by which one of several next hops is chosen: of what fib_multipath_hash_policy names, the same in both
 * directions, and with one fib_multipath_hash_seed the same as the kernel's. Of a packet made here the flowi says all; of
 * a received one flow-keys.ts reads what else is wanted. Any thread, nothing allocated. Linux: struct flow_keys,
 * __flow_hash_from_keys() (net/core/flow_dissector.c), fib_multipath_hash() (net/ipv4/route.c), rt6_multipath_hash()
 * (net/ipv6/route.c).
 */
import { AF_INET } from '../../../base/family.ts'
import type { Flowi } from '../../../base/flowi.ts'
import {
  FL_DADDR,
  FL_DPORT,
  FL_FAMILY,
  FL_FLOWLABEL,
  FL_NEXTHDR,
  FL_PROTO,
  FL_SADDR,
  FL_SPORT,
} from '../../../base/flowi.ts'
import { createSiphash } from '../../../base/siphash.ts'
import { swap32 } from '../../../base/u32.ts'
import type { Arena } from '../../../shm/arena.ts'
import { G_MULTIPATH_SEED } from '../../../shm/layout.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { byFamily } from '../../af-ops.ts'

/** fib_multipath_hash_policy: addresses; ports as well; addresses of the innermost packet; what fib_multipath_hash_fields says. */
export const HASH_POLICY_L3 = 0
export const HASH_POLICY_L4 = 1
export const HASH_POLICY_INNER = 2
export const HASH_POLICY_CUSTOM = 3

// fib_multipath_hash_fields
const FIELD_SRC_IP = 1
const FIELD_DST_IP = 2
const FIELD_IP_PROTO = 4
const FIELD_FLOWLABEL = 8
const FIELD_SRC_PORT = 16
const FIELD_DST_PORT = 32
export const FIELDS_OUTER = 63
/** Those of the inner packet are the same, so many bits on. */
export const FIELDS_INNER_SHIFT = 6

// struct flow_keys in words, from `basic` on, with the word that aligns it: the octets lie in network order
const BASIC = 0
const TAGS = 1
const PORTS = 7
const ADDRS = 9
const WORDS_4 = ADDRS + 2 + 1
const WORDS_6 = ADDRS + 8 + 1
const JHASH_INITVAL = 0xdeadbeef | 0

const rol32 = (word: number, by: number): number => (word << by) | (word >>> (32 - by))
/** include/linux/jhash.h */
const jhash2words = (first: number, second: number): number => {
  const start = (JHASH_INITVAL + (2 << 2)) | 0
  let a = (first + start) | 0
  let b = (second + start) | 0
  let c = start
  c = ((c ^ b) - rol32(b, 14)) | 0
  a = ((a ^ c) - rol32(c, 11)) | 0
  b = ((b ^ a) - rol32(a, 25)) | 0
  c = ((c ^ b) - rol32(b, 16)) | 0
  a = ((a ^ c) - rol32(c, 4)) | 0
  b = ((b ^ a) - rol32(a, 14)) | 0
  return ((c ^ b) - rol32(b, 24)) | 0
}
const swapPort = (port: number): number => ((port & 0xff) << 8) | (port >>> 8)

export type FlowHash = ReturnType<typeof createFlowHash>

export const createFlowHash = (arena: Arena) => {
  const { i32, layout } = arena
  const { siphash } = createSiphash()
  const keys = new Int32Array(WORDS_6)
  const key = new Int32Array(4)
  const seedAt = layout.sysctl + Sysctl.fib_multipath_hash_seed
  const policyAt = byFamily(
    layout.sysctl + Sysctl.fib_multipath_hash_policy,
    layout.sysctl + Sysctl.fib_multipath_hash_policy6
  )
  const fieldsAt = byFamily(
    layout.sysctl + Sysctl.fib_multipath_hash_fields,
    layout.sysctl + Sysctl.fib_multipath_hash_fields6
  )
  const policyOf = (family: number): number => i32[policyAt(family)]
  const fieldsOf = (family: number): number => i32[fieldsAt(family)]
  /** Has there ever been a route with several next hops? */
  const isUsed = (): boolean => i32[G_MULTIPATH_SEED] !== 0

  const start = (): void => {
    keys.fill(0)
  }
  const setProto = (proto: number): void => {
    keys[BASIC] = proto << 16
  }
  /** As a header has it, in network order; or as the dissector reads it. */
  const setLabel = (label: number): void => {
    keys[TAGS] = label
  }
  /** The smaller port, as the machine reads its octets, comes first. */
  const setPorts = (sport: number, dport: number): void => {
    const source = swapPort(sport)
    const destination = swapPort(dport)
    keys[PORTS] = destination < source ? destination | (source << 16) : source | (destination << 16)
  }
  const setAddrs4 = (source: number, destination: number): void => {
    const src = swap32(source)
    const dst = swap32(destination)
    const isTurned = dst >>> 0 < src >>> 0
    keys[ADDRS] = isTurned ? dst : src
    keys[ADDRS + 1] = isTurned ? src : dst
  }
  /** Is the second address before the first? */
  const isBefore = (view: Int32Array, first: number, second: number): boolean => {
    for (let w = 0; w < 4; w++)
      if (view[first + w] !== view[second + w])
        return view[second + w] >>> 0 < view[first + w] >>> 0
    return false
  }
  /** Those at `src` and `dst` of `view`; what is not wanted is as if it were zero. */
  const setAddrs6 = (
    view: Int32Array,
    src: number,
    dst: number,
    hasSource = true,
    hasDestination = true
  ): void => {
    const isTurned =
      hasSource && hasDestination ? isBefore(view, src, dst) : hasSource && !isZero(view, src)
    for (let w = 0; w < 4; w++) {
      const source = hasSource ? swap32(view[src + w]) : 0
      const destination = hasDestination ? swap32(view[dst + w]) : 0
      keys[ADDRS + w] = isTurned ? destination : source
      keys[ADDRS + 4 + w] = isTurned ? source : destination
    }
  }
  const isZero = (view: Int32Array, at: number): boolean =>
    (view[at] | view[at + 1] | view[at + 2] | view[at + 3]) === 0
  /** 32 bits, never 0. */
  const finish = (is4: boolean): number => {
    key.fill(i32[seedAt] !== 0 ? i32[seedAt] : i32[G_MULTIPATH_SEED])
    return siphash(keys, 0, is4 ? WORDS_4 : WORDS_6, key, 0)[0] || 1
  }

  /**
   * A whole key of one of the two packets that the policy CUSTOM looks at, whose fields are `fields`: what is not wanted is
   * zero. The addresses are at `src` and `dst` of `view`, those of IPv4 v4-mapped.
   */
  const custom = (
    fields: number,
    is4: boolean,
    view: Int32Array,
    src: number,
    dst: number,
    proto: number,
    label: number,
    sport: number,
    dport: number
  ): number => {
    if (fields === 0) return 0
    start()
    const hasSource = (fields & FIELD_SRC_IP) !== 0
    const hasDestination = (fields & FIELD_DST_IP) !== 0
    if (is4) setAddrs4(hasSource ? view[src + 3] : 0, hasDestination ? view[dst + 3] : 0)
    else setAddrs6(view, src, dst, hasSource, hasDestination)
    if ((fields & FIELD_IP_PROTO) !== 0) setProto(proto)
    if ((fields & FIELD_FLOWLABEL) !== 0 && !is4) setLabel(label)
    setPorts(
      (fields & FIELD_SRC_PORT) !== 0 ? sport : 0,
      (fields & FIELD_DST_PORT) !== 0 ? dport : 0
    )
    return finish(is4)
  }
  /** Of a flow that names no packet. */
  const ofFlow = (fl: Flowi): number => {
    const is4 = fl[FL_FAMILY] === AF_INET
    const policy = policyOf(fl[FL_FAMILY])
    const label = swap32(fl[FL_FLOWLABEL])
    if (policy === HASH_POLICY_CUSTOM)
      return custom(
        fieldsOf(fl[FL_FAMILY]) & FIELDS_OUTER,
        is4,
        fl,
        FL_SADDR,
        FL_DADDR,
        fl[FL_PROTO],
        label,
        fl[FL_SPORT],
        fl[FL_DPORT]
      )
    start()
    if (is4) setAddrs4(fl[FL_SADDR + 3], fl[FL_DADDR + 3])
    else setAddrs6(fl, FL_SADDR, FL_DADDR)
    if (policy === HASH_POLICY_L4) {
      setProto(fl[FL_PROTO])
      setPorts(fl[FL_SPORT], fl[FL_DPORT])
    } else if (!is4) {
      setProto(fl[FL_NEXTHDR] || fl[FL_PROTO])
      setLabel(label)
    }
    return finish(is4)
  }
  return {
    policyOf,
    fieldsOf,
    isUsed,
    start,
    setProto,
    setLabel,
    setPorts,
    setAddrs4,
    setAddrs6,
    finish,
    custom,
    ofFlow,
    jhash2words,
  }
}
