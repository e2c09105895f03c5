/**
 * Words of an interface address row (Linux: in_ifaddr, inet6_ifaddr). Control writes them, any thread reads.
 * Row 0 is no address: its first word bounds the rows in use. A free row has ifindex 0; a row is filled before
 * its ifindex is stored, and cleared by storing 0 there first.
 */

/** In row 0: rows 1..IFA_TOP-1 may be in use. */
export const IFA_TOP = 0

export const IFA_IFINDEX = 0
/** AF_INET or AF_INET6. */
export const IFA_FAMILY = 1
export const IFA_ADDR = 2
export const IFA_PREFIXLEN = 6
/** RT_SCOPE_* */
export const IFA_SCOPE = 7
/** IFA_F_* */
export const IFA_FLAGS = 8
/** IPv4, or 0 for none. */
export const IFA_BROADCAST = 9
/** Rises with each address: the order they were added in. */
export const IFA_SERIAL = 10

export const IFA_F_SECONDARY = 0x01
/** The same bit, of IPv6: of a kind that changes, so that nobody can follow its host (RFC 8981). */
export const IFA_F_TEMPORARY = IFA_F_SECONDARY
export const IFA_F_DEPRECATED = 0x20
export const IFA_F_TENTATIVE = 0x40
export const IFA_F_PERMANENT = 0x80
export const IFA_F_NOPREFIXROUTE = 0x200
