/**
 * What the parts of the control plane hand to control.ts: the outcome of one message before it is published.
 * A change is written to shared memory at once; control.ts publishes it and waits.
 */
import type { Refused } from './messages.ts'

/** `changed`: publish before answering. */
export type Outcome<Item> = { error: 0; item: Item; changed: boolean } | Refused

export const changed = <Item>(item: Item): Outcome<Item> => ({ error: 0, item, changed: true })
export const told = <Item>(item: Item): Outcome<Item> => ({ error: 0, item, changed: false })

export const isRefused = <T>(value: T | Refused): value is Refused =>
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
