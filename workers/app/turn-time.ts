/**
 * The time, read once for all that one turn of the engine hands out: each request looks at it more than once, and a reading
 * takes as long as a small part of its work does. Application thread only. Linux: jiffies.
 */
let turnMs = 0

export const beginTurn = (): void => {
  turnMs = Date.now()
}
export const endTurn = (): void => {
  turnMs = 0
}
/** Milliseconds since 1970: of the turn that is under way, or now. */
export const nowMs = (): number => turnMs || Date.now()
