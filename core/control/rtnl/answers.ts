/**
 * What the parts of the control plane hand to control.ts: the outcome of one message before it is published.
 * A change is written to shared memory at once; control.ts publishes it and waits.
 */

export type Refused = {
  /** errno, positive. */
  error: number
  /** The kernel's own words (its extended acknowledgement), where it has some. */
  extack: string | null
  /** Whole words of who refused, where it was not the kernel: a driver, the operating system. */
  message?: string
  /** The field at fault, as a path: 'gateway', 'dst'. */
  field?: string
  /** Of several messages: which one. */
  index?: number
}
/** `changed`: publish before answering. */
export type Outcome<Item> = { error: 0; item: Item; changed: boolean } | Refused
/** The answer to a request. */
export type Done<Item = unknown> = {
  error: 0
  item: Item
  /** Generation of shared memory that holds the change; a get answers with the current one. */
  revision: number
  /** Workers that have passed a quiescent point with it. */
  applied_by: number[]
}
export type Reply<Item = unknown> = Done<Item> | Refused

export const changed = <Item>(item: Item): Outcome<Item> => ({ error: 0, item, changed: true })
export const told = <Item>(item: Item): Outcome<Item> => ({ error: 0, item, changed: false })
export const refuse = (errno: number, extack: string | null = null, field?: string): Refused => ({
  error: errno,
  extack,
  ...(field === undefined ? {} : { field }),
})

export const isRefused = (value: unknown): value is Refused =>
  typeof value === 'object' && value !== null && 'error' in value && value.error !== 0

/** Items in arrays of at most `size`. */
export function* chunks<Item>(items: Iterable<Item>, size = 256): Generator<Item[]> {
  let chunk: Item[] = []
  for (const item of items) {
    chunk.push(item)
    if (chunk.length < size) continue
    yield chunk
    chunk = []
  }
  if (chunk.length > 0) yield chunk
}
