/**
 * Cookies of Fast Open: what we say to a client by which it shows, with a later SYN, that it can hear us at its address. Made
 * of both addresses under a key of the listener, of the sysctl, or of this boot. On the worker, once a SYN that asks.
 * Linux: __tcp_fastopen_cookie_gen_cipher, tcp_fastopen_cookie_gen_check, tcp_fastopen_init_key_once; RFC 7413 section 4.1.2.
 */
import { HASH_FASTOPEN_KEY } from '../../secure-constants.ts'
import type { AfOpsOf } from '../../../inet/af-ops.ts'
import { createSiphash } from '../../../base/siphash.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import { SK_DADDR, SK_FAMILY, SK_SADDR } from '../../../socket/sock.ts'
import type { SecureSeq } from '../../secure-seq.ts'
import { TP_FO_KEYS } from '../sock/tcp-sock.ts'

const KEY_WORDS = 4
/** Behind two keys: how many of them are set. */
export const KEY_COUNT = 8
/** Octets of a cookie of ours. */
export const COOKIE_LEN = 8
/** The sysctl's keys, in order. */
const SYSCTL_KEYS = [
  Sysctl.tcp_fastopen_key_0,
  Sysctl.tcp_fastopen_key_1,
  Sysctl.tcp_fastopen_key_2,
  Sysctl.tcp_fastopen_key_3,
  Sysctl.tcp_fastopen_key_4,
  Sysctl.tcp_fastopen_key_5,
  Sysctl.tcp_fastopen_key_6,
  Sysctl.tcp_fastopen_key_7,
  Sysctl.tcp_fastopen_key_count,
]
/** The sysctl's keys and how many are set, into the words at (words, at). */
export const loadSysctlKeys = (
  i32: Int32Array,
  sysctl: number,
  words: Int32Array,
  at: number
): void => {
  for (let k = 0; k <= KEY_COUNT; k++) words[at + k] = i32[sysctl + SYSCTL_KEYS[k]]
}

export const KEY_NONE = 0
/** The cookie is of the key in use; of the one before it. */
const KEY_PRIMARY = 1
export const KEY_BACKUP = 2

/** As octets in memory: the first is the lowest of a word. */
const swapped = (word: number): number =>
  ((word & 0xff) << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)

type FastopenKeysDeps = { i32: Int32Array; sysctl: number; secure: SecureSeq; afOps: AfOpsOf }
export type FastopenKeys = ReturnType<typeof createFastopenKeys>

export const createFastopenKeys = ({ i32, sysctl, secure, afOps }: FastopenKeysDeps) => {
  const { siphash } = createSiphash()
  const addresses = new Int32Array(8)
  /** Of the boot's secret, so that every worker has the same. */
  const boot = new Int32Array(KEY_COUNT + 1)
  for (let word = 0; word < KEY_WORDS; word++)
    boot[word] = secure.flowHash(addresses, 0, 4, 0, word, HASH_FASTOPEN_KEY)
  boot[KEY_COUNT] = 1

  const common = new Int32Array(KEY_COUNT + 1)

  let keys: Int32Array = boot
  let at = 0
  const chooseKeys = (listener: number): void => {
    keys = i32
    if (i32[listener + TP_FO_KEYS + KEY_COUNT] !== 0) at = listener + TP_FO_KEYS
    else {
      loadSysctlKeys(i32, sysctl, common, 0)
      keys = common[KEY_COUNT] !== 0 ? common : boot
      at = 0
    }
  }
  /** The hash that a cookie is, of a SYN that `req` was made of. */
  const hash = (req: number, key: number): Int32Array => {
    const words = afOps(i32[req + SK_FAMILY]).addrBits >> 5
    for (let w = 0; w < words; w++) {
      addresses[w] = swapped(i32[req + SK_DADDR + 4 - words + w])
      addresses[words + w] = swapped(i32[req + SK_SADDR + 4 - words + w])
    }
    return siphash(addresses, 0, 2 * words, keys, at + key * KEY_WORDS)
  }
  const octet = (halves: Int32Array, k: number): number =>
    (halves[k >> 2] >>> ((k & 3) << 3)) & 0xff

  const makeCookie = (listener: number, req: number, to: Uint8Array): void => {
    chooseKeys(listener)
    const halves = hash(req, 0)
    for (let k = 0; k < COOKIE_LEN; k++) to[k] = octet(halves, k)
  }
  const isOf = (halves: Int32Array, bytes: Uint8Array, from: number): boolean => {
    let differs = 0
    for (let k = 0; k < COOKIE_LEN; k++) differs |= bytes[from + k] ^ octet(halves, k)
    return differs === 0
  }
  /** Which key the cookie of `len` octets at `from` is of: KEY_*. */
  const checkCookie = (
    listener: number,
    req: number,
    bytes: Uint8Array,
    from: number,
    len: number
  ): number => {
    if (len !== COOKIE_LEN) return KEY_NONE
    chooseKeys(listener)
    if (isOf(hash(req, 0), bytes, from)) return KEY_PRIMARY
    return keys[at + KEY_COUNT] === 2 && isOf(hash(req, 1), bytes, from) ? KEY_BACKUP : KEY_NONE
  }

  return { makeCookie, checkCookie }
}
