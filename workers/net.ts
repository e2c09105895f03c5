/**
 * A worker: CPU i. Runs the stack for its flows: backlog and device queues in, protocols, timers, sockets, transmit; then
 * sleeps on its doorbell until a packet, a call from another thread or a timer is due. An error that gets out of the
 * stack ends that stack: its sockets are gone, what it held is freed and counted, and a new one starts on the same
 * shared tables. The other threads do not notice.
 */
import { workerData } from 'node:worker_threads'
import { attachArena } from '../core/shm/arena.ts'
import {
  G_SERVICES,
  THREAD_BUSY_US,
  THREAD_DOORBELL,
  THREAD_EVENTFD,
  THREAD_IDLE_US,
  THREAD_RESTARTS,
  THREAD_RUNNING,
  THREAD_WORDS,
} from '../core/shm/layout.ts'
import { servicesOf } from '../core/socket/services/services.ts'
import { createStack } from '../core/stack.ts'
import { createQueueReader } from './drivers/queues.ts'
import { KINDS } from './kinds.ts'
import { setAffinity } from './os/affinity.ts'
import { monotonicUs, realtimeUs } from './os/clock.ts'
import { createPollSet } from './os/poll.ts'
import { takeShortTurns } from './os/slice.ts'
import { createQuiescent } from './quiescent.ts'
import { random } from './random.ts'
import { createRestartPause } from './restart-pause.ts'
import type { ThreadData } from './thread-data.ts'
import { closeRing } from './drivers/fd.ts'
import { announce, textOf } from './thread-data.ts'
import { createDoorbellWait, createSleep, createWake } from './wake.ts'

/** Longest sleep: nothing is due, but a lost wake-up would cost no more than this. */
const LONGEST_SLEEP_MS = 1000
/** Turns without work before sleeping: a wake-up costs a sleeper and its waker some microseconds. */
const SPINS = 20
/** Device queues that a worker can wait for. */
const MAX_QUEUES = 256

const data = workerData as ThreadData
const { config, buffer, id, thread, secret } = data
const arena = attachArena(config, buffer)
const { i32, f64, layout } = arena
const block = layout.threadBlocks + thread * THREAD_WORDS
const wake = createWake(arena, id, thread)
const polls = createPollSet(MAX_QUEUES)

const start = (restarted: boolean) => {
  const stack = createStack({
    arena,
    thread,
    secret,
    random,
    wake,
    nowUs: monotonicUs,
    realtimeUs,
    kinds: KINDS,
    restarted,
  })
  const queues = createQueueReader(arena, thread, { ...stack, polls })
  const quiescent = createQuiescent(arena, thread, () => {
    stack.refresh()
    stack.services.configure(servicesOf(i32[G_SERVICES]))
    queues.refresh()
    i32[block + THREAD_EVENTFD] = queues.doorbell()
  })
  const sleep = createSleep(arena, thread)
  const waitOnDoorbell = createDoorbellWait(arena, thread)
  const nap = (): void => {
    const ms = stack.nextDelay(LONGEST_SLEEP_MS)
    if (queues.doorbell() !== 0) queues.wait(ms)
    else waitOnDoorbell(ms)
  }
  const pending = (): boolean => stack.pending()

  /** Runs until it is time to stop. */
  const loop = (): void => {
    let idle = 0
    let mark = monotonicUs()
    while (quiescent()) {
      if (stack.poll() !== 0) {
        idle = 0
        continue
      }
      if (++idle < SPINS) continue
      const before = monotonicUs()
      f64[(block + THREAD_BUSY_US) >> 1] += before - mark
      sleep(pending, nap)
      mark = monotonicUs()
      f64[(block + THREAD_IDLE_US) >> 1] += mark - before
    }
  }
  const close = (): void => {
    stack.cease()
    queues.close()
  }
  return { loop, close }
}

/** Makes a stack. From before it first looks into the shared tables, control waits for it. */
const begin = (restarted: boolean): ReturnType<typeof start> => {
  i32[block + THREAD_RUNNING] = 1
  return start(restarted)
}

/** Runs the stack, and again after an error. */
const supervise = (): void => {
  const nextPause = createRestartPause()
  // an error of the very first start is the boot's, and ends it
  let made: ReturnType<typeof start> | null = begin(false)
  announce('ready')
  for (;;) {
    const startedUs = monotonicUs()
    try {
      const { loop, close } = made ?? begin(true)
      made = null
      loop()
      close()
      return
    } catch (error) {
      made = null
      i32[block + THREAD_RUNNING] = 0
      i32[block + THREAD_RESTARTS]++
      announce({ error: textOf(error) })
      const pause = nextPause((monotonicUs() - startedUs) / 1000)
      Atomics.wait(i32, block + THREAD_DOORBELL, Atomics.load(i32, block + THREAD_DOORBELL), pause)
    }
  }
}

if (data.cpu >= 0) setAffinity([data.cpu])
takeShortTurns()
supervise()
polls.close()
closeRing()
announce('stopped')
