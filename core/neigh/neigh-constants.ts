/**
 * Words of a neighbour's row, and the numbers of its state. The rows lie in shared memory (layout.neighbours): worker 0
 * writes them, entry by entry under a sequence lock; every worker reads them on its way out and control reads
 * them for `ip neigh`. Row 0 is no neighbour: it holds the table's own words.
 * Linux: include/net/neighbour.h, include/uapi/linux/neighbour.h.
 */

/** Odd while worker 0 writes the row; rises by two with each change. */
export const NEIGH_SEQ = 0
/** ifindex, or 0 while the row is free. */
export const NEIGH_IFINDEX = 1
/** Four words, IPv4 as v4-mapped. */
export const NEIGH_ADDR = 2
/** NUD_* below. */
export const NEIGH_STATE = 6
/** NTF_* below. */
export const NEIGH_FLAGS = 7
/** The ready Ethernet header: two bytes of padding, destination, source, ethertype. */
export const NEIGH_HH = 8
/** Byte offset of the neighbour's link-layer address from the row's first byte. */
export const NEIGH_LLADDR_BYTE = (NEIGH_HH << 2) + 2
/** Jiffies of worker 0's last confirmation, use and change; neighUse holds what the workers add. */
export const NEIGH_CONFIRMED = 12
export const NEIGH_USED = 13
export const NEIGH_UPDATED = 14
/** Probes sent since the state began. */
export const NEIGH_PROBES = 15
/** A timer of worker 0's wheel. */
export const NEIGH_TIMER = 16
/** Hash of the key, as the index was entered with. */
export const NEIGH_HASH = 20

// Words of row 0.
/** Seed of the hash; set once by worker 0. */
export const NEIGH_TABLE_SEED = 8
/** Live rows, and rows that were ever used (a dump needs to look no further). */
export const NEIGH_TABLE_COUNT = 9
export const NEIGH_TABLE_HIGH = 10

/** Words of neighUse, for each worker and neighbour: last use and last confirmation (jiffies, 0 is never). */
export const NEIGH_USE_WORDS = 2
export const NEIGH_USE_USED = 0
export const NEIGH_USE_CONFIRMED = 1

export const NUD_INCOMPLETE = 0x01
export const NUD_REACHABLE = 0x02
export const NUD_STALE = 0x04
export const NUD_DELAY = 0x08
export const NUD_PROBE = 0x10
export const NUD_FAILED = 0x20
export const NUD_NOARP = 0x40
export const NUD_PERMANENT = 0x80
export const NUD_NONE = 0x00
export const NUD_IN_TIMER = NUD_INCOMPLETE | NUD_REACHABLE | NUD_DELAY | NUD_PROBE
export const NUD_VALID =
  NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY
export const NUD_CONNECTED = NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE

/** Not a neighbour: one that we answer for. */
export const NTF_PROXY = 0x08
export const NTF_ROUTER = 0x80

// neigh_update flags (include/net/neighbour.h).
export const NEIGH_UPDATE_F_OVERRIDE = 0x1
export const NEIGH_UPDATE_F_WEAK_OVERRIDE = 0x2
/** The word says whether the neighbour is a router; and that it is one. */
export const NEIGH_UPDATE_F_OVERRIDE_ISROUTER = 0x4
export const NEIGH_UPDATE_F_ISROUTER = 0x40000000
export const NEIGH_UPDATE_F_ADMIN = 0x80000000 | 0
