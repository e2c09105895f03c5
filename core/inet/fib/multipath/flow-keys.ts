/**
 * What a lookup needs to know of a received packet beyond its header: its ports, and what else the choice among next hops is
 * made by. Called by IP input of both families before routeInput, on any thread; dissects only when a rule or that choice
 * asks. Linux: fib4_rules_early_flow_dissect, fib6_rules_early_flow_dissect; ip_multipath_l3_keys(),
 * fib_multipath_custom_hash_skb() (net/ipv4/route.c) and their like in net/ipv6/route.c.
 */
import { AF_INET, AF_INET6 } from '../../../base/family.ts'
import {
  createFlowi,
  type Flowi,
  FL_DADDR,
  FL_DPORT,
  FL_FAMILY,
  FL_FLOWLABEL,
  FL_HASH,
  FL_NEXTHDR,
  FL_PROTO,
  FL_SADDR,
  FL_SPORT,
} from '../../../base/flowi.ts'
import { swap32 } from '../../../base/u32.ts'
import type { Arena } from '../../../shm/arena.ts'
import { SKB_FRAGS, SKB_LEN, SKB_NETWORK, SKB_PROTOCOL, SKB_TAIL } from '../../../skb/skb.ts'
import type { Skbs } from '../../../skb/skbs.ts'
import { ETH_P_IP, ETH_P_IPV6 } from '../../../wire/ethernet.ts'
import { IPPROTO_ICMP, IPPROTO_ICMPV6 } from '../../../wire/ipproto.ts'
import * as icmp from '../../../wire/icmp.ts'
import * as ipv4 from '../../../wire/ipv4.ts'
import * as ipv6 from '../../../wire/ipv6.ts'
import { byFamily } from '../../af-ops.ts'
import type { PacketAddrs } from '../../packet-addrs.ts'
import type { FlowHash } from './flow-hash.ts'
import {
  FIELDS_INNER_SHIFT,
  FIELDS_OUTER,
  HASH_POLICY_CUSTOM,
  HASH_POLICY_INNER,
  HASH_POLICY_L3,
  HASH_POLICY_L4,
} from './flow-hash.ts'
import { FR_HEAD_PORTS } from '../rules/fib-rule-constants.ts'
import { ruleHead } from '../rules/fib-rules.ts'

export type FlowKeys = ReturnType<typeof createFlowKeys>
/** What a dissector has read of a packet: of a piece of a datagram or an ICMP error no ports. */
export type PacketKeys = {
  /** Words of it, and where the two addresses lie in them, four words each. */
  view: Int32Array
  src: number
  dst: number
  isIpv4: () => boolean
  protocol: () => number
  sport: () => number
  dport: () => number
  /** IPv6's flow label, or 0. */
  label: () => number
  /** Are its addresses those of what an ICMP error quotes? */
  isError: () => boolean
  /** Where the header behind the network's begins. */
  transport: () => number
  /** Reads the packet within [at, end); false: it makes no sense. */
  read: (proto: number, at: number, end: number) => boolean
  /** Reads the innermost packet of what was read and is within `end`; false: it carries none. */
  readInner: (end: number) => boolean
}
type FlowKeysDeps = {
  arena: Arena
  skbs: Pick<Skbs, 'mayPull'>
  net: number
  flowHash: FlowHash
  /** By core/stack/packet-keys.ts. */
  keys: PacketKeys
} & Pick<PacketAddrs, 'loadAddrs'>

/** So far from the network header on ports, and inner packets' headers, are looked for. */
const LOOK = 192

export const createFlowKeys = (deps: FlowKeysDeps) => {
  const { arena, skbs, net, flowHash, keys, loadAddrs } = deps
  const { i32, u8 } = arena
  const { view, src, dst } = keys
  const comparing = byFamily(
    ruleHead(arena, net, AF_INET) + FR_HEAD_PORTS,
    ruleHead(arena, net, AF_INET6) + FR_HEAD_PORTS
  )
  const answered = createFlowi()
  let end = 0
  const read = (skb: number): boolean => {
    if (i32[skb + SKB_FRAGS] !== 0) skbs.mayPull(skb, Math.min(LOOK, i32[skb + SKB_LEN]))
    return readHere(skb, i32[skb + SKB_PROTOCOL])
  }
  const readHere = (skb: number, protocol: number): boolean => {
    end = i32[skb + SKB_TAIL]
    return keys.read(protocol, i32[skb + SKB_NETWORK], end)
  }
  const setAddrs = (is4: boolean): void => {
    if (is4) flowHash.setAddrs4(view[src + 3], view[dst + 3])
    else flowHash.setAddrs6(view, src, dst)
  }
  /** Of an ICMP error, what it quotes says where it goes: both directions of a flow are one. */
  const quotedHash = (): number => {
    flowHash.start()
    const is4 = keys.isIpv4()
    setAddrs(is4)
    if (is4) return flowHash.finish(true)
    const quoted = keys.transport() + icmp.MIN_HEADER
    flowHash.setLabel(swap32(ipv6.flowLabel(u8, quoted)))
    flowHash.setProto(ipv6.nextHeader(u8, quoted))
    return flowHash.finish(false)
  }
  /** Ports as they are read; the addresses are the header's. */
  const l4Hash = (fl: Flowi, isRead: boolean): number => {
    flowHash.start()
    const is4 = fl[FL_FAMILY] === AF_INET
    if (is4) flowHash.setAddrs4(fl[FL_SADDR + 3], fl[FL_DADDR + 3])
    else flowHash.setAddrs6(fl, FL_SADDR, FL_DADDR)
    flowHash.setProto(isRead && !keys.isError() ? keys.protocol() : fl[FL_PROTO])
    flowHash.setPorts(fl[FL_SPORT], fl[FL_DPORT])
    return flowHash.finish(is4)
  }
  const innerHash = (): number => {
    keys.readInner(end)
    const is4 = keys.isIpv4()
    flowHash.start()
    setAddrs(is4)
    if (!is4) {
      flowHash.setLabel(keys.label())
      flowHash.setProto(keys.protocol())
    }
    return flowHash.finish(is4)
  }
  const customHash = (fl: Flowi, isRead: boolean): number => {
    const fields = flowHash.fieldsOf(fl[FL_FAMILY])
    const outer = flowHash.custom(
      fields & FIELDS_OUTER,
      fl[FL_FAMILY] === AF_INET,
      fl,
      FL_SADDR,
      FL_DADDR,
      isRead && !keys.isError() ? keys.protocol() : fl[FL_PROTO],
      fl[FL_FLOWLABEL],
      fl[FL_SPORT],
      fl[FL_DPORT]
    )
    const wanted = fields >> FIELDS_INNER_SHIFT
    const inner =
      wanted !== 0 && isRead && keys.readInner(end)
        ? flowHash.custom(
            wanted,
            keys.isIpv4(),
            view,
            src,
            dst,
            keys.protocol(),
            keys.label(),
            keys.sport(),
            keys.dport()
          )
        : 0
    return flowHash.jhash2words(outer, inner)
  }
  const isIcmp = byFamily(IPPROTO_ICMP, IPPROTO_ICMPV6)

  /** The packet's hash, or 0 where the flowi says all that it is of. */
  const hashOf = (fl: Flowi, policy: number, isRead: boolean): number => {
    if (policy === HASH_POLICY_CUSTOM) return customHash(fl, isRead)
    if (policy === HASH_POLICY_L4) return l4Hash(fl, isRead)
    if (!isRead) return 0
    if (policy === HASH_POLICY_INNER) return keys.isError() ? 0 : innerHash()
    return keys.isError() ? quotedHash() : 0
  }
  /**
   * Fills FL_SPORT and FL_DPORT of a packet, data at its network header, where rules of its family compare ports, or flows
   * are told apart by them, and FL_HASH where next hops may be chosen by more than the flowi says. It may move the buffer.
   */
  const flowPorts = (skb: number, fl: Flowi): void => {
    const family = fl[FL_FAMILY]
    const isChosen = flowHash.isUsed()
    fl[FL_HASH] = 0
    if (!isChosen && i32[comparing(family)] === 0) return
    const at = i32[skb + SKB_NETWORK]
    if (family === AF_INET6) setHeader6(fl, at)
    const policy = isChosen ? flowHash.policyOf(family) : HASH_POLICY_L3
    const isPlain = policy === HASH_POLICY_L3 && fl[FL_PROTO] !== isIcmp(family)
    if (i32[comparing(family)] === 0 && isPlain) return
    const isRead = read(skb)
    setPorts(fl, isRead)
    if (!isChosen) return
    const hash = hashOf(fl, policy, isRead)
    if (hash !== 0) fl[FL_HASH] = asWord(hash)
  }
  const setHeader6 = (fl: Flowi, at: number): void => {
    fl[FL_FLOWLABEL] = ipv6.flowLabel(u8, at)
    fl[FL_NEXTHDR] = ipv6.nextHeader(u8, at)
  }
  const setPorts = (fl: Flowi, isRead: boolean): void => {
    const hasPorts = isRead && !keys.isError()
    fl[FL_SPORT] = hasPorts ? keys.sport() : 0
    fl[FL_DPORT] = hasPorts ? keys.dport() : 0
  }
  /** 31 bits, and that there are some. */
  const asWord = (hash: number): number => (hash >>> 1) | (1 << 31)
  /**
   * FL_HASH of an ICMP error about a packet, which is that of the packet itself: the error goes the way of its flow
   * (icmp_route_lookup, icmp6_send). Headers are read where they lie; nothing moves.
   */
  const hashAbout = (skb: number): number => {
    if (!flowHash.isUsed()) return 0
    const at = i32[skb + SKB_NETWORK]
    loadAddrs(skb, answered)
    const is4 = answered[FL_FAMILY] === AF_INET
    answered[FL_PROTO] = is4 ? ipv4.protocol(u8, at) : ipv6.nextHeader(u8, at)
    if (!is4) setHeader6(answered, at)
    const policy = flowHash.policyOf(answered[FL_FAMILY])
    const isRead = policy !== HASH_POLICY_L3 && readHere(skb, is4 ? ETH_P_IP : ETH_P_IPV6)
    setPorts(answered, isRead)
    return asWord(hashOf(answered, policy, isRead) || flowHash.ofFlow(answered))
  }
  return { flowPorts, hashAbout }
}
