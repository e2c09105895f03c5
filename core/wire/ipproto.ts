/**
 * IP protocol numbers (IANA "Assigned Internet Protocol Numbers"), under Linux's names: the
 * protocol field of IPv4 and the next header field of IPv6 share them.
 */

export const IPPROTO_HOPOPTS = 0
export const IPPROTO_ICMP = 1
export const IPPROTO_IGMP = 2
/** IPv4 in IP, IPv6 in IP, and GRE. */
export const IPPROTO_IPIP = 4
export const IPPROTO_IPV6 = 41
export const IPPROTO_GRE = 47
export const IPPROTO_TCP = 6
export const IPPROTO_UDP = 17
export const IPPROTO_ROUTING = 43
export const IPPROTO_FRAGMENT = 44
export const IPPROTO_AH = 51
export const IPPROTO_ICMPV6 = 58
/** Nothing follows (RFC 8200 section 4.7). */
export const IPPROTO_NONE = 59
export const IPPROTO_DSTOPTS = 60
export const IPPROTO_MH = 135
export const IPPROTO_RAW = 255
