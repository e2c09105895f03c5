/**
 * When TCP's packet memory is used up and a socket has not even its minimum: the worst holder of this worker is reset.
 * First among those whose peers do not read or do not answer, then by what they hold. Looks at a
 * bounded number of rows, from where it stopped last. tcp-rcv-queue.ts and tcp-sendmsg.ts call it, on the worker.
 * Linux has tcp_check_oom() for orphans; it can do without more, having gigabytes.
 */
import { Errno } from '../../../base/errno.ts'
import type { Time } from '../../../base/time.ts'
import { TIME_MS } from '../../../base/time.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import type { Slab } from '../../../shm/slab.ts'
import { TRUESIZE_SMALL } from '../../../skb/budget.ts'
import { SK_RMEM, SK_TYPE, SK_WMEM, SOCK_STREAM } from '../../../socket/sock.ts'
import type { TcpTransmit } from '../snd/tcp-transmit.ts'
import type { TcpLifecycle, TcpLifecycleDeps } from './tcp-lifecycle.ts'
import {
  TP_BACKOFF,
  TP_COPIED_SEQ,
  TP_LRCVTIME,
  TP_PACKETS_OUT,
  TP_PROBES_OUT,
  TP_RCV_NXT,
  TP_RETRANSMITS,
  TP_SEND_HEAD,
} from './tcp-sock.ts'

export type TcpOom = ReturnType<typeof createTcpOom>
export type TcpOomDeps = {
  arena: Arena
  bank: number
  time: Time
  slab: Slab
  transmit: TcpTransmit
  life: TcpLifecycle
  purge: TcpLifecycleDeps['purge']
}

/** Rows looked at for one victim: a row is some cache misses. */
const SAMPLE = 256
/** What a socket may keep without being worse than others. */
const MINIMUM = 2 * TRUESIZE_SMALL
/** Retransmissions or probes after which one who holds no more than his minimum may go too. */
const PATIENCE = 2
/** As long as nothing came that a receiver had room for, ms: nobody reads. */
const UNREAD_MS = 1000
/** Weight of each step in which one holder is worse than another, whatever they hold. */
const STEP = 2 ** 30

export const createTcpOom = (deps: TcpOomDeps) => {
  const { bank, time, slab, transmit, life, purge } = deps
  const { i32, f64 } = deps.arena
  let hand = 0
  let lastMs = -1

  /** Its peer has not taken what was sent to it for a while. */
  const isSendStalled = (sk: number): boolean =>
    i32[sk + TP_BACKOFF] !== 0 ||
    i32[sk + TP_RETRANSMITS] !== 0 ||
    (i32[sk + TP_SEND_HEAD] !== 0 && i32[sk + TP_PACKETS_OUT] === 0)
  /** Not for a lost segment only: it has been tried again and again. */
  const isLongStalled = (sk: number): boolean =>
    i32[sk + TP_BACKOFF] >= PATIENCE || i32[sk + TP_PROBES_OUT] >= PATIENCE
  const isUnread = (sk: number): boolean =>
    ((time[TIME_MS] - i32[sk + TP_LRCVTIME]) | 0) > UNREAD_MS
  /** How bad a holder it is of what `word` counts, SK_RMEM or SK_WMEM; 0 is none. */
  const badness = (sk: number, word: number): number => {
    if (!slab.isLive(sk) || i32[sk + SK_TYPE] !== SOCK_STREAM) return 0
    const bytes = i32[sk + word]
    const isStalled = word === SK_WMEM && isSendStalled(sk)
    if (bytes > MINIMUM) return bytes + (isStalled ? 2 * STEP : STEP)
    return (word === SK_RMEM ? isUnread(sk) : isStalled && isLongStalled(sk)) ? bytes : 0
  }
  const findWorst = (asker: number, word: number): number => {
    const rows = slab.high()
    let worst = 0
    let most = 0
    for (let k = Math.min(SAMPLE, rows); k > 0; k--) {
      hand = hand + 1 < rows ? hand + 1 : 0
      const sk = slab.at(hand)
      const bad = sk === asker ? 0 : badness(sk, word)
      if (bad <= most) continue
      most = bad
      worst = sk
    }
    return worst
  }
  /** Makes room for `asker`, at most once a millisecond; false when nobody is worse. */
  const trim = (asker: number, word: number): boolean => {
    if (time[TIME_MS] === lastMs) return false
    lastMs = time[TIME_MS]
    const victim = findWorst(asker, word)
    if (victim === 0) return false
    f64[bank + Mib.TcpExtTCPAbortOnMemory]++
    transmit.sendActiveReset(victim)
    i32[victim + TP_COPIED_SEQ] = i32[victim + TP_RCV_NXT]
    purge(victim)
    life.fail(victim, Errno.ENOBUFS)
    return true
  }
  return {
    trimRcv: (asker: number): boolean => trim(asker, SK_RMEM),
    trimSnd: (asker: number): boolean => trim(asker, SK_WMEM),
  }
}
