/**
 * Captures: who wants to see which frames, and the way of the frames from the threads' rings to them. A capture is a row of
 * shared memory and a function that takes its frames; `poll` is called by who captures, as often as it likes. Control
 * thread. The threads' side: dev/capture.ts.
 */
import { Errno } from '../../base/errno.ts'
import {
  CAP_DEV,
  CAP_LEFT,
  CAP_PROGRAM,
  CAP_SERIAL,
  CAP_SNAPLEN,
  CAP_WAYS,
  CAPTURE_DROPPED,
  CAPTURE_SLOTS,
  CAPTURE_TRACE,
  CR_CAPLEN,
  CR_DEV,
  CR_FRAME,
  CR_LEN,
  CR_REASON,
  CR_TIME_US,
  CR_WANTED,
  CR_WAY,
  CR_WORDS,
  RING_HEAD,
  RING_TAIL,
} from '../../dev/capture-constants.ts'
import type { Arena } from '../../shm/arena.ts'
import { captureRing, captureRow } from '../../shm/arena.ts'
import { G_CAPTURE_DROPS, G_CAPTURES, G_TRACES, MAX_CAPTURES } from '../../shm/layout.ts'
import type { Publisher } from '../rtnl/publish.ts'

/** A frame that somebody captures; to be read at once. */
export type CapturedFrame = {
  /** Thread that saw it: a worker's number, or a nic thread's. */
  cpu: number
  /** Monotonic microseconds. */
  timeUs: number
  ifindex: number
  /** One of CAPTURE_*. */
  way: number
  /** Drop reason, 0 for none. */
  reason: number
  /** Octets of the frame; `bytes` may be fewer. */
  len: number
  bytes: Uint8Array
}
type CaptureWanted = {
  /** 0: all of them. */
  ifindex: number
  /** CAPTURE_* bits. */
  ways: number
  snapLen: number
  /** Checked (bpf/bpf-check.ts). */
  program: Int32Array
  /** Of a trace: packets that it asks for. */
  packets?: number
}

type CapturesDeps = { arena: Arena; nowUs: () => number } & Pick<
  Publisher,
  'retire' | 'raise' | 'publish'
>

export const createCaptures = ({ arena, nowUs, retire, raise, publish }: CapturesDeps) => {
  const { i32, u8, layout } = arena
  const mask = layout.config.captureRing - 1
  const threads = layout.appThread
  const takers: (((frame: CapturedFrame) => void) | null)[] = new Array(MAX_CAPTURES).fill(null)
  /** Traces that ask for packets already. */
  const hasStarted: boolean[] = new Array(MAX_CAPTURES).fill(false)
  let serial = 0
  /** Rows whose program a thread may still be in. */
  const resting = new Set<number>()
  const frame: CapturedFrame = {
    cpu: 0,
    timeUs: 0,
    ifindex: 0,
    way: 0,
    reason: 0,
    len: 0,
    bytes: u8.subarray(0, 0),
  }

  const tell = (thread: number, record: number, now: number): void => {
    frame.cpu = thread
    frame.timeUs = now - (((now | 0) - i32[record + CR_TIME_US]) | 0)
    frame.ifindex = i32[record + CR_DEV]
    frame.way = i32[record + CR_WAY]
    frame.reason = i32[record + CR_REASON]
    frame.len = i32[record + CR_LEN]
    const at = (record + CR_FRAME) << 2
    frame.bytes = u8.subarray(at, at + i32[record + CR_CAPLEN])
    for (let k = 0; k < MAX_CAPTURES; k++) {
      if ((i32[record + CR_WANTED] & (1 << k)) === 0) continue
      // a traced packet may outlive its trace, and tells the row's next capture nothing
      if ((i32[captureRow(layout, k) + CAP_WAYS] & frame.way) !== 0) takers[k]?.(frame)
    }
  }
  /** The oldest record of a thread's ring, 0 when there is none. */
  const first = (thread: number): number => {
    const ring = captureRing(layout, thread)
    const tail = Atomics.load(i32, ring + RING_TAIL)
    for (;;) {
      const head = i32[ring + RING_HEAD]
      if (head === tail) return 0
      const record = ring + CAPTURE_SLOTS + (head & mask)
      if (i32[record + CR_WORDS] !== 0) return record
      // the ring's end, which was too short for the next one
      Atomics.store(i32, ring + RING_HEAD, (head + mask + 1 - (head & mask)) | 0)
    }
  }
  const release = (thread: number, record: number): void => {
    const head = captureRing(layout, thread) + RING_HEAD
    Atomics.store(i32, head, (i32[head] + i32[record + CR_WORDS]) | 0)
  }
  /** Gives everybody what has come, in the order of time; what comes meanwhile waits, so it ends. */
  const poll = (): void => {
    const now = Math.floor(nowUs())
    for (;;) {
      let oldest = -1
      let record = 0
      for (let thread = 0; thread < threads; thread++) {
        const one = first(thread)
        const isOlder =
          one !== 0 &&
          (record === 0 || ((i32[one + CR_TIME_US] - i32[record + CR_TIME_US]) | 0) < 0)
        if (!isOlder) continue
        oldest = thread
        record = one
      }
      if (record === 0 || ((i32[record + CR_TIME_US] - (now | 0)) | 0) > 0) return
      tell(oldest, record, now)
      release(oldest, record)
    }
  }
  const lostOf = (capture: number): number => {
    let sum = 0
    for (let thread = 0; thread < threads; thread++)
      sum += i32[layout.captureLost + thread * MAX_CAPTURES + capture]
    return sum
  }
  const setBit = (word: number, bit: number, on: boolean): void => {
    if (on) Atomics.or(i32, word, 1 << bit)
    else Atomics.and(i32, word, ~(1 << bit))
  }

  /** Packets are marked from when every worker's hooks tell of them. */
  const startTrace = (capture: number, packets: number): void => {
    const taker = takers[capture]
    setBit(G_TRACES, capture, true)
    void publish().then(() => {
      if (takers[capture] !== taker) return
      Atomics.store(i32, captureRow(layout, capture) + CAP_LEFT, packets)
      hasStarted[capture] = true
    })
  }

  /** Begins a capture: -errno, or how to go on with it. */
  const open = (wanted: CaptureWanted, take: (frame: CapturedFrame) => void) => {
    const capture = takers.findIndex((taker, k) => taker === null && !resting.has(k))
    if (capture < 0) return -Errno.ENOBUFS
    // what others wait for is theirs
    poll()
    const row = captureRow(layout, capture)
    i32[row + CAP_DEV] = wanted.ifindex
    i32[row + CAP_WAYS] = wanted.ways
    i32[row + CAP_SNAPLEN] = wanted.snapLen
    i32.set(wanted.program, row + CAP_PROGRAM)
    serial = (serial + 1) & 0x7fffffff || 1
    i32[row + CAP_SERIAL] = serial
    const before = lostOf(capture)
    takers[capture] = take
    i32[row + CAP_LEFT] = 0
    hasStarted[capture] = false
    setBit(G_CAPTURES, capture, (wanted.ways & ~CAPTURE_DROPPED) !== 0)
    setBit(G_CAPTURE_DROPS, capture, (wanted.ways & CAPTURE_DROPPED) !== 0)
    if ((wanted.ways & CAPTURE_TRACE) !== 0) startTrace(capture, wanted.packets ?? 0)
    const close = (): void => {
      if (takers[capture] !== take) return
      takers[capture] = null
      setBit(G_CAPTURES, capture, false)
      setBit(G_CAPTURE_DROPS, capture, false)
      setBit(G_TRACES, capture, false)
      resting.add(capture)
      retire(() => {
        // what was written for it meanwhile is nobody's
        poll()
        resting.delete(capture)
      })
      raise()
    }
    const lost = (): number => lostOf(capture) - before
    /** Of a trace: have all the packets that it asks for been found? */
    const isUsedUp = (): boolean => hasStarted[capture] && Atomics.load(i32, row + CAP_LEFT) <= 0
    return { startUs: Math.floor(nowUs()), poll, lost, isUsedUp, close }
  }
  return { open }
}
