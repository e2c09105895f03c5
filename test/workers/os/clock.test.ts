import { expect, test } from 'bun:test'
import { Worker } from 'node:worker_threads'
import { monotonicUs } from '../../../workers/os/clock.ts'

test('time never goes back', () => {
  let last = monotonicUs()
  for (let i = 0; i < 100_000; i++) {
    const now = monotonicUs()
    expect(now >= last).toBe(true)
    last = now
  }
})

test('threads agree on the time', async () => {
  const path = require.resolve('../../../workers/os/clock.ts')
  const worker = new Worker(
    `import { parentPort } from 'node:worker_threads'
     import { monotonicUs } from ${JSON.stringify(path)}
     parentPort.on('message', () => parentPort.postMessage(monotonicUs()))
     parentPort.postMessage(0)`,
    { eval: true }
  )
  const next = () => new Promise<number>((resolve) => worker.once('message', resolve))
  await next()
  for (let i = 0; i < 20; i++) {
    const before = monotonicUs()
    const answered = next()
    worker.postMessage(i)
    const there = await answered
    expect(there).toBeGreaterThanOrEqual(before)
    expect(there).toBeLessThanOrEqual(monotonicUs())
  }
  await worker.terminate()
})
