// Monotonic time in microseconds, the same on every thread and in every process of the machine.
// performance.now() and Bun.nanoseconds() count from the start of each worker, so they cannot be
// compared between threads; CLOCK_MONOTONIC through the vDSO can, and costs the same (about 33 ns).
// Called once per batch by the nic and worker loops, never per packet.

import { block, libc } from './libc.ts'

const CLOCK_REALTIME = 0
const CLOCK_MONOTONIC = 1
const timespec = block(16)
const words = new Int32Array(timespec.bytes.buffer)
const at = timespec.at

/** Microseconds since the machine started, with the nanoseconds as a fraction. */
export const monotonicUs = (): number => {
  libc.clock_gettime(CLOCK_MONOTONIC, at)
  return words[0] * 1e6 + words[2] / 1e3
}
/** Microseconds since 1970, as the machine's clock of the day has it; asked when a socket is told when a packet came. */
export const realtimeUs = (): number => {
  libc.clock_gettime(CLOCK_REALTIME, at)
  return (words[0] >>> 0) * 1e6 + words[2] / 1e3
}
