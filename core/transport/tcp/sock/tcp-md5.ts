/**
 * Signed segments (RFC 2385): keys of sockets by the peer's address, the signature of a segment that goes out, the check of one
 * that comes in. tcp-ipv.ts checks before anything else is looked at, tcp-transmit.ts and tcp-reply.ts sign, a listener's
 * connections get its key for their peer. On the worker; keys lie in its own heap and end with their socket.
 * Linux: tcp_md5_do_add, tcp_md5_do_lookup, tcp_v4_md5_hash_skb, tcp_inbound_md5_hash.
 */
import { createMd5, MD5_LEN } from '../../../base/md5.ts'
import { Errno } from '../../../base/errno.ts'
import { familyOf } from '../../../base/family.ts'
import { FL_DADDR, FL_FAMILY, FL_IIF, FL_SADDR, type Flowi } from '../../../base/flowi.ts'
import type { AfOpsOf } from '../../../inet/af-ops.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import { Drop, type DropFn } from '../../../skb/drop.ts'
import { SKB_DATA, SKB_LEN, SKB_TRANSPORT } from '../../../skb/skb.ts'
import type { Skbs } from '../../../skb/skbs.ts'
import { SK_BOUND_DEV, SK_DADDR, SK_FAMILY, SK_SADDR } from '../../../socket/sock.ts'
import * as tcp from '../../../wire/tcp.ts'
import {
  ALIGNED_TIMESTAMPS,
  MD5_ALIGNED,
  BAD_AUTH,
  md5At,
  TIMESTAMPS_ALIGNED,
} from '../../../wire/tcp-options.ts'
import { i32 as getI32 } from '../../../base/bytes.ts'
import { TP_MD5 } from './tcp-sock.ts'

const IPPROTO_TCP = 6
/** Keys of all sockets of a worker. */
const MOST_KEYS = 1024
/** TCP_MD5SIG_MAXKEYLEN. */
const MAX_KEY = 80
/** A key's words: the next of its socket, or of the free ones; its length; bits of the address that count; device; address. */
const NEXT = 0
const LEN = 1
const PREFIX = 2
const IFINDEX = 3
const ADDR = 4
const KEY_WORDS = 8
/** What TCP_MD5SIG is given: an address in four words, the bits of it that count (-1: all), a device (0: any), then the key. */
export const MD5SIG_PREFIX = 4
const MD5SIG_IFINDEX = 5
export const MD5SIG_KEY = 6

const ADDR_BITS = 128

export type TcpMd5 = ReturnType<typeof createTcpMd5>
type TcpMd5Deps = { arena: Arena; bank: number; skbs: Skbs; drop: DropFn; afOps: AfOpsOf }

export const createTcpMd5 = ({ arena, bank, skbs, drop, afOps }: TcpMd5Deps) => {
  const { i32, u8, f64 } = arena
  const md5 = createMd5()

  // Made with the first key; row 0 is none.
  let rows = new Int32Array(0)
  let texts = new Uint8Array(0)
  let free = 0
  let count = 0
  const makeTable = (): void => {
    rows = new Int32Array((MOST_KEYS + 1) * KEY_WORDS)
    texts = new Uint8Array((MOST_KEYS + 1) * MAX_KEY)
    for (let key = MOST_KEYS; key > 0; key--) putFree(key)
  }
  const putFree = (key: number): void => {
    rows[key * KEY_WORDS + NEXT] = free
    free = key
  }
  /** A row for another key, or 0. */
  const takeRow = (): number => {
    if (rows.length === 0) makeTable()
    const key = free
    if (key === 0) return 0
    free = rows[key * KEY_WORDS + NEXT]
    count++
    return key
  }
  const nextOf = (key: number): number => rows[key * KEY_WORDS + NEXT]

  const isUnder = (row: number, words: Int32Array, at: number): boolean => {
    let left = rows[row + PREFIX]
    for (let w = 0; left > 0; w++, left -= 32) {
      const mask = left >= 32 ? -1 : ~(-1 >>> left)
      if (((rows[row + ADDR + w] ^ words[at + w]) & mask) !== 0) return false
    }
    return true
  }
  /** The key of a socket for an address, heard on a device: that of the longest prefix; 0 is none. */
  const lookup = (sk: number, words: Int32Array, at: number, ifindex: number): number => {
    let best = 0
    for (let key = i32[sk + TP_MD5]; key !== 0; key = nextOf(key)) {
      const row = key * KEY_WORDS
      if (rows[row + IFINDEX] !== 0 && rows[row + IFINDEX] !== ifindex) continue
      if (!isUnder(row, words, at)) continue
      if (best === 0 || rows[row + PREFIX] > rows[best * KEY_WORDS + PREFIX]) best = key
    }
    return best
  }
  /** That of a connection, or of a socket that makes one. */
  const keyOf = (sk: number): number =>
    i32[sk + TP_MD5] === 0 ? 0 : lookup(sk, i32, sk + SK_DADDR, i32[sk + SK_BOUND_DEV])
  /** Octets that a connection's signatures take. */
  const optionLen = (sk: number): number =>
    i32[sk + TP_MD5] !== 0 && keyOf(sk) !== 0 ? MD5_ALIGNED : 0

  /** The socket's own key for just these, or 0. */
  const find = (sk: number, words: Int32Array, at: number, prefix: number): number => {
    for (let key = i32[sk + TP_MD5]; key !== 0; key = nextOf(key)) {
      const row = key * KEY_WORDS
      if (rows[row + PREFIX] !== prefix || rows[row + IFINDEX] !== words[at + MD5SIG_IFINDEX])
        continue
      if (isUnder(row, words, at)) return key
    }
    return 0
  }
  const remove = (sk: number, key: number): void => {
    const next = nextOf(key)
    if (i32[sk + TP_MD5] === key) i32[sk + TP_MD5] = next
    else
      for (let other = i32[sk + TP_MD5]; other !== 0; other = nextOf(other))
        if (nextOf(other) === key) rows[other * KEY_WORDS + NEXT] = next
    texts.fill(0, key * MAX_KEY, (key + 1) * MAX_KEY)
    putFree(key)
    count--
    replyKey = 0
  }
  const octet = (words: Int32Array, at: number, k: number): number =>
    (words[at + (k >> 2)] >>> ((k & 3) << 3)) & 0xff
  /** TCP_MD5SIG, TCP_MD5SIG_EXT: `len` octets at (words, at); no key takes one away. 0 or -errno. */
  const setKey = (sk: number, words: Int32Array, at: number, len: number): number => {
    const keyLen = len - MD5SIG_KEY * 4
    const family = familyOf(words, at)
    const { addrBits } = afOps(family)
    const own = words[at + MD5SIG_PREFIX]
    if (keyLen < 0 || keyLen > MAX_KEY || own < -1 || own > addrBits) return -Errno.EINVAL
    // an IPv4 socket has no peers of the other family
    if (afOps(i32[sk + SK_FAMILY]).addrBits < addrBits) return -Errno.EINVAL
    const prefix = own === -1 ? ADDR_BITS : ADDR_BITS - addrBits + own
    const known = find(sk, words, at, prefix)
    if (keyLen === 0) {
      if (known === 0) return -Errno.ENOENT
      remove(sk, known)
      return 0
    }
    const key = known || takeRow()
    if (key === 0) return -Errno.ENOMEM
    const row = key * KEY_WORDS
    for (let w = 0; w < 4; w++) rows[row + ADDR + w] = words[at + w]
    rows[row + PREFIX] = prefix
    rows[row + IFINDEX] = words[at + MD5SIG_IFINDEX]
    rows[row + LEN] = keyLen
    for (let k = 0; k < keyLen; k++) texts[key * MAX_KEY + k] = octet(words, at + MD5SIG_KEY, k)
    if (known === 0) link(sk, key)
    return 0
  }
  const link = (sk: number, key: number): void => {
    rows[key * KEY_WORDS + NEXT] = i32[sk + TP_MD5]
    i32[sk + TP_MD5] = key
  }
  /** Gives a listener's key for the peer of `child` to it; false when there is no room for it. */
  const inherit = (listener: number, child: number): boolean => {
    if (i32[listener + TP_MD5] === 0) return true
    const from = lookup(listener, i32, child + SK_DADDR, i32[child + SK_BOUND_DEV])
    if (from === 0) return true
    const key = takeRow()
    if (key === 0) return false
    const row = key * KEY_WORDS
    rows.copyWithin(row, from * KEY_WORDS, (from + 1) * KEY_WORDS)
    for (let w = 0; w < 4; w++) rows[row + ADDR + w] = i32[child + SK_DADDR + w]
    rows[row + PREFIX] = ADDR_BITS
    texts.copyWithin(key * MAX_KEY, from * MAX_KEY, (from + 1) * MAX_KEY)
    link(child, key)
    return true
  }
  /** The socket ends. */
  const release = (sk: number): void => {
    while (i32[sk + TP_MD5] !== 0) remove(sk, i32[sk + TP_MD5])
  }

  const addWord = (value: number): void => {
    for (let shift = 24; shift >= 0; shift -= 8) md5.addOctet((value >>> shift) & 0xff)
  }
  /**
   * The digest of the segment at `th`, `len` octets with its header (section 2.0): pseudo header, the fixed header with a
   * checksum of zero, text, key. Options are no part of it.
   */
  const digest = (
    words: Int32Array,
    saddr: number,
    daddr: number,
    family: number,
    th: number,
    len: number,
    key: number
  ): Uint8Array => {
    md5.begin()
    const first = 4 - (afOps(family).addrBits >> 5)
    for (let w = first; w < 4; w++) addWord(words[saddr + w])
    for (let w = first; w < 4; w++) addWord(words[daddr + w])
    // IPv4: zero, protocol, 16 bits of length; IPv6: 32 bits of each, the length first (RFC 8200 section 8.1)
    if (first === 3) addWord((IPPROTO_TCP << 16) | len)
    else {
      addWord(len)
      addWord(IPPROTO_TCP)
    }
    md5.add(u8, th, tcp.CHECKSUM)
    md5.addOctet(0)
    md5.addOctet(0)
    md5.add(u8, th + tcp.CHECKSUM + 2, tcp.MIN_HEADER - tcp.CHECKSUM - 2)
    const header = tcp.headerLen(u8, th)
    md5.add(u8, th + header, len - header)
    md5.add(texts, key * MAX_KEY, rows[key * KEY_WORDS + LEN])
    return md5.finish()
  }
  /** Signs a socket's segment, whose header is ready but for its checksum: the digest goes to `to`. */
  const sign = (sk: number, th: number, len: number, to: number): void => {
    const sum = digest(i32, sk + SK_SADDR, sk + SK_DADDR, i32[sk + SK_FAMILY], th, len, keyOf(sk))
    for (let k = 0; k < MD5_LEN; k++) u8[to + k] = sum[k]
  }
  /** Signs an answer of flow `fl` with the key of what it answers. */
  const signReply = (fl: Flowi, th: number, len: number, to: number): void => {
    const sum = digest(fl, FL_SADDR, FL_DADDR, fl[FL_FAMILY], th, len, replyKey)
    for (let k = 0; k < MD5_LEN; k++) u8[to + k] = sum[k]
  }

  /** Where the signature of a received segment is; 0: it has none; BAD_AUTH: nobody knows. */
  const signatureAt = (th: number): number => {
    const len = tcp.optionsLen(u8, th)
    if (len === 0) return 0
    const at = th + tcp.MIN_HEADER
    if (len === TIMESTAMPS_ALIGNED && getI32(u8, at) === ALIGNED_TIMESTAMPS) return 0
    return md5At(u8, at, len)
  }
  /** The key of the segment at hand, by which a RST that answers it is signed. */
  let replyKey = 0
  const refuse = (skb: number, mib: number, reason: Drop): false => {
    f64[bank + mib]++
    drop(skb, reason)
    return false
  }
  /** A segment of flow `fl` for a socket: false when it is not signed as it has to be, and gone (section 2.0). */
  const check = (sk: number, skb: number, fl: Flowi): boolean => {
    const at = signatureAt(i32[skb + SKB_TRANSPORT])
    if (at === 0 && count === 0) return true
    if (at === BAD_AUTH) {
      drop(skb, Drop.TCP_AUTH_HDR)
      return false
    }
    const key = lookup(sk, fl, FL_SADDR, fl[FL_IIF])
    replyKey = key
    if (at === 0) return key === 0 || refuse(skb, Mib.TcpExtTCPMD5NotFound, Drop.TCP_MD5NOTFOUND)
    if (key === 0) return refuse(skb, Mib.TcpExtTCPMD5Unexpected, Drop.TCP_MD5UNEXPECTED)
    return isSigned(skb, fl, key) || refuse(skb, Mib.TcpExtTCPMD5Failure, Drop.TCP_MD5FAILURE)
  }
  const isSigned = (skb: number, fl: Flowi, key: number): boolean => {
    // all of it in one place; the buffer may be another then
    if (!skbs.mayPull(skb, i32[skb + SKB_LEN])) return false
    const th = i32[skb + SKB_DATA]
    i32[skb + SKB_TRANSPORT] = th
    const at = signatureAt(th)
    const sum = digest(fl, FL_SADDR, FL_DADDR, fl[FL_FAMILY], th, i32[skb + SKB_LEN], key)
    let differs = 0
    for (let k = 0; k < MD5_LEN; k++) differs |= sum[k] ^ u8[at + k]
    return differs === 0
  }
  /** What answers a segment of a connection in TIME_WAIT, which is not checked, is signed as that is. */
  const answerAs = (sk: number): void => {
    replyKey = keyOf(sk)
  }
  const isReplySigned = (): boolean => replyKey !== 0
  const keyCount = (): number => count

  return {
    setKey,
    inherit,
    release,
    optionLen,
    sign,
    signReply,
    signatureAt,
    check,
    answerAs,
    isReplySigned,
    keyCount,
  }
}
