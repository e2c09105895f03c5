/**
 * tcp_sock: the words of a socket row that are TCP's, from SK_PROTO on, with the names of RFC 9293 and of
 * Linux (include/linux/tcp.h, inet_connection_sock.h). The worker that owns the row writes them, any thread
 * reads them (tcp-info.ts shows them as ss does). Sequence numbers are int32 on the circle; 64-bit totals are two
 * words.
 */
import { SK_PROTO } from '../../../socket/sock.ts'

const TP = SK_PROTO

// What the fast path touches lies together, in the first three cache lines.
export const TP_RCV_NXT = TP
export const TP_COPIED_SEQ = TP + 1
/** rcv_nxt when the last window was sent, and that window. */
export const TP_RCV_WUP = TP + 2
export const TP_RCV_WND = TP + 3
export const TP_SND_UNA = TP + 4
export const TP_SND_NXT = TP + 5
export const TP_SND_WND = TP + 6
/** Sequence of the segment that last updated the send window. */
export const TP_SND_WL1 = TP + 7
export const TP_MAX_WINDOW = TP + 8
/** Payload of a full segment, timestamps taken off. */
export const TP_MSS_CACHE = TP + 9
/** Behind the last byte that the application wrote. */
export const TP_WRITE_SEQ = TP + 10
export const TP_PUSHED_SEQ = TP + 11
/** End of the last small segment sent (Minshall's Nagle). */
export const TP_SND_SML = TP + 12
export const TP_SND_WSCALE = TP + 13
export const TP_RCV_WSCALE = TP + 14
/** TCPI_OPT_*: what was negotiated. */
export const TP_OPTS = TP + 15
export const TP_TS_RECENT = TP + 16
/** Seconds when ts_recent was stored. */
export const TP_TS_RECENT_STAMP = TP + 17
export const TP_TS_OFFSET = TP + 18
/** 20, or 32 with timestamps. */
export const TP_HEADER_LEN = TP + 19
export const TP_RCV_SSTHRESH = TP + 20
export const TP_WINDOW_CLAMP = TP + 21
/** Estimate of the peer's segment size, for delayed acknowledgements. */
export const TP_RCV_MSS = TP + 22
/** Delayed acknowledgement: estimate, arrival of the last data, quick ones left, ACK_* bits, pingpong. */
export const TP_ATO = TP + 23
export const TP_LRCVTIME = TP + 24
export const TP_QUICK = TP + 25
export const TP_ACK_PENDING = TP + 26
export const TP_PINGPONG = TP + 27
export const TP_DELACK_TIMEOUT = TP + 28
/** Retransmission: timeout now (ms), Jacobson's estimate (8 * us), deviation, and so on (tcp-rtt.ts). */
export const TP_RTO = TP + 29
export const TP_SRTT_US = TP + 30
export const TP_MDEV_US = TP + 31
export const TP_MDEV_MAX_US = TP + 32
export const TP_RTTVAR_US = TP + 33
export const TP_RTT_SEQ = TP + 34
export const TP_MIN_RTT_US = TP + 35
export const TP_RETRANSMITS = TP + 36
export const TP_BACKOFF = TP + 37
/** Which event the retransmission timer stands for, and when it is due. */
export const TP_PENDING = TP + 38
export const TP_TIMEOUT = TP + 39
export const TP_PROBES_OUT = TP + 40
/** Segments: sent and not acknowledged, of those retransmitted, SACKed, thought lost. */
export const TP_PACKETS_OUT = TP + 41
export const TP_RETRANS_OUT = TP + 42
export const TP_SACKED_OUT = TP + 43
export const TP_LOST_OUT = TP + 44
export const TP_SND_CWND = TP + 45
export const TP_SND_CWND_CNT = TP + 46
export const TP_SND_SSTHRESH = TP + 47
export const TP_PRIOR_CWND = TP + 48
export const TP_PRIOR_SSTHRESH = TP + 49
export const TP_MAX_PACKETS_OUT = TP + 50
export const TP_CWND_USAGE_SEQ = TP + 51
export const TP_IS_CWND_LIMITED = TP + 52
/** TCP_CA_*; which congestion control (tcp-cong.ts). */
export const TP_CA_STATE = TP + 53
export const TP_CA_OPS = TP + 54
/** snd_nxt when recovery began. */
export const TP_HIGH_SEQ = TP + 55
export const TP_REORDERING = TP + 56
export const TP_UNDO_MARKER = TP + 57
export const TP_UNDO_RETRANS = TP + 58
export const TP_RETRANS_STAMP = TP + 59
/** The write queue, oldest first: sent and unacknowledged up to SEND_HEAD, unsent from there. */
export const TP_WQ_HEAD = TP + 60
export const TP_WQ_TAIL = TP + 61
export const TP_SEND_HEAD = TP + 62
/** Small and large buffers that it holds. */
export const TP_WQ_SMALLS = TP + 337
export const TP_WQ_LARGES = TP + 338
/** Since when it was refused its minimum for receiving, for sending (ms); 0 is never. */
export const TP_RMEM_SHORT = TP + 339
export const TP_WMEM_SHORT = TP + 340
/** Acknowledgements that wait for others (tcp-compressed-ack.ts), for which RCV_NXT, how many went at once; their timer, four words. */
export const TP_COMPRESSED_ACK = TP + 341
export const TP_COMPRESSED_ACK_RCV_NXT = TP + 342
export const TP_DUP_ACK_COUNTER = TP + 343
export const TP_TIMER_COMPRESSED_ACK = TP + 344
/** Out-of-order queue, by sequence. */
export const TP_OFO_HEAD = TP + 63
export const TP_OFO_TAIL = TP + 64
export const TP_OFO_LEN = TP + 65
/** SACK blocks to send, most recent first: count, then (start, end) four times. */
export const TP_NUM_SACKS = TP + 66
export const TP_SACKS = TP + 67
/** A duplicate to report (RFC 2883): set, start, end. */
export const TP_DSACK = TP + 75
export const TP_DSACK_START = TP + 76
export const TP_DSACK_END = TP + 77
/** Time of the last data sent, and of the last ACK received (ms). */
export const TP_LSNDTIME = TP + 78
export const TP_RCV_TSTAMP = TP + 79
export const TP_SND_ISN = TP + 80
export const TP_RCV_ISN = TP + 81
export const TP_ADVMSS = TP + 82
/** The peer's MSS option, and TCP_MAXSEG of the user. */
export const TP_MSS_CLAMP = TP + 83
export const TP_USER_MSS = TP + 84
/** Path MTU that mss_cache was computed from. */
export const TP_PMTU = TP + 85
/** TCP_NAGLE_* bits. */
export const TP_NONAGLE = TP + 86
/** SO_LINGER's seconds (with SOCK_LINGER), TCP_LINGER2's. */
export const TP_LINGER = TP + 87
export const TP_LINGER2 = TP + 88
/** Seconds, seconds, number; 0 is the sysctl's. */
export const TP_KEEPALIVE_TIME = TP + 89
export const TP_KEEPALIVE_INTVL = TP + 90
export const TP_KEEPALIVE_PROBES = TP + 91
export const TP_SYN_RETRIES = TP + 92
/** TCP_USER_TIMEOUT, ms. */
export const TP_USER_TIMEOUT = TP + 93
/** Events to be told when the segment is done. */
export const TP_EVENTS = TP + 95
/** Receive buffer tuning (DRS): payload share of truesize * 256; copied per RTT; RTT at the receiver. */
export const TP_SCALING_RATIO = TP + 96
export const TP_RCVQ_SPACE = TP + 97
export const TP_RCVQ_SEQ = TP + 98
export const TP_RCVQ_TIME = TP + 99
export const TP_RCV_RTT_US = TP + 100
export const TP_RCV_RTT_SEQ = TP + 101
export const TP_RCV_RTT_TIME = TP + 102
export const TP_RCV_RTT_LAST_TSECR = TP + 103
/** RFC 5961 rate limit: when the last challenge or duplicate ACK was sent (ms), and that one was. */
export const TP_LAST_OOW_ACK = TP + 104
export const TP_OOW_ACKED = TP + 105
/** TIME_WAIT: state before it, chain of all of them by age, timeout (ms). */
export const TP_TW_SUBSTATE = TP + 106
export const TP_TW_NEXT = TP + 107
export const TP_TW_PREV = TP + 108
/** When it was entered (ms). */
export const TP_TW_ENTRY_STAMP = TP + 142
/** Listener: request sockets, and those of them whose SYN-ACK was not yet repeated. */
export const TP_REQ_LEN = TP + 109
export const TP_REQ_YOUNG = TP + 110
export const TP_REQ_HEAD = TP + 111
/** Request socket: chain of its listener. */
export const TP_REQ_NEXT = TP + 112
export const TP_REQ_PREV = TP + 113
/** 1 while it counts as an orphan. */
export const TP_ORPHANED = TP + 138
/** Chain of the sockets with segments out of order, by how long their first hole has been open. */
export const TP_OFO_OLDER = TP + 139
export const TP_OFO_NEWER = TP + 140
/** When data was last sent, or when the next may be, us (tcp_wstamp_ns). */
export const TP_WSTAMP_US = TP + 177
/** Sent skbs that are neither reported nor thought lost, by the time they were last sent (tcp-sent-order.ts). */
export const TP_SENT_HEAD = TP + 178
export const TP_SENT_TAIL = TP + 179
/** RACK: when what was sent last of all that has arrived was sent (us), its end, and its round trip. */
export const TP_RACK_MSTAMP_US = TP + 180
export const TP_RACK_END_SEQ = TP + 181
export const TP_RACK_RTT_US = TP + 182
/** That has moved since losses were last looked for. */
export const TP_RACK_ADVANCED = TP + 183
/** Reordering window in quarters of the least round trip (0 is one), and recoveries that it stays at that. */
export const TP_RACK_REO_STEPS = TP + 184
export const TP_RACK_REO_PERSIST = TP + 185
/** A duplicate was reported in this round; segments delivered when the window was last widened. */
export const TP_RACK_DSACK_SEEN = TP + 186
export const TP_RACK_LAST_DELIVERED = TP + 187
/** Times that reordering was seen. */
export const TP_REORD_SEEN = TP + 188
/** Tail loss probe: snd_nxt when it was sent, 0 is none; it was a retransmission. */
export const TP_TLP_HIGH_SEQ = TP + 189
export const TP_TLP_RETRANS = TP + 190
/** Proportional rate reduction: segments delivered and sent since it began. */
export const TP_PRR_DELIVERED = TP + 191
export const TP_PRR_OUT = TP + 192
/** A timeout may have been spurious (F-RTO). */
export const TP_FRTO = TP + 193
/** End of the highest segment that was reported, while any is. */
export const TP_FACK = TP + 194
/** Delivery rate: when TP_DELIVERED last rose, and when the flight that is measured began (us). */
export const TP_DELIVERED_US = TP + 195
export const TP_FIRST_TX_US = TP + 196
/** Until so many are delivered the application, not the path, is what is measured; 0 is not. */
export const TP_APP_LIMITED = TP + 197
/** The last sample: segments in an interval (us). */
export const TP_RATE_DELIVERED = TP + 198
export const TP_RATE_INTERVAL_US = TP + 199
/** It was of the path: the application had more to send all along. */
export const TP_RATE_OF_PATH = TP + 260
/** Most segments in flight since TP_SND_CWND_STAMP, when the window was last filled or set (ms). */
export const TP_SND_CWND_USED = TP + 114
export const TP_SND_CWND_STAMP = TP + 300
/** The device the size goal was computed for, and its limit. */
export const TP_GSO_MAX = TP + 115
/** chrono: what the sender waits for (TCP_CHRONO_*), since when (us), totals in us. */
export const TP_CHRONO = TP + 116
export const TP_CHRONO_START = TP + 117
export const TP_CHRONO_BUSY = TP + 118
export const TP_CHRONO_RWND = TP + 119
export const TP_CHRONO_SNDBUF = TP + 120
/** Totals: 32-bit ones, then 64-bit ones in two words each (low, high). */
export const TP_SEGS_IN = TP + 121
export const TP_SEGS_OUT = TP + 122
export const TP_DATA_SEGS_IN = TP + 123
export const TP_DATA_SEGS_OUT = TP + 124
export const TP_TOTAL_RETRANS = TP + 125
export const TP_DELIVERED = TP + 126
export const TP_DSACK_DUPS = TP + 127
export const TP_LOST = TP + 128
export const TP_LAST_SEG_SIZE = TP + 129
export const TP_BYTES_SENT = TP + 130
export const TP_BYTES_RETRANS = TP + 132
export const TP_BYTES_ACKED = TP + 134
export const TP_BYTES_RECEIVED = TP + 136
/** 1 from the algorithm's init to its release. */
export const TP_CA_INITIALIZED = TP + 143
/** Congestion control's private words (icsk_ca_priv). */
export const TP_CA_PRIV = TP + 144
export const TP_CA_PRIV_WORDS = 32
/** TCP_NOTSENT_LOWAT, octets (uint32); 0 is the sysctl's. */
export const TP_NOTSENT_LOWAT = TP + 200
/** ECN_* below; segments that the peer has reported as marked, or delivered under an acknowledgement with ECE. */
export const TP_ECN = TP + 201
export const TP_DELIVERED_CE = TP + 202
/** Fast Open: FO_* below. */
export const TP_FASTOPEN = TP + 203
/** Listener: children that have not finished their handshakes, or were reset before it, and how many there may be. */
export const TP_FO_QLEN = TP + 204
export const TP_FO_MAX_QLEN = TP + 205
/** Child: its listener, and that one's cookie, since it may have closed. */
export const TP_FO_LISTENER = TP + 206
export const TP_FO_LISTENER_COOKIE = TP + 207
/** TCP_FASTOPEN_KEY: four words of a key, four of an old one, and how many of them are set. */
export const TP_FO_KEYS = TP + 208

/** AccECN (RFC 9768): what the IP-ECN field of our SYN or SYN-ACK was, and that of the peer's when it arrived. */
export const TP_SYN_ECT_SNT = TP + 220
export const TP_SYN_ECT_RCV = TP + 221
/** Segments that arrived marked (r.cep of section 3.2.1, from 0), and those of them that no segment of ours has told of. */
export const TP_RECEIVED_CE = TP + 222
export const TP_RECEIVED_CE_PENDING = TP + 223
/** The IP-ECN field of the last segment that arrived. */
export const TP_PREV_ECNFIELD = TP + 224
/** ACCECN_* below. */
export const TP_ACCECN_FAIL = TP + 225
/** How many segments an acknowledgement delivers, a moving average in 64ths. */
export const TP_PKTS_ACKED_EWMA = TP + 226
/** Its option: ACCECN_OPT_* below, of the peer's. */
export const TP_SAW_ACCECN_OPT = TP + 227
/** How many fields the next must have for what has changed to be among them; for so many segments it is due. */
export const TP_ACCECN_MINLEN = TP + 228
export const TP_ACCECN_OPT_DEMAND = TP + 229
/** When it went last (us). */
export const TP_ACCECN_OPT_TSTAMP = TP + 230
/** 1: the segment that it went with last reported a duplicate, which ended there. */
export const TP_ACCECN_OPT_DSACK = TP + 238
export const TP_ACCECN_OPT_DSACK_END = TP + 239
/** The IP-ECN field whose count rose when it last came, which stands for what comes without it; 0: none or several. */
export const TP_EST_ECNFIELD = TP + 231
/** Octets of text that arrived with an IP-ECN field of 1, 2 and 3, and that the peer says to have received so. */
export const TP_RECEIVED_ECN_BYTES = TP + 232
export const TP_DELIVERED_ECN_BYTES = TP + 235

/** PACING_* below; octets a second that it could send (uint32), as the last acknowledgement or the congestion control has it, or 0. */
export const TP_PACING = TP + 301
export const TP_PACING_RATE = TP + 302
/** SO_MAX_PACING_RATE, its bits turned over: 0 is no limit. */
export const TP_MAX_PACING_RATE = TP + 303
/** Timer, four words. */
export const TP_TIMER_PACING = TP + 304

/** SO_TIMESTAMPING: SOF_TIMESTAMPING_* bits, and the octet that they count from. */
export const TP_TSFLAGS = TP + 320
export const TP_TSKEY = TP + 321
/** Calls with MSG_ZEROCOPY so far (sk_zckey). */
export const TP_ZCKEY = TP + 322
/** Probing for the path MTU: it is, sizes of packets that are not known to pass and that are, the probe's (0 is none). */
export const TP_MTUP_ENABLED = TP + 330
export const TP_MTUP_HIGH = TP + 331
export const TP_MTUP_LOW = TP + 332
export const TP_MTUP_PROBE = TP + 333
/** Sequence of the probe, and when the search began (ms). */
export const TP_MTUP_PROBE_START = TP + 334
export const TP_MTUP_PROBE_END = TP + 335
export const TP_MTUP_STAMP = TP + 336
/** Urgent data received: where its mark is, and the octet there with TCP_URG_* below; 0 is none. */
export const TP_URG_SEQ = TP + 310
export const TP_URG_DATA = TP + 311
/** Sent: the sequence number behind it, and 1 while that may not be acknowledged. */
export const TP_SND_UP = TP + 312
export const TP_URG_OUT = TP + 313
/** The TOS of the segment that made the connection, of IPv6 then of the last in order; before it, of IPv6, the flow label (tcp-pktoptions.ts). */
export const TP_RCV_FLOW = TP + 314
/** Segments that came out of order. */
export const TP_RCV_OOOPACK = TP + 315
/** Signatures (RFC 2385): the first of the socket's keys (tcp-md5.ts); 0 is none. */
export const TP_MD5 = TP + 316
/** When the closed window was first probed (ms); 0 is not. */
export const TP_PROBES_TSTAMP = TP + 317
/** The least and the most of its timeout, ms: the sysctls' when it was made, or TCP_RTO_MIN_US's and TCP_RTO_MAX_MS's. */
export const TP_RTO_MIN = TP + 323
export const TP_RTO_MAX = TP + 324
/** TCP_DEFER_ACCEPT: retransmissions of the SYN-ACK for which text is waited; request: its ACK has come meanwhile. */
export const TP_DEFER_ACCEPT = TP + 318
export const TP_REQ_ACKED = TP + 319

// TP_URG_DATA, above the octet.
export const TCP_URG_VALID = 0x100
export const TCP_URG_NOTYET = 0x200
export const TCP_URG_READ = 0x400

// TP_OPTS (TCPI_OPT_* of include/uapi/linux/tcp.h).
export const OPT_TIMESTAMPS = 1
export const OPT_SACK = 2
export const OPT_WSCALE = 4

// TP_ECN (Linux: ecn_flags).
/** RFC 3168's feedback was agreed on. */
export const ECN_MODE_RFC3168 = 1
/** Our next new text carries CWR. */
export const ECN_QUEUE_CWR = 2
/** Acknowledgements carry ECE until the peer's CWR. */
export const ECN_DEMAND_CWR = 4
/** The peer sends ECN-capable text. */
export const ECN_SEEN = 8
/** RFC 9768's was; with ECN_MODE_RFC3168: the SYN asks for it, and either may come of that. */
export const ECN_MODE_ACCECN = 16
/** With AccECN: the path clears the ACE field, so it says nothing. */
export const ECN_NO_ACE = 32
export const ECN_MODE_ANY = ECN_MODE_RFC3168 | ECN_MODE_ACCECN

// TP_ACCECN_FAIL (TCP_ACCECN_* of include/uapi/linux/tcp.h).
/** What our ACE field says does not arrive; the peer's is not to be believed. */
export const ACCECN_ACE_FAIL_SEND = 1
export const ACCECN_ACE_FAIL_RECV = 2
/** What has our option does not arrive; the peer's is not to be believed. */
export const ACCECN_OPT_FAIL_SEND = 4
export const ACCECN_OPT_FAIL_RECV = 8

// TP_SAW_ACCECN_OPT.
export const ACCECN_OPT_EMPTY_SEEN = 1
export const ACCECN_OPT_COUNTER_SEEN = 2
/** It came with a counter of 0, where none begins. */
export const ACCECN_OPT_FAIL_SEEN = 3

// TP_PACING.
/** It sends no faster than its rate (SK_PACING_NEEDED). */
export const PACING_NEEDED = 1

// TP_FASTOPEN.
/** Its SYN has made it; it may be used while the SYN-ACK is on its way (Linux: fastopen_rsk). */
export const FO_PASSIVE = 1
/** What came with the SYN was taken (TCPI_OPT_SYN_DATA). */
export const FO_SYN_DATA_ACKED = 2
/** TCP_FASTOPEN_NO_COOKIE. */
export const FO_NO_COOKIE = 4
/** TCP_FASTOPEN_CONNECT. */
export const FO_CONNECT = 8
/** connect() has put its SYN off until there is text to go with it (DEFER_CONNECT). */
export const FO_DEFER = 16
/** Our SYN had the option (syn_fastopen), by its old number (syn_fastopen_exp), and text (syn_data). */
export const FO_SYN = 32
export const FO_SYN_EXP = 64
export const FO_SYN_DATA = 128
/** It tries whether what was found to swallow Fast Open still does (syn_fastopen_ch). */
export const FO_CHECK = 256
/** What the user has set. */
export const FO_USER = FO_NO_COOKIE | FO_CONNECT

// TP_ACK_PENDING.
export const ACK_SCHED = 1
export const ACK_TIMER = 2
export const ACK_PUSHED = 4
export const ACK_PUSHED2 = 8
export const ACK_NOW = 16

// TP_PENDING.
export const ICSK_TIME_RETRANS = 1
export const ICSK_TIME_PROBE0 = 3
export const ICSK_TIME_LOSS_PROBE = 5
export const ICSK_TIME_REO_TIMEOUT = 6

// TP_NONAGLE.
export const TCP_NAGLE_OFF = 1
export const TCP_NAGLE_CORK = 2
export const TCP_NAGLE_PUSH = 4

// TP_CA_STATE.
export const TCP_CA_OPEN = 0
export const TCP_CA_DISORDER = 1
export const TCP_CA_CWR = 2
export const TCP_CA_RECOVERY = 3
export const TCP_CA_LOSS = 4

// TP_CHRONO.
export const CHRONO_NONE = 0
export const CHRONO_BUSY = 1
export const CHRONO_RWND = 2
export const CHRONO_SNDBUF = 3
