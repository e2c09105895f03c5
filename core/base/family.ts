/**
 * Address families, and how an address of either travels: four int32 words in network order at (words, at), IPv4 as
 * v4-mapped IPv6. Linux: include/linux/socket.h; RFC 4291 section 2.5.5.2.
 */
export const AF_INET = 2
export const AF_INET6 = 10
export const AF_PACKET = 17
/** Third word of a v4-mapped address. */
export const V4_MAPPED = 0xffff

/** The address at (words, at) is an IPv4 one. */
export const isV4Mapped = (words: Int32Array, at: number): boolean =>
  (words[at] | words[at + 1]) === 0 && words[at + 2] === V4_MAPPED
/** An address that is one on its link alone, so that it takes the link's device to say whose (RFC 4007): fe80::/10, ff01::, ff02::. */
export const needsZone = (words: Int32Array, at: number): boolean => {
  const first = words[at]
  return first >>> 22 === 0x3fa || (first >>> 24 === 0xff && ((first >>> 16) & 15) <= 2)
}
/** It is the wildcard of either family. */
export const isAnyAddr = (words: Int32Array, at: number): boolean =>
  (words[at] | words[at + 1] | words[at + 3]) === 0 &&
  (words[at + 2] === 0 || words[at + 2] === V4_MAPPED)
/** It is a multicast group's. */
export const isGroupAddr = (words: Int32Array, at: number): boolean =>
  isV4Mapped(words, at) ? words[at + 3] >>> 28 === 14 : words[at] >>> 24 === 0xff
/** Its family. */
export const familyOf = (words: Int32Array, at: number): number =>
  isV4Mapped(words, at) ? AF_INET : AF_INET6
export const copyAddr = (to: Int32Array, toAt: number, words: Int32Array, at: number): void => {
  to[toAt] = words[at]
  to[toAt + 1] = words[at + 1]
  to[toAt + 2] = words[at + 2]
  to[toAt + 3] = words[at + 3]
}
export const clearAddr = (to: Int32Array, at: number): void => {
  to[at] = to[at + 1] = to[at + 2] = to[at + 3] = 0
}
export const isSameAddr = (a: Int32Array, at: number, b: Int32Array, bt: number): boolean =>
  a[at + 3] === b[bt + 3] && a[at + 2] === b[bt + 2] && a[at + 1] === b[bt + 1] && a[at] === b[bt]
