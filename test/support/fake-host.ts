// An application on fake workers in one thread: what a doorbell wakes runs in the next turn of the event loop.
import {
  createFakeWorker,
  fakeArena,
  type FakeWorker,
  type FakeWorkerOptions,
} from './fake-worker.ts'
import { endApp } from '../../core/socket/app-rings.ts'
import type { ArenaConfig } from '../../core/shm/layout.ts'
import { createAppNet } from '../../workers/app/net.ts'

export type FakeHostOptions = {
  workers?: number
  seed?: number
  config?: Partial<ArenaConfig>
  worker?: Omit<FakeWorkerOptions, 'worker' | 'seed' | 'wakeApp'>
}

export const createFakeHost = ({
  workers: count = 2,
  seed = 1,
  config,
  worker = {},
}: FakeHostOptions = {}) => {
  const arena = fakeArena({ workers: count, apps: 1, socks: 512, ...config })
  let ring = (): void => {}
  let rung = 0
  const wakeApp = (): void => {
    rung++
    setImmediate(() => ring())
  }
  const make = (w: number): FakeWorker =>
    createFakeWorker(arena, { ...worker, worker: w, seed: seed * 31 + w, wakeApp })
  const workers = Array.from({ length: count }, (_, w) => make(w))
  let scheduled = false
  let stopped = false
  const runWorkers = (): void => {
    scheduled = false
    if (stopped) return
    let did = 0
    for (const each of workers) did += each.turn()
    if (did > 0 || workers.some(({ port, sockets }) => port.pending() || sockets.eventsPending()))
      kick()
  }
  /** Lets the workers have their turn. */
  const kick = (): void => {
    if (scheduled) return
    scheduled = true
    setImmediate(runWorkers)
  }
  // the workers always look asleep, so that the application rings
  for (let w = 0; w < count; w++) arena.i32[arena.layout.threadBlocks + w * 64 + 1] = 1
  const bell = {
    listen: (fn: () => void) => {
      ring = fn
    },
    close: () => {
      ring = () => {}
    },
  }
  const app = createAppNet({ arena, thread: arena.layout.appThread, wake: kick, bell })
  return {
    arena,
    workers,
    app,
    kick,
    rung: () => rung,
    /** A new worker comes in the place of one that threw. */
    restart: (w: number): FakeWorker => {
      workers[w] = make(w)
      kick()
      wakeApp()
      return workers[w]!
    },
    /** The application's thread dies without a word; control finds it. */
    kill: (): void => {
      bell.close()
      endApp(arena, 0)
      kick()
    },
    stop: (): void => {
      stopped = true
      app.close()
    },
  }
}
export type FakeHost = ReturnType<typeof createFakeHost>

/** Resolves when `done` holds; looks once a turn of the event loop, and gives up after many. */
export const until = async (done: () => boolean, what = 'it', turns = 200000): Promise<void> => {
  for (let k = 0; k < turns; k++) {
    if (done()) return
    await new Promise((resolve) => setImmediate(resolve))
  }
  throw new Error(`${what} did not happen`)
}

export const once = <T>(
  emitter: { once: (event: string, fn: (value: T) => void) => unknown },
  event: string
) => new Promise<T>((resolve) => emitter.once(event, resolve))

export const text = (words: string): Uint8Array => new TextEncoder().encode(words)
/** How a call fails: by which one, and why. */
export const codeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'none',
    (error: { code: string; syscall: string }) => `${error.syscall} ${error.code}`
  )
