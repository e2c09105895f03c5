/**
 * What a stage writes down of a traced packet: a record in the ring of captured frames (capture-constants.ts, CAPTURE_TRACE)
 * whose frame are these words, and the octets of the packet where a stage shows them.
 */
import { MAX_CAPTURES } from '../shm/layout.ts'

/** Number of the packet: what a packet leads to (an answer, a solicitation) has the number of what led to it. */
export const TR_ID = 0
/** One of TRACE_*. */
export const TR_STAGE = 1
/** 1: it is not the packet that was asked for, but one that it led to. */
export const TR_ANSWER = 2
/** Words of the stage, as listed with TRACE_*. */
export const TR_ARG = 4
/** All of them: octets of a packet follow. */
export const TR_WORDS = TR_ARG + 20
/** Octets of a packet that a stage shows. */
export const TRACE_SNAPLEN = 192

/** It came in: flow hash, PACKET_*, segments, octets, VLAN TCI or -1. Octets: the frame. */
export const TRACE_RX = 1
/** It came from another CPU: where it goes on (STAGE_*). */
export const TRACE_RESUME = 2
/** At a hook: hook, family, in and out device. */
export const TRACE_HOOK = 3
/**
 * The route it has: type, device, MTU, length of the prefix, table, metric, family of the gateway, then the destination and
 * the gateway, four words each, and the hook where it is seen.
 */
export const TRACE_ROUTE = 4
/** Its next hop: device, state (-1: nobody knows it), MAC address (high, low), then the address, four words. */
export const TRACE_NEIGH = 5
/** Somebody keeps it: Holder.*. */
export const TRACE_HOLD = 6
/** It leaves: segments, octets. Octets: the frame. */
export const TRACE_XMIT = 7
/** It dies: drop reason. */
export const TRACE_DROP = 8
// SKB_FLAGS of a traced packet, beside SKB_F_TRACE: its number, and the captures (bits) that follow it.
export const TRACE_ANSWER_BIT = 4
export const TRACE_ID_SHIFT = 4
export const TRACE_ID_MASK = 0xfffff
export const TRACE_WANTED_SHIFT = 32 - MAX_CAPTURES
/** All of SKB_FLAGS that tracing uses. */
export const TRACE_FLAGS = ~0xb
