/**
 * How long a thread runs before another has its turn (its slice). Whoever asks for a short one is served sooner when it wakes
 * (EEVDF: an earlier deadline, PREEMPT_SHORT), and has no less of the CPU for it: what threads want that handle packets, as the
 * kernel's own softirqs do, which run before all programs. Any thread, unprivileged. Linux 6.12: sched_setattr(2), kernel/sched/fair.c.
 */
import { block, libc } from './libc.ts'

const [NR_SETATTR, NR_GETATTR] = process.arch === 'arm64' ? [274, 275] : [314, 315]
/** struct sched_attr (SCHED_ATTR_SIZE_VER0), and where its sched_runtime is, nanoseconds. */
const ATTR_BYTES = 48
const RUNTIME = 24
/** A fourteenth of what threads have otherwise. */
const SLICE_NS = 200_000n

/** Of the calling thread. An older kernel, or a sandbox, leaves it as it was. */
export const takeShortTurns = (): void => {
  const attr = block(ATTR_BYTES)
  if (libc.syscall(NR_GETATTR, 0, attr.at, ATTR_BYTES, 0, 0, 0) < 0) return
  attr.view.setBigUint64(RUNTIME, SLICE_NS, true)
  libc.syscall(NR_SETATTR, 0, attr.at, 0, 0, 0, 0)
}
