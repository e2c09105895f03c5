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

/** A host with clients of one worker. */
export type TcpPeerData = NumberedData & TcpPeerOptions
export type TcpPeerOptions = {
  load: 'tcp' | 'connections'
  worker: number
  /** The worker's backlog, and its port's ring. */
  into: number
  from: number
  ifindex: number
  address: string
  mac: string
  gateway: string
  /** Of the gateway. */
  lladdr: string
  /** [worker] kilobytes sent, or connections that were answered. */
  counts: Float64Array
  spins: boolean
}
