import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import type { Slab } from '../../../shm/slab.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { Drop, type DropFn } from '../../../skb/drop.ts'
import {
  SK_ACCEPT_HEAD,
  SK_ACCEPT_NEXT,
  SK_ACCEPT_TAIL,
  SK_ACK_BACKLOG,
  SK_EVENT_ACCEPT,
  SK_MAX_ACK_BACKLOG,
  SK_PARENT,
} from '../../../socket/sock.ts'
import type { TcpLifecycle } from '../sock/tcp-lifecycle.ts'
import {
  TP_REQ_HEAD,
  TP_REQ_LEN,
  TP_REQ_NEXT,
  TP_REQ_PREV,
  TP_REQ_YOUNG,
  TP_RETRANSMITS,
} from '../sock/tcp-sock.ts'

export type TcpListenQueues = ReturnType<typeof createTcpListenQueues>
type TcpListenQueuesDeps = {
  arena: Arena
  bank: number
  slab: Slab
  drop: DropFn
  life: TcpLifecycle
}

/** One listener alone gets four fifths of the rows that requests may have. */
const SHARE = 4

export const createTcpListenQueues = (deps: TcpListenQueuesDeps) => {
  const { bank, slab, drop, life } = deps
  const { i32, f64, layout } = deps.arena
  const { sysctl } = layout

  /** Rows that requests may have, so that a flood leaves some for connections. */
  const mostRequests = Math.max(1, slab.rows >> 2)
  /** A listener may have some times what is free of them, so that one that is flooded leaves some to others. */
  const mayHaveMore = (listener: number): boolean =>
    i32[listener + TP_REQ_LEN] < SHARE * (mostRequests - requests)
  let requests = 0

  // Requests of a listener, doubly chained, the newest first.
  const linkRequest = (listener: number, req: number): void => {
    const first = i32[listener + TP_REQ_HEAD]
    i32[req + TP_REQ_NEXT] = first
    i32[req + TP_REQ_PREV] = 0
    if (first !== 0) i32[first + TP_REQ_PREV] = req
    requests++
    i32[listener + TP_REQ_HEAD] = req
    i32[listener + TP_REQ_LEN]++
    i32[listener + TP_REQ_YOUNG]++
  }
  const unlinkRequest = (req: number): void => {
    const listener = i32[req + SK_PARENT]
    const next = i32[req + TP_REQ_NEXT]
    const prev = i32[req + TP_REQ_PREV]
    if (prev === 0) i32[listener + TP_REQ_HEAD] = next
    else i32[prev + TP_REQ_NEXT] = next
    if (next !== 0) i32[next + TP_REQ_PREV] = prev
    requests--
    i32[listener + TP_REQ_LEN]--
    if (i32[req + TP_RETRANSMITS] === 0) i32[listener + TP_REQ_YOUNG]--
  }
  /** Forgets a request. */
  const dropRequest = (req: number): void => {
    unlinkRequest(req)
    i32[req + SK_PARENT] = 0
    life.destroyNow(req)
  }

  const acceptQueueFull = (listener: number): boolean =>
    i32[listener + SK_ACK_BACKLOG] > i32[listener + SK_MAX_ACK_BACKLOG]
  const requestQueueFull = (listener: number): boolean =>
    i32[listener + TP_REQ_LEN] > i32[listener + SK_MAX_ACK_BACKLOG] || !mayHaveMore(listener)
  /** Without cookies the last quarter of tcp_max_syn_backlog is for peers that are known to be alive, and we know none. */
  const isLastQuarter = (listener: number): boolean => {
    const most = i32[sysctl + Sysctl.tcp_max_syn_backlog]
    return most - i32[listener + TP_REQ_LEN] < most >> 2
  }
  const enqueueAccept = (listener: number, child: number): void => {
    const tail = i32[listener + SK_ACCEPT_TAIL]
    i32[child + SK_ACCEPT_NEXT] = 0
    if (tail === 0) i32[listener + SK_ACCEPT_HEAD] = child
    else i32[tail + SK_ACCEPT_NEXT] = child
    i32[listener + SK_ACCEPT_TAIL] = child
    i32[listener + SK_ACK_BACKLOG]++
    life.raise(listener, SK_EVENT_ACCEPT)
  }
  const dequeueAccept = (listener: number): number => {
    const child = i32[listener + SK_ACCEPT_HEAD]
    if (child === 0) return 0
    const next = i32[child + SK_ACCEPT_NEXT]
    i32[listener + SK_ACCEPT_HEAD] = next
    if (next === 0) i32[listener + SK_ACCEPT_TAIL] = 0
    i32[listener + SK_ACK_BACKLOG]--
    i32[child + SK_ACCEPT_NEXT] = 0
    i32[child + SK_PARENT] = 0
    return child
  }

  const listenDrop = (skb: number, reason: Drop): void => {
    f64[bank + Mib.TcpExtListenDrops]++
    drop(skb, reason)
  }
  const overflow = (skb: number, mib: number): void => {
    f64[bank + mib]++
    listenDrop(skb, Drop.TCP_LISTEN_OVERFLOW)
  }

  return {
    linkRequest,
    unlinkRequest,
    dropRequest,
    requestQueueFull,
    isLastQuarter,
    acceptQueueFull,
    enqueueAccept,
    dequeueAccept,
    listenDrop,
    overflow,
  }
}
