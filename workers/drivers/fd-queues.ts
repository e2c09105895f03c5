/**
 * The device queues that one thread reads through their descriptors, and its sleep on them. A descriptor is read while
 * poll(2) says that there is something; one that has an error for good is let go and control is told, so that nobody
 * spins on what the host has taken away; and when there is no memory to read into, what has frames is left alone
 * for a moment. Used by the nic thread (workers/nic.ts) and by workers that read queues of their own (queues.ts).
 */
import type { DeviceFailed } from '../../core/netdev/device-failed.ts'
import type { PollSet } from '../os/poll.ts'
import { POLL_ERRORS, POLLIN } from '../os/poll.ts'
import { Errno } from '../os/libc.ts'
import type { Deliver, FdRx } from './fd-rx.ts'

/** A thread that found no memory looks again after this: packets come home meanwhile. */
const STARVED_REST_MS = 1
/** Looks at a descriptor with an error that a read neither tells nor clears. */
const STRIKES = 8
/** Until control has room for the news. */
const TELL_AGAIN_MS = 100

type FdQueue = {
  readonly fd: number
  readonly ifindex: number
  readonly isSocket: boolean
  readonly slot: number
  /** There may be something to read. */
  isHot: boolean
  isStarved: boolean
  hasError: boolean
  strikes: number
  /** Errno with which it was let go; 0 while it is read. */
  lost: number
  isTold: boolean
}

export const createFdQueues = (driver: FdRx, polls: PollSet, deviceFailed: DeviceFailed) => {
  let queues: FdQueue[] = []

  /** `isSocket`: a packet socket, which tells VLAN tags beside the frame. */
  const open = (fd: number, ifindex: number, isSocket: boolean): FdQueue => {
    const queue: FdQueue = {
      fd,
      ifindex,
      isSocket,
      slot: polls.add(fd, POLLIN),
      isHot: true,
      isStarved: false,
      hasError: false,
      strikes: 0,
      lost: 0,
      isTold: false,
    }
    queues.push(queue)
    return queue
  }
  const clear = (): void => {
    for (const queue of queues) if (queue.lost === 0) polls.remove(queue.slot)
    queues = []
  }

  const tell = (queue: FdQueue): void => {
    queue.isTold = deviceFailed(queue.ifindex, queue.lost)
  }
  const letGo = (queue: FdQueue, errno: number): void => {
    queue.lost = errno
    queue.isHot = false
    queue.isStarved = false
    polls.remove(queue.slot)
    tell(queue)
  }

  /** Reads up to `budget` frames of one queue; returns how many. */
  const read = (queue: FdQueue, budget: number, deliver: Deliver): number => {
    if (queue.lost !== 0) return 0
    const n = driver.poll(queue.fd, queue.ifindex, budget, deliver, queue.isSocket)
    const error = driver.error()
    queue.isHot = n === budget
    queue.isStarved = error === Errno.ENOMEM
    if (queue.hasError && n === 0) queue.strikes++
    // until poll(2) has looked again, nobody knows whether this read has cleared it
    queue.hasError = false
    if (error !== 0 && !queue.isStarved) letGo(queue, error)
    else if (queue.strikes === STRIKES) letGo(queue, Errno.EIO)
    return n
  }
  /** Reads what is hot, each up to `budget`; returns how many frames. */
  const readHot = (budget: number, deliver: Deliver): number => {
    let n = 0
    for (const queue of queues) if (queue.isHot) n += read(queue, budget, deliver)
    return n
  }

  /** Sleeps until a queue has frames or the doorbell rings, for at most `timeoutMs`. */
  const wait = (timeoutMs: number): void => {
    let ms = timeoutMs
    for (const queue of queues) {
      if (queue.lost !== 0 && !queue.isTold) {
        tell(queue)
        ms = Math.min(ms, TELL_AGAIN_MS)
      }
      if (!queue.isStarved) continue
      polls.setEvents(queue.slot, 0)
      ms = Math.min(ms, STARVED_REST_MS)
    }
    polls.wait(ms)
    for (const queue of queues) {
      if (queue.lost !== 0) continue
      const events = polls.revents(queue.slot)
      queue.hasError = (events & POLL_ERRORS) !== 0
      if (!queue.hasError) queue.strikes = 0
      queue.isHot = events !== 0 || queue.isStarved
      if (queue.isStarved) polls.setEvents(queue.slot, POLLIN)
    }
  }
  const count = (): number => queues.length
  return { open, clear, read, readHot, wait, count }
}
