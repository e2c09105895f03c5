/**
 * What any thread that handles packets has: its own packet memory, the one place where its packets die, and its calls
 * to other threads. A worker's machine and the nic thread begin with createPacketThread; applications and peers, which
 * see no frames, with createThread.
 */
import { createTime, setTime } from '../base/time.ts'
import { createBpfJit } from '../bpf/bpf-jit.ts'
import { createCaptureFilters } from '../dev/capture-filters.ts'
import { createCapture } from '../dev/capture.ts'
import { createTrace } from '../dev/trace.ts'
import type { Arena } from '../shm/arena.ts'
import { createIpi } from '../shm/ipi.ts'
import { createDrop } from '../skb/drop.ts'
import { createSkbs } from '../skb/skbs.ts'

type ThreadDeps = {
  arena: Arena
  thread: number
  /** Rings the doorbell of a sleeping thread. */
  wake: (thread: number) => void
}
export type PacketThreadDeps = ThreadDeps & {
  /** Monotonic microseconds. */
  nowUs: () => number
}

export type Thread = ReturnType<typeof createThread>
export type PacketThread = ReturnType<typeof createPacketThread>

export const createThread = ({ arena, thread, wake }: ThreadDeps) => {
  const skbs = createSkbs(arena, thread)
  const { drop, consume } = createDrop(arena, skbs)
  const ipi = createIpi(arena, thread, wake)
  return { arena, thread, skbs, drop, consume, ipi }
}

export const createPacketThread = ({ arena, thread, wake, nowUs }: PacketThreadDeps) => {
  const skbs = createSkbs(arena, thread)
  const time = createTime()
  setTime(time, nowUs())
  const { compile } = createBpfJit({ arena, skbs })
  const { filterOf } = createCaptureFilters({ arena, compile })
  const capturing = createCapture({ arena, skbs, time, filterOf })
  const { isCapturing, captureOn } = capturing
  const trace = createTrace({ ...capturing, arena, skbs, filterOf })
  skbs.budget.onTracedHold(trace.traceHold)
  const capture: typeof capturing.capture = (skb, mac, type) => {
    capturing.capture(skb, mac, type)
    if (trace.isTracing()) trace.traceFrame(skb, mac, type)
  }
  const { drop, consume, countDrop } = createDrop(arena, skbs, (skb, reason) => {
    capturing.captureDrop(skb, reason)
    trace.traceDrop(skb, reason)
  })
  const ipi = createIpi(arena, thread, wake)
  const captures = { isCapturing, capture, captureOn, trace }
  return { arena, thread, skbs, time, drop, consume, countDrop, ...captures, ipi }
}
