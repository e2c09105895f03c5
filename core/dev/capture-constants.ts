/**
 * A capture's row: what control wants of the frames, and the program that says which. And a captured frame on its way to
 * control: a record in the ring of the thread that saw it, led by a few words.
 */
import { RING_HEADER } from '../shm/layout.ts'

/** ifindex, or 0 for every device. */
export const CAP_DEV = 0
/** CAPTURE_* bits. */
export const CAP_WAYS = 1
/** Octets of a frame that are kept at most. */
export const CAP_SNAPLEN = 2
/** Of a trace: packets that it still asks for; threads take them by Atomics. */
export const CAP_LEFT = 3
/** Another for each capture that has the row, never 0. */
export const CAP_SERIAL = 4
export const CAP_PROGRAM = 32

export const CAPTURE_IN = 1
export const CAPTURE_OUT = 2
export const CAPTURE_DROPPED = 4
/** No frame: what a stage has noted of a traced packet (trace-constants.ts). */
export const CAPTURE_TRACE = 8

// Record: its words (0: the rest of the ring is skipped), and what is known of the frame.
export const CR_WORDS = 0
/** Captures that want it (bits). */
export const CR_WANTED = 1
/** Microseconds of the monotonic clock, int32. */
export const CR_TIME_US = 2
export const CR_DEV = 3
/** One of CAPTURE_*. */
export const CR_WAY = 4
/** Drop reason, or 0. */
export const CR_REASON = 5
/** Octets of the frame, and of those that are here. */
export const CR_LEN = 6
export const CR_CAPLEN = 7
export const CR_FRAME = 8

// Ring: free-running counts of words.
export const RING_TAIL = 0
export const RING_HEAD = 32

/** Where the records begin. */
export const CAPTURE_SLOTS = RING_HEADER
