/**
 * What the files of the IP layer agree on: the words of an skb's control block while IP holds it (struct inet_skb_parm)
 * and the netfilter hooks' numbers.
 */

/** RTN_* the route lookup gave: broadcast and multicast have no neighbour. */
export const IPCB_TYPE = 28
/** Largest IP packet of the way out. */
export const IPCB_MTU = 29
/** IPSKB_* */
export const IPCB_FLAGS = 30

/** Came in on another device. */
export const IPSKB_FORWARDED = 1
/** Put together from fragments. */
export const IPSKB_REASSEMBLED = 2

export const NF_INET_PRE_ROUTING = 0
export const NF_INET_LOCAL_IN = 1
export const NF_INET_FORWARD = 2
export const NF_INET_LOCAL_OUT = 3
export const NF_INET_POST_ROUTING = 4
