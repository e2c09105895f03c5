// The web server's thread as it runs: beside a worker that never returns to its event loop, woken by its doorbell.
import { expect, test } from 'bun:test'
import { Worker } from 'node:worker_threads'
import { createArena } from '../../../core/shm/arena.ts'
import { G_SHUTDOWN, SMALL_ARENA } from '../../../core/shm/layout.ts'
import { setSysctlDefaults } from '../../../core/shm/sysctl.ts'

/** Resolves with the first message that `pick` takes. */
const message = <T>(thread: Worker, pick: (message: unknown) => T | undefined): Promise<T> =>
  new Promise((resolve, reject) => {
    thread.on('error', reject)
    thread.on('message', (said: unknown) => {
      const picked = pick(said)
      if (picked !== undefined) resolve(picked)
    })
  })
const word = (wanted: string) => (said: unknown) => (said === wanted ? true : undefined)
const heard = (said: unknown) =>
  typeof said === 'object' && said !== null && 'heard' in said ? String(said.heard) : undefined

test('a thread serves a hono app on port 80 to a worker in another, and stops when told', async () => {
  const config = { ...SMALL_ARENA, apps: 1 }
  const arena = createArena(config)
  setSysctlDefaults(arena)
  const { buffer, layout } = arena
  const id = 'main-test'
  const request =
    'GET /bytes/3000000 HTTP/1.1\r\nHost: h\r\n\r\nGET /whoami HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n'
  const worker = new Worker(new URL('../../support/fake-worker-thread.ts', import.meta.url), {
    workerData: { config, buffer, id, thread: 0, port: 80, request },
  })
  const answer = message(worker, heard)
  await message(worker, word('ready'))
  const app = new Worker(new URL('../../../workers/app/main.ts', import.meta.url), {
    workerData: {
      config,
      buffer,
      id,
      thread: layout.appThread,
      cpu: -1,
      port: 80,
      module: new URL('../../../api/host-app.ts', import.meta.url).pathname,
      factory: 'createHostApp',
      options: { hostname: 'h1' },
    },
  })
  const stopped = message(app, word('stopped'))
  await message(app, word('ready'))
  const text = await answer
  expect(text.length).toBeGreaterThan(3000000)
  expect(text.slice(-300)).toContain('"hostname":"h1"')
  app.postMessage('stop')
  await stopped
  Atomics.store(arena.i32, G_SHUTDOWN, 1)
  const ended = new Promise((resolve) => worker.on('exit', resolve))
  await ended
})
