/**
 * When packets came (SO_TIMESTAMP, SO_TIMESTAMPNS, SO_TIMESTAMPING): a packet is stamped by the stack's clock as it goes into the queue of a socket that
 * asks for it, and told by the clock of the day as it is read. Worker only. Linux: __net_timestamp(), __sock_recv_timestamp(),
 * tcp_recv_timestamp().
 */
import type { Time } from '../../base/time.ts'
import { TIME_MS, TIME_US } from '../../base/time.ts'
import type { Arena } from '../../shm/arena.ts'
import { SKB_TSTAMP } from '../../skb/skb.ts'
import type { Cmsg } from './cmsg.ts'
import { SK_CMSG } from '../inet-sock.ts'
import {
  SO_TIMESTAMPING,
  CMSG_STAMPING,
  CMSG_STAMP,
  CMSG_TIME,
  CMSG_TIME_NEW,
  CMSG_TIME_NS,
  SO_TIMESTAMP,
  SO_TIMESTAMP_NEW,
  SO_TIMESTAMPNS,
  SO_TIMESTAMPNS_NEW,
  SOL_SOCKET,
} from '../socket-constants.ts'

type TimestampDeps = {
  arena: Arena
  time: Time
  cmsg: Pick<Cmsg, 'put' | 'words'>
  nowUs: () => number
  /** Microseconds since 1970. */
  realtimeUs: () => number
}
export type Timestamp = ReturnType<typeof createTimestamp>

/** struct timeval and timespec, of 64 bits each, whichever number asks for them. */
const TIMEVAL = 16
/** Three of them. */
const SCM_TIMESTAMPING = 48
/** So long differences of TIME_US are sure to be right. */
const FINE_MS = 1_000_000

export const createTimestamp = ({ arena, time, cmsg, nowUs, realtimeUs }: TimestampDeps) => {
  const { i32 } = arena
  /** Are its packets to be stamped, as one of the ways to be told of it wants? */
  const wantsTime = (sk: number): boolean => (i32[sk + SK_CMSG] & (CMSG_TIME | CMSG_STAMP)) !== 0

  const stamp = (skb: number): void => {
    i32[skb + SKB_TSTAMP] = time[TIME_MS]
    i32[skb + SKB_TSTAMP + 1] = time[TIME_US]
  }
  const isStamped = (skb: number): boolean =>
    (i32[skb + SKB_TSTAMP] | i32[skb + SKB_TSTAMP + 1]) !== 0
  /** How long ago the stack's clock stood so. */
  const ageUs = (ms: number, us: number): number => {
    const now = nowUs()
    const coarse = ((Math.floor(now / 1000) | 0) - ms) | 0
    return coarse < FINE_MS ? ((now | 0) - us) | 0 : coarse * 1000
  }
  /** Of a packet that came before anybody asked it is now, where SO_TIMESTAMP asks. */
  const tellTime = (sk: number, skb: number): void => {
    if (isStamped(skb)) tellTimeOf(sk, i32[skb + SKB_TSTAMP], i32[skb + SKB_TSTAMP + 1])
    else if ((i32[sk + SK_CMSG] & CMSG_TIME) !== 0) tell(sk, realtimeUs())
  }
  /** Of what was noted when the stack's clock stood so. */
  const tellTimeOf = (sk: number, ms: number, us: number): void =>
    tell(sk, realtimeUs() - ageUs(ms, us))
  const tell = (sk: number, us: number): void => {
    const wanted = i32[sk + SK_CMSG]
    if ((wanted & CMSG_TIME) !== 0) put(wanted, us)
    if ((wanted & CMSG_STAMPING) !== 0) putStamping(us)
  }
  /** struct scm_timestamping: of the software's alone there is one. */
  const putStamping = (us: number): void =>
    putSeconds(cmsg.put(SOL_SOCKET, SO_TIMESTAMPING, SCM_TIMESTAMPING), us, 1000)
  const put = (wanted: number, us: number): void => {
    const isNew = (wanted & CMSG_TIME_NEW) !== 0
    if ((wanted & CMSG_TIME_NS) !== 0)
      putTime(isNew ? SO_TIMESTAMPNS_NEW : SO_TIMESTAMPNS, us, 1000)
    else putTime(isNew ? SO_TIMESTAMP_NEW : SO_TIMESTAMP, us, 1)
  }
  const putTime = (type: number, us: number, scale: number): void => {
    putSeconds(cmsg.put(SOL_SOCKET, type, TIMEVAL), us, scale)
  }
  const putSeconds = (at: number, us: number, scale: number): void => {
    const seconds = Math.floor(us / 1e6)
    cmsg.words[at] = seconds | 0
    cmsg.words[at + 1] = Math.floor(seconds / 2 ** 32)
    cmsg.words[at + 2] = Math.floor((us - seconds * 1e6) * scale)
  }
  return { wantsTime, stamp, isStamped, tellTime, tellTimeOf }
}
