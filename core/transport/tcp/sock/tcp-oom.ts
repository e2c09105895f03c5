/**
 * When TCP's packet memory is used up and a socket has not even its minimum: the worst holder of this worker is reset,
 * by what it holds, of those that do not get on: whose peers do not read or answer, or that nobody reads. Who gets on
 * gives its memory back by that, and gets no more meanwhile (tcp-mem.ts): the one who asks waits for it, and only when
 * that takes too long such a holder goes as well. Looks at a bounded number of rows, from where it stopped last. Who
 * queues data, a SYN or a FIN calls it, on the worker. Linux has tcp_check_oom() for orphans; it can do without more,
 * having gigabytes.
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
  TP_LSNDTIME,
  TP_PROBES_OUT,
  TP_RCV_NXT,
  TP_RETRANSMITS,
  TP_RMEM_SHORT,
  TP_SEND_HEAD,
  TP_SND_NXT,
  TP_WMEM_SHORT,
} from './tcp-sock.ts'
import { wndEnd } from './tcp-wnd.ts'

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
/** So long one is refused its minimum before those who get on, but slowly, go too, ms. */
const WAIT_MS = 4000
/** Weight of each step in which one holder is worse than another, whatever they hold. */
const STEP = 2 ** 30

/** What sockets hold on a line: its bytes, since when it was refused to one, and when that last got on there. */
type Line = { held: number; short: number; served: number }
const RCV: Line = { held: SK_RMEM, short: TP_RMEM_SHORT, served: TP_LRCVTIME }
const SND: Line = { held: SK_WMEM, short: TP_WMEM_SHORT, served: TP_LSNDTIME }

export const createTcpOom = (deps: TcpOomDeps) => {
  const { bank, time, slab, transmit, life, purge } = deps
  const { i32, f64 } = deps.arena
  let hand = 0
  let lastMs = -1

  /** Its peer has not taken what was sent to it for a while, or wants no more; what was only not sent yet is no sign of either. */
  const isSendStalled = (sk: number): boolean =>
    i32[sk + TP_BACKOFF] !== 0 ||
    i32[sk + TP_RETRANSMITS] !== 0 ||
    (i32[sk + TP_SEND_HEAD] !== 0 && ((i32[sk + TP_SND_NXT] - wndEnd(i32, sk)) | 0) >= 0)
  /** Not for a lost segment only: it has been tried again and again. */
  const isLongStalled = (sk: number): boolean =>
    i32[sk + TP_BACKOFF] >= PATIENCE || i32[sk + TP_PROBES_OUT] >= PATIENCE
  const isUnread = (sk: number): boolean =>
    ((time[TIME_MS] - i32[sk + TP_LRCVTIME]) | 0) > UNREAD_MS
  const isStalled = (sk: number, line: Line): boolean =>
    line === RCV ? isUnread(sk) : isSendStalled(sk)
  /** How bad a holder it is; 0 is none. `anyone`: also who gets on. */
  const badness = (sk: number, line: Line, anyone: boolean): number => {
    if (!slab.isLive(sk) || i32[sk + SK_TYPE] !== SOCK_STREAM) return 0
    const bytes = i32[sk + line.held]
    if (bytes === 0) return 0
    if (!isStalled(sk, line)) return anyone && bytes > MINIMUM ? bytes : 0
    if (bytes > MINIMUM) return bytes + 2 * STEP
    return line === RCV || isLongStalled(sk) ? bytes + STEP : 0
  }
  const findWorst = (asker: number, line: Line, anyone: boolean): number => {
    const rows = slab.high()
    let worst = 0
    let most = 0
    for (let k = Math.min(SAMPLE, rows); k > 0; k--) {
      hand = hand + 1 < rows ? hand + 1 : 0
      const sk = slab.at(hand)
      const bad = sk === asker ? 0 : badness(sk, line, anyone)
      if (bad <= most) continue
      most = bad
      worst = sk
    }
    return worst
  }
  /** Nothing of it has got through since it was first refused, and that is long ago. */
  const hasWaited = (sk: number, { short, served }: Line): boolean => {
    const since = i32[sk + short]
    if (since !== 0 && ((i32[sk + served] - since) | 0) <= 0)
      return ((time[TIME_MS] - since) | 0) >= WAIT_MS
    i32[sk + short] = time[TIME_MS] || -1
    return false
  }
  /** Makes room for `asker`, at most once a millisecond; false when nobody is to go. */
  const trim = (asker: number, line: Line): boolean => {
    const anyone = hasWaited(asker, line)
    if (time[TIME_MS] === lastMs) return false
    lastMs = time[TIME_MS]
    const victim = findWorst(asker, line, anyone)
    if (victim === 0) return false
    f64[bank + Mib.TcpExtTCPAbortOnMemory]++
    transmit.sendActiveReset(victim)
    i32[victim + TP_COPIED_SEQ] = i32[victim + TP_RCV_NXT]
    purge(victim)
    life.fail(victim, Errno.ENOBUFS)
    return true
  }
  return {
    trimRcv: (asker: number): boolean => trim(asker, RCV),
    trimSnd: (asker: number): boolean => trim(asker, SND),
  }
}
