/**
 * The constants of include/net/tcp.h: times, sizes and the bits of tcp_fastopen.
 */

// tcp_fastopen.
export const TFO_CLIENT_ENABLE = 1
export const TFO_SERVER_ENABLE = 2
export const TFO_CLIENT_NO_COOKIE = 4
export const TFO_SERVER_COOKIE_NOT_REQD = 0x200
export const TFO_SERVER_WO_SOCKOPT1 = 0x400

// Milliseconds.
export const TCP_RTO_MIN = 200
/** When the SYN was lost: nothing is known of the path. */
export const TCP_TIMEOUT_FALLBACK = 3000
/** What tcp_rto_max_ms may have at most. */
export const TCP_RTO_MAX = 120_000
/** No timer that waits for the network waits for less. */
export const TCP_TIMEOUT_MIN = 2
export const TCP_TIMEOUT_INIT = 1000
/** A delayed acknowledgement waits this long at least, and at first; and at most. */
export const TCP_DELACK_MIN = 40
export const TCP_ATO_MIN = TCP_DELACK_MIN
export const TCP_DELACK_MAX = 200
export const TCP_TIMEWAIT_LEN = 60_000
export const TCP_RESOURCE_PROBE_INTERVAL = 500
/** RFC 7323 section 5.5: ts_recent older than this is void. */
export const TCP_PAWS_24DAYS = 24 * 24 * 3600

export const TCP_INIT_CWND = 10
export const TCP_MSS_DEFAULT = 536
export const TCP_MIN_MSS = 88
export const TCP_MAX_QUICKACKS = 16
export const TCP_INFINITE_SSTHRESH = 0x7fffffff
export const TCP_NUM_SACKS_MAX = 4
/** SACK blocks that a peer may count on to be told. */
export const TCP_SACK_BLOCKS_EXPECTED = 2
/** Duplicate acknowledgements by which a peer without RACK begins to send again. */
export const TCP_FASTRETRANS_THRESH = 3
