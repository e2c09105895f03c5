/**
 * The rows of multicast: what each socket has joined (written by its worker; control's are joins of the stack itself), and
 * what that makes of each device's groups (written by CPU 0). Addresses are four words, IPv4 as v4-mapped, so both
 * families share them. Linux: struct ip_mc_socklist, ip_mc_list, ip_sf_list; ipv6_mc_socklist, ifmcaddr6.
 */

/** Filter modes, with Linux's numbers (include/uapi/linux/in.h). */
export const MCAST_EXCLUDE = 0
export const MCAST_INCLUDE = 1

/** Worker that makes the devices' groups out of all memberships, and speaks IGMP and MLD. */
export const MC_CPU = 0

// A membership: word 0 is the slab's generation, odd while it lives.
/** The device, and its DEV_GENERATION: of one that is gone a membership is left that only counts. */
export const MCM_IFINDEX = 1
export const MCM_GROUP = 2
export const MCM_MODE = 6
/** How many sources, and the first one's row. */
export const MCM_COUNT = 7
export const MCM_SOURCES = 8
/** 0: a join of the stack's own, MCM_USERS times. */
export const MCM_SK = 9
/** The next one of the same owner. */
export const MCM_NEXT = 10
/** The IPv4 address by which the device was named, or 0. */
export const MCM_ADDRESS = 11
/** 1 once it has had a source: its mode stays then. */
export const MCM_HAS_LIST = 12
export const MCM_USERS = 13
/** Odd while the row or its sources are being written. */
export const MCM_SEQ = 14
export const MCM_DEVICE = 15

// A source, of a membership or a group: word 0 is the slab's generation.
export const MCS_NEXT = 1
export const MCS_ADDR = 2

// A group on a device.
/** 0 while the row is free. */
export const MCG_IFINDEX = 0
export const MCG_GROUP = 1
export const MCG_MODE = 5
export const MCG_COUNT = 6
export const MCG_SOURCES = 7
export const MCG_USERS = 8
/** Next of its bucket. */
export const MCG_NEXT = 9
/** Rises with every group: the order in which they were made. */
export const MCG_SERIAL = 10
/** What the host's side of the protocol is about to say of it: the version it speaks, MC_REPORT_* bits, jiffies when. */
export const MCG_VERSION = 11
export const MCG_REPORT = 12
export const MCG_REPORT_AT = 13

/** A report is due; the last one was ours. */
export const MC_REPORT_TIMER = 1
export const MC_REPORT_LAST = 2

/** As many tries has a reader of what is being written. */
export const MC_TRIES = 64

// Words before the groups' rows.
/** Odd while the table is being written. */
export const MCT_SEQ = 0
/** Rows that were ever used. */
export const MCT_HIGH = 1
/** Raised by whoever could not tell CPU 0 what has changed: it looks at everything anew. By Atomics. */
export const MCT_RESYNC = 2
/** Control's: the first membership of the stack itself. */
export const MCT_OWN = 3
