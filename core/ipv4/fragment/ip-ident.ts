/**
 * The identification field of IPv4 packets made here: a counter for each (source, destination, protocol), hashed into
 * a table, that starts anywhere. Each worker draws from numbers of its own, so that two of them never give one
 * pair the same number at a time. Linux: net/ipv4/route.c __ip_select_ident(); RFC 6864.
 */

const BUCKETS = 2048

export type IpIdent = ReturnType<typeof createIpIdent>

export const createIpIdent = (thread: number, workers: number, random: () => number) => {
  const counters = Int32Array.from({ length: BUCKETS }, () => random())
  const seed = random()
  /** First of `segments` consecutive numbers. */
  const ipSelectIdent = (
    saddr: number,
    daddr: number,
    protocol: number,
    segments: number
  ): number => {
    let h = Math.imul(saddr ^ seed, 0x85ebca6b)
    h = Math.imul((h ^ (h >>> 15)) + daddr, 0xc2b2ae35)
    h = Math.imul((h ^ (h >>> 13)) + protocol, 0x27d4eb2f)
    const bucket = (h >>> 16) & (BUCKETS - 1)
    const id = counters[bucket]
    counters[bucket] = id + segments
    return (Math.imul(id, workers) + thread) & 0xffff
  }
  return { ipSelectIdent }
}
