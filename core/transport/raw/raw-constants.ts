/** The words of a raw socket's row that are its own (struct raw_sock, struct raw6_sock). */
import { SK_PROTO } from '../../socket/sock.ts'

/** 1: what it sends has its IP header (IP_HDRINCL). */
export const RAW_HDRINCL = SK_PROTO
/** One more than where the checksum of its messages stands; 0: they have none that is looked at (IPV6_CHECKSUM). */
export const RAW_CHECKSUM = SK_PROTO + 1
/** ICMP types that it does not want: a bit each, in eight words. */
export const RAW_FILTER = SK_PROTO + 2
export const RAW_FILTER_WORDS = 8
