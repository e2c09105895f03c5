/**
 * What a thread of the stack is started with, and what it tells the control thread: that it is ready, that it has
 * stopped, and what error restarted it. Everything else goes through shared memory.
 */
import { parentPort } from 'node:worker_threads'
import type { ArenaConfig } from '../core/shm/layout.ts'
import { giveBack } from './give-back.ts'

export type ThreadData = {
  config: ArenaConfig
  buffer: SharedArrayBuffer
  /** Names this stack among those of the process. */
  id: string
  thread: number
  /** CPU to pin to, or -1. */
  cpu: number
  /** Secret of this run: ISNs, ports and hashes are keyed with it. */
  secret: Int32Array
}

export type ThreadNews = 'ready' | 'stopped' | { error: string }

/** Tells the control thread. */
export const announce = (news: ThreadNews): void => parentPort?.postMessage(news)

/** Gives back what the start of this thread left behind, and tells the control thread that it runs: threads with an event loop. */
export const announceReady = (): void => {
  giveBack()
  announce('ready')
}

export const textOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error)
