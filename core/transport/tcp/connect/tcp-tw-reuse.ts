/**
 * A port that only a connection in TIME_WAIT still holds may be taken for a new one to the same peer, when timestamps tell the
 * segments of both apart: a socket that was bound to the port always may, one that looks for a port as tcp_tw_reuse says.
 * tcp-local-port.ts asks while it chooses a port, on the worker. Linux: tcp_twsk_unique; RFC 6191, RFC 7323 appendix B.
 */
import type { Time } from '../../../base/time.ts'
import { TIME_MS } from '../../../base/time.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { SK_DADDR, SK_STATE, TCP_TIME_WAIT } from '../../../socket/sock.ts'
import type { TcpLifecycle } from '../sock/tcp-lifecycle.ts'
import {
  OPT_TIMESTAMPS,
  TP_OPTS,
  TP_SND_NXT,
  TP_TS_RECENT,
  TP_TS_RECENT_STAMP,
  TP_TW_ENTRY_STAMP,
  TP_TW_SUBSTATE,
} from '../sock/tcp-sock.ts'

/** tcp_tw_reuse: for peers on this host alone. */
const REUSE_LOOPBACK = 2
/** Beyond any window of the old connection that had no scale. */
const SEQ_STEP = 65535 + 2

export type TcpTwReuse = ReturnType<typeof createTcpTwReuse>
type TcpTwReuseDeps = { arena: Arena; time: Time; life: Pick<TcpLifecycle, 'twEnd'> }

export const createTcpTwReuse = ({ arena, time, life }: TcpTwReuseDeps) => {
  const { i32, layout } = arena
  const { sysctl } = layout

  const isLoopback = (at: number): boolean =>
    (i32[at] | i32[at + 1]) === 0 &&
    ((i32[at + 2] === 0xffff && i32[at + 3] >>> 24 === 127) ||
      (i32[at + 2] === 0 && i32[at + 3] === 1))
  const mayLookFor = (tw: number): boolean => {
    const mode = i32[sysctl + Sysctl.tcp_tw_reuse]
    if (mode === 0 || i32[tw + TP_TW_SUBSTATE] !== TCP_TIME_WAIT) return false
    if (mode === REUSE_LOOPBACK && !isLoopback(tw + SK_DADDR)) return false
    const waited = (time[TIME_MS] - i32[tw + TP_TW_ENTRY_STAMP]) | 0
    return waited > i32[sysctl + Sysctl.tcp_tw_reuse_delay]
  }
  /** May `other`, which has the new connection's addresses and ports, give way to it? */
  const mayReplace = (other: number, isBound: boolean): boolean => {
    if (i32[other + SK_STATE] !== TCP_TIME_WAIT) return false
    if ((i32[other + TP_OPTS] & OPT_TIMESTAMPS) === 0 || i32[other + TP_TS_RECENT_STAMP] === 0)
      return false
    return isBound || mayLookFor(other)
  }

  // What the connection that gave way leaves to the one in its place.
  let sequence = 0
  let tsRecent = 0
  let tsRecentStamp = 0
  /** Ends it; what it leaves lies ready until `inherit`. */
  const replace = (tw: number): void => {
    sequence = (i32[tw + TP_SND_NXT] + SEQ_STEP) | 0 || 1
    tsRecent = i32[tw + TP_TS_RECENT]
    tsRecentStamp = i32[tw + TP_TS_RECENT_STAMP]
    life.twEnd(tw, Mib.TcpExtTWRecycled)
  }
  /** Gives that to `sk`: the initial sequence number to use, or 0 when nobody gave way. */
  const inherit = (sk: number): number => {
    const isn = sequence
    sequence = 0
    if (isn === 0) return 0
    i32[sk + TP_TS_RECENT] = tsRecent
    i32[sk + TP_TS_RECENT_STAMP] = tsRecentStamp
    return isn
  }

  return { mayReplace, replace, inherit }
}
