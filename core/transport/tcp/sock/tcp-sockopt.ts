/**
 * Socket options that mean more to TCP than a word of the sock row, or that it alone has; the others are
 * socket/sockopt/sockopt.ts's, which asks here first. Cold. Called by the socket layer on the worker.
 * Linux: sock_setsockopt, do_tcp_setsockopt; numbers of asm-generic/socket.h and linux/tcp.h.
 */
import { Errno } from '../../../base/errno.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import {
  CMSG_INQ,
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
  SOL_SOCKET,
  TCP_CONGESTION,
  TCP_CORK,
  TCP_DEFER_ACCEPT,
  TCP_FASTOPEN,
  TCP_FASTOPEN_CONNECT,
  TCP_FASTOPEN_KEY,
  TCP_FASTOPEN_NO_COOKIE,
  TCP_INQ,
  TCP_KEEPCNT,
  TCP_MD5SIG,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_NODELAY,
  TCP_QUICKACK,
  TCP_NOTSENT_LOWAT,
  TCP_USER_TIMEOUT,
} from '../../../socket/socket-constants.ts'
import { IPPROTO_TCP } from '../../../wire/ipproto.ts'
import {
  SK_FLAGS,
  SK_RCVBUF,
  SK_RCVLOWAT,
  SK_SNDBUF,
  SK_STATE,
  SOCK_MIN_RCVBUF,
  SOCK_MIN_SNDBUF,
  TCP_CLOSE,
  TCP_CLOSE_WAIT,
  TCP_ESTABLISHED,
  TCP_LISTEN,
  TCP_TIME_WAIT,
} from '../../../socket/sock.ts'
import { SK_CMSG } from '../../../socket/inet-sock.ts'
import type { TcpOutput } from '../snd/tcp-output.ts'
import {
  ACK_PUSHED,
  ACK_SCHED,
  PACING_NEEDED,
  TP_TSFLAGS,
  TCP_NAGLE_CORK,
  TCP_NAGLE_OFF,
  TCP_NAGLE_PUSH,
  FO_CONNECT,
  FO_NO_COOKIE,
  TP_RTO_MAX,
  TP_RTO_MIN,
  TP_ACK_PENDING,
  TP_DEFER_ACCEPT,
  TP_FASTOPEN,
  TP_FO_KEYS,
  TP_FO_MAX_QLEN,
  TP_KEEPALIVE_INTVL,
  TP_KEEPALIVE_PROBES,
  TP_KEEPALIVE_TIME,
  TP_LINGER,
  TP_LINGER2,
  TP_MSS_CACHE,
  TP_MAX_PACING_RATE,
  TP_NONAGLE,
  TP_PACING,
  TP_PINGPONG,
  TP_SYN_RETRIES,
  TP_USER_MSS,
  TP_NOTSENT_LOWAT,
  TP_USER_TIMEOUT,
  TP_RCV_SSTHRESH,
  TP_RCV_WND,
  TP_WINDOW_CLAMP,
} from './tcp-sock.ts'
import {
  SOCK_KEEPOPEN,
  SOCK_LINGER,
  SOCK_RCVBUF_LOCK,
  SOCK_SNDBUF_LOCK,
  SOCK_ZEROCOPY,
  SOCK_URGINLINE,
} from './sock-flags.ts'
import {
  TFO_CLIENT_ENABLE,
  TCP_MIN_MSS,
  TCP_MSS_DEFAULT,
  TCP_RTO_MAX,
  TCP_RTO_MIN,
  TCP_TIMEOUT_MIN,
  TCP_TIMEOUT_INIT,
} from './tcp-constants.ts'
import { keepaliveTime } from './tcp-sock-times.ts'
import { KEY_COUNT, loadSysctlKeys } from './tcp-fastopen-keys.ts'
import type { TcpMd5 } from './tcp-md5.ts'
import type { TcpPktoptions } from './tcp-pktoptions.ts'
import type { TcpCong } from '../rec/tcp-cong.ts'
import type { TcpRecvmsg } from '../rcv/tcp-recvmsg.ts'
import type { TcpTstamp } from '../snd/tcp-tstamp.ts'
import type { TcpSndCheck } from '../snd/tcp-snd-check.ts'
import type { TcpTimers } from './tcp-timers.ts'
import type { Time } from '../../../base/time.ts'
import { getTcpInfo } from './tcp-get-info.ts'

// Numbers that nobody else names.
const TCP_MAXSEG = 2
const TCP_SYNCNT = 7
const TCP_LINGER2 = 8
const TCP_WINDOW_CLAMP = 10
const TCP_INFO = 11
const TCP_THIN_DUPACK = 17
const TCP_REPAIR = 19
const TCP_ULP = 31
const TCP_IS_MPTCP = 43
const TCP_RTO_MAX_MS = 44
const TCP_RTO_MIN_US = 45

/** MAX_TCP_WINDOW */
const MAX_MSS = 32767
const MAX_KEEP = 32767
const MAX_RETRANS = 255
/** Octets of a key of Fast Open. */
const KEY_LEN = 16
const MAX_KEEP_COUNT = 127

type TcpSockoptDeps = {
  arena: Arena
  time: Time
  output: TcpOutput
  timers: TcpTimers
  sndCheck: TcpSndCheck
  maxBuffer: number
  cong: TcpCong
  md5: Pick<TcpMd5, 'setKey'>
  tstamp: Pick<TcpTstamp, 'setFlags'>
} & Pick<TcpRecvmsg, 'cleanupRbuf'> &
  Pick<TcpPktoptions, 'getPktoptions'>

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
/** The seconds that they take. */
const retransToSecs = (sent: number): number => {
  let wait = TCP_TIMEOUT_INIT / 1000
  let sum = 0
  for (let left = sent; left > 0; left--) {
    sum += wait
    wait = Math.min(wait * 2, TCP_RTO_MAX / 1000)
  }
  return sum
}

export const createTcpSockopt = ({
  arena,
  time,
  output,
  timers,
  sndCheck,
  maxBuffer,
  cong,
  tstamp,
  md5,
  cleanupRbuf,
  getPktoptions,
}: TcpSockoptDeps) => {
  const { i32, layout } = arena
  const { sysctl } = layout

  const flag = (sk: number, word: number, bit: number, on: boolean): number => {
    i32[sk + word] = on ? i32[sk + word] | bit : i32[sk + word] & ~bit
    return 0
  }
  const range = (sk: number, word: number, value: number, low: number, high: number): number => {
    if (value < low || value > high) return -Errno.EINVAL
    i32[sk + word] = value
    return 0
  }
  const buffer = (sk: number, word: number, lock: number, value: number, least: number): number => {
    // doubled, as the half of it is overhead
    i32[sk + word] = Math.max(least, Math.min(value, maxBuffer >> 1) * 2)
    return flag(sk, SK_FLAGS, lock, true)
  }
  /** As much as rmem_max or wmem_max has; below nothing is a lot. */
  const bounded = (value: number, most: number): number => Math.min(value >>> 0, i32[sysctl + most])
  /** As much as the budget gives a socket. */
  const force = (sk: number, word: number, lock: number, value: number, least: number): number =>
    buffer(sk, word, lock, Math.max(0, value), least)
  /** Half of the buffer at most, which grows for it unless it is fixed (tcp_set_rcvlowat). */
  const rcvlowat = (sk: number, value: number): number => {
    const isFixed = (i32[sk + SK_FLAGS] & SOCK_RCVBUF_LOCK) !== 0
    const most = isFixed ? i32[sk + SK_RCVBUF] : i32[sysctl + Sysctl.tcp_rmem_max]
    i32[sk + SK_RCVLOWAT] = value === 0 ? 1 : Math.min(value < 0 ? most : value, most >> 1)
    return 0
  }
  const keepalive = (sk: number, on: boolean): number => {
    const was = (i32[sk + SK_FLAGS] & SOCK_KEEPOPEN) !== 0
    flag(sk, SK_FLAGS, SOCK_KEEPOPEN, on)
    const state = i32[sk + SK_STATE]
    if (state === TCP_CLOSE || state === TCP_LISTEN || was === on) return 0
    if (on) timers.resetKeepaliveTimer(sk, keepaliveTime(i32, sysctl, sk))
    else timers.clearKeepaliveTimer(sk)
    return 0
  }
  const linger = (sk: number, value: number): number => {
    i32[sk + TP_LINGER] = value < 0 ? 0 : value
    return flag(sk, SK_FLAGS, SOCK_LINGER, value >= 0)
  }

  const maxPacing = (sk: number, value: number): number => {
    if (value >>> 0 !== 0xffffffff) i32[sk + TP_PACING] = PACING_NEEDED
    i32[sk + TP_MAX_PACING_RATE] = ~value
    return 0
  }

  const isIdle = (sk: number): boolean =>
    i32[sk + SK_STATE] === TCP_CLOSE || i32[sk + SK_STATE] === TCP_LISTEN

  const setSocket = (sk: number, name: number, value: number): number => {
    switch (name) {
      case SO_SNDBUF:
        return buffer(
          sk,
          SK_SNDBUF,
          SOCK_SNDBUF_LOCK,
          bounded(value, Sysctl.wmem_max),
          SOCK_MIN_SNDBUF
        )
      case SO_RCVBUF:
        return buffer(
          sk,
          SK_RCVBUF,
          SOCK_RCVBUF_LOCK,
          bounded(value, Sysctl.rmem_max),
          SOCK_MIN_RCVBUF
        )
      case SO_KEEPALIVE:
        return keepalive(sk, value !== 0)
      case SO_RCVLOWAT:
        return rcvlowat(sk, value)
      case SO_RCVBUFFORCE:
        return force(sk, SK_RCVBUF, SOCK_RCVBUF_LOCK, value, SOCK_MIN_RCVBUF)
      case SO_SNDBUFFORCE:
        return force(sk, SK_SNDBUF, SOCK_SNDBUF_LOCK, value, SOCK_MIN_SNDBUF)
      case SO_LINGER:
        return linger(sk, value)
      case SO_ZEROCOPY:
        if (value < 0 || value > 1) return -Errno.EINVAL
        return flag(sk, SK_FLAGS, SOCK_ZEROCOPY, value !== 0)
      case SO_TIMESTAMPING:
        return tstamp.setFlags(sk, value)
      case SO_OOBINLINE:
        return flag(sk, SK_FLAGS, SOCK_URGINLINE, value !== 0)
      case SO_MAX_PACING_RATE:
        return maxPacing(sk, value)
      default:
        return -Errno.ENOPROTOOPT
    }
  }
  /**
   * Turning Nagle off sends what was held back, by the cork as well, now or when the window lets it; taking the cork out what
   * Nagle lets go (__tcp_sock_set_nodelay, __tcp_sock_set_cork). What is written next takes it back.
   */
  const nagle = (sk: number, bit: number, on: boolean): number => {
    flag(sk, TP_NONAGLE, bit, on)
    if (on !== (bit === TCP_NAGLE_OFF)) return 0
    if ((i32[sk + TP_NONAGLE] & TCP_NAGLE_OFF) !== 0) i32[sk + TP_NONAGLE] |= TCP_NAGLE_PUSH
    output.pushPendingFrames(sk)
    return 0
  }
  /** What waits is acknowledged as if it had been read; an even value is for this once (__tcp_sock_set_quickack). */
  const quickack = (sk: number, value: number): number => {
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
  const windowClamp = (sk: number, value: number): number => {
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
  const setTcp = (sk: number, name: number, value: number): number => {
    switch (name) {
      case TCP_NODELAY:
        return nagle(sk, TCP_NAGLE_OFF, value !== 0)
      case TCP_CORK:
        return nagle(sk, TCP_NAGLE_CORK, value !== 0)
      case TCP_MAXSEG:
        return value === 0
          ? range(sk, TP_USER_MSS, 0, 0, 0)
          : range(sk, TP_USER_MSS, value, TCP_MIN_MSS, MAX_MSS)
      case TCP_KEEPIDLE:
        return setKeepidle(sk, value)
      case TCP_KEEPINTVL:
        return range(sk, TP_KEEPALIVE_INTVL, value, 1, MAX_KEEP)
      case TCP_KEEPCNT:
        return range(sk, TP_KEEPALIVE_PROBES, value, 1, MAX_KEEP_COUNT)
      case TCP_SYNCNT:
        return range(sk, TP_SYN_RETRIES, value, 1, 127)
      case TCP_LINGER2:
        i32[sk + TP_LINGER2] = value < 0 ? -1 : Math.min(value, 120)
        return 0
      case TCP_DEFER_ACCEPT:
        i32[sk + TP_DEFER_ACCEPT] = secsToRetrans(value)
        return 0
      case TCP_WINDOW_CLAMP:
        return windowClamp(sk, value)
      case TCP_INQ:
        if (value < 0 || value > 1) return -Errno.EINVAL
        return flag(sk, SK_CMSG, CMSG_INQ, value !== 0)
      case TCP_THIN_DUPACK:
        // Linux does nothing any more
        return value < 0 || value > 1 ? -Errno.EINVAL : 0
      case TCP_ULP:
        // there are none: no name of one is known
        return -Errno.ENOENT
      case TCP_REPAIR:
        // who may have it looks into the kernel
        return -Errno.EPERM
      case TCP_QUICKACK:
        return quickack(sk, value)
      case TCP_USER_TIMEOUT:
        return range(sk, TP_USER_TIMEOUT, value, 0, 0x7fffffff)
      case TCP_RTO_MAX_MS:
        return range(sk, TP_RTO_MAX, value, 1000, TCP_RTO_MAX)
      case TCP_RTO_MIN_US:
        return range(sk, TP_RTO_MIN, Math.ceil(value / 1000), TCP_TIMEOUT_MIN, TCP_RTO_MIN)
      case TCP_FASTOPEN:
        if (value < 0 || !isIdle(sk)) return -Errno.EINVAL
        i32[sk + TP_FO_MAX_QLEN] = Math.min(value, i32[sysctl + Sysctl.somaxconn])
        return 0
      case TCP_FASTOPEN_NO_COOKIE:
        if (value < 0 || value > 1 || !isIdle(sk)) return -Errno.EINVAL
        return flag(sk, TP_FASTOPEN, FO_NO_COOKIE, value !== 0)
      case TCP_FASTOPEN_CONNECT:
        if (value < 0 || value > 1) return -Errno.EINVAL
        if ((i32[sysctl + Sysctl.tcp_fastopen] & TFO_CLIENT_ENABLE) === 0) return -Errno.EOPNOTSUPP
        if (i32[sk + SK_STATE] !== TCP_CLOSE) return -Errno.EINVAL
        return flag(sk, TP_FASTOPEN, FO_CONNECT, value !== 0)
      case TCP_NOTSENT_LOWAT:
        i32[sk + TP_NOTSENT_LOWAT] = value
        sndCheck.checkSpace(sk)
        return 0
      default:
        return -Errno.ENOPROTOOPT
    }
  }
  const setKeepidle = (sk: number, value: number): number => {
    const err = range(sk, TP_KEEPALIVE_TIME, value, 1, MAX_KEEP)
    if (err !== 0 || (i32[sk + SK_FLAGS] & SOCK_KEEPOPEN) === 0) return err
    if (i32[sk + SK_STATE] !== TCP_CLOSE && i32[sk + SK_STATE] !== TCP_LISTEN)
      timers.resetKeepaliveTimer(sk, value * 1000)
    return 0
  }
  /** setsockopt(2) with an int; 0 or -errno. */
  const setOption = (sk: number, level: number, name: number, value: number): number => {
    if (level === SOL_SOCKET) return setSocket(sk, name, value)
    return level === IPPROTO_TCP ? setTcp(sk, name, value) : -Errno.ENOPROTOOPT
  }

  const orSysctl = (sk: number, word: number, index: number): number =>
    i32[sk + word] !== 0 ? i32[sk + word] : i32[sysctl + index]
  const getSocket = (sk: number, name: number): number => {
    const flags = i32[sk + SK_FLAGS]
    switch (name) {
      case SO_KEEPALIVE:
        return (flags & SOCK_KEEPOPEN) !== 0 ? 1 : 0
      case SO_OOBINLINE:
        return (flags & SOCK_URGINLINE) !== 0 ? 1 : 0
      case SO_RCVLOWAT:
        return i32[sk + SK_RCVLOWAT] || 1
      case SO_LINGER:
        return (flags & SOCK_LINGER) !== 0 ? i32[sk + TP_LINGER] : -1
      case SO_MAX_PACING_RATE:
        return ~i32[sk + TP_MAX_PACING_RATE] >>> 0
      case SO_ZEROCOPY:
        return (flags & SOCK_ZEROCOPY) !== 0 ? 1 : 0
      case SO_TIMESTAMPING:
        return i32[sk + TP_TSFLAGS]
      default:
        return -Errno.ENOPROTOOPT
    }
  }
  const getTcp = (sk: number, name: number): number => {
    switch (name) {
      case TCP_NODELAY:
        return (i32[sk + TP_NONAGLE] & TCP_NAGLE_OFF) !== 0 ? 1 : 0
      case TCP_CORK:
        return (i32[sk + TP_NONAGLE] & TCP_NAGLE_CORK) !== 0 ? 1 : 0
      case TCP_MAXSEG: {
        // a socket that has come to TIME_WAIT is closed (tcp_time_wait)
        const isOver = isIdle(sk) || i32[sk + SK_STATE] === TCP_TIME_WAIT
        return isOver && i32[sk + TP_USER_MSS] !== 0
          ? i32[sk + TP_USER_MSS]
          : i32[sk + TP_MSS_CACHE] || TCP_MSS_DEFAULT
      }
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
      case TCP_WINDOW_CLAMP:
        return i32[sk + TP_WINDOW_CLAMP]
      case TCP_INQ:
        return (i32[sk + SK_CMSG] & CMSG_INQ) === 0 ? 0 : 1
      case TCP_THIN_DUPACK:
      case TCP_ULP:
      case TCP_REPAIR:
      case TCP_IS_MPTCP:
        return 0
      case TCP_QUICKACK:
        return i32[sk + TP_PINGPONG] !== 0 ? 0 : 1
      case TCP_FASTOPEN:
        return i32[sk + TP_FO_MAX_QLEN]
      case TCP_FASTOPEN_NO_COOKIE:
        return (i32[sk + TP_FASTOPEN] & FO_NO_COOKIE) !== 0 ? 1 : 0
      case TCP_FASTOPEN_CONNECT:
        return (i32[sk + TP_FASTOPEN] & FO_CONNECT) !== 0 ? 1 : 0
      case TCP_NOTSENT_LOWAT:
        return i32[sk + TP_NOTSENT_LOWAT] >>> 0
      case TCP_USER_TIMEOUT:
        return i32[sk + TP_USER_TIMEOUT]
      case TCP_RTO_MAX_MS:
        return i32[sk + TP_RTO_MAX]
      case TCP_RTO_MIN_US:
        return i32[sk + TP_RTO_MIN] * 1000
      default:
        return -Errno.ENOPROTOOPT
    }
  }
  /** getsockopt(2) of an int, or -errno. */
  const getOption = (sk: number, level: number, name: number): number => {
    if (level === SOL_SOCKET) return getSocket(sk, name)
    return level === IPPROTO_TCP ? getTcp(sk, name) : -Errno.ENOPROTOOPT
  }

  /** TCP_FASTOPEN_KEY: the words of one key, or of two. */
  const setKeys = (sk: number, words: Int32Array, at: number, len: number): number => {
    if (len !== KEY_LEN && len !== 2 * KEY_LEN) return -Errno.EINVAL
    const keys = len / KEY_LEN
    for (let w = 0; w < 4 * keys; w++) i32[sk + TP_FO_KEYS + w] = words[at + w]
    i32[sk + TP_FO_KEYS + KEY_COUNT] = keys
    return 0
  }
  /** The socket's own, or the sysctl's. */
  const getKeys = (sk: number, words: Int32Array, at: number): number => {
    const from = sk + TP_FO_KEYS
    const keys = new Int32Array(KEY_COUNT + 1)
    if (i32[from + KEY_COUNT] === 0) loadSysctlKeys(i32, sysctl, keys, 0)
    else keys.set(i32.subarray(from, from + keys.length))
    for (let w = 0; w < 4 * keys[KEY_COUNT]; w++) words[at + w] = keys[w]
    return keys[KEY_COUNT] * KEY_LEN
  }

  /** Options whose value is no number: TCP_CONGESTION, a name, TCP_FASTOPEN_KEY and TCP_MD5SIG, of `len` octets. */
  const setNameOption = (
    sk: number,
    level: number,
    name: number,
    words: Int32Array,
    at: number,
    len: number
  ): number => {
    if (level !== IPPROTO_TCP) return -Errno.ENOPROTOOPT
    if (name === TCP_CONGESTION) return cong.setByName(sk, words, at)
    if (name === TCP_MD5SIG) return md5.setKey(sk, words, at, len)
    return name === TCP_FASTOPEN_KEY ? setKeys(sk, words, at, len) : -Errno.ENOPROTOOPT
  }
  /** How long the value is, or -errno. */
  const getNameOption = (
    sk: number,
    level: number,
    name: number,
    words: Int32Array,
    at: number
  ): number => {
    if (level !== IPPROTO_TCP) return getPktoptions(sk, level, name, words, at)
    if (name === TCP_CONGESTION) return cong.getName(sk, words, at)
    if (name === TCP_INFO) return getTcpInfo(i32, sk, time, words, at)
    return name === TCP_FASTOPEN_KEY ? getKeys(sk, words, at) : -Errno.ENOPROTOOPT
  }

  return { setOption, getOption, setNameOption, getNameOption }
}
