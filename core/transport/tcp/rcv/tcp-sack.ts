/**
 * The receiver's side of SACK: the blocks that describe the out-of-order queue, most recent first (RFC 2018
 * section 4), and the duplicate to report (RFC 2883). Kept in the row; tcp-transmit.ts puts them on segments.
 * Linux: tcp_sack_new_ofo_skb, tcp_sack_remove, tcp_dsack_set.
 */
import { Mib } from '../../../shm/counters.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import {
  OPT_SACK,
  TP_DSACK,
  TP_DSACK_END,
  TP_DSACK_START,
  TP_NUM_SACKS,
  TP_OPTS,
  TP_RCV_NXT,
  TP_SACKS,
} from '../sock/tcp-sock.ts'
import { TCP_NUM_SACKS_MAX } from '../sock/tcp-constants.ts'

const get = (i32: Int32Array, sk: number, block: number): number => i32[sk + TP_SACKS + block]

/** Removes block b; those behind it move up. */
const removeBlock = (i32: Int32Array, sk: number, b: number): void => {
  const at = sk + TP_SACKS
  i32.copyWithin(at + b * 2, at + b * 2 + 2, at + TCP_NUM_SACKS_MAX * 2)
  i32[sk + TP_NUM_SACKS]--
}

/** The first block that [seq, end) goes on with, or how many there are. */
export const sackBlockOf = (i32: Int32Array, sk: number, seq: number, end: number): number => {
  const count = i32[sk + TP_NUM_SACKS]
  for (let b = 0; b < count; b++)
    if (((seq - get(i32, sk, b * 2 + 1)) | 0) <= 0 && ((get(i32, sk, b * 2) - end) | 0) <= 0)
      return b
  return count
}

/** The segment [seq, end) has come into the out-of-order queue: its block goes to the front. */
export const sackNewOfo = (i32: Int32Array, sk: number, seq: number, end: number): void => {
  if ((i32[sk + TP_OPTS] & OPT_SACK) === 0) return
  let start = seq
  let stop = end
  for (let b = i32[sk + TP_NUM_SACKS] - 1; b >= 0; b--) {
    const from = get(i32, sk, b * 2)
    const to = get(i32, sk, b * 2 + 1)
    if (((from - stop) | 0) > 0 || ((start - to) | 0) > 0) continue
    if (((from - start) | 0) < 0) start = from
    if (((to - stop) | 0) > 0) stop = to
    removeBlock(i32, sk, b)
  }
  const at = sk + TP_SACKS
  i32.copyWithin(at + 2, at, at + (TCP_NUM_SACKS_MAX - 1) * 2)
  i32[at] = start
  i32[at + 1] = stop
  i32[sk + TP_NUM_SACKS] = Math.min(i32[sk + TP_NUM_SACKS] + 1, TCP_NUM_SACKS_MAX)
}

/** Where the highest block ends; there is one. */
export const highestSacked = (i32: Int32Array, sk: number): number => {
  let highest = get(i32, sk, 1)
  for (let b = 1; b < i32[sk + TP_NUM_SACKS]; b++)
    if (((get(i32, sk, b * 2 + 1) - highest) | 0) > 0) highest = get(i32, sk, b * 2 + 1)
  return highest
}

/** rcv_nxt has moved: blocks that it has passed are done. */
export const sackRemove = (i32: Int32Array, sk: number): void => {
  const next = i32[sk + TP_RCV_NXT]
  for (let b = i32[sk + TP_NUM_SACKS] - 1; b >= 0; b--)
    if (((next - get(i32, sk, b * 2 + 1)) | 0) >= 0) removeBlock(i32, sk, b)
}

/** As dsackSet, or makes what is to be reported longer if it adjoins it (tcp_dsack_extend). */
export const dsackExtend = (
  i32: Int32Array,
  sysctl: number,
  sk: number,
  seq: number,
  end: number
): number => {
  if (i32[sk + TP_DSACK] === 0) return dsackSet(i32, sysctl, sk, seq, end)
  const [start, stop] = [i32[sk + TP_DSACK_START], i32[sk + TP_DSACK_END]]
  if (((seq - stop) | 0) > 0 || ((start - end) | 0) > 0) return 0
  if (((seq - start) | 0) < 0) i32[sk + TP_DSACK_START] = seq
  if (((end - stop) | 0) > 0) i32[sk + TP_DSACK_END] = end
  return 0
}

/**
 * Reports [seq, end) as a duplicate with the next acknowledgement. Returns the counter of what is reported: text that was
 * read long ago, or text out of order; 0, that of nothing, when the peer or we have no SACK.
 */
export const dsackSet = (
  i32: Int32Array,
  sysctl: number,
  sk: number,
  seq: number,
  end: number
): number => {
  if ((i32[sk + TP_OPTS] & OPT_SACK) === 0 || i32[sysctl + Sysctl.tcp_dsack] === 0) return 0
  i32[sk + TP_DSACK] = 1
  i32[sk + TP_DSACK_START] = seq
  i32[sk + TP_DSACK_END] = end
  return ((seq - i32[sk + TP_RCV_NXT]) | 0) < 0
    ? Mib.TcpExtTCPDSACKOldSent
    : Mib.TcpExtTCPDSACKOfoSent
}
