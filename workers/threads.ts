/**
 * Starts the stack's threads and hears what becomes of them. One by one: fresh workers that all open the C library
 * at once crash Bun (see os/libc.ts), and a thread's first error belongs to the start that caused it. Control thread.
 */
import { Worker } from 'node:worker_threads'
import type { ThreadData, ThreadNews } from './thread-data.ts'

export type Thread = {
  /** Resolves when its loop has ended. */
  stopped: Promise<void>
  /** Its messages, for threads that have an event loop. */
  worker: Worker
}

/** Called with what a thread says of its errors. */
type OnError = (thread: number, error: string) => void

/** Starts one thread, of the module with this address, and waits until its loop runs. Rejects when it dies before. */
export const startThread = async <Data extends ThreadData>(
  entry: string,
  data: Data,
  onError: OnError
): Promise<Thread> => {
  const worker = new Worker(new URL(entry), { workerData: data })
  const stopped = Promise.withResolvers<void>()
  const ready = Promise.withResolvers<void>()
  worker.on('message', (news: ThreadNews) => {
    if (news === 'ready') ready.resolve()
    else if (news === 'stopped') stopped.resolve()
    else if (typeof news === 'object' && 'error' in news) onError(data.thread, news.error)
  })
  worker.on('error', (error: Error) => {
    ready.reject(error)
    onError(data.thread, error.stack ?? String(error))
  })
  worker.on('exit', () => {
    ready.reject(new Error(`${entry} ended before it was ready`))
    stopped.resolve()
  })
  await ready.promise
  return { stopped: stopped.promise, worker }
}
