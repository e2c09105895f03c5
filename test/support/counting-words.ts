// How a test and its counting peer (counting-peer.ts) talk: what it is started with, and the words that they share.
import type { NumberedData } from '../../bench/scale/thread-data.ts'

export type CountingData = NumberedData & CountingOptions
export type CountingOptions = { ifindex: number; words: Int32Array }

/** Words by which it is told, and tells. */
export const Word = {
  /** A run begins when it rises. */
  RUN: 0,
  /** Frames of the run. */
  FRAMES: 1,
  /** The last run that is over: all its frames are home. */
  DONE: 2,
  SENT: 3,
  RECEIVED: 4,
  /** Frames that came after a later one of their flow, or whose number was not sent. */
  DISORDERED: 5,
  /** Frames that another worker forwarded than the first of their flow in this run. */
  STRAYED: 6,
  /** By flow: one more than the worker that forwarded its first frame of the run. */
  OWNERS: 16,
} as const
