/**
 * Words of a nexthop row: where a route leads, and what `ip route get` says of it (Linux: fib_info and fib_nh).
 * Control writes a row before any trie names it and never changes it after; rows are shared by all routes that
 * say the same. A row's name is its word index. Rows 1..devices-1 of the region are the on-link rows of the
 * devices of that ifindex, there from boot, for packets bound to a device that no route leads to.
 */

/** Odd while the row is live. */
export const NH_GENERATION = 0
/** RTN_* */
export const NH_TYPE = 1
export const NH_DEV = 2
/** AF_* of the gateway; 0 when the destination is on link. */
export const NH_FAMILY = 3
export const NH_GATEWAY = 4
/** The route's preferred source; zero: chosen by address selection. */
export const NH_PREFSRC = 8
/** RT_SCOPE_* */
export const NH_SCOPE = 12
/** 0: the device's. */
export const NH_MTU = 13
/** RTNH_F_* */
export const NH_FLAGS = 14
export const NH_TABLE = 15
export const NH_PROTOCOL = 16
export const NH_METRIC = 17
// 18 is NH_METRICS (shm/dst-metrics.ts).
/** Row of the same route's next hop, then of the same prefix's next route (larger metric, or another device), or 0. */
export const NH_NEXT = 20
/** Length of the prefixes that lead here. */
export const NH_PLEN = 21
/** Of a resilient group: its first bucket and how many they are (control/routes/nexthop-buckets.ts). Zeros where there are none. */
export const NH_BUCKETS = 22
export const NH_BUCKET_COUNT = 23
/**
 * Of a route with several next hops, which are rows one behind the other: how many of them follow, the weight of this one,
 * and the largest hash (of 31 bits) that goes by it: -1 is none, its device is down. A single next hop has zeros.
 */
export const NH_HOPS_LEFT = 24
export const NH_WEIGHT = 25
export const NH_UPPER_BOUND = 26
/**
 * A route by a nexthop object (`nhid`) begins with a row that says so: NH_UPPER_BOUND is NH_BY_ID, NH_ID the object, NH_FAMILY the
 * route's, and behind it stand the rows of the object's next hops, NH_HOPS_LEFT of them; those name the objects that they are of. It is the one row that
 * changes: a replaced object turns it over to other next hops, for all routes at once. NH_TYPE is what is done now,
 * NH_OWN_TYPE what the route says: an object may be a blackhole, whose next hop is lo.
 */
export const NH_ID = 27
export const NH_OWN_TYPE = 28
export const NH_BY_ID = -2

/** Shown alone: the device is down. */
export const RTNH_F_DEAD = 1

export const RTNH_F_ONLINK = 4
/** Shown alone: the device has no carrier. */
export const RTNH_F_LINKDOWN = 16

// include/uapi/linux/rtnetlink.h
export const RT_SCOPE_UNIVERSE = 0
export const RT_SCOPE_SITE = 200
export const RT_SCOPE_LINK = 253
export const RT_SCOPE_HOST = 254

export const RT_TABLE_DEFAULT = 253
export const RT_TABLE_MAIN = 254
export const RT_TABLE_LOCAL = 255

export const RTPROT_KERNEL = 2
export const RTPROT_BOOT = 3
export const RTPROT_STATIC = 4
export const RTPROT_RA = 9

/** lo is the first device, as in Linux: what is for this host goes through it. */
export const LOOPBACK_IFINDEX = 1
