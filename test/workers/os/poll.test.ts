import { expect, test } from 'bun:test'
import { Worker } from 'node:worker_threads'
import { cstring, libc } from '../../../workers/os/libc.ts'
import { createPollSet, POLLHUP, POLLIN, POLLOUT, wake } from '../../../workers/os/poll.ts'
import { socketPair } from '../../../workers/os/unix.ts'

test('says which descriptors are ready', () => {
  const set = createPollSet(4)
  const [a, b] = socketPair()
  const [c, d] = socketPair()
  const first = set.add(a, POLLIN)
  const second = set.add(c, POLLIN)
  expect(set.wait(0)).toBe(0)
  libc.write(d, cstring('x').at, 1)
  expect(set.wait(-1)).toBe(1)
  expect(set.revents(first)).toBe(0)
  expect(set.revents(second)).toBe(POLLIN)
  set.setEvents(first, POLLOUT)
  expect(set.wait(-1)).toBe(2)
  expect(set.revents(first)).toBe(POLLOUT)
  libc.close(b)
  set.wait(-1)
  expect(set.revents(first) & POLLHUP).toBe(POLLHUP)
  for (const fd of [a, c, d]) libc.close(fd)
  set.close()
})

test('a removed slot is silent and is used again', () => {
  const set = createPollSet(1)
  const [a, b] = socketPair()
  const slot = set.add(a, POLLOUT)
  expect(() => set.add(b, POLLOUT)).toThrow('full')
  set.remove(slot)
  expect(set.wait(0)).toBe(0)
  expect(set.add(b, POLLOUT)).toBe(slot)
  expect(set.wait(-1)).toBe(1)
  libc.close(a)
  libc.close(b)
  set.close()
})

test('another thread wakes a sleeper, once for any number of rings', async () => {
  const set = createPollSet(1)
  const path = require.resolve('../../../workers/os/poll.ts')
  const worker = new Worker(
    `import { parentPort } from 'node:worker_threads'
     import { wake } from ${JSON.stringify(path)}
     parentPort.on('message', (doorbell) => wake(doorbell))
     parentPort.postMessage(0)`,
    { eval: true }
  )
  await new Promise((resolve) => worker.once('message', resolve))
  worker.postMessage(set.doorbell)
  expect(set.wait(-1)).toBe(0)
  wake(set.doorbell)
  wake(set.doorbell)
  expect(set.wait(-1)).toBe(0)
  expect(libc.read(set.doorbell, cstring('12345678').at, 8)).toBe(-1)
  await worker.terminate()
  set.close()
})
