/**
 * A ring of int32 words between two threads: one producer, one consumer, no lock.
 *
 * Each side keeps its own index and a cached copy of the other's on cache lines of its own, and touches
 * the shared ones once a batch: `ringPush` many, `ringPublish` once; `ringReadable` once, `ringTake` many,
 * `ringRelease` once (Lamport's queue with MCRingBuffer's caching). A ring is a base index into the
 * arena, so that any thread can ask its length and no object per ring makes a call site polymorphic.
 */
import { RING_HEADER } from './layout.ts'

// Producer's cache lines.
const TAIL = 0 // published
const NEXT_TAIL = 1 // private
const HEAD_SEEN = 2 // private
const MASK = 3 // set at init, read by both
// Consumer's cache lines.
const HEAD = 32 // published
const NEXT_HEAD = 33 // private
const SLOTS = RING_HEADER

/** Makes an empty ring of `capacity` words (a power of two) at `ring`. Before the threads start. */
export const ringInit = (i32: Int32Array, ring: number, capacity: number): void => {
  i32.fill(0, ring, ring + RING_HEADER)
  i32[ring + MASK] = capacity - 1
}

/** Free slots, as the producer sees them. */
const roomIn = (i32: Int32Array, ring: number): number =>
  (i32[ring + MASK] + 1 - (i32[ring + NEXT_TAIL] - i32[ring + HEAD_SEEN])) | 0

/** True when `wanted` slots are free; looks at the consumer's index only when they do not seem to be. */
export const ringWritable = (i32: Int32Array, ring: number, wanted: number): boolean => {
  if (roomIn(i32, ring) >= wanted) return true
  i32[ring + HEAD_SEEN] = Atomics.load(i32, ring + HEAD)
  return roomIn(i32, ring) >= wanted
}

/** Appends a word that the consumer sees after the next publish; false when the ring is full. */
export const ringPush = (i32: Int32Array, ring: number, word: number): boolean => {
  const tail = i32[ring + NEXT_TAIL]
  const mask = i32[ring + MASK]
  if (((tail - i32[ring + HEAD_SEEN]) | 0) > mask) {
    i32[ring + HEAD_SEEN] = Atomics.load(i32, ring + HEAD)
    if (((tail - i32[ring + HEAD_SEEN]) | 0) > mask) return false
  }
  i32[ring + SLOTS + (tail & mask)] = word
  i32[ring + NEXT_TAIL] = (tail + 1) | 0
  return true
}

/** Words in the ring as its producer sees them; looks at the consumer's index only when above `limit`. */
export const ringBacklog = (i32: Int32Array, ring: number, limit: number): number => {
  const length = (i32[ring + NEXT_TAIL] - i32[ring + HEAD_SEEN]) | 0
  if (length < limit) return length
  i32[ring + HEAD_SEEN] = Atomics.load(i32, ring + HEAD)
  return (i32[ring + NEXT_TAIL] - i32[ring + HEAD_SEEN]) | 0
}

/** True when words were pushed since the last publish. */
export const ringUnpublished = (i32: Int32Array, ring: number): boolean =>
  i32[ring + NEXT_TAIL] !== i32[ring + TAIL]

/** Shows the consumer everything pushed so far. */
export const ringPublish = (i32: Int32Array, ring: number): void => {
  Atomics.store(i32, ring + TAIL, i32[ring + NEXT_TAIL])
}

/** How many words the consumer may take now. */
export const ringReadable = (i32: Int32Array, ring: number): number =>
  (Atomics.load(i32, ring + TAIL) - i32[ring + NEXT_HEAD]) | 0

/** Takes the next word; only as often as ringReadable said. */
export const ringTake = (i32: Int32Array, ring: number): number => {
  const head = i32[ring + NEXT_HEAD]
  i32[ring + NEXT_HEAD] = (head + 1) | 0
  return i32[ring + SLOTS + (head & i32[ring + MASK])]
}

/** The k-th word from the next on, which stays; only as far as ringReadable said. */
export const ringAhead = (i32: Int32Array, ring: number, k: number): number =>
  i32[ring + SLOTS + ((i32[ring + NEXT_HEAD] + k) & i32[ring + MASK])]

/** Gives the slots of all words taken so far back to the producer. */
export const ringRelease = (i32: Int32Array, ring: number): void => {
  Atomics.store(i32, ring + HEAD, i32[ring + NEXT_HEAD])
}

/** Published words not yet released; any thread may ask. */
export const ringLength = (i32: Int32Array, ring: number): number =>
  (Atomics.load(i32, ring + TAIL) - Atomics.load(i32, ring + HEAD)) | 0

/** The k-th of ringLength published words; any thread may ask, for gauges. */
export const ringPeek = (i32: Int32Array, ring: number, k: number): number =>
  i32[ring + SLOTS + ((Atomics.load(i32, ring + HEAD) + k) & i32[ring + MASK])]

/** Words pushed ever, as the producer knows them (RFS records it as the queue's tail). */
export const ringTail = (i32: Int32Array, ring: number): number => i32[ring + NEXT_TAIL]

/** Words released ever (RFS compares it with a recorded tail). */
export const ringHead = (i32: Int32Array, ring: number): number => Atomics.load(i32, ring + HEAD)

/**
 * Rings of records: `words` consecutive slots a record. The capacity is a multiple of it and every call uses the
 * same, so a record never wraps. Reserves one: the index of its first word, or 0 when the ring is full.
 */
export const ringReserve = (i32: Int32Array, ring: number, words: number): number => {
  if (!ringWritable(i32, ring, words)) return 0
  const tail = i32[ring + NEXT_TAIL]
  i32[ring + NEXT_TAIL] = (tail + words) | 0
  return ring + SLOTS + (tail & i32[ring + MASK])
}

/** Takes the next record: the index of its first word; only when ringReadable said so. */
export const ringTakeRecord = (i32: Int32Array, ring: number, words: number): number => {
  const head = i32[ring + NEXT_HEAD]
  i32[ring + NEXT_HEAD] = (head + words) | 0
  return ring + SLOTS + (head & i32[ring + MASK])
}

/** A new consumer of records takes the ring over: what was taken stays taken. */
export const ringAdoptHead = (i32: Int32Array, ring: number, words: number): void => {
  i32[ring + NEXT_HEAD] = (i32[ring + NEXT_HEAD] + words - 1) & -words
  ringRelease(i32, ring)
}
