/**
 * What the files of the IP layer agree on: the words of an skb's control block while IP holds it (struct inet_skb_parm).
 */
import { SKB_CB } from '../skb/skb.ts'

/** RTN_* the route lookup gave: broadcast and multicast have no neighbour. */
export const IPCB_TYPE = SKB_CB
/** Largest IP packet of the way out. */
export const IPCB_MTU = SKB_CB + 1
/** IPSKB_* */
export const IPCB_FLAGS = SKB_CB + 2

/** IPv6: from the network header to the octet that says which header lies at SKB_TRANSPORT. */
export const IPCB_NHOFF = SKB_CB + 4

/** Of an ICMP error, whose NETWORK is the quoted header: its own IP header; 0: there is none, we speak for ourselves. */
export const IPCB_OUTER = SKB_CB + 5

/** Of what was put together from fragments (IPSKB_REASSEMBLED): the octets of the largest of them, headers and all (frag_max_size). */
export const IPCB_FRAG_MAX = SKB_CB + 6

/** Came in on another device. */
export const IPSKB_FORWARDED = 1
/** Put together from fragments. */
export const IPSKB_REASSEMBLED = 2
/** The copy of our own multicast or broadcast that is heard here: it leaves by no device. */
export const IPSKB_MCLOOP = 4
/** A multicast of our own that is not to be heard here. */
export const IPSKB_NO_LOOP = 8
/** IPv6: is not to be cut even by its source. */
export const IPSKB_DONTFRAG = 16

/** A hop limit of zero, as IPv6's may be (RFC 3493 5.1): for a group, on this host alone. Zero itself is the default's. */
export const NO_HOPS = -1

/** An ICMP error that is not about the path's MTU (inet-protos.ts). */
export const NO_MTU = -1
