/** Control block of a frame that receive offload holds. Linux: struct napi_gro_cb (include/net/gro.h). */
import { SKB_CB } from '../skb/skb.ts'

/** Frames that were put together, and bytes of payload of the first. */
export const CB_COUNT = SKB_CB
export const CB_SIZE = SKB_CB + 1
/** Its transport header, in bytes from the frame's start, and that header's protocol. */
export const CB_TRANSPORT = SKB_CB + 2
export const CB_PROTOCOL = SKB_CB + 3
/** TCP: the sequence number that follows. */
export const CB_NEXT_SEQ = SKB_CB + 4
