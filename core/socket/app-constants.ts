/**
 * What an application and a worker say to each other: records of 16 words on two rings for each (application,
 * worker), as io_uring does it. The application names its sockets itself (sid, never 0), so that SOCKET, BIND
 * and LISTEN go out in one batch; every submission but RECV is answered by one completion with the same op, sid
 * (ACCEPT: the child's) and user word: what the end of its socket makes impossible by -ECANCELED. Nothing that an
 * application submits is trusted. Data travels in skbs, which change hands with the record: OWNER is OWNER_IN_RING meanwhile.
 */

// Words of a record.
export const E_OP = 0
export const E_SID = 1
/** Comes back in the completion. */
export const E_USER = 2
/** Incarnations of both ends: a record of a dead one is thrown away. */
export const E_TAG = 3
/** Four words: where to bind, connect or send; the peer, or what was asked for. */
export const E_ADDR = 4
export const E_PORT = 8
/** Arguments: the device of an address of a link in BIND, CONNECT, SENDTO and RECVFROM; in completions of BIND, CONNECT and ACCEPT the own address (four words) and port. */
export const E_ARG0 = 9
export const E_ARG1 = 10
export const E_ARG2 = 11
export const E_LPORT = 13
/** Of what is sent or received with an skb: so many octets at its end are no data (app-control.ts). */
export const E_CONTROL = 13
export const E_SKB = 14
/** Bytes or credit in a submission, of CONNECT and SENDMSG sin6_flowinfo; result or -errno in a completion. */
export const E_LEN = 15

/** Operations. */
export const AppOp = {
  /** ARG0 family, ARG1 type, ARG2 protocol, LEN bytes of credit. */
  SOCKET: 1,
  BIND: 2,
  /** LEN backlog. */
  LISTEN: 3,
  /** PORT sid of the child, LEN its credit; completed when a connection is there, with ARG0 1 at once (-EAGAIN). */
  ACCEPT: 4,
  /** ARG1 flags: with MSG_DONTWAIT it is answered at once (-EINPROGRESS), and what becomes of it stays in the socket. */
  CONNECT: 5,
  /** SKB, ARG0 flags (MSG_MORE); completed with its bytes when the protocol has taken all of them. */
  SEND: 6,
  /** Submission: LEN more bytes of credit. Completion, unasked: SKB with LEN bytes; 0 end of stream; -errno. */
  RECV: 7,
  SENDTO: 8,
  /** Completion, unasked: a datagram, its sender and what comes beside it; of a packet socket the three words of PEER_AUX from ARG1 on. */
  RECVFROM: 9,
  /** LEN how; a shutdown of sending waits for what is being sent, and so does its completion. */
  SHUTDOWN: 10,
  /** ARG0 CLOSE_*. The sid is free for use again when it completes with 0; a second one cancels a first that waits. */
  CLOSE: 11,
  /** ARG0 level, ARG1 name, ARG2 value; the value of TCP_CONGESTION is a name in the ADDR words, others that are words lie in SKB. */
  SETSOCKOPT: 12,
  /** Completed with the value as result; with a name in ADDR and its length; with ARG2 1 with octets in SKB, and how many. */
  GETSOCKOPT: 13,
  GETSOCKNAME: 14,
  GETPEERNAME: 15,
  /** LEN SK_EVENT_* bits waited for; completed with those that happened, once. */
  POLL: 16,
  /** ADDR the group, PORT the ifindex or 0, ARG0 the option that joins or leaves it, four words from ARG1 on the source,
   *  LEN an IPv4 address of the device or 0. */
  MEMBERSHIP: 17,
  /** As SETSOCKOPT, of multicast. */
  MULTICAST: 18,
  /** As SENDTO, but at once, with ARG1 flags and control messages; ARG2 1: to the peer, ADDR says nothing. */
  SENDMSG: 19,
  /** LEN octets at most, ARG0 flags; completed at once, as RECVFROM is. */
  RECVMSG: 20,
} as const

/** How to close: once all is sent; with a reset; at once, without what the protocol has not taken yet. */
export const CLOSE_DRAIN = 0
export const CLOSE_ABORT = 1
export const CLOSE_NOW = 2

export const SID_BITS = 14
/** Sids of an application are 1 .. APP_SIDS-1. */
export const APP_SIDS = 1 << SID_BITS
/** Least that a datagram costs in credit: what its skb weighs. */
export const DATAGRAM_CREDIT = 2048
// Words of an app block.
/** Rises when the application attaches, and when control finds it dead; 0 before the first time. */
export const APP_EPOCH = 0
/** 1 while a living application is attached. */
export const APP_ALIVE = 1
/** 1 while the application waits for its doorbell; whoever rings sets it to 0 by Atomics. */
export const APP_SLEEPING = 2
/** Where the application makes a submission that finds no room in the ring. */
export const APP_STAGE = 16

// Words of an app pair.
/** Rises when a worker (re)starts. */
export const PAIR_EPOCH = 0
/** 1 while the worker waits for the application to take completions or give skbs back. */
export const PAIR_STALLED = 1
/** Where the worker makes a completion that finds no room in the ring. */
export const PAIR_STAGE = 16
