/**
 * The one place where a packet dies. `drop` counts a packet that was not used under a reason with Linux's name
 * (include/net/dropreason-core.h); `consume` frees one that did its work. Any thread; one instance a thread.
 */
import type { Arena } from '../shm/arena.ts'
import { numbered } from '../shm/counters.ts'
import { COUNTERS, DROP_REASONS, G_CAPTURE_DROPS, G_TRACES } from '../shm/layout.ts'
import { SKB_DEV } from './skb.ts'
import type { Skbs } from './skbs.ts'

/** The words are the kernel's, `SKB_DROP_REASON_` taken off; a reason's number is its place. */
const REASONS = [
  'NOT_SPECIFIED',
  'NO_SOCKET',
  'PKT_TOO_SMALL',
  'TCP_CSUM',
  'UDP_CSUM',
  'NETFILTER_DROP',
  'OTHERHOST',
  'IP_CSUM',
  'IP_INHDR',
  'IP_RPFILTER',
  'IP_NOPROTO',
  'SOCKET_RCVBUFF',
  'PROTO_MEM',
  'TCP_FLAGS',
  'TCP_ZEROWINDOW',
  'TCP_OLD_DATA',
  'TCP_OVERWINDOW',
  'TCP_OFOMERGE',
  'TCP_RFC7323_PAWS',
  'TCP_OLD_SEQUENCE',
  'TCP_INVALID_SEQUENCE',
  'TCP_RESET',
  'TCP_INVALID_SYN',
  'TCP_CLOSE',
  'TCP_OLD_ACK',
  'TCP_TOO_OLD_ACK',
  'TCP_ACK_UNSENT_DATA',
  'TCP_OFO_QUEUE_PRUNE',
  'TCP_OFO_DROP',
  'TCP_LISTEN_OVERFLOW',
  'TCP_ABORT_ON_DATA',
  'IP_OUTNOROUTES',
  'NEIGH_FAILED',
  'NEIGH_QUEUEFULL',
  'QDISC_DROP',
  'CPU_BACKLOG',
  'UNHANDLED_PROTO',
  'SKB_GSO_SEG',
  'DEV_HDR',
  'NOMEM',
  'ICMP_CSUM',
  'INVALID_PROTO',
  'IP_INADDRERRORS',
  'IP_INNOROUTES',
  'IP_LOCAL_SOURCE',
  'IP_INVALID_SOURCE',
  'IP_LOCALNET',
  'IP_INVALID_DEST',
  'PKT_TOO_BIG',
  'DEV_READY',
  'FRAG_REASM_TIMEOUT',
  'DUP_FRAG',
  'FRAG_TOO_FAR',
  'TTL_EXCEEDED',
  'ARP_INVALID',
  'LINK_IMPAIRED',
  'WORKER_RESTART',
  'TCP_MINTTL',
  'TCP_DEFER_ACCEPT',
  'TCP_MD5NOTFOUND',
  'TCP_MD5UNEXPECTED',
  'TCP_MD5FAILURE',
  'TCP_AUTH_HDR',
  'IPV6_BAD_EXTHDR',
  'IPV6DISABLED',
  'UNICAST_IN_L2_MULTICAST',
  'IPV6_NDISC_FRAG',
  'IPV6_NDISC_HOP_LIMIT',
  'IPV6_NDISC_BAD_CODE',
  'IPV6_NDISC_BAD_OPTIONS',
  'SOCKET_FILTER',
  'SKB_CSUM',
] as const

/** A reason's number: only those of `Drop` are. */
export type Drop = number & { readonly isDropReason: true }

/** Reasons, as indices behind DROP_COUNTERS; none is 0. */
export const Drop = numbered<(typeof REASONS)[number], Drop>(REASONS, 1)

/** Drop counters are the last of a thread's bank; reason r is at DROP_COUNTERS + r. */
export const DROP_COUNTERS = COUNTERS - DROP_REASONS
if (REASONS.length >= DROP_REASONS)
  throw new Error(`drop: ${REASONS.length} reasons are more than the bank has room for`)

/** First f64 word of what `thread` has dropped at a device; 0 is no device. Reason r is r words on. */
export const deviceDrops = ({ layout }: Arena, thread: number, ifindex: number): number =>
  layout.devDropsF64 + (thread * layout.config.devices + ifindex) * DROP_REASONS

type Dropper = ReturnType<typeof createDrop>
export type DropFn = Dropper['drop']
export type ConsumeFn = Dropper['consume']

const unseen = (): void => {}

/** `watch` sees what dies before it is freed: captureDrop (dev/capture.ts) and traceDrop (dev/trace.ts), on threads that handle packets. */
export const createDrop = (
  arena: Arena,
  skbs: Skbs,
  watch: (skb: number, reason: Drop) => void = unseen
) => {
  const { i32, f64, layout } = arena
  const bank = layout.countersF64 + skbs.thread * COUNTERS + DROP_COUNTERS
  const devices = deviceDrops(arena, skbs.thread, 0)
  const { free } = skbs
  /** Frees a packet that dies unused and counts why, and at which device. */
  const drop = (skb: number, reason: Drop): void => {
    f64[bank + reason]++
    f64[devices + i32[skb + SKB_DEV] * DROP_REASONS + reason]++
    if ((i32[G_CAPTURE_DROPS] | i32[G_TRACES]) !== 0) watch(skb, reason)
    free(skb)
  }
  /** Counts a frame that died before it became an skb (a device had no buffer for it). */
  const countDrop = (reason: Drop): void => {
    f64[bank + reason]++
  }
  /** Frees a packet that was used. */
  const consume = (skb: number): void => free(skb)
  return { drop, countDrop, consume }
}
