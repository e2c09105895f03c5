/**
 * IPv4's options in octets, and what is noted of those of a packet (SKB_IPOPT). RFC 791 section 3.1; Linux: struct ip_options.
 */
export const IPOPT_END = 0
export const IPOPT_NOOP = 1
export const IPOPT_RR = 7
export const IPOPT_TS = 68
export const IPOPT_LSRR = 131
export const IPOPT_SSRR = 137
export const IPOPT_RA = 148

// Octets of an option: its kind, length, pointer; of a timestamp also overflow and flags.
export const LEN = 1
export const PTR = 2
export const FLAGS = 3
export const IPOPT_TS_TSONLY = 0
export const IPOPT_TS_TSANDADDR = 1
export const IPOPT_TS_PRESPEC = 3
/** The time does not count from midnight UT (RFC 791). */
export const NONSTANDARD_TIME = 0x80000000 | 0

// SKB_IPOPT, and the same of a reply (struct ip_options): where from the header's start record route and timestamp are, 0
// for nowhere, and what was done for them.
export const RR_AT = 0xff
export const TS_SHIFT = 8
export const RR_NEEDADDR = 1 << 16
export const TS_NEEDADDR = 1 << 17
export const TS_NEEDTIME = 1 << 18
export const IS_CHANGED = 1 << 19
/** Where the source route is, 0 for nowhere; and of what is sent on by it the pointer of the next hop, 0 when we are not on it. */
export const SRR_SHIFT = 20
export const SRR_AT = 0x3f
export const SRR_HIT_SHIFT = 26
