// Waiting on devices: a poll(2) set over a fixed number of descriptors and one eventfd doorbell.
// Used by a thread that sleeps on descriptors (nic thread, multiqueue worker); other threads ring
// its doorbell with wake(fd) after they published work and saw it asleep. wait() allocates nothing.
// Linux counterpart: the interrupt that leads to napi_schedule; poll(2), eventfd(2).

import { addressOf, block, check, libc, putAddress } from './libc.ts'

export const POLLIN = 1
export const POLLOUT = 4
const POLLERR = 8
export const POLLHUP = 16
const POLLNVAL = 32
/** What poll(2) says unasked: the descriptor has an error, or nothing behind it any more. */
export const POLL_ERRORS = POLLERR | POLLHUP | POLLNVAL

const EFD_CLOEXEC = 0x80000
const EFD_NONBLOCK = 0x800
const POLLFD_WORDS = 2
const EVENTS = 2
const REVENTS = 3

/** A doorbell: its descriptor can be handed to other threads as a number. */
const createDoorbell = (): number => check(libc.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), 'eventfd')

const only = block(8)
/** What poll(2) says of one descriptor now. */
export const pollNow = (fd: number, events: number): number => {
  only.view.setInt32(0, fd, true)
  only.view.setInt16(4, events, true)
  return libc.poll(only.at, 1, 0) > 0 ? only.view.getInt16(6, true) : 0
}

const one = block(8)
putAddress(one.view, 0, 1)
const drained = block(8)

/** Rings a doorbell; any thread. A full eventfd is already rung, so the result does not matter. */
export const wake = (doorbell: number): void => {
  libc.write(doorbell, one.at, 8)
}

export type PollSet = {
  /** Descriptor of this set's doorbell. */
  doorbell: number
  /** Adds a descriptor; returns its slot. */
  add(fd: number, events: number): number
  /** A removed slot is skipped by poll(2) and used again by the next add. */
  remove(slot: number): void
  /** Removes all but the doorbell. */
  clear(): void
  setEvents(slot: number, events: number): void
  /** Returns how many slots are ready, the doorbell not counted; -1 waits for ever, 0 only looks. */
  wait(timeoutMs: number): number
  /** What poll found for a slot in the latest wait. */
  revents(slot: number): number
  close(): void
}

export const createPollSet = (capacity: number): PollSet => {
  // Slot 0 is the doorbell. struct pollfd is { int fd; short events; short revents }.
  const words = new Int32Array(new ArrayBuffer((capacity + 1) * 8))
  const halves = new Int16Array(words.buffer)
  const at = addressOf(words)
  const doorbell = createDoorbell()
  words.fill(-1)
  let count = 1

  const place = (slot: number, fd: number, events: number): void => {
    words[slot * POLLFD_WORDS] = fd
    halves[slot * 4 + EVENTS] = events
    halves[slot * 4 + REVENTS] = 0
  }
  place(0, doorbell, POLLIN)

  return {
    doorbell,
    add(fd, events) {
      let slot = 1
      while (slot < count && words[slot * POLLFD_WORDS] !== -1) slot++
      if (slot > capacity) throw new RangeError(`a poll set of ${capacity} descriptors is full`)
      if (slot === count) count++
      place(slot, fd, events)
      return slot
    },
    remove(slot) {
      place(slot, -1, 0)
    },
    clear() {
      for (let slot = 1; slot < count; slot++) place(slot, -1, 0)
    },
    setEvents(slot, events) {
      halves[slot * 4 + EVENTS] = events
    },
    wait(timeoutMs) {
      const ready = libc.poll(at, count, timeoutMs)
      // EINTR and the like: nothing is ready, and what revents held is stale.
      if (ready < 0) {
        for (let slot = 0; slot < count; slot++) halves[slot * 4 + REVENTS] = 0
        return 0
      }
      if (halves[REVENTS] === 0) return ready
      libc.read(doorbell, drained.at, 8)
      return ready - 1
    },
    revents(slot) {
      return halves[slot * 4 + REVENTS]
    },
    close() {
      libc.close(doorbell)
    },
  }
}
