/**
 * The doorbell of an application's thread. It lives in Bun's event loop, so it can neither sleep in Atomics.wait nor
 * poll: a worker that finds its SLEEPING word set posts one message, which even a thread that never returns to its
 * own event loop can do. A BroadcastChannel needs no ports handed around, so a restarted worker rings as before;
 * measured round trip to a sleeping thread: 25 us (a MessagePort: 23 us). Workers ring, applications listen.
 */

import { BroadcastChannel } from 'node:worker_threads'

/** Stacks in one process are told apart by the process and an `id` of their own. */
const nameOf = (id: string, thread: number): string =>
  `softnet-doorbell-${process.pid}-${id}-${thread}`

/** Rings the doorbell of application threads; any thread. */
export const createRinger = (id: string) => {
  const bells = new Map<number, BroadcastChannel>()
  return (thread: number): void => {
    let bell = bells.get(thread)
    if (bell === undefined) {
      bell = new BroadcastChannel(nameOf(id, thread))
      // it only rings: it must not keep a thread alive
      bell.unref()
      bells.set(thread, bell)
    }
    bell.postMessage(0)
  }
}

/** What an application's loop needs of its doorbell. */
export type Bell = {
  /** Calls `ring` each time the bell rings; keeps the thread alive until `close`. */
  listen: (ring: () => void) => void
  close: () => void
}

/** The doorbell of this thread. */
export const createBell = (id: string, thread: number): Bell => {
  const channel = new BroadcastChannel(nameOf(id, thread))
  return {
    listen: (ring) => {
      channel.onmessage = () => ring()
    },
    close: () => channel.close(),
  }
}
