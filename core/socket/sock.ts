/**
 * sock: the row of a socket, as far as all protocols share it. A row belongs to one worker for life and lies in
 * its slab; other threads only read it (ss, the API). Words from SK_PROTO on are the protocol's own, behind which lie those of
 * inet-sock.ts.
 * Addresses are four int32 words, IPv4 as v4-mapped; ports are numbers in host order. Linux: include/net/sock.h.
 */
import type { Flowi } from '../base/flowi.ts'
import { FL_IIF, FL_L3MDEV } from '../base/flowi.ts'
import type { Arena } from '../shm/arena.ts'
import { SOCK_WORDS } from '../shm/layout.ts'
import type { Slab } from '../shm/slab.ts'
import { createSlab } from '../shm/slab.ts'

/** Slab generation; odd while live. */
export const SK_GENERATION = 0
/** AF_INET or AF_INET6; of a stream that of its packets (familyOfSock). */
export const SK_FAMILY = 1
/** SOCK_STREAM, SOCK_DGRAM, SOCK_RAW. */
export const SK_TYPE = 2
/** IPPROTO_*. */
export const SK_PROTOCOL = 3
/** TCP_* of include/net/tcp_states.h, for every protocol. */
export const SK_STATE = 4
/** REUSE_ADDR, REUSE_PORT, V6ONLY, FREEBIND, BROADCAST, FILTER_LOCKED, MAPPED (socket-constants.ts). */
export const SK_REUSE = 5
export const SK_BOUND_DEV = 6
/** SOCK_* bits of the protocol's choice (SOCK_DEAD and so on). */
export const SK_FLAGS = 7
/** RCV_SHUTDOWN 1, SEND_SHUTDOWN 2. */
export const SK_SHUTDOWN = 8
/** errno to report once, and the soft one (ICMP) reported when a timer gives up. */
export const SK_ERR = 9
export const SK_ERR_SOFT = 10
/** Microseconds (low 32 bits) when it was made. */
export const SK_CREATED = 11
export const SK_SADDR = 12
export const SK_DADDR = 16
export const SK_NUM = 20
export const SK_DPORT = 21
/** RSS hash of the packets it receives. */
export const SK_RXHASH = 22
export const SK_MARK = 23
export const SK_RCVBUF = 24
export const SK_SNDBUF = 25
/** Bytes of packet memory charged for receiving and sending. */
export const SK_RMEM = 26
export const SK_WMEM = 27
/** IP_TOS; a stream's lowest bits are its ECN. */
export const SK_TOS = 28
/** Hop limit; 0 is the default's, NO_HOPS none. */
export const SK_TTL = 29
/** Packets this socket dropped. */
export const SK_DROPS = 30
/** Listeners: accept queue length and its bound (sk_ack_backlog, sk_max_ack_backlog). */
export const SK_ACK_BACKLOG = 31
/** Receive queue of skbs chained by SKB_NEXT. */
export const SK_RCVQ_HEAD = 32
export const SK_RCVQ_TAIL = 33
export const SK_RCVQ_LEN = 34
export const SK_MAX_ACK_BACKLOG = 35
/** Cached route: nexthop row, the generation it was looked up in, its MTU and device. */
export const SK_DST = 36
export const SK_DST_GENERATION = 37
export const SK_MTU = 38
export const SK_DST_DEV = 39
/** Who is told of events: index of a handler, and a word of its own. */
export const SK_HANDLER = 40
export const SK_USER = 41
/** Cookie, as ss shows it (newCookie). */
export const SK_COOKIE = 42
/** Its filter (socket/sk-filter.ts), or 0. */
export const SK_FILTER = 43
/** Chains: established or connected hash, bound or listening hash. */
export const SK_HASH_NEXT = 44
export const SK_HASH_PREV = 45
export const SK_BIND_NEXT = 46
export const SK_BIND_PREV = 47
/** A child's listener; a listener's first and last child that waits to be accepted, chained by SK_ACCEPT_NEXT. */
export const SK_PARENT = 48
export const SK_ACCEPT_HEAD = 49
export const SK_ACCEPT_TAIL = 50
export const SK_ACCEPT_NEXT = 51
/** Jiffy when the next hop was last told that the peer answers (sk_dst_confirm). */
export const SK_CONFIRMED = 53
/** Truesize of what it has sent and that still waits on this thread, for a driver say (sk_wmem_alloc). */
export const SK_WMEM_ALLOC = 52
/** Network namespace it is in. */
export const SK_NET = 54
/** Its error queue: the first entry (socket/msg/errqueue.ts), or 0. */
export const SK_ERRQ = 55
/** Timers, four words each (base/timer-wheel.ts). */
export const SK_TIMER_RETRANS = 56
export const SK_TIMER_DELACK = 60
export const SK_TIMER_KEEPALIVE = 64
export const SK_TIMER_EXTRA = 68
/** Of the cached route, too: the number of path MTUs learned when it was looked up; what FL_MTU_* said. */
export const SK_PMTU_SERIAL = 72
export const SK_MTU_EXPIRES = 73
export const SK_MTU_LOCKED = 74
/** SO_RCVLOWAT, or 0: one octet. */
export const SK_RCVLOWAT = 75
/** SO_PRIORITY */
export const SK_PRIORITY = 76
/** Of sockets without connections, and of no effect there: SO_LINGER, one more; SO_MAX_PACING_RATE, its bits turned over. */
export const SK_LINGER = 77
export const SK_MAX_PACING_RATE = 78
/** SO_TIMESTAMPING of sockets of datagrams (streams: TP_TSFLAGS). */
export const SK_TSFLAGS = 79
export const SK_PROTO = 80

/** Least that buffers can be set to. */
export const SOCK_MIN_RCVBUF = 2304
export const SOCK_MIN_SNDBUF = 4608

export const SOCK_STREAM = 1
export const SOCK_DGRAM = 2
export const SOCK_RAW = 3

// States (include/net/tcp_states.h).
export const TCP_ESTABLISHED = 1
export const TCP_SYN_SENT = 2
export const TCP_SYN_RECV = 3
export const TCP_FIN_WAIT1 = 4
export const TCP_FIN_WAIT2 = 5
export const TCP_TIME_WAIT = 6
export const TCP_CLOSE = 7
export const TCP_CLOSE_WAIT = 8
export const TCP_LAST_ACK = 9
export const TCP_LISTEN = 10
export const TCP_CLOSING = 11
export const TCP_NEW_SYN_RECV = 12

/** As ss prints them, by number. */
export const SK_STATE_NAMES = [
  'UNKNOWN',
  'ESTAB',
  'SYN-SENT',
  'SYN-RECV',
  'FIN-WAIT-1',
  'FIN-WAIT-2',
  'TIME-WAIT',
  'UNCONN',
  'CLOSE-WAIT',
  'LAST-ACK',
  'LISTEN',
  'CLOSING',
  'SYN-RECV',
]

export const RCV_SHUTDOWN = 1
export const SEND_SHUTDOWN = 2

/** What a socket's handler is told; bits. */
export const SK_EVENT_READ = 1
export const SK_EVENT_WRITE = 2
export const SK_EVENT_ERROR = 4
export const SK_EVENT_ACCEPT = 8
export const SK_EVENT_CONNECT = 16
/** The peer has closed its side (end of file), or the connection is gone. */
export const SK_EVENT_HUP = 32
/** Urgent data is announced, or there (SIGURG, POLLPRI). */
export const SK_EVENT_PRI = 64
/** All of them. */
export const SK_EVENT_MASK = 127

/**
 * Does a socket bound to `bound` (0: to none) hear a packet of this flow? One that is bound to none hears VRFs only where
 * it is said to (inet_sk_bound_dev_eq; tcp_l3mdev_accept and its like).
 */
export const isBoundTo = (bound: number, fl: Flowi, acceptsVrfs: boolean): boolean =>
  bound === 0 ? fl[FL_L3MDEV] === 0 || acceptsVrfs : bound === fl[FL_IIF] || bound === fl[FL_L3MDEV]

/** Worker's slab of sockets. `fresh` for its owner at boot. */
export const sockSlab = (arena: Arena, worker: number, fresh: boolean): Slab =>
  createSlab(
    arena.i32,
    arena.layout.sockSlabs + worker * arena.layout.sockSlabWords,
    arena.layout.config.socks,
    SOCK_WORDS,
    fresh
  )

/**
 * A cookie for a new socket of `worker`: not another worker's, nor one that a socket had before the worker was started
 * again (sock_gen_cookie).
 */
export const newCookie = ({ layout }: Arena, worker: number, slab: Slab): number =>
  (Math.imul(slab.serial(), layout.config.workers) + worker) | 0
