// What the thread of app-answers-thread.ts tells whoever started it.

/** Words: sockets that it has, requests that it has answered; and, as a double, the ms that took. */
export const TOLD = { opened: 0, answered: 1, ms: 1 } as const
export const TOLD_BYTES = 16
