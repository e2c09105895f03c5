/**
 * The one place where a packet dies. `drop` counts a packet that was not used under a reason with Linux's name
 * (include/net/dropreason-core.h); `consume` frees one that did its work. Any thread; one instance a thread.
 */
import type { Arena } from '../shm/arena.ts'
import { COUNTERS } from '../shm/layout.ts'
import type { Skbs } from './skb.ts'

/** Reasons, as indices; the words are the kernel's, `SKB_DROP_REASON_` taken off. */
export const Drop = {
  NOT_SPECIFIED: 1,
  NO_SOCKET: 2,
  PKT_TOO_SMALL: 3,
  TCP_CSUM: 4,
  SOCKET_FILTER: 5,
  UDP_CSUM: 6,
  NETFILTER_DROP: 7,
  OTHERHOST: 8,
  IP_CSUM: 9,
  IP_INHDR: 10,
  IP_RPFILTER: 11,
  IP_NOPROTO: 12,
  SOCKET_RCVBUFF: 13,
  PROTO_MEM: 14,
  TCP_FLAGS: 15,
  TCP_ZEROWINDOW: 16,
  TCP_OLD_DATA: 17,
  TCP_OVERWINDOW: 18,
  TCP_OFOMERGE: 19,
  TCP_RFC7323_PAWS: 20,
  TCP_OLD_SEQUENCE: 21,
  TCP_INVALID_SEQUENCE: 22,
  TCP_RESET: 23,
  TCP_INVALID_SYN: 24,
  TCP_CLOSE: 25,
  TCP_OLD_ACK: 26,
  TCP_TOO_OLD_ACK: 27,
  TCP_ACK_UNSENT_DATA: 28,
  TCP_OFO_QUEUE_PRUNE: 29,
  TCP_OFO_DROP: 30,
  TCP_LISTEN_OVERFLOW: 31,
  TCP_ABORT_ON_DATA: 32,
  TCP_FASTOPEN: 33,
  IP_OUTNOROUTES: 34,
  NEIGH_CREATEFAIL: 35,
  NEIGH_FAILED: 36,
  NEIGH_QUEUEFULL: 37,
  NEIGH_DEAD: 38,
  QDISC_DROP: 39,
  CPU_BACKLOG: 40,
  UNHANDLED_PROTO: 41,
  SKB_CSUM: 42,
  SKB_GSO_SEG: 43,
  DEV_HDR: 44,
  FULL_RING: 45,
  NOMEM: 46,
  HDR_TRUNC: 47,
  TAP_FILTER: 48,
  ICMP_CSUM: 49,
  INVALID_PROTO: 50,
  IP_INADDRERRORS: 51,
  IP_INNOROUTES: 52,
  IP_LOCAL_SOURCE: 53,
  IP_INVALID_SOURCE: 54,
  IP_LOCALNET: 55,
  IP_INVALID_DEST: 56,
  PKT_TOO_BIG: 57,
  DEV_READY: 58,
  FLOW_LIMIT: 59,
  FRAG_REASM_TIMEOUT: 60,
  FRAG_TOO_FAR: 61,
  DUP_FRAG: 62,
  IPV6_BAD_EXTHDR: 63,
  TTL_EXCEEDED: 64,
  ARP_INVALID: 65,
  LINK_IMPAIRED: 66,
  WORKER_RESTART: 67,
  LOOP: 68,
  BAD_LENGTH: 69,
  TCP_MINTTL: 70,
  UNICAST_IN_L2_MULTICAST: 71,
} as const
export type Drop = (typeof Drop)[keyof typeof Drop]

/** Drop counters are the last 128 of a thread's bank; reason r is at DROP_COUNTERS + r. */
export const DROP_COUNTERS = COUNTERS - 128

export type DropFn = (skb: number, reason: Drop) => void

export const createDrop = (arena: Arena, skbs: Skbs) => {
  const { f64, layout } = arena
  const bank = layout.countersF64 + skbs.thread * COUNTERS + DROP_COUNTERS
  const { free } = skbs
  /** Frees a packet that dies unused and counts why. */
  const drop: DropFn = (skb, reason) => {
    f64[bank + reason]++
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
