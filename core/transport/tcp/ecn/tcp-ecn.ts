/**
 * Explicit congestion notification: how it is agreed on, what a segment that goes out is marked with, what one that
 * came in says. The reduction itself is tcp-prr.ts's, what both ends may agree on instead
 * tcp-accecn.ts's. Called by the handshake, tcp-transmit.ts, tcp-ack.ts and tcp-data-ecn.ts, on the worker. Linux: tcp_ecn_* in net/ipv4/tcp_input.c and tcp_output.c; RFC 3168 section 6.1.
 */
import { SK_TOS } from '../../../socket/sock.ts'
import { SK_TCLASS } from '../../../socket/inet-sock.ts'
import { TCP_CWR, TCP_ECE, TCP_SYN } from '../../../wire/tcp.ts'
import {
  ECN_DEMAND_CWR,
  ECN_MODE_RFC3168,
  ECN_QUEUE_CWR,
  TP_ECN,
  TP_SND_NXT,
} from '../sock/tcp-sock.ts'
import { CB_SEQ } from '../sock/tcp-cb.ts'

/** The two bits of TOS that are ECN's (section 5). */
export const ECN_MASK = 3
export const ECN_ECT_1 = 1
export const ECN_ECT_0 = 2
export const ECN_CE = 3

const BOTH = TCP_ECE | TCP_CWR

/** The values of tcp_ecn that ask for it: with either of the two that are answered. */
const TCP_ECN_IN_ECN_OUT_ECN = 1
const TCP_ECN_IN_ACCECN_OUT_ECN = 4

/**
 * Flags of our SYN (section 6.1.1); `mode` is tcp_ecn, `needed`: the congestion control lives on marks. What a connection
 * before this one has left is gone.
 */
export const ecnSendSyn = (i32: Int32Array, sk: number, mode: number, needed: boolean): number => {
  setEct(i32, sk, needed ? ECN_ECT_0 : 0)
  const asks = mode === TCP_ECN_IN_ECN_OUT_ECN || mode === TCP_ECN_IN_ACCECN_OUT_ECN || needed
  i32[sk + TP_ECN] = asks ? ECN_MODE_RFC3168 : 0
  return asks ? TCP_SYN | BOTH : TCP_SYN
}
/** Flags of our SYN-ACK besides SYN and ACK. */
export const ecnSynAckFlags = (i32: Int32Array, sk: number): number =>
  (i32[sk + TP_ECN] & ECN_MODE_RFC3168) !== 0 ? TCP_ECE : 0
/** The peer's SYN asks for it. */
export const ecnAsked = (flags: number): boolean => (flags & BOTH) === BOTH
/** We agree: what we send before the connection is one is capable when the congestion control needs it. */
export const ecnAgree = (i32: Int32Array, sk: number, needed: boolean): void => {
  i32[sk + TP_ECN] = ECN_MODE_RFC3168
  if (needed) setEct(i32, sk, ECN_ECT_0)
}
/** A SYN that crossed ours, or a SYN-ACK, agrees only with the right bits (`wanted`: ECN_OF_*). */
export const ecnRcvSyn = (i32: Int32Array, sk: number, flags: number, wanted: number): void => {
  if (i32[sk + TP_ECN] !== 0 && (flags & BOTH) !== wanted) ecnEnd(i32, sk)
}
export const ECN_OF_SYN = BOTH
export const ECN_OF_SYNACK = TCP_ECE

export const setEct = (i32: Int32Array, sk: number, ect: number): void => {
  i32[sk + SK_TOS] = (i32[sk + SK_TOS] & ~ECN_MASK) | ect
  i32[sk + SK_TCLASS] = (i32[sk + SK_TCLASS] & ~ECN_MASK) | ect
}
/**
 * Marks a segment that is not a SYN: ECT on text that is sent for the first time, never on acknowledgements, probes and
 * retransmissions (sections 6.1.4 to 6.1.6), unless the congestion control needs it on all (`always`: RFC 8257 3.1). The
 * flags that it carries besides its own.
 */
export const ecnSend = (
  i32: Int32Array,
  sk: number,
  skb: number,
  payload: number,
  always: boolean
): number => {
  const ecn = i32[sk + TP_ECN]
  let flags = (ecn & ECN_DEMAND_CWR) !== 0 ? TCP_ECE : 0
  const isNew = payload !== 0 && ((i32[skb + CB_SEQ] - i32[sk + TP_SND_NXT]) | 0) >= 0
  setEct(i32, sk, isNew || always ? ECN_ECT_0 : 0)
  // section 6.1.2: on the first new text after the window was reduced
  if (isNew && (ecn & ECN_QUEUE_CWR) !== 0) {
    i32[sk + TP_ECN] = ecn & ~ECN_QUEUE_CWR
    flags |= TCP_CWR
  }
  return flags
}
/** The window was reduced: the peer is told (section 6.1.2), unless CWR is part of a number (RFC 9768 section 3.2.2). */
export const ecnQueueCwr = (i32: Int32Array, sk: number): void => {
  if ((i32[sk + TP_ECN] & ECN_MODE_RFC3168) !== 0) i32[sk + TP_ECN] |= ECN_QUEUE_CWR
}
/** It was not, after all. */
export const ecnWithdrawCwr = (i32: Int32Array, sk: number): void => {
  i32[sk + TP_ECN] &= ~ECN_QUEUE_CWR
}
/** The connection has none, or speaks of nothing any more (TIME_WAIT). */
export const ecnEnd = (i32: Int32Array, sk: number): void => {
  i32[sk + TP_ECN] = 0
  setEct(i32, sk, 0)
}
