/**
 * Words of an interface address row (Linux: in_ifaddr, inet6_ifaddr). Control writes them, any thread reads.
 * Row 0 is no address: its first word bounds the rows in use. A free row has ifindex 0; a row is filled before
 * its ifindex is stored, and cleared by storing 0 there first.
 */

/** In row 0: rows 1..IFA_TOP-1 may be in use. */
export const IFA_TOP = 0
/** In row 0: rises with each address that comes, changes or goes. */
export const IFA_CHANGES = 1

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
/** When its lifetimes end, in seconds of the threads' clock, or -1 for never. */
export const IFA_VALID_UNTIL = 11
export const IFA_PREFERRED_UNTIL = 12

export const IFA_F_SECONDARY = 0x01
/** The same bit, of IPv6: of a kind that changes, so that nobody can follow its host (RFC 8981). */
export const IFA_F_TEMPORARY = IFA_F_SECONDARY
/** It is taken for unique without being tried. */
export const IFA_F_NODAD = 0x02
/** It is used while it is being tried (RFC 4429). */
export const IFA_F_OPTIMISTIC = 0x04
/** Somebody else has it. */
export const IFA_F_DADFAILED = 0x08
export const IFA_F_HOMEADDRESS = 0x10
export const IFA_F_DEPRECATED = 0x20
/** Nobody knows yet whether somebody else has it, or somebody does: it is nobody's address until then. */
export const IFA_F_TENTATIVE = 0x40
export const IFA_F_PERMANENT = 0x80
export const IFA_F_MANAGETEMPADDR = 0x100
export const IFA_F_NOPREFIXROUTE = 0x200
/** Of a secret, so that it tells nothing of its device (RFC 7217). */
export const IFA_F_STABLE_PRIVACY = 0x800

/** Seconds that never pass. */
export const FOREVER = 0xffffffff
