/**
 * tcp_skb_cb: the control block of an skb in TCP's hands, received or to be sent. Linux: include/net/tcp.h.
 */
import { SKB_CB } from '../../../skb/skb.ts'

export const CB_SEQ = SKB_CB
export const CB_END_SEQ = SKB_CB + 1
/** TCP flags in the low octet, CBF_* below. */
export const CB_FLAGS = SKB_CB + 2
export const CBF_TCP_FLAGS = 0xff
/** When it was last sent (us). */
export const CB_TIME = SKB_CB + 3
export const CBF_SACKED = 0x100
export const CBF_LOST = 0x200
export const CBF_RETRANS = 0x400
export const CBF_EVER_RETRANS = 0x800
/** It is in the order of sending. */
export const CBF_IN_ORDER = 0x1000
/** A record ends here: nothing is put behind it in this skb (MSG_EOR). */
export const CBF_EOR = 0x2000
/** SO_TIMESTAMPING: the time of its coming to the device's queue, to the driver, and of its acknowledgement is wanted. */
export const CBF_TX_SCHED = 0x4000
export const CBF_TX_SOFTWARE = 0x8000
export const CBF_TX_ACK = 0x10000
/** TCP_AE, which has no room in the low octet. */
export const CBF_AE = 0x20000
export const CBF_TX_FRAME = CBF_TX_SCHED | CBF_TX_SOFTWARE
export const CBF_TX_ANY = CBF_TX_FRAME | CBF_TX_ACK
/** When it was last sent: what had been delivered by then, when that last rose, when the flight began (us). */
export const CB_TX_DELIVERED = SKB_CB + 4
export const CB_TX_DELIVERED_US = SKB_CB + 5
export const CB_TX_FIRST_US = SKB_CB + 6
export const CB_TX_APP_LIMITED = SKB_CB + 7
/** With CBF_TX_*: the last octet of a write, whose way is told of. */
export const CB_TSKEY = SKB_CB + 8
