/**
 * Options of SOL_SOCKET that mean more to TCP than a word of the sock row: buffers, which its budget bounds, keepalive, SO_LINGER,
 * pacing, time stamps. tcp-sockopt.ts asks here. Cold; on the worker. Linux: sk_setsockopt(), sk_getsockopt() (net/core/sock.c),
 * tcp_set_keepalive, tcp_set_rcvlowat.
 */
import { Errno } from '../../../base/errno.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import {
  SO_KEEPALIVE,
  SO_LINGER,
  SO_MAX_PACING_RATE,
  SO_OOBINLINE,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_RCVLOWAT,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SO_TIMESTAMPING,
  SO_ZEROCOPY,
} from '../../../socket/socket-constants.ts'
import {
  SK_FLAGS,
  SK_RCVBUF,
  SK_RCVLOWAT,
  SK_SNDBUF,
  SK_STATE,
  SOCK_MIN_RCVBUF,
  SOCK_MIN_SNDBUF,
  TCP_CLOSE,
  TCP_LISTEN,
} from '../../../socket/sock.ts'
import type { TcpTstamp } from '../snd/tcp-tstamp.ts'
import {
  SOCK_KEEPOPEN,
  SOCK_LINGER,
  SOCK_RCVBUF_LOCK,
  SOCK_SNDBUF_LOCK,
  SOCK_URGINLINE,
  SOCK_ZEROCOPY,
} from '../sock/sock-flags.ts'
import { keepaliveTime } from '../timer/tcp-sock-times.ts'
import {
  PACING_NEEDED,
  TP_LINGER,
  TP_MAX_PACING_RATE,
  TP_PACING,
  TP_TSFLAGS,
} from '../sock/tcp-sock.ts'
import type { TcpTimers } from '../timer/tcp-timers.ts'
import { setBool, setFlag } from './sock-words.ts'

export type TcpSockoptSocketDeps = {
  arena: Arena
  timers: Pick<TcpTimers, 'resetKeepaliveTimer' | 'clearKeepaliveTimer'>
  maxBuffer: number
  tstamp: Pick<TcpTstamp, 'setFlags'>
}

export const createTcpSockoptSocket = (deps: TcpSockoptSocketDeps) => {
  const { arena, timers, maxBuffer, tstamp } = deps
  const { i32, layout } = arena
  const { sysctl } = layout

  const flag = (sk: number, bit: number, on: boolean): number => setFlag(i32, sk, SK_FLAGS, bit, on)
  /** Doubled, as the half of it is overhead; as much as the budget gives a socket. It is not tuned any more. */
  const setRcvbuf = (sk: number, value: number): number => {
    i32[sk + SK_RCVBUF] = Math.max(SOCK_MIN_RCVBUF, Math.min(value, maxBuffer >> 1) * 2)
    return flag(sk, SOCK_RCVBUF_LOCK, true)
  }
  const setSndbuf = (sk: number, value: number): number => {
    i32[sk + SK_SNDBUF] = Math.max(SOCK_MIN_SNDBUF, Math.min(value, maxBuffer >> 1) * 2)
    return flag(sk, SOCK_SNDBUF_LOCK, true)
  }
  /** As much as rmem_max or wmem_max has; below nothing is a lot. */
  const bounded = (value: number, most: number): number => Math.min(value >>> 0, i32[sysctl + most])
  /** Half of the buffer at most, which grows for it unless it is fixed (tcp_set_rcvlowat). */
  const setRcvlowat = (sk: number, value: number): number => {
    const isFixed = (i32[sk + SK_FLAGS] & SOCK_RCVBUF_LOCK) !== 0
    const most = isFixed ? i32[sk + SK_RCVBUF] : i32[sysctl + Sysctl.tcp_rmem_max]
    i32[sk + SK_RCVLOWAT] = value === 0 ? 1 : Math.min(value < 0 ? most : value, most >> 1)
    return 0
  }
  const setKeepalive = (sk: number, on: boolean): number => {
    const was = (i32[sk + SK_FLAGS] & SOCK_KEEPOPEN) !== 0
    flag(sk, SOCK_KEEPOPEN, on)
    const state = i32[sk + SK_STATE]
    if (state === TCP_CLOSE || state === TCP_LISTEN || was === on) return 0
    if (on) timers.resetKeepaliveTimer(sk, keepaliveTime(i32, sysctl, sk))
    else timers.clearKeepaliveTimer(sk)
    return 0
  }
  const setLinger = (sk: number, value: number): number => {
    i32[sk + TP_LINGER] = value < 0 ? 0 : value
    return flag(sk, SOCK_LINGER, value >= 0)
  }
  const setMaxPacing = (sk: number, value: number): number => {
    if (value >>> 0 !== 0xffffffff) i32[sk + TP_PACING] = PACING_NEEDED
    i32[sk + TP_MAX_PACING_RATE] = ~value
    return 0
  }
  /** 0, or -errno; -ENOPROTOOPT is socket/sockopt/sockopt.ts's as well. */
  const setSocket = (sk: number, name: number, value: number): number => {
    switch (name) {
      case SO_SNDBUF:
        return setSndbuf(sk, bounded(value, Sysctl.wmem_max))
      case SO_RCVBUF:
        return setRcvbuf(sk, bounded(value, Sysctl.rmem_max))
      case SO_SNDBUFFORCE:
        return setSndbuf(sk, Math.max(0, value))
      case SO_RCVBUFFORCE:
        return setRcvbuf(sk, Math.max(0, value))
      case SO_KEEPALIVE:
        return setKeepalive(sk, value !== 0)
      case SO_RCVLOWAT:
        return setRcvlowat(sk, value)
      case SO_LINGER:
        return setLinger(sk, value)
      case SO_ZEROCOPY:
        return setBool(i32, sk, SK_FLAGS, SOCK_ZEROCOPY, value)
      case SO_TIMESTAMPING:
        return tstamp.setFlags(sk, value)
      case SO_OOBINLINE:
        return flag(sk, SOCK_URGINLINE, value !== 0)
      case SO_MAX_PACING_RATE:
        return setMaxPacing(sk, value)
    }
    return -Errno.ENOPROTOOPT
  }

  const isOn = (sk: number, bit: number): number => ((i32[sk + SK_FLAGS] & bit) === 0 ? 0 : 1)
  const getSocket = (sk: number, name: number): number => {
    switch (name) {
      case SO_KEEPALIVE:
        return isOn(sk, SOCK_KEEPOPEN)
      case SO_OOBINLINE:
        return isOn(sk, SOCK_URGINLINE)
      case SO_RCVLOWAT:
        return i32[sk + SK_RCVLOWAT] || 1
      case SO_LINGER:
        return isOn(sk, SOCK_LINGER) === 1 ? i32[sk + TP_LINGER] : -1
      case SO_MAX_PACING_RATE:
        return ~i32[sk + TP_MAX_PACING_RATE] >>> 0
      case SO_ZEROCOPY:
        return isOn(sk, SOCK_ZEROCOPY)
      case SO_TIMESTAMPING:
        return i32[sk + TP_TSFLAGS]
    }
    return -Errno.ENOPROTOOPT
  }
  return { setSocket, getSocket }
}
