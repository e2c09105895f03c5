/**
 * sk_buff: a packet. A row of metadata in the arena plus a counted data buffer; the skb's name is the
 * word index of its row, so that a field is `i32[skb + SKB_DATA]`. 0 is no skb.
 *
 *      head            data              tail                end
 *       |   headroom    |   the packet    |     tailroom      |      all are byte offsets into the arena
 *       +---------------+-----------------+-------------------+
 *       push <- moves data down      put -> moves tail up
 *
 * Here are its words and their values; what is done with it is in skbs.ts and its parts: skb-pool.ts, skb-data.ts,
 * skb-copy.ts, skb-sender.ts. Linux: include/linux/skbuff.h.
 */
import { LARGE_BYTES, SMALL_BYTES } from '../shm/layout.ts'

// Words of a row: four cache lines. A new skb has zeroes up to SKB_CB; from there on a word says nothing before its user
// has written it.

// First line: the bytes, and what is known of them.
export const SKB_HEAD = 0
export const SKB_DATA = 1
export const SKB_TAIL = 2
export const SKB_END = 3
/** Bytes of the packet: tail - data, plus the frag list's. */
export const SKB_LEN = 4
/** Ethertype, host order. */
export const SKB_PROTOCOL = 5
/** Flow hash (int32); 0 is none. */
export const SKB_HASH = 6
/** ifindex of the device that has it now: it came in on it, or leaves by it. */
export const SKB_DEV = 7
export const SKB_MARK = 8
/** CHECKSUM_* below. */
export const SKB_IP_SUMMED = 9
/** With CHECKSUM_PARTIAL: where the sum starts (arena byte offset), and where it is stored from there. */
export const SKB_CSUM_START = 10
export const SKB_CSUM_OFFSET = 11
/** Payload bytes a segment, GSO_* type and number of segments of a super-frame; size 0 is none. */
export const SKB_GSO_SIZE = 12
export const SKB_GSO_TYPE = 13
export const SKB_GSO_SEGS = 14
/** Nexthop row the route lookup found. */
export const SKB_DST = 15

// Second line: who holds it, and its headers.
/** Socket row it is charged to, or 0. */
export const SKB_SK = 16
export const SKB_USERS = 17
export const SKB_NEXT = 18
export const SKB_PREV = 19
/** Byte offsets of the headers. */
export const SKB_MAC = 20
export const SKB_NETWORK = 21
export const SKB_TRANSPORT = 22
/** PACKET_* below. */
export const SKB_PKT_TYPE = 23
/** 802.1Q TCI of a tag taken off, or -1. */
export const SKB_VLAN = 24
/** Thread that owns the skb: finds what a dead thread held. */
export const SKB_OWNER = 25
/** SKB_OWNER of an skb that lies in a ring: who takes it out becomes its owner. */
export const OWNER_IN_RING = -1
/** Index of the data buffer. */
export const SKB_BUF = 26
/** First skb of the frag list, chained by SKB_NEXT. */
export const SKB_FRAGS = 27
/** ifindex of the device it came in on, whichever has it now; 0 when it was made here. */
export const SKB_IIF = 28
/** SKB_F_* below. */
export const SKB_FLAGS = 29
/** Where a packet that changes CPU goes on: STAGE_* below. */
export const SKB_STAGE = 30
/** Who holds it, and how many slots that was charged as (budget.ts); 0 while it is on its way. */
export const SKB_CHARGE = 31

// Third line: what queues and filters know, and the control block.
/** SO_PRIORITY, or what a filter says. */
export const SKB_PRIORITY = 32
/** Device queue it came by or is to leave by, plus one; 0 is none. */
export const SKB_QUEUE_MAPPING = 33
/** Row of its tracked connection, or 0, and how it stands to it (IP_CT_*). */
export const SKB_CT = 34
export const SKB_CT_INFO = 35
/** When it came to a socket that asks for it: TIME_MS and TIME_US (base/time.ts); both zero: unknown. */
export const SKB_TSTAMP = 36
/** Workers that have looked for a received packet's socket (bits). */
export const SKB_TRIED = 38
/** Socket that is charged for it (SK_WMEM_ALLOC) while it is on its way out, or 0. */
export const SKB_SENDER = 39
/** Control block: the words of the layer that holds the skb. */
export const SKB_CB = 40
export const SKB_CB_WORDS = 12
/** Byte offsets of the inner headers, with SKB_F_ENCAPSULATION. */
export const SKB_INNER_MAC = 52
export const SKB_INNER_NETWORK = 53
export const SKB_INNER_TRANSPORT = 54
/** Links of a queue sorted by send time, in which an skb may lie beside that of SKB_NEXT and SKB_PREV. */
export const SKB_TIME_NEXT = 55
export const SKB_TIME_PREV = 56
/** The sender's generation, and what it was charged. */
export const SKB_SENDER_GENERATION = 57
export const SKB_SENDER_CHARGE = 58
/** What was done for the options of a received IPv4 packet that has some (ipv4/options/ip-options.ts). */
export const SKB_IPOPT = 59
/** Of what has a sender: SKB_TX_* below, and the number that tells what was sent from others. */
export const SKB_TX_FLAGS = 60
export const SKB_TSKEY = 61

// SKB_FLAGS.
/** Stages write down what they decide about this packet (dev/trace.ts). */
export const SKB_F_TRACE = 1
/** The inner headers are set. */
export const SKB_F_ENCAPSULATION = 2
/** It has no octets, and somebody has been told of it (SO_PEEK_OFF). */
export const SKB_F_PEEKED = 8

// SKB_TX_FLAGS: its sender hears when it comes to a device's queue, and when to the driver (SO_TIMESTAMPING).
export const SKB_TX_SCHED = 1
export const SKB_TX_SOFTWARE = 2

// SKB_STAGE: what was done with a packet before it came to this CPU is not done again.
/** Nothing yet: a frame. */
export const STAGE_FRAME = 0
/** The link layer is done with it (taps, counters): it goes to the layer that sent it here. */
export const STAGE_RECEIVED = 1
/** It is whole, routed, and for this host. */
export const STAGE_DELIVER = 2
/** Its transport has checked it and looks for the socket. */
export const STAGE_SOCKET = 3

export const CHECKSUM_NONE = 0
export const CHECKSUM_UNNECESSARY = 1
export const CHECKSUM_PARTIAL = 3

export const GSO_TCPV4 = 1
export const GSO_UDP_L4 = 5
export const GSO_TCPV6 = 4
export const GSO_ECN = 0x80
/** CWR is part of the ACE field (RFC 9768): every segment has it. No device that makes segments of its own can be told. */
export const GSO_ACCECN = 0x100

export const PACKET_HOST = 0
export const PACKET_BROADCAST = 1
export const PACKET_MULTICAST = 2
export const PACKET_OTHERHOST = 3
export const PACKET_OUTGOING = 4
/** Our own broadcast or multicast, received again. */
export const PACKET_LOOPBACK = 5

/** Room left in front of a received frame (NET_SKB_PAD and the vnet header); 2 mod 16 so that IP is aligned. */
export const RX_HEADROOM = 130
/** Room left in front of a transport payload: the largest stack of headers we push. */
export const MAX_HEADER = 192
/** Largest packet each class takes behind RX_HEADROOM. */
export const SMALL_ROOM = SMALL_BYTES - RX_HEADROOM
export const LARGE_ROOM = LARGE_BYTES - RX_HEADROOM
