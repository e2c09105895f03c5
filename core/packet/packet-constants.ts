/** The words of a packet socket's row that are its own (struct packet_sock). Its device is SK_BOUND_DEV, its protocol SK_NUM. */
import { SK_PROTO } from '../socket/sock.ts'

/** PK_F_* */
export const PK_FLAGS = SK_PROTO
/** Packets that came for it, and those of them that found no room, since they were asked for last. */
export const PK_PACKETS = SK_PROTO + 1
export const PK_DROPS = SK_PROTO + 2

export const PK_F_AUXDATA = 1
export const PK_F_IGNORE_OUTGOING = 2
/** It is in a fanout group. */
export const PK_F_FANOUT = 4
