/** What the threads of a point are started with (point.ts). */
import type { ThreadData } from '../../workers/thread-data.ts'

/** A thread of the stack's own, which says first which one of the process it is. */
export type NumberedData = ThreadData & {
  /** Module that runs it. */
  program: string
  /** [thread] its id in /proc/self/task. */
  tids: Int32Array
}

/** A thread that makes frames, or takes them back, or both. */
export type PeerData = NumberedData & PeerOptions
export type PeerOptions = {
  /** Where its frames go: the ring of a port, or a worker's backlog, past the nic thread; null for none. */
  into: { ring: number; kick: number; onlyFor: number | null } | null
  /** Rings of forwarded frames that it frees. */
  from: number[]
  /** ifindex that its frames come in on. */
  ifindex: number
  /** Frames that it has under way at most. */
  window: number
  /** It has a CPU to itself, and does not leave it when there is nothing to do. */
  spins: boolean
}
