/**
 * Options of SOL_SOCKET that any socket keeps though nothing that can be seen comes of them, in Linux as here: they are about
 * connections, or queues, which this socket has not. Only UDP's SO_NO_CHECK has an effect (udp/udp-output.ts); streams have their own
 * of these (tcp/sockopt/tcp-sockopt-socket.ts). sockopt.ts asks here last. Worker only. Linux: sk_setsockopt(), sk_getsockopt() (net/core/sock.c).
 */
import type { Arena } from '../../shm/arena.ts'
import { SK_LINGER, SK_MAX_PACING_RATE, SK_RCVLOWAT } from '../sock.ts'
import {
  INET_DEBUG,
  INET_KEEPALIVE,
  INET_NO_CHECK,
  INET_OOBINLINE,
  SO_BSDCOMPAT,
  SO_DEBUG,
  SO_KEEPALIVE,
  SO_LINGER,
  SO_MAX_PACING_RATE,
  SO_NO_CHECK,
  SO_OOBINLINE,
  SO_RCVLOWAT,
  SO_SNDLOWAT,
} from '../socket-constants.ts'

const INT_MAX = 0x7fffffff

type UnseenSockoptDeps = Pick<Arena, 'i32'> & {
  /** Bits of SK_INET_FLAGS, and words (sockopt.ts). */
  setFlag: (sk: number, bit: number, on: number) => number
  flag: (sk: number, bit: number) => number
  setWord: (sk: number, word: number, value: number) => number
}

export const createUnseenSockopt = ({ i32, setFlag, flag, setWord }: UnseenSockoptDeps) => {
  /** 0, or null: it is none of these. */
  const setUnseen = (sk: number, name: number, value: number): number | null => {
    switch (name) {
      case SO_NO_CHECK:
        return setFlag(sk, INET_NO_CHECK, value)
      case SO_KEEPALIVE:
        return setFlag(sk, INET_KEEPALIVE, value)
      case SO_OOBINLINE:
        return setFlag(sk, INET_OOBINLINE, value)
      case SO_DEBUG:
        return setFlag(sk, INET_DEBUG, value)
      case SO_BSDCOMPAT:
        return 0
      case SO_RCVLOWAT:
        return setWord(sk, SK_RCVLOWAT, value < 0 ? INT_MAX : value)
      case SO_LINGER:
        return setWord(sk, SK_LINGER, Math.max(-1, value) + 1)
      case SO_MAX_PACING_RATE:
        return setWord(sk, SK_MAX_PACING_RATE, ~value)
    }
    return null
  }
  const getUnseen = (sk: number, name: number): number | null => {
    switch (name) {
      case SO_NO_CHECK:
        return flag(sk, INET_NO_CHECK)
      case SO_KEEPALIVE:
        return flag(sk, INET_KEEPALIVE)
      case SO_OOBINLINE:
        return flag(sk, INET_OOBINLINE)
      case SO_DEBUG:
        return flag(sk, INET_DEBUG)
      case SO_BSDCOMPAT:
        return 0
      case SO_RCVLOWAT:
        return i32[sk + SK_RCVLOWAT] || 1
      case SO_SNDLOWAT:
        return 1
      case SO_LINGER:
        return i32[sk + SK_LINGER] - 1
      case SO_MAX_PACING_RATE:
        return ~i32[sk + SK_MAX_PACING_RATE] >>> 0
    }
    return null
  }
  return { setUnseen, getUnseen }
}
