/**
 * How long a stream waits, and how often it tries: TCP_KEEPIDLE and its like, TCP_SYNCNT, TCP_LINGER2, TCP_DEFER_ACCEPT,
 * TCP_USER_TIMEOUT, and the bounds of its timeout. tcp-sockopt.ts asks here. Cold; on the worker. Linux: do_tcp_setsockopt(),
 * do_tcp_getsockopt(), tcp_sock_set_keepidle_locked.
 */
import type { Arena } from '../../../shm/arena.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { SK_FLAGS, SK_STATE, TCP_CLOSE, TCP_LISTEN } from '../../../socket/sock.ts'
import {
  TCP_DEFER_ACCEPT,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_USER_TIMEOUT,
} from '../../../socket/socket-constants.ts'
import { SOCK_KEEPOPEN } from '../sock/sock-flags.ts'
import {
  TCP_RTO_MAX,
  TCP_RTO_MIN,
  TCP_TIMEOUT_INIT,
  TCP_TIMEOUT_MIN,
} from '../sock/tcp-constants.ts'
import {
  TP_DEFER_ACCEPT,
  TP_KEEPALIVE_INTVL,
  TP_KEEPALIVE_PROBES,
  TP_KEEPALIVE_TIME,
  TP_LINGER2,
  TP_RTO_MAX,
  TP_RTO_MIN,
  TP_SYN_RETRIES,
  TP_USER_TIMEOUT,
} from '../sock/tcp-sock.ts'
import type { TcpTimers } from '../timer/tcp-timers.ts'
import { setRange } from './sock-words.ts'

// Numbers that nobody else names.
const TCP_SYNCNT = 7
const TCP_LINGER2 = 8
const TCP_RTO_MAX_MS = 44
const TCP_RTO_MIN_US = 45

const MAX_KEEP = 32767
const MAX_KEEP_COUNT = 127
const MAX_SYN_COUNT = 127
const MAX_LINGER2 = 120
const MAX_RETRANS = 255
const INT_MAX = 0x7fffffff

export type TcpSockoptTimesDeps = { arena: Arena; timers: Pick<TcpTimers, 'resetKeepaliveTimer'> }

/** As many retransmissions of a SYN-ACK as it takes for so many seconds to pass (secs_to_retrans). */
const secsToRetrans = (seconds: number): number => {
  let wait = TCP_TIMEOUT_INIT / 1000
  let sum = wait
  let sent = seconds > 0 ? 1 : 0
  while (seconds > sum && sent < MAX_RETRANS) {
    wait = Math.min(wait * 2, TCP_RTO_MAX / 1000)
    sum += wait
    sent++
  }
  return sent
}
/** The seconds that they take (retrans_to_secs). */
const retransToSecs = (sent: number): number => {
  let wait = TCP_TIMEOUT_INIT / 1000
  let sum = 0
  for (let left = sent; left > 0; left--) {
    sum += wait
    wait = Math.min(wait * 2, TCP_RTO_MAX / 1000)
  }
  return sum
}

export const createTcpSockoptTimes = ({ arena, timers }: TcpSockoptTimesDeps) => {
  const { i32, layout } = arena
  const { sysctl } = layout

  const range = (sk: number, word: number, value: number, low: number, high: number): number =>
    setRange(i32, sk, word, value, low, high)
  const setWord = (sk: number, word: number, value: number): number => {
    i32[sk + word] = value
    return 0
  }
  const setKeepidle = (sk: number, value: number): number => {
    const err = range(sk, TP_KEEPALIVE_TIME, value, 1, MAX_KEEP)
    if (err !== 0 || (i32[sk + SK_FLAGS] & SOCK_KEEPOPEN) === 0) return err
    if (i32[sk + SK_STATE] !== TCP_CLOSE && i32[sk + SK_STATE] !== TCP_LISTEN)
      timers.resetKeepaliveTimer(sk, value * 1000)
    return 0
  }
  /** 0, or -errno; null: it is none of these. */
  const setTimes = (sk: number, name: number, value: number): number | null => {
    switch (name) {
      case TCP_KEEPIDLE:
        return setKeepidle(sk, value)
      case TCP_KEEPINTVL:
        return range(sk, TP_KEEPALIVE_INTVL, value, 1, MAX_KEEP)
      case TCP_KEEPCNT:
        return range(sk, TP_KEEPALIVE_PROBES, value, 1, MAX_KEEP_COUNT)
      case TCP_SYNCNT:
        return range(sk, TP_SYN_RETRIES, value, 1, MAX_SYN_COUNT)
      case TCP_LINGER2:
        return setWord(sk, TP_LINGER2, value < 0 ? -1 : Math.min(value, MAX_LINGER2))
      case TCP_DEFER_ACCEPT:
        return setWord(sk, TP_DEFER_ACCEPT, secsToRetrans(value))
      case TCP_USER_TIMEOUT:
        return range(sk, TP_USER_TIMEOUT, value, 0, INT_MAX)
      case TCP_RTO_MAX_MS:
        return range(sk, TP_RTO_MAX, value, 1000, TCP_RTO_MAX)
      case TCP_RTO_MIN_US:
        return range(sk, TP_RTO_MIN, Math.ceil(value / 1000), TCP_TIMEOUT_MIN, TCP_RTO_MIN)
    }
    return null
  }

  const orSysctl = (sk: number, word: number, index: number): number =>
    i32[sk + word] !== 0 ? i32[sk + word] : i32[sysctl + index]
  const getTimes = (sk: number, name: number): number | null => {
    switch (name) {
      case TCP_KEEPIDLE:
        return orSysctl(sk, TP_KEEPALIVE_TIME, Sysctl.tcp_keepalive_time)
      case TCP_KEEPINTVL:
        return orSysctl(sk, TP_KEEPALIVE_INTVL, Sysctl.tcp_keepalive_intvl)
      case TCP_KEEPCNT:
        return orSysctl(sk, TP_KEEPALIVE_PROBES, Sysctl.tcp_keepalive_probes)
      case TCP_SYNCNT:
        return orSysctl(sk, TP_SYN_RETRIES, Sysctl.tcp_syn_retries)
      case TCP_LINGER2:
        return i32[sk + TP_LINGER2] < 0 ? -1 : orSysctl(sk, TP_LINGER2, Sysctl.tcp_fin_timeout)
      case TCP_DEFER_ACCEPT:
        return retransToSecs(i32[sk + TP_DEFER_ACCEPT])
      case TCP_USER_TIMEOUT:
        return i32[sk + TP_USER_TIMEOUT]
      case TCP_RTO_MAX_MS:
        return i32[sk + TP_RTO_MAX]
      case TCP_RTO_MIN_US:
        return i32[sk + TP_RTO_MIN] * 1000
    }
    return null
  }
  return { setTimes, getTimes }
}
