/**
 * The words of what a worker has learned of destinations, in its part of shared memory: path MTUs (pmtu.ts) and next hops of redirects
 * (redirects.ts) write them, `ip route get` reads them (learned.ts). Linux: struct fib_nh_exception (include/net/ip_fib.h).
 */

/** First four words of both: the destination. */
export const PMTU_MTU = 4
/** Jiffies when it ends. */
export const PMTU_EXPIRES = 5
/** 1: it is not lowered any more. */
export const PMTU_LOCKED = 6
export const PMTU_L3MDEV = 7

/** The route's row; 0: free. */
export const REDIRECT_ROW = 4
export const REDIRECT_GENERATION = 5
export const REDIRECT_EXPIRES = 6
