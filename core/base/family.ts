/**
 * Address families, and how an address of either travels: four int32 words in network order at (words, at), IPv4 as
 * v4-mapped IPv6. Linux: include/linux/socket.h; RFC 4291 section 2.5.5.2.
 */
export const AF_UNSPEC = 0
export const AF_INET = 2
export const AF_INET6 = 10
/** Third word of a v4-mapped address. */
export const V4_MAPPED = 0xffff
