/**
 * Kinds of addresses by what they are, whoever has them: an IPv4 one is a word, of an IPv6 one the first word tells. Linux: ipv4_is_multicast()
 * and its like (include/linux/in.h), ipv6_addr_type().
 */

export const isMulticast4 = (addr: number): boolean => addr >>> 28 === 14
export const isLoopback4 = (addr: number): boolean => addr >>> 24 === 127
/** 0.0.0.0 is nobody; the rest of 0/8 are addresses as any (ipv4_is_zeronet since Linux 5.3). */
export const isZeronet4 = (addr: number): boolean => addr === 0
export const isBroadcast4 = (addr: number): boolean => addr === -1
/** 224.0.0.0/24: never leaves its link. */
export const isLocalMulticast4 = (addr: number): boolean => addr >>> 8 === 0xe00000
export const isMulticast6 = (w0: number): boolean => w0 >>> 24 === 0xff
export const isLinkLocal6 = (w0: number): boolean => w0 >>> 22 === 0x3fa
