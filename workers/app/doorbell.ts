/**
 * The doorbell of an application's thread. It lives in Bun's event loop, so it can neither sleep in Atomics.wait nor
 * poll: a worker that finds its SLEEPING word set posts one message, which even a thread that never returns to its
 * own event loop can do. A BroadcastChannel needs no ports handed around, so a restarted worker rings as before;
 * measured round trip to a sleeping thread: 25 us (a MessagePort: 23 us). All who open a channel's name are sent what is posted
 * there, and a worker would keep it for ever: each pair of threads has a channel of its own. Workers ring, applications listen.
 */

import { BroadcastChannel } from 'node:worker_threads'

/** Stacks in one process are told apart by the process and an `id` of their own. */
const nameOf = (id: string, from: number, to: number): string =>
  `softnet-doorbell-${process.pid}-${id}-${from}-${to}`

/** Rings the doorbell of application threads, for the thread `from`, which is the calling one. */
export const createRinger = (id: string, from: number) => {
  const bells = new Map<number, BroadcastChannel>()
  return (thread: number): void => {
    let bell = bells.get(thread)
    if (bell === undefined) {
      bell = new BroadcastChannel(nameOf(id, from, thread))
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

/** The doorbell of this thread, for `threads` others to ring. */
export const createBell = (id: string, thread: number, threads: number): Bell => {
  const channels = Array.from(
    { length: threads },
    (_, from) => new BroadcastChannel(nameOf(id, from, thread))
  )
  return {
    listen: (ring) => {
      for (const channel of channels) channel.onmessage = () => ring()
    },
    close: () => {
      for (const channel of channels) channel.close()
    },
  }
}
