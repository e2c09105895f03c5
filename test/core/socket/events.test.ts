import { expect, test } from 'bun:test'
import { createEvents } from '../../../core/socket/events.ts'
import { SK_EVENT_HUP, SK_EVENT_READ, SK_EVENT_WRITE, sockSlab } from '../../../core/socket/sock.ts'
import { fakeArena } from '../../support/fake-worker.ts'

const setUp = () => {
  const arena = fakeArena()
  const slab = sockSlab(arena, 0, true)
  return { slab, events: createEvents(arena, slab.first) }
}

test('the events of a batch reach the handler once, together', () => {
  const { slab, events } = setUp()
  const seen: number[][] = []
  const handler = events.registerHandler((...call) => seen.push(call))
  const sk = slab.alloc()
  events.attach(sk, handler, 77)
  events.sockEvents(sk, SK_EVENT_READ)
  events.sockEvents(sk, SK_EVENT_READ)
  events.sockEvents(sk, SK_EVENT_WRITE)
  expect(seen).toEqual([])
  expect(events.eventsPending()).toBe(true)
  expect(events.runEvents()).toBe(1)
  expect(seen).toEqual([[sk, SK_EVENT_READ | SK_EVENT_WRITE, 77]])
  expect(events.eventsPending()).toBe(false)
})

test('a socket without a handler, or freed since, is not told', () => {
  const { slab, events } = setUp()
  let calls = 0
  const handler = events.registerHandler(() => calls++)
  events.sockEvents(slab.alloc(), SK_EVENT_READ)
  const sk = slab.alloc()
  events.attach(sk, handler, 0)
  events.sockEvents(sk, SK_EVENT_READ)
  slab.free(sk)
  expect(slab.alloc()).toBe(sk)
  events.attach(sk, handler, 0)
  events.runEvents()
  expect(calls).toBe(0)
  events.sockEvents(sk, SK_EVENT_READ)
  events.runEvents()
  expect(calls).toBe(1)
})

test('what happened to a freed socket is not told to the next one on its row', () => {
  const { slab, events } = setUp()
  const seen: number[][] = []
  const handler = events.registerHandler((...call) => seen.push(call))
  const old = slab.alloc()
  events.attach(old, handler, 1)
  events.sockEvents(old, SK_EVENT_HUP)
  events.detach(old)
  slab.free(old)
  const sk = slab.alloc()
  expect(sk).toBe(old)
  events.attach(sk, handler, 2)
  events.sockEvents(sk, SK_EVENT_READ)
  // once on the list, whoever put it there
  expect(events.runEvents()).toBe(1)
  expect(seen).toEqual([[sk, SK_EVENT_READ, 2]])
  expect(events.eventsPending()).toBe(false)
})

test('what handlers cause is run at once, but a handler that never stops leaves the rest for the next run', () => {
  const { slab, events } = setUp()
  let calls = 0
  const sk = slab.alloc()
  const handler = events.registerHandler(() => {
    calls++
    events.sockEvents(sk, SK_EVENT_READ)
  })
  events.attach(sk, handler, 0)
  events.sockEvents(sk, SK_EVENT_READ)
  events.runEvents()
  expect(calls).toBeGreaterThan(1)
  expect(calls).toBeLessThan(100)
  expect(events.eventsPending()).toBe(true)
})
