/** What an application thread is started with, and how it is told to end. */
import type { ThreadData } from '../thread-data.ts'

export type AppThreadData = ThreadData & {
  port: number
  /** A module, the name of its function that makes an app ({ fetch }), and what to call it with. */
  module: string
  factory: string
  options: unknown
}
/** What control posts to end the thread; it answers 'stopped'. */
export const STOP = 'stop'
