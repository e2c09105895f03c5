/**
 * Words of a proxied neighbour's row (Linux: struct pneigh_entry): an address that we answer for on a device. Control writes
 * the rows, CPU 0 reads them when it is asked, and whoever forwards to such an address. Row 0 is none: its first word bounds
 * those in use. A free row has ifindex 0; a row is filled before its ifindex is stored.
 */

/** In row 0: rows 1..PN_TOP-1 may be in use. */
export const PN_TOP = 0

export const PN_IFINDEX = 0
/** Four words, IPv4 as v4-mapped. */
export const PN_ADDR = 1
/** NTF_* */
export const PN_FLAGS = 5
