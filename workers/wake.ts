/**
 * Doorbells: how a thread of the stack sleeps until another has work for it. A thread that waits on descriptors
 * too sleeps in poll(2) and is woken by its eventfd; workers sleep in Atomics.wait on a word; application threads
 * live in an event loop and get a message. The order is
 * what makes no wake-up lost: the sleeper says that it sleeps, then looks once more; the other publishes, then looks
 * whether it sleeps. What control publishes (a generation, the end) is looked for here, for all who sleep.
 */
import type { Arena } from '../core/shm/arena.ts'
import {
  G_GENERATION,
  G_SHUTDOWN,
  THREAD_ACK,
  THREAD_DOORBELL,
  THREAD_EVENTFD,
  THREAD_SLEEPING,
  THREAD_WORDS,
} from '../core/shm/layout.ts'
import { createRinger } from './app/doorbell.ts'
import { giveBack } from './give-back.ts'
import { wake as ringEventfd } from './os/poll.ts'

/** Wakes a thread that sleeps; `from` is the calling one. `id` names the stack among those of the process. */
export const createWake = ({ i32, layout }: Arena, id: string, from: number) => {
  const ringApp = createRinger(id, from)
  return (thread: number): void => {
    const block = layout.threadBlocks + thread * THREAD_WORDS
    const eventfd = i32[block + THREAD_EVENTFD]
    if (thread >= layout.appThread) ringApp(thread)
    else if (eventfd !== 0) ringEventfd(eventfd)
    else {
      Atomics.add(i32, block + THREAD_DOORBELL, 1)
      Atomics.notify(i32, block + THREAD_DOORBELL)
    }
  }
}

/** This thread has rested: what its start left behind is given back. A stack that begins again has no time for that. */
let hasRested = false

/**
 * `sleep(pending, wait)`: sleeps by `wait` unless `pending` says that work has come, or control has published
 * something since the thread's last quiescent point. The first time it gives back what the thread's start left behind.
 */
export const createSleep = ({ i32, layout }: Arena, thread: number) => {
  const block = layout.threadBlocks + thread * THREAD_WORDS
  const sleeping = block + THREAD_SLEEPING
  const isTold = (): boolean =>
    Atomics.load(i32, G_GENERATION) !== i32[block + THREAD_ACK] ||
    Atomics.load(i32, G_SHUTDOWN) !== 0
  return (pending: () => boolean, wait: () => void): void => {
    Atomics.store(i32, sleeping, 1)
    if (!isTold() && !pending()) {
      // whoever rings meanwhile is not missed: it says that it sleeps
      if (!hasRested) giveBack()
      hasRested = true
      wait()
    }
    Atomics.store(i32, sleeping, 0)
  }
}

/** Waits in Atomics.wait for at most `timeoutMs`. */
export const createDoorbellWait = ({ i32, layout }: Arena, thread: number) => {
  const doorbell = layout.threadBlocks + thread * THREAD_WORDS + THREAD_DOORBELL
  let seen = Atomics.load(i32, doorbell)
  return (timeoutMs: number): void => {
    // a ring since the last wait is work to look at, not to sleep over
    if (Atomics.load(i32, doorbell) === seen) Atomics.wait(i32, doorbell, seen, timeoutMs)
    seen = Atomics.load(i32, doorbell)
  }
}
