/**
 * The options of Fast Open (RFC 7413): TCP_FASTOPEN of who listens, TCP_FASTOPEN_CONNECT, TCP_FASTOPEN_NO_COOKIE, TCP_FASTOPEN_KEY.
 * tcp-sockopt.ts asks here. Cold; on the worker. Linux: do_tcp_setsockopt(), do_tcp_getsockopt(), tcp_fastopen_reset_cipher.
 */
import { Errno } from '../../../base/errno.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { SK_STATE, TCP_CLOSE, TCP_LISTEN } from '../../../socket/sock.ts'
import {
  TCP_FASTOPEN,
  TCP_FASTOPEN_CONNECT,
  TCP_FASTOPEN_NO_COOKIE,
} from '../../../socket/socket-constants.ts'
import { TFO_CLIENT_ENABLE } from '../sock/tcp-constants.ts'
import { KEY_COUNT, loadSysctlKeys } from '../fastopen/tcp-fastopen-keys.ts'
import {
  FO_CONNECT,
  FO_NO_COOKIE,
  TP_FASTOPEN,
  TP_FO_KEYS,
  TP_FO_MAX_QLEN,
} from '../sock/tcp-sock.ts'
import { setBool } from './sock-words.ts'

/** Octets of a key. */
const KEY_LEN = 16

export const createTcpSockoptFastopen = ({ arena }: { arena: Arena }) => {
  const { i32, layout } = arena
  const { sysctl } = layout

  const isIdle = (sk: number): boolean =>
    i32[sk + SK_STATE] === TCP_CLOSE || i32[sk + SK_STATE] === TCP_LISTEN
  const setQueue = (sk: number, value: number): number => {
    if (value < 0 || !isIdle(sk)) return -Errno.EINVAL
    i32[sk + TP_FO_MAX_QLEN] = Math.min(value, i32[sysctl + Sysctl.somaxconn])
    return 0
  }
  const setConnect = (sk: number, value: number): number => {
    if (value < 0 || value > 1) return -Errno.EINVAL
    if ((i32[sysctl + Sysctl.tcp_fastopen] & TFO_CLIENT_ENABLE) === 0) return -Errno.EOPNOTSUPP
    if (i32[sk + SK_STATE] !== TCP_CLOSE) return -Errno.EINVAL
    return setBool(i32, sk, TP_FASTOPEN, FO_CONNECT, value)
  }
  /** 0, or -errno; null: it is none of these. */
  const setFastopen = (sk: number, name: number, value: number): number | null => {
    switch (name) {
      case TCP_FASTOPEN:
        return setQueue(sk, value)
      case TCP_FASTOPEN_NO_COOKIE:
        return isIdle(sk) ? setBool(i32, sk, TP_FASTOPEN, FO_NO_COOKIE, value) : -Errno.EINVAL
      case TCP_FASTOPEN_CONNECT:
        return setConnect(sk, value)
    }
    return null
  }
  const getFastopen = (sk: number, name: number): number | null => {
    switch (name) {
      case TCP_FASTOPEN:
        return i32[sk + TP_FO_MAX_QLEN]
      case TCP_FASTOPEN_NO_COOKIE:
        return (i32[sk + TP_FASTOPEN] & FO_NO_COOKIE) !== 0 ? 1 : 0
      case TCP_FASTOPEN_CONNECT:
        return (i32[sk + TP_FASTOPEN] & FO_CONNECT) !== 0 ? 1 : 0
    }
    return null
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
  return { setFastopen, getFastopen, setKeys, getKeys }
}
