/**
 * The words of a forwarding trie (fib.ts reads them, fib-blocks.ts makes them). A word that covers a part of the addresses is
 *
 * - 0: nothing longer than eight bits leads there, and the table's short prefixes say;
 * - positive: the row of the longest prefix that does;
 * - negative: a block of the pool that divides the part further.
 *
 * A node is 256 words, one for each value of the next eight bits. A bucket holds few prefixes: the word for what none of
 * them covers, how many there are, and for each two words, the longest first: its bits of the present 32 of the address, and the
 * row, in whose five low bits (rows are multiples of 32) is by how many bits it is shorter than those 32. What is longer
 * than those is a link: all 32 bits, and the negative word of the block that has the next 32.
 */

/** Prefixes of at most so many bits are in the words in front of a root, one for each first octet. */
export const FIB_SHORT_BITS = 8

/** Of a negative word: it is a bucket; and eight times the place of its block, in words from the pool's start. */
export const FIB_BUCKET = 32
export const FIB_PLACE = 0x7fffffc0
export const FIB_PLACE_SHIFT = 3

/** Words of a bucket. */
export const FB_COVER = 0
export const FB_COUNT = 1
export const FB_FIRST = 2
/** Prefixes of a bucket of each size. */
export const FIB_SMALL_BUCKET = 3
export const FIB_LARGE_BUCKET = 7
