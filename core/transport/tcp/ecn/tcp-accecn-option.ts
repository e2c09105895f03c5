/**
 * The option of AccECN in what we send: whether a segment has it, how many of its fields there is room for, and what they
 * say. tcp-transmit.ts calls it, on the worker, for connections whose peer has shown that the option arrives.
 * Linux: tcp_options_fit_accecn, tcp_options_write; RFC 9768 sections 3.2.3 and 3.2.3.3.
 */
import type { Time } from '../../../base/time.ts'
import { TIME_US } from '../../../base/time.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import {
  ACCECN_BASE,
  ACCECN_PERFIELD,
  MAX_OPTIONS,
  putAccecn,
  SACK_BLOCK,
} from '../../../wire/tcp-options.ts'
import { CEB_INIT, E0B_INIT, E1B_INIT } from './tcp-accecn-bytes.ts'
import { ECN_CE, ECN_ECT_0, ECN_ECT_1 } from './tcp-ecn.ts'
import {
  ACCECN_OPT_FAIL_SEND,
  TP_ACCECN_FAIL,
  TP_ACCECN_MINLEN,
  TP_ACCECN_OPT_DSACK,
  TP_ACCECN_OPT_DSACK_END,
  TP_ACCECN_OPT_DEMAND,
  TP_ACCECN_OPT_TSTAMP,
  TP_DSACK,
  TP_DSACK_END,
  TP_RECEIVED_ECN_BYTES,
  TP_SAW_ACCECN_OPT,
  TP_SRTT_US,
} from '../sock/tcp-sock.ts'

const NUM_FIELDS = 3
// tcp_ecn_option: it goes with each segment that has room; also if those are lost.
const ACCECN_OPTION_FULL = 2
const ACCECN_OPTION_PERSIST = 3
/** SACK gives way for no more than what is beyond so many blocks. */
const SACKS_KEPT = 2

export type TcpAccecnOption = ReturnType<typeof createTcpAccecnOption>

export const createTcpAccecnOption = (
  i32: Int32Array,
  u8: Uint8Array,
  sysctl: number,
  time: Time
) => {
  // What the last of the fit functions found; the segment is written next. No fields and no bytes: no option.
  let fields = 0
  let bytes = 0
  let hasOption = false
  let sacks = 0
  let dsack = 0

  /** Octets that so many fields take; of its last word as many as `combine` may lie over NOPs of the option behind it. */
  const alignedLen = (count: number, combine: number): number => {
    const len = ACCECN_BASE + count * ACCECN_PERFIELD
    return (len & 3) > combine ? (len + 3) & ~3 : len & ~3
  }
  /** As many fields as there is room for, `least` of them; false when that is more. */
  const fit = (room: number, least: number, combine: number): boolean => {
    for (fields = NUM_FIELDS; fields >= least; fields--) {
      bytes = alignedLen(fields, combine)
      if (bytes <= room) return true
    }
    return false
  }

  /**
   * The peer repeats what was acknowledged with it, and again what was then reported with it: acknowledgements that have it
   * seem not to arrive (section 3.2.3.2.2).
   */
  const isLost = (sk: number): boolean => {
    if (
      i32[sk + TP_DSACK] !== 0 &&
      i32[sk + TP_ACCECN_OPT_DSACK] !== 0 &&
      i32[sk + TP_ACCECN_OPT_DSACK_END] === i32[sk + TP_DSACK_END]
    )
      i32[sk + TP_ACCECN_FAIL] |= ACCECN_OPT_FAIL_SEND
    return (i32[sk + TP_ACCECN_FAIL] & ACCECN_OPT_FAIL_SEND) !== 0
  }
  /** Section 3.2.3.3: when something has changed, and now and then so that what was lost is said again. */
  const isDue = (sk: number): boolean => {
    const mode = i32[sysctl + Sysctl.tcp_ecn_option]
    if (mode === 0 || i32[sk + TP_SAW_ACCECN_OPT] === 0) return false
    if (mode < ACCECN_OPTION_PERSIST && isLost(sk)) return false
    if (mode >= ACCECN_OPTION_FULL || i32[sk + TP_ACCECN_OPT_DEMAND] !== 0) return true
    const beacon = i32[sysctl + Sysctl.tcp_ecn_option_beacon]
    const since = (time[TIME_US] - i32[sk + TP_ACCECN_OPT_TSTAMP]) | 0
    return beacon !== 0 && since * beacon >= i32[sk + TP_SRTT_US] >> 3
  }
  /** Octets of a segment's options, which are `used` with so many SACK blocks, the option among them if it goes. */
  const fitEstablished = (sk: number, used: number, blocks: number): number => {
    sacks = blocks
    dsack = i32[sk + TP_DSACK]
    hasOption = false
    if (!isDue(sk)) return used
    const least = i32[sk + TP_ACCECN_MINLEN]
    const most = least > 0 ? Math.min(blocks, SACKS_KEPT) : blocks
    for (let kept = blocks; kept >= most; kept--) {
      const with0 = used - (blocks - kept) * SACK_BLOCK
      if (!fit(MAX_OPTIONS - with0, least, blocks > 0 ? 2 : 0)) continue
      hasOption = true
      sacks = kept
      return with0 + bytes
    }
    return used
  }
  /** The same of a SYN-ACK; `combine`: NOPs that stand behind it. */
  const fitSynAck = (used: number, combine: number): number => {
    hasOption = i32[sysctl + Sysctl.tcp_ecn_option] !== 0 && fit(MAX_OPTIONS - used, 0, combine)
    return hasOption ? used + bytes : used
  }
  /** The same of a segment that never has it. */
  const fitNone = (used: number): number => {
    hasOption = false
    return used
  }
  /** Octets that it has in the segment that was fitted last, and SACK blocks beside it. */
  const len = (): number => (hasOption ? bytes : 0)
  const sackBlocks = (): number => sacks

  const counter = (sk: number, ecnfield: number): number =>
    i32[sk + TP_RECEIVED_ECN_BYTES + ecnfield - 1]
  /** Writes it, when all that follows it is written. */
  const put = (sk: number, at: number): void => {
    i32[sk + TP_ACCECN_OPT_DSACK] = hasOption ? dsack : 0
    if (!hasOption) return
    i32[sk + TP_ACCECN_OPT_DSACK_END] = i32[sk + TP_DSACK_END]
    const e1b = counter(sk, ECN_ECT_1) + E1B_INIT
    const ceb = counter(sk, ECN_CE) + CEB_INIT
    const e0b = counter(sk, ECN_ECT_0) + E0B_INIT
    putAccecn(u8, at, bytes, fields, e1b, ceb, e0b)
    i32[sk + TP_ACCECN_MINLEN] = 0
    i32[sk + TP_ACCECN_OPT_TSTAMP] = time[TIME_US]
    if (i32[sk + TP_ACCECN_OPT_DEMAND] !== 0) i32[sk + TP_ACCECN_OPT_DEMAND]--
  }

  return { fitEstablished, fitSynAck, fitNone, len, sackBlocks, put }
}
