/**
 * What an acknowledgement was and said, found by tcp-ack.ts and tcp-sacktag.ts, and what recovery (rec/) makes of it.
 * Linux: FLAG_* and REXMIT_* in net/ipv4/tcp_input.c.
 */

// What it was, bits.
/** A block reports for the first time that something has come. */
export const FLAG_DATA_SACKED = 1
/** A block reports that something has come twice (RFC 2883). */
export const FLAG_DSACKING_ACK = 2
/** Something that was sent once, and before recovery began, was acknowledged or reported. */
export const FLAG_ORIG_SACK_ACKED = 4
/** What has come twice is the tail loss probe. */
export const FLAG_DSACK_TLP = 8
/** It moved snd_una. */
export const FLAG_SND_UNA_ADVANCED = 16
/** It acknowledged, or carried, or changed the window: it is no duplicate. */
export const FLAG_NOT_DUP = 32
/** It echoes a congestion mark (RFC 3168 section 6.1.2). */
export const FLAG_ECE = 64
/** It acknowledged text, or a FIN. */
export const FLAG_DATA_ACKED = 128
/** It acknowledged a SYN. */
export const FLAG_SYN_ACKED = 256
/** Some of what it acknowledged had been sent again. */
export const FLAG_RETRANS_DATA_ACKED = 512
export const FLAG_ACKED = FLAG_DATA_ACKED | FLAG_SYN_ACKED
export const FLAG_FORWARD_PROGRESS = FLAG_ACKED | FLAG_DATA_SACKED

// What is to be sent.
export const REXMIT_NONE = 0
/** What is lost, as the window lets it. */
export const REXMIT_LOST = 1
/** New data first: it will show whether the timeout was spurious. */
export const REXMIT_NEW = 2
