/** What a keyed hash of the boot (secure-seq.ts) is for, so that one tells nothing of another. */
/** Initial sequence numbers, offsets of timestamps, where the search for a local port begins. */
export const HASH_ISN = 1
export const HASH_TS = 2
export const HASH_PORT = 3
/** The key of Fast Open cookies, where none was given. */
export const HASH_FASTOPEN_KEY = 4
/** SYN cookies: the two hashes of one; the second has the count in the bits above eight. */
export const HASH_COOKIE = 5
export const HASH_COUNT = 6
