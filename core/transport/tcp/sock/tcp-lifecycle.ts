/**
 * States of a connection and its end: the one writer of SK_STATE, the telling of sockets, TIME_WAIT, and the
 * freeing of a row, which waits until the segment or timer at hand is done (`flush`), so that nobody holds a
 * freed row. Called by everything in this folder. Linux: tcp_set_state, tcp_done, tcp_time_wait,
 * inet_timewait_sock.c.
 */
import type { Time } from '../../../base/time.ts'
import { TIME_MS } from '../../../base/time.ts'
import type { Arena } from '../../../shm/arena.ts'
import type { Skbs } from '../../../skb/skbs.ts'
import { Mib } from '../../../shm/counters.ts'
import type { Slab } from '../../../shm/slab.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import {
  newCookie,
  RCV_SHUTDOWN,
  SEND_SHUTDOWN,
  SK_COOKIE,
  SK_ERR,
  SK_EVENT_ERROR,
  SK_EVENT_HUP,
  SK_EVENT_READ,
  SK_EVENT_WRITE,
  SK_FLAGS,
  SK_NUM,
  SK_PARENT,
  SK_SHUTDOWN,
  SK_STATE,
  TCP_CLOSE,
  TCP_CLOSE_WAIT,
  TCP_ESTABLISHED,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
  TCP_TIME_WAIT,
} from '../../../socket/sock.ts'
import { Errno } from '../../../base/errno.ts'
import type { Ports } from '../../ports.ts'
import { ecnEnd } from '../ecn/tcp-ecn.ts'
import type { TcpCong } from '../cong/tcp-cong.ts'
import type { FastopenActive } from '../fastopen/tcp-fastopen-active.ts'
import type { FastopenQueue } from '../fastopen/tcp-fastopen-queue.ts'
import type { TcpMd5 } from './tcp-md5.ts'
import type { TcpHash } from './tcp-hash.ts'
import {
  TP_EVENTS,
  TP_ORPHANED,
  TP_PINGPONG,
  TP_RTO_MIN,
  TP_TW_ENTRY_STAMP,
  TP_TW_NEXT,
  TP_TW_PREV,
  TP_TW_SUBSTATE,
  TP_USER_MSS,
  TP_WINDOW_CLAMP,
  TP_OOW_ACKED,
  TP_DSACK,
  TP_NUM_SACKS,
} from './tcp-sock.ts'
import { SOCK_BINDPORT_LOCK, SOCK_DEAD } from './sock-flags.ts'
import { TCP_RTO_MIN } from './tcp-constants.ts'
import type { TcpTimers } from '../timer/tcp-timers.ts'
import { SK_SPORT, portOf } from '../../../socket/inet-sock.ts'
import type { SkFilter } from '../../../socket/sk-filter.ts'
import type { ErrQueue } from '../../../socket/msg/errqueue.ts'
import type { Events } from '../../../socket/events.ts'
import type { TcpWriteQueue } from '../snd/tcp-write-queue.ts'

/** Beside the SK_EVENT_* in TP_EVENTS: the row is to be freed. */
const EV_DESTROY = 1 << 30

export type TcpLifecycle = ReturnType<typeof createTcpLifecycle>
export type TcpLifecycleDeps = {
  arena: Arena
  bank: number
  time: Time
  slab: Slab
  hash: TcpHash
  ports: Ports
  timers: TcpTimers
  /** tcp.ts: frees every skb that the socket holds. */
  purge: (sk: number) => void
  purgeWrite: TcpWriteQueue['purge']
  skbs: Pick<Skbs, 'thread'>
  cong: Pick<TcpCong, 'release'>
  md5: Pick<TcpMd5, 'release'>
  fastopenQueue: Pick<FastopenQueue, 'remove'>
  fastopenActive: Pick<FastopenActive, 'ends'>
  errqueue: Pick<ErrQueue, 'purge'>
  filter: Pick<SkFilter, 'release'>
} & Pick<Events, 'sockEvents'>

export const createTcpLifecycle = (deps: TcpLifecycleDeps) => {
  const {
    bank,
    time,
    slab,
    hash,
    ports,
    timers,
    sockEvents,
    purge,
    purgeWrite,
    cong,
    md5,
    fastopenQueue,
  } = deps
  const { fastopenActive, errqueue, filter } = deps
  const { i32, f64, layout } = deps.arena
  const { sysctl } = layout
  // a gauge: a worker that starts over has no connections
  f64[bank + Mib.TcpCurrEstab] = 0
  // as long as it ever had to be
  const pending: number[] = []
  let pendingCount = 0
  let flushing = false
  let orphans = 0
  // TIME_WAIT sockets by age: all wait equally long.
  let twOldest = 0
  let twNewest = 0
  let twCount = 0

  const isDead = (sk: number): boolean => (i32[sk + SK_FLAGS] & SOCK_DEAD) !== 0

  const enqueue = (sk: number, events: number): void => {
    if (i32[sk + TP_EVENTS] === 0) pending[pendingCount++] = sk
    i32[sk + TP_EVENTS] |= events
  }
  /** Tells the socket's holder of events when the work at hand is done. A child not yet accepted has none. */
  const raise = (sk: number, events: number): void => {
    if (isDead(sk) || i32[sk + SK_PARENT] !== 0) return
    enqueue(sk, events)
  }
  /** Ends every entry into TCP: tells what happened, frees what ended. */
  const flush = (): void => {
    if (pendingCount === 0 || flushing) return
    flushing = true
    for (let n = 0; n < pendingCount; n++) {
      const sk = pending[n]
      const events = i32[sk + TP_EVENTS]
      i32[sk + TP_EVENTS] = 0
      if ((events & EV_DESTROY) !== 0) destroyNow(sk)
      else if (events !== 0 && !isDead(sk)) sockEvents(sk, events)
    }
    pendingCount = 0
    flushing = false
  }

  const setState = (sk: number, state: number): void => {
    const old = i32[sk + SK_STATE]
    if (old === state) return
    if (state === TCP_ESTABLISHED) f64[bank + Mib.TcpCurrEstab]++
    else if (state === TCP_CLOSE) {
      fastopenQueue.remove(sk, false)
      if (old === TCP_CLOSE_WAIT || old === TCP_ESTABLISHED) f64[bank + Mib.TcpEstabResets]++
      hash.unhash(sk)
      if ((i32[sk + SK_FLAGS] & SOCK_BINDPORT_LOCK) === 0) {
        ports.release(sk)
        i32[sk + SK_SPORT] = portOf(i32, sk)
        i32[sk + SK_NUM] = 0
      }
    }
    // CurrEstab counts ESTABLISHED and CLOSE_WAIT (RFC 4022)
    if (old === TCP_ESTABLISHED && state !== TCP_CLOSE_WAIT) f64[bank + Mib.TcpCurrEstab]--
    if (old === TCP_CLOSE_WAIT) f64[bank + Mib.TcpCurrEstab]--
    i32[sk + SK_STATE] = state
  }

  const destroyNow = (sk: number): void => {
    if (!slab.isLive(sk)) return
    fastopenActive.ends(sk)
    timers.clearAll(sk)
    cong.release(sk)
    md5.release(sk)
    setState(sk, TCP_CLOSE)
    hash.unhash(sk)
    ports.release(sk)
    i32[sk + SK_NUM] = 0
    purge(sk)
    errqueue.purge(sk)
    filter.release(sk)
    adopt(sk)
    slab.free(sk)
  }
  /** Frees the row when the work at hand is done. */
  const destroy = (sk: number): void => {
    enqueue(sk, EV_DESTROY)
  }

  /** The application has let go (sock_orphan); the connection may live on. */
  const orphan = (sk: number): void => {
    i32[sk + SK_FLAGS] |= SOCK_DEAD
    i32[sk + TP_EVENTS] &= EV_DESTROY
    i32[sk + SK_PARENT] = 0
    i32[sk + TP_ORPHANED] = 1
    orphans++
  }
  /** TIME_WAIT holds nothing, so it is no orphan. */
  const adopt = (sk: number): void => {
    if (!orphaned(sk)) return
    orphans--
    i32[sk + TP_ORPHANED] = 0
  }
  const orphaned = (sk: number): boolean => i32[sk + TP_ORPHANED] !== 0
  /** tcp_max_orphans is for all workers; never more than half of the rows. */
  const tooManyOrphans = (): boolean =>
    orphans > Math.min(i32[sysctl + Sysctl.tcp_max_orphans] / layout.config.workers, slab.rows >> 1)

  /** The connection is over (tcp_done): nothing more is sent or received; the row waits for its holder. */
  const done = (sk: number): void => {
    const state = i32[sk + SK_STATE]
    if (state === TCP_SYN_SENT || state === TCP_SYN_RECV) f64[bank + Mib.TcpAttemptFails]++
    if (state === TCP_TIME_WAIT) twUnlink(sk)
    setState(sk, TCP_CLOSE)
    timers.clearAll(sk)
    i32[sk + SK_SHUTDOWN] = RCV_SHUTDOWN | SEND_SHUTDOWN
    if (isDead(sk)) destroy(sk)
    else raise(sk, SK_EVENT_READ | SK_EVENT_WRITE | SK_EVENT_HUP)
  }
  /** What of an attempt, or of listening, does not outlive it, though the user has set it (tcp_disconnect). */
  const forgetUser = (sk: number): void => {
    i32[sk + SK_SHUTDOWN] = 0
    i32[sk + TP_WINDOW_CLAMP] = 0
    i32[sk + TP_USER_MSS] = 0
    i32[sk + TP_PINGPONG] = 0
    i32[sk + TP_RTO_MIN] = TCP_RTO_MIN
  }
  /** Ends it with an error that the next call reports. */
  const fail = (sk: number, errno: number): void => {
    i32[sk + SK_ERR] = errno
    purgeWrite(sk)
    raise(sk, SK_EVENT_ERROR)
    done(sk)
  }
  /** A RST that counts (tcp_reset). */
  const reset = (sk: number): void => {
    switch (i32[sk + SK_STATE]) {
      case TCP_SYN_SENT:
        fail(sk, Errno.ECONNREFUSED)
        return
      case TCP_CLOSE_WAIT:
        fail(sk, Errno.EPIPE)
        return
      case TCP_CLOSE:
        return
      default:
        fail(sk, Errno.ECONNRESET)
    }
  }

  const twUnlink = (sk: number): void => {
    const next = i32[sk + TP_TW_NEXT]
    const prev = i32[sk + TP_TW_PREV]
    if (prev === 0) twOldest = next
    else i32[prev + TP_TW_NEXT] = next
    if (next === 0) twNewest = prev
    else i32[next + TP_TW_PREV] = prev
    i32[sk + TP_TW_NEXT] = 0
    i32[sk + TP_TW_PREV] = 0
    twCount--
  }
  /**
   * TIME_WAIT, or FIN_WAIT2 without an application (`substate`): the row answers for the connection until
   * `timeoutMs` has passed. An application that still holds it may read what had come.
   */
  const timeWait = (sk: number, substate: number, timeoutMs: number): void => {
    purgeWrite(sk)
    timers.clearAll(sk)
    if (twCount >= i32[sysctl + Sysctl.tcp_max_tw_buckets]) {
      f64[bank + Mib.TcpExtTCPTimeWaitOverflow]++
      done(sk)
      return
    }
    // its acknowledgements report nothing of what came out of order
    i32[sk + TP_NUM_SACKS] = 0
    i32[sk + TP_DSACK] = 0
    if (isDead(sk)) purge(sk)
    setState(sk, TCP_TIME_WAIT)
    ecnEnd(i32, sk)
    i32[sk + TP_TW_SUBSTATE] = substate
    i32[sk + TP_OOW_ACKED] = 0
    i32[sk + TP_TW_ENTRY_STAMP] = time[TIME_MS]
    i32[sk + TP_TW_NEXT] = 0
    i32[sk + TP_TW_PREV] = twNewest
    if (twNewest === 0) twOldest = sk
    else i32[twNewest + TP_TW_NEXT] = sk
    twNewest = sk
    twCount++
    timers.resetKeepaliveTimer(sk, timeoutMs)
    adopt(sk)
  }
  /** Its time is over (Linux counts TW), or it gives way: to a new SYN, or to a new socket. */
  const twEnd = (sk: number, mib: number): void => {
    f64[bank + mib]++
    done(sk)
  }

  /** A row for a new socket or request, with its cookie; TIME_WAIT gives way when there is none. 0 when the worker is full. */
  const allocSock = (): number => {
    const sk = slab.alloc() || reuseTimeWait()
    if (sk !== 0) i32[sk + SK_COOKIE] = newCookie(deps.arena, deps.skbs.thread, slab)
    return sk
  }
  const reuseTimeWait = (): number => {
    for (let old = twOldest; old !== 0; old = i32[old + TP_TW_NEXT]) {
      if (!isDead(old)) continue
      twUnlink(old)
      f64[bank + Mib.TcpExtTWRecycled]++
      if (i32[old + TP_EVENTS] !== 0) i32[old + TP_EVENTS] = 0
      destroyNow(old)
      return slab.alloc()
    }
    return 0
  }

  return {
    raise,
    flush,
    setState,
    done,
    forgetUser,
    fail,
    reset,
    destroy,
    destroyNow,
    orphan,
    adopt,
    tooManyOrphans,
    timeWait,
    twEnd,
    twUnlink,
    allocSock,
    isDead,
    timeWaitCount: () => twCount,
    orphanCount: () => orphans,
  }
}
