/**
 * How a stream's text goes and comes: TCP_NODELAY, TCP_CORK, TCP_MAXSEG, TCP_NOTSENT_LOWAT; TCP_QUICKACK, TCP_WINDOW_CLAMP, TCP_INQ.
 * tcp-sockopt.ts asks here. Cold; on the worker. Linux: do_tcp_setsockopt(), do_tcp_getsockopt().
 */
import { Errno } from '../../../base/errno.ts'
import type { Arena } from '../../../shm/arena.ts'
import { SK_CMSG } from '../../../socket/inet-sock.ts'
import {
  SK_STATE,
  SOCK_MIN_RCVBUF,
  TCP_CLOSE,
  TCP_CLOSE_WAIT,
  TCP_ESTABLISHED,
  TCP_LISTEN,
  TCP_TIME_WAIT,
} from '../../../socket/sock.ts'
import {
  CMSG_INQ,
  TCP_CORK,
  TCP_INQ,
  TCP_NODELAY,
  TCP_NOTSENT_LOWAT,
  TCP_QUICKACK,
} from '../../../socket/socket-constants.ts'
import type { TcpRecvmsg } from '../rcv/tcp-recvmsg.ts'
import type { TcpOutput } from '../snd/tcp-output.ts'
import type { TcpSndCheck } from '../snd/tcp-snd-check.ts'
import { TCP_MIN_MSS, TCP_MSS_DEFAULT } from '../sock/tcp-constants.ts'
import {
  ACK_PUSHED,
  ACK_SCHED,
  TCP_NAGLE_CORK,
  TCP_NAGLE_OFF,
  TCP_NAGLE_PUSH,
  TP_ACK_PENDING,
  TP_MSS_CACHE,
  TP_NONAGLE,
  TP_NOTSENT_LOWAT,
  TP_PINGPONG,
  TP_RCV_SSTHRESH,
  TP_RCV_WND,
  TP_USER_MSS,
  TP_WINDOW_CLAMP,
} from '../sock/tcp-sock.ts'
import { setBool, setFlag, setRange } from './sock-words.ts'

// Numbers that nobody else names.
const TCP_MAXSEG = 2
const TCP_WINDOW_CLAMP = 10

/** MAX_TCP_WINDOW */
const MAX_MSS = 32767

export type TcpSockoptFlowDeps = {
  arena: Arena
  output: Pick<TcpOutput, 'pushPendingFrames'>
  sndCheck: Pick<TcpSndCheck, 'checkSpace'>
} & Pick<TcpRecvmsg, 'cleanupRbuf'>

export const createTcpSockoptFlow = (deps: TcpSockoptFlowDeps) => {
  const { arena, output, sndCheck, cleanupRbuf } = deps
  const { i32 } = arena

  /**
   * Turning Nagle off sends what was held back, by the cork as well, now or when the window lets it; taking the cork out what
   * Nagle lets go (__tcp_sock_set_nodelay, __tcp_sock_set_cork). What is written next takes it back.
   */
  const setNagle = (sk: number, bit: number, on: boolean): number => {
    setFlag(i32, sk, TP_NONAGLE, bit, on)
    if (on !== (bit === TCP_NAGLE_OFF)) return 0
    if ((i32[sk + TP_NONAGLE] & TCP_NAGLE_OFF) !== 0) i32[sk + TP_NONAGLE] |= TCP_NAGLE_PUSH
    output.pushPendingFrames(sk)
    return 0
  }
  /** What waits is acknowledged as if it had been read; an even value is for this once (__tcp_sock_set_quickack). */
  const setQuickack = (sk: number, value: number): number => {
    i32[sk + TP_PINGPONG] = value === 0 ? 1 : 0
    const state = i32[sk + SK_STATE]
    const isOpen = state === TCP_ESTABLISHED || state === TCP_CLOSE_WAIT
    if (value === 0 || !isOpen || (i32[sk + TP_ACK_PENDING] & ACK_SCHED) === 0) return 0
    i32[sk + TP_ACK_PENDING] |= ACK_PUSHED
    cleanupRbuf(sk, 1)
    if ((value & 1) === 0) i32[sk + TP_PINGPONG] = 1
    return 0
  }
  /** Half of the least buffer at least; none only before there is a connection. What is offered follows at once (tcp_set_window_clamp). */
  const setWindowClamp = (sk: number, value: number): number => {
    if (value === 0) {
      const state = i32[sk + SK_STATE]
      if (state !== TCP_CLOSE && state !== TCP_TIME_WAIT) return -Errno.EINVAL
      i32[sk + TP_WINDOW_CLAMP] = 0
      return 0
    }
    const clamp = Math.max(SOCK_MIN_RCVBUF >> 1, value)
    const old = i32[sk + TP_WINDOW_CLAMP]
    i32[sk + TP_WINDOW_CLAMP] = clamp
    const threshold = i32[sk + TP_RCV_SSTHRESH]
    i32[sk + TP_RCV_SSTHRESH] =
      clamp < old
        ? Math.min(threshold, clamp)
        : Math.max(threshold, Math.min(i32[sk + TP_RCV_WND], clamp))
    return 0
  }
  /** 0 takes it back. */
  const setMaxseg = (sk: number, value: number): number =>
    setRange(i32, sk, TP_USER_MSS, value, value === 0 ? 0 : TCP_MIN_MSS, MAX_MSS)
  const setNotsentLowat = (sk: number, value: number): number => {
    i32[sk + TP_NOTSENT_LOWAT] = value
    sndCheck.checkSpace(sk)
    return 0
  }
  /** 0, or -errno; null: it is none of these. */
  const setFlow = (sk: number, name: number, value: number): number | null => {
    switch (name) {
      case TCP_NODELAY:
        return setNagle(sk, TCP_NAGLE_OFF, value !== 0)
      case TCP_CORK:
        return setNagle(sk, TCP_NAGLE_CORK, value !== 0)
      case TCP_MAXSEG:
        return setMaxseg(sk, value)
      case TCP_NOTSENT_LOWAT:
        return setNotsentLowat(sk, value)
      case TCP_QUICKACK:
        return setQuickack(sk, value)
      case TCP_WINDOW_CLAMP:
        return setWindowClamp(sk, value)
      case TCP_INQ:
        return setBool(i32, sk, SK_CMSG, CMSG_INQ, value)
    }
    return null
  }

  /** Before and after a connection what was asked for, else what it is (a socket that has come to TIME_WAIT is closed: tcp_time_wait). */
  const getMaxseg = (sk: number): number => {
    const state = i32[sk + SK_STATE]
    const isOver = state === TCP_CLOSE || state === TCP_LISTEN || state === TCP_TIME_WAIT
    return isOver && i32[sk + TP_USER_MSS] !== 0
      ? i32[sk + TP_USER_MSS]
      : i32[sk + TP_MSS_CACHE] || TCP_MSS_DEFAULT
  }
  const getFlow = (sk: number, name: number): number | null => {
    switch (name) {
      case TCP_NODELAY:
        return (i32[sk + TP_NONAGLE] & TCP_NAGLE_OFF) !== 0 ? 1 : 0
      case TCP_CORK:
        return (i32[sk + TP_NONAGLE] & TCP_NAGLE_CORK) !== 0 ? 1 : 0
      case TCP_MAXSEG:
        return getMaxseg(sk)
      case TCP_NOTSENT_LOWAT:
        return i32[sk + TP_NOTSENT_LOWAT] >>> 0
      case TCP_QUICKACK:
        return i32[sk + TP_PINGPONG] !== 0 ? 0 : 1
      case TCP_WINDOW_CLAMP:
        return i32[sk + TP_WINDOW_CLAMP]
      case TCP_INQ:
        return (i32[sk + SK_CMSG] & CMSG_INQ) === 0 ? 0 : 1
    }
    return null
  }
  return { setFlow, getFlow }
}
