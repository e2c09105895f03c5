/**
 * flowi: the key and the result of a route lookup (Linux: struct flowi4/flowi6 and the rtable it leads to). An
 * Int32Array that its user makes once and fills for each lookup; both families use four-word addresses.
 */
export const FL_FAMILY = 0 // AF_INET 2, AF_INET6 10
export const FL_IIF = 1
/** Wanted output device, or 0. */
export const FL_OIF = 2
export const FL_MARK = 3
export const FL_TOS = 4
export const FL_PROTO = 5
export const FL_SADDR = 6 // four words; all zero: chosen by the lookup
export const FL_DADDR = 10
export const FL_SPORT = 14
export const FL_DPORT = 15
// Results.
/** Nexthop row. */
export const FL_DST = 16
/** RTN_*: unicast 1, local 2, broadcast 3, multicast 5, blackhole 6, unreachable 7, prohibit 8, throw 9. */
export const FL_TYPE = 17
export const FL_DEV = 18
export const FL_MTU = 19
/** Of an MTU that was learned: jiffies when it ends (0: never), and 1 when what is larger may be fragmented on its way. */
export const FL_MTU_EXPIRES = 20
export const FL_MTU_LOCKED = 21
/** Of a packet made here: 1 when its sender's host does not hear it, should it go to a group (IP_MULTICAST_LOOP off). */
export const FL_NO_LOOP = 22
/** FL_F_* */
export const FL_FLAGS = 23
/** Of a received packet to a group: 1 when the device has joined it, 0 when it may only pass through. */
export const FL_OURS = 24
/** Of IPv6: the flow label, and a received packet's first next header. */
export const FL_FLOWLABEL = 25
export const FL_NEXTHDR = 26
/** Of a received packet: its hash for the choice among next hops, with bit 31 set; 0: the words here say all that it is of. */
export const FL_HASH = 27
/** Of a packet made here, whether it may be cut on its way (RFC 791): 0 as path MTU discovery has it, or DF_*. */
export const FL_DF = 28
/** L3 master of the device that it came in by, or that was asked for (DEV_L3MDEV): in that VRF's table it is looked up. */
export const FL_L3MDEV = 29
const FLOWI_WORDS = 30

export const DF_NEVER = 1
export const DF_ALWAYS = 2

/** A received broadcast that is sent on (bc_forwarding); its way is FL_DEV. */
export const FL_F_FORWARD = 1
/** The source need not be an address of ours (IP_TRANSPARENT). */
export const FL_F_ANYSRC = 2
/** Of a packet received by lo: it goes another way than it was sent by, and its sender is looked at as by any device (skb_valid_dst). */
export const FL_F_NO_DST = 4
/** The socket is bound to FL_OIF: it is not only the way that is preferred. */
export const FL_F_BOUND = 8
/** Of IPv4: only by routes to a link, or to ourselves, on whose way is no router (RT_SCOPE_LINK: SO_DONTROUTE, MSG_DONTROUTE). */
export const FL_F_LINK_SCOPE = 16
/** Of IPv6 a temporary source is preferred, or one that is none, whatever the device says (IPV6_ADDR_PREFERENCES). */
export const FL_F_SRC_TMP = 32
export const FL_F_SRC_PUBLIC = 64

export type Flowi = Int32Array
export const createFlowi = (): Flowi => new Int32Array(FLOWI_WORDS)

export const RTN_UNICAST = 1
export const RTN_LOCAL = 2
export const RTN_BROADCAST = 3
export const RTN_ANYCAST = 4
export const RTN_MULTICAST = 5
export const RTN_BLACKHOLE = 6
export const RTN_PROHIBIT = 8
/** Its table has no answer: the next rule is asked. */
export const RTN_THROW = 9

/** What a socket sends goes by the device that it is bound to: 0 is none. */
export const bindFlow = (fl: Flowi, dev: number): void => {
  fl[FL_OIF] = dev
  if (dev !== 0) fl[FL_FLAGS] |= FL_F_BOUND
}
