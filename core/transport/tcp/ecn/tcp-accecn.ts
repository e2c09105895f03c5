/**
 * Accurate ECN, its handshake: what a SYN asks for, what the answer makes of it, and how each end tells the other what
 * became of the IP-ECN field on the way. What is counted afterwards is tcp-accecn-ace.ts's; RFC 3168's feedback, to which
 * both fall back, tcp-ecn.ts's. On the worker. Linux: include/net/tcp_ecn.h; RFC 9768 sections 3.1 and 3.2.2.1 to 3.2.2.4.
 */
import { SK_TOS } from '../../../socket/sock.ts'
import { TCP_AE, TCP_CWR, TCP_ECE } from '../../../wire/tcp.ts'
import {
  ACCECN_ACE_FAIL_RECV,
  ACCECN_ACE_FAIL_SEND,
  ECN_MODE_ACCECN,
  ECN_MODE_ANY,
  ECN_MODE_RFC3168,
  ECN_NO_ACE,
  TP_ACCECN_FAIL,
  TP_DELIVERED_CE,
  TP_ECN,
  TP_PREV_ECNFIELD,
  TP_RECEIVED_CE,
  TP_RECEIVED_CE_PENDING,
  TP_RETRANSMITS,
  TP_SYN_ECT_RCV,
  TP_SYN_ECT_SNT,
} from '../sock/tcp-sock.ts'
import { CB_FLAGS, CBF_AE } from '../sock/tcp-cb.ts'
import {
  ECN_CE,
  ECN_ECT_0,
  ECN_ECT_1,
  ECN_MASK,
  ecnEnd,
  ecnSendSyn,
  ecnSynAckFlags,
  setEct,
} from './tcp-ecn.ts'

/** The first of the values of tcp_ecn that agree to it, and the only one that asks for it. */
const TCP_ECN_IN_ACCECN_OUT_ACCECN = 3
export const accecnAnswers = (mode: number): boolean => mode >= TCP_ECN_IN_ACCECN_OUT_ACCECN

export const isAccecn = (ecn: number): boolean => (ecn & ECN_MODE_ANY) === ECN_MODE_ACCECN
/** Our SYN asks for it, and has not been answered. */
export const isAccecnPending = (ecn: number): boolean => (ecn & ECN_MODE_ANY) === ECN_MODE_ANY

// ACE of a SYN or SYN-ACK (section 3.1.1, table 2): no ECN, RFC 3168's answer, its question, a server that repeats anything.
const ACE_NONE = 0
const ACE_CLASSIC = 1
const ACE_CLASSIC_SYN = 3
const ACE_RESERVED = 5
const ACE_ECHO = 7
/** The counter of marked segments begins here (section 3.2.1), so that 0 is seen to be no feedback. */
export const ACE_INIT = 5

/** Tables 2 and 3: how the IP-ECN field of a SYN (in the SYN-ACK) or of a SYN-ACK (in its acknowledgement) is told. */
const ACE_OF_ECT = Int32Array.of(2, 3, 4, 6)
/** The other way; what is not in the tables is read as ECT(0) or ECT(1), which is no sign of a mark. */
const ECT_OF_ACE = Int32Array.of(
  ECN_ECT_0,
  ECN_ECT_1,
  0,
  ECN_ECT_1,
  ECN_ECT_0,
  ECN_ECT_1,
  ECN_CE,
  ECN_ECT_1
)

/** An ACE as the flags of an skb of ours (CB_FLAGS). */
const flagsOfAce = (ace: number): number => ((ace & 3) << 6) | ((ace & 4) !== 0 ? CBF_AE : 0)
const ACE_FAIL = ACCECN_ACE_FAIL_SEND | ACCECN_ACE_FAIL_RECV
const CBF_ACE = TCP_ECE | TCP_CWR | CBF_AE

/**
 * Section 3.2.2.3: what is sent may be marked on its way, or be changed to the other ECT, but what was capable stays so, and
 * nothing else becomes it.
 */
const isValidTransition = (sent: number, received: number): boolean => {
  if (received === sent) return true
  return sent !== 0 && received !== 0 && sent !== ECN_CE
}
/** From here on nothing that we send is capable: the path, or the peer, does not leave marks as they are. */
const validate = (i32: Int32Array, sk: number, ace: number, isChecked: boolean): boolean => {
  if (!isChecked || isValidTransition(i32[sk + TP_SYN_ECT_SNT], ECT_OF_ACE[ace])) return true
  i32[sk + TP_ACCECN_FAIL] |= ACCECN_ACE_FAIL_RECV
  return false
}

/** Flags of our SYN by tcp_ecn: AccECN is asked for by all three of the field (section 3.1.1). */
export const accecnSendSyn = (
  i32: Int32Array,
  sk: number,
  mode: number,
  needed: boolean
): number => {
  const flags = ecnSendSyn(i32, sk, mode, needed)
  if (mode !== TCP_ECN_IN_ACCECN_OUT_ACCECN) return flags
  i32[sk + TP_ECN] = ECN_MODE_ANY
  i32[sk + TP_SYN_ECT_SNT] = i32[sk + SK_TOS] & ECN_MASK
  return flags | CBF_ACE
}
/** Section 3.1.4.1: one more SYN asks for it; what drops that as well may let one through that does not. */
export const accecnKeepsAsking = (i32: Int32Array, sk: number): boolean =>
  isAccecnPending(i32[sk + TP_ECN]) && i32[sk + TP_RETRANSMITS] < 2

/** A peer's SYN asks for it; any value that is not known yet does as well (section 3.1.2). */
export const accecnAsked = (ace: number): boolean => ace !== ACE_NONE && ace !== ACE_CLASSIC_SYN
/** We agree; `mark` is the IP-ECN field of the SYN. */
export const accecnAgree = (i32: Int32Array, sk: number, mark: number, needed: boolean): void => {
  i32[sk + TP_ECN] = ECN_MODE_ACCECN
  if (needed) setEct(i32, sk, ECN_ECT_0)
  i32[sk + TP_SYN_ECT_SNT] = i32[sk + SK_TOS] & ECN_MASK
  i32[sk + TP_SYN_ECT_RCV] = mark
  i32[sk + TP_PREV_ECNFIELD] = mark
}
/** Section 3.1.5: one handshake asks for one kind; of a peer that asks for both nobody knows which it takes. */
export const accecnIsMixed = (ecn: number, mode: number, ace: number): boolean =>
  isAccecn(ecn)
    ? ace === ACE_CLASSIC_SYN
    : (ecn & ECN_MODE_RFC3168) !== 0 && accecnAnswers(mode) && accecnAsked(ace)
/** The SYN again (section 3.1.4.2): without flags, something on the way takes them off or lets none of them through. */
export const accecnSynAgain = (i32: Int32Array, req: number, ace: number, mark: number): void => {
  i32[req + TP_SYN_ECT_RCV] = mark
  if (ace === ACE_NONE) i32[req + TP_ACCECN_FAIL] |= ACCECN_ACE_FAIL_RECV
}
/**
 * Flags of our SYN-ACK besides SYN and ACK (table 2). When it was sent twice in vain it goes without (section 3.1.4.2); the connection stays one
 * of AccECN, but sends nothing that is capable.
 */
export const accecnSynAckFlags = (i32: Int32Array, sk: number): number => {
  if (!isAccecn(i32[sk + TP_ECN])) return ecnSynAckFlags(i32, sk)
  if (i32[sk + TP_RETRANSMITS] < 2) return flagsOfAce(ACE_OF_ECT[i32[sk + TP_SYN_ECT_RCV]])
  i32[sk + TP_ACCECN_FAIL] |= ACCECN_ACE_FAIL_SEND
  return 0
}

/** A SYN-ACK answers our question; `mark` is its IP-ECN field. */
export const accecnRcvSynAck = (
  i32: Int32Array,
  sk: number,
  ace: number,
  mark: number,
  isChecked: boolean
): void => {
  if (ace === ACE_NONE || ace === ACE_ECHO) return ecnEnd(i32, sk)
  if (ace === ACE_CLASSIC) {
    i32[sk + TP_ECN] = ECN_MODE_RFC3168
    return
  }
  i32[sk + TP_ECN] = ECN_MODE_ACCECN
  i32[sk + TP_SYN_ECT_RCV] = mark
  // section 3.1.2: what is reserved says that the SYN arrived as it was
  if (ace !== ACE_RESERVED) validate(i32, sk, ace, isChecked)
  if (mark !== ECN_CE) return
  i32[sk + TP_RECEIVED_CE]++
  i32[sk + TP_RECEIVED_CE_PENDING]++
}
/** A SYN that crossed ours (section 3.1.3); false: it does not ask for AccECN. */
export const accecnRcvSyn = (i32: Int32Array, sk: number, ace: number, mark: number): boolean => {
  if (!accecnAsked(ace)) {
    i32[sk + TP_ECN] = ECN_MODE_RFC3168
    return false
  }
  accecnAgree(i32, sk, mark, false)
  return true
}
/** Flags of the acknowledgement of a SYN-ACK, when it is nothing else (section 3.2.2.1, table 3). */
export const accecnThirdAckFlags = (i32: Int32Array, sk: number): number =>
  isAccecn(i32[sk + TP_ECN]) ? flagsOfAce(ACE_OF_ECT[i32[sk + TP_SYN_ECT_RCV]]) : 0
/**
 * The first segment after our SYN-ACK (section 3.2.2.4, table 4); `isBare`: without text and SACK, it tells what became of
 * that. 0: the path clears the field, or the peer has no ECN; nothing that is capable is sent, and nothing heard.
 */
export const accecnThirdAck = (
  i32: Int32Array,
  sk: number,
  ace: number,
  isBare: boolean,
  isChecked: boolean
): void => {
  if (ace === ACE_NONE) {
    i32[sk + TP_ACCECN_FAIL] |= ACCECN_ACE_FAIL_RECV
    i32[sk + TP_ECN] |= ECN_NO_ACE
    return
  }
  // 1, 5 and 7 are in no table: they are the counter's, or of a future protocol
  if ((ace & 1) !== 0 && ace !== 3) return
  if (!isBare || !validate(i32, sk, ace, isChecked)) return
  if (ECT_OF_ACE[ace] === ECN_CE && i32[sk + TP_DELIVERED_CE] === 0) i32[sk + TP_DELIVERED_CE] = 1
}

/**
 * Marks a segment of ours: every one is capable, acknowledgements and retransmissions too, since their marks are counted
 * (RFC 8311, as Linux has it), unless the field cannot be trusted. The ACE flags that it carries: the counter, or what it
 * was made with.
 */
export const accecnSend = (i32: Int32Array, sk: number, skb: number, isSyn: boolean): number => {
  const own = i32[skb + CB_FLAGS] & CBF_ACE
  if (!isSyn) setEct(i32, sk, (i32[sk + TP_ACCECN_FAIL] & ACE_FAIL) === 0 ? ECN_ECT_0 : 0)
  if (isSyn || own !== 0) return (own & CBF_AE) !== 0 ? TCP_AE : 0
  i32[sk + TP_RECEIVED_CE_PENDING] = 0
  return ((i32[sk + TP_RECEIVED_CE] + ACE_INIT) & 7) << 6
}
