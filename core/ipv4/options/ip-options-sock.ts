/**
 * IP_OPTIONS: the options that a socket's packets carry, octets as they are asked for, in its row; what they become
 * on a packet: ip-options-echo.ts. On a worker. RFC 1122 section 3.2.1.8; Linux: ip_options_get(), do_ip_setsockopt().
 */
import * as bytes from '../../base/bytes.ts'
import { Errno } from '../../base/errno.ts'
import { V4_MAPPED, clearAddr } from '../../base/family.ts'
import type { Arena } from '../../shm/arena.ts'
import { SK_IPOPT, SK_IPOPT_HOP, SK_IPOPT_LEN, skDstReset } from '../../socket/inet-sock.ts'
import { MAX_OPTIONS } from '../../wire/ipv4.ts'
import {
  FLAGS,
  IPOPT_END,
  IPOPT_LSRR,
  IPOPT_NOOP,
  IPOPT_RR,
  IPOPT_SSRR,
  IPOPT_TS,
  IPOPT_TS_TSONLY,
  LEN,
  PTR,
} from './ip-options-constants.ts'

export type IpOptionsSock = ReturnType<typeof createIpOptionsSock>

/** May the option at `p`, of `len` octets, be sent as it is? */
const isSound = (octets: Uint8Array, p: number, len: number): boolean => {
  const ptr = octets[p + PTR]
  switch (octets[p]) {
    case IPOPT_RR:
      return len >= 3 && ptr >= 4 && (ptr > len || ptr + 3 <= len)
    case IPOPT_TS: {
      const size = len >= 4 && (octets[p + FLAGS] & 15) === IPOPT_TS_TSONLY ? 4 : 8
      return len >= 4 && ptr >= 5 && (ptr > len || ptr + size - 1 <= len)
    }
    case IPOPT_LSRR:
    case IPOPT_SSRR:
      return len >= 7 && ptr === 4 && ((len - 3) & 3) === 0
  }
  return true
}
const isRoute = (kind: number): boolean => kind === IPOPT_LSRR || kind === IPOPT_SSRR
/** All of them, and no more source routes than one. */
const areSound = (octets: Uint8Array): boolean => {
  let routes = 0
  for (let p = 0; p < octets.length && octets[p] !== IPOPT_END; ) {
    if (octets[p] === IPOPT_NOOP) {
      p++
      continue
    }
    const len = octets[p + LEN] ?? 0
    if (len < 2 || p + len > octets.length || !isSound(octets, p, len)) return false
    if (isRoute(octets[p]) && ++routes > 1) return false
    p += len
  }
  return true
}

/** After a change of a socket's options: where its packets go first, and a route to there that it is to look up. */
export const noteFirstHop = ({ i32, u8 }: Pick<Arena, 'i32' | 'u8'>, sk: number): void => {
  const own = (sk + SK_IPOPT) << 2
  const end = own + i32[sk + SK_IPOPT_LEN]
  clearAddr(i32, sk + SK_IPOPT_HOP)
  skDstReset(i32, sk)
  for (let p = own; p < end && u8[p] !== IPOPT_END; p += u8[p] === IPOPT_NOOP ? 1 : u8[p + LEN]) {
    if (!isRoute(u8[p])) continue
    i32[sk + SK_IPOPT_HOP + 2] = V4_MAPPED
    i32[sk + SK_IPOPT_HOP + 3] = bytes.i32(u8, p + 3)
  }
}

export const createIpOptionsSock = ({ i32, u8 }: Pick<Arena, 'i32' | 'u8'>) => {
  const octetsAt = (words: Int32Array, at: number, len: number): Uint8Array =>
    new Uint8Array(words.buffer, words.byteOffset + (at << 2), len)

  /** `len` octets at (words, at), none to have none: 0, or -EINVAL. */
  const setOptions = (sk: number, words: Int32Array, at: number, len: number): number => {
    if (len > MAX_OPTIONS) return -Errno.EINVAL
    const octets = new Uint8Array((len + 3) & ~3)
    octets.set(octetsAt(words, at, len))
    if (!areSound(octets)) return -Errno.EINVAL
    u8.set(octets, (sk + SK_IPOPT) << 2)
    i32[sk + SK_IPOPT_LEN] = octets.length
    noteFirstHop({ i32, u8 }, sk)
    return 0
  }
  /** How many there are. */
  const getOptions = (sk: number, words: Int32Array, at: number): number => {
    const len = i32[sk + SK_IPOPT_LEN]
    const own = (sk + SK_IPOPT) << 2
    octetsAt(words, at, len).set(u8.subarray(own, own + len))
    return len
  }
  return { setOptions, getOptions }
}
