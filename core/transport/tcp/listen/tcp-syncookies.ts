/**
 * SYN cookies: when there is no place for another request, the SYN-ACK's sequence number says all that must be known of it,
 * and nothing is kept; the ACK that returns it makes the connection. In it are two keyed hashes of the flow, the second with
 * a count of minutes, and the index of the peer's MSS; window scale, SACK and ECN ride in the lowest bits of the timestamp,
 * when the peer has those. tcp-listen.ts calls it, on the worker; every worker takes what any other has given out.
 * Linux: net/ipv4/syncookies.c, net/ipv6/syncookies.c, tcp_synq_overflow; RFC 4987 section 3.6.
 */
import { HASH_COOKIE, HASH_COUNT } from '../../secure-constants.ts'
import {
  FL_DADDR,
  FL_DPORT,
  FL_FAMILY,
  FL_SADDR,
  FL_SPORT,
  type Flowi,
} from '../../../base/flowi.ts'
import type { Time } from '../../../base/time.ts'
import { TIME_MS } from '../../../base/time.ts'
import type { AfOpsOf } from '../../../inet/af-ops.ts'
import type { Arena } from '../../../shm/arena.ts'
import { SYNQ_OVERFLOW_WORDS } from '../../../shm/layout.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { SK_DADDR, SK_DPORT, SK_FAMILY, SK_NUM, SK_SADDR } from '../../../socket/sock.ts'
import {
  OPT_MSS,
  OPT_SEEN,
  OPT_TSECR,
  OPT_WSCALE as PARSED_WSCALE,
  SEEN_MSS,
  SEEN_SACK_PERM,
  SEEN_TIMESTAMPS,
  SEEN_WSCALE,
} from '../../../wire/tcp-options.ts'
import type { SecureSeq } from '../../secure-seq.ts'
import { accecnAgree, accecnAnswers } from '../ecn/tcp-accecn.ts'
import { ecnAgree } from '../ecn/tcp-ecn.ts'
import type { TcpPaws } from '../rcv/tcp-paws.ts'
import {
  ECN_MODE_ANY,
  OPT_SACK,
  OPT_TIMESTAMPS,
  OPT_WSCALE,
  TP_ECN,
  TP_MSS_CLAMP,
  TP_OPTS,
  TP_RCV_ISN,
  TP_SND_WSCALE,
  TP_TS_OFFSET,
} from '../sock/tcp-sock.ts'

/** A minute is 2^16 ms, so that the count wraps where the clock does. */
const MINUTE_SHIFT = 16
/** A cookie is good in its minute and the next. */
const MAX_AGE = 2
const COOKIE_BITS = 24
const COOKIE_MASK = (1 << COOKIE_BITS) - 1

/** The lowest bits of the timestamp: window scale (all set: none), SACK, ECN. */
const TS_BITS = 6
const TS_MASK = (1 << TS_BITS) - 1
const TS_WSCALE = 0xf
const TS_SACK = 1 << 4
const TS_ECN = 1 << 5

/** In HASH_COUNT, above the purpose: the count. */
const COUNT_SHIFT = 8

/** An overflow is noted so often, ms. */
const NOTE_MS = 1000

export type TcpSyncookies = ReturnType<typeof createTcpSyncookies>
type TcpSyncookiesDeps = {
  arena: Arena
  worker: number
  time: Time
  secure: SecureSeq
  afOps: AfOpsOf
  paws: Pick<TcpPaws, 'options'>
}

export const createTcpSyncookies = (deps: TcpSyncookiesDeps) => {
  const { worker, time, secure, afOps } = deps
  const { options: opts } = deps.paws
  const { i32, layout } = deps.arena
  const { sysctl, synqOverflow } = layout
  const { workers } = layout.config

  const minutes = (): number => time[TIME_MS] >>> MINUTE_SHIFT
  /** Hash of a flow, ours first: the words at (words, local) and (words, remote). */
  const hash = (
    words: Int32Array,
    local: number,
    remote: number,
    localPort: number,
    remotePort: number,
    purpose: number
  ): number => secure.flowHash(words, local, remote, localPort, remotePort, purpose)
  const counted = (count: number): number => HASH_COUNT | (count << COUNT_SHIFT)

  /** The index of the largest MSS of the family's list that is not larger than the peer's. */
  const mssIndex = (list: readonly number[], mss: number): number => {
    let index = list.length - 1
    while (index > 0 && mss < list[index]) index--
    return index
  }
  /** The initial sequence number of a request that is not kept, whose MSS becomes what the cookie can say. */
  const makeCookie = (req: number): number => {
    const list = afOps(i32[req + SK_FAMILY]).syncookieMss
    const index = mssIndex(list, i32[req + TP_MSS_CLAMP])
    i32[req + TP_MSS_CLAMP] = list[index]
    const count = minutes()
    const of = (purpose: number): number =>
      hash(i32, req + SK_SADDR, req + SK_DADDR, i32[req + SK_NUM], i32[req + SK_DPORT], purpose)
    const low = (of(counted(count)) + index) & COOKIE_MASK
    return (of(HASH_COOKIE) + i32[req + TP_RCV_ISN] + (count << COOKIE_BITS) + low) | 0
  }
  /** What a segment of flow `fl` acknowledges as our initial sequence number: the MSS that it says, or 0. */
  const checkCookie = (fl: Flowi, peerIsn: number, cookie: number): number => {
    const of = (purpose: number): number =>
      hash(fl, FL_DADDR, FL_SADDR, fl[FL_DPORT], fl[FL_SPORT], purpose)
    const rest = (cookie - of(HASH_COOKIE) - peerIsn) | 0
    const age = (minutes() - (rest >>> COOKIE_BITS)) & 0xff
    if (age >= MAX_AGE) return 0
    const index = (rest - of(counted((minutes() - age) & 0xffff))) & COOKIE_MASK
    const list = afOps(fl[FL_FAMILY]).syncookieMss
    return index < list.length ? list[index] : 0
  }

  /** What the SYN asks for and a cookie cannot say is not agreed on. */
  const dropOptions = (): void => {
    if (opts[OPT_SEEN] & SEEN_TIMESTAMPS && i32[sysctl + Sysctl.tcp_timestamps] !== 0) return
    opts[OPT_SEEN] &= ~(SEEN_TIMESTAMPS | SEEN_WSCALE | SEEN_SACK_PERM)
  }
  /** Makes the timestamp of the SYN-ACK say what was agreed on; it lies in the past by 64 ms at most. */
  const stampOptions = (req: number): void => {
    const taken = i32[req + TP_OPTS]
    if ((taken & OPT_TIMESTAMPS) === 0) return
    const now = time[TIME_MS]
    const said =
      ((taken & OPT_WSCALE) !== 0 ? i32[req + TP_SND_WSCALE] : TS_WSCALE) |
      ((taken & OPT_SACK) !== 0 ? TS_SACK : 0) |
      ((i32[req + TP_ECN] & ECN_MODE_ANY) !== 0 ? TS_ECN : 0)
    const stamp = (now & ~TS_MASK) | said
    i32[req + TP_TS_OFFSET] += ((stamp - now) | 0) > 0 ? stamp - now - (1 << TS_BITS) : stamp - now
  }
  /**
   * Reads that from the parsed options of the ACK, as if its SYN's were there again; `req` has its timestamps' offset. False
   * when we have not agreed on what it says. `ace` is the ACK's: from 2 on, that ECN is the accurate one (RFC 9768 section
   * 5.1).
   */
  const readOptions = (req: number, mss: number, ace: number): boolean => {
    opts[OPT_MSS] = mss
    const isStamped = (opts[OPT_SEEN] & SEEN_TIMESTAMPS) !== 0
    opts[OPT_SEEN] = isStamped ? SEEN_MSS | SEEN_TIMESTAMPS : SEEN_MSS
    if (!isStamped) return true
    if (i32[sysctl + Sysctl.tcp_timestamps] === 0) return false
    const said = (opts[OPT_TSECR] - i32[req + TP_TS_OFFSET]) | 0
    if ((said & TS_SACK) !== 0) {
      if (i32[sysctl + Sysctl.tcp_sack] === 0) return false
      opts[OPT_SEEN] |= SEEN_SACK_PERM
    }
    if ((said & TS_ECN) !== 0) readEcn(req, ace)
    if ((said & TS_WSCALE) === TS_WSCALE) return true
    opts[OPT_SEEN] |= SEEN_WSCALE
    opts[PARSED_WSCALE] = said & TS_WSCALE
    return i32[sysctl + Sysctl.tcp_window_scaling] !== 0
  }

  const readEcn = (req: number, ace: number): void => {
    const mode = i32[sysctl + Sysctl.tcp_ecn]
    if (accecnAnswers(mode) && ace > 1) accecnAgree(i32, req, 0, false)
    else if (mode !== 0) ecnAgree(i32, req, false)
  }

  // Cookies are looked at only where one was given out lately. Ports share the words of a worker, workers read each other's.
  const noteOf = (cpu: number, port: number): number =>
    synqOverflow + cpu * SYNQ_OVERFLOW_WORDS + (port & (SYNQ_OVERFLOW_WORDS - 1))
  const noteOverflow = (port: number): void => {
    const at = noteOf(worker, port)
    const now = time[TIME_MS]
    if (i32[at] === 0 || ((now - i32[at]) | 0) >>> 0 >= NOTE_MS) i32[at] = now | 1
  }
  const isRecent = (noted: number): boolean => {
    const ago = (time[TIME_MS] - noted) | 0
    return noted !== 0 && ago >= -NOTE_MS && ago <= MAX_AGE << MINUTE_SHIFT
  }
  const hasRecentOverflow = (port: number): boolean => {
    for (let cpu = 0; cpu < workers; cpu++) if (isRecent(i32[noteOf(cpu, port)])) return true
    return false
  }

  return {
    makeCookie,
    checkCookie,
    dropOptions,
    stampOptions,
    readOptions,
    noteOverflow,
    hasRecentOverflow,
  }
}
