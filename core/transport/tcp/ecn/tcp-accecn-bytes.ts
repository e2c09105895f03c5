/**
 * Accurate ECN, its option: counters of octets by the IP-ECN field that they arrived with. Ours are counted here and told by
 * tcp-accecn-option.ts; the peer's say what became of what we have sent, and bound what the ACE field can mean.
 * Linux: tcp_accecn_option_init, tcp_accecn_process_option; RFC 9768 sections 3.2.1 and 3.2.3.
 */
import {
  ACCECN_PERFIELD,
  accecnField,
  OPT_ACCECN_AT,
  OPT_ACCECN_LEN,
  OPT_ACCECN_ORDER,
  OPT_SEEN,
  SEEN_ACCECN,
} from '../../../wire/tcp-options.ts'
import {
  ACCECN_OPT_COUNTER_SEEN,
  ACCECN_OPT_EMPTY_SEEN,
  ACCECN_OPT_FAIL_RECV,
  ACCECN_OPT_FAIL_SEEN,
  TP_ACCECN_FAIL,
  TP_ACCECN_MINLEN,
  TP_ACCECN_OPT_DEMAND,
  TP_BYTES_SENT,
  TP_DELIVERED_ECN_BYTES,
  TP_EST_ECNFIELD,
  TP_RECEIVED_ECN_BYTES,
  TP_SAW_ACCECN_OPT,
} from '../sock/tcp-sock.ts'
import { read64 } from '../../../base/u64.ts'
import { ECN_CE, ECN_ECT_0, ECN_ECT_1 } from './tcp-ecn.ts'

/** Counters do not begin at 0, where a path that clears them would not be noticed; marks are counted from there. */
export const E1B_INIT = 1
export const CEB_INIT = 0
export const E0B_INIT = 1
const INIT_OF_ECN = Int32Array.of(0, E1B_INIT, E0B_INIT, CEB_INIT)

/** Fields of either order (section 3.2.3, figure 4), the first three without ECT(1) in front. */
const ECN_OF_FIELD = Int32Array.of(ECN_ECT_0, ECN_CE, ECN_ECT_1, ECN_ECT_1, ECN_CE, ECN_ECT_0)
/** How many fields our option, whose first is ECT(1), must have for this IP-ECN field to be among them. */
const FIELDS_OF_ECN = Int32Array.of(0, 1, 3, 2)

/** The option says at least once in so many octets how many there are, before 24 bits could wrap unseen. */
const BYTES_SHIFT = 22
/** Beyond so many octets that we have sent, one that comes for the first time may have wrapped. */
const TOO_LATE = (1 << 23) - 1
/** It goes twice: so that what it tells of is known from the second (section 3.2.3.3). */
export const OPT_DEMAND = 2

/** Text of `len` octets has arrived with this field, which is not 0. */
export const countBytes = (i32: Int32Array, sk: number, mark: number, len: number): void => {
  const at = sk + TP_RECEIVED_ECN_BYTES + mark - 1
  const before = i32[at]
  i32[at] = before + len
  i32[sk + TP_ACCECN_MINLEN] = Math.max(i32[sk + TP_ACCECN_MINLEN], FIELDS_OF_ECN[mark])
  if ((i32[at] ^ before) >>> BYTES_SHIFT !== 0 && i32[sk + TP_ACCECN_OPT_DEMAND] === 0)
    i32[sk + TP_ACCECN_OPT_DEMAND] = 1
}

const hasOption = (opts: Int32Array): boolean => (opts[OPT_SEEN] & SEEN_ACCECN) !== 0
/**
 * The first option with a counter is looked at: a path that clears it is found out (section 3.2.3.2.4). True: it was one
 * that may be the first.
 */
export const noteOption = (
  i32: Int32Array,
  u8: Uint8Array,
  sk: number,
  opts: Int32Array
): boolean => {
  if (!hasOption(opts) || i32[sk + TP_SAW_ACCECN_OPT] >= ACCECN_OPT_COUNTER_SEEN) return false
  const seen = firstSeen(u8, opts[OPT_ACCECN_AT], opts[OPT_ACCECN_LEN])
  i32[sk + TP_SAW_ACCECN_OPT] = seen
  if (seen === ACCECN_OPT_FAIL_SEEN) i32[sk + TP_ACCECN_FAIL] |= ACCECN_OPT_FAIL_RECV
  return true
}
const firstSeen = (u8: Uint8Array, at: number, len: number): number => {
  if (len < ACCECN_PERFIELD) return ACCECN_OPT_EMPTY_SEEN
  if (accecnField(u8, at) === 0) return ACCECN_OPT_FAIL_SEEN
  if (len >= 3 * ACCECN_PERFIELD && accecnField(u8, at + 2 * ACCECN_PERFIELD) === 0)
    return ACCECN_OPT_FAIL_SEEN
  return ACCECN_OPT_COUNTER_SEEN
}

/**
 * Takes the counters of an acknowledgement that delivers `bytes`; without any, what it delivers is taken for what the last
 * was. True when they are known to be exact (appendix A.3).
 */
export const takeBytes = (
  i32: Int32Array,
  u8: Uint8Array,
  sk: number,
  opts: Int32Array,
  bytes: number
): boolean => {
  if ((i32[sk + TP_ACCECN_FAIL] & ACCECN_OPT_FAIL_RECV) !== 0) return false
  if (hasOption(opts)) {
    noteOption(i32, u8, sk, opts)
    return takeFields(i32, u8, sk, opts)
  }
  if (i32[sk + TP_SAW_ACCECN_OPT] === 0) {
    if (read64(i32, sk + TP_BYTES_SENT) < TOO_LATE) return false
    i32[sk + TP_SAW_ACCECN_OPT] = ACCECN_OPT_FAIL_SEEN
    i32[sk + TP_ACCECN_FAIL] |= ACCECN_OPT_FAIL_RECV
    return false
  }
  const estimate = i32[sk + TP_EST_ECNFIELD]
  if (estimate === 0) return false
  i32[sk + TP_DELIVERED_ECN_BYTES + estimate - 1] += bytes
  return true
}
const takeFields = (i32: Int32Array, u8: Uint8Array, sk: number, opts: Int32Array): boolean => {
  const estimate = i32[sk + TP_EST_ECNFIELD]
  const order = opts[OPT_ACCECN_ORDER] * 3
  const count = Math.min(3, (opts[OPT_ACCECN_LEN] / ACCECN_PERFIELD) | 0)
  let changed = 0
  let isAmbiguous = false
  for (let k = 0; k < count; k++) {
    const ecnfield = ECN_OF_FIELD[order + k]
    const at = sk + TP_DELIVERED_ECN_BYTES + ecnfield - 1
    const said = accecnField(u8, opts[OPT_ACCECN_AT] + k * ACCECN_PERFIELD) - INIT_OF_ECN[ecnfield]
    // 24 bits, sign and all
    const delta = ((said - i32[at]) << 8) >> 8
    i32[at] += delta
    if (delta < 0) isAmbiguous = true
    if (delta === 0 || ecnfield === estimate) continue
    if (changed !== 0) isAmbiguous = true
    else changed = ecnfield
  }
  if (isAmbiguous) i32[sk + TP_EST_ECNFIELD] = 0
  else if (changed !== 0) i32[sk + TP_EST_ECNFIELD] = changed
  return estimate !== 0 && !isAmbiguous
}
/** Octets that the peer says to have come marked. */
export const markedBytes = (i32: Int32Array, sk: number): number =>
  i32[sk + TP_DELIVERED_ECN_BYTES + ECN_CE - 1]
